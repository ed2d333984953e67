//! A plugin's settings, by its JSON Schema: as Kong tells of the fields of a plugin's config, and a config with what its
//! settings are if nothing is said.

use serde_json::{Map, Value as Json, json};

use crate::limits;

/// What JSON can say exactly, beyond which no bound is told (RFC 8259, section 6).
const EXACT: i64 = (1 << 53) - 1;

/// The fields of the config that `schema` describes.
pub fn settings(schema: &Json) -> Vec<Json> {
    let mut telling = Telling { root: schema, left: limits::PLUGIN_SETTINGS_TOLD };
    let all = Layers::of(schema, schema);
    telling.fields(&all, limits::PLUGIN_SETTINGS_DEPTH)
}

/// `config` with whatever it does not say, as `schema` has it: its default, or null.
pub fn fill(schema: &Json, config: &mut Map<String, Json>) {
    fill_record(schema, &Layers::of(schema, schema), config, limits::PLUGIN_SETTINGS_DEPTH);
}

/// Has `config`, which a form says in nothing but text, be of the types that `schema` has for it (Kong's inference). What
/// stands for nothing of its type stays text, for the schema to refuse.
pub fn take_texts(schema: &Json, config: &mut Map<String, Json>) {
    take_record(schema, &Layers::of(schema, schema), config, limits::PLUGIN_SETTINGS_DEPTH);
}

/// What is said of a setting, the nearest first: where it stands, then what that refers to.
struct Layers<'s>(Vec<&'s Json>);

impl<'s> Layers<'s> {
    /// Of `node`, within `root`.
    fn of(root: &'s Json, node: &'s Json) -> Self {
        let mut layers = vec![node];
        let mut at = node;
        // A schema may refer to itself.
        for _ in 0..limits::PLUGIN_SETTINGS_DEPTH {
            let place = at.get("$ref").and_then(Json::as_str).and_then(|place| place.strip_prefix('#'));
            let referred = place.and_then(|place| root.pointer(place));
            let only = || match at.get("allOf").and_then(Json::as_array).map(Vec::as_slice) {
                Some([only]) => Some(only),
                _ => only_choice(at),
            };
            let Some(next) = referred.or_else(only) else { break };
            layers.push(next);
            at = next;
        }
        Self(layers)
    }

    fn get(&self, key: &str) -> Option<&'s Json> {
        self.0.iter().find_map(|layer| layer.get(key))
    }

    fn properties(&self) -> Option<&'s Map<String, Json>> {
        self.get("properties").and_then(Json::as_object)
    }

    /// Its type, if there is one besides null.
    fn takes(&self) -> Option<&'s str> {
        self.0.iter().find_map(|layer| only_type(layer))
    }

    /// The words of which it has to be one.
    fn words(&self) -> Option<Vec<&'s Json>> {
        self.0.iter().find_map(|layer| words(layer))
    }
}

fn only_type(node: &Json) -> Option<&str> {
    match node.get("type")? {
        Json::String(one) => Some(one),
        Json::Array(several) => {
            let mut several = several.iter().filter_map(Json::as_str).filter(|one| *one != "null");
            several.next().filter(|_| several.next().is_none())
        }
        _ => None,
    }
}

/// What `node` may be besides null, if that is one thing.
fn only_choice(node: &Json) -> Option<&Json> {
    let mut choices = choices(node)?.filter(|choice| !is_null(choice));
    choices.next().filter(|_| choices.next().is_none())
}

fn choices(node: &Json) -> Option<impl Iterator<Item = &Json>> {
    let choices = node.get("anyOf").or_else(|| node.get("oneOf"))?;
    choices.as_array().map(|choices| choices.iter())
}

fn words(node: &Json) -> Option<Vec<&Json>> {
    if let Some(word) = node.get("const") {
        return Some(vec![word]);
    }
    if let Some(words) = node.get("enum").and_then(Json::as_array) {
        return Some(words.iter().filter(|word| !word.is_null()).collect());
    }
    let words: Option<Vec<_>> = choices(node)?.filter(|choice| !is_null(choice)).map(words).collect();
    words.map(|words| words.concat()).filter(|words| !words.is_empty())
}

fn is_null(node: &Json) -> bool {
    node.get("type").is_some_and(|one| one == "null")
}

struct Telling<'s> {
    root: &'s Json,
    /// How many more settings are told of: few references can stand for a great many.
    left: usize,
}

impl<'s> Telling<'s> {
    fn fields(&mut self, record: &Layers<'s>, depth: usize) -> Vec<Json> {
        let required = record.get("required").and_then(Json::as_array);
        let mut fields = Vec::new();
        for (name, node) in record.properties().into_iter().flatten() {
            let Some(left) = self.left.checked_sub(1) else { break };
            self.left = left;
            let mut described = self.described(node, depth);
            if required.is_some_and(|required| required.iter().any(|one| one == name)) {
                described.insert("required".to_owned(), json!(true));
            }
            fields.push(json!({ name: described }));
        }
        fields
    }

    fn described(&mut self, node: &'s Json, depth: usize) -> Map<String, Json> {
        let layers = Layers::of(self.root, node);
        let mut described = Map::new();
        let mut say = |key: &str, value: Json| drop(described.insert(key.to_owned(), value));
        if let Some(words) = layers.words() {
            let takes = if words.iter().all(|word| word.is_string()) { "string" } else { "any" };
            say("type", json!(takes));
            say("one_of", json!(words));
        } else {
            // Kong knows no settings that may be this or that.
            let takes = layers.takes().unwrap_or(if layers.properties().is_some() { "object" } else { "any" });
            match (takes, depth.checked_sub(1)) {
                ("array", Some(depth)) => {
                    let is_set = layers.get("uniqueItems") == Some(&Json::Bool(true));
                    say("type", json!(if is_set { "set" } else { "array" }));
                    let each = layers.get("items").map_or_else(any, |items| self.described(items, depth));
                    say("elements", Json::Object(each));
                }
                ("object", Some(depth)) if layers.properties().is_some() => {
                    say("type", json!("record"));
                    say("fields", json!(self.fields(&layers, depth)));
                }
                ("object", Some(depth)) => {
                    let values = layers.get("additionalProperties").filter(|values| values.is_object());
                    say("type", json!("map"));
                    say("keys", json!({ "type": "string" }));
                    say("values", Json::Object(values.map_or_else(any, |values| self.described(values, depth))));
                }
                ("array" | "object", None) => say("type", json!("any")),
                (plain, _) => say("type", json!(plain)),
            }
            for (key, told) in [("minLength", "len_min"), ("maxLength", "len_max"), ("minItems", "len_min")] {
                if let Some(bound) = layers.get(key) {
                    say(told, bound.clone());
                }
            }
            match (layers.get("minimum"), layers.get("maximum")) {
                (None, None) => {}
                (least, most) => {
                    let (least, most) =
                        (least.cloned().unwrap_or(json!(-EXACT)), most.cloned().unwrap_or(json!(EXACT)));
                    say("between", json!([least, most]));
                }
            }
            if let Some(bound) = layers.get("exclusiveMinimum") {
                say("gt", bound.clone());
            }
        }
        if let Some(default) = layers.get("default").filter(|default| !default.is_null()) {
            say("default", default.clone());
        }
        if let Some(about) = layers.get("description").and_then(Json::as_str) {
            say("description", json!(about.split_whitespace().collect::<Vec<_>>().join(" ")));
        }
        described
    }
}

fn any() -> Map<String, Json> {
    Map::from_iter([("type".to_owned(), json!("any"))])
}

fn fill_record(root: &Json, record: &Layers<'_>, config: &mut Map<String, Json>, depth: usize) {
    let Some(depth) = depth.checked_sub(1) else { return };
    for (name, node) in record.properties().into_iter().flatten() {
        let layers = Layers::of(root, node);
        let value = config.entry(name.as_str()).or_insert_with(|| layers.get("default").cloned().unwrap_or(Json::Null));
        match value {
            Json::Object(inner) => fill_record(root, &layers, inner, depth),
            Json::Array(elements) => {
                let Some(each) = layers.get("items").map(|items| Layers::of(root, items)) else { continue };
                for inner in elements.iter_mut().filter_map(Json::as_object_mut) {
                    fill_record(root, &each, inner, depth);
                }
            }
            _ => {}
        }
    }
}

fn take_record(root: &Json, record: &Layers<'_>, config: &mut Map<String, Json>, depth: usize) {
    let others = record.get("additionalProperties").filter(|others| others.is_object());
    for (name, value) in config {
        let known = record.properties().and_then(|properties| properties.get(name));
        if let Some(node) = known.or(others) {
            take(root, &Layers::of(root, node), value, depth);
        }
    }
}

fn take(root: &Json, layers: &Layers<'_>, value: &mut Json, depth: usize) {
    let Some(depth) = depth.checked_sub(1) else { return };
    let takes = layers.takes();
    // In a form, one value is a list of one.
    if takes == Some("array") && value.is_string() {
        *value = Json::Array(vec![value.take()]);
    }
    match value {
        Json::Object(inner) => take_record(root, layers, inner, depth),
        Json::Array(elements) => {
            let Some(each) = layers.get("items").map(|items| Layers::of(root, items)) else { return };
            elements.iter_mut().for_each(|element| take(root, &each, element, depth));
        }
        Json::String(text) => {
            let whole = || text.trim().parse::<i64>().ok().map(Json::from);
            let typed = match takes {
                Some("integer") => whole(),
                Some("number") => whole().or_else(|| text.trim().parse::<f64>().ok().map(Json::from)),
                Some("boolean") => text.parse::<bool>().ok().map(Json::from),
                _ => None,
            };
            // No number is not a number, and null would say nothing.
            if let Some(typed) = typed.filter(|typed| !typed.is_null()) {
                *value = typed;
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Json {
        json!({
            "type": "object",
            "properties": {
                "minute": { "type": ["integer", "null"], "format": "uint64", "minimum": 0, "description": "Per\n minute." },
                "share": { "type": "integer", "minimum": 1, "maximum": 100, "default": 50 },
                "by": { "$ref": "#/$defs/By", "default": "ip", "description": "By what." },
                "or_by": { "anyOf": [{ "$ref": "#/$defs/By" }, { "type": "null" }], "default": null },
                "names": { "type": "array", "items": { "type": "string" }, "default": ["a"] },
                "rules": { "type": "array", "items": { "$ref": "#/$defs/Rule" } },
                "headers": { "type": "object", "additionalProperties": { "type": "string" } },
                "redis": { "anyOf": [{ "$ref": "#/$defs/Redis" }, { "type": "null" }] },
                "limit": { "anyOf": [{ "type": "integer" }, { "type": "string" }] },
            },
            "required": ["names"],
            "$defs": {
                "By": { "oneOf": [
                    { "type": "string", "enum": ["ip", "path"] },
                    { "description": "…", "type": "string", "const": "header" }
                ] },
                "Rule": { "type": "object", "properties": { "on": { "type": "boolean", "default": true } } },
                "Redis": { "type": "object", "properties": {
                    "host": { "type": "string" }, "port": { "type": "integer", "default": 6379 },
                    "next": { "$ref": "#/$defs/Redis" }
                }, "required": ["host"] },
            },
        })
    }

    fn field(fields: &Json, name: &str) -> Json {
        fields.as_array().unwrap().iter().find_map(|field| field.get(name)).unwrap().clone()
    }

    #[test]
    fn settings_are_told_as_kongs_fields() {
        let fields = json!(settings(&schema()));
        for (name, expected) in [
            ("minute", json!({ "type": "integer", "between": [0, EXACT], "description": "Per minute." })),
            ("share", json!({ "type": "integer", "between": [1, 100], "default": 50 })),
            (
                "by",
                json!({
                    "type": "string", "one_of": ["ip", "path", "header"], "default": "ip", "description": "By what."
                }),
            ),
            ("or_by", json!({ "type": "string", "one_of": ["ip", "path", "header"] })),
            ("names", json!({ "type": "array", "elements": { "type": "string" }, "default": ["a"], "required": true })),
            (
                "rules",
                json!({
                    "type": "array",
                    "elements": { "type": "record", "fields": [{ "on": { "type": "boolean", "default": true } }] }
                }),
            ),
            ("headers", json!({ "type": "map", "keys": { "type": "string" }, "values": { "type": "string" } })),
            ("limit", json!({ "type": "any" })),
        ] {
            assert_eq!(field(&fields, name), expected, "{name}");
        }
        let redis = field(&fields, "redis");
        assert_eq!(field(&redis["fields"], "host"), json!({ "type": "string", "required": true }));
    }

    #[test]
    fn schemas_that_go_on_for_ever_are_told_of_as_far_as_that_makes_sense() {
        let twice = json!({ "properties": { "a": { "$ref": "#" }, "b": { "$ref": "#" } } });
        let told = json!(settings(&twice)).to_string();
        assert!(told.matches("record").count() <= limits::PLUGIN_SETTINGS_TOLD, "{}", told.len());
        let itself = json!({ "properties": { "a": { "$ref": "#/properties/a" } } });
        assert_eq!(settings(&itself).len(), 1);
    }

    #[test]
    fn what_is_not_said_is_what_it_would_be() {
        let mut config = json!({ "share": 7, "rules": [{}, { "on": false }], "redis": { "host": "r" } });
        fill(&schema(), config.as_object_mut().unwrap());
        let expected = json!({
            "minute": null, "share": 7, "by": "ip", "or_by": null, "names": ["a"],
            "rules": [{ "on": true }, { "on": false }], "headers": null,
            "redis": { "host": "r", "port": 6379, "next": null }, "limit": null,
        });
        assert_eq!(config, expected);
    }

    #[test]
    fn texts_of_forms_are_taken_for_what_settings_are() {
        let schema = json!({
            "type": "object",
            "properties": {
                "minute": { "type": ["integer", "null"] },
                "share": { "type": "number" },
                "hide": { "type": "boolean" },
                "name": { "type": "string" },
                "keys": { "type": "array", "items": { "type": "string" } },
                "limits": { "anyOf": [{ "$ref": "#/$defs/Limits" }, { "type": "null" }] },
            },
            "$defs": { "Limits": { "type": "object", "additionalProperties": { "type": "array", "items": { "type": "integer" } } } },
        });
        let mut config = json!({
            "minute": "5", "share": "0.5", "hide": "true", "name": "5", "keys": "7", "limits": { "a": ["1", "x"] }, "else": "1",
        });
        take_texts(&schema, config.as_object_mut().unwrap());
        let expected = json!({
            "minute": 5, "share": 0.5, "hide": true, "name": "5", "keys": ["7"], "limits": { "a": [1, "x"] }, "else": "1",
        });
        assert_eq!(config, expected);
        let mut wrong = json!({ "minute": "5.5", "share": "NaN", "hide": "yes" });
        take_texts(&schema, wrong.as_object_mut().unwrap());
        assert_eq!(wrong, json!({ "minute": "5.5", "share": "NaN", "hide": "yes" }));
    }
}
