//! Certificates that all listeners share: which one a client gets, in which form they are given, and what becomes of
//! connections and sessions when they change.

use std::process::Command;

use hyper::Version;
use rustls::HandshakeKind;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::harness::certs::{Authority, Leaf, Role, Validity};
use crate::harness::gateway::{folder, run};
use crate::harness::program::curl;
use crate::harness::tls::{Connector, Hello};
use crate::harness::{Gateway, Origin, Session, one_route, until};

const TWO_LISTENERS: &str = "[[listeners]]\naddress = \"127.0.0.1:0\"\n\
    tls = { certificates = [{ cert = \"own.pem\", key = \"own.key\" }] }\n\
    [[listeners]]\naddress = \"127.0.0.1:0\"\ntls = {}\n";

/// One of `[[certificates]]`, by the text itself.
fn inline(leaf: &Leaf, rest: &str) -> String {
    format!("[[certificates]]\ncert = '''\n{}'''\nkey = '''\n{}'''\n{rest}\n", leaf.cert_pem, leaf.key_pem)
}

/// Whose certificate a client gets that asks for `name` and looks at nothing but the issuer; the error if none.
async fn serves(gateway: &Gateway, listener: usize, authority: &Authority, name: &str) -> Result<Vec<u8>, String> {
    let stream = TcpStream::connect(gateway.addresses[listener]).await.unwrap();
    let shaken = Connector::new(Hello::default(), authority).handshake_as_anybody(stream, name).await;
    shaken.map(|stream| stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()).map_err(|error| error.to_string())
}

fn der(leaf: &Leaf) -> Vec<u8> {
    leaf.chain().0[0].to_vec()
}

#[tokio::test]
async fn all_listeners_share_them_and_the_nearest_name_wins() {
    let upstream = Origin::echo("u").await;
    let authority = Authority::new("ours");
    let leaf = |name: &str| authority.server(&[name]);
    let (own, exact, star, end, by_itself) =
        (leaf("*.a.com"), leaf("x"), leaf("x"), leaf("x"), leaf("itself.example.com"));
    let folder = folder(
        &[
            TWO_LISTENERS,
            &inline(&exact, "snis = [\"api.a.com\"]"),
            &inline(&star, "snis = [\"*.a.com\", \"*.b.com\"]"),
            "[[certificates]]\ncert = \"end.pem\"\nkey = \"file:end.key\"\nsnis = [\"b.*\"]\n",
            &inline(&by_itself, ""),
            &one_route(upstream.address, ""),
        ]
        .concat(),
        &[],
    );
    own.write(folder.path(), "own");
    end.write(folder.path(), "end");
    authority.write(folder.path(), "ca");
    let gateway = Gateway::start_in(folder).await;
    for (name, with_own, without) in [
        ("api.a.com", &exact, Some(&exact)),
        ("www.a.com", &own, Some(&star)),
        ("www.b.com", &star, Some(&star)),
        ("b.org", &end, Some(&end)),
        ("itself.example.com", &by_itself, Some(&by_itself)),
        ("x.y.b.com", &own, None),
        ("elsewhere.example.com", &own, None),
    ] {
        assert_eq!(serves(&gateway, 0, &authority, name).await, Ok(der(with_own)), "{name}");
        let got = serves(&gateway, 1, &authority, name).await;
        match without {
            Some(leaf) => assert_eq!(got, Ok(der(leaf)), "{name}"),
            None => {
                assert!(got.as_ref().is_err_and(|error| error.contains("UnrecognisedName")), "{name}: {got:?}");
                gateway.logged("message", &format!("there is no certificate for \"{name}\"")).await;
            }
        }
    }
    // A client of another make, which checks the name, too.
    let port = gateway.addresses[1].port();
    for (name, expected) in [("itself.example.com", Some(0)), ("other.example.com", Some(35))] {
        let resolve = format!("{name}:{port}:127.0.0.1");
        let url = format!("https://{name}:{port}/");
        let curled = curl(gateway.folder.path(), &["--cacert", "ca.pem", "--resolve", &resolve, &url]).await;
        assert_eq!(curled.status, expected, "{curled:#?}");
    }
}

/// What OpenSSL's client says of its connection to `gateway`, asking for `a.com`.
async fn openssl(gateway: &Gateway, arguments: &[&str]) -> String {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-brief", "-servername", "a.com", "-CAfile", "ca.pem", "-connect"]);
    command.arg(gateway.addresses[0].to_string()).args(arguments).current_dir(gateway.folder.path());
    command.stdin(std::process::Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

#[tokio::test]
async fn an_alternative_is_for_clients_that_know_one_kind_of_signature() {
    let upstream = Origin::echo("u").await;
    let authority = Authority::new("ours");
    let config = [
        "[[listeners]]\naddress = \"127.0.0.1:0\"\ntls = {}\n\
         [[certificates]]\ncert = \"rsa.pem\"\nkey = \"rsa.key\"\ncert_alt = \"ecdsa.pem\"\nkey_alt = \"ecdsa.key\"\n\
         snis = [\"*\"]\n",
        &one_route(upstream.address, ""),
    ];
    let folder = folder(&config.concat(), &[]);
    authority.server(&["a.com"]).write(folder.path(), "ecdsa");
    authority.rsa_server(&["a.com"]).write(folder.path(), "rsa");
    authority.write(folder.path(), "ca");
    let gateway = Gateway::start_in(folder).await;
    for (arguments, expected) in [
        (&["-tls1_3"][..], "Signature type: ecdsa_secp256r1_sha256"),
        (&["-tls1_3", "-sigalgs", "ecdsa_secp256r1_sha256"], "Signature type: ecdsa_secp256r1_sha256"),
        (
            &["-tls1_3", "-sigalgs", "rsa_pss_rsae_sha256:rsa_pkcs1_sha256:ecdsa_secp384r1_sha384"],
            "Signature type: rsa_pss_rsae_sha256",
        ),
        (&["-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"], "Ciphersuite: ECDHE-RSA"),
        (&["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"], "Ciphersuite: ECDHE-ECDSA"),
    ] {
        let said = openssl(&gateway, arguments).await.to_lowercase();
        assert!(said.contains("verification: ok"), "{arguments:?}: {said}");
        // Versions of OpenSSL differ in how they call a signature.
        let key =
            if expected.to_lowercase().contains("rsa_pss") || expected.contains("ECDHE-RSA") { "rsa" } else { "ecdsa" };
        let line = said.lines().find(|line| line.contains("signature type") || line.contains("ciphersuite: ecdhe"));
        assert!(line.is_some_and(|line| line.contains(key)), "{arguments:?}: {said}");
    }
}

#[tokio::test]
async fn they_are_replaced_while_connections_live_on() {
    let upstream = Origin::echo("u").await;
    let authority = Authority::new("ours");
    let config = |leaf: &Leaf, snis: &str| {
        let listener = "[[listeners]]\naddress = \"127.0.0.1:0\"\ntls = {}\n";
        [listener, &inline(leaf, &format!("snis = [{snis}]")), &one_route(upstream.address, "")].concat()
    };
    let (old, new) = (authority.server(&["localhost"]), authority.server(&["localhost"]));
    let gateway = Gateway::start_in(folder(&config(&old, "\"localhost\""), &[])).await;
    let stream = Hello::default().connect(gateway.addresses[0], "localhost", &authority).await.unwrap();
    let mut before = Session::over(stream, Version::HTTP_11).await;
    assert_eq!(before.get("/").await.status, 200);

    gateway.write_config(&config(&new, "\"localhost\""));
    until("the new certificate", async || {
        (serves(&gateway, 0, &authority, "localhost").await == Ok(der(&new))).then_some(())
    })
    .await;
    assert_eq!(before.get("/").await.status, 200, "on the connection that was there before");

    // A name that is taken away is nobody's from then on.
    gateway.write_config(&config(&new, "\"other.example.com\""));
    until("the name's end", async || serves(&gateway, 0, &authority, "localhost").await.err()).await;
    assert_eq!(before.get("/").await.status, 200);

    // Faults leave what there is.
    gateway.write_config(&config(&new, "\"a.com\", \"A.com\""));
    let refused = gateway.logged("message", "is listed already, on line").await;
    assert!(!refused.to_string().contains(new.key_pem.lines().nth(1).unwrap()), "{refused}");
    assert_eq!(serves(&gateway, 0, &authority, "other.example.com").await, Ok(der(&new)));
}

/// Connect, and wait for the answer to a request, so that the tickets are there.
async fn visit(gateway: &Gateway, connector: &Connector) -> HandshakeKind {
    let stream = TcpStream::connect(gateway.addresses[0]).await.unwrap();
    let mut stream = connector.handshake(stream, "localhost").await.unwrap();
    let request = b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    tokio::io::AsyncWriteExt::write_all(&mut stream, request).await.unwrap();
    let mut answer = Vec::new();
    // Not everybody ends TLS in an orderly way.
    let _ = stream.read_to_end(&mut answer).await;
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    stream.get_ref().1.handshake_kind().unwrap()
}

#[tokio::test]
async fn sessions_outlive_changes_that_do_not_concern_them() {
    let upstream = Origin::echo("u").await;
    let (authority, clients, others) = (Authority::new("ours"), Authority::new("clients"), Authority::new("others"));
    let own = inline(&authority.server(&["localhost"]), "");
    let alice = clients.leaf(&["alice"], Validity::Now, Role::Client);
    for ca in [None, Some(&clients)] {
        let config = |ca: Option<&Authority>, rest: &str| {
            let asks = if ca.is_some() { "client_ca_certificates = [\"clients\"]" } else { "" };
            let listener = format!("[[listeners]]\naddress = \"127.0.0.1:0\"\ntls = {{ {asks} }}\n");
            let pem = ca.map(Authority::pem).into_iter();
            let ca: String =
                pem.map(|pem| format!("[[ca_certificates]]\nname = \"clients\"\ncert = '''\n{pem}'''\n")).collect();
            [&listener, &own, &ca, rest, &one_route(upstream.address, "")].concat()
        };
        let gateway = Gateway::start_in(folder(&config(ca, ""), &[])).await;
        let connector = Connector::new(Hello { shows: ca.map(|_| &alice), ..Hello::default() }, &authority);
        assert_eq!(visit(&gateway, &connector).await, HandshakeKind::Full);
        assert_eq!(visit(&gateway, &connector).await, HandshakeKind::Resumed);
        let more = inline(&authority.server(&["more.example.com"]), "");
        gateway.write_config(&config(ca, &more));
        until("the next generation", async || (gateway.generation() == 2).then_some(())).await;
        assert_eq!(visit(&gateway, &connector).await, HandshakeKind::Resumed);
        if ca.is_some() {
            // Others are trusted from now on: a session is no way round that.
            gateway.write_config(&config(Some(&others), ""));
            until("the generation after", async || (gateway.generation() == 3).then_some(())).await;
            let stream = TcpStream::connect(gateway.addresses[0]).await.unwrap();
            let answered = match connector.handshake(stream, "localhost").await {
                Ok(stream) => Session::over(stream, Version::HTTP_11).await.try_ask("GET", "/", &[], "").await.is_ok(),
                Err(_) => false,
            };
            assert!(!answered);
        }
    }
}

#[tokio::test]
async fn a_check_tells_what_is_wrong_and_warns_of_what_has_expired() {
    let authority = Authority::new("ours");
    let (one, other) = (authority.server(&["a.com"]), authority.server(&["a.com"]));
    let expired = authority.leaf(&["b.com"], Validity::Expired, Role::Server);
    let mixed = inline(&one, "").replace(&one.key_pem, &other.key_pem);
    let route = one_route("127.0.0.1:9", "");
    let listener = "listeners = [{ address = \"127.0.0.1:0\", tls = {} }]\n";
    for (certificate, code, expected) in [
        (inline(&one, ""), 0, ": ok (1 routes"),
        (inline(&expired, "name = \"late\""), 0, "`cert` of certificate \\\"late\\\": expired on 2001-01-01"),
        (mixed, 1, "the key does not belong to the certificate `cert` of certificate 1"),
    ] {
        let folder = folder(&[listener, &certificate, &route].concat(), &[]);
        let outcome = run(folder.path(), &["check", "gateway.toml"]);
        let said = outcome.stdout + &outcome.stderr;
        assert_eq!(outcome.status.code(), Some(code), "{said}");
        assert!(said.contains(expected), "{expected}: {said}");
    }
}
