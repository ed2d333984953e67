//! Rules about regexes, and the ways in which many of them are told apart.

use super::*;

#[test]
fn regexes_beat_prefixes_then_priority_then_length_decide() {
    let request = Request::new("h", "/v1/orders/17");
    first_wins(paths(&["~/v1"]), paths(&["/v1/orders/17"]), &request);
    let first = Spec { regex_priority: 1, ..paths(&["~/v1"]) };
    first_wins(first, paths(&["~/v1/orders/[0-9]+"]), &request);
    // It is nothing to prefixes.
    first_wins(paths(&["/v1/orders"]), Spec { regex_priority: 1, ..paths(&["/v1"]) }, &request);
    first_wins(paths(&["~/v1/orders/\\d"]), paths(&["~/v1/orders"]), &request);
}

#[test]
fn regexes_tell_what_they_took() {
    let router = each_path(&[
        r"~^/v2/(?<kind>[a-z]+)/(?<id>\d+)(?:/(?<rest>.*))?$",
        r"~/v3/\d+",
        r"~.*\.php$",
        "/v4",
        r"~/(?i)V5",
    ]);
    for (path, route, length, captures) in [
        ("/v2/orders/17", 0, 13, &[("kind", "orders"), ("id", "17")][..]),
        ("/v2/orders/17/x", 0, 15, &[("kind", "orders"), ("id", "17"), ("rest", "x")]),
        ("/v3/17/x", 1, 6, &[]),
        ("/a/b.php", 2, 8, &[]),
        ("/v4/b", 3, 3, &[]),
        ("/v5/b", 4, 3, &[]),
    ] {
        let request = Request::new("h", path);
        let found = router.find(&request.ask()).unwrap();
        assert_eq!((*found.route, found.prefix_length), (route, length), "{path}");
        assert_eq!(found.captures.iter().collect::<Vec<_>>(), captures, "{path}");
        assert!(captures.iter().all(|(name, text)| found.captures.named(name) == Some(text)), "{path}");
    }
    assert_eq!(Request::new("h", "/x/v2/orders/17").winner(&router), None);
}

#[test]
fn regexes_in_sets_are_all_found() {
    let texts: Vec<&'static str> = (0..500).map(|nth| &*format!("~/[a-z]+/{nth}$").leak()).collect();
    let router = each_path(&texts);
    for nth in 0..500 {
        assert_eq!(Request::new("h", &format!("/abc/{nth}")).winner(&router), Some(nth));
    }
    assert_eq!(Request::new("h", "/abc/500").winner(&router), None);
}

#[test]
fn a_set_that_is_too_large_becomes_several() {
    let texts: Vec<&'static str> = (0..60).map(|nth| &*format!("~/.{{1,2000}}/{nth}$").leak()).collect();
    let router = each_path(&texts);
    for nth in [0, 1, 30, 59] {
        assert_eq!(Request::new("h", &format!("/abc/{nth}")).winner(&router), Some(nth));
    }
}

#[test]
fn where_the_best_regex_refuses_the_next_one_is_asked() {
    // All begin alike, and the longer patterns rank better.
    let with = |path: &'static str, methods: &[&'static str]| Spec { methods: methods.to_vec(), ..paths(&[path]) };
    let router = router(&[
        with("~/v1/[a-z]+/items/[0-9]+$", &["PUT"]),
        with("~/v1/[a-z]+/items/", &["PUT", "POST"]),
        with("~/v1/[a-z]+", &["PUT", "POST", "DELETE"]),
        paths(&["~/v1/[a-z]+/items"]),
        paths(&["/v1/"]),
    ]);
    let request = Request::new("h", "/v1/abc/items/7");
    for (method, expected, length) in
        [(Method::PUT, 0, 15), (Method::POST, 1, 14), (Method::DELETE, 2, 7), (Method::GET, 3, 13)]
    {
        let request = request.clone().method(method.clone());
        let found = router.find(&request.ask()).unwrap();
        assert_eq!((*found.route, found.prefix_length), (expected, length), "{method}");
    }
    assert_eq!(Request::new("h", "/v1/7").winner(&router), Some(4));
}

#[test]
fn regexes_that_cannot_be_told_apart_beforehand_are_all_found() {
    let texts: Vec<&'static str> = (0..40).map(|nth| &*format!("~/.*/{nth}/").leak()).collect();
    let router = each_path(&texts);
    for nth in 0..40 {
        assert_eq!(Request::new("h", &format!("/a/b/{nth}/c")).winner(&router), Some(nth));
    }
    assert_eq!(Request::new("h", "/a/40/").winner(&router), None);
    assert_eq!(Request::new("h", "/7/12/").winner(&router), Some(12));
}
