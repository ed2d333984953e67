//! What the gateway refuses to keep, to count, to show and to compute, in its own words.

use std::fmt::Display;
use std::time::Duration;

use tidegate_sdk::counters::{self, Algorithm, Limit};
use tidegate_sdk::crypto::{self, Key, SigningKey};
use tidegate_sdk::places::{self, Wanted};
use tidegate_sdk::prelude::*;

pub(crate) fn told() -> serde_json::Value {
    json!({ "kv": kept(), "counters": counted(), "places": held(), "metrics": shown(), "crypto": computed() })
}

fn kept() -> Vec<String> {
    let (long, large) = ("k".repeat(1_025), vec![b'1'; 65_537]);
    let text = kv::set("text", "ten", None).and_then(|()| kv::increment("text", 1, None));
    let most = kv::set("most", i64::MAX.to_string(), None).and_then(|()| kv::increment("most", 1, None));
    vec![
        said(kv::get(&long)),
        said(kv::set("k", &large, None)),
        said(kv::compare_and_set(&long, None, &large, None)),
        said(kv::delete(&long)),
        said(kv::increment(&long, 1, None)),
        said(text),
        said(most),
    ]
}

fn counted() -> Vec<String> {
    let second = Duration::from_secs(1);
    let limit = |max, window| Limit { max, window, algorithm: Algorithm::Gcra };
    let hit = |key: &str, limits: &[Limit]| said(counters::hit(key, 1, limits).map(|hit| hit.allowed));
    vec![
        hit("k", &[]),
        hit("k", &[limit(1, second); 9]),
        hit("k", &[limit(1, second), limit(2, second)]),
        hit("k", &[limit((1 << 52) + 1, second)]),
        hit("k", &[limit(1, Duration::ZERO)]),
        hit("k", &[limit(1, 35_000_000 * second)]),
        hit(&"k".repeat(1_025), &[limit(1, second)]),
    ]
}

fn held() -> Vec<String> {
    let (long, second) = ("k".repeat(1_025), Duration::from_secs(1));
    let in_vain = Wanted { max: 0, queue: 1, wait: second };
    let wait = |key: &str, wanted, status| said(places::wait(key, wanted, Flow::reply(status).empty()));
    let mut refused = vec![
        said(places::take(&long, 1)),
        wait(&long, in_vain, 503),
        wait("k", Wanted { queue: 10_001, ..in_vain }, 503),
        wait("k", Wanted { wait: 601 * second, ..in_vain }, 503),
        wait("k", in_vain, 99),
        wait("k", in_vain, 503),
        wait("k", in_vain, 503),
        said(places::take("k", 0)),
    ];
    let taken = (0..16).filter(|_| places::take("many", 100) == Ok(true)).count();
    refused.extend([taken.to_string(), said(places::take("many", 100))]);
    refused
}

fn shown() -> Vec<String> {
    let count = |name: &str, labels: &[(&str, &str)]| said(metrics::counter_add(name, labels, 1.0));
    let kind = metrics::gauge_set("refusals", &[], 1.0).and_then(|()| metrics::counter_add("refusals", &[], 1.0));
    vec![
        count("No Name", &[]),
        count("n", &[("l", ""); 9]),
        count("n", &[("le", "")]),
        count("n", &[("l", "1"), ("l", "2")]),
        count("n", &[("l", &"v".repeat(129))]),
        said(metrics::counter_add("n", &[], -1.0)),
        said(kind),
    ]
}

fn computed() -> Vec<String> {
    use crypto::Algorithm::{Es256, Hs256, Rs256};
    let verify = |algorithm, key: Key<'_>| said(crypto::verify(algorithm, key, "m", "s"));
    let long = vec![b'k'; 65_537];
    vec![
        verify(Rs256, Key::Secret(b"s")),
        // RFC 8037, appendix A.2.
        verify(Rs256, Key::JwkOkp("Ed25519", "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")),
        verify(Es256, Key::JwkEc("secp256k1", "x", "y")),
        verify(Hs256, Key::Secret(b"")),
        verify(Hs256, Key::Secret(b"-----BEGIN PUBLIC KEY-----")),
        verify(Hs256, Key::Secret(&long)),
        verify(Rs256, Key::Der(&long)),
        said(crypto::sign(Rs256, SigningKey::Secret(b"s"), "m").map(|signature| signature.len())),
        said(crypto::verify_password("", vec![b'p'; 4_097])),
    ]
}

fn said<T: std::fmt::Debug>(refused: Result<T, impl Display>) -> String {
    match refused {
        Err(problem) => problem.to_string(),
        Ok(done) => format!("{done:?} instead of a refusal"),
    }
}
