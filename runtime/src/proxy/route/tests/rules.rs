//! One table per rule.

use crate::limits;

use super::*;

#[test]
fn the_longest_prefix_wins_byte_by_byte() {
    let router = each_path(&["/", "/v1", "/v1/orders", "/v1/others"]);
    for (path, expected) in [
        ("/", (0, 1)),
        ("/v", (0, 1)),
        ("/v1", (1, 3)),
        ("/v1x", (1, 3)),
        ("/v1/o", (1, 3)),
        ("/v1/orders", (2, 10)),
        ("/v1/orders/7", (2, 10)),
        ("/v1/others", (3, 10)),
    ] {
        let request = Request::new("h", path);
        let found = router.find(&request.ask()).unwrap();
        assert_eq!((*found.route, found.prefix_length), expected, "{path}");
    }
    assert_eq!(Request::new("h", "*").winner(&router), None);
}

#[test]
fn a_shorter_prefix_serves_what_the_longer_ones_methods_do_not() {
    let read = Spec { methods: vec!["GET"], ..paths(&["/v1"]) };
    let write = Spec { methods: vec!["POST", "PURGE"], ..paths(&["/v1/orders"]) };
    let router = router(&[read, write]);
    let request = Request::new("h", "/v1/orders");
    assert_eq!(request.winner(&router), Some(0));
    assert_eq!(request.clone().method(Method::POST).winner(&router), Some(1));
    assert_eq!(request.clone().method("PURGE".parse().unwrap()).winner(&router), Some(1));
    assert_eq!(request.clone().method("LIST".parse().unwrap()).winner(&router), None);
    assert_eq!(request.method(Method::PUT).winner(&router), None);
}

#[test]
fn hosts_match_without_case_and_plain_ones_win() {
    let router = each_host(&["*.example.com", "*.com", "api.example.com", "[::1]", "api.*", "*..twice", "a.b.c.*"]);
    for (host, expected) in [
        ("api.example.com", Some(2)),
        ("API.Example.com:8000", Some(2)),
        ("api.example.com:", Some(2)),
        ("a.example.com", Some(0)),
        ("a.b.example.com:1", Some(0)),
        ("example.com", Some(1)),
        ("example.org", None),
        (".com", None),
        (".example.com", Some(1)),
        ("[::1]:80", Some(3)),
        ("[::1]", Some(3)),
        ("api.org", Some(4)),
        ("api.b.c", Some(4)),
        ("api.", None),
        ("xapi.org", None),
        ("a..twice", Some(5)),
        ("a.twice", None),
        ("a.b.c.d.e", Some(6)),
        ("a.b.c", None),
        ("", None),
    ] {
        assert_eq!(Request::new(host, "/").winner(&router), expected, "{host}");
    }
    let long = format!("{}.com", "a".repeat(300));
    assert_eq!(Request::new(&long, "/").winner(&router), None);
    assert_eq!(Request::new(&long, "/").winner(&super::router(&[Spec::default()])), Some(0));
}

#[test]
fn a_port_is_the_hosts_own_or_else_the_listeners() {
    let router = each_host(&["a:8000", "a:8443", "*.a:8443", "[::1]:8443"]);
    for (host, expected) in [
        ("a", Some(0)),
        ("a:", Some(0)),
        ("a:8000", Some(0)),
        ("a:8443", Some(1)),
        ("a:80", None),
        ("a:99999", None),
        ("x.a:8443", Some(2)),
        ("x.a", None),
        ("[::1]", None),
        ("[::1]:8443", Some(3)),
    ] {
        assert_eq!(Request::new(host, "/").winner(&router), expected, "{host}");
    }
}

#[test]
fn narrower_hosts_win() {
    let request = Request::new("api.example.com", "/v1/orders");
    for (better, worse) in [
        ("api.example.com", "*.example.com"),
        ("api.example.com", "api.example.*"),
        ("api.example.com:8000", "api.example.com"),
        ("api.example.com", "*.example.com:8000"),
        ("*.com:8000", "*.example.com"),
        ("*.example.com", "*.com"),
        ("api.example.*", "api.*"),
        ("*.example.com", "api.*"),
    ] {
        first_wins(hosts(&[better]), hosts(&[worse]), &request);
        // Whatever the paths.
        let longer = Spec { paths: vec!["/v1/orders"], ..hosts(&[worse]) };
        first_wins(Spec { paths: vec!["/"], ..hosts(&[better]) }, longer, &request);
    }
}

/// One criterion of each category, from the most important to the least.
fn one_of_each() -> [Spec; 6] {
    [
        hosts(&["h"]),
        Spec { headers: vec![("x-a", vec!["1"])], ..Spec::default() },
        paths(&["/v1"]),
        Spec { methods: vec!["GET"], ..Spec::default() },
        Spec { snis: vec!["s"], ..Spec::default() },
        Spec { sources: vec!["192.0.2.0/24"], ..Spec::default() },
    ]
}

#[test]
fn categories_have_an_order() {
    let request = Request::new("h", "/v1").header("x-a", "1").tls(Some("s"));
    for pair in one_of_each().windows(2) {
        first_wins(pair[0].clone(), pair[1].clone(), &request);
    }
    first_wins(one_of_each()[5].clone(), Spec::default(), &request);
}

#[test]
fn more_categories_beat_better_ones() {
    let request = Request::new("h", "/v1").header("x-a", "1").tls(Some("s"));
    let two = Spec { snis: vec!["s"], sources: vec!["192.0.2.1"], ..Spec::default() };
    for one in one_of_each() {
        first_wins(two.clone(), one, &request);
    }
    let wildcard = Spec { methods: vec!["GET"], paths: vec!["/"], ..hosts(&["*.h"]) };
    first_wins(wildcard, Spec { paths: vec!["/v1"], ..hosts(&["x.h"]) }, &Request::new("x.h", "/v1"));
}

#[test]
fn all_headers_and_any_of_their_values_must_be_there() {
    let criteria = vec![("x-version", vec!["2", "V3"]), ("x-tenant", vec!["~*^acme-\\d+$"])];
    let router = router(&[Spec { headers: criteria, ..Spec::default() }]);
    let request = || Request::new("h", "/");
    for (request, expected) in [
        (request().header("x-version", "2").header("x-tenant", "ACME-7"), Some(0)),
        (request().header("x-version", "v3").header("x-tenant", "acme-7"), Some(0)),
        (
            request()
                .header("x-version", "1")
                .header("x-version", "3")
                .header("x-version", "v3")
                .header("x-tenant", "acme-7"),
            Some(0),
        ),
        (request().header("x-version", "2").header("x-tenant", "acme"), None),
        (request().header("x-version", "22").header("x-tenant", "acme-7"), None),
        (request().header("x-tenant", "acme-7"), None),
        (request(), None),
    ] {
        assert_eq!(request.winner(&router), expected, "{request:?}");
    }
}

#[test]
fn more_headers_beat_fewer_and_longer_paths() {
    let one = Spec { headers: vec![("x-a", vec!["1"])], ..paths(&["/v1/orders"]) };
    let two = Spec { headers: vec![("x-a", vec!["1"]), ("x-b", vec!["~*."])], ..paths(&["/v1"]) };
    first_wins(two, one, &Request::new("h", "/v1/orders").header("x-a", "1").header("x-b", "2"));
}

#[test]
fn server_names_count_under_tls_only() {
    let router = router(&[Spec { snis: vec!["*.a.com", "b.com"], ..Spec::default() }]);
    let request = Request::new("h", "/");
    assert_eq!(request.winner(&router), Some(0));
    for (sni, expected) in [(Some("X.a.com"), Some(0)), (Some("b.com."), Some(0)), (Some("a.com"), None), (None, None)]
    {
        assert_eq!(request.clone().tls(sni).winner(&router), expected, "{sni:?}");
    }
}

#[test]
fn sources_are_networks_and_ports() {
    let router = router(&[Spec { sources: vec!["10.0.0.0/8", "[fd00::/8]:443"], ..Spec::default() }]);
    for (source, expected) in [
        ("10.1.2.3:5", Some(0)),
        ("[::ffff:10.1.2.3]:5", Some(0)),
        ("11.0.0.1:5", None),
        ("[fd00::1]:443", Some(0)),
        ("[fd00::1]:5", None),
    ] {
        assert_eq!(Request::new("h", "/").source(source).winner(&router), expected, "{source}");
    }
}

#[test]
fn paths_may_be_nested_deeply() {
    let texts: Vec<&'static str> = (1..20).map(|depth| &*"/a".repeat(depth).leak()).collect();
    let specs: Vec<Spec> = texts.iter().map(|path| paths(&[path])).collect();
    for depth in 1..20 {
        assert_eq!(Request::new("h", &"/a".repeat(depth)).winner(&router(&specs)), Some(depth - 1));
    }
}

#[test]
fn among_equals_the_first_wins() {
    let specs = [paths(&["/a"]), paths(&["/a"]), paths(&["~/b"]), paths(&["~/b"])];
    assert_eq!(Request::new("h", "/a").winner(&router(&specs)), Some(0));
    assert_eq!(Request::new("h", "/b").winner(&router(&specs)), Some(2));
}

#[test]
fn ten_thousand_values_of_a_header_each_lead_somewhere() {
    let specs: Vec<Spec> = (0..10_000)
        .map(|nth| Spec { headers: vec![("x-tenant", vec![&*format!("t{nth}").leak(), "all"])], ..paths(&["/"]) })
        .collect();
    let router = router(&specs);
    for (value, expected) in [("t0", Some(0)), ("T9999", Some(9999)), ("ALL", Some(0)), ("t10000", None)] {
        assert_eq!(Request::new("h", "/x").header("x-tenant", value).winner(&router), expected, "{value}");
    }
}

#[test]
fn ten_thousand_server_names_each_lead_somewhere() {
    let with = |nth: usize, sni: String| Spec {
        snis: vec![sni.leak()],
        methods: if nth == 0 { vec!["POST"] } else { Vec::new() },
        ..paths(&["/"])
    };
    let names = (0..10_000).map(|nth| match nth % 3 {
        0 => with(nth, format!("t{nth}.a.com")),
        1 => with(nth, format!("*.t{nth}.a.com")),
        _ => with(nth, format!("t{nth}.*")),
    });
    let router = router(&names.collect::<Vec<_>>());
    for (sni, expected) in [
        (Some("t3.a.com"), Some(3)),
        (Some("T9.A.com."), Some(9)),
        (Some("x.t4.a.com"), Some(4)),
        (Some("x.y.t4.a.com"), Some(4)),
        (Some("t4.a.com"), None),
        (Some(".t4.a.com"), None),
        (Some("t5.org"), Some(5)),
        (Some("t5.a.b.c"), Some(5)),
        (Some("t5.t4.a.com"), Some(4)),
        (Some("t5"), None),
        (Some("t0.a.com"), None),
        (None, None),
    ] {
        assert_eq!(Request::new("h", "/").tls(sni).winner(&router), expected, "{sni:?}");
    }
    // Without TLS they do not count, but methods do.
    assert_eq!(Request::new("h", "/").winner(&router), Some(1));
    assert_eq!(Request::new("h", "/").method(Method::POST).winner(&router), Some(0));
}

#[test]
fn networks_of_many_sizes_each_lead_somewhere() {
    let with = |sources: &[&'static str]| Spec { sources: sources.to_vec(), ..paths(&["/"]) };
    let router = router(&[
        with(&["10.1.2.3:443"]),
        with(&["10.1.2.3", "fd00::1"]),
        with(&["10.1.0.0/16"]),
        with(&["fd00::/8", "10.0.0.0/8"]),
        with(&["0.0.0.0/0"]),
    ]);
    for (source, expected) in [
        ("10.1.2.3:443", Some(0)),
        ("10.1.2.3:5", Some(1)),
        ("[::ffff:10.1.2.3]:5", Some(1)),
        ("10.1.2.4:443", Some(2)),
        ("10.2.2.3:5", Some(3)),
        ("11.0.0.1:5", Some(4)),
        ("[fd00::1]:5", Some(1)),
        ("[fdff::1]:5", Some(3)),
        ("[fe00::1]:5", None),
    ] {
        assert_eq!(Request::new("h", "/").source(source).winner(&router), expected, "{source}");
    }
}

#[test]
fn a_header_is_found_however_many_the_routes_ask_for() {
    let specs: Vec<Spec> = (0..50)
        .map(|nth| Spec { headers: vec![(&*format!("x-{nth}").leak(), vec!["1"])], ..Spec::default() })
        .collect();
    let router = router(&specs);
    assert_eq!(Request::new("h", "/").header("x-7", "1").winner(&router), Some(7));
    assert_eq!(
        Request::new("h", "/").header("x-50", "1").header("x-7", "1").header("x-3", "1").winner(&router),
        Some(3)
    );
    assert_eq!(Request::new("h", "/").header("x-7", "2").winner(&router), None);
}

#[test]
fn the_same_criteria_in_another_order_are_found_out() {
    let one = Spec { methods: vec!["GET", "POST"], ..hosts(&["a", "*.B"]) };
    let same = Spec { methods: vec!["POST", "GET", "GET"], ..hosts(&["*.b", "a"]) };
    let other = Spec { methods: vec!["POST"], ..hosts(&["*.b", "a"]) };
    let regex = paths(&["~/a"]);
    let higher = Spec { regex_priority: 1, ..regex.clone() };
    let prefix = paths(&["/a"]);
    let higher_prefix = Spec { regex_priority: 1, ..prefix.clone() };
    let specs = [one, other, same.clone(), regex, higher, prefix, higher_prefix, same];
    let built = Router::new(specs.iter().map(|spec| (spec.criteria(), ())).collect());
    let pairs: Vec<_> = built.shadowed.iter().map(|pair| (pair.first, pair.second)).collect();
    assert_eq!(pairs, [(0, 2), (5, 6), (0, 7)]);
}

#[test]
fn a_near_miss_is_told_in_words() {
    let orders = Spec { paths: vec!["/v1"], methods: vec!["GET", "POST"], ..hosts(&["a"]) };
    let guarded = Spec {
        headers: vec![("x-a", vec!["1"]), ("x-b", vec!["2", "3"])],
        sources: vec!["10.0.0.0/8"],
        ..paths(&["/guarded"])
    };
    let many = Spec { snis: vec!["s.com"], ..hosts(&["b1", "b2", "b3", "b4:1", "b5", "b6", "b7"]) };
    let routes = [orders, guarded, many].iter().map(Spec::criteria).zip(["orders", "guarded", "many"]).collect();
    let router: Router<&str> = Router::new(routes).router;
    let long: Method = "X".repeat(100).parse().unwrap();
    for (request, expected) in [
        (
            Request::new("a", "/v1").method(Method::DELETE),
            Some("orders takes this host and path, but not DELETE (it takes GET, POST)".to_owned()),
        ),
        (
            Request::new("a", "/v1").method(long),
            Some(format!("orders takes this host and path, but not {} (it takes GET, POST)", "X".repeat(32))),
        ),
        (
            Request::new("a", "/v2"),
            Some("orders takes this host and method, but not this path (it takes /v1)".to_owned()),
        ),
        (
            Request::new("x", "/v1"),
            Some("orders takes this path and method, but not this host (it takes a)".to_owned()),
        ),
        (
            Request::new("x", "/guarded").method(Method::PUT).header("x-a", "1"),
            Some(
                "guarded takes this path, but not these headers (it takes x-b: 2 or 3) and not this source \
                 (it takes 10.0.0.0/8)"
                    .to_owned(),
            ),
        ),
        (
            Request::new("b4:2", "/").method(Method::PUT).tls(Some("s.com")),
            Some(
                "many takes this server name, but not this host (it takes b1, b2, b3, b4:1, b5 and 2 more)".to_owned(),
            ),
        ),
        (Request::new("x", "/").method(Method::PUT), None),
    ] {
        assert!(router.find(&request.ask()).is_none(), "{request:?}");
        assert_eq!(router.near_miss(&request.ask(), |route| *route), expected, "{request:?}");
    }
}

#[test]
fn a_near_miss_looks_at_a_bounded_number_of_routes() {
    let specs: Vec<Spec> = (0..limits::NEAR_MISS_ROUTES + 10)
        .map(|nth| Spec { sources: vec![&*format!("10.0.{}.{}", nth >> 8, nth & 255).leak()], ..paths(&["/"]) })
        .collect();
    let router = Router::new(specs.iter().map(|spec| (spec.criteria(), "one")).collect()).router;
    let words = router.near_miss(&Request::new("h", "/").ask(), |route| *route).unwrap();
    assert_eq!(words, "one takes this path, but not this source (it takes 10.0.0.0/32)");
    assert_eq!(Router::<&str>::new(Vec::new()).router.near_miss(&Request::new("h", "/").ask(), |name| *name), None);
}
