use rcgen::{KeyPair, RsaKeySize, date_time_ymd};

use super::super::testing::{Authority, params, pem};
use super::*;

fn refusal(chain: &str, key: &str) -> String {
    certificate(&pem("certs/api.pem", chain), &pem("certs/api.key", key)).unwrap_err().to_string()
}

/// A self-signed certificate and its key.
fn own() -> (String, String) {
    let key = KeyPair::generate().unwrap();
    (params(&["api.example.com"]).self_signed(&key).unwrap().pem(), key.serialize_pem())
}

#[test]
fn what_is_wrong_is_said_in_the_operators_words() {
    let (chain, key) = own();
    let (_, other) = own();
    let inside_out = chain.replace("-----BEGIN CERTIFICATE-----\n", "-----BEGIN CERTIFICATE-----\n*");
    let none_inside = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let broken_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let legacy = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES\n\nAAAA\n";
    for (chain, key, expected) in [
        (&*chain, "", "certs/api.key holds no private key: it is empty"),
        (&chain, "hello", "certs/api.key holds no private key"),
        (&chain, &chain, "certs/api.key holds no private key, but a certificate: are the two files mixed up?"),
        (&key, &key, "certs/api.pem holds no certificate, but a private key: are the two files mixed up?"),
        ("\n", &key, "certs/api.pem holds no certificate: it is empty"),
        (&chain, &other, "certs/api.key: the key does not belong to the certificate certs/api.pem"),
        (&chain, "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n", "certs/api.key: the private key is encrypted; "),
        (&chain, legacy, "certs/api.key: the private key is encrypted; "),
        (&inside_out, &key, "certs/api.pem is damaged: what is between the BEGIN and END lines is no base64"),
        (&chain[..chain.len() - 10], &key, "certs/api.pem is damaged: the END line is missing"),
        // The parser would have told the whole key, in numbers.
        (&chain, &key.replace('\n', "\\n"), "certs/api.key is damaged: a BEGIN line goes on behind its dashes"),
        (none_inside, &key, "certs/api.pem: certificate 1 cannot be read: "),
        (&format!("{chain}{none_inside}"), &key, "certs/api.pem: certificate 2 cannot be read: "),
        (&chain, broken_key, "certs/api.key: the private key cannot be used: failed to parse private key"),
    ] {
        let words = refusal(chain, key);
        assert!(words.starts_with(expected), "{words}\n{expected}");
    }
    let der = Pem::new("api.der", vec![0x30, 0x82, 1, 2, 3]).unwrap();
    assert!(certificate(&der, &der).unwrap_err().to_string().contains("seems to be DER"));
    assert!(matches!(authorities(&pem("ca.pem", &key)), Err(Error::NoCertificate { found: Found::Key, .. })));
    assert!(matches!(authorities(&pem("ca.pem", none_inside)), Err(Error::Certificate { position: 1, .. })));
}

#[test]
fn all_three_forms_of_keys_are_taken_and_one_file_may_hold_all() {
    let (chain, key) = own();
    let both = pem("both.pem", &format!("\u{feff}{chain}{key}"));
    assert_eq!(certificate(&both, &both).unwrap().names, ["api.example.com"]);

    // PKCS #8 is a wrapping (RFC 5208, section 5): the older forms are what is in its octet string. Their tags are
    // found by length, for the wrapping of each kind of key always has the same.
    let rsa = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let chain = params(&["rsa.example.com"]).self_signed(&rsa).unwrap().pem();
    for (label, der) in [("PRIVATE KEY", rsa.serialized_der()), ("RSA PRIVATE KEY", &rsa.serialized_der()[26..])] {
        let text = as_pem(label, der);
        certificate(&pem("rsa.pem", &chain), &pem("rsa.key", &text)).unwrap_or_else(|error| panic!("{label}: {error}"));
    }
    let ec = KeyPair::generate().unwrap();
    let chain = params(&["ec.example.com"]).self_signed(&ec).unwrap().pem();
    let parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    let sec1 = format!("{parameters}{}", as_pem("EC PRIVATE KEY", &with_curve(ec.serialized_der())));
    certificate(&pem("ec.pem", &chain), &pem("ec.key", &sec1)).unwrap();
}

fn as_pem(label: &str, der: &[u8]) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in der.chunks(3) {
        let bits = group.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for digit in 0..4 {
            let sextet = usize::try_from(bits >> (18 - 6 * digit) & 63).unwrap();
            text.push(if digit > group.len() { '=' } else { char::from(ALPHABET[sextet]) });
        }
    }
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
}

/// The SEC 1 key (RFC 5915) of a P-256 PKCS #8 one, with the curve's name that is outside there.
fn with_curve(pkcs8: &[u8]) -> Vec<u8> {
    let secret_at = pkcs8.windows(5).position(|window| window == [2, 1, 1, 4, 32]).unwrap() + 5;
    let secret = &pkcs8[secret_at..secret_at + 32];
    let curve = [0xa0, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
    let public = &pkcs8[pkcs8.len() - 70..];
    let content = [&[2, 1, 1, 4, 32][..], secret, &curve, public].concat();
    [&[0x30, u8::try_from(content.len()).unwrap()][..], &content].concat()
}

#[test]
fn dates_and_order_are_warnings() {
    let (authority, key) = (Authority::new("Test CA"), KeyPair::generate().unwrap());
    let old = authority.issue_with(&["a.example"], &key, |params| params.not_after = date_time_ymd(2026, 1, 2));
    assert_eq!(old.warnings, ["own.pem: expired on 2026-01-02"]);
    let early = authority.issue_with(&["a.example"], &key, |params| params.not_before = date_time_ymd(4000, 5, 6));
    assert_eq!(early.warnings, ["own.pem: not valid before 4000-05-06"]);

    let own = params(&["a.example"]).signed_by(&key, &authority.0).unwrap().pem();
    let stranger = Authority::new("Another CA").0.pem();
    for (chain, expected) in [
        (own.clone(), None),
        (format!("{own}{}", authority.0.pem()), None),
        (format!("{own}{stranger}"), Some("chain.pem: certificate 2 did not issue certificate 1; ")),
    ] {
        let loaded = certificate(&pem("chain.pem", &chain), &pem("own.key", &key.serialize_pem())).unwrap();
        assert_eq!(loaded.warnings.len(), usize::from(expected.is_some()), "{:?}", loaded.warnings);
        assert!(loaded.warnings.iter().all(|warning| warning.starts_with(expected.unwrap())));
    }
}

#[test]
fn an_authority_is_a_single_certificate_of_a_ca() {
    let (ca, other) = (Authority::new("Test CA").0.pem(), Authority::new("Another CA").0.pem());
    assert_eq!(authority(&pem("ca.pem", &ca)).unwrap().roots.len(), 1);
    let refused = |text: &str| authority(&pem("ca.pem", text)).unwrap_err().to_string();
    assert_eq!(refused(&format!("{ca}{other}")), "ca.pem holds 2 certificates, where one is asked for");
    assert_eq!(refused(&own().0), "ca.pem: this is no CA's certificate: it lacks the basic constraint CA:TRUE");
}

#[test]
fn files_are_read_within_bounds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("big.pem");
    std::fs::write(&path, vec![b'\n'; usize::try_from(limits::PEM_BYTES).unwrap() + 1]).unwrap();
    assert!(matches!(Pem::read(&path), Err(Error::TooLarge { .. })));
    std::fs::write(&path, own().0).unwrap();
    assert_eq!(authorities(&Pem::read(&path).unwrap()).unwrap().roots.len(), 1);
    assert!(matches!(Pem::read(folder.path()), Err(Error::Unreadable { .. })));
    let missing = Pem::read(&folder.path().join("none.pem")).err().unwrap().to_string();
    assert!(missing.contains("none.pem: No such file"), "{missing}");
}

#[test]
fn garbage_is_an_error_and_never_a_panic() {
    let (chain, key) = own();
    let mut random = fastrand::Rng::with_seed(7);
    for round in 0..3_000 {
        let mut text = if round % 2 == 0 { chain.clone() } else { key.clone() }.into_bytes();
        for _ in 0..random.usize(1..6) {
            let at = random.usize(0..text.len());
            if random.bool() {
                text[at] = random.u8(..);
            } else {
                text.truncate(at.max(1));
            }
        }
        let text = Pem::new("garbage", text).unwrap();
        let _ = certificate(&text, &pem("key", &key));
        let _ = certificate(&pem("chain", &chain), &text);
        let _ = authorities(&text);
        let length = random.usize(0..200);
        let noise: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(length).collect();
        assert!(authorities(&Pem::new("noise", noise).unwrap()).is_err());
    }
}
