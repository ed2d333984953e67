use proptest::prelude::*;
use tidegate_sdk::testing::{self, Exchange, Outcome};

use super::*;

#[test]
fn its_cases_come_out_as_expected() {
    testing::cases::<Plan>("cases");
}

#[test]
fn bodies_are_asked_for_only_by_configs_that_need_them() {
    let plan = |config| configured(config).body_limit();
    assert_eq!(plan(json!({ "add": { "headers": ["a:b"] } })), None);
    assert_eq!(plan(json!({ "replace": { "body": "a" } })), None);
    assert_eq!(plan(json!({ "add": { "json": ["a:b"] } })), Some(1 << 20));
    assert_eq!(plan(json!({ "remove": { "json": ["a"] }, "max_body_size": 5 })), Some(5));
}

#[test]
fn a_config_with_nothing_to_do_needs_no_hook() {
    for (config, needed) in [
        (json!({}), false),
        (json!({ "remove": { "if_status": ["200"] } }), false),
        (json!({ "append": { "headers": ["a:b"] } }), true),
        (json!({ "rename": { "json": ["a:b"] } }), true),
        (json!({ "replace": { "body": "" } }), true),
    ] {
        assert_eq!(configured(config.clone()).needed(), needed, "{config}");
    }
}

#[test]
fn edits_for_the_same_statuses_are_sent_together() {
    let plan = configured(json!({
        "remove": { "headers": ["a"] },
        "rename": { "headers": ["b:c"] },
        "add": { "headers": ["d:e"], "if_status": ["404"] },
        "append": { "headers": ["f:g"], "if_status": ["404"] },
    }));
    assert_eq!(plan.headers.len(), 2);
}

#[test]
fn a_status_that_has_no_body_is_given_none() {
    let plugin = configured(json!({ "replace": { "body": "fine" } }));
    for (status, body) in [(204, ""), (205, ""), (304, ""), (200, "fine")] {
        let mut exchange = Exchange::get("/").answer(status, &[]);
        assert_eq!(exchange.response(&plugin), Outcome::Next);
        assert_eq!(exchange.client_body(), body.as_bytes(), "{status}");
    }
}

#[test]
fn values_tell_of_the_token_as_well() {
    let plugin = configured(json!({ "add": { "json": ["for:$(claims.sub) $(consumer.username or 'nobody')"] } }));
    let leave_claims = testing::Hook(|_: &mut Request| {
        exchange::set_shared("jwt-claims", r#"{"sub":"s-1"}"#);
        Flow::Next
    });
    let mut exchange = Exchange::get("/").answer(200, &[("content-type", "application/json")]).answer_body("{}");
    assert_eq!(exchange.request(&leave_claims), Outcome::Next);
    assert_eq!(exchange.response(&plugin), Outcome::Next);
    assert_eq!(exchange.client_body(), br#"{"for":"s-1 nobody"}"#);
}

proptest! {
    #[test]
    fn nothing_that_an_upstream_sends_makes_it_fail(
        body in prop_oneof![any::<Vec<u8>>(), r#"\{"[ab]":[0-9\[\]{}"]{0,8}\}"#.prop_map(String::into_bytes)],
        status in 200..600_u16,
        query in "[a-z0-9%=&+]{0,20}",
    ) {
        let plugin = configured(json!({
            "remove": { "json": ["a"], "if_status": ["200-399"] },
            "rename": { "json": ["b:c"], "headers": ["content-type:x-type"] },
            "add": { "json": ["d:$(query_params.a)"], "headers": ["x-a:$(query_params.a)"] },
            "append": { "json": ["b:1"], "json_types": ["number"] },
        }));
        let exchange = Exchange::get(&format!("/?{query}")).answer(status, &[("content-type", "application/json")]);
        match exchange.answer_body(body).response(&plugin) {
            Outcome::Next => {}
            Outcome::Reply(reply) => prop_assert_eq!(reply.status, 502),
            other => prop_assert!(false, "{other:?}"),
        }
    }
}

#[test]
fn the_schema_tells_the_defaults() {
    let schema = testing::schema::<Plan>();
    for (setting, described) in schema["properties"].as_object().unwrap() {
        // Left out, the method stays what it is.
        assert!(described.get("default").is_some() || setting == "http_method", "{setting}");
    }
    for operation in ["Remove", "Rename", "Replace", "Add", "Append"] {
        for (setting, described) in schema["$defs"][operation]["properties"].as_object().unwrap() {
            assert!(described.get("default").is_some(), "{operation}.{setting}");
        }
    }
    assert_eq!(schema["properties"]["malformed_body"]["default"], "refuse");
}

#[track_caller]
fn configured(config: serde_json::Value) -> Plan {
    testing::configure(config).unwrap_or_else(|error| panic!("{error}"))
}
