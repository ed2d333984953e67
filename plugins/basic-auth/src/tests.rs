use std::cell::Cell;

use tidegate_sdk::identity::Consumer;
use tidegate_sdk::testing::{self, Exchange, Hook, Outcome};

use super::*;

#[test]
fn its_cases_come_out_as_expected() {
    testing::cases::<Settings>("cases");
}

#[test]
fn a_password_that_was_right_is_known_with_its_hash() {
    let plugin: Settings = testing::configure(json!({})).unwrap();
    let mut exchange = alice("plain:open sesame", "alice:open sesame");
    assert!(!is_known(&mut exchange));
    assert_eq!(exchange.request(&plugin), Outcome::Next);
    assert!(is_known(&mut exchange));
    assert_eq!(exchange.request(&plugin), Outcome::Next);
    // With another hash it is a password that was never seen.
    let mut exchange = exchange.credential_field("password", "plain:close sesame");
    assert!(!is_known(&mut exchange));
    assert_eq!(exchange.request(&plugin).reply().status, 401);
}

#[test]
fn a_wrong_password_is_not_known() {
    let plugin: Settings = testing::configure(json!({})).unwrap();
    let mut exchange = alice("plain:close sesame", "alice:open sesame");
    assert_eq!(exchange.request(&plugin).reply().status, 401);
    assert!(!is_known(&mut exchange));
    assert_eq!(exchange.consumer(), None);
}

#[test]
fn whoever_has_no_right_password_is_let_through_as_the_anonymous_consumer_of_whom_there_has_to_be_one() {
    let plugin: Settings = testing::configure(json!({ "anonymous": "guest" })).unwrap();
    let guest = || Consumer { username: "guest".into(), ..Consumer::default() };
    let mut exchange = alice("plain:open sesame", "alice:wrong").known_consumer(guest());
    assert_eq!(exchange.request(&plugin), Outcome::Next);
    assert_eq!(exchange.consumer(), Some("guest"));
    let mut exchange = alice("plain:open sesame", "alice:wrong");
    assert_eq!(exchange.request(&plugin).failure(), "there is no consumer \"guest\"");
}

/// A request with this username and password, where Alice's password is kept as `hash`.
fn alice(hash: &str, presented: &str) -> Exchange {
    let alice = Consumer { username: "alice".into(), ..Consumer::default() };
    Exchange::get("/")
        .credential(KIND, "alice", alice)
        .credential_field("password", hash)
        .header("authorization", format!("Basic {}", BASE64.encode(presented)))
}

/// Whether "open sesame" lets in without being verified.
fn is_known(exchange: &mut Exchange) -> bool {
    let known = Cell::new(false);
    let asked = Hook(|_: &mut Request| {
        known.set(identity::authenticate_by_password(KIND, "alice", "open sesame"));
        Flow::Next
    });
    assert_eq!(exchange.request(&asked), Outcome::Next);
    known.get()
}
