//! What a client says of itself in the gateway's own words, or in those of a proxy: it is believed from whom it is
//! trusted to come, and from nobody else, however it is spelled and wherever it stands.

use bytes::Bytes;
use hyper::header::{HeaderMap, HeaderValue};
use hyper::{Request, Version};
use tokio::net::TcpStream;

use crate::harness::origin::{Speaks, reply};
use crate::harness::raw::{Raw, exchange};
use crate::harness::{Answer, Gateway, Origin, PATIENCE, Session, one_route};

const VERSIONS: [Version; 2] = [Version::HTTP_11, Version::HTTP_2];

/// What a proxy would say that ends TLS for api.example.com.
const CLAIMS: [(&str, &str); 7] = [
    ("x-forwarded-for", "198.51.100.66"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-host", "api.example.com"),
    ("x-forwarded-port", "443"),
    ("x-forwarded-path", "/elsewhere"),
    ("x-forwarded-prefix", "/pre"),
    ("forwarded", "for=198.51.100.66;proto=https;host=api.example.com"),
];

/// A gateway that trusts 127.0.0.1 and 10.0.0.0/8, with `/open` for all and `/secure` for https; its listener speaks
/// the PROXY protocol.
async fn behind_a_proxy(upstream: &Origin) -> Gateway {
    Gateway::start(&format!(
        "trusted_proxies = [\"127.0.0.1\", \"10.0.0.0/8\"]\n\
         listeners = [{{ address = \"127.0.0.1:0\", proxy_protocol = true }}]\n\
         [[services]]\nname = \"s\"\nurl = \"http://{}\"\n\
         [[services.routes]]\nname = \"open\"\npaths = [\"/open\"]\n\
         [[services.routes]]\nname = \"secure\"\npaths = [\"/secure\"]\nprotocols = [\"https\"]\n",
        upstream.address
    ))
    .await
}

/// The answers to all of [`CLAIMS`] behind `header`, for `/open` and `/secure`.
async fn claimed(gateway: &Gateway, header: &str, version: Version) -> [Answer; 2] {
    let mut raw = Raw::connect(gateway.addresses[0]).await;
    raw.send(header).await;
    let mut session = Session::over(raw.stream, version).await;
    [session.ask("GET", "/open/x", &CLAIMS, "").await, session.ask("GET", "/secure", &CLAIMS, "").await]
}

#[tokio::test]
async fn whom_a_proxy_header_names_is_a_stranger_all_the_same() {
    let upstream = Origin::echo("u").await;
    let gateway = behind_a_proxy(&upstream).await;
    for version in VERSIONS {
        let header = "PROXY TCP4 203.0.113.9 192.0.2.1 5000 8443\r\n";
        let [open, secure] = claimed(&gateway, header, version).await;
        assert_eq!((secure.status, secure.header("x-gateway-error")), (426, Some("https_required")), "{version:?}");
        for (name, expected) in [
            ("x-forwarded-proto", Some("http")),
            ("x-forwarded-host", Some("test")),
            ("x-forwarded-port", Some("8443")),
            ("x-forwarded-path", Some("/open/x")),
            ("x-forwarded-prefix", Some("/open")),
            ("forwarded", None),
            ("x-real-ip", Some("203.0.113.9")),
            // Each hop adds; whoever reads it counts from the right.
            ("x-forwarded-for", Some("198.51.100.66, 203.0.113.9")),
        ] {
            assert_eq!(open.upstream_got(name).as_deref(), expected, "{version:?}: {name}");
        }
    }
    assert_eq!(upstream.requests(), VERSIONS.len(), "what was not https went nowhere");
}

#[tokio::test]
async fn whom_a_proxy_header_names_is_believed_if_it_is_trusted() {
    let upstream = Origin::echo("u").await;
    let gateway = behind_a_proxy(&upstream).await;
    for (header, announced) in [
        ("PROXY TCP4 10.1.2.3 192.0.2.1 5000 8443\r\n", "10.1.2.3"),
        // The proxy itself.
        ("PROXY UNKNOWN\r\n", "127.0.0.1"),
    ] {
        for version in VERSIONS {
            let [open, secure] = claimed(&gateway, header, version).await;
            assert_eq!(secure.status, 200, "{announced} {version:?}: {secure:?}");
            for (name, said) in &CLAIMS[1..] {
                assert_eq!(open.upstream_got(name).as_deref(), Some(*said), "{announced} {version:?}: {name}");
            }
            assert_eq!(open.upstream_got("x-real-ip").as_deref(), Some("198.51.100.66"), "{announced}");
            let list = format!("198.51.100.66, {announced}");
            assert_eq!(open.upstream_got("x-forwarded-for"), Some(list), "{version:?}");
        }
    }
}

/// For many servers the same as what only a proxy may say.
const OF_PROXIES: [&str; 9] = [
    "x_forwarded_for",
    "x_forwarded-for",
    "x-forwarded_for",
    "x_forwarded_proto",
    "x_forwarded_host",
    "x_forwarded_port",
    "x_forwarded_path",
    "x_forwarded_prefix",
    "x_real_ip",
];

/// For many servers the same as what only the gateway may say.
const OF_THE_GATEWAY: [&str; 10] = [
    "x_consumer_username",
    "x-consumer_username",
    "x_consumer-username",
    "x_consumer_id",
    "x_consumer_custom_id",
    "x_consumer_groups",
    "x_credential_identifier",
    "x_anonymous_consumer",
    "x_gateway_request_id",
    "x_gateway_error",
];

/// Those of `names` that the upstream gets.
async fn get_through(gateway: &Gateway, version: Version, names: &[&'static str]) -> Vec<&'static str> {
    let stream = TcpStream::connect(gateway.addresses[0]).await.unwrap();
    let mut session = Session::over(stream, version).await;
    let fields: Vec<_> = names.iter().map(|name| (*name, "203.0.113.9")).chain([("x_own", "kept")]).collect();
    let answer = session.ask("GET", "/", &fields, "").await;
    assert_eq!(answer.upstream_got("x_own").as_deref(), Some("kept"), "{version:?}: nobody else's name");
    names.iter().filter(|name| answer.upstream_got(name).is_some()).copied().collect()
}

#[tokio::test]
async fn names_that_only_look_like_the_gateways_do_not_get_through() {
    const NONE: [&str; 0] = [];
    let upstream = Origin::echo("u").await;
    let strange = Gateway::start(&one_route(upstream.address, "")).await;
    let config = format!("trusted_proxies = [\"127.0.0.1\"]\n{}", one_route(upstream.address, ""));
    let trusted = Gateway::start(&format!("listeners = [{{ address = \"127.0.0.1:0\" }}]\n{config}")).await;
    for version in VERSIONS {
        assert_eq!(get_through(&strange, version, &OF_PROXIES).await, NONE, "{version:?}");
        assert_eq!(get_through(&strange, version, &OF_THE_GATEWAY).await, NONE, "{version:?}");
        // No proxy knows who a gateway's consumers are.
        assert_eq!(get_through(&trusted, version, &OF_THE_GATEWAY).await, NONE, "{version:?}, trusted");
    }
}

#[tokio::test]
async fn who_was_authenticated_is_said_once() {
    let upstream = Origin::echo("u").await;
    let consumer = "[[consumers]]\nusername = \"alice\"\ncredentials = [{ kind = \"key-auth\", key = \"secret\" }]\n";
    let route = one_route(upstream.address, "plugins = [{ use = \"key-auth\" }]");
    let gateway = Gateway::start(&format!("{route}{consumer}")).await;
    let fields = [("apikey", "secret"), ("x_consumer_username", "root"), ("X-Consumer-Username", "root")];
    let answer = gateway.request("GET", "/", &fields).await;
    assert_eq!(answer.upstream_got("x-consumer-username").as_deref(), Some("alice"));
    assert_eq!(answer.upstream_got("x_consumer_username"), None);
}

/// What a request's trailers must not say: some merge them into the header section. The last says nothing of the kind.
const TRAILERS: [(&str, &str); 12] = [
    ("x-consumer-username", "root"),
    ("x_consumer_username", "root"),
    ("x-consumer-groups", "gold"),
    ("x-credential-identifier", "1"),
    ("x-forwarded-for", "203.0.113.9"),
    ("x_forwarded_for", "203.0.113.9"),
    ("x-forwarded-proto", "https"),
    ("x-real-ip", "203.0.113.9"),
    ("x-gateway-request-id", "forged"),
    ("content-length", "100"),
    ("host", "other.example.com"),
    ("x-sum", "7"),
];

/// Answers with the names of the trailers that it got.
async fn trailing(speaks: Speaks) -> Origin {
    Origin::speaking(speaks, |request| async {
        let collected = http_body_util::BodyExt::collect(request.into_body()).await.unwrap();
        let trailers = collected.trailers().cloned().unwrap_or_default();
        reply(200, trailers.keys().map(|name| name.as_str()).collect::<Vec<_>>().join(" "))
    })
    .await
}

/// All of [`TRAILERS`] behind a body, over HTTP/1.1.
async fn sent_over_http_1(gateway: &Gateway) -> String {
    let names = TRAILERS.map(|(name, _)| name).join(", ");
    let trailers: String = TRAILERS.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\n";
    let request = format!("{head}trailer: {names}\r\n\r\n4\r\nbody\r\n0\r\n{trailers}\r\n");
    let answer = exchange(gateway.addresses[0], request).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{answer}");
    body.to_owned()
}

/// The same over HTTP/2.
async fn sent_over_http_2(gateway: &Gateway) -> String {
    let stream = TcpStream::connect(gateway.addresses[0]).await.unwrap();
    let (mut sender, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let names = TRAILERS.map(|(name, _)| name).join(", ");
    let request = Request::post("http://test/").header("trailer", names).body(()).unwrap();
    let (answer, mut body) = sender.send_request(request, false).unwrap();
    body.send_data(Bytes::from_static(b"body"), false).unwrap();
    let fields = TRAILERS.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)));
    body.send_trailers(fields.collect::<HeaderMap>()).unwrap();
    let answer = tokio::time::timeout(PATIENCE, answer).await.expect("an answer in time").unwrap();
    assert_eq!(answer.status(), 200);
    let (mut body, mut text) = (answer.into_body(), Vec::new());
    while let Some(piece) = body.data().await {
        text.extend_from_slice(&piece.unwrap());
    }
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn a_requests_trailers_say_nothing_of_who_sent_it() {
    for (speaks, http) in [(Speaks::Http1, "1"), (Speaks::Http2, "2")] {
        let upstream = trailing(speaks).await;
        let config = one_route(upstream.address, "");
        let config = config.replacen("[[services.routes]]", &format!("http = \"{http}\"\n[[services.routes]]"), 1);
        let gateway = Gateway::start(&config).await;
        assert_eq!(sent_over_http_1(&gateway).await, "x-sum", "to HTTP/{http}");
        assert_eq!(sent_over_http_2(&gateway).await, "x-sum", "HTTP/2 to HTTP/{http}");
    }
}
