//! Probes over TLS: they find what is spoken there, and have whom to learn it from.

use crate::harness::certs::Authority;
use crate::harness::gateway::{Outcome, folder, run};
use crate::harness::origin::{Speaks, echo};
use crate::harness::{Gateway, Origin, TIDEGATE, tls, until};

/// An upstream that is probed by `kind`, and services, each a URL with more lines of its table.
fn config(target: &str, kind: &str, services: &[(&str, &str)]) -> String {
    let services: String = services
        .iter()
        .enumerate()
        .map(|(number, (url, rest))| {
            format!(
                "[[services]]\nname = \"{number}\"\nurl = \"{url}\"\n{rest}\n\
                 [[services.routes]]\nname = \"{number}\"\npaths = [\"/{number}\"]\n"
            )
        })
        .collect();
    format!(
        "workers = 1\nlisteners = [{{ address = \"127.0.0.1:0\" }}]\n\
         [[upstreams]]\nname = \"u\"\ntargets = [\"{target}\"]\n\
         health = {{ active = {{ type = \"{kind}\", path = \"/healthz\", interval = \"50ms\", timeout = \"5s\", \
         failures = 1 }} }}\n{services}"
    )
}

const TLS: &str = "tls = { ca = \"ca.pem\", server_name = \"localhost\" }";

#[tokio::test]
async fn a_target_that_speaks_more_than_the_probes_is_well() {
    let ours = Authority::new("ours");
    for (alpn, http, version) in [
        (&["h2", "http/1.1"][..], "auto", "HTTP/2.0"),
        (&["h2", "http/1.1"], "1", "HTTP/1.1"),
        (&["http/1.1"], "auto", "HTTP/1.1"),
        (&[], "auto", "HTTP/1.1"),
    ] {
        let speaks = Speaks::Tls(tls::server(&ours.server(&["localhost"]), alpn, None));
        let upstream = Origin::speaking(speaks, |request| echo("u", request)).await;
        let service = format!("http = \"{http}\"\n{TLS}");
        let folder = folder(&config(&upstream.address.to_string(), "https", &[("https://u", &service)]), &[]);
        ours.write(folder.path(), "ca");
        let gateway = Gateway::start_in(folder).await;
        // Each probe has a connection of its own; one that is answered badly takes the target out.
        until("some probes", async || (upstream.connections() >= 6).then_some(())).await;
        let answer = gateway.get("/0").await;
        assert_eq!(answer.status, 200, "{alpn:?} {http}: {answer:?}");
        assert_eq!(answer.json()["version"], version, "{alpn:?} {http}: what requests speak is their own matter");
        assert!(upstream.requests() >= 5, "{alpn:?} {http}: {} probes were understood", upstream.requests());
    }
}

#[tokio::test]
async fn probes_over_tls_need_a_service_that_says_how() {
    for (kind, services, good) in [
        ("https", &[("http://u", "")][..], false),
        ("https", &[("http://u", ""), ("https://elsewhere.example.com", "")], false),
        ("https", &[("grpc://u", "")], false),
        ("https", &[("http://u", ""), ("https://u", "enabled = false")], false),
        ("https", &[("https://u", "")], true),
        ("https", &[("grpcs://u", "")], true),
        ("https", &[("http://u", ""), ("https://u", "")], true),
        // Nobody leads there but plugins, perhaps.
        ("https", &[("http://elsewhere.example.com", ""), ("https://u", "enabled = false")], true),
        ("http", &[("https://u", "")], true),
        ("tcp", &[("http://u", "")], true),
    ] {
        let folder = folder(&config("127.0.0.1:9", kind, services), &[]);
        let Outcome { status, stdout, stderr } = run(folder.path(), &["check"]);
        let case = format!("{TIDEGATE} check, {kind} for {services:?}: {stdout}{stderr}");
        assert_eq!(status.code(), Some(if good { 0 } else { 1 }), "{case}");
        if !good {
            assert!(stderr.contains("https probes") && stderr.contains("gateway.toml:4:"), "{case}");
        }
    }
}
