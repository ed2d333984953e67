//! Requests on their way to an upstream and back.

use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::{Gateway, Upstream, one_route, until};

#[tokio::test]
async fn a_request_arrives_rewritten_for_its_next_hop() {
    let upstream = Upstream::echo("u").await;
    let gateway = Gateway::start(&format!(
        r#"
[[services]]
name = "s"
url = "http://{}/base"
routes = [{{ name = "r", paths = ["/v1"] }}]
"#,
        upstream.address
    ))
    .await;
    let mut client = gateway.client().await;
    let headers = [
        ("host", "api.example.com"),
        ("connection", "close, x-hop"),
        ("x-hop", "1"),
        ("te", "gzip"),
        ("x-forwarded-for", "203.0.113.7"),
        ("x-forwarded-for", "203.0.113.8"),
        ("x-gateway-request-id", "forged"),
        ("x-forwarded-prefix", "/forged"),
        ("x-forwarded-port", "1"),
        ("x-consumer-username", "root"),
        ("x-consumer-id", "1"),
        ("x-credential-identifier", "1"),
        ("x-custom", "kept"),
    ];
    let answer = client.send("POST", "/v1/orders%2F7?a=b&c", &headers, "payload").await;

    assert_eq!(answer.status, 200);
    let echo = answer.json();
    assert_eq!(echo["method"], "POST");
    assert_eq!(echo["path"], "/base/orders%2F7?a=b&c");
    assert_eq!(echo["body"], "payload");
    for (name, expected) in [
        ("host", Some(upstream.address.to_string().as_str())),
        ("x-forwarded-for", Some("203.0.113.7, 203.0.113.8, 127.0.0.1")),
        ("x-real-ip", Some("127.0.0.1")),
        ("x-forwarded-proto", Some("http")),
        ("x-forwarded-host", Some("api.example.com")),
        ("x-forwarded-path", Some("/v1/orders%2F7")),
        ("x-forwarded-prefix", Some("/v1")),
        ("x-forwarded-port", Some(gateway.addresses[0].port().to_string().as_str())),
        ("content-length", Some("7")),
        ("x-custom", Some("kept")),
        ("x-hop", None),
        ("te", None),
        ("connection", None),
        ("x-consumer-username", None),
        ("x-consumer-id", None),
        ("x-credential-identifier", None),
    ] {
        assert_eq!(answer.upstream_got(name).as_deref(), expected, "{name}");
    }
    assert!(answer.upstream_got("via").unwrap().starts_with("1.1 tidegate-"), "{answer:?}");
    let id = answer.header("x-gateway-request-id").unwrap();
    assert_eq!(answer.upstream_got("x-gateway-request-id").as_deref(), Some(id));
    assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
}

#[tokio::test]
async fn host_path_and_method_decide_where_a_request_goes() {
    let upstream = Upstream::echo("u").await;
    let route = |name: &str, rest: &str| {
        format!(
            "[[services]]\nname = \"{name}\"\nurl = \"http://{}/{name}\"\n\
             [[services.routes]]\nname = \"{name}\"\nstrip_path = false\n{rest}\n",
            upstream.address
        )
    };
    let gateway = Gateway::start(
        &[
            route("any", "paths = [\"/\"]"),
            route("orders", "paths = [\"/orders\"]"),
            route("write", "paths = [\"/orders\"]\nmethods = [\"POST\", \"PUT\"]"),
            route("shop", "hosts = [\"*.shop.example.com\"]\npaths = [\"/\"]\npreserve_host = true"),
        ]
        .concat(),
    )
    .await;
    for (method, host, path, expected) in [
        ("GET", "a", "/x", "/any/x"),
        ("GET", "a", "/orders/1", "/orders/orders/1"),
        ("POST", "a", "/orders/1", "/write/orders/1"),
        ("GET", "de.shop.example.com:80", "/orders", "/shop/orders"),
    ] {
        let answer = gateway.request(method, path, &[("host", host)]).await;
        assert_eq!(answer.json()["path"], expected, "{method} {host}{path}");
    }
    let answer = gateway.request("GET", "/", &[("host", "de.shop.example.com:80")]).await;
    assert_eq!(answer.upstream_got("host").as_deref(), Some("de.shop.example.com:80"));
}

#[tokio::test]
async fn a_route_cannot_be_walked_around() {
    let upstream = Upstream::echo("u").await;
    let gateway = Gateway::start(&format!(
        r#"
[[services]]
name = "s"
url = "http://{}/base"
routes = [
  {{ name = "open", paths = ["/"] }},
  {{ name = "guarded", paths = ["/admin"], strip_path = false, plugins = [{{ use = "key-auth" }}] }},
]
"#,
        upstream.address
    ))
    .await;
    for path in
        ["/admin/x", "/../admin/x", "//admin/x", "/a/../admin/x", "/./admin/x", "/%61dmin/x", "/a/%2e%2E/admin/x"]
    {
        assert_eq!(gateway.get(path).await.status, 401, "{path}");
    }
    for (path, expected) in [
        ("/b/../../etc", "/base/etc"),
        ("/?q=1", "/base?q=1"),
        ("/a//b/?c=../d", "/base/a/b/?c=../d"),
        ("/a%2Fb", "/base/a%2Fb"),
    ] {
        assert_eq!(gateway.get(path).await.json()["path"], expected, "{path}");
    }
    assert_eq!(gateway.get("/100%").await.header("x-gateway-error"), Some("request_invalid"));
}

#[tokio::test]
async fn a_stripped_prefix_leaves_no_way_up() {
    let upstream = Upstream::echo("u").await;
    let address = upstream.address;
    let service = format!("[[services]]\nname = \"s\"\nurl = \"http://{address}/base\"\n");
    let gateway = Gateway::start(&format!("{service}routes = [{{ name = \"r\", paths = [\"/b\"] }}]\n")).await;
    for (path, expected) in
        [("/b../admin", "/base/admin"), ("/bx", "/base/x"), ("/b?q=1", "/base?q=1"), ("/b", "/base"), ("/b/", "/base/")]
    {
        assert_eq!(gateway.get(path).await.json()["path"], expected, "{path}");
    }
}

#[tokio::test]
async fn a_get_with_a_body_of_unknown_length_keeps_it() {
    let upstream = Upstream::echo("u").await;
    let gateway = Gateway::start(&one_route(upstream.address, "")).await;
    let request = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n\
                   5\r\nquery\r\n0\r\n\r\n";
    let mut stream = tokio::net::TcpStream::connect(gateway.addresses[0]).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains("\"body\":\"query\""), "{answer}");
}

#[tokio::test]
async fn a_response_that_is_chunked_has_no_length() {
    let upstream = Upstream::raw(
        "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    )
    .await;
    let gateway = Gateway::start(&one_route(upstream.address, "")).await;
    assert_eq!(gateway.get("/").await.text(), "hello");
}

#[tokio::test]
async fn connections_are_kept_on_both_sides() {
    let upstream = Upstream::echo("u").await;
    let gateway = Gateway::start(&one_route(upstream.address, "")).await;
    let mut client = gateway.client().await;
    for _ in 0..50 {
        assert_eq!(client.send("GET", "/", &[], "").await.status, 200);
        assert_eq!(client.send("POST", "/stream", &[], "some body").await.text(), "some body");
    }
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn bodies_stream_both_ways_at_once() {
    let upstream = Upstream::echo("u").await;
    let gateway = Gateway::start(&one_route(upstream.address, "")).await;
    let mut client = gateway.client().await;
    let (pieces, answer) = client.stream("/stream").await;
    pieces.send(Bytes::from_static(b"first")).unwrap();
    let mut body = answer.await.into_body();
    // The first piece is back before the second is sent: nothing waits for the whole.
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "first");
    pieces.send(Bytes::from_static(b"second")).unwrap();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "second");
    drop(pieces);
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn a_large_body_arrives_whole() {
    let upstream = Upstream::echo("u").await;
    let gateway = Gateway::start(&one_route(upstream.address, "")).await;
    let body: String = (0..400_000).map(|number| format!("{number:07} ")).collect();
    let answer = gateway.client().await.send("POST", "/stream", &[], &body).await;
    assert!(answer.text() == body, "{} of {} bytes", answer.body.len(), body.len());
}

#[tokio::test]
async fn targets_take_turns_by_weight() {
    let (one, two) = (Upstream::echo("one").await, Upstream::echo("two").await);
    let gateway = Gateway::start(&format!(
        r#"
[[upstreams]]
name = "both"
targets = [{{ address = "{}", weight = 300 }}, "{}"]
[[services]]
name = "s"
url = "http://both"
routes = [{{ name = "r", paths = ["/"] }}]
"#,
        one.address, two.address
    ))
    .await;
    let mut client = gateway.client().await;
    let mut served = [0, 0];
    for _ in 0..40 {
        let answer = client.send("GET", "/", &[], "").await.json();
        served[usize::from(answer["upstream"] == "two")] += 1;
    }
    assert_eq!(served, [30, 10]);
}

#[tokio::test]
async fn an_upstream_that_closed_its_idle_connections_costs_no_request() {
    let upstream = Upstream::raw("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let gateway = Gateway::start(&one_route(upstream.address, "")).await;
    let mut client = gateway.client().await;
    for turn in 0..20 {
        let answer = client.send("GET", "/", &[], "").await;
        assert_eq!((answer.status, answer.text()), (200, "ok"), "turn {turn}");
    }
}

#[tokio::test]
async fn sigterm_finishes_what_is_in_flight() {
    let upstream = Upstream::echo("u").await;
    let mut gateway = Gateway::start(&one_route(upstream.address, "")).await;
    let mut client = gateway.client().await;
    let (pieces, answer) = client.stream("/stream").await;
    pieces.send(Bytes::from_static(b"before")).unwrap();
    let mut body = answer.await.into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "before");

    gateway.signal("TERM");
    let address = gateway.addresses[0];
    until("no new connections", async || tokio::net::TcpStream::connect(address).await.is_err().then_some(())).await;
    pieces.send(Bytes::from_static(b"after")).unwrap();
    drop(pieces);
    let rest = body.collect().await.unwrap().to_bytes();
    assert_eq!(rest, "after");
    assert!(gateway.ended().await.success());
}

#[tokio::test]
async fn several_listeners_serve_the_same() {
    let upstream = Upstream::echo("u").await;
    let listeners = "listeners = [{ address = \"127.0.0.1:0\" }, { address = \"[::1]:0\" }]\n";
    let gateway = Gateway::start(&format!("{listeners}{}", one_route(upstream.address, ""))).await;
    assert_eq!(gateway.addresses.len(), 2);
    for address in &gateway.addresses {
        let mut client = crate::harness::Client::connect(*address).await;
        assert_eq!(client.send("GET", "/", &[], "").await.status, 200);
    }
}
