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
}

impl Schema {
    /// Parse a plugin's own text.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let schema: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let validator = jsonschema::validator_for(&schema).map_err(|error| error.to_string())?;
        let properties = schema.get("properties").and_then(Value::as_object);
        let properties = properties.map(|known| known.keys().cloned().collect()).unwrap_or_default();
        Ok(Self { json: schema, validator, properties })
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
