//! Clients that connect and say nothing, or not enough: they hold up nobody's end, and are not kept for ever.

use std::time::{Duration, Instant};

use hyper::Version;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{ONE_WORKER, over_tls};
use crate::harness::certs::Authority;
use crate::harness::raw::Raw;
use crate::harness::tls::Hello;
use crate::harness::{Gateway, Origin, Session, one_route};

/// Far less than the 30 seconds of a drain, far more than a good end takes.
const SOON: Duration = Duration::from_secs(8);

/// What HTTP/2 begins with (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A SETTINGS frame without any.
const NO_SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

const H2: Hello<'static> = Hello { version: None, alpn: &["h2"], shows: None };

/// SIGTERM ends the gateway soon, though there is `connection`.
async fn ends_soon<C>(mut gateway: Gateway, connection: C, what: &str) {
    let told = Instant::now();
    gateway.signal("TERM");
    assert!(gateway.ended().await.success(), "{what}");
    assert!(told.elapsed() < SOON, "{what}: after {:?}", told.elapsed());
    drop(connection);
}

#[tokio::test]
async fn a_client_that_never_said_a_word_delays_no_end() {
    let upstream = Origin::echo("u").await;
    for listener in ["", ", http2 = false"] {
        let listeners = format!("workers = 1\nlisteners = [{{ address = \"127.0.0.1:0\"{listener} }}]\n");
        let gateway = Gateway::start(&format!("{listeners}{}", one_route(upstream.address, ""))).await;
        let silent = TcpStream::connect(gateway.addresses[0]).await.unwrap();
        // Connections are accepted in order, so this one's answer tells that the other is in hand.
        assert_eq!(gateway.get("/").await.status, 200);
        ends_soon(gateway, silent, &format!("a listener with {listener:?}")).await;
    }
}

#[tokio::test]
async fn a_connection_that_waits_for_its_turn_delays_no_end() {
    let upstream = Origin::echo("u").await;
    let limits = "[limits]\nconnections_per_worker = 1\n";
    let gateway = Gateway::start(&format!("{ONE_WORKER}{limits}{}", one_route(upstream.address, ""))).await;
    let mut idle = gateway.client().await;
    assert_eq!(idle.send("GET", "/", &[], "").await.status, 200);
    let mut waiting = Vec::new();
    for _ in 0..3 {
        waiting.push(TcpStream::connect(gateway.addresses[0]).await.unwrap());
    }
    ends_soon(gateway, (idle, waiting), "behind another").await;
}

#[tokio::test]
async fn a_handshake_that_never_begins_delays_no_end() {
    let upstream = Origin::echo("u").await;
    let authority = Authority::new("ours");
    let gateway = over_tls(&authority, upstream.address, "", "").await;
    let silent = TcpStream::connect(gateway.addresses[0]).await.unwrap();
    let other = Hello::default().connect(gateway.addresses[0], "localhost", &authority).await.unwrap();
    ends_soon(gateway, (silent, other), "before its handshake").await;
}

#[tokio::test]
async fn a_proxy_header_that_never_comes_delays_no_end() {
    let upstream = Origin::echo("u").await;
    let proxied = Gateway::start(&format!(
        "trusted_proxies = [\"127.0.0.1\"]\nlisteners = [{{ address = \"127.0.0.1:0\", proxy_protocol = true }}]\n{}",
        one_route(upstream.address, "")
    ))
    .await;
    let silent = TcpStream::connect(proxied.addresses[0]).await.unwrap();
    ends_soon(proxied, silent, "before its PROXY header").await;
}

#[tokio::test]
async fn an_agreement_on_http_2_and_no_word_of_it_delays_no_end() {
    let upstream = Origin::echo("u").await;
    let authority = Authority::new("ours");
    for (hello, begin) in [(H2, &b""[..]), (H2, &PREFACE[..10]), (H2, PREFACE), (Hello::default(), b"")] {
        let gateway = over_tls(&authority, upstream.address, "", "").await;
        let mut stream = hello.connect(gateway.addresses[0], "localhost", &authority).await.unwrap();
        stream.write_all(begin).await.unwrap();
        stream.flush().await.unwrap();
        ends_soon(gateway, stream, &format!("ALPN {:?}, then {:?}", hello.alpn, begin.escape_ascii().to_string()))
            .await;
    }
}

#[tokio::test]
async fn an_idle_http_2_connection_delays_no_end() {
    let upstream = Origin::echo("u").await;
    for requests in [0, 1] {
        let gateway = Gateway::start(&one_route(upstream.address, "")).await;
        let mut session = Session::over(TcpStream::connect(gateway.addresses[0]).await.unwrap(), Version::HTTP_2).await;
        for _ in 0..requests {
            assert_eq!(session.get("/").await.status, 200);
        }
        ends_soon(gateway, session, &format!("after {requests} requests")).await;
    }
    // One that lives, and takes no notice of GOAWAY.
    let gateway = Gateway::start(&one_route(upstream.address, "")).await;
    let mut deaf = Raw::connect(gateway.addresses[0]).await;
    deaf.send([PREFACE, NO_SETTINGS].concat()).await;
    assert_eq!(deaf.exactly(9).await[3], NO_SETTINGS[3], "its settings, so it is at work");
    ends_soon(gateway, deaf, "deaf").await;
}

/// The other side closes it, and soon.
async fn closed_soon<S: AsyncRead + AsyncWrite + Unpin>(stream: S, begin: &[u8], what: &str) {
    let (mut raw, since) = (Raw::over(stream), Instant::now());
    raw.send(begin).await;
    raw.stream.flush().await.unwrap();
    let said = raw.rest().await;
    assert!(since.elapsed() < SOON, "{what}, then {:?}: after {:?}", begin.escape_ascii().to_string(), since.elapsed());
    assert!(!said.contains("200 OK"), "{said}");
}

#[tokio::test]
async fn who_agrees_on_http_2_and_does_not_begin_is_not_kept() {
    let upstream = Origin::echo("u").await;
    let authority = Authority::new("ours");
    let limits = "[limits]\nkeepalive_timeout = \"400ms\"\nheader_timeout = \"400ms\"\n";
    let plain = Gateway::start(&format!("{}\n{limits}", one_route(upstream.address, ""))).await;
    let secure = over_tls(&authority, upstream.address, "", limits).await;
    for begin in [&b""[..], &PREFACE[..1], &PREFACE[..10], PREFACE] {
        let stream = H2.connect(secure.addresses[0], "localhost", &authority).await.unwrap();
        closed_soon(stream, begin, "ALPN h2").await;
        closed_soon(TcpStream::connect(plain.addresses[0]).await.unwrap(), begin, "in the clear").await;
    }
    assert_eq!(plain.get("/").await.status, 200);
}
