//! Whom a request is counted for: what plugins that limit requests have in common. The words of the
//! settings are Kong's where Kong has them.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

use crate::counters::{self, Decision, Limit};
use crate::crypto::{self, Hash};
use crate::host::counters::{Among, Subject as Known};
use crate::{HeaderName, HeaderValue, Request, exchange, host, identity};

/// By what requests are told apart: a setting, usually called `limit_by`.
///
/// ```
/// use tidegate_sdk::prelude::*;
/// use tidegate_sdk::subject::LimitBy;
///
/// #[derive(Config)]
/// struct Settings {
///     /// Whom the limit is for.
///     #[config(default = LimitBy::Ip)]
///     limit_by: LimitBy,
/// }
///
/// let settings: Settings = tidegate_sdk::testing::configure(json!({ "limit_by": "route" }))?;
/// assert_eq!(settings.limit_by, LimitBy::Route);
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LimitBy {
    /// Each consumer, once a plugin has authenticated the request.
    Consumer,
    /// Each credential that a plugin has authenticated the request by.
    Credential,
    /// Each client address.
    Ip,
    /// Each service.
    Service,
    /// Each route.
    Route,
    /// Each value of the header `header_name`.
    Header,
    /// The path `path`, for everybody.
    Path,
    /// Each value of the cookie `cookie_name`.
    Cookie,
    /// Each value of the claim `claim_name` of a verified JSON Web Token.
    Claim,
}

/// What goes with some of [`LimitBy`]: settings of the same names.
///
/// ```
/// use tidegate_sdk::HeaderName;
/// use tidegate_sdk::subject::{LimitBy, Named, Subject};
///
/// let tenant = Named { header_name: Some(HeaderName::from_static("x-tenant")), ..Named::default() };
/// assert!(Subject::new(LimitBy::Header, tenant).is_ok());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named {
    /// For [`LimitBy::Header`].
    pub header_name: Option<HeaderName>,
    /// For [`LimitBy::Path`].
    pub path: Option<String>,
    /// For [`LimitBy::Cookie`].
    pub cookie_name: Option<String>,
    /// For [`LimitBy::Claim`].
    pub claim_name: Option<String>,
}

/// Says whom a request is counted for.
///
/// ```
/// use tidegate_sdk::prelude::*;
/// use tidegate_sdk::subject::{LimitBy, Named, Subject};
/// use tidegate_sdk::testing::{Exchange, Hook};
///
/// let named = Named { cookie_name: Some("session".to_owned()), ..Named::default() };
/// let subject = Subject::new(LimitBy::Cookie, named)?;
/// let told = Hook(move |request: &mut Request| Flow::reply(200).body(subject.of(request)));
/// let mut visitor = Exchange::get("/").header("cookie", "theme=dark; session=s1");
/// assert_eq!(visitor.request(&told).reply().text(), "cookie=s1");
/// // Whoever has none is told apart by address.
/// assert_eq!(Exchange::get("/").request(&told).reply().text(), "192.0.2.1");
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject(By);

#[derive(Debug, Clone, PartialEq, Eq)]
enum By {
    Consumer,
    Credential,
    Ip,
    Service,
    Route,
    Header(HeaderName),
    Path(String),
    Cookie(String),
    Claim(String),
}

impl Subject {
    /// From settings.
    ///
    /// ```
    /// use tidegate_sdk::subject::{LimitBy, Named, Subject};
    ///
    /// let error = Subject::new(LimitBy::Header, Named::default()).unwrap_err();
    /// assert_eq!(error, "limit_by \"header\" needs header_name");
    /// ```
    ///
    /// # Errors
    /// What `limit_by` needs is not there, or there is what it has no use for.
    pub fn new(limit_by: LimitBy, named: Named) -> Result<Self, String> {
        let Named { header_name, path, cookie_name, claim_name } = named;
        let given = [
            ("header_name", "header", header_name.is_some()),
            ("path", "path", path.is_some()),
            ("cookie_name", "cookie", cookie_name.is_some()),
            ("claim_name", "claim", claim_name.is_some()),
        ];
        let (by, used) = match limit_by {
            LimitBy::Consumer => (Some(By::Consumer), None),
            LimitBy::Credential => (Some(By::Credential), None),
            LimitBy::Ip => (Some(By::Ip), None),
            LimitBy::Service => (Some(By::Service), None),
            LimitBy::Route => (Some(By::Route), None),
            LimitBy::Header => (header_name.map(By::Header), Some("header_name")),
            LimitBy::Path => (path.map(By::Path), Some("path")),
            LimitBy::Cookie => (cookie_name.map(By::Cookie), Some("cookie_name")),
            LimitBy::Claim => (claim_name.map(By::Claim), Some("claim_name")),
        };
        for (setting, word, is_given) in given {
            match (used == Some(setting), is_given) {
                (true, false) => return Err(format!("limit_by \"{word}\" needs {setting}")),
                (false, true) => return Err(format!("{setting} is for limit_by \"{word}\" only")),
                (true, true) | (false, false) => {}
            }
        }
        match by {
            Some(By::Path(path)) if !path.starts_with('/') => Err(format!("path: {path:?} does not begin with \"/\"")),
            Some(By::Cookie(name)) if name.parse::<HeaderName>().is_err() => {
                Err(format!("cookie_name: {name:?} is no name that a cookie could have"))
            }
            Some(by) => Ok(Self(by)),
            None => Err("limit_by needs a name to go by".to_owned()),
        }
    }

    /// Whom this request is counted for: a key for counters or places, of up to 300 bytes. Who cannot be
    /// told apart as asked (no consumer, no such header) is told apart by address.
    ///
    /// ```
    /// use tidegate_sdk::prelude::*;
    /// use tidegate_sdk::subject::{LimitBy, Named, Subject};
    /// use tidegate_sdk::testing::{Exchange, Hook};
    ///
    /// let subject = Subject::new(LimitBy::Route, Named::default())?;
    /// let told = Hook(move |request: &mut Request| Flow::reply(200).body(subject.of(request)));
    /// assert_eq!(Exchange::get("/").route("orders", "shop").request(&told).reply().text(), "route=orders");
    /// # Ok::<(), String>(())
    /// ```
    pub fn of(&self, request: &Request) -> String {
        let found = match &self.0 {
            By::Ip => None,
            By::Consumer => exchange::consumer().map(|name| key("consumer", name.as_bytes())),
            By::Credential => {
                let known = identity::authenticated().and_then(|caller| caller.credential);
                known.map(|id| key("credential", id.as_bytes()))
            }
            By::Service => exchange::service().map(|name| key("service", name.as_bytes())),
            By::Route => exchange::route().map(|name| key("route", name.as_bytes())),
            By::Header(name) => {
                request.header(name).filter(|value| !value.is_empty()).map(|value| key("header", value.as_bytes()))
            }
            By::Path(path) => (request.path() == *path).then(|| key("path", path.as_bytes())),
            By::Cookie(name) => {
                let cookies = request.header_all("cookie");
                cookie(&cookies, name.as_bytes()).map(|value| key("cookie", value))
            }
            By::Claim(name) => {
                let claims = exchange::get_shared(CLAIMS);
                claims.and_then(|claims| claim(&claims, name)).map(|value| key("claim", value.as_bytes()))
            }
        };
        found.unwrap_or_else(host::client::address)
    }

    /// As [`counters::hit`] with what [`of`](Self::of) says for the key, which with one limit needs not be said at all in
    /// most cases: so it costs less.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tidegate_sdk::counters::{Algorithm, Limit};
    /// use tidegate_sdk::prelude::*;
    /// use tidegate_sdk::subject::{LimitBy, Named, Subject};
    /// use tidegate_sdk::testing::{Exchange, Hook, Outcome};
    ///
    /// let subject = Subject::new(LimitBy::Ip, Named::default())?;
    /// let limit = Limit { max: 1, window: Duration::from_secs(60), algorithm: Algorithm::FixedWindow };
    /// let once = Hook(move |request: &mut Request| -> Result {
    ///     let hit = subject.hit(request, 1, &[limit])?;
    ///     Ok(if hit.allowed { Flow::Next } else { Flow::reply(429).empty() })
    /// });
    /// let mut exchange = Exchange::get("/");
    /// assert_eq!(exchange.request(&once), Outcome::Next);
    /// assert_eq!(exchange.request(&once).reply().status, 429);
    /// # Ok::<(), String>(())
    /// ```
    ///
    /// # Errors
    /// As [`counters::hit`].
    pub fn hit(&self, request: &Request, cost: u64, limits: &[Limit]) -> Result<Decision, counters::Error> {
        match (self.known_to_gateway(), limits) {
            (Some(subject), [limit]) => counters::hit_subject(Among::All, subject, cost, limit),
            _ => counters::hit(&self.of(request), cost, limits),
        }
    }

    /// As [`hit`](Self::hit), by this gateway alone: see [`counters::hit_here`].
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidegate_sdk::counters::{Algorithm, Limit};
    /// # use tidegate_sdk::prelude::*;
    /// # use tidegate_sdk::subject::{LimitBy, Named, Subject};
    /// # use tidegate_sdk::testing::{Exchange, Hook, Outcome};
    /// let subject = Subject::new(LimitBy::Ip, Named::default())?;
    /// let limit = Limit { max: 1, window: Duration::from_secs(60), algorithm: Algorithm::FixedWindow };
    /// let once = Hook(move |request: &mut Request| -> Result {
    ///     let hit = subject.hit_here(request, 1, &[limit])?;
    ///     Ok(if hit.allowed { Flow::Next } else { Flow::reply(429).empty() })
    /// });
    /// assert_eq!(Exchange::get("/").counters_away().request(&once), Outcome::Next);
    /// # Ok::<(), String>(())
    /// ```
    ///
    /// # Errors
    /// As [`counters::hit_here`].
    pub fn hit_here(&self, request: &Request, cost: u64, limits: &[Limit]) -> Result<Decision, counters::Error> {
        match (self.known_to_gateway(), limits) {
            (Some(subject), [limit]) => counters::hit_subject(Among::Here, subject, cost, limit),
            _ => counters::hit_here(&self.of(request), cost, limits),
        }
    }

    /// By what the gateway tells requests apart itself, if this is it.
    fn known_to_gateway(&self) -> Option<Known> {
        match &self.0 {
            By::Ip => Some(Known::Address),
            By::Consumer => Some(Known::Consumer),
            By::Credential => Some(Known::Credential),
            By::Service => Some(Known::Service),
            By::Route => Some(Known::Route),
            By::Header(_) | By::Path(_) | By::Cookie(_) | By::Claim(_) => None,
        }
    }
}

/// Where the plugin that has verified a token leaves its claims.
const CLAIMS: &str = "jwt-claims";
/// Longer values, and those that are no text, are known by their digest.
const VALUE_BYTES: usize = 256;

/// No address has a "=" in it, so these keys are nobody's address.
pub(crate) fn key(of: &str, value: &[u8]) -> String {
    match str::from_utf8(value) {
        Ok(value) if value.len() <= VALUE_BYTES => [of, "=", value].concat(),
        _ => {
            let digest = crypto::digest(Hash::Sha256, value);
            let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            [of, "#=", &hex].concat()
        }
    }
}

/// The first cookie of this name that has a value (RFC 6265, section 4.2.1).
fn cookie<'h>(headers: &'h [HeaderValue], name: &[u8]) -> Option<&'h [u8]> {
    let pairs = headers.iter().flat_map(|header| header.as_bytes().split(|byte| *byte == b';'));
    let value = |pair: &'h [u8]| {
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        let (named, value) = (pair.get(..equals)?, pair.get(equals + 1..)?);
        (named.trim_ascii() == name).then_some(value.trim_ascii())
    };
    pairs.filter_map(value).find(|value| !value.is_empty())
}

/// The claim's value, if it is text, a number or a truth value.
fn claim(claims: &[u8], name: &str) -> Option<String> {
    let mut reader = serde_json::Deserializer::from_slice(claims);
    Wanted(name).deserialize(&mut reader).ok().flatten().filter(|value| !value.is_empty())
}

/// Reads one claim, and none of the others into memory.
struct Wanted<'n>(&'n str);

impl<'de> DeserializeSeed<'de> for Wanted<'_> {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Wanted<'_> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("claims")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut claims: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(name) = claims.next_key::<String>()? {
            if name == self.0 {
                found = match claims.next_value::<serde_json::Value>()? {
                    serde_json::Value::String(text) => Some(text),
                    value @ (serde_json::Value::Number(_) | serde_json::Value::Bool(_)) => Some(value.to_string()),
                    _ => None,
                };
            } else {
                claims.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests;
