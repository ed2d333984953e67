//! TLS with clients: versions, certificates by SNI, their replacement, and certificates of clients.

use hyper::Version;
use rustls::version::{TLS12, TLS13};
use tokio::net::TcpStream;

use super::over_tls;
use crate::harness::certs::{Authority, Leaf, Role, Validity};
use crate::harness::gateway::folder;
use crate::harness::tls::Hello;
use crate::harness::{Answer, Gateway, Origin, Session, built, one_route, until};

/// One request on a connection of its own.
async fn ask(gateway: &Gateway, authority: &Authority, hello: Hello<'_>) -> Result<Answer, String> {
    let stream = hello.connect(gateway.addresses[0], "localhost", authority).await.map_err(|e| e.to_string())?;
    // By TLS 1.3 a client learns after its handshake only that its certificate was refused.
    let mut session = Session::over(stream, Version::HTTP_11).await;
    session.try_ask("GET", "/", &[], "").await.map_err(|error| error.to_string())
}

#[tokio::test]
async fn both_versions_of_tls_unless_one_is_refused() {
    let upstream = Origin::echo("u").await;
    let authority = Authority::new("ours");
    let both = over_tls(&authority, upstream.address, "", "").await;
    let newer = over_tls(&authority, upstream.address, "", "min_version = \"1.3\"").await;
    for (version, expected) in [(&TLS12, false), (&TLS13, true)] {
        let hello = Hello { version: Some(version), ..Hello::default() };
        assert_eq!(ask(&both, &authority, hello).await.unwrap().status, 200, "{version:?}");
        assert_eq!(ask(&newer, &authority, hello).await.is_ok(), expected, "{version:?}");
    }
}

#[tokio::test]
async fn http_on_a_port_for_tls_hurts_nobody_else() {
    let upstream = Origin::echo("u").await;
    let authority = Authority::new("ours");
    let gateway = over_tls(&authority, upstream.address, "", "").await;
    let answer = crate::harness::raw::exchange(gateway.addresses[0], "GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(!answer.contains("200 OK"), "{answer}");
    assert_eq!(ask(&gateway, &authority, Hello::default()).await.unwrap().status, 200);
    assert_eq!(upstream.requests(), 1);
}

/// Whose certificate a client gets that asks for `name`; `None`: one for another name.
async fn serves(gateway: &Gateway, authority: &Authority, name: &str) -> Option<Vec<u8>> {
    let stream = Hello::default().connect(gateway.addresses[0], name, authority).await.ok()?;
    Some(stream.get_ref().1.peer_certificates().unwrap()[0].to_vec())
}

fn der(leaf: &Leaf) -> Option<Vec<u8>> {
    Some(leaf.chain().0[0].to_vec())
}

#[tokio::test]
async fn the_name_that_a_client_asks_for_picks_the_certificate() {
    let upstream = Origin::echo("u").await;
    let authority = Authority::new("ours");
    let pair = |name| format!("{{ cert = \"{name}.pem\", key = \"{name}.key\" }}");
    let config = format!(
        "[[listeners]]\naddress = \"127.0.0.1:0\"\n[listeners.tls]\ncertificates = [{}, {}, {}]\n{}",
        pair("first"),
        pair("exact"),
        pair("wildcard"),
        one_route(upstream.address, "")
    );
    let folder = folder(&config, &[]);
    let first = authority.server(&["first.example.com"]);
    let exact = authority.server(&["a.shop.example.com", "b.example.com"]);
    let wildcard = authority.server(&["*.shop.example.com"]);
    for (name, leaf) in [("first", &first), ("exact", &exact), ("wildcard", &wildcard)] {
        leaf.write(folder.path(), name);
    }
    let gateway = Gateway::start_in(folder).await;
    for (name, expected) in [
        ("first.example.com", &first),
        ("a.shop.example.com", &exact),
        ("b.example.com", &exact),
        ("c.shop.example.com", &wildcard),
    ] {
        assert_eq!(serves(&gateway, &authority, name).await, der(expected), "{name}");
    }
    // A star is one label; and who is nobody's gets the first.
    for name in ["c.d.shop.example.com", "shop.example.com", "elsewhere.example.net"] {
        let error = Hello::default().connect(gateway.addresses[0], name, &authority).await.unwrap_err();
        assert!(error.to_string().contains("first.example.com"), "{name}: {error}");
    }
}

#[tokio::test]
async fn certificates_are_replaced_while_connections_live_on() {
    let upstream = Origin::echo("u").await;
    let authority = Authority::new("ours");
    let gateway = over_tls(&authority, upstream.address, "", "").await;
    let stream = Hello::default().connect(gateway.addresses[0], "localhost", &authority).await.unwrap();
    let mut before = Session::over(stream, Version::HTTP_11).await;
    assert_eq!(before.get("/").await.status, 200);

    let renewed = authority.server(&["localhost"]);
    gateway.replace("server.pem", renewed.cert_pem.as_bytes());
    gateway.replace("server.key", renewed.key_pem.as_bytes());
    until("the renewed certificate", async || {
        (serves(&gateway, &authority, "localhost").await == der(&renewed)).then_some(())
    })
    .await;
    assert_eq!(before.get("/").await.status, 200, "on the connection that was there before");
    assert_eq!(gateway.listening().len(), 1, "the address was opened once");

    gateway.replace("server.pem", b"-----BEGIN CERTIFICATE-----\nbroken\n-----END CERTIFICATE-----\n");
    gateway.logged("message", "keeps serving").await;
    assert_eq!(serves(&gateway, &authority, "localhost").await, der(&renewed));
}

/// A gateway that has certificates of clients checked.
async fn with_client_auth(authority: &Authority, clients: &Authority, auth: &str, upstream: &Origin) -> Gateway {
    let config = format!(
        "[components.witness]\npath = \"witness.wasm\"\n\
         [[listeners]]\naddress = \"127.0.0.1:0\"\n[listeners.tls]\n\
         certificates = [{{ cert = \"server.pem\", key = \"server.key\" }}]\nclient_ca = \"clients.pem\"\n{auth}\n{}",
        one_route(upstream.address, "plugins = [{ use = \"witness\" }]")
    );
    let folder = folder(&config, &[("witness.wasm", &built("guests/witness.wasm"))]);
    authority.server(&["localhost"]).write(folder.path(), "server");
    clients.write(folder.path(), "clients");
    Gateway::start_in(folder).await
}

#[tokio::test]
async fn clients_show_certificates() {
    let upstream = Origin::echo("u").await;
    let (authority, clients, others) = (Authority::new("ours"), Authority::new("clients"), Authority::new("others"));
    let known = clients.leaf(&["alice"], Validity::Now, Role::Client);
    let expired = clients.leaf(&["alice"], Validity::Expired, Role::Client);
    let unknown = others.leaf(&["alice"], Validity::Now, Role::Client);
    for (auth, without) in [("", false), ("client_auth = \"required\"", false), ("client_auth = \"optional\"", true)] {
        let gateway = with_client_auth(&authority, &clients, auth, &upstream).await;
        for version in [&TLS12, &TLS13] {
            for (shows, expected) in
                [(None, without), (Some(&known), true), (Some(&expired), false), (Some(&unknown), false)]
            {
                let hello = Hello { version: Some(version), shows, ..Hello::default() };
                let answer = ask(&gateway, &authority, hello).await;
                assert_eq!(answer.is_ok(), expected, "{auth} {version:?}: {answer:?}");
                // Plugins know who it is, and only who was verified.
                let Ok(answer) = answer else { continue };
                assert_eq!(answer.upstream_got("x-saw-scheme").as_deref(), Some("https"));
                assert_eq!(answer.upstream_got("x-saw-names").as_deref(), shows.map(|_| "alice"));
                let fingerprint = shows.map(|leaf| sha256(&leaf.chain().0[0]));
                assert_eq!(answer.upstream_got("x-saw-fingerprint"), fingerprint);
            }
        }
    }
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a_handshake_that_stalls_holds_up_nobody() {
    let upstream = Origin::echo("u").await;
    let authority = Authority::new("ours");
    let gateway = over_tls(&authority, upstream.address, "", "").await;
    let mut stalled = Vec::new();
    for _ in 0..20 {
        stalled.push(TcpStream::connect(gateway.addresses[0]).await.unwrap());
    }
    for _ in 0..8 {
        assert_eq!(ask(&gateway, &authority, Hello::default()).await.unwrap().status, 200);
    }
}
