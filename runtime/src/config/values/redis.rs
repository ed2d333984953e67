//! Where a Redis is, and how to come in.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use ::redis::{ConnectionInfo, IntoConnectionInfo};

/// `redis://[[user]:password@]host[:port][/database]`, or `rediss://…` over TLS. It holds a password, so it is shown as
/// stars.
#[derive(Clone)]
pub struct RedisUrl {
    text: String,
    connection: Arc<ConnectionInfo>,
}

impl RedisUrl {
    /// What it says.
    pub fn connection(&self) -> &ConnectionInfo {
        &self.connection
    }
}

impl FromStr for RedisUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = ["redis://", "rediss://"].iter().any(|scheme| text.starts_with(scheme));
        // Behind a `#`, the client takes orders that nobody should give, such as not to verify certificates.
        let connection = if known && !text.contains('#') { text.into_connection_info().ok() } else { None };
        match connection {
            Some(connection) => Ok(Self { text: text.to_owned(), connection: Arc::new(connection) }),
            // Not a word of the text: there may be a password in it.
            None => Err("this is no URL of a Redis: redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE], over TLS \
                         rediss://, with %23 for a # and the like"
                .to_owned()),
        }
    }
}

impl PartialEq for RedisUrl {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for RedisUrl {}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_say_where_and_how() {
        let url: RedisUrl = "redis://gateway:s%23same@[::1]:6380/3".parse().unwrap();
        let (address, settings) = (url.connection().addr(), url.connection().redis_settings());
        assert_eq!(address.to_string(), "::1:6380");
        assert_eq!((settings.username(), settings.password(), settings.db()), (Some("gateway"), Some("s#same"), 3));
        assert!("rediss://redis.example.com".parse::<RedisUrl>().is_ok());
        assert_eq!(format!("{url:?}"), "***");
    }

    #[test]
    fn what_is_no_url_of_a_redis_is_refused_without_showing_it() {
        for text in
            ["", "localhost:6379", "http://sesame@h", "redis://", "redis://:sesame@h/x", "rediss://sesame@h/#insecure"]
        {
            let error = text.parse::<RedisUrl>().unwrap_err();
            assert!(!error.contains("sesame"), "{error}");
        }
    }
}
