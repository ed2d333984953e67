//! What is wrong with a request about entities, in the words and numbers of Kong's admin API.

use serde_json::{Map, Value as Json, json};

/// A refusal, as its client is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Error {
    /// The status of the answer.
    pub status: u16,
    /// Its body.
    pub body: Json,
}

/// What is wrong with fields, by their names, nested as they are.
pub type FieldErrors = Map<String, Json>;

impl Error {
    /// Stands for the entity as a whole among fields.
    pub const WHOLE: &str = "@entity";

    /// Fields are missing, unknown or not what they may be (Kong: code 2).
    pub fn schema(fields: FieldErrors) -> Self {
        let count = fields.len();
        let listed = fields.iter().map(|(name, problem)| format!("{name}: {}", told(problem)));
        let listed = listed.collect::<Vec<_>>().join("; ");
        let message = match count {
            1 => format!("schema violation ({listed})"),
            _ => format!("{count} schema violations ({listed})"),
        };
        Self::new(400, 2, "schema violation", &message, &Json::Object(fields))
    }

    /// One field is not what it may be.
    pub fn field(name: &str, problem: impl Into<String>) -> Self {
        Self::schema(FieldErrors::from_iter([(name.to_owned(), Json::String(problem.into()))]))
    }

    /// The entity as a whole is not what it may be (Kong: `@entity`).
    pub fn entity(problem: impl Into<String>) -> Self {
        Self::schema(FieldErrors::from_iter([(Self::WHOLE.to_owned(), json!([problem.into()]))]))
    }

    /// An id that is none (Kong: code 3).
    pub fn primary_key(id: &str) -> Self {
        let message = format!("invalid primary key: '{{id=\"{id}\"}}'");
        Self::new(400, 3, "invalid primary key", &message, &json!({ "id": "expected a valid UUID" }))
    }

    /// A field names an entity that is not there (Kong: code 4).
    pub fn foreign_key(field: &str, key: &Json, collection: &str) -> Self {
        let message =
            format!("the foreign key '{}' does not reference an existing '{collection}' entity.", as_key(key));
        let fields = FieldErrors::from_iter([(field.to_owned(), key.clone())]);
        Self::new(400, 4, "foreign key violation", &message, &Json::Object(fields))
    }

    /// The entity cannot go while others need it (Kong: code 4).
    pub fn referenced(collection: &str, by: &str) -> Self {
        let message = format!("an existing '{by}' entity references this '{collection}' entity");
        Self::new(400, 4, "foreign key violation", &message, &json!({ "@referenced_by": by }))
    }

    /// Another entity has that already (Kong: code 5).
    pub fn unique(fields: FieldErrors) -> Self {
        let message = format!("UNIQUE violation detected on '{}'", as_key(&Json::Object(fields.clone())));
        Self::new(409, 5, "unique constraint violation", &message, &Json::Object(fields))
    }

    /// There is no such thing (Kong: the body has no code).
    pub fn not_found() -> Self {
        Self::message(404, "Not found")
    }

    /// A page that begins nowhere (Kong: code 7).
    pub fn offset(offset: &str) -> Self {
        let message = format!("'{offset}' is not a valid offset: take it from `next` of the page before");
        Self::new(400, 7, "invalid offset", &message, &json!({ "offset": "invalid" }))
    }

    /// A page that cannot have that many entries (Kong: code 8).
    pub fn size() -> Self {
        let message = "size must be an integer between 1 and 1000";
        Self::new(400, 8, "invalid size", message, &json!({ "size": message }))
    }

    /// It is not to be had this way (Kong: code 12).
    pub fn unsupported(message: &str) -> Self {
        Self::new(405, 12, "operation unsupported", message, &json!({}))
    }

    /// Just words.
    pub fn message(status: u16, message: impl Into<String>) -> Self {
        Self { status, body: json!({ "message": message.into() }) }
    }

    fn new(status: u16, code: u8, name: &str, message: &str, fields: &Json) -> Self {
        Self { status, body: json!({ "code": code, "name": name, "message": message, "fields": fields }) }
    }
}

/// A key as Kong's messages show it: `{name="a"}`.
fn as_key(key: &Json) -> String {
    let Json::Object(members) = key else { return key.to_string() };
    let members = members.iter().map(|(name, value)| format!("{name}={value}"));
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

/// A problem in one line.
fn told(problem: &Json) -> String {
    match problem {
        Json::String(problem) => problem.clone(),
        Json::Array(problems) => problems.iter().map(told).collect::<Vec<_>>().join(", "),
        Json::Object(fields) => {
            let fields = fields.iter().map(|(name, problem)| format!("{name}: {}", told(problem)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join("; "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_fields_are_listed_in_the_message() {
        let fields = json!({ "host": "required field missing", "config": { "minute": "expected an integer" } });
        let Json::Object(fields) = fields else { panic!() };
        let message = "2 schema violations (config: {minute: expected an integer}; host: required field missing)";
        assert_eq!(Error::schema(fields).body["message"], message);
        assert_eq!(Error::field("name", "no").body["message"], "schema violation (name: no)");
    }

    #[test]
    fn keys_are_shown_as_kong_shows_them() {
        let unique = Error::unique(FieldErrors::from_iter([("name".to_owned(), json!("a"))]));
        assert_eq!(
            (unique.status, &unique.body["message"]),
            (409, &json!("UNIQUE violation detected on '{name=\"a\"}'"))
        );
    }
}
