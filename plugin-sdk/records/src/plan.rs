//! How a record is written, worked out when the plugin is configured: pieces of JSON, and what stands between them.

use std::collections::BTreeMap;

use tidegate_sdk::exchange::Parts;

use crate::fields::{self, Found, Node, RECORD, Source};
use crate::json;
use crate::sources::{About, Form};
use crate::template::{Part, Template};

/// One step after another.
pub(crate) struct Plan {
    steps: Vec<Step>,
    /// What has to be asked for.
    pub(crate) parts: Parts,
}

enum Step {
    /// A member, if the exchange has what it shows.
    Member {
        key: Box<[u8]>,
        source: Source,
    },
    Text {
        key: Box<[u8]>,
        parts: Vec<Part>,
    },
    /// `"name":{`
    Open(Box<[u8]>),
    /// The last that was opened; with nothing in it, it goes.
    Close,
}

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
                        Found::Leaf(source) => steps.push(Step::Member { key: json::key(name), source }),
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
                Template::Whole(source) => Step::Member { key: json::key(name), source },
                Template::Text(parts) => Step::Text { key: json::key(name), parts },
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
                Step::Text { parts, .. } => parts.iter().for_each(|part| match part {
                    Part::Source(source) => need(source),
                    Part::Plain(_) => {}
                }),
                Step::Open(_) | Step::Close => {}
            }
        }
        Self { steps, parts }
    }

    pub(crate) fn write(&self, about: &About<'_>, out: &mut Vec<u8>) {
        let mut opened = Vec::new();
        out.push(b'{');
        for step in &self.steps {
            match step {
                Step::Member { key, source } => {
                    let before = out.len();
                    out.extend_from_slice(key);
                    match about.write(source, Form::Json, out) {
                        true => out.push(b','),
                        false => out.truncate(before),
                    }
                }
                Step::Text { key, parts } => {
                    out.extend_from_slice(key);
                    out.push(b'"');
                    for part in parts {
                        match part {
                            Part::Plain(plain) => json::text(plain.as_bytes(), out),
                            Part::Source(source) => _ = about.write(source, Form::Text, out),
                        }
                    }
                    out.extend_from_slice(b"\",");
                }
                Step::Open(key) => {
                    opened.push(out.len());
                    out.extend_from_slice(key);
                    out.push(b'{');
                }
                Step::Close => {
                    let begun = opened.pop().unwrap_or_default();
                    match out.last() {
                        Some(b'{') => out.truncate(begun),
                        _ => {
                            json::close(b'}', out);
                            out.push(b',');
                        }
                    }
                }
            }
        }
        json::close(b'}', out);
    }
}

fn object(members: &[(&str, Node)], steps: &mut Vec<Step>) {
    for (name, node) in members {
        match node {
            Node::Leaf(source) => steps.push(Step::Member { key: json::key(name), source: (*source).clone() }),
            Node::Extra(_) => {}
            Node::Object(members) => nested(name, members, steps),
        }
    }
}

fn nested(name: &str, members: &[(&str, Node)], steps: &mut Vec<Step>) {
    steps.push(Step::Open(json::key(name)));
    object(members, steps);
    steps.push(Step::Close);
}
