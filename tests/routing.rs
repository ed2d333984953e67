//! Which route takes a request, what becomes of its path and host, and what routes are not to be had.

use hyper::Version;
use tokio::net::TcpStream;

use crate::harness::certs::Authority;
use crate::harness::gateway::{Outcome, folder, run};
use crate::harness::tls::Hello;
use crate::harness::{Answer, Gateway, Origin, Session};

/// A service with one route, both of this name; `rest` goes into the route. The upstream sees the name first in the
/// path.
fn route(upstream: &Origin, name: &str, rest: &str) -> String {
    format!(
        "[[services]]\nname = \"{name}\"\nurl = \"http://{}/{name}\"\n\
         [[services.routes]]\nname = \"{name}\"\nstrip_path = false\n{rest}\n",
        upstream.address
    )
}

/// A gateway with these routes in this order.
async fn gateway(upstream: &Origin, routes: &[(&str, &str)]) -> Gateway {
    let routes: String = routes.iter().map(|(name, rest)| route(upstream, name, rest)).collect();
    Gateway::start(&routes).await
}

/// The route's name that a request found, or "" if none took it.
fn found(answer: &Answer) -> String {
    match answer.status {
        200 => answer.json()["path"].as_str().unwrap().split(['/', '?']).nth(1).unwrap().to_owned(),
        404 => String::new(),
        other => panic!("{other}: {answer:?}"),
    }
}

#[tokio::test]
async fn hosts() {
    let upstream = Origin::echo("u").await;
    let gateway = gateway(
        &upstream,
        &[
            ("suffix", "hosts = [\"*.example.com\"]"),
            ("prefix", "hosts = [\"shop.*\"]"),
            ("exact", "hosts = [\"api.example.com\"]"),
            ("port", "hosts = [\"api.example.com:8443\"]"),
            ("longer", "hosts = [\"*.eu.example.com\"]"),
            ("address", "hosts = [\"192.0.2.1\", \"[2001:db8::1]\"]"),
        ],
    )
    .await;
    for (host, expected) in [
        ("api.example.com", "exact"),
        ("API.Example.COM", "exact"),
        ("api.example.com:80", "exact"),
        ("api.example.com:8443", "port"),
        ("other.example.com", "suffix"),
        ("a.b.example.com:1234", "suffix"),
        ("de.eu.example.com", "longer"),
        ("example.com", ""),
        ("notexample.com", ""),
        ("shop.example.net", "prefix"),
        ("shop", ""),
        ("192.0.2.1", "address"),
        ("[2001:db8::1]:8080", "address"),
        ("elsewhere", ""),
    ] {
        assert_eq!(found(&gateway.request("GET", "/", &[("host", host)]).await), expected, "{host}");
    }
}

#[tokio::test]
async fn paths() {
    let upstream = Origin::echo("u").await;
    let gateway = gateway(
        &upstream,
        &[
            ("prefix", "paths = [\"/orders\"]"),
            ("longer", "paths = [\"/orders/new\"]"),
            ("number", r#"paths = ['~/orders/(?<id>\d+)$']"#),
            ("first", "paths = [\"~/first/.*\"]\nregex_priority = 10"),
            ("second", "paths = [\"~/(first|second)/.*\"]\nregex_priority = 5"),
        ],
    )
    .await;
    for (path, expected) in [
        ("/orders", "prefix"),
        ("/ordersandmore", "prefix"),
        ("/orders/new/1", "longer"),
        // A regex goes before any prefix, and is asked from the path's beginning.
        ("/orders/17", "number"),
        ("/orders/17/items", "prefix"),
        ("/x/orders/17", ""),
        ("/first/a", "first"),
        ("/second/a", "second"),
        // The query is no part of the path.
        ("/orders/17?x=/orders/new", "number"),
        ("/x?/orders", ""),
    ] {
        assert_eq!(found(&gateway.get(path).await), expected, "{path}");
    }
}

#[tokio::test]
async fn methods_and_headers() {
    let upstream = Origin::echo("u").await;
    let gateway = gateway(
        &upstream,
        &[
            ("any", "paths = [\"/\"]"),
            ("write", "paths = [\"/\"]\nmethods = [\"POST\", \"PUT\"]"),
            ("version", "paths = [\"/\"]\nheaders = { x-version = [\"2\", \"3\"] }"),
            ("both", "paths = [\"/\"]\nheaders = { x-version = [\"2\"], x-tenant = [\"a\"] }"),
        ],
    )
    .await;
    for (method, headers, expected) in [
        ("GET", &[][..], "any"),
        ("DELETE", &[], "any"),
        ("POST", &[], "write"),
        ("GET", &[("x-version", "2")], "version"),
        ("GET", &[("X-Version", "3")], "version"),
        ("GET", &[("x-version", "4")], "any"),
        ("GET", &[("x-version", "2"), ("x-tenant", "a")], "both"),
        ("GET", &[("x-version", "2"), ("x-tenant", "b")], "version"),
        ("GET", &[("x-tenant", "a")], "any"),
        // Headers weigh more than methods.
        ("POST", &[("x-version", "2")], "version"),
    ] {
        assert_eq!(found(&gateway.request(method, "/", headers).await), expected, "{method} {headers:?}");
    }
}

#[tokio::test]
async fn sources() {
    let upstream = Origin::echo("u").await;
    let routes = [
        ("near", "sources = [\"127.0.0.0/8\"]"),
        ("far", "sources = [\"192.0.2.0/24\", \"2001:db8::/32\"]"),
        ("both", "sources = [\"198.51.100.7\"]\npaths = [\"/\"]"),
    ];
    let routes: String = routes.iter().map(|(name, rest)| route(&upstream, name, rest)).collect();
    let listeners = "listeners = [{ address = \"127.0.0.1:0\" }]\ntrusted_proxies = [\"127.0.0.1\"]\n";
    let gateway = Gateway::start(&format!("{listeners}{routes}")).await;
    assert_eq!(found(&gateway.get("/").await), "near");
    for (client, expected) in
        [("192.0.2.77", "far"), ("2001:db8::1", "far"), ("198.51.100.7", "both"), ("203.0.113.1", "")]
    {
        let answer = gateway.request("GET", "/", &[("x-forwarded-for", client)]).await;
        assert_eq!(found(&answer), expected, "{client}");
    }
}

/// A gateway with a TLS listener for `*.example.com` and, second, one in the clear.
async fn with_tls(authority: &Authority, routes: &str) -> Gateway {
    let listeners = "[[listeners]]\naddress = \"127.0.0.1:0\"\n\
                     tls = { certificates = [{ cert = \"server.pem\", key = \"server.key\" }] }\n\
                     [[listeners]]\naddress = \"127.0.0.1:0\"\n";
    let folder = folder(&format!("{listeners}{routes}"), &[]);
    authority.server(&["*.example.com"]).write(folder.path(), "server");
    Gateway::start_in(folder).await
}

async fn over_tls(gateway: &Gateway, authority: &Authority, sni: &str, headers: &[(&str, &str)]) -> Answer {
    let stream = Hello::default().connect(gateway.addresses[0], sni, authority).await.unwrap();
    Session::over(stream, Version::HTTP_11).await.ask("GET", "/x", headers, "").await
}

#[tokio::test]
async fn snis() {
    let upstream = Origin::echo("u").await;
    let authority = Authority::new("ours");
    let routes = [
        route(&upstream, "sni", "snis = [\"a.example.com\"]\npaths = [\"/\"]"),
        route(&upstream, "any", "paths = [\"/\"]"),
    ];
    let gateway = with_tls(&authority, &routes.concat()).await;
    for (sni, host, expected) in [
        ("a.example.com", "a.example.com", "sni"),
        // What the handshake said counts here, not what the request says.
        ("a.example.com", "b.example.com", "sni"),
        ("b.example.com", "a.example.com", "any"),
    ] {
        let answer = over_tls(&gateway, &authority, sni, &[("host", host)]).await;
        assert_eq!(found(&answer), expected, "{sni} {host}");
    }
}

#[tokio::test]
async fn https_only() {
    let upstream = Origin::echo("u").await;
    let authority = Authority::new("ours");
    let mut routes = route(&upstream, "told", "paths = [\"/\"]\nprotocols = [\"https\"]");
    for status in ["301", "302", "307", "308"] {
        let rest = format!("paths = [\"/{status}\"]\nprotocols = [\"https\"]\nhttps_redirect_status_code = {status}");
        routes.push_str(&route(&upstream, &format!("r{status}"), &rest));
    }
    let gateway = with_tls(&authority, &routes).await;
    let clear = gateway.addresses[1];
    let host = [("host", "api.example.com")];

    let mut session = Session::over(TcpStream::connect(clear).await.unwrap(), Version::HTTP_11).await;
    let answer = session.ask("GET", "/x", &host, "").await;
    assert_eq!((answer.status, answer.header("x-gateway-error")), (426, Some("https_required")), "{answer:?}");
    assert_eq!(answer.json()["message"], "Please use HTTPS protocol");
    for status in [301, 302, 307, 308] {
        let mut session = Session::over(TcpStream::connect(clear).await.unwrap(), Version::HTTP_11).await;
        let answer = session.ask("GET", &format!("/{status}/a%2Fb?x=1&y=%20"), &host, "").await;
        assert_eq!(answer.status, status);
        let expected = format!("https://api.example.com/{status}/a%2Fb?x=1&y=%20");
        assert_eq!(answer.header("location"), Some(expected.as_str()));
    }
    assert_eq!(upstream.requests(), 0, "nothing went out in the clear");
    assert_eq!(found(&over_tls(&gateway, &authority, "api.example.com", &host).await), "told");
}

#[tokio::test]
async fn a_trusted_proxy_may_have_ended_tls() {
    let upstream = Origin::echo("u").await;
    let route = route(&upstream, "r", "paths = [\"/\"]\nprotocols = [\"https\"]");
    for (trusted, expected) in [("127.0.0.1", 200), ("192.0.2.1", 426)] {
        let head = format!("listeners = [{{ address = \"127.0.0.1:0\" }}]\ntrusted_proxies = [\"{trusted}\"]\n");
        let gateway = Gateway::start(&format!("{head}{route}")).await;
        let answer = gateway.request("GET", "/", &[("x-forwarded-proto", "https")]).await;
        assert_eq!(answer.status, expected, "{trusted}");
        assert_eq!(gateway.get("/").await.status, 426);
    }
}

#[tokio::test]
async fn what_was_matched_is_left_out_of_the_path() {
    let upstream = Origin::echo("u").await;
    let gateway = Gateway::start(&format!(
        r#"
[[services]]
name = "s"
url = "http://{}/base"
routes = [
  {{ name = "regex", paths = ['~/v\d+/orders'] }},
  {{ name = "end", paths = ['~/whole/(?<id>\d+)$'] }},
  {{ name = "prefix", paths = ["/plain"], preserve_host = true }},
]
"#,
        upstream.address
    ))
    .await;
    for (path, expected, prefix) in [
        ("/v12/orders/7?q=1", "/base/7?q=1", "/v12/orders"),
        ("/v1/orders", "/base", "/v1/orders"),
        ("/whole/123", "/base", "/whole/123"),
        ("/plain/a", "/base/a", "/plain"),
    ] {
        let answer = gateway.get(path).await;
        assert_eq!(answer.json()["path"], expected, "{path}");
        assert_eq!(answer.upstream_got("x-forwarded-prefix").as_deref(), Some(prefix), "{path}");
    }
    for (path, expected) in [("/plain", "client.example.com".to_owned()), ("/v1/orders", upstream.address.to_string())]
    {
        let answer = gateway.request("GET", path, &[("host", "client.example.com")]).await;
        assert_eq!(answer.upstream_got("host"), Some(expected), "{path}");
    }
}

#[tokio::test]
async fn the_better_match_goes_first() {
    let upstream = Origin::echo("u").await;
    let gateway = gateway(
        &upstream,
        &[
            ("path", "paths = [\"/shop/cart/checkout\"]"),
            ("wild", "hosts = [\"*.example.com\"]\npaths = [\"/shop/cart\"]"),
            ("plain", "hosts = [\"api.example.com\"]\npaths = [\"/shop\"]"),
            ("host", "hosts = [\"api.example.com\"]"),
            ("older", "paths = [\"/tie\"]\nmethods = [\"GET\", \"POST\"]"),
            ("younger", "paths = [\"/tie\"]\nmethods = [\"GET\", \"PUT\"]"),
        ],
    )
    .await;
    for (method, host, path, expected) in [
        // More criteria before a longer path; a plain host before a wildcard with a longer path.
        ("GET", "other", "/shop/cart/checkout", "path"),
        ("GET", "de.example.com", "/shop/cart/checkout", "wild"),
        ("GET", "api.example.com", "/shop/cart/checkout", "plain"),
        ("GET", "api.example.com", "/", "host"),
        // Equal in all else: the one that was there first.
        ("GET", "other", "/tie", "older"),
        ("PUT", "other", "/tie", "younger"),
    ] {
        let answer = gateway.request(method, path, &[("host", host)]).await;
        assert_eq!(found(&answer), expected, "{method} {host}{path}");
    }
}

#[tokio::test]
async fn routes_that_nobody_could_tell_apart() {
    let upstream = Origin::echo("u").await;
    let check = |one: &str, two: &str| {
        let config = [route(&upstream, "one", one), route(&upstream, "two", two)].concat();
        run(folder(&config, &[]).path(), &["check"])
    };
    for (one, two) in [
        ("paths = [\"/a\"]", "paths = [\"/a\"]"),
        (
            "paths = [\"/a\", \"/b\"]\nmethods = [\"GET\", \"PUT\"]",
            "methods = [\"PUT\", \"GET\"]\npaths = [\"/b\", \"/a\"]",
        ),
        ("hosts = [\"A.example.com\"]", "hosts = [\"a.example.com\"]"),
        ("headers = { x-a = [\"1\"] }", "headers = { X-A = [\"1\"] }"),
    ] {
        let Outcome { status, stderr, .. } = check(one, two);
        assert_eq!(status.code(), Some(1), "{one} | {two}");
        assert!(stderr.contains("one") && stderr.contains("two"), "it names both: {stderr}");
    }
    for (one, two) in [
        ("paths = [\"/a\"]", "paths = [\"/a\"]\nmethods = [\"GET\"]"),
        ("paths = [\"/a\"]", "paths = [\"/a/\"]"),
        ("paths = [\"~/a\"]", "paths = [\"~/a\"]\nregex_priority = 1"),
    ] {
        let Outcome { status, stderr, .. } = check(one, two);
        assert!(status.success(), "{one} | {two}: {stderr}");
    }
}
