//! Sockets that somebody else has opened: `systemd-socket-activate`, and the test itself, which keeps them as systemd does.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};

use hyper::Version;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::Line;
use crate::harness::gateway::{command, folder};
use crate::harness::{Gateway, Origin, PATIENCE, Session, TIDEGATE, Upstream, one_route};

/// `tidegate run` with this socket as its third descriptor.
fn passing(socket: impl Into<OwnedFd>, folder: &Path) -> Command {
    let script = "exec 3<&0 < /dev/null; export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=web; exec \"$0\" run";
    let mut command = command("/bin/sh", folder, &["-c", script, TIDEGATE]);
    command.stdin(Stdio::from(socket.into()));
    command
}

async fn start(socket: impl Into<OwnedFd>, folder: TempDir) -> Gateway {
    Gateway::start_as(passing(socket, folder.path()), folder).await
}

fn listeners(addresses: &[String], upstream: SocketAddr) -> String {
    let listed: Vec<_> = addresses.iter().map(|address| format!("{{ address = \"{address}\" }}")).collect();
    format!("workers = 3\nlisteners = [{}]\n{}", listed.join(", "), one_route(upstream, ""))
}

#[tokio::test]
async fn who_comes_while_nobody_runs_is_answered_by_the_next() {
    let upstream = Origin::echo("u").await;
    let kept = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = kept.local_addr().unwrap();
    let config = listeners(&[address.to_string()], upstream.address);
    let mut line = Line::new(start(kept.try_clone().unwrap(), folder(&config, &[])).await);
    assert_eq!(line.gateway.get("/").await.status, 200);
    // Over a restart, too, and over an end.
    let before = line.hand_over().await;
    line.ended(before).await;
    assert_eq!(line.gateway.get("/").await.status, 200);
    line.stop().await;

    let mut waiting = timeout(PATIENCE, TcpStream::connect(address)).await.expect("in the queue").unwrap();
    waiting.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
    let next = start(kept, folder(&config, &[])).await;
    let mut answer = String::new();
    timeout(PATIENCE, waiting.read_to_string(&mut answer)).await.expect("an answer in time").unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    drop(next);
}

#[tokio::test]
async fn a_unix_socket_is_taken_and_its_file_left() {
    let upstream = Origin::echo("u").await;
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("web.sock");
    let kept = UnixListener::bind(&path).unwrap();
    let addresses = [format!("unix:{}", path.display()), "127.0.0.1:0".to_owned()];
    let config = listeners(&addresses, upstream.address);
    let mut line = Line::new(start(kept.try_clone().unwrap(), folder(&config, &[])).await);
    let stream = UnixStream::connect(&path).await.unwrap();
    assert_eq!(Session::over(stream, Version::HTTP_11).await.get("/").await.status, 200);
    assert_eq!(line.gateway.get("/").await.status, 200, "what was not passed is opened");
    line.stop().await;
    assert!(path.exists(), "it is systemd's");
}

#[tokio::test]
async fn what_the_configuration_does_not_name_is_said_and_served_once_it_does() {
    let upstream = Origin::echo("u").await;
    let kept = TcpListener::bind("127.0.0.1:0").unwrap();
    let passed = kept.local_addr().unwrap();
    let other = Upstream::nobody().await;
    let gateway = start(kept, folder(&listeners(&[other.to_string()], upstream.address), &[])).await;
    let words = gateway.logged("message", "systemd has opened").await["message"].to_string();
    assert!(words.contains(&passed.to_string()) && words.contains("its clients wait in vain"), "{words}");
    let mut waiting = TcpStream::connect(passed).await.unwrap();
    waiting.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
    gateway.write_config(&listeners(&[other.to_string(), passed.to_string()], upstream.address));
    let mut answer = String::new();
    timeout(PATIENCE, waiting.read_to_string(&mut answer)).await.expect("an answer in time").unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");

    // One that cannot be served at all.
    let datagrams = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let gateway = start(datagrams, folder(&listeners(&["127.0.0.1:0".to_owned()], upstream.address), &[])).await;
    let words = gateway.logged("message", "descriptor 3").await["message"].to_string();
    assert!(words.contains("web") && words.contains("neither a TCP nor a unix stream socket"), "{words}");
}

#[tokio::test]
async fn descriptors_for_another_process_are_nobodys_business() {
    let upstream = Origin::echo("u").await;
    let folder = folder(&listeners(&["127.0.0.1:0".to_owned()], upstream.address), &[]);
    let mut command = command(TIDEGATE, folder.path(), &["run"]);
    command.env("LISTEN_PID", "1").env("LISTEN_FDS", "3");
    let gateway = Gateway::start_as(command, folder).await;
    assert_eq!(gateway.get("/").await.status, 200);
    assert!(!gateway.has_logged("message", "descriptor"));
}

/// Where systemd is not installed, as in most containers, the tests above have to do: they pass what it would.
#[tokio::test]
async fn systemds_own_program_is_understood() {
    if Command::new("systemd-socket-activate").arg("--version").stdout(Stdio::null()).status().is_err() {
        return eprintln!("systemd-socket-activate is missing: apt-get install systemd");
    }
    let upstream = Origin::echo("u").await;
    let (web, admin) = (Upstream::nobody().await, Upstream::nobody().await);
    let config = format!("{}[admin]\naddress = \"{admin}\"\n", listeners(&[web.to_string()], upstream.address));
    let folder = folder(&config, &[]);
    let (web, admin) = (web.to_string(), admin.to_string());
    let arguments = ["-E", "XDG_CACHE_HOME", "-l", &web, "-l", &admin, "--fdname=web:admin", TIDEGATE, "run"];
    let command = command("systemd-socket-activate", folder.path(), &arguments);
    // It starts the gateway for the first who comes.
    let first = tokio::spawn(async move {
        let mut answer = String::new();
        let mut stream = loop {
            match TcpStream::connect(&web).await {
                Ok(stream) => break stream,
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
            }
        };
        stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
        timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("an answer in time").unwrap();
        answer
    });
    let gateway = Gateway::start_as(command, folder).await;
    assert!(first.await.unwrap().starts_with("HTTP/1.1 200 "));
    let address = gateway.logged("message", "admin listening").await["address"].as_str().unwrap().to_owned();
    assert_eq!(address, admin);
    let admin = admin.parse().unwrap();
    let answer = crate::harness::Client::connect(admin).await.send("GET", "/ready", &[("host", "localhost")], "").await;
    assert_eq!(answer.status, 200);
    assert!(!gateway.has_logged("message", "systemd has opened"));
}
