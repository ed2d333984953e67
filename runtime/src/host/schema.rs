//! A plugin's config schema: what it refuses is said with the place of the value that it refuses.

use std::fmt;
use std::sync::Arc;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{JsonType, ValidationError, Validator};
use serde_json::Value;

use crate::config::checked::PluginConfig;
use crate::config::faults::{Faults, suggest};

/// JSON Schema of a plugin's config, ready to validate.
pub struct Schema {
    /// As the plugin has it.
    pub json: Arc<Value>,
    validator: Validator,
    /// Grants, each with a setting that needs it.
    grants: Vec<(String, String)>,
}

/// What a setting has in the schema, besides JSON Schema's own words, if it needs something granted: `http`, `secrets`
/// or `sinks`. Without such a setting, every use needs all that the plugin imports.
const GRANT: &str = "x-grant";

impl Schema {
    /// Parse a plugin's own text.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        Self::of(Arc::new(serde_json::from_str(text).map_err(|error| error.to_string())?))
    }

    /// The one that `schema` is.
    ///
    /// # Errors
    /// It is none.
    pub fn of(schema: Arc<Value>) -> Result<Self, String> {
        let validator = jsonschema::validator_for(&schema).map_err(|error| error.to_string())?;
        let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
        let grants = properties
            .filter_map(|(setting, described)| Some((described.get(GRANT)?.as_str()?.to_owned(), setting.clone())));
        let grants = grants.collect();
        Ok(Self { json: schema, validator, grants })
    }

    /// Whether this grant is needed under `config`, if anything of the kind is used at all.
    pub(super) fn needs(&self, grant: &str, config: &Value) -> bool {
        let is_set = |setting: &String| config.get(setting).is_some_and(|value| !value.is_null());
        let mut settings =
            self.grants.iter().filter(|(known, _)| known == grant).map(|(_, setting)| setting).peekable();
        settings.peek().is_none() || settings.any(is_set)
    }

    /// The URLs in `config` of settings that need servers granted, by setting.
    pub fn urls<'c>(&self, config: &'c Value) -> impl Iterator<Item = (&str, &'c str)> {
        let servers = self.grants.iter().filter(|(grant, _)| grant == "http");
        servers.filter_map(|(_, setting)| Some((setting.as_str(), config.get(setting)?.as_str()?)))
    }

    /// Note everything that is wrong with `config`.
    pub fn check(&self, plugin: &str, config: &PluginConfig, faults: &Faults) {
        for error in self.validator.iter_errors(&config.json) {
            let pointer = error.instance_path().as_str();
            if let ValidationErrorKind::AdditionalProperties { unexpected } = error.kind() {
                for name in unexpected {
                    let known = self.known(error.schema_path().as_str());
                    unknown(plugin, name, &known, &format!("{pointer}/{name}"), config, faults);
                }
                continue;
            }
            let span = config.places.get(pointer).map_or(&config.span, |place| &place.value);
            let setting = match pointer.strip_prefix('/') {
                Some(setting) => format!("`{setting}`: "),
                None => String::new(),
            };
            let refused = |why: &dyn fmt::Display| format!("{plugin} refuses this config: {setting}{why}");
            let Some(words) = words(error.kind()) else {
                faults.at(span, refused(&error));
                continue;
            };
            let said = error.instance();
            let listed: Vec<String> = words.iter().map(ToString::to_string).collect();
            let message = refused(&format_args!("{said} is not one of {}", listed.join(", ")));
            match said.as_str().and_then(|said| suggest(said, words.iter().filter_map(|word| word.as_str()))) {
                Some(help) => faults.at_with_help(span, message, help),
                None => faults.at(span, message),
            }
        }
    }

    /// The settings that there are where this keyword of the schema refuses others.
    fn known(&self, keyword: &str) -> Vec<&str> {
        let table = keyword.rsplit_once('/').map_or("", |(table, _)| table);
        let properties = self.json.pointer(&format!("{table}/properties")).and_then(Value::as_object);
        properties.into_iter().flatten().map(|(name, _)| name.as_str()).collect()
    }
}

fn unknown(plugin: &str, name: &str, known: &[&str], pointer: &str, config: &PluginConfig, faults: &Faults) {
    let span = config.places.get(pointer).and_then(|place| place.key.as_ref()).unwrap_or(&config.span);
    let help = suggest(name, known.iter().copied()).unwrap_or_else(|| match pointer.rsplit_once('/') {
        Some(("", _)) | None => format!("{plugin} knows: {}", known.join(", ")),
        Some(_) => format!("there is: {}", known.join(", ")),
    });
    faults.at_with_help(span, format!("{plugin} refuses this config: it knows no `{name}`"), help);
}

/// The words of which a setting has to be one, where each has a description of its own in the schema: then it is not
/// refused by them together, but by each.
fn words<'k>(kind: &'k ValidationErrorKind) -> Option<Vec<&'k Value>> {
    let (ValidationErrorKind::OneOfNotValid { context } | ValidationErrorKind::AnyOf { context }) = kind else {
        return None;
    };
    let constant = |error: &'k ValidationError<'_>| match error.kind() {
        ValidationErrorKind::Constant { expected_value } => Some(&**expected_value),
        _ => None,
    };
    let mut all = Vec::new();
    for alternative in context {
        match (alternative.iter().find_map(constant), alternative.as_slice()) {
            (Some(word), _) => all.push(word),
            (None, [other]) => match other.kind() {
                // Nobody can say null in TOML.
                ValidationErrorKind::Type { kind: TypeKind::Single(JsonType::Null) } => {}
                kind => all.extend(words(kind)?),
            },
            (None, _) => return None,
        }
    }
    (!all.is_empty()).then_some(all)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::path::Path;

    use serde_json::json;

    use super::*;
    use crate::config::faults::Fault;

    /// What is said of this config.
    fn said(schema: &Value, config: Value) -> String {
        let faults = Faults::new(Path::new("gateway.toml"), "");
        let config = PluginConfig { json: config, span: 0..0, places: HashMap::new() };
        Schema::parse(&schema.to_string()).unwrap().check("plugin", &config, &faults);
        let told = |fault: &Fault| [&fault.message, fault.help.as_deref().unwrap_or_default()].join("; ");
        faults.into_report().faults().iter().map(told).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn words_with_descriptions_are_listed_when_it_is_none_of_them() {
        let word = |word: &str| json!({ "description": "…", "type": "string", "const": word });
        let words = json!({ "oneOf": [word("card"), word("email")] });
        let or_not = json!({ "anyOf": [{ "$ref": "#/$defs/Word" }, { "type": "null" }] });
        let or_number = json!({ "anyOf": [{ "$ref": "#/$defs/Word" }, { "type": "integer" }] });
        let schema = json!({
            "properties": { "a": { "items": { "$ref": "#/$defs/Word" } }, "b": or_not, "c": or_number },
            "$defs": { "Word": words },
        });
        let told = said(&schema, json!({ "a": ["cards"], "b": 1 }));
        assert!(told.contains("`a/0`: \"cards\" is not one of \"card\", \"email\""), "{told}");
        assert!(told.contains("did you mean `card`?"), "{told}");
        assert!(told.contains("`b`: 1 is not one of"), "{told}");
        assert!(said(&schema, json!({ "c": "x" })).contains("is not valid under any"), "a number would do as well");
    }

    #[test]
    fn what_a_table_knows_is_said_of_that_table() {
        let rule = json!({ "properties": { "names": {}, "action": {} }, "additionalProperties": false });
        let schema = json!({
            "properties": { "rules": { "items": { "$ref": "#/$defs/Rule" } }, "sink": {} },
            "additionalProperties": false,
            "$defs": { "Rule": rule },
        });
        assert!(said(&schema, json!({ "rules": [{ "nams": 1 }] })).contains("did you mean `names`?"));
        assert!(said(&schema, json!({ "rules": [{ "x-y-z": 1 }] })).contains("there is: action, names"));
        assert!(said(&schema, json!({ "x-y-z": 1 })).contains("plugin knows: rules, sink"));
    }

    #[test]
    fn what_only_a_setting_needs_is_not_needed_without_it() {
        let schema = json!({ "properties": { "keys": { "type": "string", "x-grant": "http" }, "name": {} } });
        let schema = Schema::parse(&schema.to_string()).unwrap();
        let with = json!({ "keys": "https://idp.example.com/keys", "name": "http://elsewhere" });
        for (config, needed) in [(&with, true), (&json!({ "name": "a" }), false), (&json!({ "keys": null }), false)] {
            assert_eq!(schema.needs("http", config), needed, "{config}");
            assert!(schema.needs("sinks", config), "no setting says when");
        }
        assert_eq!(schema.urls(&with).collect::<Vec<_>>(), [("keys", "https://idp.example.com/keys")]);
    }
}
