//! What systemd is told (`NOTIFY_SOCKET`).

use std::os::unix::net::UnixDatagram;

use super::Line;
use crate::harness::gateway::{command, folder, signal};
use crate::harness::{Gateway, Origin, PATIENCE, TIDEGATE, one_route};

/// The next that is told, as its lines.
fn told(systemd: &UnixDatagram) -> Vec<String> {
    let mut message = [0; 1000];
    let length = systemd.recv(&mut message).expect("something is told");
    String::from_utf8_lossy(&message[..length]).lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn systemd_hears_what_goes_on() {
    let upstream = Origin::echo("u").await;
    let folder = folder(&one_route(upstream.address, ""), &[]);
    let path = folder.path().join("notify");
    let systemd = UnixDatagram::bind(&path).unwrap();
    systemd.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut command = command(TIDEGATE, folder.path(), &["run"]);
    command.env("NOTIFY_SOCKET", &path);
    let mut line = Line::new(Gateway::start_as(command, folder).await);
    assert_eq!(told(&systemd), ["READY=1", "STATUS=serving"]);

    signal(line.process, "HUP");
    let reloading = told(&systemd);
    assert!(reloading[0] == "RELOADING=1" && reloading[1].starts_with("MONOTONIC_USEC="), "{reloading:?}");
    assert_eq!(told(&systemd), ["READY=1", "STATUS=serving generation 2"]);

    line.gateway.write_config("nonsense = true");
    assert_eq!(told(&systemd)[0], "RELOADING=1");
    let refused = told(&systemd);
    assert!(refused[0] == "READY=1" && refused[1].contains("a change was refused"), "{refused:?}");
    line.gateway.write_config(&one_route(upstream.address, ""));
    assert_eq!(told(&systemd)[0], "RELOADING=1");
    assert_eq!(told(&systemd)[0], "READY=1");

    let before = line.hand_over().await;
    assert_eq!(told(&systemd)[0], "RELOADING=1");
    // Said by the old one: who is not the main process is not heard.
    assert_eq!(told(&systemd), [format!("MAINPID={}", line.process).as_str(), "READY=1", "STATUS=serving"]);
    line.ended(before).await;
    line.stop().await;
    assert_eq!(told(&systemd), ["STOPPING=1", "STATUS=draining"], "by the one that serves, and by nobody before");
}
