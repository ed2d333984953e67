//! What a route's requests look like: paths and headers, literal or by regex (Kong: `paths`, `headers`). Each says
//! itself whether it takes what a request has.

use std::borrow::Cow;
use std::fmt;
use std::ops::ControlFlow;
use std::str::FromStr;

use http::header::{self, HeaderName};
use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::hir::{Hir, HirKind};

use crate::limits;
use crate::proxy::path::normalise;

/// Which paths a route takes, in the form that `proxy::path` gives them.
#[derive(Debug, Clone)]
pub enum PathPattern {
    /// `/v1`: the beginning of the path, byte by byte.
    Prefix(String),
    /// `~^/v2/(?<id>\d+)$`
    Regex(PathRegex),
}

impl PathPattern {
    /// As it stands in the configuration.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Prefix(prefix) => prefix,
            Self::Regex(regex) => &regex.text,
        }
    }

    /// Whether it takes `path`.
    pub fn takes(&self, path: &str) -> bool {
        match self {
            Self::Prefix(prefix) => path.starts_with(prefix),
            Self::Regex(regex) => regex.regex.is_match(path.as_bytes()),
        }
    }
}

impl FromStr for PathPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.len() > limits::ROUTE_PATH_BYTES {
            return Err(format!("a path has up to {} bytes, this one has {}", limits::ROUTE_PATH_BYTES, text.len()));
        }
        if text.starts_with('~') {
            return PathRegex::from_str(text).map(Self::Regex);
        }
        path_prefix(text)?;
        Ok(Self::Prefix(text.to_owned()))
    }
}

/// Whether `text` can be the beginning of a path.
pub(super) fn path_prefix(text: &str) -> Result<(), String> {
    if !text.starts_with('/') {
        return Err(format!("a path begins with \"/\", or with \"~\" if it is a regex; \"{text}\" does not"));
    }
    if let Some(c) = text.chars().find(|c| !c.is_ascii_graphic() || "?#".contains(*c)) {
        return Err(format!("a path has no {c:?} in it; percent-encode it"));
    }
    match normalise(text)? {
        Cow::Owned(normal) if normal != text => {
            Err(format!("no request has this path once it is normalised: write \"{normal}\""))
        }
        _ => Ok(()),
    }
}

/// A regex that paths must match from their beginning, whether or not it says "^". As paths are ASCII once they are
/// normalised, `\w`, `\d` and `(?i)` are about ASCII, as in Kong.
#[derive(Debug, Clone)]
pub struct PathRegex {
    text: String,
    regex: Regex,
    literal: Vec<u8>,
}

impl PathRegex {
    /// The compiled regex, anchored.
    pub fn regex(&self) -> &Regex {
        &self.regex
    }

    /// What every path that it takes begins with; may be empty.
    pub fn literal(&self) -> &[u8] {
        &self.literal
    }
}

impl FromStr for PathRegex {
    type Err = String;

    /// `text` begins with "~".
    fn from_str(text: &str) -> Result<Self, String> {
        let pattern = text.strip_prefix('~').unwrap_or(text);
        if pattern.is_empty() {
            return Err("a regex is missing after the \"~\"".to_owned());
        }
        if let Some(c) = pattern.chars().find(|c| !c.is_ascii()) {
            return Err(format!("no path has a {c:?} in it once it is normalised; percent-encode it"));
        }
        // The operator's own pattern first: that it can be put between parentheses does not make it a regex.
        parse(pattern)?;
        let anchored = format!("^(?:{pattern})");
        let mut literal = Vec::new();
        let _ = gather(&parse(&anchored)?, &mut literal);
        let regex = compile(RegexBuilder::new(&anchored).unicode(false))?;
        Ok(Self { text: text.to_owned(), regex, literal })
    }
}

fn parse(pattern: &str) -> Result<Hir, String> {
    let parsed = regex_syntax::ParserBuilder::new().unicode(false).utf8(false).build().parse(pattern);
    parsed.map_err(|error| match error {
        regex_syntax::Error::Parse(error) => refusal(pattern, error.span(), error.kind()),
        regex_syntax::Error::Translate(error) => refusal(pattern, error.span(), error.kind()),
        other => format!("this is no regex: {other}"),
    })
}

/// Look-around and back-references, which PCRE has, come here as well.
fn refusal(pattern: &str, span: &regex_syntax::ast::Span, reason: impl fmt::Display) -> String {
    match pattern.get(span.start.offset..span.end.offset) {
        Some(place) if !place.is_empty() => format!("this is no regex: {reason}, at \"{place}\""),
        _ => format!("this is no regex: {reason}"),
    }
}

fn compile(builder: &mut RegexBuilder) -> Result<Regex, String> {
    let built = builder.size_limit(limits::ROUTE_REGEX_BYTES).dfa_size_limit(limits::ROUTE_REGEX_CACHE_BYTES).build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(limit) => {
            format!("this regex takes more than {} KiB once compiled: repeat less in it", limit >> 10)
        }
        other => format!("this is no regex: {other}"),
    })
}

/// Append the literal text that a match begins with; `Break` where it ends.
fn gather(pattern: &Hir, literal: &mut Vec<u8>) -> ControlFlow<()> {
    match pattern.kind() {
        // They take no text, so what comes next follows upon what came before.
        HirKind::Empty | HirKind::Look(_) => ControlFlow::Continue(()),
        HirKind::Literal(text) => {
            literal.extend_from_slice(&text.0);
            ControlFlow::Continue(())
        }
        HirKind::Capture(group) => gather(&group.sub, literal),
        HirKind::Concat(parts) => parts.iter().try_for_each(|part| gather(part, literal)),
        HirKind::Class(_) | HirKind::Repetition(_) | HirKind::Alternation(_) => ControlFlow::Break(()),
    }
}

/// A header and what it must say.
#[derive(Debug, Clone)]
pub struct HeaderCriterion {
    /// Any header but `host`.
    pub name: HeaderName,
    /// What one of its values in the request must be.
    pub values: HeaderValues,
}

/// What a header's value must be. Its case does not matter.
#[derive(Debug, Clone)]
pub enum HeaderValues {
    /// One of these, in lower case.
    AnyOf(Vec<String>),
    /// `~*^v[23]`: anything that this is found in.
    Matching(ValueRegex),
}

/// A regex for header values; it ignores case.
#[derive(Debug, Clone)]
pub struct ValueRegex {
    text: String,
    regex: Regex,
}

impl HeaderCriterion {
    /// `values` as listed under `name`.
    ///
    /// # Errors
    /// No such header can be, or no such value; `host`, which `hosts` is for; no values; a bad regex.
    pub fn new<T: AsRef<str>>(name: &str, values: &[T]) -> Result<Self, String> {
        let name: HeaderName = name.parse().map_err(|_| format!("\"{name}\" is no header's name"))?;
        if name == header::HOST {
            return Err("use hosts for the host header".to_owned());
        }
        Ok(Self { values: HeaderValues::new(values)?, name })
    }

    /// Whether one of the header's values is right.
    pub fn takes(&self, headers: &http::HeaderMap) -> bool {
        headers.get_all(&self.name).iter().any(|value| self.values.takes(value.as_bytes()))
    }
}

impl fmt::Display for HeaderCriterion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.values.iter().collect::<Vec<_>>().join(" or "))
    }
}

impl HeaderValues {
    fn new<T: AsRef<str>>(values: &[T]) -> Result<Self, String> {
        match values {
            [] => return Err("a header needs at least one value".to_owned()),
            [only] => {
                if let Some(pattern) = only.as_ref().strip_prefix("~*") {
                    return ValueRegex::new(only.as_ref(), pattern).map(Self::Matching);
                }
            }
            _ => {}
        }
        let values = values.iter().map(|value| listed_value(value.as_ref()));
        values.collect::<Result<_, _>>().map(Self::AnyOf)
    }

    /// Whether `value` is right.
    pub fn takes(&self, value: &[u8]) -> bool {
        match self {
            Self::AnyOf(values) => values.iter().any(|listed| value.eq_ignore_ascii_case(listed.as_bytes())),
            Self::Matching(pattern) => pattern.regex.is_match(value),
        }
    }

    /// What it must be, as it stands in the configuration but for its case.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let (listed, pattern) = match self {
            Self::AnyOf(values) => (&values[..], None),
            Self::Matching(pattern) => (&[][..], Some(&*pattern.text)),
        };
        listed.iter().map(String::as_str).chain(pattern)
    }
}

fn listed_value(text: &str) -> Result<String, String> {
    if text.starts_with("~*") {
        return Err("a regex is a header's only value; put the others into it, with \"|\"".to_owned());
    }
    if text.len() > limits::ROUTE_HEADER_BYTES {
        return Err(format!("a header's value has up to {} bytes here", limits::ROUTE_HEADER_BYTES));
    }
    if text.trim() != text || http::HeaderValue::from_str(text).is_err() {
        return Err(format!("no header can have the value {text:?}"));
    }
    Ok(text.to_ascii_lowercase())
}

impl ValueRegex {
    fn new(text: &str, pattern: &str) -> Result<Self, String> {
        if text.len() > limits::ROUTE_PATH_BYTES {
            return Err(format!("a regex has up to {} bytes", limits::ROUTE_PATH_BYTES));
        }
        if pattern.is_empty() {
            return Err("a regex is missing after the \"~*\"".to_owned());
        }
        parse(pattern)?;
        let regex = compile(RegexBuilder::new(pattern).unicode(false).case_insensitive(true))?;
        Ok(Self { text: text.to_owned(), regex })
    }
}
