use proptest::prelude::*;
use serde_json::json;

use super::*;

fn read(content_type: &str, body: &str) -> Result<Fields, Answer> {
    fields(Some(&content_type.parse().unwrap()), &Bytes::copy_from_slice(body.as_bytes()))
}

/// Status and body.
fn refusal(read: Result<Fields, Answer>) -> (u16, Value) {
    let answer = read.unwrap_err();
    (answer.status().as_u16(), serde_json::from_slice(answer.body()).unwrap())
}

#[test]
fn each_type_of_body_is_an_object() {
    for (content_type, body, expected, encoding) in [
        (
            "application/json",
            r#" {"a": [1, null, {"b": "c"}]} "#,
            json!({ "a": [1, null, { "b": "c" }] }),
            Encoding::Json,
        ),
        ("Application/JSON ; Charset=UTF-8", "{}", json!({}), Encoding::Json),
        ("application/json; charset=\"utf-8\";", "{\"a\": 1, \"a\": 2}", json!({ "a": 2 }), Encoding::Json),
        ("application/x-www-form-urlencoded", "a[]=1&b=", json!({ "a": ["1"], "b": null }), Encoding::Form),
        ("application/x-www-form-urlencoded; charset=utf-8", "", json!({}), Encoding::Form),
        (
            "multipart/form-data; boundary=x",
            "--x\r\nContent-Disposition: form-data; name=\"a.b\"\r\n\r\n1\r\n--x--\r\n",
            json!({ "a": { "b": "1" } }),
            Encoding::Form,
        ),
    ] {
        let fields = read(content_type, body).unwrap_or_else(|_| panic!("{content_type}: {body}"));
        assert_eq!((Value::Object(fields.object), fields.encoding), (expected, encoding), "{content_type}");
    }
    assert_eq!(fields(None, &Bytes::new()).unwrap().object, Map::new());
}

#[test]
fn what_cannot_be_read_is_a_400_in_kongs_words() {
    for (body, detail) in [
        ("", "EOF while parsing a value at line 1 column 0"),
        ("{", "EOF while parsing an object at line 1 column 1"),
        ("{\"a\": 1,}", "trailing comma at line 1 column 9"),
        ("{} {}", "trailing characters at line 1 column 4"),
        ("name=s", "expected ident at line 1 column 2"),
        ("[]", "it is not an object"),
        ("\"x\"", "it is not an object"),
        ("null", "it is not an object"),
    ] {
        let expected = json!({ "message": "Cannot parse JSON body", "detail": detail });
        assert_eq!(refusal(read("application/json", body)), (400, expected), "{body}");
    }
    let (status, json) = refusal(read("application/x-www-form-urlencoded", "a[1=2"));
    assert_eq!((status, &json["message"]), (400, &"Cannot parse form body".into()));
    let (status, json) = refusal(read("multipart/form-data; boundary=x", "--x"));
    assert_eq!((status, &json["message"]), (400, &"Cannot parse form body".into()));
    let not_utf8 = fields(Some(&"application/json".parse().unwrap()), &Bytes::from_static(b"{\"a\": \"\xff\"}"));
    assert_eq!(refusal(not_utf8).0, 400);
}

#[test]
fn depth_has_a_bound() {
    let deep = |levels: usize| format!("{{\"a\":{}1{}}}", "[".repeat(levels - 1), "]".repeat(levels - 1));
    assert!(read("application/json", &deep(limits::ADMIN_BODY_DEPTH)).is_ok());
    for levels in [limits::ADMIN_BODY_DEPTH + 1, 100, 1_000_000] {
        assert_eq!(refusal(read("application/json", &deep(levels))).0, 400, "{levels}");
    }
}

#[test]
fn other_types_are_a_415() {
    for content_type in [
        "text/plain",
        "text/plain; x=\"application/json\"",
        "application/json-patch+json",
        "application/jsonp",
        "application/json; charset=utf-16",
        "application/octet-stream",
        "*/*",
    ] {
        let (status, json) = refusal(read(content_type, "{}"));
        assert_eq!((status, &json["message"]), (415, &"Unsupported media type".into()), "{content_type}");
        assert!(json["detail"].as_str().unwrap().contains("send application/json"), "{json}");
    }
    assert_eq!(refusal(fields(None, &Bytes::from_static(b"{}"))).0, 415);
}

#[test]
fn media_types_are_read_strictly() {
    let kind: MediaType = "Multipart/Form-Data;\tBoundary=\"a;\\\"b\" ; x=Y;;".parse().unwrap();
    assert_eq!((kind.essence.as_str(), kind.parameter("boundary")), ("multipart/form-data", Some("a;\"b")));
    assert_eq!((kind.parameter("x"), kind.parameter("y")), (Some("Y"), None));
    for wrong in [
        "",
        "json",
        "a/",
        "/b",
        "a/b/c",
        "a b/c",
        "text/plain, application/json",
        "a/b; c",
        "a/b; c=\"d",
        "a/b; c=d e",
        "a/b; c=\"d\"e",
        "a/b; =x",
    ] {
        assert!(wrong.parse::<MediaType>().is_err(), "{wrong}");
    }
}

proptest! {
    #[test]
    fn whatever_comes_is_read_or_refused(kind in "[a/b;= \"\\\\]{0,20}", body in proptest::collection::vec(any::<u8>(), 0..80)) {
        drop(kind.parse::<MediaType>());
        drop(fields(Some(&"application/json".parse().unwrap()), &Bytes::from(body)));
    }
}
