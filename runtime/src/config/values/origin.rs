//! An origin (RFC 6454): which server, spoken to how, whatever is asked of it.

use std::fmt;
use std::str::FromStr;

use super::address::Authority;

/// `http://host[:port]` or `https://host[:port]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    /// Whether TLS is spoken.
    pub tls: bool,
    /// A name in lower case, or an address; IPv6 in brackets.
    pub host: String,
    /// 1 to 65535.
    pub port: u16,
}

impl Origin {
    /// That of an http or https URL.
    pub fn of(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let authority = rest.split(['/', '?', '#']).next()?;
        format!("{scheme}://{authority}").parse().ok()
    }
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (tls, authority) = match text.split_once("://") {
            Some(("http", rest)) => (false, rest),
            Some(("https", rest)) => (true, rest),
            _ => return Err(format!("\"{text}\" is no origin: expected https://host or https://host:port")),
        };
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        if authority.contains(['/', '?', '#', '@']) {
            return Err(format!("\"{text}\" is more than an origin: leave out what follows the host and its port"));
        }
        let Authority { host, port } = Authority::parse(authority, Some(if tls { 443 } else { 80 }))?;
        Ok(Self { tls, host: host.to_ascii_lowercase(), port })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", if self.tls { "https" } else { "http" }, self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_of_an_origin() {
        let of = |url| Origin::of(url).map(|origin| origin.to_string());
        for url in ["https://a", "https://A:443/", "https://a/b?c#d", "https://a?b", "https://a#b://c"] {
            assert_eq!(of(url).as_deref(), Some("https://a:443"), "{url}");
        }
        for url in ["a/b", "https:///b", "ftp://a/b", "https://u@a/b", ""] {
            assert_eq!(of(url), None, "{url}");
        }
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        for (text, shown) in [
            ("https://IdP.example.com", "https://idp.example.com:443"),
            ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
            ("https://[::1]", "https://[::1]:443"),
        ] {
            assert_eq!(text.parse::<Origin>().unwrap().to_string(), shown);
        }
        for text in
            ["idp.example.com", "ftp://a", "https://a/b", "https://u@a", "https://", "https://a:0", "https://a:x"]
        {
            text.parse::<Origin>().unwrap_err();
        }
    }
}
