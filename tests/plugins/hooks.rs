//! Every hook on the real host, in its place: what it sees, what it may change, and what comes of its decision.

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use crate::harness::origin::{Speaks, echo, reply};
use crate::harness::{Gateway, Origin, built, one_route, until};

/// A gateway whose one route has these uses of the plugin, by the names `a` and `b`.
async fn gateway(origin: &Origin, uses: &str) -> Gateway {
    started(&one_route(origin.address, &format!("plugins = [{uses}]"))).await
}

async fn started(config: &str) -> Gateway {
    let components = "[components.a]\npath = \"a.wasm\"\n[components.b]\npath = \"b.wasm\"\n";
    let guest = built("guests/every-hook.wasm");
    Gateway::start_with(&format!("{config}{components}"), &[("a.wasm", &guest), ("b.wasm", &guest)]).await
}

fn used(name: &str, config: &str) -> String {
    format!("{{ use = \"{name}\", config = {{ name = \"{name}\", {config} }} }}")
}

async fn post(gateway: &Gateway, body: &str) -> crate::harness::Answer {
    gateway.client().await.send("POST", "/x", &[], body).await
}

/// A line that the plugin's log hook wrote.
async fn over(gateway: &Gateway, beginning: &str) -> String {
    let line = until("a line of the log hook", async || {
        let lines = gateway.log_lines();
        lines.into_iter().find(|line| line["message"].as_str().unwrap_or_default().starts_with(beginning))
    })
    .await;
    line["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn requests_pass_in_order_and_responses_in_reverse_and_scratch_is_private_or_shared() {
    let origin = Origin::echo("u").await;
    let gateway = gateway(&origin, &format!("{}, {}", used("a", ""), used("b", ""))).await;
    let answer = gateway.get("/").await;
    assert_eq!(answer.upstream_got("x-order").as_deref(), Some("ab"), "later plugins see earlier edits");
    assert_eq!(answer.header("x-order"), Some("ba"));
    let mine: Vec<_> = answer.headers.get_all("x-mine").iter().collect();
    assert_eq!(mine, ["b", "a"], "each sees what it kept itself");
}

#[tokio::test]
async fn an_answer_is_edited_in_advance_when_it_is_the_plugins_turn_whatever_answers() {
    let origin = Origin::echo("u").await;
    let edited = async |uses: &str| {
        let gateway = gateway(&origin, uses).await;
        let mut seen = Vec::new();
        // The first time they are a list, then they are prepared, then they lie ready.
        for _ in 0..4 {
            let answer = gateway.get("/").await;
            let all = |name: &str| {
                let values = answer.headers.get_all(name).iter();
                values.map(|value| value.to_str().unwrap()).collect::<Vec<_>>().join(" ")
            };
            let lengths = [all("x-length-of-a"), all("x-length-of-b")].join("");
            seen.push((answer.status, all("x-advance"), all("x-saw-advance"), lengths));
        }
        assert!(seen.iter().all(|one| *one == seen[0]), "{uses}: {seen:?}");
        let (status, advance, saw, lengths) = seen.remove(0);
        assert_eq!(lengths.len(), advance.split_whitespace().count(), "each with its value: {lengths}");
        (status, advance, saw)
    };
    let told = |status, advance: &str, saw: &str| (status, advance.to_owned(), saw.to_owned());
    let (a, b) = (used("a", "advance = true"), used("b", "advance = true, silent = true"));
    assert_eq!(edited(&format!("{a}, {b}")).await, told(200, "b a", "a: b a"));
    // The one behind has its turn before.
    let loud = used("b", "advance = true");
    assert_eq!(edited(&format!("{a}, {loud}")).await, told(200, "b a", "b: b a: b a"));
    let replies = used("b", "advance = true, silent = true, reply = 418");
    assert_eq!(edited(&format!("{a}, {replies}")).await, told(418, "b a", "a: b a"), "its own reply included");
    assert_eq!(edited(&format!("{replies}, {a}")).await, told(418, "b", ""), "the other one was never asked");
    let fails = used("b", "advance = true, fail = true");
    assert_eq!(edited(&format!("{a}, {fails}")).await, told(500, "a", "a: a"), "nothing of a hook that fails");
    let open = fails.replace("{ use", "{ on_failure = \"open\", use");
    assert_eq!(edited(&format!("{a}, {open}")).await, told(200, "a", "a: a"), "nor if that is let pass");
}

#[tokio::test]
async fn an_answer_of_the_gateways_own_is_edited_in_advance_too() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let uses = used("a", "advance = true, silent = true");
    let gateway = started(&one_route(nobody, &format!("plugins = [{uses}]"))).await;
    let answer = gateway.get("/").await;
    assert_eq!((answer.status, answer.header("x-advance")), (502, Some("a")));
}

#[tokio::test]
async fn a_whole_body_is_there_before_the_request_hook_and_never_goes_past_it() {
    let origin = Origin::echo("u").await;
    let gateway = gateway(&origin, &used("a", "whole_request = 8")).await;
    for (body, whole) in [("12345678", "12345678"), ("", "")] {
        let answer = post(&gateway, body).await;
        assert_eq!((answer.status, answer.json()["body"].as_str()), (200, Some(body)));
        assert_eq!(answer.upstream_got("x-whole").as_deref(), Some(whole));
    }
    let requests = origin.requests();
    let answer = post(&gateway, "123456789").await;
    assert_eq!((answer.status, answer.header("x-gateway-error")), (413, Some("body_too_large")));
    let mut client = gateway.client().await;
    let (pieces, answer) = client.stream("/").await;
    for piece in ["12345", "6789"] {
        let _ = pieces.send(Bytes::from(piece));
    }
    drop(pieces);
    assert_eq!(answer.await.status(), 413, "without a length, too");
    assert_eq!(origin.requests(), requests, "nothing of it was sent");
}

#[tokio::test]
async fn method_path_and_body_are_the_plugins_to_change() {
    let origin = Origin::echo("u").await;
    let config = format!(
        "[[services]]\nname = \"s\"\nurl = \"http://{}/base\"\n[[services.routes]]\nname = \"r\"\npaths = [\"/x\"]\n\
         plugins = [{}, {}]\n",
        origin.address,
        used("a", r#"method = "PUT", path = "/other/%7euser/../b", body = "changed""#),
        used("b", "whole_request = 100")
    );
    let gateway = started(&config).await;
    for body in ["", "as it came"] {
        let answer = post(&gateway, body).await;
        let echo = answer.json();
        assert_eq!((&echo["method"], &echo["path"]), (&Value::from("PUT"), &Value::from("/other/b")));
        assert_eq!(echo["body"], "changed");
        assert_eq!(answer.upstream_got("content-length").as_deref(), Some("7"));
        assert_eq!(answer.upstream_got("x-whole").as_deref(), Some("changed"), "the next plugin sees it");
        assert_eq!(answer.upstream_got("x-forwarded-prefix"), None);
    }
}

#[tokio::test]
async fn what_cannot_be_a_path_or_a_method_fails_the_hook() {
    let origin = Origin::echo("u").await;
    for config in [r#"path = "no/slash""#, r#"path = "/a?b""#, r#"path = "/a%zz""#, r#"method = "GE T""#] {
        let gateway = gateway(&origin, &used("a", config)).await;
        let answer = gateway.get("/").await;
        let outcome = (answer.status, answer.header("x-gateway-error"));
        assert_eq!(outcome, (500, Some("plugin_failed")), "{config}: {answer:?}");
    }
    assert_eq!(origin.requests(), 0);
}

#[tokio::test]
async fn pieces_of_a_request_are_seen_and_replaced_on_their_way() {
    let origin = Origin::echo("u").await;
    for http in ["1", "2"] {
        let speaks = if http == "2" { Speaks::Http2 } else { Speaks::Http1 };
        let origin = Origin::speaking(speaks, |request| echo("u", request)).await;
        let config = format!("plugins = [{}]", used("a", "request_pieces = \"shout\""));
        let config = one_route(origin.address, &config)
            .replace("\n\n[[services.routes]]", &format!("\nhttp = \"{http}\"\n\n[[services.routes]]"));
        let gateway = started(&config).await;
        let answer = post(&gateway, "loud").await;
        assert_eq!(answer.json()["body"], "LOUD!", "HTTP/{http}");
        assert_eq!(answer.upstream_got("content-length"), None, "its length is not known before");
        let mut client = gateway.client().await;
        let (pieces, answer) = client.stream("/").await;
        for piece in ["a", "b", "c"] {
            pieces.send(Bytes::from(piece)).unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        drop(pieces);
        let answer = answer.await;
        let body = http_body_util::BodyExt::collect(answer.into_body()).await.unwrap().to_bytes();
        assert_eq!(serde_json::from_slice::<Value>(&body).unwrap()["body"], "ABC!", "HTTP/{http}");
    }
    let both = format!("{}, {}", used("a", "request_pieces = \"shout\""), used("b", "request_pieces = \"swallow\""));
    let swallowing = gateway(&origin, &both).await;
    assert_eq!(post(&swallowing, "all gone").await.json()["body"], "");
    // Of a body that is not there, there are no pieces.
    assert_eq!(swallowing.get("/").await.status, 200);
}

#[tokio::test]
async fn a_whole_body_and_pieces_of_it_go_to_different_plugins() {
    let origin = Origin::echo("u").await;
    let uses = format!("{}, {}", used("a", "whole_request = 100"), used("b", "request_pieces = \"shout\""));
    let gateway = gateway(&origin, &uses).await;
    let answer = post(&gateway, "both").await;
    assert_eq!(answer.upstream_got("x-whole").as_deref(), Some("both"));
    assert_eq!(answer.json()["body"], "BOTH!");
}

#[tokio::test]
async fn a_piece_of_a_request_can_be_answered_as_long_as_nothing_has_gone_on() {
    let origin = Origin::echo("u").await;
    let refusing = gateway(&origin, &used("a", "request_pieces = \"refuse\"")).await;
    let answer = post(&refusing, "x").await;
    assert_eq!((answer.status, answer.text()), (403, "refused"));
    assert_eq!(answer.header("x-mine"), Some("a"), "its response hook runs on that");
    let line = refusing.accessed("path", "/x").await;
    assert_eq!((&line["status"], &line["error"]), (&403.into(), &Value::Null), "an answer is no failure");

    let late = gateway(&origin, &used("a", "request_pieces = \"refuse-late\"")).await;
    let mut client = late.client().await;
    let (pieces, answer) = client.stream("/").await;
    pieces.send(Bytes::from("first")).unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    pieces.send(Bytes::from("second")).unwrap();
    drop(pieces);
    assert_eq!(answer.await.status(), 500);
    assert!(late.logged("code", "plugin_failed").await["message"].as_str().unwrap().contains("after the first piece"));
}

#[tokio::test]
async fn a_hook_that_fails_on_a_piece_fails_its_exchange() {
    let origin = Origin::echo("u").await;
    for fault in ["fail", "trap"] {
        let gateway = gateway(&origin, &used("a", &format!("request_pieces = \"{fault}\""))).await;
        let answer = post(&gateway, "x").await;
        assert_eq!((answer.status, answer.header("x-gateway-error")), (500, Some("plugin_failed")), "{fault}");
        let line = gateway.logged("code", "plugin_failed").await;
        assert!(line["message"].as_str().unwrap().contains("plugin a, on-request-body"), "{line}");
        assert_eq!(gateway.get("/").await.status, 200);
    }
}

#[tokio::test]
async fn a_whole_response_is_there_before_its_hook_and_can_be_replaced() {
    let origin = Origin::serve(|request| async move {
        let mut answer = reply(200, request.uri().path().trim_start_matches('/').to_owned());
        answer.headers_mut().insert("etag", "\"strong\"".parse().unwrap());
        answer
    })
    .await;
    let uses = used("a", r#"whole_response = 4, response_body = "instead""#);
    let gateway = gateway(&origin, &uses).await;
    let answer = gateway.get("/1234").await;
    assert_eq!((answer.status, answer.text(), answer.header("x-whole")), (200, "instead", Some("1234")));
    assert_eq!((answer.header("etag"), answer.header("content-length")), (Some("W/\"strong\""), Some("7")));
    let answer = gateway.get("/12345").await;
    assert_eq!((answer.status, answer.header("x-gateway-error")), (502, Some("upstream_body_too_large")));
    let answer = gateway.request("HEAD", "/1234", &[]).await;
    assert_eq!((answer.status, answer.text()), (200, ""));
}

#[tokio::test]
async fn pieces_of_a_response_are_seen_and_replaced_on_their_way() {
    let origin = Origin::serve(|request| async move {
        let headers = request.headers();
        let asked = |name: &str| headers.get(name).map_or("-", |value| value.to_str().unwrap());
        let text = format!("encoding {} range {}", asked("accept-encoding"), asked("range"));
        let mut answer = reply(200, text);
        for (name, value) in [("etag", "\"strong\""), ("accept-ranges", "bytes"), ("content-md5", "x")] {
            answer.headers_mut().insert(name, value.parse().unwrap());
        }
        answer
    })
    .await;
    let gateway = gateway(&origin, &used("a", "response_pieces = \"shout\"")).await;
    let answer = gateway.request("GET", "/", &[("accept-encoding", "gzip"), ("range", "bytes=0-3")]).await;
    assert_eq!((answer.status, answer.text()), (200, "ENCODING IDENTITY RANGE -!"));
    assert_eq!(answer.header("etag"), Some("W/\"strong\""));
    for gone in ["content-length", "accept-ranges", "content-md5"] {
        assert_eq!(answer.header(gone), None, "{gone}");
    }
    let answer = gateway.request("HEAD", "/", &[]).await;
    assert_eq!((answer.status, answer.header("etag")), (200, Some("\"strong\"")), "there is nothing to see");
}

#[tokio::test]
async fn pieces_of_answers_of_the_gateways_own_are_seen_too() {
    let origin = Origin::echo("u").await;
    let uses = format!("{}, {}", used("a", "response_pieces = \"shout\""), used("b", "reply = 418"));
    let gateway = gateway(&origin, &uses).await;
    let answer = gateway.get("/").await;
    assert_eq!((answer.status, answer.text()), (418, "A PLUGIN'S OWN!"));
}

#[tokio::test]
async fn a_hook_that_fails_on_a_piece_of_a_response_ends_the_connection() {
    let origin = Origin::serve(|_| async { reply(200, "never complete") }).await;
    for fault in ["fail", "trap", "refuse"] {
        let gateway = gateway(&origin, &used("a", &format!("response_pieces = \"{fault}\""))).await;
        let mut client = gateway.client().await;
        client.try_send("GET", "/", &[], "").await.expect_err("a body that ends short");
        let line = gateway.logged("code", "plugin_failed").await;
        assert_eq!(line["phase"], "body", "{fault}: {line}");
    }
}

#[tokio::test]
async fn log_hooks_hear_of_every_exchange_whatever_ended_it() {
    let origin = Origin::serve(|request| async move {
        if request.uri().path() == "/slow" {
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        reply(200, "12345")
    })
    .await;
    let global = format!("plugins = [{}]\n", used("a", "log = true"));
    let config = one_route(origin.address, "strip_path = false").replace("[\"/\"]", "[\"/slow\", \"/x\"]");
    let gateway = started(&format!("{global}{config}")).await;

    assert_eq!(post(&gateway, "abc").await.status, 200);
    let line = over(&gateway, "over: a POST").await;
    assert_eq!(line, "over: a POST /x 200 200 true failure=none received=3 sent=5 order=a");

    assert_eq!(gateway.get("/nowhere").await.status, 404);
    let line = over(&gateway, "over: a GET /nowhere").await;
    assert!(line.contains(" 404 404 true failure=route_not_found received=0"), "{line}");

    let mut client = gateway.client().await;
    let asked = tokio::spawn(async move { client.try_send("GET", "/slow", &[], "").await.map(drop) });
    until("the upstream to be asked", async || (origin.requests() == 2).then_some(())).await;
    asked.abort();
    let line = over(&gateway, "over: a GET /slow").await;
    assert_eq!(line, "over: a GET /slow 499 499 false failure=client_closed received=0 sent=0 order=a");
}

#[tokio::test]
async fn a_timer_ticks_for_the_gateway_and_not_for_each_worker() {
    let origin = Origin::echo("u").await;
    let plugin = r#"{ use = "a", timer = "100ms", config = { name = "t" } }, { use = "b", timer = "100ms", config = { fail = true } }"#;
    let gateway = gateway(&origin, plugin).await;
    for tick in 1..=3 {
        gateway.logged("message", &format!("tick {tick} of t")).await;
    }
    gateway.logged("message", "on-timer: a tick failed as it was told").await;
    // One instance, one after the other.
    let ticks = |gateway: &Gateway| {
        let lines = gateway.log_lines();
        lines.iter().filter(|line| line["message"].as_str().is_some_and(|said| said == "tick 2 of t")).count()
    };
    assert_eq!(ticks(&gateway), 1);
}
