use std::time::{Duration, UNIX_EPOCH};

use serde_json::Value;
use tidegate_sdk::identity::Consumer;
use tidegate_sdk::prelude::*;
use tidegate_sdk::testing::{self, Exchange};

mod masking;

settings! {
    /// Where records go.
    #[config(validate = Settings::prepare, sink(instead = "sink", kind = "file", path = "{path}"))]
    struct Settings {
        /// The file.
        path: Option<String>,
        /// One of the gateway's sinks, in its place.
        sink: Option<String>,
    }
}

impl LogHook for Settings {
    fn on_log(&self, ended: &Ended, _: &Response, _: &Request) {
        self.records().emit(ended, b"");
    }
}

fn over() -> Ended {
    Ended {
        begun: UNIX_EPOCH + Duration::from_millis(1_700_000_000_123),
        answered: Duration::from_micros(2_500),
        upstream: Some(Duration::from_micros(2_000)),
        plugins: Duration::from_micros(40),
        total: Duration::from_micros(3_007),
        received: 11,
        sent: 12,
        upstream_status: Some(201),
        ..testing::ended(200)
    }
}

/// The record that `config` makes of the exchange, if any.
fn recorded(config: Value, exchange: Exchange, ended: Ended) -> Option<String> {
    let plugin: Settings = testing::configure(config).unwrap();
    let mut exchange = exchange.sink(sink::OWN);
    exchange.over(&plugin, ended);
    assert!(exchange.delivered(sink::OWN).len() <= 1);
    exchange.delivered(sink::OWN).first().map(|record| String::from_utf8(record.clone()).unwrap())
}

fn fields(fields: &Value, exchange: Exchange) -> String {
    recorded(json!({ "fields": fields }), exchange, over()).unwrap()
}

fn refused(config: Value) -> String {
    testing::configure::<Settings>(config).err().unwrap()
}

#[test]
fn the_whole_record_is_kongs_object() {
    let alice = Consumer { username: "alice".into(), custom_id: Some("a-1".into()), ..Consumer::default() };
    let mut exchange = Exchange::new("POST", "/orders?page=2&page=3&all&apikey=k1")
        .header("content-type", "text/plain")
        .header("authorization", "Basic c2VjcmV0")
        .credential("key-auth", "k1", alice)
        .answer(201, &[("set-cookie", "a=1"), ("set-cookie", "b=2"), ("x-served", "by \"me\"")]);
    let authenticated = testing::Hook(|_: &mut Request| {
        identity::authenticate_by_key("key-auth", "k1");
        Flow::Next
    });
    assert_eq!(exchange.request(&authenticated), testing::Outcome::Next);
    let next = testing::Hook(|_: &mut Response, _: &Request| Flow::Next);
    assert_eq!(exchange.response(&next), testing::Outcome::Next);
    let record: Value = recorded(json!({}), exchange, over()).unwrap().parse().unwrap();
    let id = &record["authenticated_entity"]["id"];
    assert!(id.is_string());
    let target = "/orders?page=2&page=3&all&apikey=REDACTED";
    let expected = json!({
        "started_at": 1_700_000_000_123_u64,
        "client_ip": "192.0.2.1",
        "request": {
            "id": "00112233445566778899aabbccddeeff",
            "method": "POST",
            "uri": target,
            "url": format!("http://example.com{target}"),
            "size": 11,
            "querystring": { "page": ["2", "3"], "all": true, "apikey": "REDACTED" },
            "headers": { "host": "example.com", "content-type": "text/plain", "authorization": "REDACTED" },
        },
        "response": {
            "status": 200,
            "size": 12,
            "headers": { "set-cookie": ["REDACTED", "REDACTED"], "x-served": "by \"me\"" },
        },
        "latencies": { "request": 3.007, "gateway": 0.5, "proxy": 2 },
        "route": { "name": "route" },
        "service": { "name": "service" },
        "consumer": { "username": "alice", "custom_id": "a-1" },
        "authenticated_entity": { "id": id },
        "upstream_uri": target,
        "upstream_status": 201,
        "tries": [],
    });
    assert_eq!(record, expected);
}

#[test]
fn what_there_is_not_is_left_out() {
    let failed = Ended { upstream: None, upstream_status: None, failure: Some("route_not_found".into()), ..over() };
    let record: Value = recorded(json!({}), Exchange::get("/"), failed).unwrap().parse().unwrap();
    for absent in ["consumer", "authenticated_entity", "upstream_uri", "upstream_status"] {
        assert_eq!(record.get(absent), None, "{absent}");
    }
    assert_eq!((record["latencies"].get("proxy"), &record["failure"]), (None, &json!("route_not_found")));
    assert_eq!((record["request"].get("tls"), &record["request"]["querystring"]), (None, &json!({})));
}

#[test]
fn fields_are_chosen_and_renamed() {
    let chosen = json!({
        "agent": "request.headers.User-Agent", "at": "started_at", "code": "response.status", "latency": "latencies",
        "page": "request.querystring.page", "port": "client_port", "none": "response.headers.x-none",
    });
    let exchange = Exchange::get("/?page=2&page=3").header("user-agent", "curl/8.14");
    let expected = r#"{"agent":"curl/8.14","at":1700000000123,"code":200,"latency":{"request":3.007,"gateway":0.5,"proxy":2},"page":["2","3"],"port":40000}"#;
    assert_eq!(fields(&chosen, exchange), expected);
}

#[test]
fn custom_fields_are_templates() {
    let custom = json!({
        "env": "prod", "line": "$(request.method) $(request.uri) for \"$(consumer.username)\": $( response.status )",
        "status": "$(response.status)", "who": "$(consumer.username)", "q": "[$(request.querystring.a)]",
    });
    let record = recorded(json!({ "fields": {}, "custom_fields": custom }), Exchange::get("/a?a=b"), over()).unwrap();
    assert_eq!(record, r#"{"env":"prod","line":"GET /a?a=b for \"\": 200","q":"[b]","status":200}"#);
    let whole = recorded(json!({ "custom_fields": { "env": "prod" } }), Exchange::get("/"), over()).unwrap();
    let whole: Value = whole.parse().unwrap();
    assert_eq!((&whole["env"], &whole["response"]["status"]), (&json!("prod"), &json!(200)));
}

#[test]
fn what_is_redacted_is_redacted_wherever_it_stands() {
    let exchange = || {
        Exchange::get("/a?ApiKey=k&x=1&api%6bey=k&token=t")
            .header("Token", "t")
            .header("referer", "http://a/?apikey=k#f")
    };
    let shown = json!({
        "a": "request.uri", "b": "request.url", "c": "request.querystring", "d": "request.headers", "e": "upstream_uri",
        "f": "request.querystring.apikey", "g": "request.headers.token",
    });
    let custom = json!({ "h": "$(request.uri) $(request.headers.token) $(request.querystring.apikey)" });
    let all = |redact: Option<Value>| {
        let mut config = json!({ "fields": shown, "custom_fields": custom });
        if let Some(redact) = redact {
            config["redact"] = redact;
        }
        recorded(config, exchange(), over()).unwrap()
    };
    let usual = all(None);
    assert!(!usual.contains(":k") && !usual.contains("=k") && !usual.contains("\"k\""), "{usual}");
    assert!(usual.contains("token=t"), "{usual}");
    let chosen = all(Some(json!(["TOKEN"])));
    assert!(!chosen.contains("=t") && !chosen.contains("\"t\"") && chosen.contains("ApiKey=k&x=1"), "{chosen}");
    assert!(all(Some(json!([]))).contains("\"token\":\"t\""));
}

#[test]
fn whatever_bytes_come_the_record_is_json() {
    let exchange = Exchange::get("/%22?a=%00%ff%%22&%=+").header("x-bytes", [b'"', b'\\', b'\t', 0xff, 0xc3, 0xbc]);
    let chosen = json!({ "a": "request.headers.x-bytes", "b": "request.querystring", "c\"": "request.uri" });
    let record: Value = fields(&chosen, exchange).parse().unwrap();
    assert_eq!(record["a"], "\"\\\t\u{fffd}ü");
    assert_eq!(record["b"], json!({ "a": "\0\u{fffd}%\"", "%": " " }));
    assert_eq!(record["c\""], "/%22?a=%00%ff%%22&%=+");
}

#[test]
fn a_sample_is_chosen_by_the_request_id() {
    let record = |sample: f64| recorded(json!({ "sample": sample }), Exchange::get("/"), over());
    // The id of all exchanges here begins with 0x00112233, which is 0.00026 of what it can be.
    for (sample, is_recorded) in [(0.0, false), (0.000_2, false), (0.000_3, true), (1.0, true)] {
        assert_eq!(record(sample).is_some(), is_recorded, "{sample}");
    }
}

#[test]
fn a_field_that_there_is_not_is_refused_with_what_there_is() {
    let field = |path: &str| refused(json!({ "fields": { "x": path } }));
    let error = field("request.metod");
    assert!(
        error.starts_with("fields.x: a record has no `request.metod`: instead of `metod`, there is id, method, uri"),
        "{error}"
    );
    assert!(field("response.status.code").contains("instead of `code`, there is nothing"));
    assert!(field("").contains("a record has no ``"));
    assert!(field("request.headers.").contains("a record has no `request.headers.`"));
    assert!(refused(json!({ "fields": {} })).starts_with("fields: a record without any"));
    let custom = |text: &str| refused(json!({ "custom_fields": { "x": text } }));
    assert!(custom("$(request.method").contains("a `$(` without its `)`"));
    assert!(custom("$(request)").contains("`request` is an object: name one of request.id"));
    assert!(custom("h: $(request.headers)").contains("headers are many, which a text cannot show"));
    assert!(
        refused(json!({ "custom_fields": { "route": "r" } })).contains("custom_fields.route: the record has a field")
    );
}
