use rcgen::{KeyPair, RsaKeySize};

use super::super::testing::Authority;
use super::*;

const ANY: &[SignatureScheme] = &[SignatureScheme::ECDSA_NISTP256_SHA256, SignatureScheme::RSA_PSS_SHA256];

fn names(listed: &[(&str, &Arc<CertifiedKey>)]) -> Names {
    let mut names = Names::default();
    listed.iter().for_each(|(name, key)| names.add(&name.parse().unwrap(), key));
    names
}

fn keys<const N: usize>(authority: &Authority) -> [Arc<CertifiedKey>; N] {
    std::array::from_fn(|_| authority.issue(&[]).key)
}

#[test]
fn the_nearest_name_wins_and_the_listeners_own_among_equals() {
    let authority = Authority::new("Test CA");
    let [own_exact, own_star, exact, both, star, end, default] = &keys(&authority);
    let own = names(&[("own.a.com", own_exact), ("both.a.com", own_exact), ("*.a.com", own_star)]);
    let shared = names(&[
        ("api.a.com", exact),
        ("both.a.com", both),
        ("*.a.com", star),
        ("*.b.com", star),
        ("b.*", end),
        ("a.*", end),
        ("www.b.*", end),
        ("*", default),
    ]);
    let offer = Offer::new(own, Arc::new(shared));
    for (name, expected) in [
        ("own.a.com", own_exact),
        ("both.a.com", own_exact),
        ("api.a.com", exact),
        ("other.a.com", own_star),
        ("other.b.com", star),
        ("www.b.com", star),
        ("www.b.org", end),
        ("b.com", end),
        ("a.org", end),
        ("api.a.com.", exact),
        // A star stands for one label.
        ("x.y.a.com", default),
        ("a.co.uk", default),
        ("com", default),
        (".com", default),
        ("", default),
    ] {
        let chosen = offer.choose(Some(name), ANY).unwrap();
        assert!(Arc::ptr_eq(&chosen, expected), "{name}");
    }
    assert!(Arc::ptr_eq(&offer.choose(None, ANY).unwrap(), default));
    assert!(offer.answers_all() && offer.answers(Some("z.org")));
}

#[test]
fn a_listeners_first_certificate_comes_before_the_default_of_all() {
    let authority = Authority::new("Test CA");
    let own = Arc::new(authority.issue(&["own.com"]));
    let [default] = &keys(&authority);
    let shared = Arc::new(names(&[("*", default)]));
    let offer = Offer::new(Names::of_listener(&[Arc::clone(&own)]), Arc::clone(&shared));
    for name in [None, Some("elsewhere.com")] {
        assert!(Arc::ptr_eq(&offer.choose(name, ANY).unwrap(), &own.key));
        assert!(Arc::ptr_eq(&Offer::new(Names::default(), Arc::clone(&shared)).choose(name, ANY).unwrap(), default));
    }
}

#[test]
fn without_a_default_only_known_names_are_answered() {
    let [key] = &keys(&Authority::new("Test CA"));
    let offer = Offer::new(Names::default(), Arc::new(names(&[("a.com", key), ("*.a.com", key), ("a.*", key)])));
    assert!(!offer.answers_all());
    for (name, known) in [("a.com", true), ("x.a.com", true), ("a.org", true), ("b.com", false), ("x.y.a.com", false)] {
        assert_eq!(offer.answers(Some(name)), known, "{name}");
        assert_eq!(offer.choose(Some(name), ANY).is_some(), known, "{name}");
    }
    assert!(!offer.answers(None) && offer.choose(None, ANY).is_none());
}

#[test]
fn a_client_gets_what_it_can_verify_and_rsa_last() {
    let authority = Authority::new("Test CA");
    let rsa = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let rsa = authority.issue_with(&[], &rsa, |_| {}).key;
    let [ecdsa, star] = &keys(&authority);
    let offer = Offer::new(
        Names::default(),
        Arc::new(names(&[("a.com", &rsa), ("a.com", ecdsa), ("x.b.com", &rsa), ("*.b.com", star)])),
    );
    let (only_rsa, only_ecdsa) = (&ANY[1..], &ANY[..1]);
    for (name, schemes, expected) in [
        ("a.com", ANY, ecdsa),
        ("a.com", only_ecdsa, ecdsa),
        ("a.com", only_rsa, &rsa),
        // What is exact comes first, and what is wider if that is of no use.
        ("x.b.com", ANY, &rsa),
        ("x.b.com", only_ecdsa, star),
        // Nothing fits: the handshake fails with the reason.
        ("a.com", &[SignatureScheme::ED448], ecdsa),
    ] {
        assert!(Arc::ptr_eq(&offer.choose(Some(name), schemes).unwrap(), expected), "{name} {schemes:?}");
    }
}

#[test]
fn a_listed_twin_is_for_the_first_certificate_only_if_it_has_names() {
    let authority = Authority::new("Test CA");
    let load = |names: &[&str]| Arc::new(authority.issue(names));
    let nameless = Names::of_listener(&[load(&["192.0.2.1"]), load(&["192.0.2.2"])]);
    assert_eq!(nameless.default.0.len(), 1);
    let twins = Names::of_listener(&[load(&["a.example"]), load(&["a.example"]), load(&["b.example"])]);
    assert_eq!((twins.default.0.len(), twins.exact.len()), (2, 2));
}
