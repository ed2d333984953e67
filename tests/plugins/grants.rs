//! What plugins have by grant only: other servers, which are waited for while others are served, and secrets.

use std::time::{Duration, Instant};

use crate::harness::origin::reply;
use crate::harness::{Gateway, Origin, Upstream, built, folder, one_route, until};

async fn gateway(upstream: &Upstream, rest: &str) -> Gateway {
    let config = config(upstream, rest);
    Gateway::start_with(&config, &[("caller.wasm", &built("guests/caller.wasm"))]).await
}

fn config(upstream: &Upstream, rest: &str) -> String {
    let plugin = format!("plugins = [{{ use = \"caller\", {rest} }}]");
    // One worker, so that it is known which connections and instances are used.
    let secrets = "workers = 1\nlisteners = [{ address = \"127.0.0.1:0\" }]\nsecrets = { one = \"env:PATH\", two = \"the second\" }\n";
    let sinks = ["one", "other"].map(|name| {
        format!(
            "[[sinks]]\nname = \"{name}\"\nkind = \"file\"\npath = \"{name}.log\"\nbatch = {{ max_wait = \"50ms\" }}\n"
        )
    });
    let route = one_route(upstream.address, &plugin);
    format!("{secrets}{route}\n[components.caller]\npath = \"caller.wasm\"\n{}", sinks.concat())
}

fn granted(origin: &Origin) -> String {
    format!(
        "grants = {{ http = [\"http://{}\"], secrets = [\"two\"], sinks = [\"one\"] }}, config = {{ secret = \"two\" }}",
        origin.address
    )
}

#[tokio::test]
async fn a_plugin_asks_the_servers_it_is_granted_and_no_others() {
    let upstream = Upstream::echo("u").await;
    let idp = Origin::echo("idp").await;
    let gateway = gateway(&upstream, &granted(&idp)).await;
    let url = format!("http://{}/keys?a=b", idp.address);
    for _ in 0..3 {
        let answer = gateway.client().await.send("POST", "/here", &[("x-fetch", &url)], "").await;
        let echo = answer.json();
        assert_eq!(
            (&echo["method"], &echo["path"], &echo["body"]),
            (&"POST".into(), &"/keys?a=b".into(), &"a body".into())
        );
        assert_eq!(answer.upstream_got("host"), Some(idp.address.to_string()));
        assert_eq!(answer.upstream_got("x-from").as_deref(), Some("/here"));
    }
    assert_eq!(idp.connections(), 1, "its connection is kept");
    let other = Origin::echo("other").await;
    for (url, told) in [
        (format!("http://{}/", other.address), "not among the use's `grants.http`"),
        (format!("https://{}/", idp.address), "not among the use's `grants.http`"),
        (format!("http://a@{}/", idp.address), "no user in it"),
        ("/keys".to_owned(), "no absolute http or https URL"),
        ("ftp://a/".to_owned(), "no absolute http or https URL"),
    ] {
        let answer = gateway.request("GET", "/", &[("x-fetch", &url)]).await;
        assert_eq!(answer.status, 599, "{url}");
        assert!(answer.text().contains(told), "{url}: {}", answer.text());
    }
    assert_eq!(other.connections(), 0);
}

#[tokio::test]
async fn many_calls_wait_at_a_time_each_with_its_own_exchange() {
    let upstream = Upstream::echo("u").await;
    let slow = Origin::serve(|request| async move {
        tokio::time::sleep(Duration::from_millis(300)).await;
        reply(200, request.headers()["x-from"].to_str().unwrap().to_owned())
    })
    .await;
    let gateway = gateway(&upstream, &granted(&slow)).await;
    let url = format!("http://{}/", slow.address);
    let begun = Instant::now();
    let mut asked = tokio::task::JoinSet::new();
    for number in 0..32 {
        let (url, mut client) = (url.clone(), gateway.client().await);
        asked.spawn(async move {
            let path = format!("/{number}");
            let headers = [("x-fetch", url.as_str()), ("x-then", "1")];
            let answer = client.send("GET", &path, &headers, "").await;
            assert_eq!((answer.status, answer.text()), (200, path.as_str()));
        });
    }
    // Meanwhile others are served.
    assert_eq!(gateway.get("/").await.status, 200);
    assert!(begun.elapsed() < Duration::from_millis(300), "it waited for them");
    while let Some(done) = asked.join_next().await {
        done.unwrap();
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "one after the other takes ten seconds");
}

#[tokio::test]
async fn instances_that_may_wait_are_bounded() {
    let upstream = Upstream::echo("u").await;
    let stalled = Origin::serve(|_| async {
        tokio::time::sleep(Duration::from_secs(60)).await;
        reply(200, "")
    })
    .await;
    let rest = format!("limits = {{ instances = 2 }}, {}", granted(&stalled));
    let gateway = gateway(&upstream, &rest).await;
    let url = format!("http://{}/", stalled.address);
    let mut waiting = Vec::new();
    for _ in 0..2 {
        let (url, mut client) = (url.clone(), gateway.client().await);
        waiting
            .push(tokio::spawn(async move { client.try_send("GET", "/", &[("x-fetch", &url)], "").await.map(drop) }));
    }
    until("both to wait", async || (stalled.requests() == 2).then_some(())).await;
    let answer = gateway.get("/").await;
    assert_eq!((answer.status, answer.header("x-gateway-error")), (503, Some("gateway_overloaded")));
    // Clients that go away free their places, and the server's connections.
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
    until("a place to be free", async || (gateway.get("/").await.status == 200).then_some(())).await;
    until("the connections to be closed", async || (stalled.open() == 0).then_some(())).await;
    gateway.accessed("error", "client_closed").await;
}

#[tokio::test]
async fn a_server_that_fails_is_told_to_the_plugin() {
    let upstream = Upstream::echo("u").await;
    let nobody = Upstream::nobody().await;
    let silent = Upstream::silent().await;
    let large = Origin::serve(|_| async { reply(200, vec![b'x'; (4 << 20) + 1]) }).await;
    let grants = format!(
        "grants = {{ http = [\"http://{nobody}\", \"http://{}\", \"http://{}\", \"http://no-such-name.invalid\"] }}",
        silent.address, large.address
    );
    let rest = grants.replace("] }", "], secrets = [\"two\"], sinks = [\"one\"] }");
    let gateway = gateway(&upstream, &rest).await;
    for (url, told) in [
        (format!("http://{nobody}/"), "refused"),
        (format!("http://{}/", silent.address), "no answer in time"),
        (format!("http://{}/", large.address), "larger than 4 MiB"),
        ("http://no-such-name.invalid/".to_owned(), "no-such-name.invalid"),
    ] {
        let answer = gateway.request("GET", "/", &[("x-fetch", &url), ("x-timeout", "5000")]).await;
        assert_eq!(answer.status, 599, "{url}");
        assert!(answer.text().contains(told), "{url}: {}", answer.text());
    }
    assert_eq!(gateway.get("/").await.status, 200);
}

#[tokio::test]
async fn secrets_are_known_by_grant_and_never_shown() {
    let upstream = Upstream::echo("u").await;
    let idp = Origin::echo("idp").await;
    let gateway = gateway(&upstream, &granted(&idp)).await;
    assert_eq!(gateway.get("/").await.upstream_got("x-secret").as_deref(), Some("the second"));
    assert!(gateway.log_lines().iter().all(|line| !line.to_string().contains("the second")));
    let other = granted(&idp).replace("config = { secret = \"two\" }", "config = { secret = \"one\" }");
    let gateway = self::gateway(&upstream, &other).await;
    assert_eq!(gateway.get("/").await.upstream_got("x-secret"), None, "it is there, but not granted");
}

#[tokio::test]
async fn records_are_delivered_to_granted_sinks_and_to_no_others() {
    let upstream = Upstream::echo("u").await;
    let idp = Origin::echo("idp").await;
    let gateway = gateway(&upstream, &granted(&idp)).await;
    for (sink, told) in [
        ("one", "taken"),
        ("other", "this sink is not among the use's `grants.sinks`"),
        ("none", "this sink is not among the use's `grants.sinks`"),
    ] {
        for path in ["/first", "/second"] {
            assert_eq!(gateway.request("GET", path, &[("x-sink", sink)]).await.text(), told, "{sink}");
        }
    }
    let delivered = until("the records to be there", async || {
        std::fs::read_to_string(gateway.path("one.log")).ok().filter(|text| text.lines().count() == 2)
    })
    .await;
    assert_eq!(delivered, "/first\n/second\n");
}

#[tokio::test]
async fn timers_may_ask_other_servers() {
    let upstream = Upstream::echo("u").await;
    let idp = Origin::serve(|_| async { reply(200, "the keys") }).await;
    let url = format!("config = {{ url = \"http://{}/keys\" }}", idp.address);
    let rest = format!("timer = \"100ms\", {}", granted(&idp).replace("config = { secret = \"two\" }", &url));
    let gateway = gateway(&upstream, &rest).await;
    gateway.logged("message", "the timer was answered 200: the keys").await;
}

#[tokio::test]
async fn what_is_imported_and_not_granted_is_refused_by_name() {
    let upstream = Upstream::echo("u").await;
    for (rest, told) in [
        ("enabled = true", "caller imports http-client, which this use is not granted"),
        ("grants = { http = [\"http://a\"] }", "caller imports secrets, which this use is not granted"),
        (
            "grants = { http = [\"http://a\"], secrets = [\"two\"] }",
            "caller imports sink, which this use is not granted",
        ),
        ("grants = { sinks = [\"oen\"] }", "there is no sink \"oen\""),
        ("grants = { http = [\"http://a\"], secrets = [\"three\"] }", "there is no secret \"three\""),
        ("grants = { http = [\"http://a/path\"], secrets = [\"two\"] }", "is more than an origin"),
        ("grants = { environment = true }", "unknown key `environment`"),
    ] {
        let folder = folder(&config(&upstream, rest), &[("caller.wasm", &built("guests/caller.wasm"))]);
        let outcome = crate::harness::gateway::run(folder.path(), &["check"]);
        assert_eq!(outcome.status.code(), Some(1), "{rest}");
        assert!(outcome.stderr.contains(told), "{rest}: {}", outcome.stderr);
        assert!(!outcome.stderr.contains("the second"), "{}", outcome.stderr);
    }
}

#[tokio::test]
async fn who_is_granted_what_is_refused_is_not_faulted_for_it() {
    let upstream = Upstream::echo("u").await;
    let usual = config(
        &upstream,
        "grants = { http = [\"http://a\"], secrets = [\"two\"], sinks = [\"one\"] }, config = { secret = \"two\" }",
    );
    let named = format!("{usual}[[plugins]]\nuse = \"file-log\"\nconfig = {{ sink = \"one\" }}\n");
    for (config, what, wrong, told) in [
        (&named, "kind = \"file\"\npath = \"one.log\"", "kind = \"fiel\"", "`kind` cannot be \"fiel\""),
        (&named, "path = \"one.log\"", "", "`path` is missing"),
        (&usual, "path = \"one.log\"", "paht = \"one.log\"\npath = \"one.log\"", "unknown key `paht`"),
        (
            &named,
            "kind = \"file\"\npath = \"one.log\"",
            "kind = \"http\"\nurl = \"https://a\"\nca = \"nothing.pem\"",
            "nothing.pem",
        ),
        (&usual, "two = \"the second\"", "two = \"env:TIDEGATE_NOT_SET\"", "`TIDEGATE_NOT_SET` is not set"),
        (&usual, "path = \"caller.wasm\"", "", "`path` is missing"),
        (&usual, "path = \"caller.wasm\"", "path = 7", "`path` must be a string"),
        (&usual, "http = [\"http://a\"]", "http = [\"http://a/path\"]", "is more than an origin"),
    ] {
        assert!(config.contains(what), "{what}");
        let folder = folder(&config.replacen(what, wrong, 1), &[("caller.wasm", &built("guests/caller.wasm"))]);
        let outcome = crate::harness::gateway::run(folder.path(), &["check"]);
        assert_eq!(outcome.status.code(), Some(1), "{wrong}");
        let faults: Vec<&str> = outcome.stderr.lines().filter(|line| line.starts_with("error")).collect();
        assert!(outcome.stderr.contains(told), "{wrong}: {}", outcome.stderr);
        assert_eq!(faults.len(), 1, "{wrong}: {}", outcome.stderr);
    }
}
