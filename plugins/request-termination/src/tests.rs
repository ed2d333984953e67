use tidegate_sdk::testing::{self, Exchange, Outcome};

use super::*;

#[test]
fn the_answer_is_kongs_to_the_letter() {
    let plugin: Settings = testing::configure(json!({})).unwrap();
    let reply = Exchange::get("/").request(&plugin).reply();
    assert_eq!((reply.status, reply.text()), (503, r#"{"message":"Service unavailable"}"#));
}

#[test]
fn statuses_are_called_what_kong_calls_them() {
    for (status, text) in [
        (401, r#"{"message":"Unauthorized"}"#),
        (404, r#"{"message":"Not found"}"#),
        (405, r#"{"message":"Method not allowed"}"#),
        (500, r#"{"message":"An unexpected error occurred"}"#),
        (502, r#"{"message":"Bad Gateway"}"#),
        (418, ""),
        (200, ""),
    ] {
        let plugin: Settings = testing::configure(json!({ "status_code": status })).unwrap();
        let reply = Exchange::get("/").request(&plugin).reply();
        assert_eq!((reply.status, reply.text()), (status, text));
    }
}

#[test]
fn an_echo_shows_the_request() {
    let plugin: Settings = testing::configure(json!({ "echo": true, "status_code": 404 })).unwrap();
    let mut exchange = Exchange::new("POST", "/a%20b?x=1&x=%32&flag")
        .header("x-one", "1")
        .header("x-two", "a")
        .header("x-two", [b'b', 0xff])
        .header("x-two", "c")
        .body("a=1");
    let reply = exchange.request(&plugin).reply();
    let shown = reply.json();
    assert_eq!((reply.status, &shown["message"]), (404, &json!("Not found")));
    assert_eq!(shown["request_id"].as_str().map(str::len), Some(32));
    let expected = json!({
        "scheme": "http",
        "host": "example.com",
        "method": "POST",
        "path": "/a%20b",
        "query": { "x": ["1", "2"], "flag": "" },
        "headers": { "host": "example.com", "x-one": "1", "x-two": ["a", "b\u{fffd}", "c"] },
        "raw_body": "a=1",
    });
    assert_eq!(shown["request"], expected);
    assert_eq!(
        (&shown["matched_route"]["name"], &shown["matched_service"]["name"]),
        (&json!("route"), &json!("service"))
    );
}

#[test]
fn no_body_is_held_up_for_an_echo_that_few_requests_ask_for() {
    let plugin: Settings = testing::configure(json!({ "echo": true, "trigger": "x-echo" })).unwrap();
    assert_eq!(plugin.body_limit(), None);
    let upload = Exchange::new("PUT", "/").body(vec![0; 2 << 20]);
    assert_eq!(upload.clone().request(&plugin), Outcome::Next);
    let shown = upload.header("x-echo", "").request(&plugin).reply().json();
    assert_eq!(shown["request"]["raw_body"], json!(null));
}

#[test]
fn its_cases_come_out_as_expected() {
    testing::cases::<Settings>("cases");
}
