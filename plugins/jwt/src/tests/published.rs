//! Tokens that are verified by published keys. Natively, signatures are what these tests say they are.

use super::*;

const URL: &str = "https://idp.example.com/keys";
const ASKED: &str = "GET https://idp.example.com/keys";
const KEYS: &str = r#"{"keys":[
    {"kty":"RSA","kid":"r1","n":"AQAB","e":"AQAB","alg":"RS256","use":"sig"},
    {"kty":"EC","kid":"e1","crv":"P-256","x":"AA","y":"AA"},
    {"kty":"oct","kid":"o1","k":"bWFsbG9yeQ"}
]}"#;

fn config(more: Value) -> Value {
    let mut config = json!({ "jwks_url": URL, "issuers": ["https://idp.example.com"] });
    config.as_object_mut().unwrap().extend(object(more));
    config
}

fn issued(header: &str) -> String {
    let claims = json!({ "iss": "https://idp.example.com", "exp": LATE, "sub": "alice", "id": "4711", "n": 1 });
    format!("{}.{}.{}", encoded(header), encoded(claims.to_string()), encoded("signature"))
}

fn asking(header: &str) -> Exchange {
    let alice = Consumer { username: "alice".into(), custom_id: Some("4711".into()), ..Consumer::default() };
    let exchange = bearing(&issued(header)).server(ASKED, 200, KEYS).known_consumer(alice);
    exchange.signatures(|_, signature| signature == b"signature")
}

#[test]
fn a_token_of_a_published_key_is_let_in() {
    let plain = plugin(config(json!({})));
    for header in [r#"{"alg":"RS256","kid":"r1"}"#, r#"{"alg":"ES256","kid":"e1"}"#, r#"{"alg":"ES256"}"#] {
        let exchange = let_in(&plain, asking(header));
        assert_eq!((exchange.consumer(), exchange.asked().len()), (None, 1), "{header}");
        assert_eq!(shared(exchange)["sub"], "alice");
    }
    let forged = asking(r#"{"alg":"RS256","kid":"r1"}"#).signatures(|_, _| false);
    refused(&plugin(config(json!({}))), forged, "Invalid signature");
}

#[test]
fn keys_are_asked_for_once_and_kept() {
    let plain = plugin(config(json!({})));
    let mut exchange = asking(r#"{"alg":"RS256","kid":"r1"}"#);
    for _ in 0..3 {
        assert_eq!(exchange.request(&plain), Outcome::Next);
    }
    // Another instance finds them.
    assert_eq!(exchange.request(&plugin(config(json!({})))), Outcome::Next);
    assert_eq!(exchange.asked().len(), 1);
}

#[test]
fn the_key_decides_which_algorithm_it_is_used_with() {
    for header in [
        r#"{"alg":"RS384","kid":"r1"}"#,
        r#"{"alg":"PS256","kid":"r1"}"#,
        r#"{"alg":"ES256","kid":"r1"}"#,
        r#"{"alg":"HS256","kid":"r1"}"#,
        r#"{"alg":"HS256","kid":"o1"}"#,
        r#"{"alg":"ES384","kid":"e1"}"#,
    ] {
        let plain = plugin(config(json!({})));
        refused(&plain, asking(header).signatures(|_, _| true), "Invalid algorithm");
    }
    let picky = plugin(config(json!({ "algorithms": ["ES256"] })));
    refused(&picky, asking(r#"{"alg":"RS256","kid":"r1"}"#), "Invalid algorithm");
    let_in(&picky, asking(r#"{"alg":"ES256","kid":"e1"}"#));
}

#[test]
fn an_unknown_key_is_asked_for_no_more_often_than_allowed() {
    let plain = plugin(config(json!({})));
    for header in [r#"{"alg":"RS256","kid":"r2"}"#, r#"{"alg":"RS256","kid":"../keys"}"#, r#"{"alg":"EdDSA"}"#] {
        let mut exchange = asking(header);
        for _ in 0..3 {
            let reply = exchange.request(&plain).reply();
            assert_eq!(reply.json(), json!({ "message": "No credentials found for given 'kid'" }));
        }
        // The first one fetched them; they are as new as can be.
        assert_eq!(exchange.asked().len(), 1, "{header}");
    }
}

#[test]
fn without_keys_nothing_is_decided() {
    let lenient = plugin(config(json!({ "anonymous": "guest" })));
    for (status, body) in [(500, KEYS), (302, ""), (200, "<html>"), (200, "{\"keys\":[]}"), (200, "")] {
        for plugin in [&plugin(config(json!({}))), &lenient] {
            let mut exchange = bearing(&issued(r#"{"alg":"RS256","kid":"r1"}"#)).server(ASKED, status, body);
            for _ in 0..2 {
                let reply = exchange.request(plugin).reply();
                assert_eq!((reply.status, reply.headers.first("retry-after")), (503, Some("1")), "{status} {body}");
            }
            assert_eq!(exchange.asked().len(), 1);
            assert!(exchange.log()[0].1.starts_with("the keys of https://idp.example.com/keys cannot be fetched"));
        }
    }
}

#[test]
fn a_token_may_be_a_consumers() {
    let by_name = plugin(config(json!({ "consumer_claim": "sub" })));
    assert_eq!(let_in(&by_name, asking(r#"{"alg":"ES256"}"#)).consumer(), Some("alice"));
    let by_id = plugin(config(json!({ "consumer_claim": "id", "consumer_by": "custom_id" })));
    assert_eq!(let_in(&by_id, asking(r#"{"alg":"ES256"}"#)).consumer(), Some("alice"));
    for (claim, by, message) in [
        ("id", "username", "No consumer found for given 'id'"),
        ("sub", "custom_id", "No consumer found for given 'sub'"),
        ("other", "username", "No mandatory 'other' in claims"),
        ("n", "username", "Invalid 'n' in claims"),
    ] {
        let plugin = plugin(config(json!({ "consumer_claim": claim, "consumer_by": by })));
        refused(&plugin, asking(r#"{"alg":"ES256"}"#), message);
    }
}

#[test]
fn claims_are_checked_as_those_of_consumers_own_tokens() {
    let strict = plugin(config(json!({ "audiences": ["shop"] })));
    let reply = asking(r#"{"alg":"ES256"}"#).request(&strict).reply();
    assert_eq!(reply.json(), json!({ "aud": "token is not meant for here" }));
    let other = plugin(json!({ "jwks_url": URL, "issuers": ["https://other.example.com"] }));
    let reply = asking(r#"{"alg":"ES256"}"#).request(&other).reply();
    assert_eq!(reply.json(), json!({ "iss": "not an issuer that is trusted here" }));
}

#[test]
fn a_timer_fetches_keys_before_anybody_asks() {
    let plain = plugin(config(json!({})));
    let mut exchange = asking(r#"{"alg":"RS256","kid":"r1"}"#);
    assert_eq!(exchange.timer(&plain), Ok(()));
    assert_eq!(exchange.request(&plain), Outcome::Next);
    assert_eq!(exchange.timer(&plain), Ok(()));
    exchange.over(&plain, testing::ended(200));
    assert_eq!(exchange.asked().len(), 1);
    assert!(LogHook::needed(&plain) && !LogHook::needed(&plugin(json!({}))));
}

/// As if the keys had been fetched so many seconds ago.
fn later(exchange: Exchange, seconds: u64) -> Exchange {
    let back = Hook(move |_: &mut Request| -> Result {
        let note = kv::get(&format!("note {URL}"))?.ok_or("nothing was fetched")?;
        let then = (seconds_since_1970() - seconds).to_le_bytes();
        kv::set(&format!("note {URL}"), [&note[..8], &then, &then].concat(), None)?;
        Ok(Flow::Next)
    });
    let mut exchange = exchange;
    assert_eq!(exchange.request(&back), Outcome::Next);
    exchange
}

#[test]
fn keys_are_fetched_again_when_they_are_old_and_not_before() {
    for (age, fetches) in [(299, 1), (300, 2)] {
        let plain = plugin(config(json!({})));
        let mut exchange = later(let_in(&plain, asking(r#"{"alg":"RS256","kid":"r1"}"#)), age);
        // Of all who find them old, one fetches them.
        for _ in 0..2 {
            exchange.over(&plain, testing::ended(200));
            assert_eq!(exchange.asked().len(), fetches, "{age}");
        }
    }
}

#[test]
fn an_unknown_key_is_asked_for_after_the_cool_down() {
    for (age, fetches) in [(29, 1), (30, 2)] {
        let plain = plugin(config(json!({})));
        let exchange = later(let_in(&plain, asking(r#"{"alg":"RS256","kid":"r1"}"#)), age);
        let mut exchange = exchange.header("x-token", format!("Bearer {}", issued(r#"{"alg":"RS256","kid":"r2"}"#)));
        let other = plugin(config(json!({ "header_names": ["x-token"] })));
        let reply = exchange.request(&other).reply();
        assert_eq!(reply.json(), json!({ "message": "No credentials found for given 'kid'" }));
        assert_eq!(exchange.asked().len(), fetches, "{age}");
    }
}

#[test]
fn few_wait_for_unknown_keys_at_a_time() {
    let plain = plugin(config(json!({})));
    let mut exchange = later(let_in(&plain, asking(r#"{"alg":"RS256","kid":"r1"}"#)), 60);
    let many = Hook(|_: &mut Request| -> Result {
        kv::increment(&format!("waiting {URL}"), 16, None)?;
        Ok(Flow::Next)
    });
    assert_eq!(exchange.request(&many), Outcome::Next);
    let mut exchange = exchange.header("x-token", format!("Bearer {}", issued(r#"{"alg":"RS256","kid":"r2"}"#)));
    let other = plugin(config(json!({ "header_names": ["x-token"] })));
    assert_eq!(exchange.request(&other).reply().status, 503);
    assert_eq!(exchange.asked().len(), 1);
    assert_eq!(exchange.request(&plain), Outcome::Next, "known keys need nobody's answer");
}

#[test]
fn keys_that_are_too_old_verify_nothing() {
    let kept = Hook(|_: &mut Request| -> Result {
        let keys = kv::get(&format!("keys {URL}"))?.ok_or("nothing was fetched")?;
        Ok(Flow::reply(200).body([kv::get(&format!("note {URL}"))?.unwrap_or_default(), keys].concat()))
    });
    let header = r#"{"alg":"RS256","kid":"r1"}"#;
    let body = let_in(&plugin(config(json!({}))), asking(header)).request(&kept).reply().body;
    for (age, status) in [(86_399, 200), (86_400, 503)] {
        let (note, keys) = (body[..24].to_vec(), body[24..].to_vec());
        let restore = Hook(move |_: &mut Request| -> Result {
            kv::set(&format!("note {URL}"), &note, None)?;
            kv::set(&format!("keys {URL}"), &keys, None)?;
            Ok(Flow::Next)
        });
        // A gateway whose provider is away.
        let mut exchange = bearing(&issued(header)).signatures(|_, signature| signature == b"signature");
        assert_eq!(exchange.request(&restore), Outcome::Next);
        let outcome = later(exchange, age).request(&plugin(config(json!({}))));
        assert_eq!(if outcome == Outcome::Next { 200 } else { outcome.reply().status }, status, "{age}");
    }
}
