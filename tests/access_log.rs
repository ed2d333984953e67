//! The access log: what it may show, and where it may go.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::harness::gateway::{Outcome, folder, run};
use crate::harness::raw::exchange;
use crate::harness::upstream::Refusing;
use crate::harness::{Client, Gateway, Origin, until};

/// A refusal takes no longer, and an end neither.
const SOON: Duration = Duration::from_secs(8);

/// `/x` is answered, `/down` is not; the log goes to `access.log`.
fn config(upstream: &Origin, nobody: &Refusing, settings: &str) -> String {
    format!(
        "workers = 1\nlisteners = [{{ address = \"127.0.0.1:0\" }}]\n[admin]\naddress = \"127.0.0.1:0\"\n\
         [access_log]\npath = \"access.log\"\n{settings}\n\
         [[services]]\nname = \"s\"\nurl = \"http://{}\"\n[[services.routes]]\nname = \"x\"\npaths = [\"/x\"]\n\
         [[services.routes]]\nname = \"secure\"\npaths = [\"/secure\"]\nprotocols = [\"https\"]\n\
         [[services]]\nname = \"d\"\nurl = \"http://{}\"\nretries = 0\n\
         [[services.routes]]\nname = \"down\"\npaths = [\"/down\"]\n",
        upstream.address, nobody.address
    )
}

/// The log, once there are so many lines.
async fn lines(file: &Path, count: usize) -> String {
    until("the lines", async || {
        let text = fs::read_to_string(file).unwrap_or_default();
        (text.lines().count() >= count).then_some(text)
    })
    .await
}

/// Targets with a secret in their query, with the status of the answer: served, refused, failed, unreadable.
const TARGETS: [(&str, &str); 5] = [
    ("/x?apikey=secret&a=b", "200"),
    ("/nowhere?apikey=secret", "404"),
    ("/secure?apikey=secret", "426"),
    ("/down?apikey=secret", "502"),
    ("/x%zz?apikey=secret", "400"),
];

async fn ask(gateway: &Gateway) {
    for (target, status) in TARGETS {
        let request = format!("GET {target} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        let answer = exchange(gateway.addresses[0], request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{target}: {answer}");
    }
    // No Host at all.
    let answer = exchange(gateway.addresses[0], "GET /x?apikey=secret HTTP/1.1\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
}

#[tokio::test]
async fn a_query_is_not_logged_unless_it_is_asked_for() {
    let (upstream, nobody) = (Origin::echo("u").await, Refusing::new());
    for (settings, shown) in [
        ("", 0),
        ("query = false", 0),
        ("format = \"text\"", 0),
        ("query = true", TARGETS.len() + 1),
        ("query = true\nformat = \"text\"", TARGETS.len() + 1),
    ] {
        let gateway = Gateway::start(&config(&upstream, &nobody, settings)).await;
        ask(&gateway).await;
        let log = lines(&gateway.path("access.log"), TARGETS.len() + 1).await;
        let got = log.lines().filter(|line| line.contains("apikey=secret")).count();
        assert_eq!(got, shown, "{settings:?}: {log}");
        assert!(log.contains("/x") && log.contains("/down"), "{settings:?}: {log}");
    }
}

#[tokio::test]
async fn a_query_is_in_no_other_log_either() {
    let (upstream, nobody) = (Origin::echo("u").await, Refusing::new());
    let gateway = Gateway::start(&config(&upstream, &nobody, "query = true")).await;
    ask(&gateway).await;
    for code in ["route_not_found", "https_required", "upstream_connect_refused", "request_invalid"] {
        let line = gateway.logged("code", code).await;
        assert!(!line.to_string().contains("secret"), "{line:#}");
    }
    let admin = gateway.logged("message", "admin listening").await["address"].as_str().unwrap().parse().unwrap();
    let failures = Client::connect(admin).await.send("GET", "/failures", &[("host", "localhost")], "").await;
    assert_eq!(failures.json()["data"].as_array().unwrap().len(), TARGETS.len(), "all but the one that was served");
    assert!(!failures.text().contains("secret"), "{}", failures.text());
}

fn make_pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[tokio::test]
async fn a_pipe_is_refused_at_once() {
    let (upstream, nobody) = (Origin::echo("u").await, Refusing::new());
    let folder = folder(&config(&upstream, &nobody, ""), &[]);
    make_pipe(&folder.path().join("access.log"));
    let begun = Instant::now();
    // Opening it would wait until somebody reads.
    let Outcome { status, stderr, .. } = run(folder.path(), &["run"]);
    assert_eq!(status.code(), Some(1), "{stderr}");
    assert!(begun.elapsed() < SOON, "after {:?}", begun.elapsed());
    assert!(stderr.contains("cannot open the access log") && stderr.contains("access.log"), "{stderr}");
}

#[tokio::test]
async fn a_pipe_that_takes_the_files_place_stops_nobody() {
    let (upstream, nobody) = (Origin::echo("u").await, Refusing::new());
    let mut gateway = Gateway::start(&config(&upstream, &nobody, "")).await;
    assert_eq!(gateway.get("/x/before").await.status, 200);
    lines(&gateway.path("access.log"), 1).await;
    fs::rename(gateway.path("access.log"), gateway.path("access.log.1")).unwrap();
    make_pipe(&gateway.path("access.log"));
    gateway.signal("HUP");
    until("the next generation", async || (gateway.generation() == 2).then_some(())).await;
    assert_eq!(gateway.get("/x/after").await.status, 200);
    // What cannot be written where it should be stays where it was.
    let log = lines(&gateway.path("access.log.1"), 2).await;
    assert!(log.contains("/x/before") && log.contains("/x/after"), "{log}");
    let told = Instant::now();
    gateway.signal("TERM");
    assert!(gateway.ended().await.success());
    assert!(told.elapsed() < SOON, "after {:?}", told.elapsed());
}
