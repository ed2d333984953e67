use super::*;
use crate::balance::Balancer;
use crate::config::checked::Timeouts;
use crate::config::reader::Located;
use crate::config::values;
use crate::host::chain::Chain;
use crate::snapshot::Service;
use std::time::Duration;

fn service() -> Arc<Service> {
    let second = Duration::from_secs(1);
    Arc::new(Service {
        name: "s".into(),
        path: String::new(),
        host: http::HeaderValue::from_static("s"),
        balancer: Balancer::new(&[]),
        timeouts: Timeouts { connect: second, response: second, idle: second },
    })
}

/// Name, hosts, paths, methods.
type Listed<'l> = (&'l str, &'l [&'l str], &'l [&'l str], &'l [&'l str]);

fn router(routes: &[Listed<'_>]) -> Router {
    let listed: Vec<checked::Route> = routes
        .iter()
        .map(|(name, hosts, paths, methods)| checked::Route {
            name: Located { value: name.parse().unwrap(), span: 0..0 },
            hosts: hosts.iter().map(|host| host.parse().unwrap()).collect(),
            paths: paths.iter().map(|path| path.parse().unwrap()).collect(),
            methods: methods.iter().map(|method| method.parse::<values::Method>().unwrap()).collect(),
            strip_path: true,
            preserve_host: false,
            plugins: Vec::new(),
        })
        .collect();
    let compiled = listed.iter().map(|route| {
        let compiled = Route {
            name: route.name.value.as_str().into(),
            service: service(),
            chain: Chain::default(),
            strip_path: true,
            preserve_host: false,
        };
        (route, Arc::new(compiled))
    });
    Router::new(compiled.collect())
}

fn find(router: &Router, host: &str, path: &str, method: &Method) -> Option<(String, usize)> {
    router.find(host, path, method).map(|found| (found.route.name.to_string(), found.prefix_length))
}

fn name(router: &Router, host: &str, path: &str) -> Option<String> {
    find(router, host, path, &Method::GET).map(|(name, _)| name)
}

#[test]
fn the_longest_prefix_wins_byte_by_byte() {
    let router = router(&[
        ("root", &[], &["/"], &[]),
        ("v1", &[], &["/v1"], &[]),
        ("orders", &[], &["/v1/orders"], &[]),
        ("other", &[], &["/v1/others"], &[]),
    ]);
    for (path, expected) in [
        ("/", "root"),
        ("/v", "root"),
        ("/v1", "v1"),
        ("/v1x", "v1"),
        ("/v1/o", "v1"),
        ("/v1/orders", "orders"),
        ("/v1/orders/7", "orders"),
        ("/v1/others", "other"),
    ] {
        assert_eq!(name(&router, "h", path).as_deref(), Some(expected), "{path}");
    }
    assert_eq!(find(&router, "h", "/v1/orders/7", &Method::GET), Some(("orders".into(), 10)));
}

#[test]
fn a_shorter_prefix_serves_what_the_longer_ones_methods_do_not() {
    let router = router(&[("read", &[], &["/v1"], &["GET"]), ("write", &[], &["/v1/orders"], &["POST"])]);
    assert_eq!(find(&router, "h", "/v1/orders", &Method::GET), Some(("read".into(), 3)));
    assert_eq!(find(&router, "h", "/v1/orders", &Method::POST), Some(("write".into(), 10)));
    assert_eq!(find(&router, "h", "/v1/orders", &Method::PUT), None);
}

#[test]
fn hosts_match_without_case_and_port_and_plain_ones_win() {
    let router = router(&[
        ("wild", &["*.example.com"], &[], &[]),
        ("wilder", &["*.com"], &[], &[]),
        ("plain", &["api.example.com"], &[], &[]),
        ("six", &["[::1]"], &[], &[]),
    ]);
    for (host, expected) in [
        ("api.example.com", Some("plain")),
        ("API.Example.com:8000", Some("plain")),
        ("a.example.com", Some("wild")),
        ("a.b.example.com", Some("wild")),
        ("example.com", Some("wilder")),
        ("example.org", None),
        (".com", None),
        ("[::1]:80", Some("six")),
        ("[::1]", Some("six")),
        ("", None),
    ] {
        assert_eq!(name(&router, host, "/").as_deref(), expected, "{host}");
    }
}

#[test]
fn more_criteria_beat_better_ones() {
    let router = router(&[
        ("host", &["h"], &[], &[]),
        ("path-and-method", &[], &["/v1"], &["GET"]),
        ("host-and-path", &["h"], &["/"], &[]),
        ("all", &["*.h"], &["/v1"], &["GET"]),
    ]);
    assert_eq!(name(&router, "h", "/v1").as_deref(), Some("host-and-path"), "host before path before method");
    assert_eq!(name(&router, "x.h", "/v1").as_deref(), Some("all"));
    assert_eq!(name(&router, "other", "/v1").as_deref(), Some("path-and-method"));
    assert_eq!(name(&router, "h", "*").as_deref(), Some("host"));
}

#[test]
fn among_equals_the_older_wins() {
    let router = router(&[("first", &[], &["/a"], &[]), ("second", &[], &["/a"], &[])]);
    assert_eq!(name(&router, "h", "/a").as_deref(), Some("first"));
}

#[test]
fn a_tree_agrees_with_a_scan() {
    let prefixes = ["/", "/a", "/ab", "/abc", "/b", "/a/b", "/a/bc", "/aa", "/abd", "/c/d/e/f", "/c/d"];
    let routes: Vec<Listed<'_>> =
        prefixes.iter().map(|prefix| (*prefix, &[][..], std::slice::from_ref(prefix), &[][..])).collect();
    let router = router(&routes);
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..10_000 {
        let path: String = std::iter::once('/')
            .chain((0..random.usize(0..8)).map(|_| char::from(random.choice(b"abcdef/").copied().unwrap())))
            .collect();
        let expected = prefixes.iter().filter(|prefix| path.starts_with(**prefix)).max_by_key(|prefix| prefix.len());
        assert_eq!(name(&router, "h", &path).as_deref(), expected.copied(), "{path}");
    }
}
