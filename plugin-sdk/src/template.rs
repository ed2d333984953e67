//! Text with places that the current exchange fills: `Bearer $(headers.x-token or 'none')`. Parsed when a plugin is
//! configured; a value that is filled in can never be more than a value. In a form that Kong's transformers have, too.

mod parse;
mod path;
mod values;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

pub use path::{PathTemplate, UnsafePath};
pub use values::Values;

use crate::HeaderValue;

/// Text with places `$(…)` that the current exchange fills.
///
/// | place | what is filled in |
/// |---|---|
/// | `$(headers.x-user)` | the request's first header field of this name |
/// | `$(query_params.page)` | its first query parameter of this name, decoded |
/// | `$(uri_captures.id)` | what this named group of the route's path found |
/// | `$(shared.bot-score.value)` | what a plugin has put under this key by [`set_shared`](crate::exchange::set_shared) |
/// | `$(consumer.username)` | whom the request comes from, once it is authenticated; so `custom_id`, and `groups`, joined by commas |
/// | `$(claims.sub)` | a claim of the token that the `jwt` plugin has verified; `claims.realm.id` is one within another |
///
/// What has other characters in its name than letters, digits, `-`, `_` and `.` is named in brackets:
/// `$(claims['https://example.com/tenant'])`. What is not there is empty, unless the place says what to take in its
/// place: `$(headers.x-user or query_params.user or 'nobody')`. `$$(` is a `$(` of the text.
///
/// As a setting it is a JSON string; one that is no template is refused when the plugin is configured.
///
/// ```
/// use tidegate_sdk::prelude::*;
/// use tidegate_sdk::template::{Template, Values};
/// use tidegate_sdk::testing::{self, Exchange};
///
/// #[derive(Config)]
/// struct Greeting {
///     /// What to say.
///     text: Template,
/// }
///
/// impl RequestHook for Greeting {
///     fn on_request(&self, request: &mut Request) -> Flow {
///         Flow::reply(200).body(self.text.to_text(&Values::of(request)))
///     }
/// }
///
/// let plugin: Greeting = testing::configure(json!({ "text": "Hello $(query_params.name or 'you')!" }))?;
/// assert_eq!(Exchange::get("/?name=Bob").request(&plugin).reply().text(), "Hello Bob!");
/// assert_eq!(Exchange::get("/").request(&plugin).reply().text(), "Hello you!");
///
/// let error = testing::configure::<Greeting>(json!({ "text": "Hello $(query.name)!" })).err().unwrap();
/// assert!(error.starts_with("\"Hello $(query.name)!\" is no template, see character 9: there is no \"query\""));
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// The first of these that is there.
    Place(Vec<Source>),
}

/// What a place may be filled by.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    Header(String),
    QueryParam(String),
    Capture(String),
    Shared(String),
    Consumer(Trait),
    Claim(Vec<String>),
    Text(String),
}

/// What there is to tell of a consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trait {
    Username,
    CustomId,
    Groups,
}

impl Template {
    /// Text with no places: all of it stands for itself.
    ///
    /// ```
    /// use tidegate_sdk::template::Template;
    ///
    /// assert_eq!(Template::plain("$(x)").as_text(), Some("$(x)"));
    /// ```
    pub fn plain(text: impl Into<String>) -> Self {
        Self { pieces: vec![Piece::Text(text.into())] }
    }

    /// The text, if it is the same for every exchange.
    ///
    /// ```
    /// use tidegate_sdk::template::Template;
    ///
    /// let text: Template = "costs $5".parse()?;
    /// assert_eq!(text.as_text(), Some("costs $5"));
    /// let text: Template = "costs $(query_params.price)".parse()?;
    /// assert_eq!(text.as_text(), None);
    /// # Ok::<(), tidegate_sdk::template::InvalidTemplate>(())
    /// ```
    pub fn as_text(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [] => Some(""),
            [piece] => piece.as_text(),
            _ => None,
        }
    }

    /// The text with its places filled. What is no UTF-8 is replaced by U+FFFD.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, template::{Template, Values}, testing::{Exchange, Hook}};
    /// let told = Hook(|request: &mut Request| -> Result {
    ///     let order: Template = "order $(uri_captures.id)".parse()?;
    ///     Ok(Flow::reply(200).body(order.to_text(&Values::of(request))))
    /// });
    /// assert_eq!(Exchange::get("/orders/7").capture("id", "7").request(&told).reply().text(), "order 7");
    /// ```
    pub fn to_text(&self, values: &Values<'_>) -> String {
        match String::from_utf8(self.to_bytes(values)) {
            Ok(text) => text,
            Err(other) => String::from_utf8_lossy(other.as_bytes()).into_owned(),
        }
    }

    /// The text with its places filled, as bytes: header values need not be UTF-8.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, template::{Template, Values}, testing::{Exchange, Hook}};
    /// let told = Hook(|request: &mut Request| -> Result {
    ///     let user: Template = "<$(headers.x-user)>".parse()?;
    ///     Ok(Flow::reply(200).body(user.to_bytes(&Values::of(request))))
    /// });
    /// assert_eq!(Exchange::get("/").header("x-user", [0xff]).request(&told).reply().body, b"<\xff>");
    /// ```
    pub fn to_bytes(&self, values: &Values<'_>) -> Vec<u8> {
        let mut filled = Vec::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => filled.extend_from_slice(text.as_bytes()),
                Piece::Place(sources) => {
                    if let Some((value, _)) = values.first(sources) {
                        filled.extend_from_slice(&value);
                    }
                }
            }
        }
        filled
    }

    /// The text with its places filled, as a header value: a line break or another control character of what is filled
    /// in, with which a client could add fields of its own, is percent-encoded.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, template::{Template, Values}, testing::{Exchange, Hook, Outcome}};
    /// let tell = Hook(|request: &mut Request| -> Result {
    ///     let search: Template = "$(query_params.q)".parse()?;
    ///     request.set_header("x-search", search.to_header_value(&Values::of(request)));
    ///     Ok(Flow::Next)
    /// });
    /// let mut exchange = Exchange::get("/?q=a%0d%0ax-admin:+1");
    /// assert_eq!(exchange.request(&tell), Outcome::Next);
    /// assert_eq!(exchange.upstream_headers().first("x-search"), Some("a%0D%0Ax-admin: 1"));
    /// ```
    pub fn to_header_value(&self, values: &Values<'_>) -> HeaderValue {
        let filled = self.to_bytes(values);
        if filled.iter().copied().all(is_header_byte) {
            return HeaderValue::from(filled);
        }
        let mut encoded = Vec::with_capacity(filled.len() + 8);
        for byte in filled {
            if is_header_byte(byte) {
                encoded.push(byte);
            } else {
                encoded.extend_from_slice(format!("%{byte:02X}").as_bytes());
            }
        }
        HeaderValue::from(encoded)
    }

    /// Whether no byte of the text itself is one that no header value may have.
    pub(crate) fn check_header_value(&self) -> Result<(), String> {
        if self.pieces.iter().filter_map(Piece::as_text).all(|text| text.bytes().all(is_header_byte)) {
            Ok(())
        } else {
            Err("a header value has no control characters".to_owned())
        }
    }
}

impl Piece {
    fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Place(_) => None,
        }
    }
}

/// RFC 9110, section 5.5.
fn is_header_byte(byte: u8) -> bool {
    byte == b'\t' || !byte.is_ascii_control()
}

impl FromStr for Template {
    type Err = InvalidTemplate;

    fn from_str(text: &str) -> Result<Self, InvalidTemplate> {
        parse::pieces(text).map(|pieces| Self { pieces }).map_err(|fault| InvalidTemplate {
            text: text.to_owned(),
            character: text.get(..fault.at).map_or(0, |before| before.chars().count()) + 1,
            problem: fault.problem,
        })
    }
}

/// Text that is no template, and where.
///
/// ```
/// use tidegate_sdk::template::Template;
///
/// let error = "user $(consumer.name)".parse::<Template>().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "\"user $(consumer.name)\" is no template, see character 17: a consumer has username, custom_id and groups, and no \
///      \"name\""
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidTemplate {
    text: String,
    character: usize,
    problem: String,
}

impl fmt::Display for InvalidTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no template, see character {}: {}", self.text, self.character, self.problem)
    }
}

impl std::error::Error for InvalidTemplate {}

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Template {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Template".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

#[cfg(test)]
mod tests;
