use super::*;
use crate::limits;

fn refused<T: FromStr<Err = String>>(texts: &[&str]) {
    for text in texts {
        assert!(text.parse::<T>().is_err(), "{text:?}");
    }
}

#[test]
fn hosts_have_a_star_at_one_end_and_maybe_a_port() {
    for (text, name, port) in [
        ("API.example.com", HostName::Exact("api.example.com".into()), None),
        ("api.example.com:8443", HostName::Exact("api.example.com".into()), Some(8443)),
        ("*.Example.com", HostName::Suffix(".example.com".into()), None),
        ("*.example.com:80", HostName::Suffix(".example.com".into()), Some(80)),
        ("example.*", HostName::Prefix("example.".into()), None),
        ("example.*:80", HostName::Prefix("example.".into()), Some(80)),
        ("[::1]", HostName::Exact("[::1]".into()), None),
        ("[::1]:80", HostName::Exact("[::1]".into()), Some(80)),
    ] {
        let parsed: HostPattern = text.parse().unwrap();
        assert_eq!(parsed, HostPattern { name, port }, "{text}");
        assert_eq!(parsed.to_string(), text.to_ascii_lowercase());
    }
    let long = format!("{}.com", "a".repeat(252));
    refused::<HostPattern>(&[
        "", "*", "*.", ".*", "*.*", "*.a.*", "a.*.b", "*a.b", "a*", "a b", "a:0", "a:65536", "a:+1", "a:", "a/b",
        "[::1", &long,
    ]);
}

#[test]
fn prefixes_are_in_normal_form() {
    for text in ["/", "/v1", "/v1/", "/caf%C3%A9"] {
        assert!(matches!(text.parse(), Ok(PathPattern::Prefix(prefix)) if prefix == text), "{text}");
    }
    let long = format!("/{}", "a".repeat(limits::ROUTE_PATH_BYTES));
    refused::<PathPattern>(&["", "v1", "/a b", "/a?b", "/a#b", "//a", "/a/../b", "/caf%c3%a9", "/café", "/%", &long]);
}

#[test]
fn regexes_are_anchored_and_know_what_they_begin_with() {
    for (text, literal, taken, not_taken) in [
        (r"~^/v2/(?<id>\d+)$", "/v2/", "/v2/17", "/v2/x"),
        (r"~/v2/\d+", "/v2/", "/v2/17/x", "/x/v2/17"),
        (r"~/a\.b/x?", "/a.b/", "/a.b/", "/a-b/"),
        (r"~/a+", "/", "/aa", "/b"),
        (r"~/a|/b", "", "/b/x", "/c"),
        (r"~/(?i)ab", "/", "/AB", "/ac"),
        (r"~(?i)/AB", "/", "/ab", "/ac"),
        (r"~(/v1)(/b)c", "/v1/bc", "/v1/bcd", "/v1/b"),
        (r"~.*\.php$", "", "/x/y.php", "/x.phps"),
        (r"~(?x) /a # slash a", "", "", ""),
    ] {
        let Ok(PathPattern::Regex(regex)) = text.parse() else {
            assert!(taken.is_empty(), "{text}");
            continue;
        };
        assert_eq!(String::from_utf8_lossy(regex.literal()), literal, "{text}");
        assert!(regex.regex().is_match(taken.as_bytes()), "{text} {taken}");
        assert!(!regex.regex().is_match(not_taken.as_bytes()), "{text} {not_taken}");
    }
}

#[test]
fn regexes_that_cannot_be_are_refused_in_words() {
    for (text, words) in [
        ("~", "a regex is missing"),
        ("~/(", "unclosed group, at \"(\""),
        ("~/a)|(?:b", "unopened group, at \")\""),
        ("~/(?=a)", "look-around"),
        (r"~/(a)\1", "backreferences are not supported"),
        ("~/é", "percent-encode"),
        (r"~/\p{Greek}", "Unicode not allowed here"),
        ("~/((a{100}){100}){100}", "more than 256 KiB once compiled"),
    ] {
        let error = text.parse::<PathPattern>().unwrap_err();
        assert!(error.contains(words), "{text}: {error}");
    }
    let nested = format!("~/{}a{}", "(".repeat(1000), ")".repeat(1000));
    assert!(nested.parse::<PathPattern>().is_err());
}

#[test]
fn header_values_ignore_case_and_a_regex_stands_alone() {
    let listed = HeaderCriterion::new("X-Version", &["V2", "v3"]).unwrap();
    assert_eq!(listed.to_string(), "x-version: v2 or v3");
    assert!(listed.values.takes(b"v2") && listed.values.takes(b"V3") && !listed.values.takes(b"v22"));
    let pattern = HeaderCriterion::new("x-version", &["~*^v[23]"]).unwrap();
    assert!(pattern.values.takes(b"V2.1") && !pattern.values.takes(b"xv2"));
    for (name, values) in [
        ("host", &["a"][..]),
        ("x y", &["a"]),
        ("x", &[]),
        ("x", &["~*a", "b"]),
        ("x", &["~*("]),
        ("x", &["~*"]),
        ("x", &[" a"]),
        ("x", &["a\n"]),
    ] {
        assert!(HeaderCriterion::new(name, values).is_err(), "{name} {values:?}");
    }
}

#[test]
fn server_names_lose_case_and_final_dot() {
    for (text, taken, not_taken) in [
        ("API.a.com.", "api.A.com.", "x.api.a.com"),
        ("*.a.com", "X.a.com", "a.com"),
        ("a.*", "A.org", "b.a.org"),
        ("*.a.com", "x.y.a.com.", ".a.com"),
    ] {
        let sni: Sni = text.parse().unwrap();
        assert!(sni.takes(taken) && !sni.takes(not_taken), "{text}");
    }
    refused::<Sni>(&["", ".", "*", "10.0.0.1", "[::1]", "a:443"]);
}

#[test]
fn sources_are_addresses_or_ranges_with_a_port_or_without() {
    for (text, shown, taken, not_taken) in [
        ("10.0.0.1", "10.0.0.1/32", "10.0.0.1:5", "10.0.0.2:5"),
        ("10.1.2.3/8", "10.0.0.0/8", "10.9.9.9:5", "11.0.0.0:5"),
        ("10.0.0.0/8:80", "10.0.0.0/8:80", "10.9.9.9:80", "10.9.9.9:81"),
        ("10.0.0.1", "10.0.0.1/32", "[::ffff:10.0.0.1]:5", "[::1]:5"),
        ("fd00::/8", "fd00::/8", "[fd00::1]:5", "[fe00::1]:5"),
        ("[::1]:443", "[::1/128]:443", "[::1]:443", "[::1]:444"),
        ("[fd00::/8]:443", "[fd00::/8]:443", "[fdff::1]:443", "[fdff::1]:1"),
        ("::1", "::1/128", "[::1]:1", "127.0.0.1:1"),
    ] {
        let source: Source = text.parse().unwrap();
        assert_eq!(source.to_string(), shown);
        assert_eq!(shown.parse(), Ok(source));
        assert!(source.takes(taken.parse().unwrap()) && !source.takes(not_taken.parse().unwrap()), "{text}");
    }
    refused::<Source>(&["", "x", "10.0.0.0/33", "10.0.0.1:0", "10.0.0.1:x", "[::1]x", "[::1]:", ":80", "10.0.0"]);
}
