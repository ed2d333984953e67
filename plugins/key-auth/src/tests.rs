use tidegate_sdk::identity::Consumer;
use tidegate_sdk::testing::{self, Exchange, Outcome, Reply};

use super::*;

#[test]
fn a_known_key_is_let_through_from_header_and_query() {
    let plugin: Settings = testing::configure(json!({})).unwrap();
    for exchange in [get("/").header("ApiKey", "k1"), get("/?a=b&apikey=k1"), get("/?apikey=%6b1")] {
        let mut exchange = exchange;
        assert_eq!(exchange.request(&plugin), Outcome::Next);
        assert_eq!(exchange.consumer(), Some("alice"));
        assert_eq!(exchange.upstream_headers().first("x-consumer-username"), Some("alice"));
    }
}

#[test]
fn the_key_goes_on_to_the_upstream_unless_hidden() {
    let open: Settings = testing::configure(json!({})).unwrap();
    let mut exchange = get("/").header("apikey", "k1");
    assert_eq!(exchange.request(&open), Outcome::Next);
    assert_eq!(exchange.upstream_headers().first("apikey"), Some("k1"));

    let hiding: Settings = testing::configure(json!({ "hide_credentials": true })).unwrap();
    let mut exchange = get("/?x=%7e&apikey=k1&y").header("apikey", "k1");
    assert_eq!(exchange.request(&hiding), Outcome::Next);
    assert_eq!(exchange.upstream_headers().first("apikey"), None);
    assert_eq!(exchange.upstream_query(), Some("x=%7e&y"));
    let mut exchange = get("/?apikey=k1");
    assert_eq!(exchange.request(&hiding), Outcome::Next);
    assert_eq!(exchange.upstream_query(), None);
}

#[test]
fn without_a_key_the_answer_is_401() {
    let plugin: Settings = testing::configure(json!({})).unwrap();
    for exchange in [get("/"), get("/?apikey"), get("/?apikey="), get("/?APIKEY=k1"), get("/").header("apikey", "")] {
        let reply = refused(&plugin, exchange, "No API key found in request");
        assert_eq!(reply.headers.first("www-authenticate"), Some("Key"));
        assert_eq!(reply.headers.first("content-type"), Some("application/json"));
    }
}

#[test]
fn an_unknown_key_is_unauthorized() {
    let plugin: Settings = testing::configure(json!({ "realm": "shop" })).unwrap();
    for exchange in [get("/?apikey=k2"), get("/").header("apikey", [0xff])] {
        let reply = refused(&plugin, exchange, "Unauthorized");
        assert_eq!(reply.headers.first("www-authenticate"), Some("Key realm=\"shop\""));
    }
}

#[test]
fn a_repeated_key_is_refused() {
    let plugin: Settings = testing::configure(json!({})).unwrap();
    refused(&plugin, get("/?apikey=k1&apikey=k1"), "Duplicate API key found");
    refused(&plugin, get("/").header("apikey", "k1").header("apikey", "k1"), "Duplicate API key found");
}

#[test]
fn only_the_places_that_are_set_are_looked_at() {
    let header: Settings = testing::configure(json!({ "key_in_query": false })).unwrap();
    refused(&header, get("/?apikey=k1"), "No API key found in request");
    let query: Settings = testing::configure(json!({ "key_in_header": false })).unwrap();
    refused(&query, get("/").header("apikey", "k1"), "No API key found in request");
    let error = testing::configure::<Settings>(json!({ "key_in_header": false, "key_in_query": false })).err();
    assert_eq!(error.as_deref(), Some("one of key_in_header, key_in_query and key_in_body must be true"));
}

#[test]
fn the_first_name_with_a_key_decides() {
    let plugin: Settings = testing::configure(json!({ "key_names": ["X-Key", "other"] })).unwrap();
    assert_eq!(get("/").header("x-key", "k1").header("other", "k2").request(&plugin), Outcome::Next);
    assert_eq!(get("/?other=k1").request(&plugin), Outcome::Next);
    refused(&plugin, get("/?apikey=k1"), "No API key found in request");
    let error = testing::configure::<Settings>(json!({ "key_names": ["no name"] })).err().unwrap();
    assert!(error.starts_with("key_names: \"no name\" is no header name"), "{error}");
}

#[test]
fn a_realm_stays_within_its_quotes() {
    for realm in ["a\"b", "a\\", "a\r\nx: y"] {
        let error = testing::configure::<Settings>(json!({ "realm": realm })).err().unwrap();
        assert!(error.starts_with("realm: "), "{realm:?}: {error}");
    }
}

#[test]
fn preflights_may_pass_without_a_key() {
    let lenient: Settings = testing::configure(json!({ "run_on_preflight": false })).unwrap();
    assert_eq!(Exchange::new("OPTIONS", "/").request(&lenient), Outcome::Next);
    refused(&lenient, get("/"), "No API key found in request");
    let strict: Settings = testing::configure(json!({})).unwrap();
    refused(&strict, Exchange::new("OPTIONS", "/"), "No API key found in request");
}

#[test]
fn a_key_may_be_in_a_form_or_in_a_json_object_and_can_be_hidden_there() {
    let plugin: Settings = testing::configure(json!({ "key_in_body": true, "hide_credentials": true })).unwrap();
    let post = |kind: &str, body: &str| {
        let alice = Consumer { username: "alice".into(), ..Consumer::default() };
        Exchange::new("POST", "/").credential("key-auth", "k1", alice).header("content-type", kind).body(body)
    };
    let (form, json) = ("application/x-www-form-urlencoded", "Application/JSON; charset=utf-8");
    for (kind, body, hidden) in [
        (form, "a=%7e&apikey=k%31&b", "a=%7e&b"),
        (json, r#"{"a": 1.0, "apikey": "k1", "b": [ 2 ]}"#, r#"{"a":1.0,"b":[ 2 ]}"#),
    ] {
        let mut exchange = post(kind, body);
        assert_eq!(exchange.request(&plugin), Outcome::Next, "{body}");
        assert_eq!(exchange.consumer(), Some("alice"));
        assert_eq!(String::from_utf8_lossy(exchange.upstream_body()), hidden);
    }
    refused(&plugin, post(json, r#"{"apikey": "k1", "apikey": "k1"}"#), "Duplicate API key found");
    for (kind, body) in [
        (json, "{\"apikey\": \"k1\"} x"),
        (json, "[\"apikey\"]"),
        (json, "{\"apikey\": 1}"),
        ("text/plain", "apikey=k1"),
        (form, ""),
    ] {
        refused(&plugin, post(kind, body), "No API key found in request");
    }
    let blind: Settings = testing::configure(json!({})).unwrap();
    refused(&blind, post(form, "apikey=k1"), "No API key found in request");
}

#[test]
fn whoever_has_no_key_may_be_anonymous() {
    let plugin: Settings = testing::configure(json!({ "anonymous": "guest" })).unwrap();
    let guest = || Consumer { username: "guest".into(), ..Consumer::default() };
    for exchange in [get("/"), get("/?apikey=unknown"), get("/?apikey=k1&apikey=k1")] {
        let mut exchange = exchange.known_consumer(guest());
        assert_eq!(exchange.request(&plugin), Outcome::Next);
        let told = exchange.upstream_headers();
        assert_eq!(
            (told.first("x-consumer-username"), told.first("x-anonymous-consumer")),
            (Some("guest"), Some("true"))
        );
        assert_eq!(told.first("x-credential-identifier"), None);
    }
    let mut known = get("/?apikey=k1").known_consumer(guest());
    assert_eq!(known.request(&plugin), Outcome::Next);
    assert_eq!(known.consumer(), Some("alice"));
    let mut settled = get("/?apikey=unknown").authenticated(Consumer { username: "bob".into(), ..Consumer::default() });
    assert_eq!(settled.request(&plugin), Outcome::Next);
    assert_eq!(settled.consumer(), Some("bob"));
    assert_eq!(get("/").request(&plugin).failure(), "there is no consumer \"guest\"");
}

#[test]
fn its_cases_come_out_as_expected() {
    testing::cases::<Settings>("cases");
}

fn get(target: &str) -> Exchange {
    let alice = Consumer { username: "alice".into(), ..Consumer::default() };
    Exchange::get(target).credential("key-auth", "k1", alice).credential("jwt", "k2", Consumer::default())
}

#[track_caller]
fn refused(plugin: &Settings, mut exchange: Exchange, message: &str) -> Reply {
    let reply = exchange.request(plugin).reply();
    assert_eq!((reply.status, reply.json()), (401, json!({ "message": message })));
    assert_eq!(exchange.consumer(), None);
    reply
}
