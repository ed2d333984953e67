//! HEAD, answered by the gateway itself or by a plugin: what GET would say, without the body, and no client that went
//! away in the log.

use hyper::Version;
use tokio::net::TcpStream;

use crate::harness::access::key;
use crate::harness::raw::{Raw, exchange};
use crate::harness::upstream::Refusing;
use crate::harness::{Answer, Gateway, Session};

/// Path, status and cause; a plugin's answer has none.
const ROWS: [(&str, u16, Option<&str>); 3] = [
    ("/nowhere", 404, Some("route_not_found")),
    ("/down", 502, Some("upstream_connect_refused")),
    ("/guarded", 401, None),
];

async fn gateway(nobody: &Refusing) -> Gateway {
    Gateway::start(&format!(
        "[[services]]\nname = \"s\"\nurl = \"http://{}\"\nretries = 0\n\
         [[services.routes]]\nname = \"down\"\npaths = [\"/down\"]\n\
         [[services.routes]]\nname = \"guarded\"\npaths = [\"/guarded\"]\nplugins = [{{ use = \"key-auth\" }}]\n",
        nobody.address
    ))
    .await
}

/// The access log has this answer with its own status, and no other cause.
async fn logged(gateway: &Gateway, answer: &Answer, error: Option<&str>) {
    let line = gateway.accessed(key::REQUEST_ID, answer.header("x-gateway-request-id").unwrap()).await;
    assert_eq!(line[key::STATUS], answer.status, "{line:#}");
    assert_eq!(line[key::ERROR].as_str(), error, "{line:#}");
}

#[tokio::test]
async fn head_is_get_without_its_body() {
    let nobody = Refusing::new();
    let gateway = gateway(&nobody).await;
    for version in [Version::HTTP_11, Version::HTTP_2] {
        for (path, status, error) in ROWS {
            let stream = TcpStream::connect(gateway.addresses[0]).await.unwrap();
            let mut session = Session::over(stream, version).await;
            let get = session.ask("GET", path, &[], "").await;
            assert_eq!((get.status, get.header("x-gateway-error")), (status, error), "{version:?} {path}");
            assert!(!get.body.is_empty(), "{version:?} {path}");
            let head = session.ask("HEAD", path, &[], "").await;
            assert_eq!((head.status, head.text()), (status, ""), "{version:?} {path}");
            assert_eq!(head.header("content-length"), Some(&*get.body.len().to_string()), "{version:?} {path}");
            for name in ["content-type", "x-gateway-error", "www-authenticate"] {
                assert_eq!(head.header(name), get.header(name), "{version:?} {path}");
            }
            logged(&gateway, &get, error).await;
            logged(&gateway, &head, error).await;
        }
    }
}

#[tokio::test]
async fn nothing_comes_behind_the_head() {
    let nobody = Refusing::new();
    let gateway = gateway(&nobody).await;
    for (path, status, _) in ROWS {
        let answer =
            exchange(gateway.addresses[0], format!("HEAD {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"))
                .await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert_eq!(answer.split_once("\r\n\r\n").map(|(_, rest)| rest), Some(""), "{path}");

        // A body here would be taken for the next answer.
        let mut raw = Raw::connect(gateway.addresses[0]).await;
        raw.send(format!("HEAD {path} HTTP/1.1\r\nhost: a\r\n\r\nGET /nowhere HTTP/1.1\r\nhost: a\r\n\r\n")).await;
        assert!(raw.head().await.starts_with(&format!("HTTP/1.1 {status} ")), "{path}");
        assert!(raw.answer().await.0.starts_with("http/1.1 404 "), "after {path}");
    }
}
