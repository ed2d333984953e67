use rcgen::{DnType, DnValue, KeyPair, SanType, SerialNumber};

use super::super::testing::Authority;
use super::*;

fn read(change: impl FnOnce(&mut rcgen::CertificateParams)) -> ClientIdentity {
    let issued = Authority::new("Test CA").issue_with(&[], &KeyPair::generate().unwrap(), change);
    ClientIdentity::read(&issued.key.cert[0]).unwrap()
}

#[test]
fn everything_a_certificate_says() {
    let alternative = |text: &str| text.to_owned().try_into().unwrap();
    let identity = read(|params| {
        params.distinguished_name.push(DnType::CountryName, "CH");
        params.distinguished_name.push(DnType::OrganizationName, "Example, Inc.");
        params.distinguished_name.push(DnType::CommonName, "alice");
        params.serial_number = Some(SerialNumber::from_slice(&[0x0a, 0xbc, 0x00]));
        params.not_after = rcgen::date_time_ymd(2030, 1, 1);
        params.subject_alt_names = vec![
            SanType::DnsName(alternative("Alice.example.com")),
            SanType::DnsName(alternative("two.example.com")),
            SanType::Rfc822Name(alternative("alice@example.com")),
            SanType::URI(alternative("spiffe://example.org/alice")),
            SanType::IpAddress("192.0.2.1".parse().unwrap()),
            SanType::DnsName(alternative("evil\r\nx-admin: 1")),
        ];
    });
    assert_eq!(identity.subject, r"CN=alice,O=Example\, Inc.,C=CH");
    assert_eq!(identity.common_name.as_deref(), Some("alice"));
    assert!(identity.issuer.starts_with("CN=Test CA"), "{}", identity.issuer);
    assert_eq!(identity.serial, "abc00");
    assert_eq!(identity.dns_names, ["Alice.example.com", "two.example.com"]);
    assert_eq!(identity.emails, ["alice@example.com"]);
    assert_eq!(identity.uris, ["spiffe://example.org/alice"]);
    assert_eq!(identity.not_after, SystemTime::UNIX_EPOCH + Duration::from_secs(1_893_456_000));
}

#[test]
fn the_fingerprint_is_that_of_the_whole_certificate() {
    let issued = Authority::new("Test CA").client("alice");
    let der = &issued.key.cert[0];
    let expected: String = Sha256::digest(der).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(ClientIdentity::read(der).unwrap().fingerprint, expected);
    assert_eq!(expected.len(), 64);
}

#[test]
fn subjects_are_escaped_so_that_they_can_be_told_apart() {
    for (value, expected) in [
        (DnValue::Utf8String("plain".into()), "CN=plain"),
        (DnValue::Utf8String("a,CN=root".into()), r"CN=a\,CN=root"),
        (DnValue::Utf8String(r#"a+b"c\d<e>f;g=h"#.into()), r#"CN=a\+b\"c\\d\<e\>f\;g=h"#),
        (DnValue::Utf8String("#1 # ".into()), r"CN=\#1 #\ "),
        (DnValue::Utf8String("  ".into()), r"CN=\ \ "),
        (DnValue::Utf8String(" ".into()), r"CN=\ "),
        (DnValue::Utf8String("a\r\n\0b\u{85}".into()), r"CN=a\0D\0A\00b\C2\85"),
        (DnValue::Utf8String("Zoë".into()), "CN=Zoë"),
        (DnValue::Utf8String(String::new()), "CN="),
        (DnValue::BmpString("Zoë".try_into().unwrap()), "CN=Zoë"),
        (DnValue::UniversalString("Zoë".try_into().unwrap()), "CN=Zoë"),
        (DnValue::TeletexString("Zoe".try_into().unwrap()), "CN=Zoe"),
    ] {
        let label = format!("{value:?}");
        let identity = read(|params| params.distinguished_name.push(DnType::CommonName, value));
        assert_eq!(identity.subject, expected, "{label}");
        let plain = !matches!(expected, "CN=" | r"CN=a\0D\0A\00b\C2\85");
        assert_eq!(identity.common_name.is_some(), plain, "{label}");
    }
    let email = DnType::CustomDnType(vec![1, 2, 840, 113_549, 1, 9, 1]);
    assert_eq!(read(|p| p.distinguished_name.push(email, "a@b")).subject, "emailAddress=a@b");
    let own = DnType::CustomDnType(vec![1, 3, 6, 1, 4, 1, 99_999, 7]);
    assert_eq!(read(|p| p.distinguished_name.push(own, "x")).subject, "1.3.6.1.4.1.99999.7=x");
    let long = DnType::CustomDnType([1, 3].into_iter().chain([u64::MAX; 10]).collect());
    assert_eq!(read(|p| p.distinguished_name.push(long, "x")).subject, "?=x");
    assert_eq!(read(|_| {}).subject, "");
}

#[test]
fn serials_of_any_length() {
    for (bytes, expected) in
        [(&[0][..], "0"), (&[], "0"), (&[0, 0x80], "80"), (&[1], "1"), (&[0x0f, 0xff], "fff"), (&[0, 0, 0], "0")]
    {
        assert_eq!(serial(bytes), expected);
    }
}

#[test]
fn a_peer_is_read_once_and_may_be_nobody() {
    assert!(Peer::new(None).is_none());
    assert!(Peer::new(Some(&[])).is_none());
    let issued = Authority::new("Test CA").client("alice");
    let peer = Peer::new(Some(&issued.key.cert)).unwrap();
    let identity = peer.identity().unwrap();
    assert_eq!(identity.common_name.as_deref(), Some("alice"));
    assert!(std::ptr::eq(identity, peer.identity().unwrap()));
    let odd = Peer::new(Some(&[CertificateDer::from(vec![0x30, 0])])).unwrap();
    assert!(odd.identity().unwrap_err().to_string().starts_with("the client's certificate cannot be read: "));
}

#[test]
fn damaged_certificates_never_panic() {
    let issued =
        Authority::new("Test CA").issue_with(&["a.example", "b.example"], &KeyPair::generate().unwrap(), |p| {
            p.distinguished_name.push(DnType::CommonName, DnValue::BmpString("alice".try_into().unwrap()));
        });
    let whole = issued.key.cert[0].as_ref();
    let mut random = fastrand::Rng::with_seed(3);
    for _ in 0..20_000 {
        let mut der = whole.to_vec();
        for _ in 0..random.usize(1..4) {
            let at = random.usize(0..der.len());
            der[at] = random.u8(..);
        }
        der.truncate(random.usize(der.len() / 2..der.len() * 3).min(der.len()));
        let _ = ClientIdentity::read(&CertificateDer::from(der));
    }
}
