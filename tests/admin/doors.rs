//! Who may come in to the admin API, and who may not.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::harness::certs::{Authority, Role, Validity};
use crate::harness::gateway::{folder, run};
use crate::harness::program::{Curled, curl};
use crate::harness::{Answer, Client, Gateway, PATIENCE, Upstream, one_route, within};

const READER: &str = "reader-0123456789";
const WRITER: &str = "writer-0123456789";

/// A configuration with these lines in `[admin]`, at a free port of this address.
async fn config(address: &str, rest: &str) -> String {
    let upstream = Upstream::nobody().await;
    format!("{}\n[admin]\naddress = \"{address}\"\n{rest}\n", one_route(upstream, ""))
}

fn tokens(listed: &[(&str, &str, &str)]) -> String {
    let token = |(name, token, role): &(&str, &str, &str)| {
        format!("{{ name = \"{name}\", token = \"{token}\", role = \"{role}\" }}")
    };
    format!("tokens = [{}]", listed.iter().map(token).collect::<Vec<_>>().join(", "))
}

fn both() -> String {
    tokens(&[("prometheus", READER, "read"), ("ci", WRITER, "write")])
}

async fn admin_of(gateway: &Gateway) -> SocketAddr {
    gateway.logged("message", "admin listening").await["address"].as_str().unwrap().parse().unwrap()
}

async fn ask(admin: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let headers = [&[("host", "localhost")], headers].concat();
    Client::connect(admin).await.send(method, path, &headers, "").await
}

#[tokio::test]
async fn with_tokens_nobody_is_told_anything_without_one_but_whether_the_gateway_is_ready() {
    let gateway = Gateway::start(&config("127.0.0.1:0", &both()).await).await;
    let admin = admin_of(&gateway).await;
    assert_eq!(ask(admin, "GET", "/ready", &[]).await.status, 200);
    for path in ["/status", "/metrics", "/failures", "/nothing", "/a%zz"] {
        for headers in [&[][..], &[("authorization", "Bearer wrong")], &[("kong-admin-token", "wrong")]] {
            let answer = ask(admin, "GET", path, headers).await;
            assert_eq!(answer.status, 401, "{path} {headers:?}");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"tidegate admin\""));
            assert!(answer.json()["message"].as_str().is_some_and(|message| message.contains("redentials")));
        }
    }
    let bearer = format!("Bearer {READER}");
    for headers in [&[("authorization", bearer.as_str())], &[("kong-admin-token", READER)]] {
        for (path, status) in [("/status", 200), ("/metrics", 200), ("/ready", 200), ("/nothing", 404), ("/a%zz", 400)]
        {
            assert_eq!(ask(admin, "GET", path, headers).await.status, status, "{path} {headers:?}");
        }
    }
    let warned = gateway.logged("message", "with a token that nobody has").await;
    assert_eq!(warned["peer"], "127.0.0.1");
    for line in gateway.log_lines() {
        assert!(!line.to_string().contains("0123456789"), "{line}");
    }
}

#[tokio::test]
async fn whoever_guesses_is_slowed_and_nobody_else() {
    let gateway = Gateway::start(&config("127.0.0.1:0", &both()).await).await;
    let admin = admin_of(&gateway).await;
    let slowed = within(PATIENCE, async || {
        let wrong = ask(admin, "GET", "/status", &[("kong-admin-token", "guess")]).await;
        assert!([401, 429].contains(&wrong.status));
        // Neither is it told then whether it has found one.
        let right = ask(admin, "GET", "/status", &[("kong-admin-token", WRITER)]).await;
        (wrong.status == 429 && right.status == 429).then_some(wrong)
    })
    .await
    .unwrap();
    assert_eq!(slowed.header("retry-after"), Some("1"));
    assert_eq!(ask(admin, "GET", "/ready", &[]).await.status, 200);
    let patient = within(PATIENCE, async || {
        (ask(admin, "GET", "/status", &[("kong-admin-token", WRITER)]).await.status == 200).then_some(())
    });
    assert!(patient.await.is_some());
}

#[tokio::test]
async fn tokens_change_without_a_restart() {
    let gateway = Gateway::start(&config("127.0.0.1:0", &both()).await).await;
    let admin = admin_of(&gateway).await;
    let mut client = Client::connect(admin).await;
    let mut status = async |token: &str| {
        client.send("GET", "/status", &[("host", "localhost"), ("kong-admin-token", token)], "").await.status
    };
    assert_eq!(status(READER).await, 200);
    gateway.write_config(&config("127.0.0.1:0", &tokens(&[("new", "another-0123456789", "read")])).await);
    gateway.logged("message", "configuration changed").await;
    // On the same connection, too.
    assert_eq!((status(READER).await, status("another-0123456789").await), (401, 200));

    // Without them, this machine would be let in; where it listens is another matter.
    gateway.write_config(&config("127.0.0.2:0", &both()).await);
    gateway.logged("message", "`admin.address` has changed").await;
    assert_eq!(status("another-0123456789").await, 200);
}

#[tokio::test]
async fn every_request_with_effects_leaves_a_line_in_the_log() {
    let gateway = Gateway::start(&config("127.0.0.1:0", &both()).await).await;
    let admin = admin_of(&gateway).await;
    let token = [("kong-admin-token", WRITER)];
    assert_eq!(ask(admin, "DELETE", "/status", &token).await.status, 405);
    let line = gateway.logged("path", "/status").await;
    assert_eq!(line["message"], "admin request");
    assert_eq!(
        (&line["who"], &line["peer"], &line["method"]),
        (&"token ci".into(), &"127.0.0.1".into(), &"DELETE".into())
    );
    assert_eq!((&line["status"], &line["generation"]), (&405.into(), &1.into()));
    // So do those that were refused, without what may be a secret.
    assert_eq!(ask(admin, "PUT", "/refused/by-the-door?key=by-the-door", &[]).await.status, 401);
    let line = gateway.logged("path", "/refused").await;
    assert_eq!((&line["who"], &line["status"], &line["path"]), (&"unknown".into(), &401.into(), &"/refused/…".into()));
    assert_eq!(ask(admin, "GET", "/status", &token).await.status, 200);
    assert!(
        !gateway.log_lines().iter().any(|line| line.to_string().contains("by-the-door") || line["method"] == "GET")
    );
}

#[tokio::test]
async fn an_address_that_others_reach_needs_tokens_or_certificates() {
    let refused = folder(&config("0.0.0.0:0", "").await, &[]);
    let outcome = run(refused.path(), &["check"]);
    assert_eq!(outcome.status.code(), Some(1));
    for expected in ["0.0.0.0:0 can be reached from elsewhere", "gateway.toml:", "tokens = [{ name = \"ci\""] {
        assert!(outcome.stderr.contains(expected), "{expected}: {}", outcome.stderr);
    }
    let gateway = Gateway::start(&config("0.0.0.0:0", &both()).await).await;
    gateway.logged("message", "in the clear: set `admin.tls`").await;
    let admin = SocketAddr::new([127, 0, 0, 1].into(), admin_of(&gateway).await.port());
    assert_eq!(ask(admin, "GET", "/status", &[]).await.status, 401);
    assert_eq!(ask(admin, "GET", "/status", &[("kong-admin-token", READER)]).await.status, 200);
}

/// An admin API over TLS that asks for certificates, or for a token. In its folder are those of `ops`, who is listed, of
/// somebody who is not, and of somebody whom another authority vouches for.
async fn over_tls(client_auth: &str) -> Gateway {
    let ours = Authority::new("ours");
    let rest = format!(
        "hosts = [\"gateway.test\"]\ntls = {{ certificates = [{{ cert = \"server.pem\", key = \"server.key\" }}], \
         client_ca = \"ca.pem\", client_auth = \"{client_auth}\" }}\n{}\n\
         clients = [{{ name = \"ops\", san = \"ops.example\", role = \"read\" }}]",
        tokens(&[("ci", WRITER, "write")])
    );
    let folder = folder(&config("127.0.0.1:0", &rest).await, &[]);
    ours.write(folder.path(), "ca");
    ours.server(&["localhost", "gateway.test", "other.test"]).write(folder.path(), "server");
    ours.leaf(&["ops.example"], Validity::Now, Role::Client).write(folder.path(), "ops");
    ours.leaf(&["intern.example"], Validity::Now, Role::Client).write(folder.path(), "intern");
    Authority::new("others").leaf(&["ops.example"], Validity::Now, Role::Client).write(folder.path(), "stranger");
    Gateway::start_in(folder).await
}

async fn asked_over_tls(gateway: &Gateway, host: &str, arguments: &[&str]) -> Curled {
    let port = admin_of(gateway).await.port();
    let (url, resolve) = (format!("https://{host}:{port}/status"), format!("{host}:{port}:127.0.0.1"));
    let arguments =
        [&["--cacert", "ca.pem", "--resolve", &resolve, "--write-out", " %{response_code}"], arguments, &[&url]]
            .concat();
    curl(gateway.folder.path(), &arguments).await
}

#[tokio::test]
async fn certificates_that_are_listed_have_a_role_and_others_have_none() {
    let gateway = over_tls("optional").await;
    let answered = async |host: &str, arguments: &[&str]| {
        let curled = asked_over_tls(&gateway, host, arguments).await;
        assert_eq!(curled.status, Some(0), "{curled:#?}");
        curled.stdout
    };
    let ops = ["--cert", "ops.pem", "--key", "ops.key"];
    let intern = ["--cert", "intern.pem", "--key", "intern.key"];
    let token = ["--header", "kong-admin-token: writer-0123456789"];
    assert!(answered("localhost", &ops).await.ends_with(" 200"));
    assert!(answered("localhost", &token).await.ends_with(" 200"));
    assert!(answered("localhost", &[]).await.ends_with(" 401"));
    let refused = answered("localhost", &intern).await;
    assert!(refused.ends_with(" 403") && refused.contains("list it in `admin.clients`"), "{refused}");
    // The name that it goes by is one of its own.
    assert!(answered("gateway.test", &ops).await.ends_with(" 200"));
    assert!(answered("other.test", &ops).await.ends_with(" 403"));
    // Another authority's certificate ends the handshake, whatever it says.
    let stranger = asked_over_tls(&gateway, "localhost", &["--cert", "stranger.pem", "--key", "stranger.key"]).await;
    assert_ne!(stranger.status, Some(0), "{stranger:#?}");
    gateway.logged("message", "a TLS handshake with the admin API failed").await;
}

#[tokio::test]
async fn certificates_that_are_required_keep_everybody_else_out() {
    let gateway = over_tls("required").await;
    let nobody = asked_over_tls(&gateway, "localhost", &["--header", "kong-admin-token: writer-0123456789"]).await;
    assert_ne!(nobody.status, Some(0), "{nobody:#?}");
    let ops = asked_over_tls(&gateway, "localhost", &["--cert", "ops.pem", "--key", "ops.key"]).await;
    assert!(ops.stdout.ends_with(" 200"), "{ops:#?}");
    // In the clear there is nobody.
    let clear = format!("http://localhost:{}/status", admin_of(&gateway).await.port());
    assert_ne!(curl(gateway.folder.path(), &[&clear]).await.status, Some(0));
}

#[tokio::test]
async fn a_certificate_is_renewed_without_a_restart() {
    let gateway = over_tls("optional").await;
    let token = ["--header", "kong-admin-token: writer-0123456789"];
    assert!(asked_over_tls(&gateway, "localhost", &token).await.stdout.ends_with(" 200"));
    let next = Authority::new("next");
    next.server(&["localhost"]).write(gateway.folder.path(), "server");
    next.write(gateway.folder.path(), "ca");
    gateway.logged("message", "configuration changed").await;
    let renewed = asked_over_tls(&gateway, "localhost", &token).await;
    assert!(renewed.stdout.ends_with(" 200"), "{renewed:#?}");
}

#[tokio::test]
async fn a_unix_socket_is_its_owners() {
    let place = tempfile::tempdir().unwrap();
    let socket = place.path().join("admin.sock");
    let gateway = Gateway::start(&config(&format!("unix:{}", socket.display()), "").await).await;
    gateway.logged("message", "admin listening").await;
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    let asked = async |path: &str, folder: &Path| {
        let socket = socket.to_str().unwrap();
        curl(folder, &["--unix-socket", socket, &format!("http://localhost{path}")]).await.stdout
    };
    assert!(asked("/status", gateway.folder.path()).await.contains("\"generation\":1"));
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let gateway = Gateway::start(&config("127.0.0.1:0", "").await).await;
    let admin = admin_of(&gateway).await;
    let head = "GET /status HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\nhalf";
    let answer = crate::harness::raw::exchange(admin, head).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    // A larger one than is taken here is not even looked at.
    let head = "GET /status HTTP/1.1\r\nhost: localhost\r\ncontent-length: 99999999\r\n\r\n";
    let answer = crate::harness::raw::exchange(admin, head).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}
