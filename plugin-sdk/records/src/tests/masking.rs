//! What is masked, by names and paths of the record and by its looks.

use super::*;
use crate::Rule;
use crate::masking::Masking;

/// The record of an exchange with sensitive values in its target, its headers and its answer.
fn masked(mask: &Value, config: &Value) -> String {
    let mut config = config.clone();
    config["mask"] = mask.clone();
    let mut exchange =
        Exchange::get("/users/alice%40example.com?card=4111+1111+1111+1111&Pin=12%2634&page=2&4111111111111111")
            .header("x-api-token", "t0ken")
            .header("x-note", "pay 4111-1111-1111-1111, ask alice@example.com")
            .header("referer", "http://shop/?pin=1234#x")
            .answer(201, &[("x-owner", "alice@example.com"), ("x-owner", "bob")]);
    let next = testing::Hook(|_: &mut Response, _: &Request| Flow::Next);
    assert_eq!(exchange.response(&next), testing::Outcome::Next);
    recorded(config, exchange, over()).unwrap()
}

#[test]
fn names_are_masked_at_any_depth_in_headers_and_in_queries_wherever_they_stand() {
    let mask = json!([{ "names": ["pin", "X-Api-Token", "client_ip"] }]);
    let record: Value = masked(&mask, &json!({})).parse().unwrap();
    let target = "/users/alice%40example.com?card=4111+1111+1111+1111&Pin=***&page=2&4111111111111111";
    let request = &record["request"];
    assert_eq!((&request["uri"], &record["upstream_uri"]), (&json!(target), &json!(target)));
    assert_eq!(request["url"], format!("http://example.com{target}"));
    assert_eq!((&request["querystring"]["Pin"], &request["querystring"]["page"]), (&json!("***"), &json!("2")));
    assert_eq!(request["headers"]["x-api-token"], "***");
    assert_eq!(request["headers"]["referer"], "http://shop/?pin=***#x");
    assert_eq!(record["client_ip"], "***");
    assert_eq!(record["response"]["headers"]["x-owner"], json!(["alice@example.com", "bob"]));
}

#[test]
fn patterns_are_masked_in_paths_queries_headers_and_names_of_parameters() {
    let record =
        masked(&json!([{ "patterns": ["card"], "action": "keep_last" }, { "patterns": ["email"] }]), &json!({}));
    assert!(!record.contains("1111 1111") && !record.contains("41111") && !record.contains("alice"), "{record}");
    let record: Value = record.parse().unwrap();
    let request = &record["request"];
    assert_eq!(request["uri"], "/users/***?card=***1111&Pin=12%2634&page=2&***1111");
    let parameters = json!({ "card": "***1111", "Pin": "12&34", "page": "2", "***1111": true });
    assert_eq!(request["querystring"], parameters);
    assert_eq!(request["headers"]["x-note"], "pay ***1111, ask ***");
    assert_eq!(record["response"]["headers"]["x-owner"], json!(["***", "bob"]));
    assert_eq!(record["response"]["status"], 200);
}

#[test]
fn names_and_paths_are_those_of_the_fields_as_they_are_called_in_the_record() {
    let config = json!({
        "fields": { "token": "request.headers.x-api-token", "who": "response.headers.x-owner", "asked": "request.querystring" },
        "custom_fields": { "line": "$(request.method) $(request.uri) by $(request.headers.x-api-token)", "secret": "s" },
    });
    let mask = json!([{ "names": ["TOKEN", "pin"] }, { "paths": ["$.who", "$.asked.page"] }, { "names": ["secret"], "action": "remove" }]);
    let expected = concat!(
        r#"{"asked":{"card":"4111 1111 1111 1111","Pin":"***","page":"***","4111111111111111":true},"token":"***","who":"***","#,
        r#""line":"GET /users/alice%40example.com?card=4111+1111+1111+1111&Pin=***&page=2&4111111111111111 by t0ken"}"#,
    );
    assert_eq!(masked(&mask, &config), expected);
    let renamed = masked(&json!([{ "names": ["x-api-token"] }]), &config);
    assert!(renamed.contains("\"token\":\"t0ken\""), "{renamed}");
}

#[test]
fn equal_values_have_equal_hashes_and_what_is_redacted_has_none_of_its_own() {
    let config = |redact: &[&str]| {
        json!({
            "fields": { "authorization": "request.headers.authorization", "uri": "request.uri", "q": "request.querystring" },
            "redact": redact,
            "mask": [{ "names": ["authorization", "user"], "action": "hash" }],
            "hash_secret": "mask-key",
        })
    };
    let record = |redact: &[&str], value: &str| {
        let mut exchange = Exchange::get("/?user=a%20b").header("authorization", value).secret("mask-key", "s3cret");
        let plugin: Settings = exchange.configure(config(redact)).unwrap();
        let mut exchange = exchange.sink(sink::OWN);
        exchange.over(&plugin, over());
        serde_json::from_slice::<Value>(&exchange.delivered(sink::OWN)[0]).unwrap()
    };
    let (one, other) = (record(&[], "Basic YTpi"), record(&[], "Basic YTpj"));
    assert!(one["authorization"].as_str().is_some_and(|hash| hash.starts_with("sha256:")), "{one}");
    assert_ne!(one["authorization"], other["authorization"]);
    assert_eq!(one["uri"], format!("/?user={}", one["q"]["user"].as_str().unwrap()));
    let redacted = |value| record(&["authorization"], value)["authorization"].clone();
    assert_eq!(redacted("Basic YTpi"), redacted("Basic YTpj"), "both are REDACTED before");
}

#[test]
fn what_is_no_record_is_not_sent() {
    let rules: [Rule; 1] = [testing::configure(json!({ "names": ["a"] })).unwrap()];
    let masking = Masking::new(&rules, None).unwrap().unwrap();
    let masked = masking.masked(br#"{"a":"s3cret"}"#).unwrap().unwrap();
    assert_eq!(masked, br#"{"a":"***"}"#);
    let error = masking.masked(br#">{"a":"s3cret"}"#).unwrap_err();
    assert_eq!(error.at, 0);
}

#[test]
fn without_rules_nothing_is_looked_at() {
    assert!(Masking::new(&[], None).unwrap().is_none());
    assert_eq!(masked(&json!([]), &json!({})), masked(&json!([{ "names": ["nothing"] }]), &json!({})));
}

#[test]
fn a_rule_that_cannot_be_is_refused_where_it_stands() {
    let cases = [
        (json!([{ "names": ["a"] }, {}]), "mask[1]: say what to mask by names, paths, patterns or regexes"),
        (json!([{ "paths": ["request.uri"] }]), "mask[0].paths: \"request.uri\" is no path: it has to begin with $"),
        (json!([{ "regexes": ["a+"] }]), "mask[0].regexes: \"a+\" may match more than 256 bytes"),
        (
            json!([{ "names": ["a"], "action": "hash" }]),
            "mask[0].action: hash needs a key, `hash_secret`, without which",
        ),
        (json!([{ "patterns": ["phone"] }]), "unknown variant `phone`"),
    ];
    for (mask, why) in cases {
        let error = refused(json!({ "mask": mask }));
        assert!(error.starts_with(why), "{error}");
    }
    let error = refused(json!({ "mask": [], "hash_secret": "k" }));
    assert!(
        error
            .starts_with("hash_secret: there is no secret \"k\", or it is not granted: grants = { secrets = [\"k\"] }")
    );
}
