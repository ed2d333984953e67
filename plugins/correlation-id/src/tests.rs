use tidegate_sdk::testing::{self, Exchange, Outcome};

use super::*;

#[test]
fn an_id_is_made_of_a_uuid_and_a_counter() {
    let plugin: Settings = testing::configure(json!({})).unwrap();
    let (uuid, number) = split(&id_of(&plugin));
    assert_uuid_v4(&uuid);
    assert_eq!(split(&id_of(&plugin)), (uuid, number + 1));
}

#[test]
fn every_uuid_is_new() {
    let plugin: Settings = testing::configure(json!({ "header_name": "X-Id", "generator": "uuid" })).unwrap();
    let ids: Vec<String> = (0..2)
        .map(|_| {
            let mut exchange = Exchange::get("/");
            assert_eq!(exchange.request(&plugin), Outcome::Next);
            exchange.upstream_headers().first("x-id").expect("there is an id").to_owned()
        })
        .collect();
    ids.iter().for_each(|id| assert_uuid_v4(id));
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn an_id_that_comes_along_is_kept() {
    let plugin: Settings = testing::configure(json!({ "echo_downstream": true })).unwrap();
    let mut exchange = Exchange::get("/").header("Kong-Request-ID", "theirs");
    assert_eq!(exchange.request(&plugin), Outcome::Next);
    assert_eq!(exchange.upstream_headers().all("kong-request-id"), ["theirs"]);
    assert_eq!(exchange.response(&plugin), Outcome::Next);
    assert_eq!(exchange.client_headers().first("kong-request-id"), Some("theirs"));
}

#[test]
fn a_field_of_http_itself_cannot_carry_the_id() {
    for name in ["Content-Length", "connection", "Host"] {
        let error = testing::configure::<Settings>(json!({ "header_name": name })).err().unwrap();
        assert!(error.contains("is taken by HTTP itself"), "{name}: {error}");
    }
}

#[test]
fn an_empty_id_is_none() {
    let plugin: Settings = testing::configure(json!({})).unwrap();
    let mut exchange = Exchange::get("/").header("kong-request-id", "");
    assert_eq!(exchange.request(&plugin), Outcome::Next);
    assert!(exchange.upstream_headers().first("kong-request-id").is_some_and(|id| id.contains('#')));
}

#[test]
fn the_client_is_told_if_asked_for() {
    let echo: Settings = testing::configure(json!({ "echo_downstream": true })).unwrap();
    let mut exchange = Exchange::get("/").answer(200, &[("kong-request-id", "the upstream's")]);
    assert_eq!(exchange.request(&echo), Outcome::Next);
    assert_eq!(exchange.response(&echo), Outcome::Next);
    let upstream = exchange.upstream_headers();
    assert_eq!(exchange.client_headers().all("kong-request-id"), upstream.all("kong-request-id"));

    let quiet: Settings = testing::configure(json!({})).unwrap();
    assert!(!ResponseHook::needed(&quiet));
    let mut exchange = Exchange::get("/");
    assert_eq!(exchange.request(&quiet), Outcome::Next);
    assert_eq!(exchange.response(&quiet), Outcome::Next);
    assert_eq!(exchange.client_headers().first("kong-request-id"), None);
}

#[test]
fn other_generators_are_refused() {
    let refused = testing::configure::<Settings>(json!({ "generator": "tracker" })).err().unwrap();
    assert!(refused.starts_with("unknown variant `tracker`, expected `uuid` or `uuid#counter`"), "{refused}");
}

#[test]
fn its_cases_come_out_as_expected() {
    testing::cases::<Settings>("cases");
}

fn id_of(plugin: &Settings) -> String {
    let mut exchange = Exchange::get("/");
    assert_eq!(exchange.request(plugin), Outcome::Next);
    exchange.upstream_headers().first("kong-request-id").expect("there is an id").to_owned()
}

fn split(id: &str) -> (String, u64) {
    let (uuid, number) = id.split_once('#').expect("uuid#counter");
    (uuid.to_owned(), number.parse().expect("a number"))
}

fn assert_uuid_v4(text: &str) {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    assert_eq!(lengths, [8, 4, 4, 4, 12], "{text}");
    assert!(text.chars().all(|c| c == '-' || matches!(c, '0'..='9' | 'a'..='f')), "{text}");
    assert_eq!(text.as_bytes()[14], b'4', "{text}");
    assert!(b"89ab".contains(&text.as_bytes()[19]), "{text}");
}
