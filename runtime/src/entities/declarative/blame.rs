//! Which entity a fault of gateway.toml is one of, after a file has been loaded into that.

use std::collections::HashMap;

use serde_json::{Value as Json, json};
use toml_edit::{Document, Item, TableLike, Value};

use super::{Made, Problem};
use crate::config::faults::{Report, Span};
use crate::entities::error::{Error, FieldErrors};
use crate::entities::faults::{called, said};
use crate::entities::index::Index;
use crate::entities::kinds::Kind;
use crate::limits;
use crate::proposal::{Place, Step};

/// A fault, and whose it is.
#[derive(Debug)]
pub struct Blame {
    /// What is wrong, for the file's author.
    pub problem: Problem,
    /// The entity's place in gateway.toml, and the keys that lead on from there; `None`: it is no entity's.
    pub at: Option<(Kind, Place, Vec<String>)>,
}

/// The faults of `text`, into which `made` has been loaded.
pub fn blame(report: &Report, text: &str, made: &[Made]) -> Vec<Blame> {
    let Ok(document) = Document::parse(text) else { return Vec::new() };
    let mut spans = Vec::new();
    note(document.as_table(), &Place::new(), &mut spans);
    let index = document.clone().into_mut();
    let index = Index::of(&index);
    let entities: HashMap<&[Step], (Kind, &str)> = Kind::ALL
        .iter()
        .flat_map(|kind| index.of_kind(*kind))
        .map(|entry| (&*entry.place, (entry.kind, &*entry.id)))
        .collect();
    let made: HashMap<(Kind, &str), &Made> = made.iter().map(|made| ((made.kind, &*made.id), made)).collect();
    let told = report.faults().iter().zip(report.told()).take(limits::DECLARATIVE_FAULTS);
    told.map(|(fault, told)| {
        let place = fault.span.as_ref().and_then(|span| innermost(&spans, span));
        let found = place.and_then(|place| {
            let end =
                (0..=place.len()).rev().find(|end| place.get(..*end).is_some_and(|at| entities.contains_key(at)))?;
            let (at, below) = place.split_at_checked(end)?;
            let (kind, id) = *entities.get(at)?;
            Some((*made.get(&(kind, id))?, at.to_vec(), keys(below)))
        });
        match found {
            None => Blame { problem: Problem::at(Place::new(), &told), at: None },
            Some((made, at, path)) => {
                let problem = Problem::with(made, by_field(&path, said(fault)));
                Blame { problem, at: Some((made.kind, at, path)) }
            }
        }
    })
    .collect()
}

fn by_field(path: &[String], message: String) -> FieldErrors {
    match path {
        [] => FieldErrors::from_iter([(Error::WHOLE.to_owned(), json!([message]))]),
        [first, rest @ ..] => {
            let problem = rest.iter().rev().fold(Json::String(message), |inner, key| json!({ key: inner }));
            FieldErrors::from_iter([(called(first).to_owned(), problem)])
        }
    }
}

fn keys(steps: &[Step]) -> Vec<String> {
    let keys = steps.iter().map_while(|step| match step {
        Step::Key(key) => Some(key.clone()),
        Step::Element(_) => None,
    });
    keys.collect()
}

/// Everything that has a span in `table`, and where it is.
fn note(table: &dyn TableLike, place: &Place, spans: &mut Vec<(Span, Place)>) {
    for (key, item) in table.iter() {
        let mut at = place.clone();
        at.push(Step::Key(key.to_owned()));
        let written = [table.key(key).and_then(toml_edit::Key::span), item.span()];
        spans.extend(written.into_iter().flatten().map(|span| (span, at.clone())));
        match item {
            Item::ArrayOfTables(tables) => {
                for (position, table) in tables.iter().enumerate() {
                    at.push(Step::Element(position));
                    spans.extend(table.span().map(|span| (span, at.clone())));
                    note(table, &at, spans);
                    at.pop();
                }
            }
            Item::Value(Value::Array(values)) => {
                for (position, value) in values.iter().enumerate() {
                    at.push(Step::Element(position));
                    spans.extend(value.span().map(|span| (span, at.clone())));
                    if let Value::InlineTable(table) = value {
                        note(table, &at, spans);
                    }
                    at.pop();
                }
            }
            other => {
                if let Some(table) = other.as_table_like() {
                    note(table, &at, spans);
                }
            }
        }
    }
}

/// The smallest that has all of `span` in it; the deepest, of those.
fn innermost<'s>(spans: &'s [(Span, Place)], span: &Span) -> Option<&'s Place> {
    let around = spans.iter().filter(|(around, _)| around.start <= span.start && span.end <= around.end);
    let innermost = around.min_by_key(|(around, place)| (around.len(), std::cmp::Reverse(place.len())));
    innermost.map(|(_, place)| place)
}
