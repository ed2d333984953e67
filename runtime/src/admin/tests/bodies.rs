//! Bodies as curl sends them, and how long they are waited for.

use std::process::{Command, Output};

use serde_json::json;

use super::*;

/// What curl with `arguments` gets from an endpoint that tells what it was told. `FILE` is one with "text" in it.
async fn told(arguments: &[&str]) -> (u16, Value) {
    let admin = start();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "text").unwrap();
    let named = |argument: &&str| argument.replace("FILE", file.path().to_str().unwrap());
    let mut command = Command::new("curl");
    command.args(["-sS", "--max-time", "25", "-w", "\n%{response_code}"]).args(arguments.iter().map(named));
    command.arg(format!("http://{}/tell/my%20api", admin.address));
    let Output { status, stdout, .. } = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    assert!(status.success(), "{arguments:?}: {status}");
    let output = String::from_utf8(stdout).unwrap();
    let (body, status) = output.trim().rsplit_once('\n').unwrap();
    (status.parse().unwrap(), serde_json::from_str(body).unwrap())
}

#[tokio::test]
async fn what_curl_sends_is_understood() {
    let long = format!("a={}", "x".repeat(500));
    for (arguments, expected) in [
        // Kong's own examples, as people have them in their notes.
        (
            &["-d", "name=example", "--data", "url=http://api.example.com"][..],
            json!({ "name": "example", "url": "http://api.example.com" }),
        ),
        (
            &["--data", "paths[]=/api", "-d", "methods[]=GET", "-d", "methods[]=POST"],
            json!({ "paths": ["/api"], "methods": ["GET", "POST"] }),
        ),
        (
            &["-d", "config.minute=5", "-d", "config.policy=local", "-d", "name=any-plugin"],
            json!({ "name": "any-plugin", "config": { "minute": "5", "policy": "local" } }),
        ),
        (
            &["--data-urlencode", "config.add.headers[1]=x-a:b c&d"],
            json!({ "config": { "add": { "headers": ["x-a:b c&d"] } } }),
        ),
        (&["-d", "tags="], json!({ "tags": null })),
        (
            &["-F", "name=my plugin", "-F", "config.add.headers[]=a:b"],
            json!({ "name": "my plugin", "config": { "add": { "headers": ["a:b"] } } }),
        ),
        (
            &["-F", "cert=@FILE", "-F", "limits={\"a\": 1};type=application/json"],
            json!({ "cert": "text", "limits": { "a": 1 } }),
        ),
        (&["-H", "content-type: application/json", "-d", "{\"a\": [1.5, null]}"], json!({ "a": [1.5, null] })),
        (&["-X", "POST"], json!({})),
        (&["-H", "transfer-encoding: chunked", "-d", "a=1"], json!({ "a": "1" })),
        // More than it sends without being asked to go on.
        (&["-H", "expect: 100-continue", "-d", "a=1"], json!({ "a": "1" })),
    ] {
        let (status, told) = told(arguments).await;
        assert_eq!((status, &told["told"]), (200, &expected), "{arguments:?}: {told}");
        assert_eq!((&told["name"], &told["author"]), (&"my api".into(), &"loopback".into()));
    }
    for (arguments, expected) in [
        (&["-H", "content-type: text/plain", "-d", "{}"][..], (415, "Unsupported media type")),
        (&["-H", "content-type: nothing", "-d", "{}"], (415, "Unsupported media type")),
        (&["-H", "content-type:", "-d", "{}"], (415, "Unsupported media type")),
        (
            &["-H", "content-type: application/json", "-H", "content-type: text/plain", "-d", "{}"],
            (415, "Unsupported media type"),
        ),
        (&["-H", "content-type: application/json", "-d", "{"], (400, "Cannot parse JSON body")),
        (&["-H", "content-type: application/json", "-X", "POST"], (400, "Cannot parse JSON body")),
        (&["-d", "a[=1"], (400, "Cannot parse form body")),
        (
            &["-H", "origin: http://evil.example", "-d", "a=1"],
            (403, "A page from elsewhere may not change anything here"),
        ),
        (&["-d", &long], (413, "The body is larger than 500 bytes")),
        (&["-H", "transfer-encoding: chunked", "-d", &long], (413, "The body is larger than 500 bytes")),
    ] {
        let (status, told) = told(arguments).await;
        assert_eq!((status, told["message"].as_str().unwrap()), expected, "{arguments:?}: {told}");
    }
}

#[tokio::test]
async fn whoever_sends_too_slowly_is_cut() {
    let admin = start();
    let head = "POST /tell/x HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\nhalf";
    let begun = Instant::now();
    let mut stream = TcpStream::connect(admin.address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(limits::ADMIN_BODY_IDLE * 2, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(begun.elapsed() >= limits::ADMIN_BODY_IDLE / 2);
}
