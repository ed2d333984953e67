//! Plugins that choose who answers: `set-upstream`.

use std::net::SocketAddr;

use crate::harness::certs::Authority;
use crate::harness::origin::{Speaks, echo};
use crate::harness::{Answer, Gateway, Origin, Upstream, built, folder, tls};

/// A service whose url is the upstream blue, beside the upstream green, which no service names.
fn config(blue: &str, green: &str, service: &str, uses: &str) -> String {
    format!(
        "[components.hooks]\npath = \"hooks.wasm\"\n[components.others]\npath = \"hooks.wasm\"\n\
         [[upstreams]]\nname = \"blue\"\ntargets = [{blue}]\n\
         [[upstreams]]\nname = \"Green\"\ntargets = [{green}]\n\
         [[services]]\nname = \"s\"\n{service}\n\
         [[services.routes]]\nname = \"r\"\npaths = [\"/\"]\nplugins = [{uses}]\n"
    )
}

async fn gateway(blue: SocketAddr, green: &str, uses: &str) -> Gateway {
    let config = config(&format!("\"{blue}\""), green, "url = \"http://blue/base\"", uses);
    Gateway::start_with(&config, &[("hooks.wasm", &built("guests/every-hook.wasm"))]).await
}

async fn both(uses: &str) -> (Upstream, Upstream, Gateway) {
    let (blue, green) = (Upstream::echo("blue").await, Upstream::echo("green").await);
    let gateway = gateway(blue.address, &format!("\"{}\"", green.address), uses).await;
    (blue, green, gateway)
}

async fn by_header(gateway: &Gateway, upstream: &str) -> Answer {
    gateway.request("GET", "/x", &[("x-upstream", upstream)]).await
}

#[tokio::test]
async fn a_header_decides_which_upstream_answers_and_nothing_else_changes() {
    let (_blue, _green, gateway) = both(r#"{ use = "hooks" }"#).await;
    for (path, header, answers) in [
        ("/a", None, "blue"),
        ("/b", Some("green"), "green"),
        ("/c", Some("GREEN"), "green"),
        ("/d", Some("blue"), "blue"),
    ] {
        let headers: Vec<_> = header.map(|name| ("x-upstream", name)).into_iter().collect();
        let answer = gateway.request("GET", path, &headers).await;
        assert_eq!(answer.json()["upstream"], answers, "{header:?}: {answer:?}");
        assert_eq!(answer.json()["path"], format!("/base{path}"));
        assert_eq!(answer.upstream_got("host").as_deref(), Some("blue"), "it stays the service's");
        let line = gateway.accessed("path", path).await;
        assert_eq!(line["upstream"].as_str(), header.map(str::to_lowercase).as_deref(), "{line:#}");
        assert_eq!(line["service"], "s");
    }
}

#[tokio::test]
async fn a_name_that_no_upstream_has_is_told_to_the_plugin() {
    let (_blue, _green, gateway) = both(r#"{ use = "hooks" }"#).await;
    for name in ["red", "s", "blue:80", ""] {
        let answer = by_header(&gateway, name).await;
        assert_eq!((answer.status, &answer.json()["upstream"]), (200, &"blue".into()), "{name}");
        assert_eq!(answer.upstream_got("x-refused"), Some(format!("there is no upstream {name:?}")));
    }
}

#[tokio::test]
async fn the_last_plugin_decides_and_a_failed_one_does_not_count() {
    let last = r#"{ use = "hooks", config = { upstream = "green" }, priority = 2 },
                  { use = "others", config = { upstream = "blue" }, priority = 1 }"#;
    let (_blue, _green, gateway) = both(last).await;
    assert_eq!(gateway.get("/").await.json()["upstream"], "blue");

    let failed = r#"{ use = "hooks", config = { upstream = "green" }, priority = 2 },
                    { use = "others", config = { upstream = "blue", fail = true }, priority = 1, on_failure = "open" }"#;
    let (_blue, _green, gateway) = both(failed).await;
    assert_eq!(gateway.get("/").await.json()["upstream"], "green", "what the first one chose stands");

    let alone = r#"{ use = "hooks", config = { upstream = "green", fail = true }, on_failure = "open" }"#;
    let (_blue, _green, gateway) = both(alone).await;
    assert_eq!(gateway.get("/").await.json()["upstream"], "blue");
}

#[tokio::test]
async fn a_request_that_is_tried_again_stays_with_the_chosen_upstream() {
    let (blue, green) = (Upstream::echo("blue").await, Upstream::echo("green").await);
    let dead = Upstream::nobody().await;
    let targets = format!("\"{dead}\", \"{}\"", green.address);
    let gateway = gateway(blue.address, &targets, r#"{ use = "hooks" }"#).await;
    for _ in 0..4 {
        assert_eq!(by_header(&gateway, "green").await.json()["upstream"], "green");
    }
    let gateway = self::gateway(blue.address, &format!("\"{dead}\""), r#"{ use = "hooks" }"#).await;
    let answer = by_header(&gateway, "green").await;
    assert_eq!((answer.status, answer.header("x-gateway-error")), (502, Some("upstream_connect_refused")));
    let line = gateway.accessed("error", "upstream_connect_refused").await;
    let attempts = line["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 6, "the service says how many: {line:#}");
    assert!(attempts.iter().all(|attempt| attempt["target"] == dead.to_string()), "{line:#}");
    assert!(line["error_detail"].as_str().unwrap().contains(&dead.to_string()), "{line:#}");
    assert_eq!(blue.connections(), 0);
}

#[tokio::test]
async fn what_is_wrong_with_the_chosen_upstream_is_said_of_it() {
    let blue = Upstream::echo("blue").await;
    let gateway = gateway(blue.address, r#"{ address = "127.0.0.1:9", weight = 0 }"#, r#"{ use = "hooks" }"#).await;
    let answer = by_header(&gateway, "green").await;
    assert_eq!((answer.status, answer.header("x-gateway-error")), (503, Some("upstream_no_target")));
    let line = gateway.accessed("error", "upstream_no_target").await;
    assert!(line["error_detail"].as_str().unwrap().starts_with("green: "), "{line:#}");
}

#[tokio::test]
async fn targets_of_the_chosen_upstream_are_asked_by_the_services_name_over_tls() {
    let ours = Authority::new("ours");
    for (certified, expected) in [("shop.internal", 200), ("green", 502)] {
        let speaks = |name| Speaks::Tls(tls::server(&ours.server(&[name]), &[], None));
        let blue = Origin::speaking(speaks("shop.internal"), |request| echo("blue", request)).await;
        let green = Origin::speaking(speaks(certified), |request| echo("green", request)).await;
        let service = "url = \"https://blue\"\ntls = { ca = \"ca.pem\", server_name = \"shop.internal\" }";
        let (one, other) = (format!("\"{}\"", blue.address), format!("\"{}\"", green.address));
        let config = config(&one, &other, service, r#"{ use = "hooks" }"#);
        let folder = folder(&config, &[("hooks.wasm", &built("guests/every-hook.wasm"))]);
        ours.write(folder.path(), "ca");
        let gateway = Gateway::start_in(folder).await;
        let answer = by_header(&gateway, "green").await;
        assert_eq!(answer.status, expected, "{certified}: {answer:?}");
        if expected == 200 {
            assert_eq!((&answer.json()["upstream"], &answer.json()["sni"]), (&"green".into(), &"shop.internal".into()));
        }
        assert_eq!(gateway.get("/").await.json()["upstream"], "blue");
    }
}
