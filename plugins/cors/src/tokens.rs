//! Names of methods or headers, as they stand in a header: joined when the plugin is configured.

use std::borrow::Cow;

use tidegate_sdk::HeaderName;
use tidegate_sdk::schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use tidegate_sdk::serde::de::{Deserialize, Deserializer, Error};

/// One name or more.
pub(crate) struct Tokens {
    list: String,
    has_any: bool,
}

impl Tokens {
    pub(crate) fn of(names: &[&str]) -> Self {
        Self { list: names.join(","), has_any: names.contains(&"*") }
    }

    pub(crate) fn list(&self) -> &str {
        &self.list
    }

    /// Whether "*" is one of them.
    pub(crate) fn has_any(&self) -> bool {
        self.has_any
    }
}

impl<'de> Deserialize<'de> for Tokens {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = Vec::<String>::deserialize(deserializer)?;
        // Methods are tokens as well, and so is "*".
        match names.iter().find(|name| name.parse::<HeaderName>().is_err()) {
            Some(other) => Err(D::Error::custom(format!("{other:?} is no name of a method or header"))),
            None => Ok(Self::of(&names.iter().map(String::as_str).collect::<Vec<_>>())),
        }
    }
}

impl JsonSchema for Tokens {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Tokens".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "array", "items": { "type": "string" }, "minItems": 1 })
    }
}
