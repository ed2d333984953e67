//! hmac-auth: requests that are signed as they are sent, over both versions of HTTP.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::{digest, hmac};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::Version;
use tokio::net::TcpStream;

use crate::harness::session::piecemeal;
use crate::harness::{Gateway, Session, Upstream, one_route};

async fn gateway(upstream: &Upstream, config: &str) -> Gateway {
    let uses = format!("plugins = [{{ use = \"hmac-auth\", config = {{ {config} }} }}]");
    let credential = "{ kind = \"hmac-auth\", username = \"alice123\", secret = \"s3cret\" }";
    let consumers = format!("[[consumers]]\nusername = \"alice\"\ncredentials = [{credential}]\n");
    Gateway::start(&format!("{consumers}{}", one_route(upstream.address, &uses))).await
}

async fn session(gateway: &Gateway, version: Version) -> Session {
    Session::over(TcpStream::connect(gateway.addresses[0]).await.unwrap(), version).await
}

fn mac(base: &str) -> String {
    STANDARD.encode(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, b"s3cret"), base.as_bytes()))
}

#[tokio::test]
async fn a_request_line_is_signed_in_the_version_that_the_client_speaks() {
    let upstream = Upstream::echo("u").await;
    let gateway = gateway(&upstream, "enforce_headers = [\"date\", \"request-line\"]").await;
    let date = httpdate::fmt_http_date(SystemTime::now());
    for (version, line, expected) in [
        (Version::HTTP_11, "GET /a?b HTTP/1.1", 200),
        (Version::HTTP_11, "GET /a?b HTTP/2.0", 401),
        (Version::HTTP_2, "GET /a?b HTTP/2.0", 200),
        (Version::HTTP_2, "GET /a?b HTTP/1.1", 401),
    ] {
        let signature = mac(&format!("date: {date}\n{line}"));
        let authorization = format!(
            "hmac username=\"alice123\", algorithm=\"hmac-sha256\", headers=\"date request-line\", signature=\"{signature}\""
        );
        let headers = [("date", date.as_str()), ("authorization", &authorization)];
        let answer = session(&gateway, version).await.ask("GET", "/a?b", &headers, "").await;
        assert_eq!(answer.status, expected, "{version:?} {line}: {answer:?}");
        if expected == 200 {
            assert_eq!(answer.upstream_got("x-consumer-username").as_deref(), Some("alice"));
        }
    }
}

#[tokio::test]
async fn a_body_is_the_one_that_was_signed_however_it_comes() {
    let upstream = Upstream::echo("u").await;
    let gateway = gateway(&upstream, "validate_request_body = true").await;
    let digest = STANDARD.encode(digest::digest(&digest::SHA256, b"three apples"));
    let digest = format!("sha-256=:{digest}:");
    let created = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let input = format!("(\"@method\" \"@target-uri\" \"content-digest\");created={created};keyid=\"alice123\"");
    let base = format!(
        "\"@method\": POST\n\"@target-uri\": http://test/orders?page=2\n\"content-digest\": {digest}\n\
         \"@signature-params\": {input}"
    );
    let (input, signature) = (format!("sig={input}"), format!("sig=:{}:", mac(&base)));
    let headers = [("content-digest", digest.as_str()), ("signature-input", &input), ("signature", &signature)];
    for version in [Version::HTTP_11, Version::HTTP_2] {
        for (pieces, expected) in
            [(["three ", "apples"], 200), (["three", " apples"], 200), (["three ", "appleS"], 401), (["", ""], 401)]
        {
            let mut session = session(&gateway, version).await;
            let (sending, body) = piecemeal();
            let request = session.request("POST", "/orders?page=2", &headers, body);
            for piece in pieces {
                sending.send(piece.into()).unwrap();
            }
            drop(sending);
            let answer = session.send(request).await.unwrap();
            assert_eq!(answer.status(), expected, "{version:?} {pieces:?}");
        }
    }
}
