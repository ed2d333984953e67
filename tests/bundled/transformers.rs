//! The transformers with a route, a consumer and other plugins around them, and bodies that no rule is about.

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::Request;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};

use crate::harness::gateway::run;
use crate::harness::origin::{echo, reply};
use crate::harness::{Gateway, Origin, folder, one_route};

/// Tells what it was asked, and that this is JSON.
async fn origin() -> Origin {
    Origin::serve(|request| async {
        let mut answer = echo("u", request).await;
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        answer
    })
    .await
}

#[tokio::test]
async fn requests_and_responses_take_what_the_route_and_other_plugins_have_found() {
    let origin = origin().await;
    let gateway = Gateway::start(&format!(
        r#"
consumers = [{{ username = "alice", credentials = [{{ kind = "key-auth", key = "k1" }}] }}]

[[services]]
name = "s"
url = "http://{}/base"

[[services.routes]]
name = "r"
paths = ["~^/v1/(?<rest>.*)$"]

[[services.routes.plugins]]
use = "response-transformer"
config.remove = {{ json = ["version", "sni", "headers"] }}
config.add = {{ headers = ["x-for:$(consumer.username)"], json = ["rest:$(uri_captures.rest)"] }}

[[services.routes.plugins]]
use = "request-transformer"
config.replace = {{ uri = "/v2/$(consumer.username)/$(uri_captures.rest)" }}
config.add = {{ body = ["by:$(consumer.username)"] }}

[[services.routes.plugins]]
use = "key-auth"
config.hide_credentials = true
"#,
        origin.address
    ))
    .await;
    let headers = [("apikey", "k1"), ("content-type", "application/json")];
    let answer = gateway.client().await.send("POST", "/v1/a/b%20c?x=%7e", &headers, "{\"n\": 1.0}").await;
    assert_eq!(answer.header("x-for"), Some("alice"));
    let told = answer.json();
    assert_eq!(told["path"], "/v2/alice/a/b%20c?x=%7e", "neither route nor service have their part in it");
    assert_eq!((&told["body"], &told["rest"]), (&"{\"n\":1.0,\"by\":\"alice\"}".into(), &"a/b%20c".into()));
    assert!(told.get("version").is_none() && told.get("headers").is_none(), "{told}");

    // The one before them refuses, so that they are never asked.
    let answer = gateway.get("/v1/a").await;
    assert_eq!((answer.status, answer.header("x-for")), (401, None));
    assert_eq!(answer.json(), serde_json::json!({ "message": "No API key found in request" }));
}

#[tokio::test]
async fn bodies_that_no_rule_is_about_are_not_waited_for() {
    // It answers with the first piece that comes, and waits for no more.
    let origin = Origin::serve(|request: Request<Incoming>| async {
        let first = request.into_body().frame().await.and_then(Result::ok).and_then(|frame| frame.into_data().ok());
        reply(200, first.unwrap_or_default())
    })
    .await;
    let plugins = r#"
[[services.routes.plugins]]
use = "request-transformer"
config = { http_method = "PUT", add = { headers = ["x-a:1"], querystring = ["a:1"] } }

[[services.routes.plugins]]
use = "response-transformer"
config = { add = { headers = ["x-a:1"] } }
"#;
    let gateway = Gateway::start(&one_route(origin.address, plugins)).await;
    let mut client = gateway.client().await;
    let (pieces, answer) = client.stream("/").await;
    pieces.send(Bytes::from_static(b"the first")).unwrap();
    let answer = answer.await;
    assert_eq!((answer.status().as_u16(), &answer.headers()["x-a"]), (200, &HeaderValue::from_static("1")));
    drop(pieces);
}

#[tokio::test]
async fn a_config_that_is_wrong_is_refused_with_its_line() {
    let plugins = r#"
[[services.routes.plugins]]
use = "request-transformer"
config = { add = { headers = ["x-a:1", "x-b:$(heders.x-user)"] } }
"#;
    let folder = folder(&one_route("127.0.0.1:1", plugins), &[]);
    let outcome = run(folder.path(), &["check"]);
    assert_eq!(outcome.status.code(), Some(1));
    let told = "add.headers[1]: \"$(heders.x-user)\" is no template, see character 3: there is no \"heders\"";
    assert!(outcome.stderr.contains(told), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("gateway.toml:"), "{}", outcome.stderr);
}
