use std::fmt::Write;

use rcgen::{KeyPair, RsaKeySize, date_time_ymd};

use super::*;
use crate::config;
use crate::config::Config;
use crate::tls::testing::{Authority, params};

fn load(text: &str) -> (Config, Faults) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.toml");
    std::fs::write(&path, format!("listeners = [{{ address = \"127.0.0.1:0\" }}]\n{text}")).unwrap();
    config::load(&path).unwrap()
}

fn messages(faults: Faults) -> Vec<String> {
    let report = faults.into_report();
    report.faults().iter().map(|fault| fault.message.clone()).collect()
}

/// A certificate for `names`, as keys of gateway.toml whose names end in this.
fn keys(authority: &Authority, names: &[&str], key: &KeyPair, suffix: &str) -> String {
    let cert = params(names).signed_by(key, &authority.0).unwrap().pem();
    format!("cert{suffix} = '''\n{cert}'''\nkey{suffix} = '''\n{}'''\n", key.serialize_pem())
}

fn ecdsa(authority: &Authority, names: &[&str]) -> String {
    keys(authority, names, &KeyPair::generate().unwrap(), "")
}

#[test]
fn what_did_not_change_stays_what_it_is() {
    let authority = Authority::new("Test CA");
    let first = format!("[[certificates]]\n{}", ecdsa(&authority, &["a.com"]));
    let second = format!("[[certificates]]\n{}", ecdsa(&authority, &["b.com"]));
    let mut certificates = Certificates::default();
    let mut build = |text: &str| {
        let (config, faults) = load(text);
        certificates.begin();
        certificates.shared(&config.certificates, &faults);
        assert_eq!(messages(faults), [""; 0]);
        let pairs = config.certificates.iter().map(|listed| listed.pair.clone());
        let faults = Faults::new(std::path::Path::new("x"), "");
        let pairs: Vec<_> = pairs.map(|pair| certificates.pair(&pair, &faults).unwrap()).collect();
        (pairs, certificates.known.len())
    };
    let (before, _) = build(&first);
    let (after, known) = build(&format!("{second}{first}"));
    assert!(Arc::ptr_eq(&before[0], &after[1]) && !Arc::ptr_eq(&before[0], &after[0]));
    assert_eq!(known, 2);
    // One that was refused does not make the next forget.
    build("");
    let (again, _) = build(&first);
    assert!(Arc::ptr_eq(&before[0], &again[0]));
    let counts: Vec<usize> = (0..3).map(|_| build("").1).collect();
    assert_eq!(counts.last(), Some(&0), "{counts:?}");
}

#[test]
fn names_are_those_that_are_listed_or_else_the_certificates_own() {
    let authority = Authority::new("Test CA");
    let (config, faults) = load(&format!(
        "[[certificates]]\nsnis = [\"listed.com\"]\n{}[[certificates]]\n{}[[certificates]]\nsnis = []\n{}",
        ecdsa(&authority, &["x.com"]),
        ecdsa(&authority, &["listed.com", "*.own.com"]),
        ecdsa(&authority, &["hidden.com"]),
    ));
    let mut certificates = Certificates::default();
    let offer =
        crate::tls::names::Offer::new(Names::default(), Arc::new(certificates.shared(&config.certificates, &faults)));
    assert_eq!(messages(faults), [""; 0]);
    for (name, known) in
        [("listed.com", true), ("x.com", false), ("a.own.com", true), ("own.com", false), ("hidden.com", false)]
    {
        assert_eq!(offer.answers(Some(name)), known, "{name}");
    }
}

#[test]
fn an_alternative_has_a_key_of_another_type() {
    let authority = Authority::new("Test CA");
    let rsa = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let fault = "`key_alt` is of the same type as `key`";
    for (alt, expected) in [(rsa, None), (KeyPair::generate().unwrap(), Some(fault))] {
        let alt = keys(&authority, &["a.com"], &alt, "_alt");
        let (config, faults) = load(&format!("[[certificates]]\n{}{alt}", ecdsa(&authority, &["a.com"])));
        Certificates::default().shared(&config.certificates, &faults);
        assert_eq!(messages(faults).first().map(String::as_str), expected);
    }
}

#[test]
fn faults_name_the_entity_and_never_the_key() {
    let authority = Authority::new("Test CA");
    let (one, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let cert = params(&["a.com"]).signed_by(&one, &authority.0).unwrap().pem();
    let key = other.serialize_pem();
    let secret = key.lines().nth(1).unwrap();
    for (key, expected) in [
        (
            key.clone(),
            "`key` of certificate \"shop\": the key does not belong to the certificate `cert` of certificate \"shop\"",
        ),
        (
            key.replace("-----END", "----END"),
            "`key` of certificate \"shop\" is damaged: the END line is missing: were the line breaks lost?",
        ),
        (
            cert.clone(),
            "`key` of certificate \"shop\" holds no private key, but a certificate: are the two files mixed up?",
        ),
    ] {
        let (config, faults) =
            load(&format!("[[certificates]]\nname = \"shop\"\ncert = '''\n{cert}'''\nkey = '''\n{key}'''\n[[x]]\n"));
        Certificates::default().shared(&config.certificates, &faults);
        let report = faults.into_report();
        let found: Vec<_> = report.faults().iter().map(|fault| fault.message.as_str()).collect();
        assert_eq!(found, [expected, "unknown key `x`"]);
        let shown = report.to_string();
        assert!(!shown.contains(secret), "{shown}");
        // Stars have not eaten the lines in between.
        let line = 8 + cert.lines().count() + key.lines().count();
        assert!(shown.contains(&format!("gateway.toml:{line}:3")), "{line} {shown}");
    }
}

#[test]
fn authorities_are_looked_at_even_if_nothing_refers_to_them() {
    let ca = Authority::new("Test CA").0.pem();
    let key = KeyPair::generate().unwrap();
    let mut late = params(&[]);
    late.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    late.not_after = date_time_ymd(2020, 1, 1);
    let late = late.self_signed(&key).unwrap().pem();
    let leaf = params(&["a.com"]).self_signed(&key).unwrap().pem();
    for (cert, expected) in [
        (ca.clone(), None),
        (late, None),
        (leaf, Some("`cert` of CA certificate 1: this is no CA's certificate: it lacks the basic constraint CA:TRUE")),
        (ca.repeat(2), Some("`cert` of CA certificate 1 holds 2 certificates, where one is asked for")),
    ] {
        let (config, faults) = load(&format!("[[ca_certificates]]\ncert = '''\n{cert}'''\n"));
        check_authorities(&config.ca_certificates, &faults);
        assert_eq!(messages(faults).first().map(String::as_str), expected);
    }
}

/// Ten thousand are a matter of seconds in a build for tests, too; what they take is printed.
#[test]
fn ten_thousand_certificates() {
    let authority = Authority::new("Test CA");
    let pairs: Vec<String> = (0..50).map(|_| ecdsa(&authority, &["x.com"])).collect();
    let mut text = String::new();
    for index in 0..10_000 {
        // Each is a text of its own.
        let pair = pairs[index % pairs.len()].replacen("cert = '''\n", &format!("cert = '''\n{index}\n"), 1);
        write!(text, "[[certificates]]\nsnis = [\"a{index}.com\"]\n{pair}").unwrap();
    }
    let begun = std::time::Instant::now();
    let (config, faults) = load(&text);
    let read = begun.elapsed();
    let mut certificates = Certificates::default();
    let times = [(); 2].map(|()| {
        let begun = std::time::Instant::now();
        certificates.begin();
        certificates.shared(&config.certificates, &faults);
        begun.elapsed()
    });
    println!("10000 certificates: read in {read:?}, built in {:?}, kept in {:?}", times[0], times[1]);
    assert_eq!((messages(faults).len(), certificates.known.len()), (0, 10_000));
}
