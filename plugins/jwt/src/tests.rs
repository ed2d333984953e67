mod attacks;
mod published;
mod tokens;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use tidegate_sdk::crypto::{self, Algorithm, SigningKey};
use tidegate_sdk::identity::Consumer;
use tidegate_sdk::testing::{self, Exchange, Hook, Outcome, Reply};

use super::*;

#[test]
fn its_cases_come_out_as_expected() {
    // Natively no signatures of public keys are computed: what needs them is for the gateway's own host.
    testing::cases::<Settings>("cases/tokens.toml");
}

/// In 2100.
const LATE: u64 = 4_102_444_800;

fn plugin(config: Value) -> Settings {
    testing::configure(config).unwrap()
}

fn encoded(part: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(part)
}

/// Of these texts, signed with this secret.
fn signed(header: &str, claims: &str, secret: &str) -> String {
    let message = format!("{}.{}", encoded(header), encoded(claims));
    let signature = crypto::sign(Algorithm::Hs256, SigningKey::Secret(secret.as_bytes()), &message).unwrap();
    format!("{message}.{}", encoded(signature))
}

/// A token of alice's, with these claims besides those that it needs.
fn token_with(more: Value) -> String {
    let mut claims = json!({ "iss": "alice-key", "exp": LATE, "sub": "a" });
    let own = claims.as_object_mut().unwrap();
    own.extend(object(more));
    own.retain(|_, value| !value.is_null());
    signed(r#"{"alg":"HS256","typ":"JWT"}"#, &claims.to_string(), "alice's secret")
}

fn object(value: Value) -> serde_json::Map<String, Value> {
    match value {
        Value::Object(object) => object,
        other => panic!("{other} is no object"),
    }
}

fn token() -> String {
    token_with(json!({}))
}

fn known(exchange: Exchange) -> Exchange {
    let named = |username: &str| Consumer { username: username.to_owned(), ..Consumer::default() };
    exchange
        .credential("jwt", "alice-key", named("alice"))
        .credential_field("secret", "alice's secret")
        .credential("jwt", "bob-key", named("bob"))
        .credential_field("algorithm", "RS256")
        .credential_field("public_key", PUBLIC_KEY)
        .credential("key-auth", "other-key", named("other"))
        .known_consumer(named("guest"))
}

/// Natively nobody reads it.
const PUBLIC_KEY: &str = "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----\n";

fn bearing(token: &str) -> Exchange {
    known(Exchange::get("/").header("authorization", format!("Bearer {token}")))
}

/// What the plugins behind it find.
fn shared(mut exchange: Exchange) -> Value {
    let told = Hook(|_: &mut Request| Flow::reply(200).body(exchange::get_shared("jwt-claims").unwrap_or_default()));
    exchange.request(&told).reply().json()
}

#[track_caller]
fn let_in(plugin: &Settings, mut exchange: Exchange) -> Exchange {
    assert_eq!(exchange.request(plugin), Outcome::Next);
    exchange
}

#[track_caller]
fn refused(plugin: &Settings, mut exchange: Exchange, message: &str) -> Reply {
    let reply = exchange.request(plugin).reply();
    assert_eq!((reply.status, reply.json()), (401, json!({ "message": message })));
    assert_eq!(exchange.consumer(), None);
    reply
}

#[track_caller]
fn bad_claims(plugin: &Settings, token: &str, problems: Value) {
    let mut exchange = bearing(token);
    let reply = exchange.request(plugin).reply();
    assert_eq!((reply.status, reply.json()), (401, problems));
    assert_eq!(exchange.consumer(), None);
}
