use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

type Edit = fn(&mut Document<'_>) -> Result<(), NotJson>;

#[test]
fn members_are_edited_and_the_others_stay_as_they_are() {
    let edits: [(&str, Edit, Option<&str>); 22] = [
        (r#"{"a":1, "b": 1.50}"#, |d| d.remove(&path("a")), Some(r#"{"b":1.50}"#)),
        (r#"{"a":1}"#, |d| d.remove(&path("b")), None),
        (r#"{"a":1,"b":[ 1 ],"a":2}"#, |d| d.remove(&path("a")), Some(r#"{"b":[ 1 ]}"#)),
        (r#"{"\u0061":1}"#, |d| d.remove(&path("a")), Some("{}")),
        (r#"{"x":{"a":1,"b":2},"y":0}"#, |d| d.remove(&path("x.a")), Some(r#"{"x":{"b":2},"y":0}"#)),
        (r#"{"x":{"a":1},"x":{"a":2}}"#, |d| d.remove(&path("x.a")), Some(r#"{"x":{},"x":{}}"#)),
        (r#"{"x":5}"#, |d| d.remove(&path("x.a")), None),
        (r#"{"a":1,"b":2}"#, |d| d.rename(&path("a"), &path("b")), Some(r#"{"b":1}"#)),
        (r#"{"b":2}"#, |d| d.rename(&path("a"), &path("b")), None),
        (r#"{"a":1}"#, |d| d.rename(&path("a"), &path("x.y")), Some(r#"{"x":{"y":1}}"#)),
        (r#"{"a":1,"x":5}"#, |d| d.rename(&path("a"), &path("x.y")), None),
        (r#"{"a":1,"c":3}"#, |d| d.replace(&path("a"), "2".into()), Some(r#"{"a":2,"c":3}"#)),
        (r#"{"a":1,"a":3}"#, |d| d.replace(&path("a"), "2".into()), Some(r#"{"a":2}"#)),
        (r#"{"a":false}"#, |d| d.replace(&path("a"), "2".into()), Some(r#"{"a":2}"#)),
        (r#"{"b":1}"#, |d| d.replace(&path("a"), "2".into()), None),
        (r#"{"a":null}"#, |d| d.add(&path("a"), "2".into()), None),
        (r#"{"b":1}"#, |d| d.add(&path("a"), "2".into()), Some(r#"{"b":1,"a":2}"#)),
        (r#"{"x":{}}"#, |d| d.add(&path("x.y.z"), "2".into()), Some(r#"{"x":{"y":{"z":2}}}"#)),
        (r#"{}"#, |d| d.append(&path("a"), "2".into()), Some(r#"{"a":[2]}"#)),
        (r#"{"a":[1, {} ]}"#, |d| d.append(&path("a"), "2".into()), Some(r#"{"a":[1,{},2]}"#)),
        (r#"{"a":"1"}"#, |d| d.append(&path("a"), "2".into()), Some(r#"{"a":["1",2]}"#)),
        (r#"[{"a":1}]"#, |d| d.append(&path("a"), "2".into()), None),
    ];
    for (text, edit, expected) in edits {
        let mut document = Document::parse(text.as_bytes()).unwrap();
        edit(&mut document).unwrap();
        assert_eq!(document.edited().as_deref(), expected, "{text}");
    }
}

#[test]
fn what_is_no_json_is_told() {
    for text in ["", "{", "{\"a\":}", "{\"a\":1}x", "{\"a\":{\"b\"}}", "{'a':1}", "{\"a\":\"\n\"}", "nul"] {
        assert_eq!(Document::parse(text.as_bytes()).err(), Some(NotJson), "{text}");
    }
    assert_eq!(Document::parse(b"{\"a\":\"\xff\"}").err(), Some(NotJson));
    let mut half = Document::parse(br#"{"\ud800":1,"a":2}"#).unwrap();
    assert_eq!(half.remove(&path("a")), Err(NotJson));
}

#[test]
fn depth_costs_no_stack() {
    let deep = format!("{{\"a\":{}{},\"b\":1}}", "[".repeat(200_000), "]".repeat(200_000));
    let mut document = Document::parse(deep.as_bytes()).unwrap();
    document.remove(&path("b")).unwrap();
    assert_eq!(document.edited().unwrap().len(), deep.len() - ",\"b\":1".len());
}

proptest! {
    #[test]
    fn edits_come_to_what_they_would_on_a_map(
        members in proptest::collection::btree_map("[a-d]|ä|\"|\\PC{3}", "\\PC{0,3}", 0..5),
        old in "[a-d]", new in "[a-d]", number in 0..100_u32,
    ) {
        let text = json!(members).to_string();
        let mut document = Document::parse(text.as_bytes()).unwrap();
        document.remove(&path(&new)).unwrap();
        document.rename(&path(&old), &path(&new)).unwrap();
        document.add(&path(&old), number.to_string()).unwrap();
        document.append(&path(&new), number.to_string()).unwrap();
        document.replace(&path("a"), number.to_string()).unwrap();

        let mut expected: serde_json::Map<String, Value> = serde_json::from_str(&text).unwrap();
        expected.remove(&new);
        if old != new && let Some(value) = expected.remove(&old) {
            expected.insert(new.clone(), value);
        }
        expected.entry(old).or_insert(number.into());
        match expected.remove(&new) {
            None => expected.insert(new, json!([number])),
            Some(value) => expected.insert(new, json!([value, number])),
        };
        if expected.contains_key("a") {
            expected.insert("a".to_owned(), number.into());
        }
        let edited: Value = serde_json::from_str(&document.edited().unwrap()).unwrap();
        prop_assert_eq!(edited, Value::Object(expected));
    }
}

fn path(text: &str) -> Vec<String> {
    text.split('.').map(str::to_owned).collect()
}
