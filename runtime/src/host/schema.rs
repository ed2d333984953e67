//! A plugin's config schema: what it refuses is said with the place of the value that it refuses.

use jsonschema::Validator;
use jsonschema::error::ValidationErrorKind;
use serde_json::Value;

use crate::config::checked::PluginConfig;
use crate::config::faults::{Faults, suggest};

/// JSON Schema of a plugin's config, ready to validate.
pub struct Schema {
    /// As the plugin has it.
    pub json: Value,
    validator: Validator,
    properties: Vec<String>,
    /// Grants, each with a setting that needs it.
    grants: Vec<(String, String)>,
}

/// What a setting has in the schema, besides JSON Schema's own words, if it needs something granted: `http`, `secrets`
/// or `sinks`. Without such a setting, every use needs all that the plugin imports.
const GRANT: &str = "x-grant";

impl Schema {
    /// Parse a plugin's own text.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let schema: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let validator = jsonschema::validator_for(&schema).map_err(|error| error.to_string())?;
        let properties = schema.get("properties").and_then(Value::as_object);
        let grants = properties
            .into_iter()
            .flatten()
            .filter_map(|(setting, described)| Some((described.get(GRANT)?.as_str()?.to_owned(), setting.clone())));
        let grants = grants.collect();
        let properties = properties.map(|known| known.keys().cloned().collect()).unwrap_or_default();
        Ok(Self { json: schema, validator, properties, grants })
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
                    self.unknown(plugin, name, &format!("{pointer}/{name}"), config, faults);
                }
                continue;
            }
            let span = config.places.get(pointer).map_or(&config.span, |place| &place.value);
            let setting = match pointer.strip_prefix('/') {
                Some(setting) => format!("`{setting}`: "),
                None => String::new(),
            };
            faults.at(span, format!("{plugin} refuses this config: {setting}{error}"));
        }
    }

    fn unknown(&self, plugin: &str, name: &str, pointer: &str, config: &PluginConfig, faults: &Faults) {
        let span = config.places.get(pointer).and_then(|place| place.key.as_ref()).unwrap_or(&config.span);
        let known = self.properties.iter().map(String::as_str);
        let help = suggest(name, known).unwrap_or_else(|| format!("{plugin} knows: {}", self.properties.join(", ")));
        faults.at_with_help(span, format!("{plugin} refuses this config: it knows no `{name}`"), help);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
