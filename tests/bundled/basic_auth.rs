//! basic-auth: many passwords at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::JoinSet;

use crate::harness::{Answer, Client, Gateway, Upstream, one_route};

/// Of "open sesame".
const HASH: &str = "$argon2id$v=19$m=4096,t=1,p=1$c29tZSBzYWx0IG9mIG91cnM$bsLZG420MqffE47GVtvwrmR3RGCp8WcHcg4dbAxMJwY";

/// alice:open sesame
const RIGHT: (&str, &str) = ("authorization", "Basic YWxpY2U6b3BlbiBzZXNhbWU=");
/// alice:close sesame
const WRONG: (&str, &str) = ("authorization", "Basic YWxpY2U6Y2xvc2Ugc2VzYW1l");
/// nobody:open sesame
const UNKNOWN: (&str, &str) = ("authorization", "Basic bm9ib2R5Om9wZW4gc2VzYW1l");

/// One worker, so that all requests share its instances.
fn config(upstream: &Upstream, hash: &str) -> String {
    let credential = format!("{{ kind = \"basic-auth\", username = \"alice\", password = \"{hash}\" }}");
    format!(
        "workers = 1\nlisteners = [{{ address = \"127.0.0.1:0\" }}]\n\
         [[consumers]]\nusername = \"alice\"\ncredentials = [{credential}]\n{}",
        one_route(upstream.address, "plugins = [{ use = \"basic-auth\" }]")
    )
}

async fn ask(client: &mut Client, credentials: (&str, &str)) -> Answer {
    client.send("GET", "/", &[credentials], "").await
}

#[tokio::test]
async fn a_flood_of_wrong_passwords_is_told_that_the_gateway_is_busy_and_keeps_nobody_else_waiting() {
    let upstream = Upstream::echo("u").await;
    let gateway = Gateway::start(&config(&upstream, HASH)).await;
    let mut alice = gateway.client().await;
    assert_eq!(ask(&mut alice, RIGHT).await.upstream_got("x-consumer-username").as_deref(), Some("alice"));

    let is_over = Arc::new(AtomicBool::new(false));
    let mut flood = JoinSet::new();
    for number in 0..150 {
        let mut client = gateway.client().await;
        let (is_over, credentials) = (Arc::clone(&is_over), if number % 2 == 0 { WRONG } else { UNKNOWN });
        flood.spawn(async move {
            while !is_over.load(Ordering::Relaxed) {
                let answer = ask(&mut client, credentials).await;
                match answer.status {
                    401 => assert_eq!(answer.json()["message"], "Unauthorized"),
                    503 => {
                        assert_eq!(answer.header("retry-after"), Some("1"));
                        assert_eq!(answer.json()["message"], "Too many passwords are being verified");
                        return (credentials, true);
                    }
                    _ => panic!("{answer:?}"),
                }
            }
            (credentials, false)
        });
    }
    // Her password is remembered, so it is let through at once, however many others wait.
    for _ in 0..50 {
        assert_eq!(ask(&mut alice, RIGHT).await.status, 200);
    }
    is_over.store(true, Ordering::Relaxed);
    let told = flood.join_all().await;
    for credentials in [WRONG, UNKNOWN] {
        assert!(told.contains(&(credentials, true)), "{credentials:?}: nobody was told to come later");
        assert!(told.contains(&(credentials, false)), "{credentials:?}: everybody was told to come later");
    }
    assert_eq!(ask(&mut alice, WRONG).await.status, 401, "and then there is room again");
}

#[tokio::test]
async fn a_password_is_forgotten_once_its_hash_is_another_one() {
    let upstream = Upstream::echo("u").await;
    let gateway = Gateway::start(&config(&upstream, HASH)).await;
    let mut alice = gateway.client().await;
    for _ in 0..2 {
        assert_eq!(ask(&mut alice, RIGHT).await.status, 200);
    }
    // bcrypt's own example, of "U*U".
    let changed = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
    gateway.write_config(&config(&upstream, changed));
    gateway.logged("message", "configuration changed").await;
    assert_eq!(ask(&mut alice, RIGHT).await.status, 401);
    assert_eq!(ask(&mut alice, ("authorization", "Basic YWxpY2U6VSpV")).await.status, 200);
}
