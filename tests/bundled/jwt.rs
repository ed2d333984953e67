//! jwt with an identity provider that is slow, away, or publishes other keys than a moment ago.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::harness::gateway::run;
use crate::harness::origin::reply;
use crate::harness::{Gateway, Origin, Upstream, built, folder, one_route, until};

/// Whoever issues tokens, and publishes keys.
struct Provider {
    origin: Origin,
    answer: Arc<Mutex<Answer>>,
}

/// What it answers, and when.
#[derive(Clone)]
struct Answer {
    status: u16,
    body: String,
    after: Duration,
}

/// A key of the provider's.
struct Key {
    id: &'static str,
    pair: Ed25519KeyPair,
}

impl Key {
    fn new(id: &'static str) -> Self {
        Self { id, pair: Ed25519KeyPair::generate().unwrap() }
    }

    fn published(&self) -> Value {
        let x = BASE64_URL_SAFE_NO_PAD.encode(self.pair.public_key());
        json!({ "kty": "OKP", "crv": "Ed25519", "kid": self.id, "x": x })
    }

    fn token(&self, subject: &str) -> String {
        let encoded = |part: Value| BASE64_URL_SAFE_NO_PAD.encode(part.to_string());
        let header = encoded(json!({ "alg": "EdDSA", "kid": self.id }));
        let claims = encoded(json!({ "iss": "idp", "sub": subject, "exp": 4_102_444_800_u64 }));
        let message = format!("{header}.{claims}");
        let signature = BASE64_URL_SAFE_NO_PAD.encode(self.pair.sign(message.as_bytes()));
        format!("{message}.{signature}")
    }
}

impl Provider {
    async fn of(keys: &[&Key]) -> Self {
        let answer = Arc::new(Mutex::new(Answer { status: 200, body: set(keys), after: Duration::ZERO }));
        let told = Arc::clone(&answer);
        let origin = Origin::serve(move |_| {
            let Answer { status, body, after } = told.lock().unwrap().clone();
            async move {
                tokio::time::sleep(after).await;
                reply(status, body)
            }
        })
        .await;
        Self { origin, answer }
    }

    fn publishes(&self, keys: &[&Key]) {
        self.now(|answer| answer.body = set(keys));
    }

    fn now(&self, change: impl FnOnce(&mut Answer)) {
        change(&mut self.answer.lock().unwrap());
    }
}

fn set(keys: &[&Key]) -> String {
    json!({ "keys": keys.iter().map(|key| key.published()).collect::<Vec<_>>() }).to_string()
}

/// A gateway whose only route asks for the provider's tokens; `config` goes into the plugin's, `rest` into its use.
async fn gateway(upstream: &Upstream, provider: &Provider, config: &str, rest: &str) -> Gateway {
    let address = provider.origin.address;
    // What takes long on a busy machine is no failure of the plugin's.
    let plugin = format!(
        "plugins = [{{ use = \"jwt\", limits = {{ time = \"1s\" }}, grants = {{ http = [\"http://{address}\"] }}, {rest} \
         config = {{ jwks_url = \"http://{address}/keys\", issuers = [\"idp\"], {config} }} }}]"
    );
    Gateway::start(&one_route(upstream.address, &plugin)).await
}

async fn status(gateway: &Gateway, token: &str) -> u16 {
    gateway.request("GET", "/", &[("authorization", &format!("Bearer {token}"))]).await.status
}

#[test]
fn its_cases_with_real_signatures_come_out_as_expected() {
    let plugin = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/jwt");
    let wasm = built("plugins/jwt.wasm");
    let folder = tempfile::tempdir().unwrap();
    for cases in ["cases/published.toml", "signatures.toml"] {
        let cases = plugin.join(cases);
        let arguments = ["plugin", "test", wasm.to_str().unwrap(), "--case", cases.to_str().unwrap()];
        let outcome = run(folder.path(), &arguments);
        assert!(outcome.status.success(), "{}{}", outcome.stdout, outcome.stderr);
    }
}

#[tokio::test]
async fn all_who_come_while_the_first_keys_are_fetched_wait_for_one_answer() {
    let (upstream, key) = (Upstream::echo("u").await, Key::new("k1"));
    let provider = Provider::of(&[&key]).await;
    provider.now(|answer| answer.after = Duration::from_millis(500));
    let gateway = gateway(&upstream, &provider, "", "").await;
    let mut asked = JoinSet::new();
    for number in 0..40 {
        let (mut client, token) = (gateway.client().await, key.token(&number.to_string()));
        asked.spawn(async move {
            client.send("GET", "/", &[("authorization", &format!("Bearer {token}"))], "").await.status
        });
    }
    while let Some(status) = asked.join_next().await {
        assert_eq!(status.unwrap(), 200);
    }
    assert_eq!(provider.origin.requests(), 1);
}

#[tokio::test]
async fn a_client_that_goes_away_does_not_take_the_keys_along() {
    let (upstream, key) = (Upstream::echo("u").await, Key::new("k1"));
    let provider = Provider::of(&[&key]).await;
    provider.now(|answer| answer.after = Duration::from_millis(500));
    let gateway = gateway(&upstream, &provider, "", "").await;
    let mut client = gateway.client().await;
    let token = key.token("a");
    let hasty = tokio::spawn(async move {
        drop(client.try_send("GET", "/", &[("authorization", &format!("Bearer {token}"))], "").await);
    });
    until("it to be asked", async || (provider.origin.requests() == 1).then_some(())).await;
    hasty.abort();
    gateway.accessed("error", "client_closed").await;
    assert_eq!(status(&gateway, &key.token("b")).await, 200);
    assert_eq!(provider.origin.requests(), 1);
}

#[tokio::test]
async fn keys_that_are_new_are_fetched_when_a_token_asks_for_them() {
    let (upstream, old, new) = (Upstream::echo("u").await, Key::new("old"), Key::new("new"));
    let provider = Provider::of(&[&old]).await;
    let gateway = gateway(&upstream, &provider, "jwks_cooldown = 1, jwks_timeout = 1", "").await;
    assert_eq!((status(&gateway, &old.token("a")).await, status(&gateway, &new.token("a")).await), (200, 401));
    provider.publishes(&[&new]);
    until("the new key to be known", async || (status(&gateway, &new.token("a")).await == 200).then_some(())).await;
    // What was seen before was verified by a key that is gone.
    assert_eq!(status(&gateway, &old.token("a")).await, 401);
}

#[tokio::test]
async fn unknown_keys_make_one_fetch_per_cool_down_however_many_ask_for_them() {
    let (upstream, key) = (Upstream::echo("u").await, Key::new("k1"));
    let provider = Provider::of(&[&key]).await;
    let gateway = gateway(&upstream, &provider, "jwks_cooldown = 1, jwks_timeout = 1", "").await;
    assert_eq!(status(&gateway, &key.token("a")).await, 200);
    provider.now(|answer| answer.after = Duration::from_millis(100));
    let good = AtomicUsize::new(0);
    let begun = Instant::now();
    let mut asked = JoinSet::new();
    for _ in 0..8 {
        let (mut client, stranger) = (gateway.client().await, Key::new("stranger"));
        asked.spawn(async move {
            while begun.elapsed() < Duration::from_secs(3) {
                let authorization = format!("Bearer {}", stranger.token("a"));
                let answer = client.send("GET", "/", &[("authorization", &authorization)], "").await;
                assert!([401, 503].contains(&answer.status), "{}", answer.status);
            }
        });
    }
    while begun.elapsed() < Duration::from_secs(3) {
        assert_eq!(status(&gateway, &key.token("a")).await, 200, "good tokens do not wait for it");
        good.fetch_add(1, Ordering::Relaxed);
    }
    while let Some(done) = asked.join_next().await {
        done.unwrap();
    }
    let (fetched, most) = (provider.origin.requests(), 2 + begun.elapsed().as_secs() as usize);
    assert!((2..=most).contains(&fetched), "{fetched} fetches");
    assert!(good.into_inner() > 10);
}

#[tokio::test]
async fn keys_that_are_old_are_fetched_behind_the_back_of_requests_and_used_meanwhile() {
    let (upstream, key, other) = (Upstream::echo("u").await, Key::new("k1"), Key::new("k2"));
    let provider = Provider::of(&[&key]).await;
    let gateway = gateway(&upstream, &provider, "jwks_refresh = 2, jwks_cooldown = 2, jwks_timeout = 2", "").await;
    assert_eq!(status(&gateway, &key.token("a")).await, 200);
    // Slow, away, rubbish: what is there is used.
    for (status_then, body, told) in
        [(500, String::new(), "it answered 500"), (200, "<html>".to_owned(), "it is no JSON Web Key Set")]
    {
        provider.now(|answer| {
            *answer = Answer { status: status_then, body: body.clone(), after: Duration::from_millis(1_500) }
        });
        until(told, async || {
            let begun = Instant::now();
            assert_eq!(status(&gateway, &key.token("a")).await, 200);
            assert!(begun.elapsed() < Duration::from_secs(1), "it waited for keys");
            gateway.has_logged("message", told).then_some(())
        })
        .await;
    }
    provider.now(|answer| *answer = Answer { status: 200, body: set(&[&key, &other]), after: Duration::ZERO });
    until("the other key", async || (status(&gateway, &other.token("a")).await == 200).then_some(())).await;
}

#[tokio::test]
async fn keys_that_are_too_old_are_used_no_more() {
    let (upstream, key) = (Upstream::echo("u").await, Key::new("k1"));
    let provider = Provider::of(&[&key]).await;
    let gateway =
        gateway(&upstream, &provider, "jwks_refresh = 1, jwks_cooldown = 1, jwks_timeout = 1, jwks_max_age = 2", "")
            .await;
    assert_eq!(status(&gateway, &key.token("a")).await, 200);
    provider.now(|answer| answer.status = 500);
    until("nobody to be let in", async || (status(&gateway, &key.token("a")).await == 503).then_some(())).await;
    provider.now(|answer| answer.status = 200);
    until("it to be back", async || (status(&gateway, &key.token("a")).await == 200).then_some(())).await;
}

#[tokio::test]
async fn a_provider_that_says_nothing_is_given_up_in_time() {
    let (upstream, key) = (Upstream::echo("u").await, Key::new("k1"));
    let provider = Provider::of(&[&key]).await;
    provider.now(|answer| answer.after = Duration::from_secs(60));
    let gateway = gateway(&upstream, &provider, "jwks_timeout = 1", "").await;
    let begun = Instant::now();
    assert_eq!(status(&gateway, &key.token("a")).await, 503);
    assert!((1..10).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    gateway.logged("message", "cannot be fetched: no answer in time").await;
}

#[tokio::test]
async fn a_timer_fetches_keys_before_anybody_asks() {
    let (upstream, key) = (Upstream::echo("u").await, Key::new("k1"));
    let provider = Provider::of(&[&key]).await;
    let gateway = gateway(&upstream, &provider, "", "timer = \"100ms\",").await;
    until("the keys to be fetched", async || (provider.origin.requests() == 1).then_some(())).await;
    provider.now(|answer| answer.status = 500);
    until("them to be there", async || (status(&gateway, &key.token("a")).await == 200).then_some(())).await;
    assert_eq!(provider.origin.requests(), 1);
}

#[tokio::test]
async fn who_publishes_keys_has_to_be_granted() {
    let upstream = Upstream::echo("u").await;
    let keys = "config = { jwks_url = \"https://idp.example.com/keys\", issuers = [\"a\"] }";
    for (rest, told) in [
        (keys.to_owned(), "jwt imports http-client, which this use is not granted"),
        (
            format!("grants = {{ http = [\"https://idp.example.org\"] }}, {keys}"),
            "jwt asks https://idp.example.com:443 by `jwks_url`, which this use is not granted",
        ),
    ] {
        let config = one_route(upstream.address, &format!("plugins = [{{ use = \"jwt\", {rest} }}]"));
        let outcome = run(folder(&config, &[]).path(), &["check"]);
        assert_eq!(outcome.status.code(), Some(1), "{rest}");
        assert!(outcome.stderr.contains(told), "{rest}: {}", outcome.stderr);
    }
}

/// Of `{"iss":"alice-key","exp":4102444800}`, with HS256 and "alice's secret".
const ALICES: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJhbGljZS1rZXkiLCJleHAiOjQxMDI0NDQ4MDB9.cGXP-h7cEsDpp1DsFqQQfkBaCAsTwv7mJQedrDwoJU4";

#[tokio::test]
async fn a_token_that_was_seen_is_good_until_its_secret_changes() {
    let upstream = Upstream::echo("u").await;
    let config = |secret: &str| {
        let credential = format!("{{ kind = \"jwt\", key = \"alice-key\", secret = \"{secret}\" }}");
        let consumer = format!("[[consumers]]\nusername = \"alice\"\ncredentials = [{credential}]\n");
        format!(
            "{}{consumer}",
            one_route(upstream.address, "plugins = [{ use = \"jwt\", limits = { time = \"1s\" } }]")
        )
    };
    let gateway = Gateway::start(&config("alice's secret")).await;
    for _ in 0..10 {
        let answer = gateway.request("GET", "/", &[("authorization", &format!("Bearer {ALICES}"))]).await;
        assert_eq!((answer.status, answer.upstream_got("x-consumer-username").as_deref()), (200, Some("alice")));
    }
    gateway.write_config(&config("another secret"));
    gateway.logged("message", "configuration changed").await;
    for _ in 0..10 {
        assert_eq!(status(&gateway, ALICES).await, 401);
    }
}
