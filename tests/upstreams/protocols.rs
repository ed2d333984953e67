//! TLS, HTTP/2 and unix sockets towards upstreams.

use std::sync::Arc;

use hyper::Version;
use tokio::net::TcpStream;
use tokio::sync::Barrier;

use crate::harness::certs::{Authority, Role, Validity};
use crate::harness::gateway::folder;
use crate::harness::origin::{Speaks, echo, reply};
use crate::harness::{Answer, Gateway, Origin, Session, one_route, tls};

/// A gateway with one service at `url`; `rest` goes into the service. `ours` is `ca.pem` to it, and has issued
/// `client.pem`.
async fn gateway(ours: &Authority, url: &str, rest: &str) -> Gateway {
    gateway_with(ours, url, rest, "").await
}

/// The same, and `tables` are of the file.
async fn gateway_with(ours: &Authority, url: &str, rest: &str, tables: &str) -> Gateway {
    let config = format!(
        "workers = 1\nlisteners = [{{ address = \"127.0.0.1:0\" }}]\n\
         [[services]]\nname = \"s\"\nurl = \"{url}\"\n{rest}\n\
         [[services.routes]]\nname = \"r\"\npaths = [\"/\"]\n{tables}"
    );
    let folder = folder(&config, &[]);
    ours.write(folder.path(), "ca");
    ours.leaf(&["gateway"], Validity::Now, Role::Client).write(folder.path(), "client");
    Gateway::start_in(folder).await
}

/// An origin that is each of `names` and speaks what ALPN brings.
async fn secure(ours: &Authority, names: &[&str], alpn: &[&str], clients: Option<&Authority>) -> Origin {
    let config = tls::server(&ours.server(names), alpn, clients);
    Origin::speaking(Speaks::Tls(config), |request| echo("tls", request)).await
}

fn failed_tls(answer: &Answer) -> bool {
    answer.status == 502 && answer.header("x-gateway-error") == Some("upstream_tls_failed")
}

#[tokio::test]
async fn an_authority_of_ones_own_vouches_for_an_upstream() {
    let ours = Authority::new("ours");
    let upstream = secure(&ours, &["localhost", "127.0.0.1"], &[], None).await;
    for host in ["localhost", "127.0.0.1"] {
        let url = format!("https://{host}:{}/base", upstream.address.port());
        let answer = gateway(&ours, &url, "tls = { ca = \"ca.pem\" }").await.get("/x").await;
        assert_eq!(answer.status, 200, "{host}: {answer:?}");
        let echo = answer.json();
        assert_eq!(echo["path"], "/base/x");
        // An address is never sent as a server's name (RFC 6066, section 3).
        assert_eq!(echo["sni"].as_str(), (host == "localhost").then_some("localhost"));
        assert_eq!(answer.upstream_got("host"), Some(format!("{host}:{}", upstream.address.port())));
        assert_eq!(answer.upstream_got("x-forwarded-proto").as_deref(), Some("http"), "what the client spoke");
    }
    let url = format!("https://localhost:{}", upstream.address.port());
    assert!(failed_tls(&gateway(&ours, &url, "").await.get("/").await), "the system's authorities do not know it");
}

#[tokio::test]
async fn a_servers_name_can_be_set() {
    let ours = Authority::new("ours");
    let upstream = secure(&ours, &["orders.internal"], &[], None).await;
    let url = format!("https://{}", upstream.address);
    let named = gateway(&ours, &url, "tls = { ca = \"ca.pem\", server_name = \"orders.internal\" }").await;
    assert_eq!(named.get("/").await.json()["sni"], "orders.internal");
    for rest in ["tls = { ca = \"ca.pem\" }", "tls = { ca = \"ca.pem\", server_name = \"other.internal\" }"] {
        assert!(failed_tls(&gateway(&ours, &url, rest).await.get("/").await), "{rest}");
    }
    let careless = gateway(&ours, &url, "tls = { verify = false }").await;
    assert_eq!(careless.get("/").await.status, 200);
}

#[tokio::test]
async fn the_gateway_shows_a_certificate_where_one_is_wanted() {
    let ours = Authority::new("ours");
    let upstream = secure(&ours, &["localhost"], &[], Some(&ours)).await;
    let url = format!("https://localhost:{}", upstream.address.port());
    let shown = "tls = { ca = \"ca.pem\", certificate = { cert = \"client.pem\", key = \"client.key\" } }";
    assert_eq!(gateway(&ours, &url, shown).await.get("/").await.status, 200);
    assert!(failed_tls(&gateway(&ours, &url, "tls = { ca = \"ca.pem\" }").await.get("/").await));
    assert_eq!(upstream.requests(), 1);
}

#[tokio::test]
async fn certificates_with_tables_of_their_own_are_meant_by_id_or_name() {
    const CLIENT: &str = "4e3ad2e4-0bc4-4638-8e34-c84a417ba39b";
    const CA: &str = "C1a0f2d0-0bc4-4638-8e34-c84a417ba39b";
    let (ours, others) = (Authority::new("ours"), Authority::new("others"));
    let upstream = secure(&ours, &["localhost"], &[], Some(&ours)).await;
    let leaf = ours.leaf(&["gateway"], Validity::Now, Role::Client);
    let tables = format!(
        "[[certificates]]\nid = \"{CLIENT}\"\nname = \"client\"\ncert = '''\n{}'''\nkey = '''\n{}'''\nsnis = []\n\
         [[ca_certificates]]\nid = \"{CA}\"\nname = \"ours\"\ncert = \"ca.pem\"\n\
         [[ca_certificates]]\nname = \"others\"\ncert = '''\n{}'''\n",
        leaf.cert_pem,
        leaf.key_pem,
        others.pem()
    );
    let url = format!("https://localhost:{}", upstream.address.port());
    for (tls, served) in [
        (format!("ca_certificates = [\"{CA}\"], certificate = \"{CLIENT}\""), true),
        ("ca_certificates = [\"others\", \"ours\"], certificate = \"client\"".to_owned(), true),
        ("ca = \"ca.pem\", ca_certificates = [\"others\"], certificate = \"client\"".to_owned(), true),
        ("ca_certificates = [\"others\"], certificate = \"client\"".to_owned(), false),
        ("ca_certificates = [\"ours\"]".to_owned(), false),
    ] {
        let gateway = gateway_with(&ours, &url, &format!("tls = {{ {tls} }}"), &tables).await;
        let answer = gateway.get("/").await;
        assert!(if served { answer.status == 200 } else { failed_tls(&answer) }, "{tls}: {answer:?}");
    }
}

#[tokio::test]
async fn connections_over_tls_are_kept() {
    let ours = Authority::new("ours");
    let upstream = secure(&ours, &["localhost"], &[], None).await;
    let url = format!("https://localhost:{}", upstream.address.port());
    let gateway = gateway(&ours, &url, "tls = { ca = \"ca.pem\" }").await;
    for _ in 0..10 {
        assert_eq!(gateway.client().await.send("POST", "/", &[], "body").await.json()["body"], "body");
    }
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn alpn_and_the_service_decide_about_http_2() {
    let ours = Authority::new("ours");
    for (speaks, http, expected) in [
        (&["h2", "http/1.1"][..], "auto", "HTTP/2.0"),
        (&["http/1.1"], "auto", "HTTP/1.1"),
        (&[], "auto", "HTTP/1.1"),
        (&["h2", "http/1.1"], "2", "HTTP/2.0"),
        (&["h2", "http/1.1"], "1", "HTTP/1.1"),
    ] {
        let upstream = secure(&ours, &["localhost"], speaks, None).await;
        let url = format!("https://localhost:{}", upstream.address.port());
        let gateway = gateway(&ours, &url, &format!("http = \"{http}\"\ntls = {{ ca = \"ca.pem\" }}")).await;
        for _ in 0..3 {
            let answer = gateway.client().await.send("POST", "/x?y", &[], "body").await;
            assert_eq!(answer.status, 200, "{speaks:?} {http}: {answer:?}");
            let echo = answer.json();
            assert_eq!(echo["version"], expected, "{speaks:?} {http}");
            assert_eq!((echo["path"].as_str(), echo["body"].as_str()), (Some("/x?y"), Some("body")));
        }
        assert_eq!(upstream.connections(), 1, "{speaks:?} {http}");
    }
    let upstream = secure(&ours, &["localhost"], &["http/1.1"], None).await;
    let url = format!("https://localhost:{}", upstream.address.port());
    let strict = gateway(&ours, &url, "http = \"2\"\ntls = { ca = \"ca.pem\" }").await;
    assert_eq!(strict.get("/").await.status, 502, "it does not speak HTTP/2");
}

#[tokio::test]
async fn http_2_in_the_clear_shares_a_connection() {
    const STREAMS: usize = 40;
    let all = Arc::new(Barrier::new(STREAMS));
    let upstream = Origin::speaking(Speaks::Http2, move |request| {
        let all = Arc::clone(&all);
        async move {
            assert_eq!(request.version(), Version::HTTP_2);
            assert!(request.headers().get("connection").is_none());
            if request.uri().path() != "/first" {
                all.wait().await;
            }
            reply(200, request.uri().path().to_owned())
        }
    })
    .await;
    let ours = Authority::new("ours");
    let gateway = gateway(&ours, &format!("http://{}", upstream.address), "http = \"2\"").await;
    let stream = TcpStream::connect(gateway.addresses[0]).await.unwrap();
    let mut session = Session::over(stream, Version::HTTP_2).await;
    assert_eq!(session.get("/first").await.text(), "/first");
    let streams: Vec<_> = (0..STREAMS)
        .map(|number| {
            let mut session = session.share();
            tokio::spawn(async move { session.get(&format!("/{number}")).await })
        })
        .collect();
    for (number, stream) in streams.into_iter().enumerate() {
        assert_eq!(stream.await.unwrap().text(), format!("/{number}"));
    }
    assert_eq!(upstream.connections(), 1, "for {STREAMS} streams");
}

#[tokio::test]
async fn an_http_2_upstream_sees_an_authority() {
    let upstream = Origin::speaking(Speaks::Http2, |request| async move {
        let authority = request.uri().authority().map(ToString::to_string).unwrap_or_default();
        reply(200, authority)
    })
    .await;
    for (rest, expected) in [("", upstream.address.to_string()), ("preserve_host = true", "api.example.com".to_owned())]
    {
        let config =
            one_route(upstream.address, rest).replacen("[[services.routes]]", "http = \"2\"\n[[services.routes]]", 1);
        let gateway = Gateway::start(&config).await;
        assert_eq!(gateway.request("GET", "/", &[("host", "api.example.com")]).await.text(), expected);
    }
}

#[tokio::test]
async fn a_target_may_be_a_unix_socket() {
    let place = tempfile::tempdir().unwrap();
    let socket = place.path().join("upstream.sock");
    Origin::unix(&socket, "unix");
    let target = format!("unix:{}", socket.display());
    let balanced = Gateway::start(&super::balanced(&[super::quoted(&target)], "", "")).await;
    let direct =
        Gateway::start(&one_route("TARGET", "").replace("http://TARGET", &format!("http://{target}:/base"))).await;
    for (gateway, path) in [(&balanced, "/x"), (&direct, "/base/x")] {
        let mut client = gateway.client().await;
        for _ in 0..3 {
            let echo = client.send("POST", "/x", &[], "body").await.json();
            assert_eq!((echo["upstream"].as_str(), echo["path"].as_str()), (Some("unix"), Some(path)));
            assert_eq!(echo["body"], "body");
        }
    }
    std::fs::remove_file(&socket).unwrap();
    let gone = Gateway::start(&super::balanced(&[super::quoted(&target)], "", "retries = 0")).await.get("/").await;
    assert!(gone.status == 502 || gone.status == 503, "{gone:?}");
    assert!(gone.header("x-gateway-error").is_some_and(|code| code.starts_with("upstream_connect")), "{gone:?}");
}
