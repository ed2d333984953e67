use rustls::AlertDescription;

use super::super::names::{Names, Offer};
use super::super::server::{ClientAuth, Version};
use super::super::testing::Authority;
use super::*;
use crate::tls::client::{Client, connect, server_name};

/// One that has a certificate for this name and no other.
fn acceptor(authority: &Authority, name: &str) -> Acceptor {
    let mut names = Names::default();
    names.add(&name.parse().unwrap(), &authority.issue(&["a.example"]).key);
    let offer = Arc::new(Offer::new(Names::default(), Arc::new(names)));
    Acceptor::new(Server { offer, client_auth: ClientAuth::None, min: Version::Tls12, http2: true }).unwrap()
}

#[tokio::test]
async fn who_asks_for_a_name_without_a_certificate_is_told_so() {
    let authority = Authority::new("Test CA");
    for (listed, asked, expected) in [
        ("a.example", "a.example", None),
        ("a.example", "A.Example", None),
        ("*.example", "a.example", None),
        ("*", "a.example", None),
        ("a.example", "b.example", Some("\"b.example\"")),
        // An address is asked for without a name.
        ("a.example", "192.0.2.1", Some("no name")),
    ] {
        let acceptor = acceptor(&authority, listed);
        let config = Client { ..authority.trusted() }.into_config().unwrap();
        let (near, far) = tokio::io::duplex(64 << 10);
        let (accepted, connected) =
            tokio::join!(acceptor.accept(far), connect(config, server_name(asked).unwrap(), near));
        match expected {
            None => {
                accepted.unwrap();
                connected.unwrap();
            }
            Some(words) => {
                let refusal = accepted.unwrap_err().to_string();
                assert!(refusal.contains(words) && refusal.contains("`snis`"), "{refusal}");
                let error = connected.unwrap_err().error;
                let error = error.get_ref().unwrap().downcast_ref::<rustls::Error>();
                assert_eq!(error, Some(&rustls::Error::AlertReceived(AlertDescription::UnrecognisedName)), "{asked}");
            }
        }
    }
}

#[tokio::test]
async fn what_is_no_tls_is_called_so_with_and_without_a_default() {
    let authority = Authority::new("Test CA");
    for name in ["a.example", "*"] {
        let (mut near, far) = tokio::io::duplex(1 << 10);
        near.write_all(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").await.unwrap();
        let refusal = acceptor(&authority, name).accept(far).await.unwrap_err();
        assert!(matches!(refusal, Refusal::Failed(ClientFault::NotTls)), "{refusal}");
        drop(near);
        let (near, far) = tokio::io::duplex(1 << 10);
        drop(near);
        let refusal = acceptor(&authority, name).accept(far).await.unwrap_err();
        assert!(matches!(refusal, Refusal::Failed(ClientFault::Closed)), "{refusal}");
    }
}
