//! What fields entities have, as Kong tells of them (`/schemas/…`): clients take defaults and checks from there.

use serde_json::{Map, Value as Json, json};

use super::kinds::Kind;
use super::schema::{Field, Type};

/// Fields whose elements have no order (Kong: `set`).
const SETS: [&str; 6] = ["tags", "protocols", "methods", "snis", "sources", "destinations"];

/// The schema of entities of this kind, with what they belong to.
pub fn told(kind: Kind) -> Json {
    let spec = kind.spec();
    let mut fields: Vec<Json> = kind.fields().iter().map(field).collect();
    for (name, owner) in spec.owners {
        let about = format!("Which of the {} it belongs to.", owner.spec().collection);
        let owner = json!({
            "type": "foreign",
            "reference": owner.spec().collection,
            "required": spec.owned,
            "description": about,
        });
        fields.push(json!({ *name: owner }));
    }
    // Targets are called the same in different upstreams.
    if let Some(label) = spec.label.filter(|_| kind != Kind::Target)
        && let Some(described) = fields.iter_mut().find_map(|field| field.get_mut(label)?.as_object_mut())
    {
        described.insert("unique".to_owned(), json!(true));
    }
    json!({ "name": spec.collection, "primary_key": ["id"], "endpoint_key": spec.label, "fields": fields })
}

/// The schema of a use of a plugin whose settings are these fields.
pub fn told_of_plugin(name: &str, config: &[Json]) -> Json {
    let spec = Kind::Plugin.spec();
    let mut fields: Vec<Json> = spec
        .owners
        .iter()
        .map(|(name, owner)| json!({ *name: { "type": "foreign", "reference": owner.spec().collection } }))
        .collect();
    fields.extend(spec.fields.iter().filter(|field| field.name == "protocols").map(field));
    fields.push(json!({ "config": { "type": "record", "required": true, "fields": config } }));
    json!({ "name": name, "fields": fields })
}

/// `{"name": {…}}`.
fn field(field: &Field) -> Json {
    let mut described = described(&field.takes);
    if SETS.contains(&field.name) {
        described.insert("type".to_owned(), json!("set"));
    }
    match field.name {
        "id" => described.extend([("uuid".to_owned(), json!(true)), ("auto".to_owned(), json!(true))]),
        "created_at" | "updated_at" => {
            described.remove("between");
            described.extend([("timestamp".to_owned(), json!(true)), ("auto".to_owned(), json!(true))]);
        }
        _ => {}
    }
    // What has fields of its own is there with theirs (Kong says so of `healthchecks`).
    if field.required || matches!(field.takes, Type::Record(_)) {
        described.insert("required".to_owned(), json!(true));
    }
    if field.default.is_some() {
        described.insert("default".to_owned(), field.otherwise());
    }
    if !field.about.is_empty() {
        described.insert("description".to_owned(), json!(field.about));
    }
    json!({ field.name: described })
}

fn described(takes: &Type) -> Map<String, Json> {
    let described = match takes {
        Type::Text(_) => json!({ "type": "string" }),
        Type::OneOf(known) => json!({ "type": "string", "one_of": known }),
        Type::Integer(from, to) => json!({ "type": "integer", "between": [from, to] }),
        Type::Number(from, to) => json!({ "type": "number", "between": [from, to] }),
        Type::Boolean => json!({ "type": "boolean" }),
        Type::Array(each) => json!({ "type": "array", "elements": described(each) }),
        Type::Map(each) => json!({ "type": "map", "keys": { "type": "string" }, "values": described(each) }),
        Type::Record(fields) => json!({ "type": "record", "fields": fields.iter().map(field).collect::<Vec<_>>() }),
        Type::Foreign(collection) => json!({ "type": "foreign", "reference": collection }),
        // Which fields there are depends on the entity (Kong says so of a plugin's config).
        Type::Object => json!({ "type": "record", "abstract": true }),
    };
    match described {
        Json::Object(described) => described,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field_of(schema: &Json, name: &str) -> Json {
        schema["fields"].as_array().unwrap().iter().find_map(|field| field.get(name)).unwrap().clone()
    }

    #[test]
    fn fields_say_what_they_take() {
        let service = told(Kind::Service);
        let port = field_of(&service, "port");
        assert_eq!(
            (&port["type"], &port["between"], &port["default"]),
            (&json!("integer"), &json!([0, 65535]), &json!(80))
        );
        assert_eq!(field_of(&service, "host")["required"], true);
        assert_eq!(field_of(&service, "protocol")["one_of"], json!(["http", "https", "grpc", "grpcs"]));
        assert_eq!(field_of(&service, "tags")["elements"], json!({ "type": "string" }));
        assert_eq!(field_of(&service, "name")["unique"], true);
        let upstream = told(Kind::Upstream);
        let checks = field_of(&upstream, "healthchecks");
        assert_eq!(field_of(&field_of(&checks, "active"), "timeout")["default"], 1);
        let route = told(Kind::Route);
        assert_eq!(field_of(&route, "service")["reference"], "services");
        assert_eq!(field_of(&route, "headers")["values"]["elements"]["type"], "string");
    }

    #[test]
    fn every_default_is_one_that_the_field_takes() {
        fn check_record(fields: &[Field]) {
            let body = super::super::schema::defaults(fields);
            let checked = super::super::schema::check(fields, &body, super::super::schema::Notation::Typed);
            assert_eq!(checked.unwrap().len(), fields.len());
        }
        for kind in Kind::ALL {
            check_record(&kind.fields());
        }
    }
}
