use tidegate_sdk::identity::Consumer;
use tidegate_sdk::testing::{self, Exchange, Outcome};

use super::*;

fn configured(config: serde_json::Value) -> Limiter {
    testing::configure(config).unwrap()
}

#[test]
fn a_request_goes_on_while_there_is_a_place() {
    let plugin = configured(json!({ "max": 3, "limit_by": "ip" }));
    assert_eq!(Exchange::get("/").others_hold("192.0.2.1", 2).request(&plugin), Outcome::Next);
    let reply = Exchange::get("/").others_hold("192.0.2.1", 3).request(&plugin).reply();
    assert_eq!((reply.status, reply.json()), (503, json!({ "message": "Too many requests at a time" })));
    assert_eq!(reply.headers.first("retry-after"), Some("1"));
    assert_eq!(reply.headers.first("content-type"), Some("application/json"));
}

#[test]
fn who_waits_in_vain_is_told_the_same_as_who_cannot_wait() {
    // Natively, whoever waits does so in vain.
    let refused =
        |config: serde_json::Value| Exchange::get("/").others_hold("192.0.2.1", 1).request(&configured(config)).reply();
    let settings = json!({ "max": 1, "error_code": 429, "error_message": "later", "retry_after": 7 });
    let mut waiting = settings.clone();
    waiting["queue"] = json!(5);
    waiting["wait"] = json!("10s");
    let (at_once, in_vain) = (refused(settings), refused(waiting));
    assert_eq!(at_once, in_vain);
    assert_eq!((at_once.status, at_once.headers.first("retry-after")), (429, Some("7")));
}

#[test]
fn places_are_those_of_whoever_is_told_apart() {
    let alice = || Consumer { username: "alice".to_owned(), ..Consumer::default() };
    let taken = || Exchange::get("/orders").header("x-tenant", "t1").header("cookie", "s=c1").authenticated(alice());
    for (settings, key) in [
        (json!({ "max": 1 }), "consumer=alice"),
        (json!({ "max": 1, "limit_by": "ip" }), "192.0.2.1"),
        (json!({ "max": 1, "limit_by": "route" }), "route=route"),
        (json!({ "max": 1, "limit_by": "service" }), "service=service"),
        (json!({ "max": 1, "limit_by": "header", "header_name": "X-Tenant" }), "header=t1"),
        (json!({ "max": 1, "limit_by": "path", "path": "/orders" }), "path=/orders"),
        (json!({ "max": 1, "limit_by": "cookie", "cookie_name": "s" }), "cookie=c1"),
        (json!({ "max": 1, "limit_by": "claim", "claim_name": "sub" }), "192.0.2.1"),
    ] {
        let plugin = configured(settings.clone());
        assert_eq!(taken().others_hold(key, 1).request(&plugin).reply().status, 503, "{settings}");
        assert_eq!(taken().others_hold("somebody else", 1).request(&plugin), Outcome::Next, "{settings}");
    }
}

#[test]
fn its_cases_come_out_as_expected() {
    testing::cases::<Limiter>("cases");
}
