//! Templates of paths, in which no value can name another place than the template has for it.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use super::values::Origin;
use super::{Piece, Template, Values};
use crate::query::{is_unreserved, push_percent};

/// A [`Template`] of a path: `/users/$(claims.sub)/orders`. What is filled in is one segment of it, or a part of one,
/// percent-encoded; only what a group of the route's path has found may be several, as it was.
///
/// ```
/// use tidegate_sdk::prelude::*;
/// use tidegate_sdk::template::{PathTemplate, Values};
/// use tidegate_sdk::testing::{self, Exchange, Outcome};
///
/// #[derive(Config)]
/// struct Rewrite {
///     /// Where the upstream has it.
///     path: PathTemplate,
/// }
///
/// impl RequestHook<Result> for Rewrite {
///     fn on_request(&self, request: &mut Request) -> Result {
///         let Ok(path) = self.path.to_path(&Values::of(request)) else { return Ok(Flow::reply(400).empty()) };
///         request.set_path(&path);
///         Ok(Flow::Next)
///     }
/// }
///
/// let plugin: Rewrite = testing::configure(json!({ "path": "/users/$(query_params.user)/orders" }))?;
/// let mut exchange = Exchange::get("/?user=a/b+c");
/// assert_eq!(exchange.request(&plugin), Outcome::Next);
/// assert_eq!(exchange.upstream_path(), "/users/a%2Fb%20c/orders");
/// assert_eq!(Exchange::get("/?user=..").request(&plugin).reply().status, 400);
///
/// let error = testing::configure::<Rewrite>(json!({ "path": "/a?b=c" })).err().unwrap();
/// assert!(error.starts_with("\"/a?b=c\" is no path"));
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathTemplate(Template);

impl PathTemplate {
    /// The path with its places filled.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, template::{PathTemplate, Values}, testing::{Exchange, Hook, Outcome}};
    /// let move_out = Hook(|request: &mut Request| -> Result {
    ///     let path: PathTemplate = "/v2/$(uri_captures.rest)".parse()?;
    ///     let path = path.to_path(&Values::of(request))?;
    ///     request.set_path(&path);
    ///     Ok(Flow::Next)
    /// });
    /// let mut exchange = Exchange::get("/v1/a/b%20c").capture("rest", "a/b%20c");
    /// assert_eq!(exchange.request(&move_out), Outcome::Next);
    /// assert_eq!(exchange.upstream_path(), "/v2/a/b%20c");
    /// ```
    ///
    /// # Errors
    /// Filled in, it would be another path than the template has in mind: a segment that is `.` or `..`, or that a
    /// value was to fill and has left empty.
    pub fn to_path(&self, values: &Values<'_>) -> Result<String, UnsafePath> {
        let mut path = String::new();
        // Whether the segment at the end of `path` is for a value to fill.
        let mut awaited = false;
        for piece in &self.0.pieces {
            match piece {
                Piece::Text(text) => {
                    for (number, part) in text.split('/').enumerate() {
                        if number > 0 {
                            end_segment(&path, awaited)?;
                            path.push('/');
                            awaited = false;
                        }
                        path.push_str(part);
                    }
                }
                Piece::Place(sources) => match values.first(sources) {
                    Some((value, Origin::Path)) => push_encoded(&mut path, &value, may_stand),
                    found => {
                        push_encoded(&mut path, &found.map(|found| found.0).unwrap_or_default(), is_unreserved);
                        awaited = true;
                    }
                },
            }
        }
        end_segment(&path, awaited)?;
        // A group of the route's path may have brought several segments.
        if path.split('/').any(is_dots) { Err(UnsafePath) } else { Ok(path) }
    }
}

/// What the exchange has to fill in would make another path of a [`PathTemplate`].
///
/// ```
/// # use tidegate_sdk::{prelude::*, template::{PathTemplate, Values}, testing::{Exchange, Hook}};
/// let show = Hook(|request: &mut Request| -> Result {
///     let path: PathTemplate = "/files/$(query_params.name)".parse()?;
///     match path.to_path(&Values::of(request)) {
///         Ok(path) => Ok(Flow::reply(200).body(path)),
///         Err(refusal) => Ok(Flow::reply(400).body(refusal.to_string())),
///     }
/// });
/// let reply = Exchange::get("/?name=..").request(&show).reply();
/// assert_eq!(reply.text(), "a value is empty, or no segment of a path");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnsafePath;

impl fmt::Display for UnsafePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value is empty, or no segment of a path")
    }
}

impl std::error::Error for UnsafePath {}

fn end_segment(path: &str, awaited: bool) -> Result<(), UnsafePath> {
    if awaited && path.ends_with('/') { Err(UnsafePath) } else { Ok(()) }
}

/// The gateway removes such segments, however they are written (RFC 3986, section 6.2.2.3).
fn is_dots(segment: &str) -> bool {
    let decoded = segment.replace("%2e", ".").replace("%2E", ".");
    decoded == "." || decoded == ".."
}

/// What is no path byte is encoded, and so is a `%` that encodes nothing.
fn push_encoded(path: &mut String, value: &[u8], may_stand: fn(u8) -> bool) {
    let mut rest = value;
    while let [byte, others @ ..] = rest {
        let encodes = may_stand(b'%') && matches!(others, [high, low, ..] if is_hex(*high) && is_hex(*low));
        if may_stand(*byte) && (*byte != b'%' || encodes) {
            path.push(char::from(*byte));
        } else {
            push_percent(path, *byte);
        }
        rest = others;
    }
}

fn is_hex(byte: u8) -> bool {
    byte.is_ascii_hexdigit()
}

/// What can stand in a path of several segments (RFC 3986, section 3.3).
fn may_stand(byte: u8) -> bool {
    is_unreserved(byte) || b"/!$&'()*+,;=:@%".contains(&byte)
}

impl FromStr for PathTemplate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let template: Template = text.parse().map_err(|error: super::InvalidTemplate| error.to_string())?;
        let refuse = |problem: &str| Err(format!("{text:?} is no path: {problem}"));
        if !matches!(template.pieces.as_slice(), [Piece::Text(first), ..] if first.starts_with('/')) {
            return refuse("one begins with \"/\"");
        }
        for piece in &template.pieces {
            let Some(part) = piece.as_text() else { continue };
            if let Some(other) = part.chars().find(|c| !u8::try_from(*c).is_ok_and(may_stand)) {
                return refuse(&format!("{other:?} must be percent-encoded there"));
            }
            let codes = part.split('%').skip(1).map(|code| code.as_bytes());
            if !codes.into_iter().all(|code| matches!(code, [high, low, ..] if is_hex(*high) && is_hex(*low))) {
                return refuse("a \"%\" is followed by two hexadecimal digits");
            }
        }
        let outline: String = template.pieces.iter().map(|piece| piece.as_text().unwrap_or("value")).collect();
        if outline.split('/').any(is_dots) {
            return refuse("none of its segments is \".\" or \"..\"");
        }
        Ok(Self(template))
    }
}

impl<'de> Deserialize<'de> for PathTemplate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for PathTemplate {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "PathTemplate".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}
