//! Bodies as Kong's admin API takes them: JSON, forms and multipart forms, each an object. Another type is refused, so
//! that no page can have a browser send something that passes for one of them.

use std::str::FromStr;

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Map, Value};

use super::answer::Answer;
use super::{form, multipart};
use crate::limits;

/// What a body says.
#[derive(Debug, PartialEq)]
pub struct Fields {
    /// An object.
    pub object: Map<String, Value>,
    /// How its values are written.
    pub encoding: Encoding,
}

/// How values are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// As what they are.
    Json,
    /// As text, whatever they are; null if there is none.
    Form,
}

/// The object in `body`. Without a body there is nothing in it; of names that JSON has twice, the last one counts.
///
/// # Errors
/// The answer: 415 for another type, 400 for what cannot be read.
pub fn fields(content_type: Option<&MediaType>, body: &Bytes) -> Result<Fields, Answer> {
    let Some(content_type) = content_type else {
        let nothing = Fields { object: Map::new(), encoding: Encoding::Json };
        return if body.is_empty() { Ok(nothing) } else { Err(unsupported("the body has no Content-Type")) };
    };
    if content_type.parameter("charset").is_some_and(|charset| !charset.eq_ignore_ascii_case("utf-8")) {
        return Err(unsupported("bodies are UTF-8"));
    }
    let form = |object| Fields { object, encoding: Encoding::Form };
    match content_type.essence.as_str() {
        "application/json" => {
            let object = json(body).map_err(|problem| malformed("Cannot parse JSON body", &problem))?;
            Ok(Fields { object, encoding: Encoding::Json })
        }
        "application/x-www-form-urlencoded" => {
            form::object(body).map(form).map_err(|problem| malformed("Cannot parse form body", &problem))
        }
        "multipart/form-data" => multipart::object(content_type, body)
            .map(form)
            .map_err(|problem| malformed("Cannot parse form body", &problem)),
        other => Err(unsupported(&format!("{other} is not taken here"))),
    }
}

fn unsupported(problem: &str) -> Answer {
    let detail = format!(
        "{problem}: send application/json, application/x-www-form-urlencoded or multipart/form-data, as curl's --json, \
         --data and --form do"
    );
    Answer::refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Unsupported media type", &detail)
}

fn malformed(message: &str, problem: &str) -> Answer {
    Answer::refusal(StatusCode::BAD_REQUEST, message, problem)
}

fn json(body: &[u8]) -> Result<Map<String, Value>, String> {
    match serde_json::from_slice(body).map_err(|error| error.to_string())? {
        Value::Object(object) if object.values().all(|value| is_shallow(value, limits::ADMIN_BODY_DEPTH - 1)) => {
            Ok(object)
        }
        Value::Object(_) => Err(format!("it is deeper than {} levels", limits::ADMIN_BODY_DEPTH)),
        _ => Err("it is not an object".to_owned()),
    }
}

/// Whether there are no more levels than this. The parser has a bound of its own, so that this may call itself.
pub(super) fn is_shallow(value: &Value, levels: usize) -> bool {
    match value {
        Value::Array(elements) => levels > 0 && elements.iter().all(|element| is_shallow(element, levels - 1)),
        Value::Object(fields) => levels > 0 && fields.values().all(|field| is_shallow(field, levels - 1)),
        _ => true,
    }
}

/// What a `Content-Type` says (RFC 9110, section 8.3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaType {
    /// `application/json`, in lower case.
    pub essence: String,
    parameters: Vec<(String, String)>,
}

impl MediaType {
    /// The parameter of this name, in lower case; the first, should there be several.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

impl FromStr for MediaType {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (essence, parameters) =
            with_parameters(text).ok_or_else(|| format!("{text:?} is no media type like application/json"))?;
        match essence.split_once('/') {
            Some((kind, subtype)) if is_token(kind) && is_token(subtype) => Ok(Self { essence, parameters }),
            _ => Err(format!("{text:?} is no media type like application/json")),
        }
    }
}

/// A value and its parameters, `form-data; name="a"`: the value and their names in lower case. `None` if it is not that.
pub(super) fn with_parameters(text: &str) -> Option<(String, Vec<(String, String)>)> {
    let (value, mut rest) = text.split_at(text.find(';').unwrap_or(text.len()));
    let mut parameters = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', '\t']);
        if rest.is_empty() {
            return Some((value.trim_matches([' ', '\t']).to_ascii_lowercase(), parameters));
        }
        rest = rest.strip_prefix(';')?.trim_start_matches([' ', '\t']);
        if rest.is_empty() || rest.starts_with(';') {
            continue;
        }
        let (name, behind) = rest.split_once('=')?;
        let (value, behind) = match behind.strip_prefix('"') {
            Some(quoted) => unquoted(quoted)?,
            None => {
                let (token, behind) = behind.split_at(behind.find([';', ' ', '\t']).unwrap_or(behind.len()));
                (is_token(token).then(|| token.to_owned())?, behind)
            }
        };
        parameters.push((is_token(name).then(|| name.to_ascii_lowercase())?, value));
        rest = behind;
    }
}

/// What is quoted, from behind its first quote, and what follows it.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut rest = text.char_indices();
    loop {
        match rest.next()? {
            (_, '"') => return Some((value, rest.as_str())),
            (_, '\\') => value.push(rest.next()?.1),
            (_, other) => value.push(other),
        }
    }
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

#[cfg(test)]
mod tests;
