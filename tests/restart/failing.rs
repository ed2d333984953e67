//! A new process that does not come to serve: the old one goes on, and says why.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::Line;
use crate::harness::gateway::{folder, signal};
use crate::harness::receiver::Protocol;
use crate::harness::{Origin, Receiver, TIDEGATE, one_route, until};

/// Put a script in the place of the executable.
fn script(path: &Path, text: &str) {
    fs::remove_file(path).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn whatever_is_wrong_with_the_new_one_the_old_one_serves_on() {
    let upstream = Origin::echo("u").await;
    let limits = "[limits]\nhandover_timeout = \"15s\"\n";
    let config = format!("{}{limits}", one_route(upstream.address, ""));
    let mut line = Line::by_path(folder(&config, &[])).await;
    let path = line.gateway.path("tidegate");

    line.gateway.write_config(&config.replace("paths", "pahts"));
    let words = line.fails_to_hand_over().await;
    assert!(words.contains("this process keeps serving") && words.contains("gateway.toml:"), "{words}");
    assert!(words.contains("pahts"), "the fault itself: {words}");
    line.gateway.write_config(&config);

    for (text, expected) in [
        ("no program at all", "cannot be started: Exec format error"),
        ("#!/bin/sh\nexit 3\n", "it ended before it served, with exit status: 3"),
        ("#!/bin/sh\nkill -s SEGV $$\n", "it was ended by signal 11 before it served"),
        ("#!/bin/sh\nexec < /dev/null\nexec sleep 60\n", "it has closed its standard input"),
    ] {
        script(&path, text);
        let words = line.fails_to_hand_over().await;
        assert!(words.contains(expected), "{text:?}: {words}");
        assert_eq!(line.gateway.get("/").await.status, 200);
    }
    fs::remove_file(&path).unwrap();
    let words = line.fails_to_hand_over().await;
    assert!(words.contains("tidegate cannot be started: No such file or directory"), "{words}");

    std::os::unix::fs::symlink(TIDEGATE, &path).unwrap();
    let before = line.hand_over().await;
    line.ended(before).await;
    assert_eq!(line.gateway.get("/").await.status, 200, "and a sound one takes over");
}

#[tokio::test]
async fn one_that_takes_too_long_is_ended_and_a_second_one_is_not_begun_meanwhile() {
    let upstream = Origin::echo("u").await;
    let config = format!("{}[limits]\nhandover_timeout = \"2s\"\n", one_route(upstream.address, ""));
    let line = Line::by_path(folder(&config, &[])).await;
    script(&line.gateway.path("tidegate"), "#!/bin/sh\necho $$ > begun\nexec sleep 60\n");
    signal(line.process, "USR2");
    let process = until("it to begin", async || {
        let begun = fs::read_to_string(line.gateway.path("begun")).ok()?;
        begun.trim().parse::<u32>().ok()
    })
    .await;
    signal(line.process, "USR2");
    line.one_more("SIGUSR2 ignored", 0).await;
    let words = line.one_more("not handed over", 0).await["message"].to_string();
    assert!(words.contains("it did not serve within 2s") && words.contains("handover_timeout"), "{words}");
    assert!(super::is_over(process), "it is gone");
    assert_eq!(line.count("handing over"), 1);
    assert_eq!(line.gateway.get("/").await.status, 200);
}

#[tokio::test]
async fn what_was_given_is_taken_back() {
    let upstream = Origin::echo("u").await;
    let receiver = Receiver::start(Protocol::Lines, Default::default).await;
    let sink = format!(
        "[[sinks]]\nname = \"s\"\nkind = \"http\"\nurl = \"http://{}/\"\nbatch = {{ max_wait = \"50ms\" }}\n\
         buffer = {{ disk = \"var/s\" }}\n",
        receiver.address
    );
    let uses = "plugins = [{ use = \"http-log\", grants = { sinks = [\"s\"] }, config = { sink = \"s\" } }]\n";
    let config = |admin: &str| format!("[admin]\naddress = \"{admin}\"\n{}{sink}", one_route(upstream.address, uses));
    let line = Line::by_path(folder(&config("127.0.0.1:0"), &[])).await;
    assert_eq!(line.gateway.get("/before").await.status, 200);
    let came = |what: &'static str| {
        let receiver = &receiver;
        async move {
            let all = || receiver.records().iter().any(|record| record.contains(what));
            until(&format!("the record of {what}"), async || all().then_some(())).await;
        }
    };
    came("/before").await;

    // It fails last of all: after it has the disk buffers.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    line.gateway.write_config(&config(&taken.local_addr().unwrap().to_string()));
    let words = line.fails_to_hand_over().await;
    assert!(words.contains("for `admin`"), "{words}");
    assert_eq!(line.count("taking over"), 1);
    assert_eq!(line.gateway.get("/after").await.status, 200);
    came("/after").await;
    let admin = line.gateway.logged("message", "admin listening").await["address"].as_str().unwrap().parse().unwrap();
    let answer = crate::harness::Client::connect(admin).await.send("GET", "/ready", &[("host", "localhost")], "").await;
    assert_eq!(answer.status, 200, "its admin server is still there");
}
