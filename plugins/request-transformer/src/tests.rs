use proptest::prelude::*;
use tidegate_sdk::testing::{self, Exchange, Outcome};

use super::*;

#[test]
fn its_cases_come_out_as_expected() {
    testing::cases::<Plan>("cases");
}

#[test]
fn the_path_takes_what_the_route_and_the_token_have_told() {
    let plugin: Plan = configured(json!({ "replace": { "uri": "/$(claims.tenant)/v2/$(uri_captures.rest)" } }));
    let leave_claims = testing::Hook(|_: &mut Request| {
        exchange::set_shared("jwt-claims", r#"{"tenant":"t 1"}"#);
        Flow::Next
    });
    let mut exchange = Exchange::get("/v1/a/b?c=d").capture("rest", "a/b");
    assert_eq!(exchange.request(&leave_claims), Outcome::Next);
    assert_eq!(exchange.request(&plugin), Outcome::Next);
    assert_eq!(exchange.upstream_path(), "/t%201/v2/a/b");
    assert_eq!(exchange.upstream_query(), Some("c=d"));
    // Without a token there is no such path.
    assert_eq!(Exchange::get("/v1/a").capture("rest", "a").request(&plugin).reply().status, 400);
}

#[test]
fn every_value_is_worked_out_before_anything_is_changed() {
    let plugin = configured(json!({
        "http_method": "PUT",
        "rename": { "headers": ["x-a:x-b"], "querystring": ["a:b"] },
        "replace": { "uri": "/$(headers.x-a)/$(query_params.a)" },
        "add": {
            "headers": ["x-seen:$(headers.x-a) $(query_params.a) $(headers.x-b or 'none')"],
            "querystring": ["seen:$(headers.x-a)$(query_params.b or 'none')"],
            "body": ["seen:$(headers.x-a)$(query_params.a)"],
        },
    }));
    let exchange = Exchange::new("POST", "/?a=2").header("x-a", "1").header("content-type", "application/json");
    let mut exchange = exchange.body("{}");
    assert_eq!(exchange.request(&plugin), Outcome::Next);
    assert_eq!((exchange.upstream_method(), exchange.upstream_path()), ("PUT", "/1/2"));
    assert_eq!(exchange.upstream_headers().first("x-seen"), Some("1 2 none"));
    assert_eq!(exchange.upstream_query(), Some("b=2&seen=1none"));
    assert_eq!(exchange.upstream_body(), br#"{"seen":"12"}"#);
}

#[test]
fn bodies_are_asked_for_only_by_configs_that_need_them() {
    let plan = |config| configured(config).body_limit();
    assert_eq!(plan(json!({ "add": { "headers": ["a:b"], "querystring": ["a:b"] } })), None);
    assert_eq!(plan(json!({ "http_method": "POST" })), None);
    assert_eq!(plan(json!({ "add": { "body": ["a:b"] } })), Some(1 << 20));
    assert_eq!(plan(json!({ "http_method": "HEAD", "max_body_size": 5 })), Some(5));
}

#[test]
fn a_config_with_nothing_to_do_needs_no_hook() {
    for (config, needed) in [
        (json!({}), false),
        (json!({ "replace": { "headers": ["a:b"] } }), true),
        (json!({ "replace": { "uri": "/" } }), true),
        (json!({ "remove": { "querystring": ["a"] } }), true),
        (json!({ "rename": { "body": ["a:b"] } }), true),
        (json!({ "http_method": "PUT" }), true),
    ] {
        assert_eq!(configured(config.clone()).needed(), needed, "{config}");
    }
}

#[test]
fn a_query_that_no_rule_changes_is_not_written_again() {
    let plugin = configured(json!({ "remove": { "querystring": ["none"] } }));
    for target in ["/?", "/?&", "/?a=%7e&&b=+%zz"] {
        let mut exchange = Exchange::get(target);
        assert_eq!(exchange.request(&plugin), Outcome::Next);
        assert_eq!(exchange.upstream_query(), target.strip_prefix("/?"));
    }
}

proptest! {
    #[test]
    fn nothing_that_a_client_sends_makes_it_fail(
        body in any::<Vec<u8>>(),
        query in "[a-z0-9%=&+]{0,20}",
        value in "[ -~]{0,10}",
        kind in proptest::sample::select(vec!["application/json", "application/x-www-form-urlencoded", "text/plain"]),
        method in proptest::sample::select(vec!["GET", "PATCH"]),
    ) {
        let plugin = configured(json!({
            "http_method": method,
            "remove": { "body": ["a"], "querystring": ["a"] },
            "replace": { "uri": "/$(query_params.b)" },
            "add": {
                "headers": ["x-a:$(query_params.a)$(headers.x-value)"],
                "querystring": ["b:$(headers.x-value)"],
                "body": ["b:$(headers.x-value)$(query_params.a)"],
            },
        }));
        let exchange = Exchange::new("POST", &format!("/?{query}")).header("x-value", value.trim());
        match exchange.header("content-type", kind).body(body).request(&plugin) {
            Outcome::Next => {}
            Outcome::Reply(reply) => prop_assert_eq!(reply.status, 400),
            failure => prop_assert!(false, "{failure:?}"),
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
