//! curl as a client.

use crate::harness::certs::{Authority, Role, Validity};
use crate::harness::gateway::folder;
use crate::harness::program::{Curled, Program, curl};
use crate::harness::{Gateway, Origin, one_route};

/// A gateway that listens in the clear, then over TLS as `localhost` and with optional certificates of clients; curl
/// works in its folder, where `ca.pem` and `client.pem` are.
async fn gateway(upstream: &Origin) -> Gateway {
    let ours = Authority::new("ours");
    let config = format!(
        "[[listeners]]\naddress = \"127.0.0.1:0\"\n[[listeners]]\naddress = \"127.0.0.1:0\"\n\
         tls = {{ certificates = [{{ cert = \"server.pem\", key = \"server.key\" }}], client_ca = \"ca.pem\", \
         client_auth = \"optional\" }}\n{}",
        one_route(upstream.address, "")
    );
    let folder = folder(&config, &[]);
    ours.write(folder.path(), "ca");
    ours.server(&["localhost"]).write(folder.path(), "server");
    ours.leaf(&["curl"], Validity::Now, Role::Client).write(folder.path(), "client");
    Authority::new("others").leaf(&["curl"], Validity::Now, Role::Client).write(folder.path(), "stranger");
    Gateway::start_in(folder).await
}

fn clear(gateway: &Gateway, path: &str) -> String {
    format!("http://{}{path}", gateway.addresses[0])
}

fn secure(gateway: &Gateway, path: &str) -> String {
    format!("https://localhost:{}{path}", gateway.addresses[1].port())
}

/// curl ended well; the answer that the echoing upstream gave.
fn echoed(curled: &Curled) -> serde_json::Value {
    assert_eq!(curled.status, Some(0), "{curled:#?}");
    serde_json::from_str(&curled.stdout).unwrap_or_else(|error| panic!("{error}: {curled:#?}"))
}

#[tokio::test]
async fn every_version_of_http() {
    let upstream = Origin::echo("u").await;
    let gateway = gateway(&upstream).await;
    let version = ["--output", "/dev/null", "--write-out", "%{response_code} %{http_version}"];
    for (url, flag, expected) in [
        (clear(&gateway, "/"), "--http1.0", "200 1"),
        (clear(&gateway, "/"), "--http1.1", "200 1.1"),
        (clear(&gateway, "/"), "--http2-prior-knowledge", "200 2"),
        // Asked to upgrade in the clear, a server may go on as it is (RFC 9113 has no such way any more).
        (clear(&gateway, "/"), "--http2", "200 "),
        // It offers "http/1.0" by ALPN and nothing else: who does not know that name must not refuse the handshake.
        (secure(&gateway, "/"), "--http1.0", "200 1"),
        (secure(&gateway, "/"), "--http1.1", "200 1.1"),
        (secure(&gateway, "/"), "--http2", "200 2"),
        (secure(&gateway, "/"), "--tlsv1.3", "200 2"),
        (secure(&gateway, "/"), "--no-alpn", "200 1.1"),
    ] {
        let arguments = [&version[..], &["--cacert", "ca.pem", flag, &url]].concat();
        let curled = curl(gateway.folder.path(), &arguments).await;
        assert_eq!(curled.status, Some(0), "{flag}: {curled:#?}");
        assert!(curled.stdout.starts_with(expected), "{flag} {url}: {curled:#?}");
    }
}

#[tokio::test]
async fn certificates_of_its_own() {
    let upstream = Origin::echo("u").await;
    let gateway = gateway(&upstream).await;
    let url = secure(&gateway, "/");
    for (shown, expected) in [(None, true), (Some("client"), true), (Some("stranger"), false)] {
        let (cert, key) = (format!("{}.pem", shown.unwrap_or("")), format!("{}.key", shown.unwrap_or("")));
        let mut arguments = vec!["--cacert", "ca.pem", &url];
        if shown.is_some() {
            arguments.extend(["--cert", &cert, "--key", &key]);
        }
        let curled = curl(gateway.folder.path(), &arguments).await;
        assert_eq!(curled.status == Some(0), expected, "{shown:?}: {curled:#?}");
    }
    let curled = curl(gateway.folder.path(), &["--tls-max", "1.2", "--cacert", "ca.pem", &url]).await;
    assert_eq!(echoed(&curled)["headers"]["x-forwarded-proto"], "https");
}

#[tokio::test]
async fn uploads_with_and_without_waiting() {
    let upstream = Origin::echo("u").await;
    let gateway = gateway(&upstream).await;
    // Above a megabyte curl asks first.
    let body = "0123456789".repeat(200_000);
    std::fs::write(gateway.path("upload"), &body).unwrap();
    for flags in [
        &["--expect100-timeout", "20", "--header", "Expect: 100-continue"][..],
        &["--header", "Expect:"],
        &["--header", "Transfer-Encoding: chunked"],
        &["--http2-prior-knowledge"],
        &["--http1.0"],
    ] {
        let url = clear(&gateway, "/upload");
        let begun = std::time::Instant::now();
        let curled = curl(gateway.folder.path(), &[flags, &["-T", "upload", &url]].concat()).await;
        let echo = echoed(&curled);
        assert_eq!((echo["method"].as_str(), echo["path"].as_str()), (Some("PUT"), Some("/upload")), "{flags:?}");
        assert!(echo["body"] == *body, "{flags:?}");
        assert!(begun.elapsed().as_secs() < 15, "{flags:?}: it waited for 100 Continue");
    }
}

#[tokio::test]
async fn what_is_compressed_is_unpacked() {
    let page = "All is well.\n".repeat(1000);
    let servers = "gzip on; gzip_proxied any; gzip_types text/plain; types { text/plain txt; } server { listen PORT; }";
    let nginx = Program::nginx(servers, &[("page.txt", page.as_bytes())]).await;
    let gateway = Gateway::start(&one_route(nginx.address, "")).await;
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        let url = clear(&gateway, "/page.txt");
        let curled = curl(gateway.folder.path(), &["--compressed", version, &url]).await;
        assert!(curled.status == Some(0) && curled.stdout == page, "{curled:#?}");
        assert!(curled.stderr.to_ascii_lowercase().contains("content-encoding: gzip"), "{}", curled.stderr);
    }
}

#[tokio::test]
async fn a_unix_socket() {
    let upstream = Origin::echo("u").await;
    let place = tempfile::tempdir().unwrap();
    let socket = place.path().join("gateway.sock").display().to_string();
    let config = format!("listeners = [{{ address = \"unix:{socket}\" }}]\n{}", one_route(upstream.address, ""));
    let gateway = Gateway::start(&config).await;
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        let arguments = ["--unix-socket", &socket, version, "http://api.example.com/x"];
        let echo = echoed(&curl(gateway.folder.path(), &arguments).await);
        assert_eq!(echo["headers"]["x-forwarded-host"], "api.example.com");
    }
}

#[tokio::test]
async fn the_proxy_protocol() {
    let upstream = Origin::echo("u").await;
    let config = format!(
        "trusted_proxies = [\"127.0.0.1\"]\nlisteners = [{{ address = \"127.0.0.1:0\", proxy_protocol = true }}]\n{}",
        one_route(upstream.address, "")
    );
    let gateway = Gateway::start(&config).await;
    let url = clear(&gateway, "/");
    let echo = echoed(&curl(gateway.folder.path(), &["--haproxy-protocol", &url]).await);
    assert_eq!(echo["headers"]["x-real-ip"], "127.0.0.1");
    let without = curl(gateway.folder.path(), &[&url]).await;
    assert_ne!(without.status, Some(0), "{without:#?}");
}

#[tokio::test]
async fn many_transfers_over_one_connection() {
    let upstream = Origin::echo("u").await;
    let gateway = gateway(&upstream).await;
    // Not by prior knowledge: curl 7.88 cannot reuse such a connection, whoever serves it.
    for (url, version) in [(clear(&gateway, "/[1-50]"), "--http1.1"), (secure(&gateway, "/[1-50]"), "--http2")] {
        let write = ["--output", "/dev/null", "--write-out", "%{response_code} %{num_connects}\n"];
        let arguments = [&write[..], &["--cacert", "ca.pem", version, &url]].concat();
        let curled = curl(gateway.folder.path(), &arguments).await;
        let lines: Vec<&str> = curled.stdout.lines().collect();
        assert_eq!(lines.len(), 50, "{curled:#?}");
        assert_eq!(lines[0], "200 1");
        assert!(lines[1..].iter().all(|line| *line == "200 0"), "{lines:?}");
    }
}

#[tokio::test]
async fn a_download_that_is_given_up_is_nothing_to_the_next() {
    let upstream = Origin::echo("u").await;
    let gateway = gateway(&upstream).await;
    std::fs::write(gateway.path("upload"), "0123456789".repeat(1_000_000)).unwrap();
    let url = clear(&gateway, "/");
    // Some arrives within the time, not all: the rate is limited to a tenth of it.
    let flags = ["--limit-rate", "100k", "--max-time", "1", "-T", "upload", &url];
    let curled = curl(gateway.folder.path(), &flags).await;
    assert_eq!(curled.status, Some(28), "timed out: {curled:#?}");
    assert_eq!(echoed(&curl(gateway.folder.path(), &[&url]).await)["method"], "GET");
}
