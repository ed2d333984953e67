//! One exchange after another over a client's HTTP/1 connection: what comes ahead of its turn, what nobody reads, and
//! what is said of the connection's end.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;

use super::{ONE_WORKER, over_tls};
use crate::harness::access::key;
use crate::harness::certs::Authority;
use crate::harness::raw::{Raw, exchange};
use crate::harness::tls::Hello;
use crate::harness::upstream::Step;
use crate::harness::{Gateway, Origin, Upstream, one_route, until};

/// Far more than anything here takes, far less than the limits on clients.
const SOON: Duration = Duration::from_secs(10);

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n")
}

/// What an echo says the path was.
fn path_of(body: &str) -> String {
    let echo: serde_json::Value = serde_json::from_str(body).unwrap();
    echo["path"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn hundreds_of_requests_in_one_piece_are_answered_one_by_one() {
    const REQUESTS: usize = 300;
    let upstream = Origin::echo("u").await;
    let gateway = Gateway::start(&one_route(upstream.address, "")).await;
    let mut raw = Raw::connect(gateway.addresses[0]).await;
    let requests: String = (0..REQUESTS).map(|number| get(&format!("/{number}"))).collect();
    raw.send(requests).await;
    for number in 0..REQUESTS {
        let (head, body) = raw.answer().await;
        assert!(head.starts_with("http/1.1 200 ok"), "{head}");
        assert_eq!(path_of(&body), format!("/{number}"));
    }
}

#[tokio::test]
async fn requests_that_come_byte_by_byte_are_the_same() {
    let upstream = Origin::echo("u").await;
    let authority = Authority::new("ours");
    let plain = Gateway::start(&one_route(upstream.address, "")).await;
    let secure = over_tls(&authority, upstream.address, "", "").await;
    let requests = "\r\nPOST /one HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbody\
                    POST /two HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nbod\r\n1\r\ny\r\n0\r\nx: y\r\n\r\n\
                    GET /three HTTP/1.1\r\nhost: a\r\n\r\n";
    let mut raw = Raw::connect(plain.addresses[0]).await;
    raw.stream.set_nodelay(true).unwrap();
    for byte in requests.bytes() {
        raw.send([byte]).await;
    }
    let hello = Hello { alpn: &["http/1.1"], ..Hello::default() };
    let mut tls = Raw::over(hello.connect(secure.addresses[0], "localhost", &authority).await.unwrap());
    for byte in requests.bytes() {
        tls.send([byte]).await;
        tls.stream.flush().await.unwrap();
    }
    for (path, sent) in [("/one", "body"), ("/two", "body"), ("/three", "")] {
        for (head, body) in [raw.answer().await, tls.answer().await] {
            assert!(head.starts_with("http/1.1 200 ok"), "{head}");
            assert_eq!(path_of(&body), path);
            assert!(body.contains(&format!("\"body\":\"{sent}\"")), "{body}");
        }
    }
}

/// As long as there is nothing else to read, an end is an end: nobody waits for the answer any more.
#[tokio::test]
async fn who_closes_its_side_while_it_waits_has_gone_away() {
    let upstream = Upstream::scripted([Step::Head, Step::Stall]).await;
    let gateway = Gateway::start(&one_route(upstream.address, "")).await;
    let mut raw = Raw::connect(gateway.addresses[0]).await;
    raw.send(get("/half")).await;
    until("the upstream to be asked", async || (upstream.connections() > 0).then_some(())).await;
    let closed = Instant::now();
    raw.stream.shutdown().await.unwrap();
    assert_eq!(raw.rest().await, "");
    assert!(closed.elapsed() < SOON);
    let line = gateway.accessed(key::PATH, "/half").await;
    assert_eq!((&line[key::ERROR], &line[key::STATUS]), (&"client_closed".into(), &499.into()), "{line:#}");
}

#[tokio::test]
async fn who_closes_its_side_in_the_middle_of_a_head_or_between_two_requests_is_told_nothing() {
    let upstream = Origin::echo("u").await;
    let gateway = Gateway::start(&one_route(upstream.address, "")).await;
    for (begin, answers) in [("", 0), ("GET / HT", 0), ("\r\n", 0)] {
        let mut raw = Raw::connect(gateway.addresses[0]).await;
        raw.send(begin).await;
        raw.stream.shutdown().await.unwrap();
        assert_eq!(raw.rest().await.matches("HTTP/1.1 ").count(), answers, "{begin:?}");
    }
    let mut raw = Raw::connect(gateway.addresses[0]).await;
    raw.send(get("/")).await;
    assert!(raw.answer().await.0.starts_with("http/1.1 200 ok"));
    raw.stream.shutdown().await.unwrap();
    assert_eq!(raw.rest().await, "");
}

/// `body`, sent along with the head of a request for a path that is routed nowhere; then another request.
async fn refused_with(gateway: &Gateway, fields: &str, body: &str) -> (String, String) {
    let mut raw = Raw::connect(gateway.addresses[0]).await;
    let refused = format!("POST /nowhere HTTP/1.1\r\nhost: a\r\n{fields}\r\n{body}");
    raw.send(format!("{refused}{}", get("/served"))).await;
    let (head, _) = raw.answer().await;
    assert!(head.starts_with("http/1.1 404 "), "{head}");
    raw.stream.shutdown().await.unwrap();
    (head, raw.rest().await)
}

#[tokio::test]
async fn a_small_body_that_nobody_reads_costs_no_connection() {
    let upstream = Origin::echo("u").await;
    let gateway = Gateway::start(&one_route(upstream.address, "").replace("[\"/\"]", "[\"/served\"]")).await;
    for (fields, body) in [
        ("content-length: 4\r\n", "body"),
        ("transfer-encoding: chunked\r\n", "4\r\nbody\r\n0\r\n\r\n"),
        ("expect: 100-continue\r\ncontent-length: 4\r\n", "body"),
    ] {
        let mut raw = Raw::connect(gateway.addresses[0]).await;
        for _ in 0..2 {
            raw.send(format!("POST /nowhere HTTP/1.1\r\nhost: a\r\n{fields}\r\n{body}{}", get("/served"))).await;
            let (head, _) = raw.answer().await;
            assert!(head.starts_with("http/1.1 404 ") && !head.contains("connection: close"), "{fields}: {head}");
            let (head, body) = raw.answer().await;
            assert!(head.starts_with("http/1.1 200 ok"), "{fields}: {head}");
            assert_eq!(path_of(&body), "/", "{fields}");
        }
    }
}

#[tokio::test]
async fn a_body_that_nobody_reads_and_that_does_not_end_is_no_next_request() {
    let upstream = Origin::echo("u").await;
    let gateway = Gateway::start(&one_route(upstream.address, "").replace("[\"/\"]", "[\"/served\"]")).await;
    for (fields, body) in [
        ("content-length: 99999\r\n", "body"),
        ("transfer-encoding: chunked\r\n", "4\r\nbody\r\nzz\r\n"),
        ("transfer-encoding: chunked\r\n", "4\r\nbody\r\n"),
        ("expect: 100-continue\r\ncontent-length: 400\r\n", ""),
    ] {
        let (head, rest) = refused_with(&gateway, fields, body).await;
        assert!(head.contains("\r\nconnection: close\r\n"), "{fields}: {head}");
        assert_eq!(rest, "", "{fields}");
    }
    assert_eq!(upstream.requests(), 0);
}

/// An answer that came too early for it is there all the same when it looks.
#[tokio::test]
async fn who_goes_on_sending_what_nobody_reads_can_read_its_answer() {
    let upstream = Origin::echo("u").await;
    let gateway = Gateway::start(&one_route(upstream.address, "").replace("[\"/\"]", "[\"/served\"]")).await;
    let mut raw = Raw::connect(gateway.addresses[0]).await;
    raw.send("POST /nowhere HTTP/1.1\r\nhost: a\r\ncontent-length: 500000\r\n\r\n").await;
    for _ in 0..50 {
        raw.send([b'x'; 10_000]).await;
    }
    let (head, _) = raw.answer().await;
    assert!(head.starts_with("http/1.1 404 ") && head.contains("\r\nconnection: close\r\n"), "{head}");
    let answered = Instant::now();
    assert_eq!(raw.rest().await, "");
    assert!(answered.elapsed() < SOON);
}

#[tokio::test]
async fn nobody_is_told_to_go_on_behind_an_answer() {
    let upstream = Origin::echo("u").await;
    let gateway = Gateway::start(&one_route(upstream.address, "plugins = [{ use = \"key-auth\" }]")).await;
    let mut raw = Raw::connect(gateway.addresses[0]).await;
    raw.send("POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 7\r\n\r\n").await;
    let (head, _) = raw.answer().await;
    assert!(head.starts_with("http/1.1 401 ") && head.contains("\r\nconnection: close\r\n"), "{head}");
    raw.send("payload").await;
    assert_eq!(raw.rest().await, "");
}

#[tokio::test]
async fn a_head_and_a_small_body_come_in_one_piece() {
    let answer =
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nX-A: 1\r\nX-a: 2\r\n\r\nok";
    let upstream = Upstream::raw(answer).await;
    let gateway = Gateway::start(&one_route(upstream.address, "")).await;
    let mut raw = Raw::connect(gateway.addresses[0]).await;
    raw.send(get("/")).await;
    let mut piece = vec![0; 64 << 10];
    let read = tokio::io::AsyncReadExt::read(&mut raw.stream, &mut piece).await.unwrap();
    let text = String::from_utf8_lossy(&piece[..read]);
    assert!(text.ends_with("\r\n\r\nok"), "{text}");
    // The upstream's own date, once, and fields in their order.
    assert_eq!(text.matches("date: ").count(), 1, "{text}");
    assert!(text.contains("\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"), "{text}");
    assert!(text.find("x-a: 1") < text.find("x-a: 2"), "{text}");
}

#[tokio::test]
async fn every_answer_says_when_it_was_made() {
    let upstream = Upstream::raw("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    let gateway = Gateway::start(&one_route(upstream.address, "").replace("[\"/\"]", "[\"/served\"]")).await;
    for path in ["/served", "/nowhere"] {
        let answer =
            exchange(gateway.addresses[0], format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"))
                .await;
        let dates: Vec<_> = answer.lines().filter_map(|line| line.strip_prefix("date: ")).collect();
        let [date] = dates[..] else { panic!("{answer}") };
        assert!(date.len() == 29 && date.ends_with(" GMT"), "{date}");
        assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    }
}

#[tokio::test]
async fn trailers_are_for_those_who_take_them() {
    let answer =
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n4\r\nbody\r\n0\r\nx-sum: 7\r\n\r\n";
    let upstream = Upstream::raw(answer).await;
    let gateway = Gateway::start(&one_route(upstream.address, "")).await;
    for (fields, ends) in [
        ("te: trailers\r\nconnection: te, close\r\n", "4\r\nbody\r\n0\r\nx-sum: 7\r\n\r\n"),
        ("connection: close\r\n", "4\r\nbody\r\n0\r\n\r\n"),
    ] {
        let answer = exchange(gateway.addresses[0], format!("GET / HTTP/1.1\r\nhost: a\r\n{fields}\r\n")).await;
        assert_eq!(answer.split_once("\r\n\r\n").map(|(_, body)| body), Some(ends), "{answer}");
    }
}

/// What a client says right behind its wish to switch is for whom it switches to.
#[tokio::test]
async fn what_comes_along_with_an_upgrade_goes_through_the_tunnel() {
    let upstream = Origin::raw(|stream| async move {
        let mut raw = Raw::over(stream);
        raw.head().await;
        raw.send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\nhello ").await;
        let heard = raw.exactly(12).await;
        raw.send(heard).await;
    })
    .await;
    let gateway = Gateway::start(&format!("{ONE_WORKER}{}", one_route(upstream.address, ""))).await;
    let mut raw = Raw::connect(gateway.addresses[0]).await;
    raw.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\nfrom the").await;
    let head = raw.head().await.to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 101 switching protocols\r\n"), "{head}");
    for field in ["connection: upgrade", "upgrade: echo"] {
        assert_eq!(head.lines().filter(|line| *line == field).count(), 1, "{head}");
    }
    assert!(!head.contains("content-length") && !head.contains("close"), "{head}");
    raw.send(" far").await;
    assert_eq!(raw.rest().await, "hello from the far");
}

/// A wish that is not granted is an exchange like others.
#[tokio::test]
async fn an_upgrade_that_comes_to_nothing_leaves_the_connection_as_it_was() {
    let upstream = Origin::echo("u").await;
    let gateway = Gateway::start(&one_route(upstream.address, "")).await;
    let mut raw = Raw::connect(gateway.addresses[0]).await;
    for path in ["/one", "/two"] {
        raw.send(format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n")).await;
        let (head, body) = raw.answer().await;
        assert!(head.starts_with("http/1.1 200 ok"), "{head}");
        assert_eq!(path_of(&body), path);
    }
}

/// The timer of an idle connection goes on from one exchange to the next, and starts anew with each.
#[tokio::test]
async fn a_connection_is_idle_from_its_last_answer_on() {
    const LIMIT: Duration = Duration::from_millis(600);
    let upstream = Origin::echo("u").await;
    let config = format!("{}\n[limits]\nkeepalive_timeout = \"600ms\"\n", one_route(upstream.address, ""));
    let gateway = Gateway::start(&config).await;
    let mut raw = Raw::connect(gateway.addresses[0]).await;
    let begun = Instant::now();
    while begun.elapsed() < LIMIT * 3 {
        raw.send(get("/")).await;
        assert!(raw.answer().await.0.starts_with("http/1.1 200 ok"));
        tokio::time::sleep(LIMIT / 4).await;
    }
    let idle = Instant::now();
    assert_eq!(raw.rest().await, "");
    assert!(idle.elapsed() > LIMIT / 4 && idle.elapsed() < SOON, "after {:?}", idle.elapsed());
}
