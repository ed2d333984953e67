//! WebSocket: tokio-tungstenite on both sides.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::SinkExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_stream::StreamExt;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async, client_async};

use crate::harness::upstream::Refusing;
use crate::harness::{Gateway, PATIENCE, Upstream, one_route, until};

type Socket = WebSocketStream<TcpStream>;

/// Sends back what it gets. `/forbidden` is refused; the subprotocol "second" is taken; the text "bye" is answered by
/// closing with 4001.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let Ok(mut socket) = accept_hdr_async(stream, agree).await else { return };
                while let Some(Ok(message)) = socket.next().await {
                    let sent = match message {
                        Message::Text(text) if text == "bye" => {
                            socket
                                .close(Some(CloseFrame { code: CloseCode::from(4001), reason: "as told".into() }))
                                .await
                        }
                        Message::Text(_) | Message::Binary(_) => socket.send(message).await,
                        _ => Ok(()),
                    };
                    if sent.is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

#[allow(clippy::result_large_err, reason = "it is tungstenite's signature")]
fn agree(request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    assert_eq!(request.headers()["upgrade"].to_str().unwrap().to_ascii_lowercase(), "websocket");
    if request.uri().path() == "/forbidden" {
        return Err(Response::builder().status(403).body(Some("not you".to_owned())).unwrap());
    }
    let protocols = request.headers().get("sec-websocket-protocol");
    if protocols.is_some_and(|protocols| protocols.to_str().unwrap().contains("second")) {
        response.headers_mut().insert("sec-websocket-protocol", "second".parse().unwrap());
    }
    if let Some(client) = request.headers().get("x-forwarded-for") {
        response.headers_mut().insert("x-seen", client.clone());
    }
    Ok(response)
}

async fn connect(gateway: &Gateway, path: &str, headers: &[(&'static str, &str)]) -> Result<(Socket, u16), Error> {
    let stream = TcpStream::connect(gateway.addresses[0]).await.unwrap();
    let mut request = format!("ws://test{path}").into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    let (socket, response) = timeout(PATIENCE, client_async(request, stream)).await.expect("an answer in time")?;
    if headers.iter().any(|(name, _)| *name == "sec-websocket-protocol") {
        assert_eq!(response.headers()["sec-websocket-protocol"], "second");
    }
    assert_eq!(response.headers()["x-seen"], "127.0.0.1");
    Ok((socket, response.status().as_u16()))
}

async fn next(socket: &mut Socket) -> Option<Result<Message, Error>> {
    timeout(PATIENCE, socket.next()).await.expect("a message in time")
}

async fn echoes(socket: &mut Socket, message: Message) {
    socket.send(message.clone()).await.unwrap();
    let answer = next(socket).await.unwrap().unwrap();
    assert!(answer == message, "{} bytes for {}", answer.len(), message.len());
}

#[tokio::test]
async fn text_binary_and_large_messages() {
    let gateway = Gateway::start(&one_route(echo().await, "")).await;
    let (mut socket, status) = connect(&gateway, "/x", &[("sec-websocket-protocol", "first, second")]).await.unwrap();
    assert_eq!(status, 101);
    echoes(&mut socket, Message::text("grüß dich")).await;
    echoes(&mut socket, Message::binary(vec![0, 255, 13, 10])).await;
    echoes(&mut socket, Message::text("")).await;
    // As much as tungstenite takes in a frame.
    echoes(&mut socket, Message::binary(vec![7; 8 << 20])).await;
    socket.send(Message::Ping("are you there?".into())).await.unwrap();
    assert_eq!(next(&mut socket).await.unwrap().unwrap(), Message::Pong("are you there?".into()));
    drop(socket);
    let line = gateway.accessed("path", "/x").await;
    let (came, went) = (line["bytes_in"].as_u64().unwrap(), line["bytes_out"].as_u64().unwrap());
    assert!(came > went && went > 1 << 20, "an echo without the clients' masks: {line:#}");
}

#[tokio::test]
async fn many_sockets_at_once() {
    let gateway = Gateway::start(&one_route(echo().await, "")).await;
    let mut sockets = Vec::new();
    for _ in 0..100 {
        sockets.push(connect(&gateway, "/", &[]).await.unwrap().0);
    }
    for (number, socket) in sockets.iter_mut().enumerate() {
        echoes(socket, Message::text(number.to_string())).await;
    }
}

#[tokio::test]
async fn whoever_closes_says_why() {
    let gateway = Gateway::start(&one_route(echo().await, "")).await;
    let (mut socket, _) = connect(&gateway, "/", &[]).await.unwrap();
    socket.send(Message::text("bye")).await.unwrap();
    let Some(Ok(Message::Close(Some(frame)))) = next(&mut socket).await else { panic!("no close frame") };
    assert_eq!((u16::from(frame.code), frame.reason.as_str()), (4001, "as told"));
    assert!(next(&mut socket).await.is_none(), "closed in order");

    let (mut socket, _) = connect(&gateway, "/", &[]).await.unwrap();
    socket.close(Some(CloseFrame { code: CloseCode::Normal, reason: "done".into() })).await.unwrap();
    let Some(Ok(Message::Close(Some(frame)))) = next(&mut socket).await else { panic!("no close frame") };
    assert_eq!((frame.code, frame.reason.as_str()), (CloseCode::Normal, "done"), "the echo of our own");
}

#[tokio::test]
async fn an_upstreams_refusal_passes() {
    let gateway = Gateway::start(&one_route(echo().await, "")).await;
    let Err(Error::Http(refusal)) = connect(&gateway, "/forbidden", &[]).await else { panic!("not refused") };
    assert_eq!(refusal.status(), 403);
    assert_eq!(refusal.headers().get("x-gateway-error"), None);
    // Nothing but HTTP came of it.
    let nobody = Refusing::new();
    let gateway = Gateway::start(&one_route(nobody.address, "")).await;
    let Err(Error::Http(refusal)) = connect(&gateway, "/", &[]).await else { panic!("not refused") };
    assert_eq!(refusal.status(), 502);
}

#[tokio::test]
async fn plugins_decide_before_there_is_a_tunnel() {
    let consumer = "[[consumers]]\nusername = \"alice\"\ncredentials = [{ kind = \"key-auth\", key = \"secret\" }]\n";
    let route = one_route(echo().await, "plugins = [{ use = \"key-auth\" }]");
    let gateway = Gateway::start(&format!("{route}{consumer}")).await;
    let Err(Error::Http(refusal)) = connect(&gateway, "/", &[]).await else { panic!("not refused") };
    assert_eq!(refusal.status(), 401);
    let (mut socket, _) = connect(&gateway, "/", &[("apikey", "secret")]).await.unwrap();
    echoes(&mut socket, Message::text("let in")).await;
}

#[tokio::test]
async fn a_tunnel_outlives_its_generation() {
    let gateway = Gateway::start(&one_route(echo().await, "")).await;
    let (mut socket, _) = connect(&gateway, "/", &[]).await.unwrap();
    let other = Upstream::echo("other").await;
    gateway.write_config(&one_route(other.address, ""));
    until("the next generation", async || (gateway.generation() == 2).then_some(())).await;
    assert_eq!(gateway.get("/").await.json()["upstream"], "other");
    for turn in 0..10 {
        echoes(&mut socket, Message::text(turn.to_string())).await;
    }
}

#[tokio::test]
async fn a_tunnel_may_be_silent_for_so_long() {
    const LIMIT: Duration = Duration::from_millis(800);
    let route = one_route(echo().await, "");
    let route = route.replacen("[[services.routes]]", "timeouts = { tunnel = \"800ms\" }\n[[services.routes]]", 1);
    let gateway = Gateway::start(&route).await;
    let (mut socket, _) = connect(&gateway, "/", &[]).await.unwrap();
    let begun = Instant::now();
    while begun.elapsed() < LIMIT * 2 {
        echoes(&mut socket, Message::text("still here")).await;
        tokio::time::sleep(LIMIT / 8).await;
    }
    let silent = Instant::now();
    let end = next(&mut socket).await;
    assert!(!matches!(end, Some(Ok(Message::Text(_) | Message::Binary(_)))), "{end:?}");
    assert!(silent.elapsed() >= LIMIT / 2, "after {:?}", silent.elapsed());
}

#[tokio::test]
async fn a_client_that_is_gone_ends_the_tunnel() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gateway = Gateway::start(&one_route(listener.local_addr().unwrap(), "")).await;
    let accepted = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut socket = accept_hdr_async(stream, agree).await.unwrap();
        next(&mut socket).await
    });
    let (socket, _) = connect(&gateway, "/", &[]).await.unwrap();
    drop(socket);
    let end = accepted.await.unwrap();
    assert!(end.as_ref().is_none_or(Result::is_err), "{end:?}");
}

#[tokio::test]
async fn sigterm_lets_tunnels_end_in_time() {
    let config = format!("{}\n[limits]\ndrain_timeout = \"700ms\"\n", one_route(echo().await, ""));
    let mut gateway = Gateway::start(&config).await;
    let (mut socket, _) = connect(&gateway, "/", &[]).await.unwrap();
    gateway.signal("TERM");
    gateway.logged("message", "draining").await;
    echoes(&mut socket, Message::text("not yet")).await;
    gateway.ended().await;
    assert!(next(&mut socket).await.is_none_or(|end| end.is_err()));
}
