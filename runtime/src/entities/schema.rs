//! What fields an entity has, and what may be in them; checks a body against that, with Kong's words for what is wrong.

use serde_json::{Map, Value as Json, json};

use super::error::FieldErrors;

/// One field.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// What may be in it.
    pub takes: Type,
    /// Whether an entity cannot be without it.
    pub required: bool,
    /// What it is if nothing is said, as JSON; `None`: null.
    pub default: Option<&'static str>,
    /// What it does, in one sentence.
    pub about: &'static str,
}

/// What may be in a field.
#[derive(Debug, Clone, Copy)]
pub enum Type {
    /// Text that passes this.
    Text(fn(&str) -> Result<(), String>),
    /// One of these.
    OneOf(&'static [&'static str]),
    /// A whole number from, to.
    Integer(i64, i64),
    /// A number from, to.
    Number(f64, f64),
    /// True or false.
    Boolean,
    /// Several, in their order.
    Array(&'static Type),
    /// Values by names.
    Map(&'static Type),
    /// Fields of its own.
    Record(&'static [Field]),
    /// Another entity of this collection: its id, or its name.
    Foreign(&'static str),
    /// An object whose content others check: a plugin's config.
    Object,
}

impl Field {
    /// One that may be left out.
    pub const fn new(name: &'static str, takes: Type, about: &'static str) -> Self {
        Self { name, takes, required: false, default: None, about }
    }

    /// An entity cannot be without it.
    #[must_use]
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// It is this, in JSON, if nothing is said.
    #[must_use]
    pub const fn or(mut self, default: &'static str) -> Self {
        self.default = Some(default);
        self
    }

    /// What it is if nothing is said.
    pub fn otherwise(&self) -> Json {
        match (self.default, self.takes) {
            (Some(default), _) => serde_json::from_str(default).unwrap_or(Json::Null),
            (None, Type::Record(fields)) => Json::Object(defaults(fields)),
            (None, _) => Json::Null,
        }
    }
}

/// All fields as they are if nothing is said.
pub(super) fn defaults(fields: &[Field]) -> Map<String, Json> {
    fields.iter().map(|field| (field.name.to_owned(), field.otherwise())).collect()
}

/// How a body is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notation {
    /// JSON: values have their types.
    Typed,
    /// A form: every value is text, which stands for what the field takes (Kong's inference).
    Form,
}

/// What `body` says of `fields`, each as it is to be: null where a field is to be as if nothing was said.
///
/// # Errors
/// What is wrong, by field.
pub(super) fn check(
    fields: &[Field],
    body: &Map<String, Json>,
    notation: Notation,
) -> Result<Map<String, Json>, FieldErrors> {
    let mut checked = Map::new();
    let mut wrong = FieldErrors::new();
    for (name, value) in body {
        match fields.iter().find(|field| field.name == name) {
            None => drop(wrong.insert(name.clone(), json!("unknown field"))),
            Some(field) => match one(&field.takes, value, notation) {
                Ok(value) => drop(checked.insert(name.clone(), value)),
                Err(problem) => drop(wrong.insert(name.clone(), problem)),
            },
        }
    }
    if wrong.is_empty() { Ok(checked) } else { Err(wrong) }
}

/// The fields that an entity cannot be without and `entity` is.
pub(super) fn missing(fields: &[Field], entity: &Map<String, Json>) -> FieldErrors {
    let mut wrong = FieldErrors::new();
    for field in fields {
        let value = entity.get(field.name).unwrap_or(&Json::Null);
        match (field.takes, value) {
            (_, Json::Null) if field.required => {
                wrong.insert(field.name.to_owned(), json!("required field missing"));
            }
            (Type::Record(inner), Json::Object(value)) => {
                let inside = missing(inner, value);
                if !inside.is_empty() {
                    wrong.insert(field.name.to_owned(), Json::Object(inside));
                }
            }
            _ => {}
        }
    }
    wrong
}

fn one(takes: &Type, value: &Json, notation: Notation) -> Result<Json, Json> {
    if value.is_null() {
        return Ok(Json::Null);
    }
    match takes {
        Type::Text(check) => {
            let text = value.as_str().ok_or_else(|| json!("expected a string"))?;
            check(text).map_err(Json::String)?;
            Ok(value.clone())
        }
        Type::OneOf(known) => match value.as_str() {
            Some(text) if known.contains(&text) => Ok(value.clone()),
            Some(_) => Err(json!(format!("expected one of: {}", known.join(", ")))),
            None => Err(json!("expected a string")),
        },
        Type::Integer(from, to) => {
            // What has nothing behind its point is whole, as in Lua.
            let whole = |number: &serde_json::Number| {
                number
                    .as_i64()
                    .or_else(|| number.as_f64().filter(|n| n.fract() == 0.0 && n.abs() < 9e15).map(|n| n as i64))
            };
            let number = match (value, notation) {
                (Json::Number(number), _) => whole(number),
                (Json::String(text), Notation::Form) => text.trim().parse().ok(),
                _ => None,
            };
            let number = number.ok_or_else(|| json!("expected an integer"))?;
            within(number >= *from && number <= *to, from, to)?;
            Ok(json!(number))
        }
        Type::Number(from, to) => {
            let number = match (value, notation) {
                (Json::Number(number), _) => number.as_f64(),
                (Json::String(text), Notation::Form) => text.trim().parse().ok().filter(|n: &f64| n.is_finite()),
                _ => None,
            };
            let number = number.ok_or_else(|| json!("expected a number"))?;
            within(number >= *from && number <= *to, from, to)?;
            Ok(if number.fract() == 0.0 && number.abs() < 9e15 { json!(number as i64) } else { json!(number) })
        }
        Type::Boolean => match (value, notation) {
            (Json::Bool(_), _) => Ok(value.clone()),
            (Json::String(text), Notation::Form) if text == "true" => Ok(Json::Bool(true)),
            (Json::String(text), Notation::Form) if text == "false" => Ok(Json::Bool(false)),
            _ => Err(json!("expected a boolean")),
        },
        Type::Array(each) => several(each, value, notation),
        Type::Map(each) => {
            let Json::Object(members) = value else { return Err(json!("expected a map")) };
            let mut checked = Map::new();
            for (name, member) in members {
                let member = one(each, member, notation).map_err(|problem| json!({ name: problem }))?;
                if !member.is_null() {
                    checked.insert(name.clone(), member);
                }
            }
            Ok(Json::Object(checked))
        }
        Type::Record(fields) => {
            let Json::Object(members) = value else { return Err(json!("expected a record")) };
            check(fields, members, notation).map(Json::Object).map_err(Json::Object)
        }
        Type::Foreign(_) => foreign(value),
        Type::Object => match value {
            Json::Object(_) => Ok(value.clone()),
            _ => Err(json!("expected a record")),
        },
    }
}

fn within<N: std::fmt::Display>(is: bool, from: &N, to: &N) -> Result<(), Json> {
    if is { Ok(()) } else { Err(json!(format!("value should be between {from} and {to}"))) }
}

/// In a form, one value is a list of one, and the empty one is an empty list.
fn several(each: &Type, value: &Json, notation: Notation) -> Result<Json, Json> {
    let elements = match (value, notation) {
        (Json::Array(elements), _) => elements.as_slice(),
        (Json::String(text), Notation::Form) if text.is_empty() => &[],
        (Json::String(_), Notation::Form) => std::slice::from_ref(value),
        // Lua cannot tell an empty list from an empty map.
        (Json::Object(members), _) if members.is_empty() => &[],
        _ => return Err(json!("expected an array")),
    };
    let mut checked = Vec::with_capacity(elements.len());
    let mut wrong = Vec::new();
    for (index, element) in elements.iter().enumerate() {
        match one(each, element, notation) {
            Ok(Json::Null) => {}
            Ok(element) => checked.push(element),
            Err(problem) => {
                wrong.resize(index, Json::Null);
                wrong.push(problem);
            }
        }
    }
    if wrong.is_empty() { Ok(Json::Array(checked)) } else { Err(Json::Array(wrong)) }
}

/// `{"id": …}` or `{"name": …}`; what else is said of it goes unheard, since clients send back what they were told.
fn foreign(value: &Json) -> Result<Json, Json> {
    let Json::Object(members) = value else { return Err(json!("expected a record")) };
    match ["id", "name", "username"].into_iter().find_map(|key| Some((key, members.get(key)?))) {
        Some((_, Json::Null)) | None => Err(json!({ "id": "missing primary key" })),
        Some((key, named @ Json::String(_))) => Ok(json!({ key: named })),
        Some((key, _)) => Err(json!({ key: "expected a string" })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn any(_: &str) -> Result<(), String> {
        Ok(())
    }

    const FIELDS: &[Field] = &[
        Field::new("name", Type::Text(any), ""),
        Field::new("port", Type::Integer(0, 65535), "").or("80"),
        Field::new("paths", Type::Array(&Type::Text(any)), ""),
        Field::new("on", Type::Boolean, "").or("true"),
        Field::new("host", Type::Text(any), "").required(),
        Field::new("service", Type::Foreign("services"), ""),
        Field::new("checks", Type::Record(&[Field::new("every", Type::Number(0.0, 60.0), "").or("5")]), ""),
    ];

    fn checked(body: Json, notation: Notation) -> Result<Json, Json> {
        let Json::Object(body) = body else { panic!("{body}") };
        check(FIELDS, &body, notation).map(Json::Object).map_err(Json::Object)
    }

    #[test]
    fn json_has_types_and_forms_have_text() {
        let typed = json!({ "port": 81, "paths": ["/a"], "on": false, "checks": { "every": 1.5 } });
        assert_eq!(checked(typed.clone(), Notation::Typed), Ok(typed.clone()));
        let form = json!({ "port": "81", "paths": "/a", "on": "false", "checks": { "every": "1.5" } });
        assert_eq!(checked(form.clone(), Notation::Form), Ok(typed));
        let wrong = json!({
            "port": "expected an integer", "paths": "expected an array", "on": "expected a boolean",
            "checks": { "every": "expected a number" }
        });
        assert_eq!(checked(form, Notation::Typed), Err(wrong));
    }

    #[test]
    fn what_is_wrong_is_said_by_field() {
        for (body, problem) in [
            (json!({ "x": 1 }), json!({ "x": "unknown field" })),
            (json!({ "port": 70000 }), json!({ "port": "value should be between 0 and 65535" })),
            (json!({ "port": 1.5 }), json!({ "port": "expected an integer" })),
            (json!({ "name": 1 }), json!({ "name": "expected a string" })),
            (json!({ "paths": ["/a", 1] }), json!({ "paths": [null, "expected a string"] })),
            (json!({ "service": "a" }), json!({ "service": "expected a record" })),
            (json!({ "service": {} }), json!({ "service": { "id": "missing primary key" } })),
            (json!({ "checks": [] }), json!({ "checks": "expected a record" })),
        ] {
            assert_eq!(checked(body, Notation::Typed), Err(problem));
        }
    }

    #[test]
    fn null_is_as_if_nothing_was_said() {
        assert_eq!(
            checked(json!({ "name": null, "port": null }), Notation::Typed),
            Ok(json!({ "name": null, "port": null }))
        );
        let all = defaults(FIELDS);
        assert_eq!((&all["port"], &all["name"], &all["checks"]), (&json!(80), &Json::Null, &json!({ "every": 5 })));
        assert_eq!(Json::Object(missing(FIELDS, &all)), json!({ "host": "required field missing" }));
    }

    #[test]
    fn what_clients_were_told_of_another_entity_they_may_send_back() {
        let service = json!({ "service": { "id": "x", "name": "y", "host": "z" } });
        assert_eq!(checked(service, Notation::Typed), Ok(json!({ "service": { "id": "x" } })));
    }
}
