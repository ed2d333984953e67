//! `balance = "consistent-hash"`: the same key, the same target.

use std::collections::{HashMap, HashSet};

use super::{balanced, quoted, server, servers};
use crate::harness::{Gateway, Origin, until};

const NAMES: [&str; 4] = ["one", "two", "three", "four"];
/// So many that it would be odd if one of the targets got none.
const KEYS: usize = 80;

async fn origins() -> Vec<Origin> {
    let mut origins = Vec::new();
    for name in NAMES {
        origins.push(Origin::echo(name).await);
    }
    origins
}

/// Of the first `count` origins, hashing on `on`.
fn config(origins: &[Origin], count: usize, on: &str) -> String {
    let targets: Vec<String> = origins[..count].iter().map(|origin| quoted(origin.address)).collect();
    balanced(&targets, &format!("balance = \"consistent-hash\"\nhash_on = [{on}]"), "")
}

/// Who serves a request with these header fields on this path, whatever connection it comes on.
async fn target(gateway: &Gateway, path: &str, headers: &[(&str, &str)]) -> String {
    let first = server(&gateway.request("GET", path, headers).await);
    assert_eq!(server(&gateway.request("GET", path, headers).await), first, "{path} {headers:?}");
    assert!(NAMES.contains(&first.as_str()), "{first}");
    first
}

#[tokio::test]
async fn on_a_header_a_cookie_or_the_path() {
    let origins = origins().await;
    let header = Gateway::start(&config(&origins, 4, "\"header:x-user\"")).await;
    let cookie = Gateway::start(&config(&origins, 4, "\"cookie:session\"")).await;
    let path = Gateway::start(&config(&origins, 4, "\"path\"")).await;
    let mut found = [const { Vec::new() }; 3];
    for key in 0..KEYS {
        let (user, in_path) = (format!("user-{key}"), format!("/users/{key}?turn=1"));
        let cookies = format!("theme=dark; session={user}; x=y");
        found[0].push(target(&header, "/", &[("x-user", &user), ("x-other", "1")]).await);
        found[1].push(target(&cookie, "/", &[("cookie", &cookies)]).await);
        found[2].push(target(&path, &in_path, &[]).await);
    }
    for targets in found {
        let different: HashSet<String> = targets.into_iter().collect();
        assert_eq!(different.len(), NAMES.len(), "they are spread over all");
    }
    // Neither the query nor another cookie is the key.
    assert_eq!(target(&path, "/users/1?turn=2", &[]).await, target(&path, "/users/1", &[]).await);
    let session = |rest: &str| format!("session=a{rest}");
    let (plain, more) = (session(""), session("; sessions=b"));
    assert_eq!(target(&cookie, "/", &[("cookie", &plain)]).await, target(&cookie, "/", &[("cookie", &more)]).await);
}

#[tokio::test]
async fn on_the_address() {
    let origins = origins().await;
    let trusting = format!("trusted_proxies = [\"127.0.0.1\"]\n{}", config(&origins, 4, "\"address\""));
    let gateway = Gateway::start(&trusting).await;
    let mut different = HashSet::new();
    for number in 0..KEYS {
        let address = format!("203.0.113.{number}");
        different.insert(target(&gateway, "/", &[("x-forwarded-for", &address)]).await);
    }
    assert_eq!(different.len(), NAMES.len());
}

#[tokio::test]
async fn on_the_consumer() {
    let origins = origins().await;
    let consumers: String = (0..12)
        .flat_map(|number| {
            // Two keys each.
            let keys = [format!("a{number}"), format!("b{number}")];
            let keys = keys.map(|key| format!("{{ kind = \"key-auth\", key = \"{key}\" }}")).join(", ");
            [format!("[[consumers]]\nusername = \"user-{number}\"\ncredentials = [{keys}]\n")]
        })
        .collect();
    let config = format!("plugins = [{{ use = \"key-auth\" }}]\n{}{consumers}", config(&origins, 4, "\"consumer\""));
    let gateway = Gateway::start(&config).await;
    let mut different = HashSet::new();
    for number in 0..12 {
        let (one, other) = (format!("a{number}"), format!("b{number}"));
        let by_one = target(&gateway, "/", &[("apikey", &one)]).await;
        assert_eq!(target(&gateway, "/", &[("apikey", &other)]).await, by_one, "the consumer counts, not the key");
        different.insert(by_one);
    }
    assert!(different.len() > 1);
}

#[tokio::test]
async fn on_what_is_there() {
    let origins = origins().await;
    let gateway = Gateway::start(&config(&origins, 4, "\"header:x-user\", \"cookie:session\"")).await;
    let mut by_cookie = HashSet::new();
    for number in 0..KEYS {
        let cookie = format!("session={number}");
        by_cookie.insert(target(&gateway, "/", &[("cookie", &cookie)]).await);
        // The header goes first, whatever the cookie says.
        let with_both = target(&gateway, "/", &[("x-user", "alice"), ("cookie", &cookie)]).await;
        assert_eq!(with_both, target(&gateway, "/", &[("x-user", "alice")]).await);
    }
    assert_eq!(by_cookie.len(), NAMES.len(), "without the header, the cookie");
    for served in servers(&mut gateway.client().await, 8).await {
        assert!(NAMES.contains(&served.as_str()), "with neither, anyone");
    }
}

#[tokio::test]
async fn few_keys_move_when_a_target_comes() {
    let origins = origins().await;
    let gateway = Gateway::start(&config(&origins, 3, "\"header:x-user\"")).await;
    let mut client = gateway.client().await;
    let mut before = HashMap::new();
    for key in 0..KEYS {
        let user = format!("user-{key}");
        before.insert(key, server(&client.send("GET", "/", &[("x-user", &user)], "").await));
    }
    gateway.write_config(&config(&origins, 4, "\"header:x-user\""));
    gateway.logged("message", "configuration changed").await;
    let mut moved = 0;
    for key in 0..KEYS {
        let user = format!("user-{key}");
        let now = server(&client.send("GET", "/", &[("x-user", &user)], "").await);
        if now != before[&key] {
            assert_eq!(now, "four", "from one that stayed to another that was there");
            moved += 1;
        }
    }
    // A quarter would be even.
    assert!((1..=KEYS / 2).contains(&moved), "{moved} of {KEYS}");
}

#[tokio::test]
async fn what_was_a_dead_targets_is_taken_over() {
    let origins = origins().await;
    let dead = Origin::raw(|stream| async { drop(stream) }).await;
    let mut targets: Vec<String> = origins.iter().map(|origin| quoted(origin.address)).collect();
    let health = "health = { active = { type = \"http\", interval = \"100ms\", failures = 1 } }";
    let hash = "balance = \"consistent-hash\"\nhash_on = [\"header:x-user\"]";
    targets.push(quoted(dead.address));
    let gateway = Gateway::start(&balanced(&targets, &format!("{hash}\n{health}"), "retries = 0")).await;
    until("the dead one to be out", async || {
        for key in 0..40 {
            let user = format!("user-{key}");
            if server(&gateway.request("GET", "/", &[("x-user", &user)]).await).is_empty() {
                return None;
            }
        }
        Some(())
    })
    .await;
}
