//! Texts that are partly the exchange's: `$(request.method) by $(consumer.username)`.

use crate::fields::{self, Found, Source};
use crate::json::Piece;

/// A text, compiled.
#[derive(Debug)]
pub(crate) enum Template {
    /// What the exchange has at this place, of whatever type.
    Whole(Source),
    Text(Vec<Part>),
}

#[derive(Debug)]
pub(crate) enum Part {
    Plain(Piece),
    Source(Source),
}

impl Template {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((plain, behind)) = rest.split_once("$(") {
            let (path, behind) =
                behind.split_once(')').ok_or_else(|| format!("\"{text}\" has a `$(` without its `)`"))?;
            parts.extend((!plain.is_empty()).then(|| Part::Plain(Piece::text(plain))));
            parts.push(Part::Source(source(path.trim())?));
            rest = behind;
        }
        parts.extend((!rest.is_empty()).then(|| Part::Plain(Piece::text(rest))));
        Ok(match <[Part; 1]>::try_from(parts) {
            Ok([Part::Source(source)]) => Self::Whole(source),
            Ok([plain]) => Self::Text(vec![plain]),
            Err(parts) => match parts.iter().find_map(Part::many) {
                Some(many) => return Err(format!("\"{text}\": {many} are many, which a text cannot show")),
                None => Self::Text(parts),
            },
        })
    }
}

impl Part {
    fn many(&self) -> Option<&'static str> {
        match self {
            Self::Source(Source::RequestHeaders | Source::ResponseHeaders) => Some("headers"),
            Self::Source(Source::Querystring) => Some("parameters"),
            Self::Source(Source::Tries) => Some("tries"),
            Self::Source(_) | Self::Plain(_) => None,
        }
    }
}

fn source(path: &str) -> Result<Source, String> {
    match fields::find(path)? {
        Found::Leaf(source) => Ok(source),
        Found::Object(members) => {
            let names: Vec<String> = members.iter().map(|(name, _)| format!("{path}.{name}")).collect();
            Err(format!("`{path}` is an object: name one of {}", names.join(", ")))
        }
    }
}
