//! Sinks that settings of plugins make up: read like `[[sinks]]`, shared, kept, and shown.

use std::sync::{Arc, Mutex};

use http_body_util::BodyExt;

use crate::harness::gateway::run;
use crate::harness::origin::reply;
use crate::harness::{Client, Gateway, Origin, Upstream, built, folder, one_route, until};

const URI: &str = "fields = { uri = \"request.uri\" }";
const ADMIN: &str = "[admin]\naddress = \"127.0.0.1:0\"\n";

fn plugin(name: &str, config: &str) -> String {
    format!("[[plugins]]\nuse = \"{name}\"\nconfig = {{ {config} }}\n\n")
}

/// Lines of the metrics that say how many bytes a sink keeps: there is one for each sink.
async fn sinks(gateway: &Gateway) -> Vec<String> {
    let admin = gateway.logged("message", "admin listening").await["address"].as_str().unwrap().parse().unwrap();
    let page = Client::connect(admin).await.send("GET", "/metrics", &[("host", "localhost")], "").await;
    let lines = page.text().lines().filter_map(|line| line.strip_prefix("tidegate_sink_buffer_bytes{sink=\""));
    let mut names: Vec<String> = lines.map(|line| line.split('"').next().unwrap().to_owned()).collect();
    names.sort();
    names
}

async fn generation(gateway: &Gateway, number: u64) {
    until("the next generation", async || (gateway.generation() >= number).then_some(())).await;
}

#[test]
fn what_is_wrong_with_it_is_said_where_the_use_says_it() {
    let at = |config: &str, expected: &[&str]| {
        let found = run(folder(config, &[]).path(), &["check"]);
        assert_eq!(found.status.code(), Some(1), "{config}");
        for words in expected {
            assert!(found.stderr.contains(words), "{words}: {}", found.stderr);
        }
        assert!(!found.stderr.contains("sesame"), "{}", found.stderr);
    };
    let http = |rest: &str| plugin("http-log", &format!("http_endpoint = \"https://logs/\", {rest}"));
    let use_line = "gateway.toml:5";
    at(&plugin("file-log", ""), &["file-log: `path` is missing", "the file that records are appended to", use_line]);
    at(&plugin("file-log", "path = \"\""), &["file-log: `path` is empty", "config = { path = \"\" }", "^^"]);
    at(
        &plugin("http-log", "http_endpoint = \"ftp://logs/\""),
        &["http-log: `http_endpoint`: \"ftp\" is not spoken here", "^^^^^^^^^^^^^", "gateway.toml:5:28"],
    );
    at(&plugin("http-log", ""), &["http-log: `http_endpoint` is missing"]);
    at(&http("timeout = 100000000"), &["http-log: `timeout`: a duration is from 1ms to 24h"]);
    at(&http("queue = { max_bytes = 5 }"), &["http-log: `queue.max_bytes` is from 64KiB to 1GiB"]);
    at(&http("queue = { max_batch_size = 200000 }"), &["`queue.max_batch_size` must be from 1 to 100000, not 200000"]);
    at(&http("queue = { max_coalescing_delay = 0 }"), &["`queue.max_coalescing_delay`: a duration is from 1ms"]);
    at(&http("content_type = \"a\\nb\""), &["http-log: `content_type`"]);
    at(&http("ca = \"nothing.pem\""), &["nothing.pem"]);
    at(
        &http("headers = { authorization = \"env:TIDEGATE_NOT_SET\", x = \"sesame\", host = \"a\" }"),
        &["`TIDEGATE_NOT_SET` is not set", "`host` is what `http_endpoint` says"],
    );
    at(&plugin("tcp-log", "port = 1"), &["tcp-log: `socket`, or `host` and `port` is missing"]);
    at(&plugin("tcp-log", "host = \"a b\", port = 1"), &["tcp-log: `host` and `port`: "]);
    let tls = "host = \"a\", port = 1, tls_sni = \"b\", ca = \"c\"";
    at(&plugin("tcp-log", tls), &["`tls_sni` goes unheard", "`ca` goes unheard", "this sink does not speak TLS"]);
    at(&plugin("udp-log", "host = \"::1\", port = 1"), &["udp-log: `host` and `port`: "]);
    at(&plugin("syslog", "host = \"\""), &["syslog: "]);
    at(&plugin("syslog", "socket = \"log\""), &["syslog: `socket`: \"unix:log\" needs an absolute path", use_line]);
    at(
        &plugin("syslog", "socket = \"/dev/log\", host = \"a\""),
        &["syslog: `host` goes unheard", "leave it out, or what says instead where records go: `socket`"],
    );
    at(&plugin("tcp-log", "socket = \"/a\", tls = true"), &["tcp-log: no TLS is spoken to a unix socket"]);
}

#[test]
fn one_that_is_named_in_its_place_has_to_be_there_and_decides_alone() {
    let config = format!(
        "[[sinks]]\nname = \"audit\"\nkind = \"file\"\npath = \"a\"\n{}{}",
        plugin("file-log", "sink = \"audit\", path = \"b\", reopen = true"),
        plugin("tcp-log", "sink = \"adit\"")
    );
    let found = run(folder(&config, &[]).path(), &["check"]).stderr;
    for words in [
        "`path` goes unheard: records go to sink \"audit\"",
        "`reopen` goes unheard",
        "there is no sink \"adit\"",
        "did you mean `audit`?",
    ] {
        assert!(found.contains(words), "{words}: {found}");
    }
}

#[tokio::test]
async fn two_uses_of_one_file_share_a_sink_and_one_that_differs_has_its_own() {
    let upstream = Upstream::echo("a").await;
    let service = |name: &str, config: &str| {
        format!(
            "[[services]]\nname = \"{name}\"\nurl = \"http://{}\"\n[[services.routes]]\nname = \"{name}\"\n\
             paths = [\"/{name}\"]\nplugins = [{{ use = \"file-log\", config = {{ path = \"log\", {config} }} }}]\n",
            upstream.address
        )
    };
    let config = [
        ADMIN.to_owned(),
        service("one", URI),
        service("two", "fields = { method = \"request.method\" }"),
        service("three", "reopen = true"),
    ]
    .concat();
    let gateway = Gateway::start(&config).await;
    gateway.get("/one").await;
    gateway.get("/two").await;
    let log = || std::fs::read_to_string(gateway.path("log")).unwrap_or_default();
    until("both records", async || (log() == "{\"uri\":\"/one\"}\n{\"method\":\"GET\"}\n").then_some(())).await;
    let place = gateway.path("log").file_name().unwrap().to_str().unwrap().to_owned();
    assert_eq!(sinks(&gateway).await.len(), 2, "{:?}", sinks(&gateway).await);
    let names = sinks(&gateway).await;
    assert!(names[0].starts_with("file-log ") && names[0].ends_with(&place), "{names:?}");
    assert_eq!(names[1], format!("{} (2)", names[0]));
}

/// Takes lines; how many connections there were is its origin's to say.
async fn collector() -> (Origin, Arc<Mutex<String>>) {
    let received = Arc::new(Mutex::new(String::new()));
    let into = Arc::clone(&received);
    let origin = Origin::raw(move |mut stream| {
        let into = Arc::clone(&into);
        async move {
            let mut piece = [0; 4096];
            while let Ok(read @ 1..) = tokio::io::AsyncReadExt::read(&mut stream, &mut piece).await {
                into.lock().unwrap().push_str(std::str::from_utf8(&piece[..read]).unwrap());
            }
        }
    })
    .await;
    (origin, received)
}

#[tokio::test]
async fn a_reload_keeps_it_and_another_destination_is_another_one() {
    let upstream = Upstream::echo("a").await;
    let ((first, at_first), (second, at_second)) = (collector().await, collector().await);
    let config = |to: &Origin, fields: &str, rest: &str| {
        let log = plugin("tcp-log", &format!("host = \"127.0.0.1\", port = {}, {fields}", to.address.port()));
        format!("{ADMIN}{log}{}", one_route(upstream.address, rest))
    };
    let gateway = Gateway::start(&config(&first, URI, "")).await;
    let has = async |received: &Arc<Mutex<String>>, text: &str| {
        until(text, async || received.lock().unwrap().contains(text).then_some(())).await;
    };
    gateway.get("/1").await;
    has(&at_first, "{\"uri\":\"/1\"}\n").await;

    // Other settings of the plugin, but not of its sink.
    gateway.write_config(&config(&first, "fields = { u = \"request.uri\" }", "strip_path = true"));
    generation(&gateway, 2).await;
    gateway.get("/2").await;
    has(&at_first, "{\"u\":\"/2\"}\n").await;
    assert_eq!((first.connections(), sinks(&gateway).await), (1, vec![format!("tcp-log {}", first.address)]));

    gateway.write_config(&config(&second, URI, ""));
    generation(&gateway, 3).await;
    gateway.get("/3").await;
    has(&at_second, "{\"uri\":\"/3\"}\n").await;
    assert!(!at_first.lock().unwrap().contains("/3"));
    assert!(sinks(&gateway).await.contains(&format!("tcp-log {}", second.address)));
}

#[tokio::test]
async fn a_secret_in_a_file_is_watched_and_shown_nowhere() {
    let upstream = Upstream::echo("a").await;
    let tokens = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&tokens);
    let collector = Origin::serve(move |request: http::Request<hyper::body::Incoming>| {
        let seen = Arc::clone(&seen);
        async move {
            let token = request.headers().get("authorization").map(|token| token.to_str().unwrap().to_owned());
            drop(request.into_body().collect().await);
            seen.lock().unwrap().extend(token);
            reply(200, "")
        }
    })
    .await;
    let endpoint = format!("http_endpoint = \"http://{}/s3cret?key=s3cret\"", collector.address);
    let log = plugin("http-log", &format!("{endpoint}, headers = {{ authorization = \"file:token\" }}"));
    let folder = folder(&format!("{ADMIN}{log}{}", one_route(upstream.address, "")), &[]);
    std::fs::write(folder.path().join("token"), "Bearer s3cret-1\n").unwrap();
    let gateway = Gateway::start_in(folder).await;
    for (generation_number, token) in [(1, "Bearer s3cret-1"), (2, "Bearer s3cret-2")] {
        gateway.replace("token", token.as_bytes());
        generation(&gateway, generation_number).await;
        gateway.get("/").await;
        until(token, async || tokens.lock().unwrap().last().is_some_and(|last| last == token).then_some(())).await;
    }
    assert_eq!(sinks(&gateway).await, [format!("http-log http://{}", collector.address)]);
    let log = format!("{:?}", gateway.log_lines());
    assert!(!log.contains("s3cret"), "{log}");

    // What is wrong later does not replace what is right, and mending the file is enough.
    gateway.replace("token", b"");
    gateway.logged("message", "a secret cannot be empty").await;
    gateway.replace("token", b"Bearer s3cret-3");
    generation(&gateway, 3).await;
}

#[test]
fn inspect_and_chains_tell_of_it() {
    let shown = run(std::path::Path::new("."), &["plugin", "inspect", built("plugins/tcp-log.wasm").to_str().unwrap()]);
    assert!(
        shown.stdout.contains("make up a sink of its own, of kind tcp; `sink` names one of [[sinks]] instead"),
        "{}{}",
        shown.stdout,
        shown.stderr
    );
    // Its own sink is none of what has to be granted; the secret that masks may need is.
    assert!(!shown.stdout.contains("grants = { sinks"), "{}", shown.stdout);
    let log = plugin("tcp-log", "host = \"logs.internal\", port = 5140");
    let config = format!("{log}{}", one_route("127.0.0.1:1", ""));
    let chains = run(folder(&config, &[]).path(), &["check", "--chains"]);
    assert!(chains.stdout.contains("on-log (to tcp-log logs.internal:5140)"), "{}{}", chains.stdout, chains.stderr);
}
