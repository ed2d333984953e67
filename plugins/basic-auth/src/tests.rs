use tidegate_sdk::identity::Consumer;
use tidegate_sdk::testing::{self, Exchange, Hook, Outcome};

use super::*;

#[test]
fn its_cases_come_out_as_expected() {
    testing::cases::<Settings>("cases");
}

#[test]
fn a_password_that_was_right_is_remembered_with_its_hash() {
    let plugin: Settings = testing::configure(json!({})).unwrap();
    let mut exchange = alice("plain:open sesame", "alice:open sesame");
    assert_eq!(remembered(&mut exchange), None);
    assert_eq!(exchange.request(&plugin), Outcome::Next);
    assert_eq!(remembered(&mut exchange), Some(Vec::new()));
    // With another hash it is a password that was never seen.
    let mut exchange = exchange.credential_field("password", "plain:close sesame");
    assert_eq!(exchange.request(&plugin).reply().status, 401);
}

#[test]
fn what_is_remembered_is_not_verified_again() {
    let plugin: Settings = testing::configure(json!({})).unwrap();
    let remember = Hook(|_: &mut Request| -> Result {
        kv::set(&remembered_as(b"no hash", b"open sesame"), [], None)?;
        Ok(Flow::Next)
    });
    let mut exchange = alice("no hash", "alice:open sesame");
    assert!(exchange.request(&plugin).failure().contains("no hash of a password"));
    assert_eq!(exchange.request(&remember), Outcome::Next);
    assert_eq!(exchange.request(&plugin), Outcome::Next);
    assert_eq!(exchange.consumer(), Some("alice"));
}

#[test]
fn a_wrong_password_is_not_remembered() {
    let plugin: Settings = testing::configure(json!({})).unwrap();
    let mut exchange = alice("plain:close sesame", "alice:open sesame");
    assert_eq!(exchange.request(&plugin).reply().status, 401);
    assert_eq!(remembered(&mut exchange), None);
}

#[test]
fn hash_and_password_are_told_apart() {
    let named = Hook(|_: &mut Request| {
        assert_ne!(remembered_as(b"hash", b"password"), remembered_as(b"hashpass", b"word"));
        Flow::Next
    });
    assert_eq!(Exchange::get("/").request(&named), Outcome::Next);
}

#[test]
fn an_unknown_username_takes_as_long_as_the_last_known_one() {
    let plugin: Settings = testing::configure(json!({})).unwrap();
    let told = Hook(|_: &mut Request| Flow::reply(200).body(decoy()));
    assert_eq!(Exchange::get("/").request(&told).reply().text(), RECOMMENDED);
    for presented in ["alice:open sesame", "alice:wrong"] {
        let mut exchange = alice("plain:open sesame", presented);
        assert!(!matches!(exchange.request(&plugin), Outcome::Failed(_)));
        assert_eq!(exchange.request(&told).reply().text(), "plain:open sesame");
    }
    // Something that is verified, and is nobody's.
    let verified = Hook(|_: &mut Request| -> Result {
        assert!(!crypto::verify_password(RECOMMENDED, "")?);
        Ok(Flow::Next)
    });
    assert_eq!(Exchange::get("/").request(&verified), Outcome::Next);
}

/// A request with this username and password, where Alice's password is kept as `hash`.
fn alice(hash: &str, presented: &str) -> Exchange {
    let alice = Consumer { username: "alice".into(), ..Consumer::default() };
    Exchange::get("/")
        .credential(KIND, "alice", alice)
        .credential_field("password", hash)
        .header("authorization", format!("Basic {}", BASE64.encode(presented)))
}

/// What is kept of "open sesame", however it was verified.
fn remembered(exchange: &mut Exchange) -> Option<Vec<u8>> {
    let told = Hook(|_: &mut Request| -> Result {
        let hashes = [b"plain:open sesame".as_slice(), b"plain:close sesame"];
        for hash in hashes {
            if let Some(kept) = kv::get(&remembered_as(hash, b"open sesame"))? {
                return Ok(Flow::reply(200).body(kept));
            }
        }
        Ok(Flow::Next)
    });
    match exchange.request(&told) {
        Outcome::Reply(reply) => Some(reply.body),
        _ => None,
    }
}
