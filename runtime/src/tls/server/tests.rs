use rcgen::{DnType, KeyPair, RsaKeySize};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, HandshakeKind, ProtocolVersion, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::super::client::Client;
use super::super::fault::{ClientFault, HandshakeFault, OurCertificate, classify, client_fault};
use super::super::identity::Peer;
use super::super::testing::{Authority, meet, params, raw_client, serving};
use super::*;

/// A certificate whose handshakes any client that knows no name for it can finish.
fn blind(certificate: Option<Arc<CertifiedKey>>) -> Arc<ClientConfig> {
    Client { verify: super::super::client::Verify::No, certificate, ..Client::default() }.into_config().unwrap()
}

async fn shown(server: &Arc<ServerConfig>, client: &Arc<ClientConfig>, name: &str) -> CertificateDer<'static> {
    let (accepted, connected) = meet(server, client, name).await;
    accepted.unwrap();
    connected.unwrap().stream.get_ref().1.peer_certificates().unwrap()[0].clone()
}

#[tokio::test]
async fn sni_picks_the_certificate_by_its_own_names() {
    let authority = Authority::new("Test CA");
    let certificates: Vec<_> =
        [&["default.example"][..], &["*.shop.example", "other.example"], &["www.shop.example"], &["UPPER.example"]]
            .iter()
            .map(|names| authority.issue(names))
            .collect();
    let own: Vec<_> = certificates.iter().map(|certificate| certificate.key.cert[0].clone()).collect();
    let server = serving(certificates).into_config().unwrap();
    for (name, expected) in [
        ("default.example", 0),
        ("www.shop.example", 2),
        ("WWW.Shop.Example", 2),
        ("any.shop.example", 1),
        ("ANY.shop.example", 1),
        ("other.example", 1),
        ("upper.example", 3),
        ("a.b.shop.example", 0),
        ("shop.example", 0),
        ("unknown.example", 0),
        ("192.0.2.1", 0),
    ] {
        assert_eq!(shown(&server, &blind(None), name).await, own[expected], "{name}");
    }
}

#[tokio::test]
async fn a_client_gets_the_key_that_it_can_verify() {
    let authority = Authority::new("Test CA");
    let rsa = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    // RSA first, and with a wildcard only: what is cheaper, and what is exact, still come before it.
    let rsa = authority.issue_with(&["both.example", "*.wide.example"], &rsa, |_| {});
    let ecdsa = authority.issue(&["both.example", "*.wide.example"]);
    let exact = authority.issue(&["a.wide.example"]);
    let [for_rsa, for_ecdsa, for_exact] = [&rsa, &ecdsa, &exact].map(|certificate| certificate.key.cert[0].clone());
    let server = serving(vec![rsa, ecdsa, exact]).into_config().unwrap();

    let only = |algorithm: &str| {
        let mut provider = (*provider()).clone();
        // TLS 1.3's suites say nothing about signatures, so this client is one of 1.2.
        provider.cipher_suites.retain(|suite| format!("{suite:?}").contains(algorithm));
        let config = ClientConfig::builder_with_provider(Arc::new(provider)).with_protocol_versions(&[&TLS12]).unwrap();
        Arc::new(config.with_root_certificates(authority.roots()).with_no_client_auth())
    };
    let modern = authority.trusted().into_config().unwrap();
    assert_eq!(shown(&server, &modern, "both.example").await, for_ecdsa);
    assert_eq!(shown(&server, &modern, "a.wide.example").await, for_exact);
    assert_eq!(shown(&server, &only("ECDHE_ECDSA"), "both.example").await, for_ecdsa);
    assert_eq!(shown(&server, &only("ECDHE_RSA"), "both.example").await, for_rsa);
    assert_eq!(shown(&server, &only("ECDHE_RSA"), "a.wide.example").await, for_rsa);
    // Without a name, the default has its twin too.
    assert_eq!(shown(&server, &blind(None), "192.0.2.1").await, for_ecdsa);
}

#[test]
fn names_come_from_the_alternative_names_or_else_the_common_name() {
    let key = KeyPair::generate().unwrap();
    let names = |alternative: &[&str], common: &[&str]| {
        let mut params = params(alternative);
        // rcgen keeps one value of a type, so that several are one after the other only in this test's table.
        common.iter().for_each(|name| params.distinguished_name.push(DnType::CommonName, *name));
        server_names(params.self_signed(&key).unwrap().der())
    };
    assert_eq!(names(&["B.example", "a.example", "b.example"], &["cn.example"]), ["a.example", "b.example"]);
    assert_eq!(names(&["*.A.example"], &[]), ["*.a.example"]);
    assert_eq!(names(&["192.0.2.1"], &["cn.example"]), [""; 0]);
    assert_eq!(names(&[], &["CN.example"]), ["cn.example"]);
    for odd in ["Jane Doe", "", "a..b", "*", "*.", "a.*.b", "f*.example", "a\0.example"] {
        assert_eq!(names(&[], &[odd]), [""; 0], "{odd:?}");
    }
    assert_eq!(server_names(&CertificateDer::from(vec![1, 2, 3])), [""; 0]);
}

#[tokio::test]
async fn alpn_offers_h2_only_where_it_is_wanted() {
    let authority = Authority::new("Test CA");
    let certificate = authority.issue(&["a.example"]);
    for (http2, offered, expected) in [
        (true, &["h2", "http/1.1"][..], Some("h2")),
        (false, &["h2", "http/1.1"], Some("http/1.1")),
        (true, &["http/1.1"], Some("http/1.1")),
        (true, &[], None),
    ] {
        let server = Server { http2, ..serving(vec![certificate.clone()]) }.into_config().unwrap();
        let alpn = offered.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        let client = Client { alpn, ..authority.trusted() }.into_config().unwrap();
        let (accepted, _) = meet(&server, &client, "a.example").await;
        assert_eq!(accepted.unwrap().get_ref().1.alpn_protocol(), expected.map(str::as_bytes));
    }
}

#[tokio::test]
async fn versions_from_the_least_on() {
    let authority = Authority::new("Test CA");
    let certificate = authority.issue(&["a.example"]);
    let both: [&[&'static SupportedProtocolVersion]; 2] = [&[&TLS12], &[&TLS13]];
    for (min, versions, expected) in [
        (Version::Tls12, both[0], Ok(ProtocolVersion::TLSv1_2)),
        (Version::Tls12, both[1], Ok(ProtocolVersion::TLSv1_3)),
        (Version::Tls13, both[1], Ok(ProtocolVersion::TLSv1_3)),
        (Version::Tls13, both[0], Err(ClientFault::Version)),
    ] {
        let server = Server { min, ..serving(vec![certificate.clone()]) }.into_config().unwrap();
        assert_eq!(server.max_early_data_size, 0);
        let client = Arc::new(raw_client(authority.roots(), versions));
        let (accepted, connected) = meet(&server, &client, "a.example").await;
        let got = accepted.map(|stream| stream.get_ref().1.protocol_version().unwrap());
        assert_eq!(got.map_err(|error| client_fault(&error)), expected);
        if expected.is_err() {
            assert_eq!(connected.unwrap_err().fault, HandshakeFault::Version);
        }
    }
}

#[tokio::test]
async fn clients_are_asked_for_certificates_as_configured() {
    let (authority, stranger) = (Authority::new("Clients' CA"), Authority::new("Another CA"));
    let certificate = Authority::new("Servers' CA").issue(&["a.example"]);
    let (good, bad) = (authority.client("alice"), stranger.client("mallory"));
    let late = authority.issue_with(&[], &KeyPair::generate().unwrap(), |params| {
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    });
    let early = authority.issue_with(&[], &KeyPair::generate().unwrap(), |params| {
        params.not_before = rcgen::date_time_ymd(4000, 1, 1);
    });
    let servers_own = authority.issue_with(&[], &KeyPair::generate().unwrap(), |params| {
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    });
    let roots = authority.roots();
    let (none, optional, required) =
        (ClientAuth::None, ClientAuth::Optional(Arc::clone(&roots)), ClientAuth::Required(roots));
    let nobody: Result<Option<&str>, ClientFault> = Ok(None);
    for (client_auth, certificates, expected) in [
        (&none, None, nobody),
        (&none, Some(&good), nobody),
        (&optional, None, nobody),
        (&optional, Some(&good), Ok(Some("alice"))),
        (&optional, Some(&bad), Err(ClientFault::CertificateUnknownIssuer)),
        (&required, None, Err(ClientFault::CertificateMissing)),
        (&required, Some(&good), Ok(Some("alice"))),
        (&required, Some(&bad), Err(ClientFault::CertificateUnknownIssuer)),
        (&required, Some(&late), Err(ClientFault::CertificateExpired)),
        (&required, Some(&early), Err(ClientFault::CertificateNotYetValid)),
        (&required, Some(&servers_own), Err(ClientFault::CertificatePurpose)),
    ] {
        let server = Server { client_auth: client_auth.clone(), ..serving(vec![certificate.clone()]) };
        let client = blind(certificates.map(|certificate| Arc::clone(&certificate.key)));
        let (accepted, _) = meet(&server.into_config().unwrap(), &client, "a.example").await;
        let name = accepted.map(|stream| {
            let peer = Peer::new(stream.get_ref().1.peer_certificates());
            peer.map(|peer| peer.identity().unwrap().common_name.clone().unwrap())
        });
        let name = name.map_err(|error| client_fault(&error));
        assert_eq!(name.as_ref().map(Option::as_deref), expected.as_ref().map(|name| *name));
    }
    let nothing = ClientAuth::Required(Arc::new(RootCertStore::empty()));
    let server = Server { client_auth: nothing, ..serving(vec![certificate]) };
    assert!(matches!(server.into_config(), Err(Error::NothingToTrust(_))));
}

/// Connect, exchange a byte each way, so that the tickets arrive, and say how the handshake went.
async fn visit(server: &Arc<ServerConfig>, client: &Arc<ClientConfig>) -> HandshakeKind {
    let (accepted, connected) = meet(server, client, "a.example").await;
    let (mut far, mut near) = (accepted.unwrap(), connected.unwrap().stream);
    far.write_all(b"x").await.unwrap();
    far.flush().await.unwrap();
    near.read_u8().await.unwrap();
    near.get_ref().1.handshake_kind().unwrap()
}

#[tokio::test]
async fn sessions_outlive_a_reload_unless_they_vouch_for_somebody() {
    let authority = Authority::new("Test CA");
    for versions in [&[&TLS12][..], &[&TLS13]] {
        let config = |client_auth| {
            let server = Server { client_auth, ..serving(vec![authority.issue(&["a.example"])]) };
            server.into_config().unwrap()
        };
        let full = |kind| matches!(kind, HandshakeKind::Full | HandshakeKind::FullWithHelloRetryRequest);

        let client = Arc::new(raw_client(authority.roots(), versions));
        assert!(full(visit(&config(ClientAuth::None), &client).await));
        assert_eq!(visit(&config(ClientAuth::None), &client).await, HandshakeKind::Resumed);
        // A ticket from where nobody is asked opens no door where everybody is.
        let asking = config(ClientAuth::Optional(authority.roots()));
        assert!(full(visit(&asking, &client).await));
        assert_eq!(visit(&asking, &client).await, HandshakeKind::Resumed);
        // The next generation asks the same, and so the ticket is as good as it was; then others are trusted.
        assert_eq!(visit(&config(ClientAuth::Optional(authority.roots())), &client).await, HandshakeKind::Resumed);
        assert!(full(visit(&config(ClientAuth::Optional(Authority::new("Another CA").roots())), &client).await));
        // Nor does one open a door for who has shown nothing, where everybody has to.
        visit(&asking, &client).await;
        let (accepted, _) = meet(&config(ClientAuth::Required(authority.roots())), &client, "a.example").await;
        assert_eq!(client_fault(&accepted.unwrap_err()), ClientFault::CertificateMissing);
    }
}

#[tokio::test]
async fn a_resumed_session_keeps_its_identity() {
    let authority = Authority::new("Test CA");
    let client_auth = ClientAuth::Required(authority.roots());
    let server = Server { client_auth, ..serving(vec![authority.issue(&["a.example"])]) }.into_config().unwrap();
    let alice = Some(authority.client("alice").key);
    let client = Client { certificate: alice, ..authority.trusted() }.into_config().unwrap();
    visit(&server, &client).await;
    let (accepted, connected) = meet(&server, &client, "a.example").await;
    assert_eq!(connected.unwrap().certificate, OurCertificate::NotAsked);
    let stream = accepted.unwrap();
    let connection = stream.get_ref().1;
    assert_eq!(connection.handshake_kind(), Some(HandshakeKind::Resumed));
    let peer = Peer::new(connection.peer_certificates()).unwrap();
    assert_eq!(peer.identity().unwrap().common_name.as_deref(), Some("alice"));
}

#[tokio::test]
async fn what_a_client_says_about_our_certificate() {
    let authority = Authority::new("Test CA");
    let key = KeyPair::generate().unwrap();
    let late = authority.issue_with(&["a.example"], &key, |params| params.not_after = rcgen::date_time_ymd(2020, 1, 1));
    let good = authority.issue(&["a.example"]);
    let trusting = |authority: &Authority| authority.trusted().into_config().unwrap();
    for (certificate, client, name, expected) in [
        (&late, trusting(&authority), "a.example", ClientFault::OursExpired),
        (&good, trusting(&Authority::new("Another CA")), "a.example", ClientFault::OursUnknownIssuer),
        (&good, trusting(&authority), "b.example", ClientFault::OursRefused),
    ] {
        let server = serving(vec![certificate.clone()]).into_config().unwrap();
        let (accepted, connected) = meet(&server, &client, name).await;
        assert!(connected.is_err());
        assert_eq!(client_fault(&accepted.unwrap_err()), expected);
    }
    let alpn = Client { alpn: vec![b"h2".to_vec()], ..authority.trusted() }.into_config().unwrap();
    let server = serving(vec![good]).into_config().unwrap();
    let (accepted, connected) = meet(&server, &alpn, "a.example").await;
    assert_eq!(client_fault(&accepted.unwrap_err()), ClientFault::Alpn);
    let error = connected.unwrap_err().error;
    assert_eq!(classify(&error, OurCertificate::NotAsked), HandshakeFault::Alpn);
}

#[tokio::test]
async fn plain_http_and_clients_that_leave() {
    let server = serving(vec![Authority::new("Test CA").issue(&["a.example"])]).into_config().unwrap();
    for (sent, expected) in [
        (&b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"[..], ClientFault::NotTls),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", ClientFault::NotTls),
        (b"", ClientFault::Closed),
        (b"\x16\x03\x01\x02", ClientFault::Closed),
    ] {
        let (mut near, far) = tokio::io::duplex(1 << 10);
        near.write_all(sent).await.unwrap();
        near.shutdown().await.unwrap();
        let error = tokio_rustls::TlsAcceptor::from(Arc::clone(&server)).accept(far).await.unwrap_err();
        assert_eq!(client_fault(&error), expected, "{error}");
    }
}
