//! Describes its config by something that is no JSON Schema.

use std::borrow::Cow;

use tidegate_sdk::prelude::*;
use tidegate_sdk::schemars::{JsonSchema, Schema, SchemaGenerator};
use tidegate_sdk::serde::{Deserialize, Deserializer};

struct Settings;

impl<'de> Deserialize<'de> for Settings {
    fn deserialize<D: Deserializer<'de>>(_: D) -> std::result::Result<Self, D::Error> {
        Ok(Self)
    }
}

impl JsonSchema for Settings {
    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("Settings")
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        Schema::try_from(json!({ "type": "a lie", "properties": 7 })).unwrap_or_default()
    }
}

impl Config for Settings {}

impl RequestHook for Settings {
    fn on_request(&self, _: &mut Request) -> Flow {
        Flow::Next
    }
}

export!(Settings: RequestHook);
