use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, IsCa, KeyPair, RevokedCertParams,
    SerialNumber, date_time_ymd,
};
use rustls::client::WebPkiServerVerifier;
use rustls::version::TLS12;
use rustls::{ClientConfig, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::net::{TcpListener, TcpStream};

use super::super::client::{Client, Roots, connect, server_name};
use super::super::files::{Certificate, authorities, certificate};
use super::super::provider;
use super::super::server::{ClientAuth, Server};
use super::super::testing::{Authority, meet, meet_over, params, pem, raw_client, serving};
use super::*;

fn serve(certificate: Certificate) -> Arc<ServerConfig> {
    serving(vec![certificate]).into_config().unwrap()
}

async fn fault(server: &Arc<ServerConfig>, client: Client, name: &str) -> HandshakeFault {
    let (_, connected) = meet(server, &client.into_config().unwrap(), name).await;
    let refused = connected.unwrap_err();
    assert!(refused.to_string().starts_with(&refused.fault.to_string()));
    refused.fault
}

#[tokio::test]
async fn certificates_that_are_not_good() {
    let (authority, key) = (Authority::new("Test CA"), KeyPair::generate().unwrap());
    let issue = |change: fn(&mut CertificateParams)| serve(authority.issue_with(&["a.example"], &key, change));
    let good = issue(|_| {});
    let past = issue(|params| params.not_after = date_time_ymd(2020, 1, 1));
    let future = issue(|params| params.not_before = date_time_ymd(4000, 1, 1));
    let trusted = || authority.trusted();
    assert_eq!(fault(&past, trusted(), "a.example").await, HandshakeFault::Expired);
    assert_eq!(fault(&future, trusted(), "a.example").await, HandshakeFault::NotYetValid);
    assert_eq!(fault(&good, trusted(), "b.example").await, HandshakeFault::NameMismatch);
    let other = Authority::new("Another CA");
    assert_eq!(fault(&good, other.trusted(), "a.example").await, HandshakeFault::UnknownIssuer);
    // The CA was made anew, under its old name.
    let renewed = Authority::new("Test CA");
    assert_eq!(fault(&good, renewed.trusted(), "a.example").await, HandshakeFault::UnknownIssuer);
}

#[tokio::test]
async fn a_ca_that_serves_with_its_own_certificate() {
    let key = KeyPair::generate().unwrap();
    let mut params = params(&["a.example"]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let text = params.self_signed(&key).unwrap().pem();
    let own = certificate(&pem("own.pem", &text), &pem("own.key", &key.serialize_pem())).unwrap();
    let roots = Roots::Given(authorities(&pem("ca.pem", &text)).unwrap().roots);
    let client = Client { roots, ..Client::default() };
    assert_eq!(fault(&serve(own), client, "a.example").await, HandshakeFault::CaAsServer);
}

#[tokio::test]
async fn a_revoked_certificate() {
    let authority = Authority::new("Test CA");
    let serial = SerialNumber::from_slice(&[7]);
    let own = authority.issue_with(&["a.example"], &KeyPair::generate().unwrap(), |params| {
        params.serial_number = Some(serial.clone());
    });
    let revoked = RevokedCertParams {
        serial_number: serial,
        revocation_time: date_time_ymd(2024, 1, 1),
        reason_code: None,
        invalidity_date: None,
    };
    let list = CertificateRevocationListParams {
        this_update: date_time_ymd(2024, 1, 1),
        next_update: date_time_ymd(4000, 1, 1),
        crl_number: SerialNumber::from_slice(&[1]),
        issuing_distribution_point: None,
        revoked_certs: vec![revoked],
        key_identifier_method: rcgen::KeyIdMethod::Sha256,
    };
    let list = list.signed_by(&authority.0).unwrap();
    let verifier = WebPkiServerVerifier::builder_with_provider(authority.roots(), provider())
        .with_crls([list.der().clone()])
        .build()
        .unwrap();
    let client = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
    let client = client.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    let (_, connected) = meet(&serve(own), &Arc::new(client), "a.example").await;
    assert_eq!(connected.unwrap_err().fault, HandshakeFault::Revoked);
}

/// TLS 1.3's client is done before the server has seen its certificate, or missed it.
async fn first_read(server: &Arc<ServerConfig>, client: Client) -> HandshakeFault {
    let (accepted, connected) = meet(server, &client.into_config().unwrap(), "a.example").await;
    assert!(accepted.is_err());
    let mut connected = connected.unwrap();
    let error = connected.stream.read_u8().await.unwrap_err();
    classify(&error, connected.certificate)
}

#[tokio::test]
async fn servers_that_want_a_certificate_and_tell_on_the_first_read() {
    let (authority, stranger) = (Authority::new("Test CA"), Authority::new("Another CA"));
    let client_auth = ClientAuth::Required(authority.roots());
    let server = Server { client_auth, ..serving(vec![authority.issue(&["a.example"])]) }.into_config().unwrap();
    let with = |certificate| Client { certificate, ..authority.trusted() };
    assert_eq!(first_read(&server, with(None)).await, HandshakeFault::ClientCertificateRequired);
    let unknown = Some(stranger.client("mallory").key);
    assert_eq!(first_read(&server, with(unknown)).await, HandshakeFault::ClientCertificateRefused);
    let late = authority.issue_with(&[], &KeyPair::generate().unwrap(), |params| {
        params.not_after = date_time_ymd(2020, 1, 1);
    });
    assert_eq!(first_read(&server, with(Some(late.key))).await, HandshakeFault::ClientCertificateRefused);
}

/// Pass everything on between a client and a server of TLS 1.2, but make every alert of the server's `description`.
async fn with_alert(description: u8, client: Client, server: Arc<ServerConfig>) -> HandshakeFault {
    let ((near, mut client_side), (mut server_side, far)) = (duplex(64 << 10), duplex(64 << 10));
    let mut changed = 0;
    let relay = async {
        let (mut from_client, mut from_server) = (vec![0; 32 << 10], vec![0; 32 << 10]);
        loop {
            tokio::select! {
                count = client_side.read(&mut from_client) => {
                    let Ok(count @ 1..) = count else { return };
                    if server_side.write_all(&from_client[..count]).await.is_err() { return }
                }
                count = server_side.read(&mut from_server) => {
                    let Ok(count @ 1..) = count else { return };
                    if from_server[0] == 21 {
                        from_server[6] = description;
                        changed += 1;
                    }
                    if client_side.write_all(&from_server[..count]).await.is_err() { return }
                }
            }
        }
    };
    let client = client.into_config().unwrap();
    let (_, (accepted, connected)) = tokio::join!(relay, async {
        let (accepted, connected) = meet_over(&server, far, &client, near, "a.example").await;
        (accepted.err(), connected.err())
    });
    assert!(accepted.is_some());
    assert_eq!(changed, 1);
    connected.unwrap().fault
}

/// A server of TLS 1.2 alone that asks for certificates.
fn old_server(authority: &Authority) -> Arc<ServerConfig> {
    let own = authority.issue(&["a.example"]);
    let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(authority.roots(), provider());
    let config = ServerConfig::builder_with_provider(provider()).with_protocol_versions(&[&TLS12]).unwrap();
    let config = config.with_client_cert_verifier(verifier.build().unwrap());
    let resolver = rustls::sign::SingleCertAndKey::from((*own.key).clone());
    Arc::new(config.with_cert_resolver(Arc::new(resolver)))
}

#[tokio::test]
async fn before_tls_1_3_the_same_alert_means_different_things() {
    let (authority, stranger) = (Authority::new("Test CA"), Authority::new("Another CA"));
    let with = |certificate| Client { certificate, ..authority.trusted() };
    for alert in [40, 42, 46, 49, 116] {
        let fault = with_alert(alert, with(None), old_server(&authority)).await;
        assert_eq!(fault, HandshakeFault::ClientCertificateRequired, "alert {alert}");
    }
    for alert in [40, 42, 43, 44, 45, 46, 48, 49, 51] {
        let unknown = Some(stranger.client("mallory").key);
        let fault = with_alert(alert, with(unknown), old_server(&authority)).await;
        assert_eq!(fault, HandshakeFault::ClientCertificateRefused, "alert {alert}");
    }
}

#[tokio::test]
async fn nothing_in_common_is_not_a_missing_certificate() {
    let authority = Authority::new("Test CA");
    let mut provider = (*provider()).clone();
    provider.cipher_suites.retain(|suite| format!("{suite:?}").contains("ECDHE_RSA"));
    let server = ServerConfig::builder_with_provider(Arc::new(provider)).with_protocol_versions(&[&TLS12]).unwrap();
    let own = authority.issue(&["a.example"]);
    let resolver = rustls::sign::SingleCertAndKey::from((*own.key).clone());
    let server = Arc::new(server.with_no_client_auth().with_cert_resolver(Arc::new(resolver)));
    let (accepted, connected) = meet(&server, &authority.trusted().into_config().unwrap(), "a.example").await;
    assert_eq!(connected.unwrap_err().fault, HandshakeFault::NothingInCommon);
    assert_eq!(client_fault(&accepted.unwrap_err()), ClientFault::NothingInCommon);
}

#[tokio::test]
async fn protocols_that_are_not_spoken() {
    let authority = Authority::new("Test CA");
    let server = serve(authority.issue(&["a.example"]));
    let client = Client { alpn: vec![b"h2".to_vec()], ..authority.trusted() };
    assert_eq!(fault(&server, client, "a.example").await, HandshakeFault::Alpn);
    let old = Arc::new(raw_client(authority.roots(), &[&TLS12]));
    let strict = Server { min: super::super::server::Version::Tls13, ..serving(vec![authority.issue(&["a.example"])]) };
    let (_, connected) = meet(&strict.into_config().unwrap(), &old, "a.example").await;
    assert_eq!(connected.unwrap_err().fault, HandshakeFault::Version);
}

/// A server that reads the client's first bytes and answers with `answer`.
async fn answered(answer: &[u8]) -> HandshakeFault {
    let (near, mut far) = duplex(64 << 10);
    let server = async move {
        far.read_u8().await.unwrap();
        far.write_all(answer).await.unwrap();
        far.shutdown().await.unwrap();
        // Dropped at once, it would take the answer's reader for gone.
        let _ = far.read_to_end(&mut Vec::new()).await;
    };
    let client = async move {
        let config = Authority::new("Test CA").trusted().into_config().unwrap();
        connect(config, server_name("a.example").unwrap(), near).await.unwrap_err().fault
    };
    tokio::join!(server, client).1
}

#[tokio::test]
async fn answers_that_are_no_handshake() {
    for (answer, expected) in [
        (&b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"[..], HandshakeFault::NotSpoken),
        (b"SSH-2.0-OpenSSH_9.6\r\n", HandshakeFault::NotSpoken),
        (b"220 mail.example ESMTP\r\n", HandshakeFault::NotSpoken),
        (b"", HandshakeFault::Closed),
        (b"\x15\x03\x01\x00\x02\x02\x46", HandshakeFault::Version),
        (b"\x15\x03\x03\x00\x02\x02\x28", HandshakeFault::NothingInCommon),
        (b"\x15\x03\x03\x00\x02\x02\x70", HandshakeFault::NameUnknown),
        (b"\x15\x03\x03\x00\x02\x02\x50", HandshakeFault::Other),
    ] {
        assert_eq!(answered(answer).await, expected, "{}", answer.escape_ascii());
    }
}

#[tokio::test]
async fn a_connection_that_is_reset() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = async {
        let (stream, _) = listener.accept().await.unwrap();
        // What is closed with bytes unread is reset.
        stream.readable().await.unwrap();
    };
    let client = async {
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let config = Authority::new("Test CA").trusted().into_config().unwrap();
        connect(config, server_name("a.example").unwrap(), stream).await.unwrap_err().fault
    };
    assert_eq!(tokio::join!(server, client).1, HandshakeFault::Reset);
}

#[derive(Debug, thiserror::Error)]
#[error("as hyper wraps it")]
struct Wrapped(#[source] io::Error);

#[derive(Debug, thiserror::Error)]
#[error("as webpki says it")]
struct UnsupportedCertVersion;

#[test]
fn a_certificate_of_version_1() {
    // rcgen makes none; what rustls makes of webpki's error is what is seen here.
    let invalid = CertificateError::Other(rustls::OtherError(Arc::new(UnsupportedCertVersion)));
    let error = io::Error::new(io::ErrorKind::InvalidData, rustls::Error::InvalidCertificate(invalid));
    assert_eq!(classify(&error, OurCertificate::NotAsked), HandshakeFault::CertificateVersion);
}

#[test]
fn the_cause_is_found_behind_what_passes_it_on() {
    let tls =
        io::Error::new(io::ErrorKind::InvalidData, rustls::Error::AlertReceived(AlertDescription::UnrecognisedName));
    let twice = io::Error::other(Wrapped(tls));
    assert_eq!(classify(&Wrapped(twice), OurCertificate::NotAsked), HandshakeFault::NameUnknown);
    let eof = Wrapped(io::ErrorKind::UnexpectedEof.into());
    assert_eq!(classify(&eof, OurCertificate::NotAsked), HandshakeFault::Closed);
    let late: io::Error = io::ErrorKind::TimedOut.into();
    assert_eq!(classify(&late, OurCertificate::NotAsked), HandshakeFault::TimedOut);
    assert_eq!(client_fault(&late), ClientFault::TimedOut);
    assert_eq!(classify(&fmt::Error, OurCertificate::NotAsked), HandshakeFault::Other);
}

#[test]
fn alerts_are_known_by_their_first_bytes() {
    for alert in [
        &b"\x15\x03\x01"[..],
        b"\x15\x03\x03\x00",
        b"\x15\x03\x01\x00\x02",
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"\x15\x03\x03\x00\x02\x01\x00trailing",
    ] {
        assert!(looks_like_tls_alert(alert), "{}", alert.escape_ascii());
    }
    for other in [
        &b""[..],
        b"\x15",
        b"\x15\x03",
        b"\x16\x03\x01\x00\x02\x02\x46",
        b"\x15\x02\x00",
        b"\x15\x03\x09",
        b"\x15\x03\x01\x01",
        b"\x15\x03\x03\x00\x02\x07",
        b"HTTP/1.1 400",
    ] {
        assert!(!looks_like_tls_alert(other), "{}", other.escape_ascii());
    }
}
