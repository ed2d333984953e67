use proptest::prelude::*;
use regex_lite::escape;

use super::*;

#[test]
fn a_plain_origin_is_that_one_only() {
    let listed = listed(&["https://Shop.example.com", "http://a.example:8080", "https://b.example:443/"]);
    for origin in ["https://shop.example.com", "http://a.example:8080", "https://b.example"] {
        assert!(listed.have(&origin.into()), "{origin}");
    }
    for origin in [
        "http://shop.example.com",
        "https://shop.example.com:8443",
        "https://shop.example.com.evil.example",
        "https://evilshop.example.com",
        "https://shop.example.com/",
        "https://shop-example.com",
        "http://a.example",
        "https://b.example:80",
        "null",
        "",
    ] {
        assert!(!listed.have(&origin.into()), "{origin}");
    }
    assert!(!listed.have(&HeaderValue::from(&b"https://shop.example.com\xff"[..])));
}

#[test]
fn a_host_is_let_in_with_any_scheme_and_port() {
    let listed = listed(&["shop.example.com", "null"]);
    for origin in ["https://shop.example.com", "http://shop.example.com:8080", "null"] {
        assert!(listed.have(&origin.into()), "{origin}");
    }
    for origin in ["https://a.shop.example.com", "https://shop.example.com.evil.example", "https://nul"] {
        assert!(!listed.have(&origin.into()), "{origin}");
    }
}

#[test]
fn a_regex_is_for_the_whole_of_an_origin_or_of_a_host() {
    let cases: [(&str, &[&str], &[&str]); 5] = [
        (
            r"https://[a-z]+\.example\.com",
            &["https://a.example.com"],
            &["https://a.example.com.evil.example", "xhttps://a.example.com", "https://a.b.example.com"],
        ),
        (
            r"https://a\.example|https://b\.example",
            &["https://a.example", "https://b.example"],
            &["https://a.example.evil.example", "evil://https://b.example"],
        ),
        (
            r".*\.example\.com",
            &["https://a.b.example.com", "http://a.example.com:8080"],
            &["https://example.com", "https://a.example.com.evil.example"],
        ),
        (r"(?:a|b)\.example", &["https://a.example", "http://b.example:81"], &["https://c.example"]),
        (r"https?://localhost(:\d+)?", &["http://localhost:3000", "https://localhost"], &["https://localhost:x"]),
    ];
    for (regex, inside, outside) in cases {
        let listed = listed(&[regex]);
        for origin in inside {
            assert!(listed.have(&(*origin).into()), "{origin} is like {regex}");
        }
        for origin in outside {
            assert!(!listed.have(&(*origin).into()), "{origin} is not like {regex}");
        }
    }
}

#[test]
fn an_address_is_a_host_with_or_without_a_port() {
    assert_eq!(["http://[::1]:3000", "http://[::1]", "http://192.0.2.7:80"].map(host), ["[::1]", "[::1]", "192.0.2.7"]);
}

#[test]
fn what_cannot_be_meant_is_refused_by_name() {
    for (entry, problem) in [
        ("", "is no origin and no host"),
        ("https://", "is no origin and no host"),
        ("https://a.example/shop", "is no origin and no host"),
        ("a.example:8080", "is no origin and no host"),
        ("https://*.example.com", "means no subdomains"),
        ("*.example.com", "means no subdomains"),
        ("https://[a-z", "is no regex"),
        ("https://(?!evil).*", "is no regex"),
        ("https://a)|(b", "is no regex"),
        ("https://(a{1000}){1000}", "is no regex"),
    ] {
        let refused = Origins::parse(&[entry.to_owned()]).err().unwrap_or_else(|| panic!("{entry}"));
        assert!(refused.starts_with(&format!("{entry:?} {problem}")), "{refused}");
    }
}

#[test]
fn an_origin_that_is_too_long_is_nobodys() {
    let listed = listed(&[".*"]);
    let origin = |length: usize| HeaderValue::from(format!("https://{}", "a".repeat(length - 8)));
    assert!(listed.have(&origin(LONGEST)));
    assert!(!listed.have(&origin(LONGEST + 1)));
}

proptest! {
    #[test]
    fn plain_origins_let_in_themselves_and_nobody_else(
        known in prop::collection::vec(any_origin(), 1..6),
        asked in any_origin(),
        noise in ".{0,40}",
    ) {
        let listed = listed(&known.iter().map(String::as_str).collect::<Vec<_>>());
        for origin in &known {
            prop_assert!(listed.have(&origin.as_str().into()));
        }
        for other in [asked, noise] {
            prop_assert_eq!(listed.have(&other.as_str().into()), known.contains(&other), "{}", other);
        }
    }

    #[test]
    fn a_regex_of_a_domain_lets_in_its_subdomains_and_nobody_else(
        label in "[a-c]{1,2}",
        origin in any_origin(),
        suffix in "[.a-c/:@]{0,4}",
    ) {
        let domain = format!("{label}.example");
        let listed = listed(&[&format!("https://[a-z]+\\.{}", escape(&domain))]);
        let expected = |origin: &str| {
            let inside = origin.strip_prefix("https://").and_then(|host| host.strip_suffix(&format!(".{domain}")));
            inside.is_some_and(|label| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_lowercase()))
        };
        for origin in [format!("{origin}{suffix}"), format!("https://x.{domain}{suffix}"), origin] {
            prop_assert_eq!(listed.have(&origin.as_str().into()), expected(&origin), "{}", origin);
        }
    }
}

/// As browsers write them, of few hosts.
fn any_origin() -> impl Strategy<Value = String> {
    "(http|https)://([a-c]{1,2}\\.){1,2}example(:[1-9]00)?"
}

fn listed(entries: &[&str]) -> Listed {
    match Origins::parse(&entries.iter().map(|entry| (*entry).to_owned()).collect::<Vec<_>>()) {
        Ok(Origins::Listed(listed)) => listed,
        Ok(Origins::Any) => panic!("these are all"),
        Err(problem) => panic!("{problem}"),
    }
}
