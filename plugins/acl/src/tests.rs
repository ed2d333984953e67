use serde_json::Value;
use tidegate_sdk::identity::Consumer;
use tidegate_sdk::testing::{self, Exchange, Hook, Outcome};

use super::*;

#[test]
fn its_cases_come_out_as_expected() {
    testing::cases::<Settings>("cases");
}

/// Who comes: nobody, whoever has a credential, or whoever has none but is known.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Who {
    Nobody,
    ByCredential,
    ByName,
}

fn exchange(who: Who, groups: &[&str], claims: Option<&Value>) -> Exchange {
    let groups = groups.iter().map(|group| (*group).to_owned()).collect();
    let alice = Consumer { username: "alice".to_owned(), groups, ..Consumer::default() };
    let exchange = Exchange::get("/").credential("key-auth", "k1", alice);
    let claims = claims.map(Value::to_string);
    let before = Hook(|_: &mut Request| -> Result {
        match who {
            Who::Nobody => {}
            Who::ByCredential => assert!(identity::authenticate_by_key("key-auth", "k1")),
            Who::ByName => identity::authenticate_as("alice")?,
        }
        if let Some(claims) = &claims {
            exchange::set_shared("jwt-claims", claims);
        }
        Ok(Flow::Next)
    });
    let mut exchange = exchange;
    assert_eq!(exchange.request(&before), Outcome::Next);
    exchange
}

/// 200 if it goes on.
fn status(config: Value, mut exchange: Exchange) -> u16 {
    let plugin: Settings = testing::configure(config).unwrap();
    match exchange.request(&plugin) {
        Outcome::Next => 200,
        other => other.reply().status,
    }
}

#[test]
fn one_allowed_group_lets_in_and_one_denied_group_does_not() {
    for (groups, allowed, denied) in [
        (&["gold"][..], 200, 403),
        (&["silver", "gold"], 200, 403),
        (&["silver"], 403, 200),
        (&["Gold", "gol", "golden", ""], 403, 200),
        (&[], 403, 200),
    ] {
        for who in [Who::ByCredential, Who::ByName] {
            let config = json!({ "allow": ["gold", "platinum"] });
            assert_eq!(status(config, exchange(who, groups, None)), allowed, "{groups:?}");
            let config = json!({ "deny": ["gold", "platinum"] });
            assert_eq!(status(config, exchange(who, groups, None)), denied, "{groups:?}");
        }
    }
}

#[test]
fn whoever_is_not_known_is_asked_to_say_who_it_is() {
    for config in
        [json!({ "allow": ["gold"] }), json!({ "deny": ["gold"] }), json!({ "deny": ["x"], "claim": "roles" })]
    {
        let plugin: Settings = testing::configure(config).unwrap();
        let reply = exchange(Who::Nobody, &[], None).request(&plugin).reply();
        assert_eq!((reply.status, reply.json()), (401, json!({ "message": "Unauthorized" })));
    }
}

#[test]
fn groups_of_a_token_count_where_no_credential_does() {
    let claims = json!({ "roles": ["gold"] });
    let none = json!({ "sub": "a" });
    let rubbish = json!({ "roles": 7 });
    for (who, own, claims, always, expected) in [
        (Who::Nobody, &[][..], Some(&claims), false, 200),
        (Who::Nobody, &[], Some(&none), false, 403),
        (Who::Nobody, &[], Some(&rubbish), false, 403),
        (Who::Nobody, &[], None, false, 401),
        (Who::ByName, &[], Some(&claims), false, 200),
        (Who::ByName, &["gold"], Some(&none), false, 200),
        (Who::ByName, &["gold"], Some(&rubbish), false, 403),
        (Who::ByCredential, &[], Some(&claims), false, 403),
        (Who::ByCredential, &["gold"], Some(&rubbish), false, 200),
        (Who::ByCredential, &[], Some(&claims), true, 200),
        (Who::ByCredential, &["gold"], Some(&rubbish), true, 403),
        (Who::ByCredential, &["gold"], Some(&none), true, 200),
        (Who::ByCredential, &["gold"], None, true, 200),
    ] {
        let config = json!({ "allow": ["gold"], "claim": "roles", "always_use_authenticated_groups": always });
        assert_eq!(status(config, exchange(who, own, claims)), expected, "{who:?} {own:?} {claims:?} {always}");
    }
    let denying = json!({ "deny": ["gold"], "claim": "roles" });
    assert_eq!(status(denying.clone(), exchange(Who::Nobody, &[], Some(&claims))), 403);
    assert_eq!(status(denying, exchange(Who::Nobody, &[], Some(&none))), 200);
    let without = json!({ "allow": ["gold"] });
    assert_eq!(status(without, exchange(Who::Nobody, &[], Some(&claims))), 401);
}

#[test]
fn the_upstream_is_told_the_groups_that_counted_unless_they_are_hidden() {
    let claims = json!({ "roles": ["gold", "a,b", "c\r\nx: y", "", "déjà"] });
    for (hidden, named, own) in [(false, Some("gold, déjà"), Some("gold, beta")), (true, None, None)] {
        let config = json!({ "allow": ["gold"], "claim": "roles", "hide_groups_header": hidden });
        let plugin: Settings = testing::configure(config).unwrap();
        let mut by_token = exchange(Who::Nobody, &[], Some(&claims)).header("x-authenticated-groups", "forged");
        assert_eq!(by_token.request(&plugin), Outcome::Next);
        assert_eq!(by_token.upstream_headers().first("x-authenticated-groups"), named);
        let mut by_credential = exchange(Who::ByCredential, &["gold", "beta"], Some(&claims));
        assert_eq!(by_credential.request(&plugin), Outcome::Next);
        assert_eq!(by_credential.upstream_headers().first("x-consumer-groups"), own);
        assert_eq!(by_credential.upstream_headers().first("x-authenticated-groups"), None);
    }
}

#[test]
fn the_schema_tells_the_defaults() {
    let schema = testing::schema::<Settings>();
    let default = |setting: &str| schema["properties"][setting]["default"].clone();
    assert_eq!((default("allow"), default("hide_groups_header")), (json!([]), json!(false)));
}
