//! The values that rules give, as they go into a query, a form, or JSON.

use tidegate_sdk::prelude::*;
use tidegate_sdk::template::{Template, Values};

/// The type of a value in JSON.
#[derive(Config, Debug, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum JsonType {
    /// Text, in quotes.
    #[default]
    String,
    /// As it is written: `1`, `-2.50`, `6e23`.
    Number,
    /// `true` or `false`.
    Boolean,
}

#[derive(Debug)]
pub(super) struct Value {
    template: Template,
    kind: JsonType,
    /// The same for every exchange.
    ready: Option<String>,
}

impl Value {
    pub(super) fn parse(template: Template, kind: JsonType) -> Result<Self, String> {
        let ready = match template.as_text() {
            Some(text) => Some(kind.json(text).ok_or_else(|| format!("{text:?} is no {}", kind.name()))?),
            None => None,
        };
        Ok(Self { template, kind, ready })
    }

    pub(super) fn to_bytes(&self, values: &Values<'_>) -> Vec<u8> {
        self.template.to_bytes(values)
    }

    /// Nothing, if what this exchange has for it is not of its type.
    pub(super) fn to_json(&self, values: &Values<'_>) -> Option<String> {
        match &self.ready {
            Some(ready) => Some(ready.clone()),
            None => self.kind.json(&self.template.to_text(values)),
        }
    }
}

impl JsonType {
    fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Number => "number",
            Self::Boolean => "boolean",
        }
    }

    fn json(self, text: &str) -> Option<String> {
        match self {
            Self::String => Some(json!(text).to_string()),
            Self::Number => {
                let number = text.trim_ascii();
                let is_number = number.starts_with(|c: char| c == '-' || c.is_ascii_digit());
                // It is taken as it is written, whatever it comes to as a float.
                let is_json = || serde_json::from_str::<&serde_json::value::RawValue>(number).is_ok();
                (is_number && is_json()).then(|| number.to_owned())
            }
            Self::Boolean => ["true", "false"].contains(&text).then(|| text.to_owned()),
        }
    }
}
