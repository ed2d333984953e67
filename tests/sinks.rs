//! Sinks from outside: a gateway that has some starts, changes and stops like any other, and shows them.

mod crash;
mod formats;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::harness::gateway::{folder, run};
use crate::harness::{Client, Gateway, Upstream, built, one_route, until};

/// A route whose plugin hands numbered records to the sink `s`, which is `table`.
async fn recording(table: &str) -> Gateway {
    // A hundred records are more than a call is for, on a busy machine.
    let limits = "limits = { time = \"1s\" }";
    let uses = format!(
        "plugins = [{{ use = \"recorder\", grants = {{ sinks = [\"s\"] }}, config = {{ sink = \"s\" }}, {limits} }}]"
    );
    let route = one_route("127.0.0.1:9", &uses);
    let components = "[components.recorder]\npath = \"recorder.wasm\"\n";
    let admin = "[admin]\naddress = \"127.0.0.1:0\"\n";
    let config = format!("{admin}{route}\n{components}[[sinks]]\nname = \"s\"\n{table}");
    Gateway::start_with(&config, &[("recorder.wasm", &built("guests/recorder.wasm"))]).await
}

/// Have so many records handed in; how many of them were taken.
async fn record(client: &mut Client, from: usize, count: usize) -> Result<usize, hyper::Error> {
    let (from, count) = (from.to_string(), count.to_string());
    let headers = [("host", "localhost"), ("x-from", &*from), ("x-count", &*count)];
    let answer = client.try_send("GET", "/", &headers, "").await?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    Ok(answer.text().parse().unwrap())
}

/// Which they are.
fn numbers<'r>(records: impl IntoIterator<Item = &'r String>) -> Vec<usize> {
    let number = |record: &String| -> usize {
        let record: serde_json::Value = serde_json::from_str(record).unwrap();
        record["number"].as_u64().unwrap().try_into().unwrap()
    };
    records.into_iter().map(number).collect()
}

fn sinks(peer: SocketAddr) -> String {
    format!(
        "[admin]\naddress = \"127.0.0.1:0\"\n\
         [[sinks]]\nname = \"lines\"\nkind = \"file\"\npath = \"lines.ndjson\"\n\
         [[sinks]]\nname = \"events\"\nkind = \"http\"\nurl = \"http://{peer}/in\"\n\
         [[sinks]]\nname = \"logs\"\nkind = \"syslog\"\naddress = \"logs.invalid:514\"\n"
    )
}

#[tokio::test]
async fn a_gateway_with_sinks_shows_them_and_stops_without_delay() {
    let peer = Upstream::nobody().await;
    let mut gateway = Gateway::start(&sinks(peer)).await;
    let admin = gateway.logged("message", "admin listening").await["address"].as_str().unwrap().parse().unwrap();
    let page = async || Client::connect(admin).await.send("GET", "/metrics", &[("host", "localhost")], "").await;
    let shown = |page: &str, sink: &str| {
        let line = format!("tidegate_sink_buffer_bytes{{sink=\"{sink}\"}} 0");
        page.lines().any(|found| found == line)
    };
    let before = page().await;
    assert!(["lines", "events", "logs"].iter().all(|sink| shown(before.text(), sink)), "{}", before.text());
    assert!(!gateway.path("lines.ndjson").exists(), "before there is a record, there is no file");

    gateway.write_config(&sinks(peer).replace("\"events\"", "\"others\""));
    gateway.signal("HUP");
    until("the next generation", async || (gateway.generation() > 1).then_some(())).await;
    let after = page().await;
    assert!(shown(after.text(), "others") && shown(after.text(), "lines"), "{}", after.text());

    let begun = Instant::now();
    gateway.signal("TERM");
    assert!(gateway.ended().await.success());
    assert!(begun.elapsed() < Duration::from_secs(4), "nothing is left to deliver: {:?}", begun.elapsed());
}

#[test]
fn a_check_finds_what_is_wrong_with_sinks() {
    let config = "[[sinks]]\nname = \"events\"\nkind = \"http\"\nurl = \"https://x/\"\nca = \"nothing.pem\"\n\
                  headers = { authorization = \"env:TIDEGATE_NOT_SET\", x = \"sesame\" }\nbufer = {}\n";
    let found = run(folder(config, &[]).path(), &["check"]);
    assert_eq!(found.status.code(), Some(1));
    for words in ["nothing.pem", "`TIDEGATE_NOT_SET` is not set", "unknown key `bufer`", "did you mean `buffer`?"] {
        assert!(found.stderr.contains(words), "{words}: {}", found.stderr);
    }
    assert!(!found.stderr.contains("sesame"), "{}", found.stderr);
}
