use tidegate_sdk::testing::{self, Exchange, Outcome};

use super::*;

const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[test]
fn an_id_is_made_of_a_uuid_and_a_counter() {
    let plugin: Settings = testing::configure(json!({})).unwrap();
    let (uuid, number) = split(&id_of(&plugin));
    assert_uuid(&uuid, '4');
    assert_eq!(split(&id_of(&plugin)), (uuid, number + 1));
}

#[test]
fn every_uuid_is_new() {
    for (generator, version) in [("uuid", '4'), ("uuid-v7", '7')] {
        let plugin: Settings = testing::configure(json!({ "generator": generator })).unwrap();
        let mut ids: Vec<String> = (0..100).map(|_| id_of(&plugin)).collect();
        ids.iter().for_each(|id| assert_uuid(id, version));
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 100);
    }
}

#[test]
fn a_uuid_of_version_7_begins_with_the_time() {
    let plugin: Settings = testing::configure(json!({ "generator": "uuid-v7" })).unwrap();
    let millis = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    let (before, id, after) = (millis(), id_of(&plugin), millis());
    let time = u128::from_str_radix(&id.replace('-', "")[..12], 16).unwrap();
    assert!((before..=after).contains(&time), "{before} {time} {after}");
}

#[test]
fn a_tracker_says_where_the_request_came_in_and_when() {
    let plugin: Settings = testing::configure(json!({ "generator": "tracker" })).unwrap();
    let tracked = || {
        let mut exchange = Exchange::get("/").local("2001:db8::9".parse().unwrap(), 8443);
        exchange = exchange.client([192, 0, 2, 7].into(), 4321);
        assert_eq!(exchange.request(&plugin), Outcome::Next);
        let id = exchange.upstream_headers().first("kong-request-id").unwrap().to_owned();
        id.split('-').map(str::to_owned).collect::<Vec<_>>()
    };
    let (first, second) = (tracked(), tracked());
    assert_eq!(
        (first.len(), first[0].as_str(), first[1].as_str(), first[3].as_str()),
        (6, "2001:db8::9", "8443", "4321")
    );
    assert!(first[2].len() == 8 && first[2] == second[2], "{first:?} {second:?}");
    assert_eq!(first[4].parse::<u64>().unwrap() + 1, second[4].parse::<u64>().unwrap());
    assert!(first[5].split_once('.').is_some_and(|(seconds, millis)| seconds.len() == 10 && millis.len() == 3));
}

#[test]
fn a_sane_id_that_comes_along_is_kept() {
    let plugin: Settings = testing::configure(json!({ "echo_downstream": true })).unwrap();
    let longest = "x".repeat(LONGEST);
    for theirs in ["theirs", "!", "~", "a/b=?&c:d;\"", &longest] {
        let mut exchange = Exchange::get("/").header("Kong-Request-ID", theirs);
        assert_eq!(exchange.request(&plugin), Outcome::Next);
        assert_eq!(exchange.upstream_headers().all("kong-request-id"), [theirs]);
        assert_eq!(exchange.client_headers().first("kong-request-id"), Some(theirs));
    }
}

#[test]
fn others_are_replaced() {
    let plugin: Settings = testing::configure(json!({})).unwrap();
    let too_long = "x".repeat(LONGEST + 1);
    for theirs in [&b""[..], b"two words", b"\xff", b"caf\xc3\xa9", b"a\tb", too_long.as_bytes()] {
        let mut exchange = Exchange::get("/").header("kong-request-id", theirs);
        assert_eq!(exchange.request(&plugin), Outcome::Next);
        split(&only(&exchange));
    }
    let mut exchange = Exchange::get("/").header("kong-request-id", "one").header("kong-request-id", "two");
    assert_eq!(exchange.request(&plugin), Outcome::Next);
    split(&only(&exchange));
}

#[test]
fn a_request_that_is_part_of_a_trace_has_its_id() {
    let plugin: Settings = testing::configure(json!({ "traceparent": true })).unwrap();
    let id = |exchange: Exchange| {
        let mut exchange = exchange;
        assert_eq!(exchange.request(&plugin), Outcome::Next);
        only(&exchange)
    };
    let traced = || Exchange::get("/").header("traceparent", TRACEPARENT);
    assert_eq!(id(traced()), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(id(traced().header("kong-request-id", "theirs")), "theirs");
    split(&id(traced().header("traceparent", TRACEPARENT)));
    split(&id(Exchange::get("/").header("traceparent", TRACEPARENT.to_ascii_uppercase())));

    let unaware: Settings = testing::configure(json!({})).unwrap();
    let mut exchange = traced();
    assert_eq!(exchange.request(&unaware), Outcome::Next);
    split(&only(&exchange));
}

#[test]
fn a_field_of_http_itself_cannot_carry_the_id() {
    for name in ["Content-Length", "connection", "Host"] {
        let error = testing::configure::<Settings>(json!({ "header_name": name })).err().unwrap();
        assert!(error.contains("is taken by HTTP itself"), "{name}: {error}");
    }
}

#[test]
fn the_client_is_told_if_asked_for() {
    let echo: Settings = testing::configure(json!({ "echo_downstream": true })).unwrap();
    let mut exchange = Exchange::get("/").answer(200, &[("kong-request-id", "the upstream's")]);
    assert_eq!(exchange.request(&echo), Outcome::Next);
    let upstream = exchange.upstream_headers();
    assert_eq!(exchange.client_headers().all("kong-request-id"), upstream.all("kong-request-id"));

    let quiet: Settings = testing::configure(json!({})).unwrap();
    let mut exchange = Exchange::get("/");
    assert_eq!(exchange.request(&quiet), Outcome::Next);
    assert_eq!(exchange.client_headers().first("kong-request-id"), None);
}

#[test]
fn the_schema_tells_the_defaults() {
    let schema = testing::schema::<Settings>();
    let default = |setting: &str| schema["properties"][setting]["default"].clone();
    let settings = ["header_name", "generator", "traceparent", "echo_downstream"];
    assert_eq!(settings.map(default), [json!("kong-request-id"), json!("uuid#counter"), json!(false), json!(false)]);
}

#[test]
fn its_cases_come_out_as_expected() {
    testing::cases::<Settings>("cases");
}

/// The id that a request without one is given.
fn id_of(plugin: &Settings) -> String {
    let mut exchange = Exchange::get("/");
    assert_eq!(exchange.request(plugin), Outcome::Next);
    only(&exchange)
}

/// The one id that the upstream gets.
#[track_caller]
fn only(exchange: &Exchange) -> String {
    let headers = exchange.upstream_headers();
    let [id] = headers.all("kong-request-id")[..] else { panic!("there is one id: {headers:?}") };
    id.to_owned()
}

/// UUID and number.
#[track_caller]
fn split(id: &str) -> (String, u64) {
    let (uuid, number) = id.split_once('#').unwrap_or_else(|| panic!("{id} has a number"));
    assert_uuid(uuid, '4');
    (uuid.to_owned(), number.parse().unwrap())
}

#[track_caller]
fn assert_uuid(id: &str, version: char) {
    let groups: Vec<&str> = id.split('-').collect();
    assert_eq!(groups.iter().map(|group| group.len()).collect::<Vec<_>>(), [8, 4, 4, 4, 12], "{id}");
    assert!(groups.concat().bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')), "{id}");
    assert!(groups[2].starts_with(version) && groups[3].starts_with(['8', '9', 'a', 'b']), "{id}");
}
