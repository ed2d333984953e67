//! What the gateway keeps and does for plugins is held to its bounds.

use std::time::Duration;

use super::edit;
use crate::counters::{self, Algorithm, Error, Limit};
use crate::crypto::{self, Key, SigningKey};
use crate::prelude::*;
use crate::testing::{Exchange, Outcome, limits};

/// Has a hook run this.
fn within(run: impl Fn()) {
    assert_eq!(Exchange::get("/").request(&edit(|_| run())), Outcome::Next);
}

const SECOND: Duration = Duration::from_secs(1);

fn limit(max: u64, window: Duration, algorithm: Algorithm) -> Limit {
    Limit { max, window, algorithm }
}

fn fixed(max: u64, window: Duration) -> Limit {
    limit(max, window, Algorithm::FixedWindow)
}

#[test]
fn keys_and_values_are_held_to_their_bounds() {
    within(|| {
        let (longest, long) = ("k".repeat(limits::KV_KEY_BYTES), "k".repeat(limits::KV_KEY_BYTES + 1));
        let (largest, large) = (vec![b'1'; limits::KV_VALUE_BYTES], vec![b'1'; limits::KV_VALUE_BYTES + 1]);
        assert_eq!(kv::set(&longest, &largest, None), Ok(()));
        assert_eq!(kv::get(&longest), Ok(Some(largest)));
        let refused = "a key has up to 1024 bytes, not 1025";
        assert_eq!(kv::get(&long), Err(refused.to_owned()));
        assert_eq!(kv::set(&long, "v", None), Err(refused.to_owned()));
        assert_eq!(kv::compare_and_set(&long, None, "v", None), Err(refused.to_owned()));
        assert_eq!(kv::delete(&long), Err(refused.to_owned()));
        assert_eq!(kv::increment(&long, 1, None), Err(refused.to_owned()));
        let refused = "a value has up to 65536 bytes, not 65537";
        assert_eq!(kv::set("k", &large, None), Err(refused.to_owned()));
        assert_eq!(kv::compare_and_set(&long, None, &large, None), Err(refused.to_owned()), "what is wrong first");
        assert_eq!(kv::get("k"), Ok(None));
    });
}

#[test]
fn numbers_stay_what_they_were_if_they_cannot_be_added_to() {
    within(|| {
        kv::set("text", "ten", None).unwrap();
        assert_eq!(kv::increment("text", 1, None), Err("the value is no number".to_owned()));
        kv::set("most", i64::MAX.to_string(), None).unwrap();
        assert_eq!(kv::increment("most", 1, None), Err("the number would be too large".to_owned()));
        assert_eq!(kv::increment("most", -1, None), Ok(i64::MAX - 1));
    });
}

#[test]
fn what_is_to_live_for_no_time_is_gone_at_once() {
    within(|| {
        kv::set("a", "1", None).unwrap();
        kv::set("a", "2", Some(Duration::ZERO)).unwrap();
        assert_eq!(kv::get("a"), Ok(None));
        assert_eq!(kv::increment("n", 5, Some(Duration::ZERO)), Ok(5));
        assert_eq!(kv::increment("n", 2, None), Ok(2));
        assert_eq!(kv::increment("n", 2, Some(Duration::ZERO)), Ok(4), "only a number that begins gets a time");
        assert_eq!(kv::get("n"), Ok(Some(b"4".to_vec())));
    });
}

#[test]
fn limits_are_held_to_their_bounds() {
    within(|| {
        let invalid = |key: &str, limits: &[Limit]| match counters::hit(key, 1, limits) {
            Err(Error::Invalid(problem)) => problem,
            other => panic!("{other:?}"),
        };
        assert_eq!(invalid("k", &[]), "a hit needs a limit");
        assert_eq!(invalid("k", &[fixed(1, SECOND); 9]), "a hit has up to 8 limits");
        let twice = "there are two limits of the window 1s and the same algorithm";
        assert_eq!(invalid("k", &[fixed(1, SECOND), fixed(2, SECOND)]), twice);
        let above = "a limit is at most 4503599627370496, not 4503599627370497";
        assert_eq!(invalid("k", &[fixed(limits::COUNTER_MAX + 1, SECOND)]), above);
        let window = "a window is from 1ms to 400 days, not 0ns";
        assert_eq!(invalid("k", &[fixed(1, Duration::from_micros(999))]), window);
        let longer = limits::COUNTER_WINDOW_MAX + Duration::from_millis(1);
        assert!(invalid("k", &[fixed(1, longer)]).starts_with("a window is from 1ms to 400 days, not 34560000"));
        let key = "a counter's key has up to 1024 bytes, not 1025";
        assert_eq!(invalid(&"k".repeat(limits::COUNTER_KEY_BYTES + 1), &[fixed(1, SECOND)]), key);

        let extremes = [
            fixed(1, limits::COUNTER_WINDOW_MAX),
            fixed(limits::COUNTER_MAX, limits::COUNTER_WINDOW_MIN),
            limit(1, SECOND, Algorithm::Gcra),
            limit(1, SECOND, Algorithm::SlidingWindow),
        ];
        assert!(counters::hit(&"k".repeat(limits::COUNTER_KEY_BYTES), 1, &extremes).unwrap().allowed);
    });
}

#[test]
fn hits_wait_for_the_limits_that_refuse_them() {
    let decided = |limits: &[Limit], costs: &[u64]| {
        let mut last = None;
        costs.iter().for_each(|cost| last = counters::hit(&format!("{limits:?}"), *cost, limits).ok());
        let last = last.unwrap();
        (last.allowed, last.retry_after.map(|wait| wait.as_millis()), last.standings[0].reset.as_millis())
    };
    within(|| {
        let daily = fixed(1_000, Duration::from_secs(86_400));
        assert_eq!(decided(&[fixed(1, SECOND), daily], &[1, 1]), (false, Some(1_000), 1_000));
        assert_eq!(decided(&[fixed(1, SECOND)], &[2]), (false, None, 1_000), "waiting does not help");
        assert_eq!(decided(&[fixed(2, SECOND)], &[2, 0]), (false, Some(1_000), 1_000), "a look asks for one");
        // A third of the bucket drains in a third of the window.
        let bucket = limit(3, SECOND, Algorithm::Gcra);
        assert_eq!(decided(&[bucket], &[1]), (true, None, 334));
        assert_eq!(decided(&[bucket], &[2, 1]), (false, Some(334), 1_000));
        // Half a microsecond more than one millisecond.
        assert_eq!(decided(&[limit(1_999, SECOND, Algorithm::Gcra)], &[2]), (true, None, 2));
        // Of four hits, in the next window, two count once half of it is over.
        let sliding = limit(4, SECOND, Algorithm::SlidingWindow);
        assert_eq!(decided(&[sliding], &[4, 2]), (false, Some(1_500), 1_000));
    });
}

#[test]
fn metrics_are_held_to_their_bounds() {
    within(|| {
        let refused = |name: &str, labels: &[(&str, &str)]| metrics::counter_add(name, labels, 1.0).unwrap_err();
        let long = "n".repeat(limits::METRIC_NAME_BYTES + 1);
        for name in ["", "With-Dash", "a b", &long] {
            let expected = format!("{name:?} is no metric's name: lower case, digits and \"_\", up to 64");
            assert_eq!(refused(name, &[]), expected);
        }
        let labels: Vec<String> = (0..9).map(|number| "l".repeat(number + 1)).collect();
        let labels: Vec<(&str, &str)> = labels.iter().map(|name| (name.as_str(), "v")).collect();
        assert_eq!(metrics::counter_add("n", &labels[..8], 1.0), Ok(()));
        assert_eq!(refused("n", &labels), "a metric has up to 8 labels");
        for labels in
            [&[("le", "1")][..], &[("a", "1"), ("a", "2")], &[("A", "1")], &[("a1", "")], &[("", "")], &[(&long, "")]]
        {
            assert!(refused("n", labels).contains("is no label's name, or there twice"), "{labels:?}");
        }
        let value = "v".repeat(limits::METRIC_VALUE_BYTES + 1);
        assert_eq!(refused("n", &[("a", &value)]), "the value of label a has more than 128 bytes");
        assert_eq!(metrics::counter_add("n", &[], -1.0), Err("-1 is no value for `n`".to_owned()));
        assert_eq!(metrics::gauge_set("g", &[], f64::NAN), Err("NaN is no value for `g`".to_owned()));
        assert_eq!(metrics::gauge_set("g", &[], -1.0), Ok(()));
        assert_eq!(metrics::counter_add("g", &[], 1.0), Err("this is the name of a metric of another kind".to_owned()));
    });
}

#[test]
fn a_series_is_the_same_in_whatever_order_its_labels_come() {
    let mut exchange = Exchange::get("/");
    let count = edit(|_| {
        metrics::counter_add("n", &[("b", "2"), ("a", "1")], 1.0).unwrap();
        metrics::counter_add("n", &[("a", "1"), ("b", "2")], 1.0).unwrap();
    });
    assert_eq!(exchange.request(&count), Outcome::Next);
    assert_eq!(exchange.metric("n{a=\"1\",b=\"2\"}"), Some(2.0));
}

#[test]
fn there_is_room_for_so_many_series() {
    let mut exchange = Exchange::get("/");
    let half = limits::METRIC_PLUGIN_SERIES / 2;
    for part in [0, half] {
        let count = edit(|_| {
            for number in part..part + half {
                metrics::gauge_set("n", &[("number", &number.to_string())], 1.0).unwrap();
            }
        });
        assert_eq!(exchange.request(&count), Outcome::Next);
    }
    let more = edit(|_| {
        let refused = metrics::gauge_set("n", &[], 1.0);
        assert_eq!(refused, Err("there are 10000 series of plugins already".to_owned()));
        assert_eq!(metrics::gauge_set("n", &[("number", "0")], 2.0), Ok(()));
    });
    assert_eq!(exchange.request(&more), Outcome::Next);
}

#[test]
fn a_sink_refuses_what_its_buffer_never_has_room_for() {
    let most = limits::SINK_BUFFER_BYTES - limits::SINK_RECORD_OVERHEAD - 1;
    let emit = edit(|_| {
        assert_eq!(sink::emit("audit", vec![b'x'; most]), Ok(()));
        assert_eq!(sink::emit("audit", vec![b'x'; most + 1]), Err(sink::Error::TooLarge));
    });
    let mut exchange = Exchange::get("/").sink("audit");
    assert_eq!(exchange.request(&emit), Outcome::Next);
    assert_eq!(exchange.delivered("audit").len(), 1);
}

#[test]
fn a_request_that_cannot_be_sent_is_refused_before_anybody_is_asked() {
    let refused = |outbound: http::Outbound| match outbound.send() {
        Err(http::Error::Invalid(problem)) => problem,
        other => panic!("{other:?}"),
    };
    let url = "http://flags.internal/";
    within(|| {
        assert!(refused(http::get("http://flags internal/")).starts_with("\"http://flags internal/\" is no URL: "));
        for relative in ["/flags", "ftp://flags.internal/", "flags.internal"] {
            assert_eq!(refused(http::get(relative)), format!("{relative:?} is no absolute http or https URL"));
        }
        assert_eq!(refused(http::get("http://me@flags.internal/")), "a URL has no user in it");
        for method in ["CONNECT", "GE T", ""] {
            assert_eq!(refused(http::request(method, url)), format!("{method:?} is no method that can be sent"));
        }
        assert_eq!(refused(http::get(url).header("Host", "other")), "the host is what the URL says");
        let framing = refused(http::get(url).header("Content-Length", "1"));
        assert_eq!(framing, "content-length belongs to the gateway, plugins cannot edit it");
        let many = (0..=limits::HEADER_FIELDS).fold(http::get(url), |outbound, _| outbound.header("x-same", "1"));
        assert_eq!(refused(many), "201 header fields are more than 200");
    });
    let asks = edit(|_| {
        let most = (0..limits::HEADER_FIELDS).fold(http::get(url), |outbound, _| outbound.header("x-same", "1"));
        assert_eq!(most.send().map(|answer| answer.status), Ok(200));
        assert_eq!(http::get("http://flags.internal/large").send(), Err(http::Error::TooLarge));
    });
    let large = vec![b'x'; limits::FETCH_BODY_BYTES + 1];
    let exchange = Exchange::get("/").server("GET http://flags.internal/", 200, &large[1..]);
    let mut exchange = exchange.server("GET http://flags.internal/large", 200, &large);
    assert_eq!(exchange.request(&asks), Outcome::Next);
}

#[test]
fn keys_are_of_their_algorithms_kind_and_of_bounded_length() {
    use crypto::Algorithm;
    let refused = |algorithm, key: Key<'_>| crypto::verify(algorithm, key, "m", "s").unwrap_err();
    within(|| {
        assert_eq!(refused(Algorithm::Rs256, Key::Secret(b"s")), "Rs256 does not go with a secret");
        assert_eq!(refused(Algorithm::Hs256, Key::JwkRsa("n", "e")), "Hs256 does not go with an RSA key");
        assert_eq!(refused(Algorithm::Es384, Key::JwkEc("P-256", "x", "y")), "Es384 does not go with a P-256 key");
        assert_eq!(refused(Algorithm::Rs256, Key::JwkOkp("Ed25519", "x")), "Rs256 does not go with an Ed25519 key");
        let unsupported = "keys of this kind cannot be used here: RSA, P-256, P-384, P-521 and Ed25519 can";
        assert_eq!(refused(Algorithm::Es256, Key::JwkEc("secp256k1", "x", "y")), unsupported);
        assert_eq!(refused(Algorithm::Hs256, Key::Secret(b"")), "a secret cannot be empty");
        let pem = b"-----BEGIN PUBLIC KEY-----";
        assert_eq!(refused(Algorithm::Hs256, Key::Secret(pem)), "a public key or certificate is no secret");
        let long = vec![b'k'; limits::KEY_BYTES + 1];
        let bound = "a key has up to 65536 bytes, not 65537";
        assert_eq!(refused(Algorithm::Hs256, Key::Secret(&long)), bound);
        assert_eq!(refused(Algorithm::Rs256, Key::Der(&long)), bound);
        assert_eq!(crypto::sign(Algorithm::Hs256, SigningKey::Secret(&long), "m"), Err(bound.to_owned()));
        let right = crypto::sign(Algorithm::Hs256, SigningKey::Secret(&long[1..]), "m").unwrap();
        assert_eq!(crypto::verify(Algorithm::Hs256, Key::Secret(&long[1..]), "m", right), Ok(true));
    });
}

#[test]
fn passwords_are_verified_against_their_hashes() {
    // From the reference programs' own tests.
    for (hash, password) in [
        ("$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4", "password"),
        ("$argon2i$m=256,t=2,p=1$c29tZXNhbHQ$/U3YPXYsSb3q9XxHvc0MLxur+GP960kN9j7emXX8zwY", "password"),
        ("$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U"),
        ("plain:open sesame", "open sesame"),
    ] {
        within(|| {
            assert_eq!(crypto::verify_password(hash, password), Ok(true), "{hash}");
            assert_eq!(crypto::verify_password(hash, "another"), Ok(false), "{hash}");
        });
    }
    for hash in [
        "",
        "plain",
        "$argon2d$v=19$m=8,t=1,p=1$c29tZXNhbHQ$c29tZXNhbHQ",
        "$argon2id$v=19$",
        "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ",
        "$2b$05$C",
        "$1$a$b",
    ] {
        within(|| {
            let problem = crypto::verify_password(hash, "password").unwrap_err().to_string();
            assert!(problem.starts_with("this is no hash of a password: argon2id"), "{hash}: {problem}");
        });
    }
}

#[test]
fn a_password_has_a_bound() {
    within(|| {
        let longest = "p".repeat(limits::PASSWORD_BYTES);
        assert_eq!(crypto::verify_password(&format!("plain:{longest}"), &longest), Ok(true));
        let problem = crypto::verify_password("plain:p", longest + "p").unwrap_err().to_string();
        assert!(problem.contains("a password has up to 4096 bytes, not 4097"), "{problem}");
    });
}
