use tidegate_sdk::testing::{self, Exchange, Outcome};

use super::*;

#[test]
fn its_cases_come_out_as_expected() {
    testing::cases::<Settings>("cases");
}

#[test]
fn a_value_that_is_cut_at_any_byte_is_masked() {
    let plugin: Settings = testing::configure(json!({ "rules": [{ "names": ["pin"] }] })).unwrap();
    let body = r#"{"id":1,"p\u0069n":"12\"34","next":true}"#;
    for at in 1..body.len() {
        let mut exchange = Exchange::get("/").answer(200, &[("content-type", "application/json")]);
        let (one, other) = body.split_at(at);
        assert_eq!(exchange.response_pieces(&plugin, &[one, other]), Outcome::Next);
        assert_eq!(exchange.client_body(), br#"{"id":1,"p\u0069n":"***","next":true}"#, "{at}");
    }
}

#[test]
fn a_body_with_two_types_is_blocked() {
    let plugin: Settings = testing::configure(json!({ "rules": [{ "names": ["pin"] }] })).unwrap();
    let mut exchange =
        Exchange::get("/").answer(200, &[("content-type", "text/html"), ("content-type", "application/json")]);
    assert_eq!(exchange.response(&plugin).reply().status, 502);
}

#[test]
fn the_schema_tells_the_defaults() {
    let schema = testing::schema::<Settings>();
    let default = |place: &str| schema.pointer(place).unwrap_or(&json!(null))["default"].clone();
    assert_eq!(default("/properties/on_unparsable"), json!("block"));
    assert_eq!(default("/properties/text_types"), json!(["text/*"]));
    assert_eq!((default("/properties/responses"), default("/properties/requests")), (json!(true), json!(false)));
    let rule = ["action", "keep", "names", "patterns"].map(|key| default(&format!("/$defs/Rule/properties/{key}")));
    assert_eq!(rule, [json!("redact"), json!(4), json!([]), json!([])]);
}

#[test]
fn hooks_that_are_not_asked_for_are_not_called() {
    let configure = |settings| testing::configure::<Settings>(settings).unwrap();
    let requests = configure(json!({ "rules": [{ "names": ["a"] }], "responses": false, "requests": true }));
    assert!(RequestBodyHook::needed(&requests));
    assert!(!ResponseBodyHook::needed(&requests) && !ResponseHook::needed(&requests));
    let passing = configure(json!({ "rules": [{ "names": ["a"] }], "on_unparsable": "pass" }));
    assert!(ResponseBodyHook::needed(&passing));
    assert!(!ResponseHook::needed(&passing) && !RequestBodyHook::needed(&passing));
}
