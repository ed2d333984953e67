use super::super::testing::{Authority, meet, serving};
use super::*;

#[test]
fn names_and_addresses_of_servers() {
    for (host, expected) in [
        ("api.example.com", "DnsName(\"api.example.com\")"),
        ("api.example.com.", "DnsName(\"api.example.com\")"),
        ("under_score", "DnsName(\"under_score\")"),
        ("192.0.2.1", "IpAddress(V4("),
        ("[2001:db8::1]", "IpAddress(V6("),
        ("2001:db8::1", "IpAddress(V6("),
        ("[fe80::1%eth0]", "IpAddress(V6("),
    ] {
        let name = format!("{:?}", server_name(host).unwrap());
        assert!(name.starts_with(expected), "{host}: {name}");
    }
    for host in ["", ".", "a b", "[::1", "a..b", "http://a", "a:80", "[api.example.com]"] {
        assert_eq!(server_name(host), Err(InvalidName(host.to_owned())));
    }
}

#[tokio::test]
async fn without_verification_any_certificate_will_do() {
    let server = serving(vec![Authority::new("Unknown CA").issue(&["a.example"])]).into_config().unwrap();
    let client = Client { verify: Verify::No, ..Client::default() }.into_config().unwrap();
    let (_, connected) = meet(&server, &client, "another.example").await;
    connected.unwrap();
}

#[tokio::test]
async fn addresses_are_verified_too() {
    let authority = Authority::new("Test CA");
    let server = serving(vec![authority.issue(&["127.0.0.1", "::1"])]).into_config().unwrap();
    let client = authority.trusted().into_config().unwrap();
    for (host, good) in [("127.0.0.1", true), ("[::1]", true), ("127.0.0.2", false), ("localhost", false)] {
        let (_, connected) = meet(&server, &client, host).await;
        assert_eq!(connected.is_ok(), good, "{host}");
    }
}

#[tokio::test]
async fn by_default_nobody_is_trusted_whom_the_machine_does_not() {
    let server = serving(vec![Authority::new("Unknown CA").issue(&["a.example"])]).into_config().unwrap();
    let client = Client::default().into_config().unwrap();
    let (_, connected) = meet(&server, &client, "a.example").await;
    assert_eq!(connected.unwrap_err().fault, HandshakeFault::UnknownIssuer);
    assert!(Arc::ptr_eq(&system_roots(), &system_roots()));
    let nobody = Client { roots: Roots::Given(Arc::new(RootCertStore::empty())), ..Client::default() };
    assert!(matches!(nobody.into_config(), Err(Error::NothingToTrust(_))));
}
