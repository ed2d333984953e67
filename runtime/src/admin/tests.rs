use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::error::Phase;
use crate::generations::Generations;
use crate::limits;
use crate::observe::record::tests::plain;
use crate::observe::record::{Failing, Record};
use crate::proposal::Current;

mod bodies;

#[derive(Default)]
struct Fake {
    draining: AtomicBool,
}

impl View for Fake {
    fn generation(&self) -> u64 {
        42
    }

    fn readiness(&self) -> Readiness {
        if self.draining.load(Ordering::Relaxed) { Readiness::Draining } else { Readiness::Ready }
    }

    fn access_log_dropped(&self) -> u64 {
        5
    }

    fn components(&self) -> Vec<ComponentInfo> {
        Vec::new()
    }

    fn described(&self, _: &str) -> Option<Described> {
        None
    }

    fn upstream(&self, _: &str) -> Option<UpstreamHealth> {
        None
    }

    fn set_health(&self, _: &str, _: &[(String, String)], _: Health) {}

    fn targets(&self) -> Vec<TargetState> {
        let (upstream, target) = ("orders".into(), "10.0.0.1:80".into());
        vec![TargetState { upstream, target, address: "10.0.0.1:80".into(), health: Health::Healthy, in_flight: 1 }]
    }
}

struct Running {
    address: SocketAddr,
    fake: Arc<Fake>,
    failures: Arc<Failures>,
    doors: Arc<ArcSwap<Doors>>,
    end: CancellationToken,
    server: JoinHandle<io::Result<()>>,
}

fn start() -> Running {
    let (fake, failures) = (Arc::<Fake>::default(), Arc::<Failures>::default());
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let gateway: Arc<dyn View> = Arc::clone(&fake) as _;
    let (configuration, _) = Configuration::new(Current::of("", None), Arc::new(Generations::open(None)));
    let seen = (Arc::new(Metrics::new(2)), Arc::clone(&failures));
    let files = ComponentFiles::of(std::path::Path::new("var"));
    let mut admin = Admin::new(seen, gateway, configuration, (files, Catalogue::new(None)), 2);
    admin.endpoints.add_upload(
        Method::POST,
        "/tell/{name}",
        Role::Write,
        500,
        handler(|_, told| async move { tell(&told) }),
    );
    let (end, doors) = (CancellationToken::new(), Arc::clone(&admin.doors));
    let server = tokio::spawn(Arc::new(admin).serve(listener.into(), end.clone()));
    Running { address, fake, failures, doors, end, server }
}

/// What this request says.
fn tell(request: &Request) -> Answer {
    body::fields(request.content_type.as_ref(), &request.body).map_or_else(
        |refusal| refusal,
        |fields| {
            let (name, author) = (request.segment(1), request.author.who.to_string());
            let told = serde_json::json!({ "told": fields.object, "name": name, "author": author });
            Answer::json(StatusCode::OK, &told)
        },
    )
}

impl Running {
    /// What comes back for these bytes, until the server closes.
    async fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        timeout(Duration::from_secs(10), stream.read_to_string(&mut answer)).await.unwrap().unwrap();
        answer
    }

    /// Status, head and body.
    async fn ask(&self, method: &str, target: &str, host: &str) -> (u16, String, String) {
        let answer =
            self.raw(&format!("{method} {target} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), head.to_ascii_lowercase(), body.to_owned())
    }

    async fn json(&self, target: &str) -> (u16, Value) {
        let (status, head, body) = self.ask("GET", target, "127.0.0.1").await;
        assert!(head.contains("content-type: application/json"), "{head}");
        (status, serde_json::from_str(&body).unwrap())
    }
}

#[tokio::test]
async fn what_is_asked_is_answered() {
    let admin = start();
    let (status, head, body) = admin.ask("GET", "/metrics", "127.0.0.1:8001").await;
    assert_eq!(status, 200);
    assert!(head.contains("content-type: application/openmetrics-text; version=1.0.0"), "{head}");
    for sample in ["tidegate_generation 42\n", "tidegate_access_log_dropped_total 5\n", "# EOF\n"] {
        assert!(body.contains(sample), "{sample} is not in {body}");
    }
    let (status, json) = admin.json("/status").await;
    assert_eq!(status, 200);
    assert_eq!((&json["version"], &json["generation"], &json["workers"]), (&"0.1.0".into(), &42.into(), &2.into()));
    assert!(json["uptime_seconds"].is_u64() && json["connections"]["open"].is_u64());
    assert!(json["requests"]["total"].is_u64());

    assert_eq!(admin.json("/ready").await, (200, serde_json::json!({ "ready": true })));
    admin.fake.draining.store(true, Ordering::Relaxed);
    let (status, json) = admin.json("/ready").await;
    assert_eq!((status, &json["ready"]), (503, &false.into()));

    for unknown in ["/nothing", "/metrics/x"] {
        assert_eq!(admin.json(unknown).await, (404, serde_json::json!({ "message": "Not found" })), "{unknown}");
    }
    // As with Kong, a slash more or less makes no difference.
    assert_eq!(admin.json("//status/").await.0, 200);
    let (status, head, body) = admin.ask("POST", "/status", "localhost").await;
    assert_eq!(status, 405);
    assert!(head.contains("allow: get, head, options"), "{head}");
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&body["message"], &body["code"]), (&"Method not allowed".into(), &12.into()));
    let (status, head, body) = admin.ask("OPTIONS", "/status", "localhost").await;
    assert_eq!((status, &*body), (204, ""));
    assert!(head.contains("allow: get, head, options") && !head.contains("content-length"), "{head}");
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let admin = start();
    let (_, _, body) = admin.ask("GET", "/ready", "127.0.0.1").await;
    let (status, head, nothing) = admin.ask("HEAD", "/ready", "127.0.0.1").await;
    assert_eq!((status, &*nothing), (200, ""));
    assert_eq!(head.matches("content-length:").count(), 1);
    assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
}

#[tokio::test]
async fn failures_are_listed_as_asked() {
    let admin = start();
    for (id, code, service) in
        [("1", "upstream_dns_failed", "a b"), ("2", "route_not_found", "x"), ("3", "route_not_found", "a b")]
    {
        let failure = Some(Failing { code, phase: Phase::Dns, detail: "nxdomain" });
        admin.failures.push(&Record { service: Some(service), failure, ..plain(id) });
    }
    for (query, expected) in [
        ("", "3 2 1"),
        ("?size=1", "3"),
        ("?code=route_not_found", "3 2"),
        ("?service=a%20b", "3 1"),
        ("?service=a+b&code=upstream_dns_failed", "1"),
        ("?code=none", ""),
    ] {
        let (status, json) = admin.json(&format!("/failures{query}")).await;
        assert_eq!((status, &json["next"]), (200, &Value::Null));
        let ids: Vec<&str> =
            json["data"].as_array().unwrap().iter().map(|f| f["request_id"].as_str().unwrap()).collect();
        assert_eq!(ids.join(" "), expected, "{query}");
    }
    let (status, json) = admin.json("/failures?size=0").await;
    assert_eq!((status, &json["message"]), (400, &"size must be an integer between 1 and 1000".into()));
}

#[tokio::test]
async fn only_its_own_names_and_addresses_open_the_door() {
    let admin = start();
    for own in ["127.0.0.1", "10.1.2.3:8001", "[::1]", "[2001:db8::1]:8001", "localhost", "LocalHost:8001"] {
        assert_eq!(admin.ask("GET", "/ready", own).await.0, 200, "{own}");
    }
    for foreign in
        ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8001", "2130706433", "0x7f.1", "[v1.x]"]
    {
        let (status, _, body) = admin.ask("GET", "/ready", foreign).await;
        assert!(status == 403 || (status == 400 && foreign.starts_with('[')), "{foreign}: {status} {body}");
    }
    let (_, _, body) = admin.ask("GET", "/failures", "evil.example").await;
    assert!(body.contains("\\\"evil.example\\\" is not a name of this admin API"), "{body}");
    for broken in ["", "user@127.0.0.1", "a b"] {
        assert_eq!(admin.ask("GET", "/ready", broken).await.0, 400, "{broken}");
    }
    assert_eq!(admin.ask("GET", "http://evil.example/ready", "127.0.0.1").await.0, 403);
    for (request, status) in [
        ("GET /ready HTTP/1.1\r\nconnection: close\r\n\r\n", "400"),
        ("GET /ready HTTP/1.1\r\nhost: 127.0.0.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n", "400"),
        ("GET /ready HTTP/1.0\r\n\r\n", "200"),
    ] {
        assert_eq!(admin.raw(request).await.split(' ').nth(1), Some(status), "{request}");
    }
}

#[tokio::test]
async fn each_endpoint_is_for_those_with_its_role() {
    let admin = start();
    admin.doors.store(Arc::new(Doors::of_tokens(&[("r", Role::Read), ("p", Role::Plugins), ("w", Role::Write)])));
    for (method, path, token, expected) in [
        ("POST", "/tell/x", "w", 200),
        ("POST", "/tell/x", "p", 403),
        ("POST", "/tell/x", "r", 403),
        ("POST", "/tell/x", "", 401),
        ("POST", "/nothing", "r", 404),
        ("POST", "/nothing", "", 401),
        ("PUT", "/tell/x", "r", 405),
        ("OPTIONS", "/tell/x", "r", 204),
        ("OPTIONS", "/tell/x", "", 401),
        ("GET", "/status", "r", 200),
        ("HEAD", "/status", "w", 200),
        ("HEAD", "/status", "", 401),
        ("GET", "/ready", "", 200),
        ("GET", "/ready", "wrong", 200),
    ] {
        let token = if token.is_empty() { String::new() } else { format!("authorization: Bearer {token}\r\n") };
        let head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{token}\r\n");
        let answer = admin.raw(&head).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected} ")), "{method} {path} {token}: {answer}");
        if expected == 403 {
            assert!(answer.contains("and this needs \\\"write\\\"\"}"), "{answer}");
        }
    }
}

#[tokio::test]
async fn a_page_from_elsewhere_changes_nothing() {
    let admin = start();
    let ask = async |method: &str, headers: &str| {
        let head = format!("{method} /ready HTTP/1.1\r\nhost: localhost:1\r\nconnection: close\r\n{headers}\r\n");
        admin.raw(&head).await
    };
    for elsewhere in [
        "origin: http://evil.example\r\n",
        "origin: null\r\n",
        "origin: http://localhost:2\r\n",
        "origin: http://localhost:1.evil.example\r\n",
        "origin: file://localhost:1\r\n",
        "origin: http://localhost:1\r\norigin: http://evil.example\r\n",
        "sec-fetch-site: cross-site\r\n",
        "sec-fetch-site: same-site\r\n",
        "sec-fetch-site: none\r\nsec-fetch-site: cross-site\r\n",
        "origin: http://localhost:1\r\nsec-fetch-site: cross-site\r\n",
    ] {
        for method in ["POST", "PUT", "PATCH", "DELETE", "BREW"] {
            let answer = ask(method, elsewhere).await;
            assert!(answer.starts_with("HTTP/1.1 403 "), "{method} {elsewhere}: {answer}");
        }
        // Looking does no harm, and the page is not shown the answer: nothing says that it may be.
        for method in ["GET", "OPTIONS"] {
            let answer = ask(method, elsewhere).await.to_ascii_lowercase();
            assert!(answer.starts_with("http/1.1 20") && !answer.contains("access-control"), "{elsewhere}: {answer}");
        }
    }
    for ours in ["", "origin: http://localhost:1\r\nsec-fetch-site: same-origin\r\n", "sec-fetch-site: none\r\n"] {
        // Past the door; there is no such method.
        let answer = ask("POST", ours).await;
        assert!(answer.starts_with("HTTP/1.1 405 "), "{ours}: {answer}");
    }
}

#[tokio::test]
async fn a_peer_that_asks_too_often_is_told_when_to_come_back() {
    let admin = start();
    let requests = "GET /ready HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(1_500);
    let last = "GET /ready HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let answers = admin.raw(&format!("{requests}{last}")).await;
    let refused = answers.matches("HTTP/1.1 429 ").count();
    assert!((1..1_001).contains(&refused), "{refused}");
    assert_eq!(answers.matches("retry-after: 1\r\n").count(), refused);
    assert!(answers.contains("{\"message\":\"API rate limit exceeded\"}"));
}

#[tokio::test]
async fn the_end_closes_idle_connections_and_the_listener() {
    let admin = start();
    let mut idle = TcpStream::connect(admin.address).await.unwrap();
    idle.write_all(b"GET /ready HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut first = [0; 12];
    idle.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    admin.end.cancel();
    timeout(Duration::from_secs(10), admin.server).await.unwrap().unwrap().unwrap();
    assert!(TcpStream::connect(admin.address).await.is_err());
}

#[tokio::test]
async fn connections_have_a_bound_and_silence_has_an_end() {
    let admin = start();
    let mut silent = Vec::new();
    for _ in 0..limits::ADMIN_CONNECTIONS {
        silent.push(TcpStream::connect(admin.address).await.unwrap());
    }
    // Waits until the silent ones are given up, which takes the head timeout, and is served then.
    let begun = Instant::now();
    assert_eq!(admin.ask("GET", "/ready", "127.0.0.1").await.0, 200);
    assert!(begun.elapsed() >= limits::ADMIN_HEAD_TIMEOUT / 2, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_cut_off() {
    let admin = start();
    let mut stream = TcpStream::connect(admin.address).await.unwrap();
    let requests = "GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(1_000);
    // Until the server cannot write and therefore reads no more.
    while timeout(Duration::from_millis(500), stream.write_all(requests.as_bytes())).await.is_ok() {}
    admin.end.cancel();
    let ended = timeout(limits::ADMIN_LAST_ANSWER + Duration::from_secs(5), admin.server).await;
    ended.unwrap().unwrap().unwrap();
}
