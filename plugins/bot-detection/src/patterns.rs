//! Regexes of a setting, compiled when the plugin is configured.

use std::borrow::Cow;

use regex_lite::{Regex, RegexBuilder};
use tidegate_sdk::schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use tidegate_sdk::serde::de::{Deserialize, Deserializer, Error};

/// Any number of regexes.
#[derive(Default)]
pub(crate) struct Patterns(Vec<Regex>);

/// Bytes of a compiled regex.
const REGEX_BYTES: usize = 1 << 20;

impl Patterns {
    pub(crate) fn match_part_of(&self, text: &str) -> bool {
        self.0.iter().any(|regex| regex.is_match(text))
    }
}

impl<'de> Deserialize<'de> for Patterns {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let compile = |regex: &String| {
            let compiled = RegexBuilder::new(regex).size_limit(REGEX_BYTES).build();
            compiled.map_err(|error| D::Error::custom(format!("{regex:?} is no regex: {error}")))
        };
        Vec::<String>::deserialize(deserializer)?.iter().map(compile).collect::<Result<_, _>>().map(Self)
    }
}

impl JsonSchema for Patterns {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Patterns".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // An empty regex is in every text: nobody means that.
        json_schema!({ "type": "array", "items": { "type": "string", "minLength": 1 } })
    }
}
