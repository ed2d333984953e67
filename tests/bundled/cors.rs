//! Browsers may read every answer that their origin is allowed, whoever has given it, and preflights are nobody's but
//! the gateway's.

use crate::harness::upstream::Refusing;
use crate::harness::{Answer, Gateway, Upstream, one_route};

const SHOP: &str = "https://shop.example.com";
const CORS: &str = "{ use = \"cors\", config = { origins = [\"https://shop.example.com\"], credentials = true } }";

fn may_be_read(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("access-control-allow-origin"), Some(SHOP), "{answer:?}");
    assert_eq!(answer.header("access-control-allow-credentials"), Some("true"), "{answer:?}");
    assert_eq!(answer.header("vary"), Some("Origin"), "{answer:?}");
}

#[tokio::test]
async fn a_preflight_needs_neither_a_key_nor_an_upstream() {
    let upstream = Upstream::echo("u").await;
    let uses = format!("plugins = [{CORS}, {{ use = \"key-auth\" }}]");
    let gateway = Gateway::start(&one_route(upstream.address, &uses)).await;
    let asked = [("origin", SHOP), ("access-control-request-method", "PUT")];
    let answer = gateway.request("OPTIONS", "/orders", &asked).await;
    may_be_read(&answer, 200);
    assert!(answer.header("access-control-allow-methods").is_some_and(|methods| methods.contains("PUT")));
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn what_other_plugins_answer_can_be_read() {
    let upstream = Upstream::echo("u").await;
    let uses = format!("plugins = [{CORS}, {{ use = \"key-auth\" }}]");
    let gateway = Gateway::start(&one_route(upstream.address, &uses)).await;
    may_be_read(&gateway.request("GET", "/", &[("origin", SHOP)]).await, 401);
    let other = gateway.request("GET", "/", &[("origin", "https://evil.example")]).await;
    assert_eq!((other.status, other.header("access-control-allow-origin")), (401, None));
    assert_eq!(other.header("vary"), Some("Origin"));
}

#[tokio::test]
async fn the_gateways_own_errors_can_be_read() {
    let nobody = Refusing::new();
    let config = format!(
        "{}\n[[plugins]]\nuse = \"cors\"\nconfig = {{ origins = [\"{SHOP}\"], credentials = true }}\n",
        one_route(nobody.address, "hosts = [\"a.example\"]")
    );
    let gateway = Gateway::start(&config).await;
    may_be_read(&gateway.request("GET", "/", &[("host", "a.example"), ("origin", SHOP)]).await, 502);
    may_be_read(&gateway.request("GET", "/", &[("host", "b.example"), ("origin", SHOP)]).await, 404);
}
