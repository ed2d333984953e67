//! Names and values of header fields.

use std::borrow::Cow;
use std::fmt;
use std::str::{FromStr, Utf8Error};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::host::types;

/// The name of a header field: a token of RFC 9110, section 5.6.2, in lower case.
///
/// As a setting it is a JSON string; the schema refuses what is no token.
///
/// ```
/// use tidegate_sdk::HeaderName;
///
/// const MARK: HeaderName = HeaderName::from_static("x-mark");
///
/// let parsed: HeaderName = "X-Mark".parse()?;
/// assert_eq!(parsed, MARK);
/// assert!("x mark".parse::<HeaderName>().is_err());
/// # Ok::<(), tidegate_sdk::InvalidHeaderName>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HeaderName(Cow<'static, str>);

impl HeaderName {
    /// A name known when the plugin is compiled.
    ///
    /// ```
    /// use tidegate_sdk::HeaderName;
    ///
    /// const TENANT: HeaderName = HeaderName::from_static("x-tenant");
    /// assert_eq!(TENANT.as_str(), "x-tenant");
    /// ```
    ///
    /// # Panics
    /// If `name` is no token, or not in lower case.
    pub const fn from_static(name: &'static str) -> Self {
        let mut rest = name.as_bytes();
        assert!(!rest.is_empty(), "a header name is not empty");
        while let [byte, others @ ..] = rest {
            assert!(is_token(*byte) && !byte.is_ascii_uppercase(), "a header name is a token in lower case");
            rest = others;
        }
        Self(Cow::Borrowed(name))
    }

    /// The name, in lower case.
    ///
    /// ```
    /// # use tidegate_sdk::HeaderName;
    /// let name: HeaderName = "X-Tenant".parse()?;
    /// assert_eq!(name.as_str(), "x-tenant");
    /// # Ok::<(), tidegate_sdk::InvalidHeaderName>(())
    /// ```
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this field belongs to the connection (RFC 9110, section 7.6.1), says where the message ends, or is
    /// `x-gateway-error`. The gateway sets those; a plugin's edit of one is refused.
    ///
    /// ```
    /// use tidegate_sdk::prelude::*;
    /// use tidegate_sdk::testing;
    ///
    /// #[derive(Config, Debug)]
    /// #[config(validate = Settings::check)]
    /// struct Settings {
    ///     /// Header to set.
    ///     header: HeaderName,
    /// }
    ///
    /// impl Settings {
    ///     fn check(&self) -> Result<(), String> {
    ///         if self.header.is_gateways() { Err(format!("{} cannot be set", self.header)) } else { Ok(()) }
    ///     }
    /// }
    ///
    /// let error = testing::configure::<Settings>(json!({ "header": "Transfer-Encoding" })).unwrap_err();
    /// assert_eq!(error, "transfer-encoding cannot be set");
    /// ```
    pub fn is_gateways(&self) -> bool {
        OWNED_BY_GATEWAY.contains(&self.as_str())
    }
}

pub(crate) const OWNED_BY_GATEWAY: [&str; 9] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-gateway-error",
];

impl FromStr for HeaderName {
    type Err = InvalidHeaderName;

    fn from_str(name: &str) -> Result<Self, InvalidHeaderName> {
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(InvalidHeaderName(name.to_owned()));
        }
        Ok(Self(Cow::Owned(name.to_ascii_lowercase())))
    }
}

/// Text that no header field can be named by.
///
/// ```
/// use tidegate_sdk::HeaderName;
///
/// let error = "x:mark".parse::<HeaderName>().unwrap_err();
/// assert!(error.to_string().starts_with("\"x:mark\" is no header name"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidHeaderName(String);

impl fmt::Display for InvalidHeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no header name: letters, digits and !#$%&'*+-.^_`|~ make one", self.0)
    }
}

impl std::error::Error for InvalidHeaderName {}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl AsRef<str> for HeaderName {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl<'de> Deserialize<'de> for HeaderName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = Cow::<'de, str>::deserialize(deserializer)?;
        name.parse().map_err(de::Error::custom)
    }
}

impl Serialize for HeaderName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl JsonSchema for HeaderName {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "HeaderName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": TOKEN_PATTERN })
    }
}

/// `token` of RFC 9110, section 5.6.2; [`is_token`] tells the same.
const TOKEN_PATTERN: &str = "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$";

pub(crate) const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
}

/// A header section as the gateway tells it.
pub(crate) fn section(fields: Vec<types::Header>) -> Vec<(HeaderName, HeaderValue)> {
    let parsed = fields.into_iter().map(|types::Header { mut name, value }| {
        name.make_ascii_lowercase();
        (HeaderName(Cow::Owned(name)), HeaderValue(value))
    });
    parsed.collect()
}

/// The value of a header field: bytes, since nothing guarantees that they are UTF-8.
///
/// ```
/// use tidegate_sdk::HeaderValue;
///
/// let value = HeaderValue::from("de-DE");
/// assert_eq!(value.to_str(), Ok("de-DE"));
/// assert_eq!(value, "de-DE");
/// assert!(value.as_bytes().starts_with(b"de"));
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HeaderValue(Vec<u8>);

impl HeaderValue {
    /// The value as it was sent.
    ///
    /// ```
    /// # use tidegate_sdk::HeaderValue;
    /// assert_eq!(HeaderValue::from(vec![b'a', 0xff]).as_bytes(), b"a\xff");
    /// ```
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The value as text.
    ///
    /// ```
    /// # use tidegate_sdk::HeaderValue;
    /// assert_eq!(HeaderValue::from("gzip").to_str(), Ok("gzip"));
    /// assert!(HeaderValue::from(vec![0xff]).to_str().is_err());
    /// ```
    ///
    /// # Errors
    /// It is not UTF-8.
    pub fn to_str(&self) -> Result<&str, Utf8Error> {
        str::from_utf8(&self.0)
    }

    /// Whether there is nothing in it.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
    /// let given = Hook(|request: &mut Request| match request.header("apikey") {
    ///     Some(key) if !key.is_empty() => Flow::Next,
    ///     _ => Flow::reply(401).empty(),
    /// });
    /// assert_eq!(Exchange::get("/").header("apikey", "").request(&given).reply().status, 401);
    /// assert_eq!(Exchange::get("/").header("apikey", "k").request(&given), Outcome::Next);
    /// ```
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl fmt::Debug for HeaderValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

impl AsRef<[u8]> for HeaderValue {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for HeaderValue {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<&[u8]> for HeaderValue {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl From<String> for HeaderValue {
    fn from(text: String) -> Self {
        Self(text.into_bytes())
    }
}

impl From<&str> for HeaderValue {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl From<&HeaderValue> for HeaderValue {
    fn from(value: &HeaderValue) -> Self {
        value.clone()
    }
}

impl PartialEq<str> for HeaderValue {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialEq<&str> for HeaderValue {
    fn eq(&self, other: &&str) -> bool {
        self.0 == other.as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_the_tokens_of_rfc_9110_are_names() {
        let tokens: Vec<u8> = (0..=255).filter(|byte| is_token(*byte)).collect();
        let mut expected = b"!#$%&'*+-.^_`|~".to_vec();
        expected.extend((b'0'..=b'9').chain(b'A'..=b'Z').chain(b'a'..=b'z'));
        expected.sort_unstable();
        assert_eq!(tokens, expected);
    }

    #[test]
    fn what_the_gateway_says_itself_is_no_plugins_to_set() {
        for name in ["Connection", "TE", "Content-Length", "Trailer", "X-Gateway-Error"] {
            assert!(name.parse::<HeaderName>().unwrap().is_gateways(), "{name}");
        }
        assert!(!HeaderName::from_static("host").is_gateways());
    }

    #[test]
    fn a_setting_is_parsed_and_lower_cased() {
        let name: HeaderName = serde_json::from_str("\"X-Api-Key\"").unwrap();
        assert_eq!(name.as_str(), "x-api-key");
        let error = serde_json::from_str::<HeaderName>("\"no colon: here\"").unwrap_err();
        assert!(error.to_string().starts_with("\"no colon: here\" is no header name"), "{error}");
    }
}
