//! What is wrong with a file, in lines for people and as Kong's admin API says it.

use serde_json::{Map, Value as Json, json};

use super::Made;
use super::plan::{Planned, collection};
use crate::entities::error::{Error, FieldErrors};
use crate::entities::kinds::{Entity, Kind};
use crate::proposal::{Place, Step};

/// What is wrong with an entity, or with what is none.
#[derive(Debug, Clone)]
pub struct Problem {
    /// Where the file has it.
    pub place: Place,
    /// The entity; `None`: it is none.
    pub entity: Option<(Kind, Entity)>,
    /// What is wrong with it, by field.
    pub fields: FieldErrors,
}

impl Problem {
    /// Of something that is no entity.
    pub(super) fn at(place: Place, message: &str) -> Self {
        Self { place, entity: None, fields: whole(message) }
    }

    /// Of one that was to be made.
    pub(super) fn of(planned: &Planned, error: &Error) -> Self {
        let entity = Some((planned.kind, planned.body.clone()));
        Self { place: planned.place.clone(), entity, fields: fields(error) }
    }

    /// Of one that was made.
    pub fn with(made: &Made, fields: FieldErrors) -> Self {
        Self { place: made.place.clone(), entity: Some((made.kind, made.said.clone())), fields }
    }

    /// Each problem in one line, with its place.
    pub fn lines(&self) -> Vec<String> {
        self.leaves().into_iter().map(|(path, message)| format!("{}{path}: {message}", shown(&self.place))).collect()
    }

    /// As Kong's `flattened_errors` have it.
    pub fn flattened(&self) -> Json {
        let errors: Vec<Json> = self
            .leaves()
            .into_iter()
            .map(|(path, message)| match path.trim_start_matches('.') {
                "" => json!({ "type": "entity", "message": message }),
                field => json!({ "type": "field", "field": field, "message": message }),
            })
            .collect();
        let Some((kind, said)) = &self.entity else {
            return json!({ "entity_type": shown(&self.place), "errors": errors });
        };
        let mut flattened = Map::new();
        let singular = collection(*kind).trim_end_matches('s');
        flattened.insert("entity_type".to_owned(), json!(singular));
        for (key, field) in [
            ("entity_id", "id"),
            ("entity_name", kind.spec().label.filter(|label| ["name", "username"].contains(label)).unwrap_or("name")),
            ("entity_tags", "tags"),
        ] {
            flattened.extend(said.get(field).map(|value| (key.to_owned(), value.clone())));
        }
        flattened.insert("errors".to_owned(), json!(errors));
        Json::Object(flattened)
    }

    /// Put what is wrong where the file has it into `tree`, which is as the file is.
    pub fn nest(&self, tree: &mut Json) {
        let mut at = tree;
        for step in &self.place {
            at = match step {
                Step::Key(key) => {
                    if !at.is_object() {
                        *at = json!({});
                    }
                    let Json::Object(members) = at else { return };
                    members.entry(key.clone()).or_insert(Json::Null)
                }
                Step::Element(position) => {
                    if !at.is_array() {
                        *at = json!([]);
                    }
                    let Json::Array(elements) = at else { return };
                    if elements.len() <= *position {
                        elements.resize(position + 1, Json::Null);
                    }
                    let Some(element) = elements.get_mut(*position) else { return };
                    element
                }
            };
        }
        match (at, self.fields.get(Error::WHOLE).and_then(|whole| whole.get(0))) {
            (Json::Object(members), _) => members.extend(self.fields.clone()),
            (place, Some(message)) if self.entity.is_none() => *place = message.clone(),
            (place, _) => *place = Json::Object(self.fields.clone()),
        }
    }

    /// Each message, with the path from the entity to what it is about.
    fn leaves(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for (field, problem) in &self.fields {
            let path = if field == Error::WHOLE { String::new() } else { format!(".{field}") };
            leaves(path, problem, field == Error::WHOLE, &mut found);
        }
        found
    }
}

fn leaves(path: String, problem: &Json, of_the_whole: bool, found: &mut Vec<(String, String)>) {
    match problem {
        Json::Null => {}
        Json::String(message) => found.push((path, message.clone())),
        Json::Array(problems) => {
            for (position, problem) in problems.iter().enumerate() {
                let path = if of_the_whole { path.clone() } else { format!("{path}[{position}]") };
                leaves(path, problem, of_the_whole, found);
            }
        }
        Json::Object(members) => {
            members.iter().for_each(|(name, problem)| leaves(format!("{path}.{name}"), problem, of_the_whole, found));
        }
        other => found.push((path, other.to_string())),
    }
}

/// What is wrong by field: of what refers to nothing, or is there twice, Kong says the values there.
fn fields(error: &Error) -> FieldErrors {
    let message = || error.body.get("message").and_then(Json::as_str).unwrap_or_default();
    let said = error.body.get("fields").and_then(Json::as_object);
    match (error.body.get("code").and_then(Json::as_u64), said) {
        (Some(2), Some(fields)) => fields.clone(),
        (Some(4), Some(fields)) => fields.keys().map(|field| (field.clone(), json!(message()))).collect(),
        _ => whole(message()),
    }
}

fn whole(message: &str) -> FieldErrors {
    FieldErrors::from_iter([(Error::WHOLE.to_owned(), json!([message]))])
}

/// A place as people read it: `services[2].routes[0]`.
pub fn shown(place: &[Step]) -> String {
    let mut shown = String::new();
    for step in place {
        match step {
            Step::Key(key) if shown.is_empty() => shown.push_str(key),
            Step::Key(key) => shown.extend([".", key]),
            Step::Element(position) => shown.push_str(&format!("[{position}]")),
        }
    }
    shown
}
