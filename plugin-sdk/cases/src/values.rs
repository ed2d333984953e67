//! The words of a case file, parsed: what no client and no upstream could send is refused with its line.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error, MapAccess, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

/// GET unless it is said.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct Method(String);

/// Path and query; `/` unless it is said.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct Target(String);

/// 200 to 599; 200 unless it is said.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "u16")]
pub struct Status(u16);

/// A header section: each name with one value or several.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(try_from = "BTreeMap<String, Body>")]
pub struct Fields(Vec<(String, String)>);

/// A body: all of it at once, or one piece after another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// At once.
    Whole(String),
    /// One after another.
    Pieces(Vec<String>),
}

/// What is expected of the fields of one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// There is one at least, or there is none.
    Any(bool),
    /// These are all there are.
    Exactly(Vec<String>),
    /// There is one, and it has this shape: `?` is any character, `*` any number of them.
    Like(String),
}

impl Presence {
    /// Whether `values` are all that there is of the field, as expected.
    pub(crate) fn fits(&self, values: &[String]) -> bool {
        match (self, values) {
            (Self::Any(expected), values) => *expected != values.is_empty(),
            (Self::Exactly(expected), values) => expected == values,
            (Self::Like(shape), [value]) => has_shape(value, shape),
            (Self::Like(_), _) => false,
        }
    }
}

fn has_shape(text: &str, shape: &str) -> bool {
    match split_first(shape) {
        None => text.is_empty(),
        Some(('*', rest)) => has_shape(text, rest) || split_first(text).is_some_and(|(_, text)| has_shape(text, shape)),
        Some((expected, rest)) => {
            split_first(text).is_some_and(|(got, text)| (expected == '?' || expected == got) && has_shape(text, rest))
        }
    }
}

fn split_first(text: &str) -> Option<(char, &str)> {
    let mut rest = text.chars();
    rest.next().map(|first| (first, rest.as_str()))
}

impl Method {
    /// As it is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Method {
    fn default() -> Self {
        Self("GET".to_owned())
    }
}

impl TryFrom<String> for Method {
    type Error = String;

    fn try_from(method: String) -> Result<Self, String> {
        if is_token(&method) { Ok(Self(method)) } else { Err(format!("{method:?} is no method")) }
    }
}

impl Target {
    /// As it is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Target {
    fn default() -> Self {
        Self("/".to_owned())
    }
}

impl TryFrom<String> for Target {
    type Error = String;

    fn try_from(target: String) -> Result<Self, String> {
        if target.starts_with('/') && target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
            return Ok(Self(target));
        }
        Err(format!("{target:?} is no path: it begins with \"/\", and what is not ASCII is percent-encoded"))
    }
}

impl Status {
    /// As it is sent.
    pub fn code(self) -> u16 {
        self.0
    }
}

impl Default for Status {
    fn default() -> Self {
        Self(200)
    }
}

impl TryFrom<u16> for Status {
    type Error = String;

    fn try_from(status: u16) -> Result<Self, String> {
        if (200..=599).contains(&status) {
            Ok(Self(status))
        } else {
            Err(format!("a status is 200 to 599, not {status}"))
        }
    }
}

impl Fields {
    /// Name and value, one after another.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl TryFrom<BTreeMap<String, Body>> for Fields {
    type Error = String;

    fn try_from(table: BTreeMap<String, Body>) -> Result<Self, String> {
        let mut fields = Vec::new();
        for (name, values) in table {
            if !is_token(&name) {
                return Err(format!("{name:?} is no header's name"));
            }
            for value in values.into_pieces() {
                if value.chars().any(|c| c.is_control() && c != '\t') {
                    return Err(format!("the value of {name} has a character that no header may have"));
                }
                fields.push((name.to_ascii_lowercase(), value));
            }
        }
        Ok(Self(fields))
    }
}

impl Body {
    /// What comes, one after another.
    pub fn pieces(&self) -> &[String] {
        match self {
            Self::Whole(text) => std::slice::from_ref(text),
            Self::Pieces(pieces) => pieces,
        }
    }

    fn into_pieces(self) -> Vec<String> {
        match self {
            Self::Whole(text) => vec![text],
            Self::Pieces(pieces) => pieces,
        }
    }
}

/// RFC 9110, section 5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Texts)
    }
}

impl<'de> Deserialize<'de> for Presence {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Expectation)
    }
}

/// Takes what an untagged enum would take, but says what was expected.
struct Texts;

impl<'de> Visitor<'de> for Texts {
    type Value = Body;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, or a list of strings")
    }

    fn visit_str<E>(self, text: &str) -> Result<Body, E> {
        Ok(Body::Whole(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Body, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = list.next_element()? {
            texts.push(text);
        }
        Ok(Body::Pieces(texts))
    }
}

struct Expectation;

impl<'de> Visitor<'de> for Expectation {
    type Value = Presence;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, a list of strings, true for any value, false for none, or { like = SHAPE }")
    }

    fn visit_bool<E>(self, present: bool) -> Result<Presence, E> {
        Ok(Presence::Any(present))
    }

    fn visit_str<E>(self, text: &str) -> Result<Presence, E> {
        Ok(Presence::Exactly(vec![text.to_owned()]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Presence, A::Error> {
        Texts.visit_seq(list).map(|body| Presence::Exactly(body.into_pieces()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut table: A) -> Result<Presence, A::Error> {
        match table.next_entry::<String, String>()? {
            Some((key, shape)) if key == "like" && table.next_key::<String>()?.is_none() => Ok(Presence::Like(shape)),
            _ => Err(A::Error::invalid_type(Unexpected::Map, &self)),
        }
    }
}
