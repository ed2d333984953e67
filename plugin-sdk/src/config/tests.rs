use serde_json::json;

use super::{Config, parse, schema};
use crate::HeaderName;

/// What a client must bring.
#[derive(Config, Debug, PartialEq)]
#[config(validate = Settings::check)]
struct Settings {
    /// Header that must be present.
    header: HeaderName,
    /// How often.
    #[config(default = 3)]
    #[schemars(range(min = 1))]
    times: u32,
    #[serde(rename = "if")]
    condition: Option<Condition>,
    #[config(default = vec![HeaderName::from_static("x-a")])]
    others: Vec<HeaderName>,
}

#[derive(Config, Debug, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum Condition {
    /// Come what may.
    Always,
    On {
        hour: u8,
    },
}

impl Settings {
    fn check(&self) -> Result<(), &'static str> {
        if self.others.contains(&self.header) { Err("`others` repeats `header`") } else { Ok(()) }
    }
}

#[derive(Config, Debug)]
struct Nothing;

#[derive(Config, Debug, PartialEq)]
#[serde(default)]
struct AllDefault {
    greeting: String,
    loud: bool,
}

impl Default for AllDefault {
    fn default() -> Self {
        Self { greeting: "hello".into(), loud: true }
    }
}

#[test]
fn settings_are_parsed_with_their_defaults() {
    let settings: Settings = parse(r#"{ "header": "X-Token", "if": { "on": { "hour": 7 } } }"#).unwrap();
    assert_eq!(
        settings,
        Settings {
            header: HeaderName::from_static("x-token"),
            times: 3,
            condition: Some(Condition::On { hour: 7 }),
            others: vec![HeaderName::from_static("x-a")],
        }
    );
    assert_eq!(parse(r#"{ "loud": false }"#), Ok(AllDefault { greeting: "hello".into(), loud: false }));
}

#[test]
fn what_does_not_belong_is_refused() {
    let refused = |json: &str| parse::<Settings>(json).unwrap_err();
    assert!(refused("{}").starts_with("missing field `header`"));
    assert!(refused(r#"{ "header": "x", "hedaer": "y" }"#).starts_with("unknown field `hedaer`, expected one of"));
    assert!(refused(r#"{ "header": "x", "if": "never" }"#).starts_with("unknown variant `never`"));
    assert_eq!(refused(r#"{ "header": "x-a" }"#), "`others` repeats `header`");
    assert!(parse::<Nothing>("{}").is_ok());
    assert!(parse::<Nothing>(r#"{ "a": 1 }"#).unwrap_err().starts_with("unknown field `a`"));
}

#[test]
fn the_schema_says_all_of_it() {
    let schema: serde_json::Value = schema::<Settings>().parse().unwrap();
    let token = r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$";
    assert_eq!(
        schema,
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "Settings",
            "description": "What a client must bring.",
            "type": "object",
            "properties": {
                "header": {
                    "description": "Header that must be present.",
                    "type": "string",
                    "pattern": token,
                },
                "times": {
                    "description": "How often.",
                    "type": "integer",
                    "format": "uint32",
                    "minimum": 1,
                    "default": 3,
                },
                "if": { "anyOf": [{ "$ref": "#/$defs/Condition" }, { "type": "null" }] },
                "others": {
                    "type": "array",
                    "items": { "type": "string", "pattern": token },
                    "default": ["x-a"],
                },
            },
            "additionalProperties": false,
            "required": ["header"],
            "$defs": {
                "Condition": {
                    "oneOf": [
                        { "description": "Come what may.", "type": "string", "const": "always" },
                        {
                            "type": "object",
                            "properties": {
                                "on": {
                                    "type": "object",
                                    "properties": {
                                        "hour": { "type": "integer", "format": "uint8", "minimum": 0, "maximum": 255 },
                                    },
                                    "additionalProperties": false,
                                    "required": ["hour"],
                                },
                            },
                            "required": ["on"],
                            "additionalProperties": false,
                        },
                    ],
                },
            },
        })
    );
}

#[test]
fn nothing_to_set_is_an_empty_object() {
    let schema: serde_json::Value = schema::<Nothing>().parse().unwrap();
    assert_eq!((&schema["type"], &schema["additionalProperties"]), (&json!("object"), &json!(false)));
    let schema: serde_json::Value = super::schema::<AllDefault>().parse().unwrap();
    assert_eq!(schema["properties"]["greeting"]["default"], "hello");
}
