//! Unix sockets: the file is the gateway's own, or it is left alone.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use hyper::Version;
use tokio::net::UnixStream;

use crate::harness::gateway::{Outcome, folder, run};
use crate::harness::raw::Raw;
use crate::harness::{Gateway, Origin, Session, Upstream, one_route, until};

/// A configuration that listens on these unix sockets, and on TCP, so that everybody finds it.
fn config(sockets: &[&Path], upstream: &Origin) -> String {
    let sockets: String = sockets.iter().map(|path| format!("{{ address = \"unix:{}\" }}, ", path.display())).collect();
    format!("listeners = [{sockets}{{ address = \"127.0.0.1:0\" }}]\n{}", one_route(upstream.address, ""))
}

async fn serves(socket: &Path) -> bool {
    let Ok(stream) = UnixStream::connect(socket).await else { return false };
    Session::over(stream, Version::HTTP_11).await.get("/").await.status == 200
}

fn is_socket(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket())
}

#[tokio::test]
async fn a_file_that_is_no_socket_is_nobodys_to_replace() {
    let upstream = Origin::echo("u").await;
    let place = tempfile::tempdir().unwrap();
    let (file, link, directory) =
        (place.path().join("precious"), place.path().join("link"), place.path().join("directory"));
    fs::write(&file, "precious").unwrap();
    fs::create_dir(&directory).unwrap();
    std::os::unix::fs::symlink(&file, &link).unwrap();
    for path in [&file, &link, &directory] {
        let folder = folder(&config(&[path], &upstream), &[]);
        let Outcome { status, stderr, .. } = run(folder.path(), &["run"]);
        assert_eq!(status.code(), Some(1), "{}: {stderr}", path.display());
        assert!(stderr.contains(&format!("cannot listen on unix:{}", path.display())), "{stderr}");
        assert!(stderr.contains("gateway.toml:1:"), "{stderr}");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    assert_eq!(fs::read_link(&link).unwrap(), file);

    // Nor by a change of the configuration.
    let gateway = Gateway::start(&config(&[], &upstream)).await;
    gateway.write_config(&config(&[&file], &upstream));
    gateway.logged("message", "refused, generation 1 keeps serving").await;
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    assert_eq!(gateway.get("/").await.status, 200);
}

#[tokio::test]
async fn a_refused_change_leaves_no_file_behind() {
    let upstream = Origin::echo("u").await;
    let place = tempfile::tempdir().unwrap();
    let (old, new) = (place.path().join("old.sock"), place.path().join("new.sock"));
    let before = config(&[&old], &upstream);
    let gateway = Gateway::start(&before).await;
    // One that could be opened, and one that never can.
    let taken = format!("[{{ address = \"{}\" }}, {{ address = \"unix:", upstream.address);
    let impossible = config(&[&old, &new], &upstream).replacen("[{ address = \"unix:", &taken, 1);
    gateway.write_config(&impossible);
    gateway.logged("message", "refused, generation 1 keeps serving").await;
    assert!(!new.exists(), "nobody listens there");
    assert!(serves(&old).await);

    gateway.write_config(&config(&[&new], &upstream));
    until("the new socket", async || serves(&new).await.then_some(())).await;
    until("the old socket's file to go", async || (!old.exists()).then_some(())).await;
    gateway.write_config(&before);
    until("the old socket again", async || serves(&old).await.then_some(())).await;
    until("the new socket's file to go", async || (!new.exists()).then_some(())).await;
}

#[tokio::test]
async fn a_socket_that_somebody_serves_is_not_taken() {
    let upstream = Origin::echo("u").await;
    let place = tempfile::tempdir().unwrap();
    let socket = place.path().join("gateway.sock");
    let gateway = Gateway::start(&config(&[&socket], &upstream)).await;
    let second = folder(&config(&[&socket], &upstream), &[]);
    let Outcome { status, stderr, .. } = run(second.path(), &["run"]);
    assert_eq!(status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("another program serves this address"), "{stderr}");
    assert!(serves(&socket).await, "the first one's");
    drop(gateway);
}

#[tokio::test]
async fn an_end_leaves_a_successors_socket_alone() {
    let upstream = Origin::echo("u").await;
    let place = tempfile::tempdir().unwrap();
    let socket = place.path().join("gateway.sock");
    let mut old = Gateway::start(&config(&[&socket], &upstream)).await;
    // Who wants to take over may put its own in the place.
    fs::remove_file(&socket).unwrap();
    let mut new = Gateway::start(&config(&[&socket], &upstream)).await;
    old.signal("TERM");
    assert!(old.ended().await.success());
    assert!(is_socket(&socket) && serves(&socket).await, "the successor's is still there");
    new.signal("TERM");
    assert!(new.ended().await.success());
    assert!(!socket.exists(), "its own goes with it");
}

#[tokio::test]
async fn a_drain_leaves_a_successors_socket_alone() {
    let upstream = Upstream::echo("u").await;
    let place = tempfile::tempdir().unwrap();
    let socket = place.path().join("gateway.sock");
    let listeners =
        format!("listeners = [{{ address = \"unix:{}\" }}, {{ address = \"127.0.0.1:0\" }}]\n", socket.display());
    let config = format!("{listeners}{}", one_route(upstream.address, ""));
    let mut old = Gateway::start(&config).await;
    let mut busy = Raw::over(UnixStream::connect(&socket).await.unwrap());
    busy.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 8\r\n\r\nhalf").await;
    until("the request to be on its way", async || (upstream.connections() == 1).then_some(())).await;
    old.signal("TERM");
    until("the old one's file to go", async || (!socket.exists()).then_some(())).await;

    let new = Gateway::start(&config).await;
    assert!(serves(&socket).await, "the new one's");
    busy.send("half").await;
    let (head, body) = busy.answer().await;
    assert!(head.starts_with("http/1.1 200 ok") && body.contains("halfhalf"), "{head}{body}");
    assert!(old.ended().await.success());
    assert!(serves(&socket).await, "the new one's, still");
    drop(new);
}
