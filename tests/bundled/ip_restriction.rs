//! The address that counts is the client's own, or what a proxy that is trusted says of it.

use crate::harness::gateway::{folder, run};
use crate::harness::{Gateway, Upstream, one_route};

const USES: &str = "plugins = [{ use = \"ip-restriction\", config = { allow = [\"203.0.113.0/24\"] } }]";

#[tokio::test]
async fn a_trusted_proxy_says_who_the_client_is_and_nobody_else_does() {
    let upstream = Upstream::echo("u").await;
    let route = one_route(upstream.address, USES);
    let trusting = Gateway::start(&format!("trusted_proxies = [\"127.0.0.1\"]\n{route}")).await;
    let status =
        async |gateway: &Gateway, said: &str| gateway.request("GET", "/", &[("x-forwarded-for", said)]).await.status;
    assert_eq!(status(&trusting, "203.0.113.7").await, 200);
    assert_eq!(status(&trusting, "::ffff:203.0.113.7").await, 200);
    assert_eq!(status(&trusting, "203.0.113.7, 198.51.100.1").await, 403);

    let strict = Gateway::start(&route).await;
    let answer = strict.request("GET", "/", &[("x-forwarded-for", "203.0.113.7")]).await;
    assert_eq!((answer.status, answer.text()), (403, "{\"message\":\"IP address not allowed: 127.0.0.1\"}"));
}

#[test]
fn what_is_no_address_is_refused_when_the_configuration_is_loaded() {
    let folder = folder(&one_route("127.0.0.1:9", &USES.replace("/24", "/33")), &[]);
    let told = run(folder.path(), &["check"]);
    assert!(!told.status.success());
    assert!(told.stderr.contains("\"203.0.113.0/33\" has more than the 32 bits of an IPv4 address"), "{}", told.stderr);
}
