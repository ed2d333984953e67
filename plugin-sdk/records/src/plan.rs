//! How a record is written, worked out when the plugin is configured: pieces of JSON, and what stands between them.

use std::collections::BTreeMap;

use tidegate_sdk::exchange::Parts;

use crate::fields::{self, Found, Node, RECORD, Source};
use crate::json::{Out, Piece};
use crate::sources::{About, Form};
use crate::template::{Part, Template};

/// One step after another.
pub(crate) struct Plan {
    steps: Vec<Step>,
    /// What has to be asked for.
    pub(crate) parts: Parts,
}

enum Step {
    /// A member, if the exchange has what it shows. Its key has the opening quote of a text.
    Member {
        key: Piece,
        source: Source,
        behind: Behind,
    },
    Template {
        key: Piece,
        parts: Vec<Part>,
    },
    /// `"name":{`
    Open(Piece),
    /// The last that was opened; with nothing in it, it goes.
    Close,
}

/// What comes behind a member.
enum Behind {
    Comma,
    QuoteAndComma,
}

/// Objects within one another.
const DEPTH: usize = 4;

impl Default for Plan {
    /// The whole record.
    fn default() -> Self {
        let mut steps = Vec::new();
        object(RECORD, &mut steps);
        Self::of(steps)
    }
}

impl Plan {
    /// Of `fields`, or the whole record, and custom fields.
    pub(crate) fn new(
        fields: Option<&BTreeMap<String, String>>,
        custom_fields: &BTreeMap<String, String>,
    ) -> Result<Self, String> {
        let mut steps = Vec::new();
        match fields {
            None => object(RECORD, &mut steps),
            Some(fields) if fields.is_empty() && custom_fields.is_empty() => {
                return Err("fields: a record without any would say nothing".to_owned());
            }
            Some(fields) => {
                for (name, path) in fields {
                    let found = fields::find(path).map_err(|error| format!("fields.{name}: {error}"))?;
                    match found {
                        Found::Leaf(source) => steps.push(member(name, source)),
                        Found::Object(members) => nested(name, members, &mut steps),
                    }
                }
            }
        }
        for (name, text) in custom_fields {
            let is_taken = match fields {
                None => RECORD.iter().any(|(known, _)| known == name),
                Some(fields) => fields.contains_key(name),
            };
            if is_taken {
                return Err(format!("custom_fields.{name}: the record has a field of this name"));
            }
            let template = Template::parse(text).map_err(|error| format!("custom_fields.{name}: {error}"))?;
            steps.push(match template {
                Template::Whole(source) => member(name, source),
                Template::Text(parts) => Step::Template { key: Piece::key(name, "\""), parts },
            });
        }
        Ok(Self::of(steps))
    }

    fn of(steps: Vec<Step>) -> Self {
        let mut parts = Parts::default();
        let mut need = |source: &Source| match source {
            Source::RequestHeaders | Source::RequestHeader(_) => parts.request_headers = true,
            Source::ResponseHeaders | Source::ResponseHeader(_) => parts.response_headers = true,
            Source::Tries => parts.attempts = true,
            _ => {}
        };
        for step in &steps {
            match step {
                Step::Member { source, .. } => need(source),
                Step::Template { parts, .. } => parts.iter().for_each(|part| match part {
                    Part::Source(source) => need(source),
                    Part::Plain(_) => {}
                }),
                Step::Open(_) | Step::Close => {}
            }
        }
        Self { steps, parts }
    }

    pub(crate) fn write(&self, about: &About<'_>, out: &mut Out) {
        let mut opened = [0; DEPTH];
        let mut depth = 0;
        out.push(b'{');
        for step in &self.steps {
            match step {
                Step::Member { key, source, behind } => {
                    let before = out.end();
                    out.piece(key);
                    match (about.write(source, Form::Json, out), behind) {
                        (false, _) => out.truncate(before),
                        (true, Behind::Comma) => out.push(b','),
                        (true, Behind::QuoteAndComma) => out.few(b"\","),
                    }
                }
                Step::Template { key, parts } => {
                    out.piece(key);
                    for part in parts {
                        match part {
                            Part::Plain(plain) => out.piece(plain),
                            Part::Source(source) => _ = about.write(source, Form::Text, out),
                        }
                    }
                    out.few(b"\",");
                }
                Step::Open(key) => {
                    if let Some(opened) = opened.get_mut(depth) {
                        *opened = out.end();
                    }
                    depth += 1;
                    out.piece(key);
                }
                Step::Close => {
                    depth = depth.saturating_sub(1);
                    match out.bytes().last() {
                        Some(b'{') => out.truncate(opened.get(depth).copied().unwrap_or_default()),
                        _ => {
                            out.close(b'}');
                            out.push(b',');
                        }
                    }
                }
            }
        }
        out.close(b'}');
    }
}

fn member(name: &str, source: Source) -> Step {
    match source.is_text() {
        true => Step::Member { key: Piece::key(name, "\""), source, behind: Behind::QuoteAndComma },
        false => Step::Member { key: Piece::key(name, ""), source, behind: Behind::Comma },
    }
}

fn object(members: &[(&str, Node)], steps: &mut Vec<Step>) {
    for (name, node) in members {
        match node {
            Node::Leaf(source) => steps.push(member(name, (*source).clone())),
            Node::Extra(_) => {}
            Node::Object(members) => nested(name, members, steps),
        }
    }
}

fn nested(name: &str, members: &[(&str, Node)], steps: &mut Vec<Step>) {
    steps.push(Step::Open(Piece::key(name, "{")));
    object(members, steps);
    steps.push(Step::Close);
}
