//! Who a request comes from when it comes through others: the PROXY protocol, X-Forwarded-*, unix sockets.

use hyper::Version;
use tokio::net::{TcpStream, UnixStream};

use crate::harness::certs::Authority;
use crate::harness::gateway::folder;
use crate::harness::raw::{Raw, exchange};
use crate::harness::tls::Hello;
use crate::harness::{Answer, Gateway, Origin, Session, one_route, until};

/// A gateway that is told by `trusted` whom to believe, and whose listener has `listener` in it.
async fn gateway(upstream: &Origin, trusted: &str, listener: &str) -> Gateway {
    Gateway::start(&format!(
        "trusted_proxies = [{trusted}]\nlisteners = [{{ address = \"127.0.0.1:0\"{listener} }}]\n{}",
        one_route(upstream.address, "")
    ))
    .await
}

const EXPECTS_PROXY: &str = ", proxy_protocol = true";

/// Version 2 for TCP over IPv4 from 203.0.113.9:5000 to 192.0.2.1:8443; `command` is LOCAL (0x20) or PROXY (0x21).
fn version_2(command: u8) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    // TCP over IPv4; 12 bytes of addresses and a TLV of 5, which is nothing that anybody knows.
    header.extend([command, 0x11, 0, 17]);
    header.extend([203, 0, 113, 9, 192, 0, 2, 1]);
    header.extend(5000_u16.to_be_bytes());
    header.extend(8443_u16.to_be_bytes());
    header.extend([0xEE, 0, 2, 1, 2]);
    header
}

/// The answer to a GET that comes after `header`.
async fn after(gateway: &Gateway, header: &[u8]) -> Answer {
    let mut raw = Raw::connect(gateway.addresses[0]).await;
    raw.send(header).await;
    Session::over(raw.stream, Version::HTTP_11).await.get("/").await
}

fn client(answer: &Answer) -> Option<String> {
    let address = answer.upstream_got("x-real-ip")?;
    let list = answer.upstream_got("x-forwarded-for")?;
    assert!(list.split(", ").any(|entry| entry == address), "{address} is not in {list}");
    Some(address)
}

#[tokio::test]
async fn the_proxy_protocol_names_the_client() {
    let upstream = Origin::echo("u").await;
    let gateway = gateway(&upstream, "\"127.0.0.1\"", EXPECTS_PROXY).await;
    for (header, expected) in [
        (&b"PROXY TCP4 203.0.113.9 192.0.2.1 5000 8443\r\n"[..], "203.0.113.9"),
        (b"PROXY TCP6 2001:db8::9 2001:db8::1 5000 8443\r\n", "2001:db8::9"),
        // The proxy speaks for itself, as in its health checks.
        (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
        (&version_2(0x21), "203.0.113.9"),
        (&version_2(0x20), "127.0.0.1"),
    ] {
        let answer = after(&gateway, header).await;
        assert_eq!(client(&answer).as_deref(), Some(expected), "{:?}", String::from_utf8_lossy(header));
    }
}

#[tokio::test]
async fn a_proxy_header_may_come_in_pieces_and_together_with_the_request() {
    let upstream = Origin::echo("u").await;
    let gateway = gateway(&upstream, "\"127.0.0.0/8\"", EXPECTS_PROXY).await;
    for header in [b"PROXY TCP4 203.0.113.9 192.0.2.1 5000 80\r\n".to_vec(), version_2(0x21)] {
        let mut raw = Raw::connect(gateway.addresses[0]).await;
        raw.stream.set_nodelay(true).unwrap();
        for byte in &header[..header.len() - 1] {
            raw.send([*byte]).await;
            tokio::task::yield_now().await;
        }
        raw.send([&header[header.len() - 1..], b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"].concat())
            .await;
        assert!(raw.rest().await.contains("\"x-real-ip\":\"203.0.113.9\""));
    }
}

#[tokio::test]
async fn a_proxy_header_comes_before_the_handshake() {
    let upstream = Origin::echo("u").await;
    let authority = Authority::new("ours");
    let config = format!(
        "trusted_proxies = [\"127.0.0.1\"]\n[[listeners]]\naddress = \"127.0.0.1:0\"\nproxy_protocol = true\n\
         tls = {{ certificates = [{{ cert = \"server.pem\", key = \"server.key\" }}] }}\n{}",
        one_route(upstream.address, "")
    );
    let folder = folder(&config, &[]);
    authority.server(&["localhost"]).write(folder.path(), "server");
    let gateway = Gateway::start_in(folder).await;
    let mut raw = Raw::connect(gateway.addresses[0]).await;
    raw.send(version_2(0x21)).await;
    let hello = Hello { alpn: &["h2"], ..Hello::default() };
    let stream = hello.handshake(raw.stream, "localhost", &authority).await.unwrap();
    let answer = Session::over(stream, Version::HTTP_2).await.get("/").await;
    assert_eq!(client(&answer).as_deref(), Some("203.0.113.9"));
}

#[tokio::test]
async fn a_proxy_header_is_taken_from_those_who_are_trusted_only() {
    const REQUEST: &str = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let upstream = Origin::echo("u").await;
    let strangers = gateway(&upstream, "\"192.0.2.0/24\"", EXPECTS_PROXY).await;
    let header = "PROXY TCP4 203.0.113.9 192.0.2.1 5000 80\r\n";
    assert_eq!(exchange(strangers.addresses[0], format!("{header}{REQUEST}")).await, "");

    let friends = gateway(&upstream, "\"127.0.0.1\"", EXPECTS_PROXY).await;
    for header in ["", "PROXY TCP4 203.0.113.9 192.0.2.1 5000\r\n", "PROXY TCP4 not.an.ad.dress 192.0.2.1 1 2\r\n"] {
        assert_eq!(exchange(friends.addresses[0], format!("{header}{REQUEST}")).await, "", "{header:?}");
    }
    assert_eq!(upstream.requests(), 0);

    // Where none is expected, it is no request either.
    let plain = gateway(&upstream, "\"127.0.0.1\"", "").await;
    let answer = exchange(plain.addresses[0], format!("{header}{REQUEST}")).await;
    assert!(!answer.contains(" 200 OK"), "{answer}");
}

#[tokio::test]
async fn a_chain_of_proxies_is_walked_from_the_right() {
    let upstream = Origin::echo("u").await;
    let gateway = gateway(&upstream, "\"127.0.0.1\", \"10.0.0.0/8\", \"2001:db8::/32\"", "").await;
    for (list, expected) in [
        ("203.0.113.7", "203.0.113.7"),
        // What the client put there itself is to the left of what the first trusted proxy saw.
        ("198.51.100.66, 203.0.113.7, 10.1.2.3", "203.0.113.7"),
        ("10.9.9.9, 203.0.113.7", "203.0.113.7"),
        ("203.0.113.7,10.1.2.3 , 10.1.2.4", "203.0.113.7"),
        ("2001:db9::7, 2001:db8::1", "2001:db9::7"),
        // Trusted all the way: the farthest is the client.
        ("10.1.2.3, 10.1.2.4", "10.1.2.3"),
    ] {
        let answer = gateway.request("GET", "/", &[("x-forwarded-for", list)]).await;
        assert_eq!(answer.upstream_got("x-real-ip").as_deref(), Some(expected), "{list}");
    }
    // Lines of the field are one list (RFC 9110, section 5.3).
    let fields = [("x-forwarded-for", "198.51.100.66, 203.0.113.7"), ("x-forwarded-for", "10.1.2.3")];
    let answer = gateway.request("GET", "/", &fields).await;
    assert_eq!(answer.upstream_got("x-real-ip").as_deref(), Some("203.0.113.7"));
}

#[tokio::test]
async fn scheme_and_port_are_believed_from_those_who_are_trusted() {
    let upstream = Origin::echo("u").await;
    let says = [("x-forwarded-for", "203.0.113.7"), ("x-forwarded-proto", "https"), ("x-forwarded-port", "443")];
    let trusting = gateway(&upstream, "\"127.0.0.1\"", "").await;
    let answer = trusting.request("GET", "/", &says).await;
    for (name, expected) in says {
        let got = answer.upstream_got(name).unwrap();
        assert!(got.starts_with(expected), "{name}: {got}");
    }

    let port = |gateway: &Gateway| gateway.addresses[0].port().to_string();
    let answer = trusting.get("/").await;
    assert_eq!(answer.upstream_got("x-forwarded-proto").as_deref(), Some("http"), "which the proxy did not say");
    assert_eq!(answer.upstream_got("x-forwarded-port"), Some(port(&trusting)));

    let wary = gateway(&upstream, "\"192.0.2.1\"", "").await;
    let answer = wary.request("GET", "/", &says).await;
    assert_eq!(answer.upstream_got("x-real-ip").as_deref(), Some("127.0.0.1"));
    assert_eq!(answer.upstream_got("x-forwarded-proto").as_deref(), Some("http"));
    assert_eq!(answer.upstream_got("x-forwarded-port"), Some(port(&wary)));
}

#[tokio::test]
async fn a_unix_socket_is_a_listener_like_others() {
    let upstream = Origin::echo("u").await;
    let place = tempfile::tempdir().unwrap();
    let socket = place.path().join("gateway.sock");
    let config = format!(
        "listeners = [{{ address = \"unix:{}\" }}, {{ address = \"127.0.0.1:0\" }}]\n{}",
        socket.display(),
        one_route(upstream.address, "")
    );
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let mut gateway = Gateway::start(&config).await;
        for _ in 0..4 {
            let stream = UnixStream::connect(&socket).await.unwrap();
            assert_eq!(Session::over(stream, version).await.get("/").await.status, 200);
        }
        let tcp = TcpStream::connect(gateway.addresses[0]).await.unwrap();
        assert_eq!(Session::over(tcp, version).await.get("/").await.status, 200);
        // The next turn finds what is left of a gateway that could not clean up.
        gateway.signal("KILL");
        gateway.ended().await;
    }

    let mut gateway = Gateway::start(&config).await;
    gateway.signal("TERM");
    assert!(gateway.ended().await.success());
    until("nobody to answer there", async || UnixStream::connect(&socket).await.is_err().then_some(())).await;
}
