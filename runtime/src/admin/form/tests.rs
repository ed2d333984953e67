use proptest::prelude::*;
use serde_json::json;

use super::*;

#[test]
fn forms_say_what_the_same_json_would() {
    for (form, expected) in [
        ("", json!({})),
        ("&&", json!({})),
        ("name=s&url=http://x:80/a?b=c", json!({ "name": "s", "url": "http://x:80/a?b=c" })),
        ("name=a+b%20c%2Bd&n=caf%C3%A9", json!({ "name": "a b c+d", "n": "café" })),
        // Empty is null; a name alone is true.
        ("path=", json!({ "path": null })),
        ("enabled", json!({ "enabled": true })),
        // Lists, in each of their ways.
        ("paths[]=/a", json!({ "paths": ["/a"] })),
        ("paths%5B%5D=/a&paths[]=/b", json!({ "paths": ["/a", "/b"] })),
        ("paths[2]=/b&paths[1]=/a", json!({ "paths": ["/a", "/b"] })),
        ("paths[0]=/a&paths[7]=/b", json!({ "paths": ["/a", "/b"] })),
        ("paths=/a&paths=/b&paths=/c", json!({ "paths": ["/a", "/b", "/c"] })),
        ("paths=/a&paths[]=/b", json!({ "paths": ["/a", "/b"] })),
        ("paths[]=/b&paths[1]=/a", json!({ "paths": ["/a", "/b"] })),
        ("tags[]=", json!({ "tags": [null] })),
        ("a[1][1]=x&a[1][2]=y&a[2][]=z", json!({ "a": [["x", "y"], ["z"]] })),
        // Records and maps.
        ("config.minute=5&config.policy=local", json!({ "config": { "minute": "5", "policy": "local" } })),
        (
            "config.add.headers[1]=x:y&config.add.headers[2]=z:1",
            json!({ "config": { "add": { "headers": ["x:y", "z:1"] } } }),
        ),
        ("config.headers[x-a.b]=1&config.headers.y=2", json!({ "config": { "headers": { "x-a.b": "1", "y": "2" } } })),
        ("config[minute]=5", json!({ "config": { "minute": "5" } })),
        ("service.id=1&service.name=", json!({ "service": { "id": "1", "name": null } })),
        ("a[1].b=1&a[2].b=2&a[1].c=3", json!({ "a": [{ "b": "1", "c": "3" }, { "b": "2" }] })),
        ("a[].b=1&a[].c=2", json!({ "a": [{ "b": "1", "c": "2" }] })),
        ("config.1=x", json!({ "config": { "1": "x" } })),
        ("x=1=2", json!({ "x": "1=2" })),
    ] {
        let object = object(form.as_bytes()).unwrap_or_else(|problem| panic!("{form}: {problem}"));
        assert_eq!(Value::Object(object), expected, "{form}");
    }
}

#[test]
fn forms_that_mean_nothing_are_refused_with_the_reason() {
    for (form, expected) in [
        ("=x", "the name \"\": it begins with nothing"),
        (".a=x", "the name \".a\": it begins with nothing"),
        ("[1]=x", "the name \"[1]\": it begins with nothing"),
        ("a.=x", "the name \"a.\": nothing behind a \".\""),
        ("a..b=x", "the name \"a..b\": nothing behind a \".\""),
        ("a[1=x", "the name \"a[1\": \"[\" without \"]\""),
        ("a[1]b=x", "the name \"a[1]b\": behind \"]\" comes \".\" or \"[\""),
        ("a[99999999999]=x", "the name \"a[99999999999]\": 99999999999 is too large"),
        ("a[1]=x&a[1]=y", "\"a[1]\" is there twice"),
        ("a=1&a.b=2", "\"a.b\" would have names in it, and something else by another field"),
        ("a.b=2&a=1", "\"a\" would have names in it, and something else by another field"),
        ("a.b=2&a[]=1", "\"a[]\" would be a list, and something else by another field"),
        ("a[]=1&a.b=2", "\"a.b\" would have names in it, and something else by another field"),
        ("a=%f", "\"a\": a % that is not followed by two hexadecimal digits"),
        ("%ff=1", "not UTF-8"),
    ] {
        assert_eq!(object(form.as_bytes()).unwrap_err(), expected, "{form}");
    }
}

#[test]
fn forms_have_bounds() {
    let many = |count: usize| "a[]=1&".repeat(count);
    assert_eq!(object(many(limits::ADMIN_FORM_FIELDS).as_bytes()).unwrap()["a"].as_array().unwrap().len(), 1000);
    assert_eq!(object(many(limits::ADMIN_FORM_FIELDS + 1).as_bytes()).unwrap_err(), "more than 1000 fields");
    let deep = |levels: usize| format!("a{}=1", ".a".repeat(levels - 1));
    assert!(object(deep(limits::ADMIN_BODY_DEPTH).as_bytes()).is_ok());
    assert!(object(deep(limits::ADMIN_BODY_DEPTH + 1).as_bytes()).unwrap_err().contains("more than 32 levels"));
    assert!(object(format!("a{}=1", "[]".repeat(100_000)).as_bytes()).unwrap_err().contains("more than 32 levels"));
}

proptest! {
    #[test]
    fn whatever_comes_is_read_or_refused(form in "[ab.\\[\\]=&%+0-9f]{0,60}") {
        drop(object(form.as_bytes()));
    }

    #[test]
    fn any_bytes_are_read_or_refused(form in proptest::collection::vec(any::<u8>(), 0..80)) {
        drop(object(&form));
    }

    /// What a client encodes is what comes out.
    #[test]
    fn text_survives_its_encoding(value in "\\PC{1,20}") {
        let encoded: String = value.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let form = format!("a.b[]={encoded}");
        prop_assert_eq!(Value::Object(object(form.as_bytes()).unwrap()), json!({ "a": { "b": [value] } }));
    }
}
