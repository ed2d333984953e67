//! What is wrong with a configuration after an edit, told by the fields of the entity that was edited.

use serde_json::{Value as Json, json};
use toml_edit::{Document, Item, TableLike, Value};

use super::error::{Error, FieldErrors};
use crate::config::faults::{Fault, Report, Span};
use crate::proposal::Step;

/// Keys of gateway.toml that Kong calls otherwise.
const CALLED: [(&str, &str); 10] = [
    ("url", "host"),
    ("timeouts", "read_timeout"),
    ("tls", "client_certificate"),
    ("http", "http_version"),
    ("use", "name"),
    ("balance", "algorithm"),
    ("health", "healthchecks"),
    ("address", "target"),
    ("public_key", "rsa_public_key"),
    ("group", "name"),
];

/// The faults of `text`, in which the entity at `place` has been edited.
pub fn explain(report: &Report, text: &str, place: &[Step]) -> Error {
    let document = Document::parse(text).ok();
    let entity = document.as_ref().and_then(|document| table_at(document.as_table(), place));
    let mut fields = FieldErrors::new();
    let mut elsewhere = Vec::new();
    for (fault, told) in report.faults().iter().zip(report.told()) {
        let path = fault.span.as_ref().zip(entity).map(|(span, entity)| path_to(entity, span));
        match path.as_deref() {
            None | Some([]) => elsewhere.push(if is_within(fault, entity) { said(fault) } else { told }),
            Some([first, rest @ ..]) => {
                let name = called(first);
                let problem = rest.iter().rev().fold(json!(said(fault)), |inner, key| json!({ key: inner }));
                match (fields.get_mut(name), problem) {
                    (Some(Json::Object(known)), Json::Object(more)) => known.extend(more),
                    (_, problem) => drop(fields.insert(name.to_owned(), problem)),
                }
            }
        }
    }
    if !elsewhere.is_empty() {
        fields.insert(Error::WHOLE.to_owned(), json!(elsewhere));
    }
    Error::schema(fields)
}

/// What Kong calls this key of gateway.toml.
pub(super) fn called(key: &str) -> &str {
    CALLED.iter().find(|(known, _)| *known == key).map_or(key, |(_, name)| name)
}

pub(super) fn said(fault: &Fault) -> String {
    match &fault.help {
        Some(help) => format!("{} ({help})", fault.message),
        None => fault.message.clone(),
    }
}

/// Whether the fault is the entity's as a whole.
fn is_within(fault: &Fault, entity: Option<&dyn TableLike>) -> bool {
    let inside = |span: &Span| {
        let mut items = entity.into_iter().flat_map(|entity| entity.iter()).filter_map(|(_, item)| item.span());
        items.any(|item| span.start <= item.start && item.end <= span.end)
    };
    fault.span.as_ref().is_some_and(inside)
}

fn table_at<'d>(top: &'d dyn TableLike, place: &[Step]) -> Option<&'d dyn TableLike> {
    let mut at = top;
    let mut steps = place.iter();
    while let Some(step) = steps.next() {
        let Step::Key(key) = step else { return None };
        at = match (at.get(key)?, steps.next()) {
            (Item::ArrayOfTables(tables), Some(Step::Element(position))) => tables.get(*position)?,
            (Item::Value(Value::Array(values)), Some(Step::Element(position))) => {
                values.get(*position)?.as_inline_table()?
            }
            (item, None) => item.as_table_like()?,
            _ => return None,
        };
    }
    Some(at)
}

/// The keys that lead to what stands at `span`, as far as there are any.
fn path_to(table: &dyn TableLike, span: &Span) -> Vec<String> {
    let mut path = Vec::new();
    let mut at = Some(table);
    while let Some(table) = at {
        let around = |key: &str, item: &Item| {
            let spans = [item.span(), table.key(key).and_then(toml_edit::Key::span)];
            spans.into_iter().flatten().any(|around| around.start <= span.start && span.end <= around.end)
        };
        let Some((key, item)) = table.iter().find(|(key, item)| around(key, item)) else { break };
        path.push(key.to_owned());
        at = item.as_table_like();
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn explained(text: &str, place: &[(&str, usize)]) -> Json {
        let place: Vec<Step> =
            place.iter().flat_map(|(key, at)| [Step::Key((*key).to_owned()), Step::Element(*at)]).collect();
        let (_, faults) = config::parse(std::path::Path::new("gateway.toml"), text).unwrap();
        explain(&faults.into_report(), text, &place).body["fields"].clone()
    }

    #[test]
    fn faults_go_by_the_fields_of_what_was_edited() {
        let text = "listeners = [{ address = \"127.0.0.1:0\" }]\n[[services]]\nname = \"a\"\nurl = \"ftp://x\"\nplugins = [{ use = \"x\", limits = { time = \"1y\" } }]\n";
        let fields = explained(text, &[("services", 0)]);
        assert!(fields["host"].as_str().unwrap().contains("ftp"), "{fields}");
        let fields = explained(text, &[("services", 0), ("plugins", 0)]);
        assert!(fields["limits"]["time"].is_string(), "{fields}");
        assert!(fields["@entity"][0].as_str().unwrap().starts_with("gateway.toml:4: "), "{fields}");
    }
}
