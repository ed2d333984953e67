use tidegate_sdk::testing::{self, Exchange, Outcome};

use super::*;

#[test]
fn units_are_powers_of_two() {
    for (config, most) in [
        (json!({}), 128 << 20),
        (json!({ "allowed_payload_size": 3 }), 3 << 20),
        (json!({ "allowed_payload_size": 3, "size_unit": "kilobytes" }), 3 << 10),
        (json!({ "allowed_payload_size": 3, "size_unit": "bytes" }), 3),
        (json!({ "allowed_payload_size": u64::MAX }), u64::MAX),
    ] {
        let plugin: Settings = testing::configure(config).unwrap();
        let mut exchange = Exchange::new("POST", "/").body("abc").unannounced();
        assert_eq!(exchange.request(&plugin), Outcome::Next);
        assert_eq!(exchange.upstream_body_limit(), Some(most));
    }
}

#[test]
fn a_body_of_known_length_needs_no_watch() {
    let plugin: Settings = testing::configure(json!({ "allowed_payload_size": 3, "size_unit": "bytes" })).unwrap();
    let mut exchange = Exchange::new("POST", "/").body("abc");
    assert_eq!(exchange.request(&plugin), Outcome::Next);
    assert_eq!(exchange.upstream_body_limit(), None);
    assert_eq!(Exchange::new("POST", "/").body("abcd").request(&plugin).reply().status, 413);
}

#[test]
fn the_schema_tells_the_defaults() {
    let schema = testing::schema::<Settings>();
    let default = |setting: &str| schema["properties"][setting]["default"].clone();
    let settings = ["allowed_payload_size", "size_unit", "require_content_length"];
    assert_eq!(settings.map(default), [json!(128), json!("megabytes"), json!(false)]);
}

#[test]
fn its_cases_come_out_as_expected() {
    testing::cases::<Settings>("cases");
}
