use proptest::prelude::*;
use tidegate_sdk::prelude::*;
use tidegate_sdk::testing::{Exchange, Hook, Outcome};

use super::*;

#[test]
fn what_is_wrong_with_a_line_is_said_with_its_place() {
    for (operation, line, problem) in [
        (Operation::Add, "x-a", "key 'x-a' has no value"),
        (Operation::Append, "x-a:", "key 'x-a' has no value"),
        (Operation::Rename, "x-a", "key 'x-a' has no value"),
        (Operation::Replace, ":b", "\":b\" has no name before its colon"),
        (Operation::Remove, "x a", "'x a' is not a valid header"),
        (Operation::Rename, "x-a:x b", "'x b' is not a valid header"),
        (Operation::Add, "content-length:0", "content-length belongs to the gateway, plugins cannot edit it"),
        (Operation::Remove, "Connection", "connection belongs to the gateway, plugins cannot edit it"),
        (Operation::Append, "Host:a", "every request has one host, which can be replaced only"),
        (Operation::Rename, "host:x-host", "every request has one host, which can be replaced only"),
        (Operation::Add, "x-a:b\r\nx-c: d", "a header value has no control characters"),
        (Operation::Add, "x-a:$(heders.b)", "\"$(heders.b)\" is no template, see character 3: there is no \"heders\""),
    ] {
        let lines = ["x-fine:x-other".to_owned(), line.to_owned()];
        let written = Written { operation, of: "headers", lines: &lines[1..], types: &[] };
        let error = header_edits(&mut HeaderEdits::default(), &written).unwrap_err();
        let expected = format!("{}.headers[0]: {problem}", operation.name());
        assert!(error.starts_with(&expected), "{error}\n{expected}");
    }
}

#[test]
fn types_are_those_of_the_lines_and_no_more() {
    let take = |lines: &[&str], types: &[JsonType]| {
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        Rules::default()
            .take(&Written { operation: Operation::Add, of: "body", lines: &lines, types }, Dots::InNames)
            .err()
    };
    assert_eq!(take(&["a:1", "b:x"], &[JsonType::Number]), None);
    assert_eq!(take(&["a:one"], &[JsonType::Number]).as_deref(), Some("add.body[0]: \"one\" is no number"));
    assert_eq!(take(&["a:True"], &[JsonType::Boolean]).as_deref(), Some("add.body[0]: \"True\" is no boolean"));
    let excess = "add.json_types: there are 1 more of them than in add.body";
    assert_eq!(take(&["a:1"], &[JsonType::String; 2]).as_deref(), Some(excess));
    for number in ["0x10", "1.", "01", "+1", "1 2", "{}", "-", ""] {
        assert_ne!(take(&[&format!("a:{number}")], &[JsonType::Number]), None, "{number}");
    }
    for number in ["0", "-2.50", "6e23", "1E400"] {
        assert_eq!(take(&[&format!("a:{number}")], &[JsonType::Number]), None, "{number}");
    }
}

proptest! {
    /// The order is one and the same for headers, parameters and JSON, and so is what the rules do.
    #[test]
    fn operations_follow_one_another_in_kongs_order(
        present in proptest::sample::subsequence(vec!["a", "b", "c"], 0..=3),
        lists in proptest::collection::vec(line(), 0..8),
    ) {
        let expected = model(&present, &lists);

        let mut rules = Rules::default();
        let mut edits = HeaderEdits::default();
        for operation in ORDER {
            let lines: Vec<String> =
                lists.iter().filter(|(of, _)| *of == operation).map(|(_, line)| line.clone()).collect();
            let written = Written { operation, of: "headers", lines: &lines, types: &[] };
            rules.take(&written, Dots::InNames).unwrap();
            header_edits(&mut edits, &written).unwrap();
        }
        let query = present.iter().map(|name| format!("{name}=0")).collect::<Vec<_>>().join("&");
        let members: Vec<String> = present.iter().map(|name| format!("\"{name}\":\"0\"")).collect();
        let body = format!("{{{}}}", members.join(","));

        let hook = Hook(move |request: &mut Request| {
            let query = request.query().unwrap_or_default();
            let mut params = Params::of(&query);
            let mut document = Document::parse(body.as_bytes()).unwrap();
            let values = Values::of(request);
            rules.edit_params(&mut params, &values);
            rules.edit_json(&mut document, &values, |_| true).unwrap();
            request.edit_headers(&edits);
            request.set_query(params.to_query().as_deref());
            request.set_body(document.edited().unwrap_or_else(|| body.clone()));
            Flow::Next
        });
        let exchange = Exchange::get(&format!("/?{query}"));
        let mut exchange = present.iter().fold(exchange, |exchange, name| exchange.header(name, "0"));
        prop_assert_eq!(exchange.request(&hook), Outcome::Next);

        let headers = exchange.upstream_headers();
        let query = exchange.upstream_query().unwrap_or_default();
        let params = Params::of(query);
        let members: serde_json::Value = serde_json::from_slice(exchange.upstream_body()).unwrap();
        for name in ["a", "b", "c"] {
            let values = expected.iter().find(|(known, _)| known == name).map_or(Vec::new(), |(_, values)| values.clone());
            prop_assert_eq!(headers.all(name), values.clone());
            prop_assert_eq!(params.all(name), values.clone());
            let in_json = match members.get(name) {
                None => Vec::new(),
                Some(serde_json::Value::String(one)) => vec![one.clone()],
                Some(several) => serde_json::from_value(several.clone()).unwrap(),
            };
            prop_assert_eq!(in_json, values);
        }
    }

    #[test]
    fn parameters_that_no_rule_names_stay_byte_by_byte(
        others in proptest::collection::vec("[b-z%+;=/0-9A-F]{0,8}", 0..6),
        at in 0..6_usize,
        value in "\\PC{0,5}",
    ) {
        let others: Vec<String> = others.into_iter().filter(|pair| !Params::of(pair).contains("a")).collect();
        let mut pairs = others.clone();
        pairs.insert(at.min(pairs.len()), "a=old".to_owned());
        let query = pairs.join("&");
        let mut params = Params::of(&query);
        params.replace("a", &value);
        let replaced = params.to_string();
        prop_assert_eq!(Params::of(&replaced).all("a"), [value.clone()]);
        params.remove("a");
        prop_assert_eq!(params.to_string(), others.join("&"));
        params.append("a", &value);
        let appended = params.to_string();
        prop_assert!(appended.starts_with(&others.join("&")));
        prop_assert_eq!(Params::of(&appended).all("a"), [value]);
    }
}

const ORDER: [Operation; 5] =
    [Operation::Remove, Operation::Rename, Operation::Replace, Operation::Add, Operation::Append];

fn line() -> impl Strategy<Value = (Operation, String)> {
    let name = || proptest::sample::select(vec!["a", "b", "c"]);
    (proptest::sample::select(ORDER.to_vec()), name(), name(), "[1-9]").prop_map(|(operation, name, new, value)| {
        let line = match operation {
            Operation::Remove => name.to_owned(),
            Operation::Rename => format!("{name}:{new}"),
            _ => format!("{name}:{value}"),
        };
        (operation, line)
    })
}

/// What comes of it, said in the simplest way.
fn model(present: &[&str], lists: &[(Operation, String)]) -> Vec<(String, Vec<String>)> {
    let mut fields: std::collections::BTreeMap<String, Vec<String>> =
        present.iter().map(|name| ((*name).to_owned(), vec!["0".to_owned()])).collect();
    for operation in ORDER {
        for (_, line) in lists.iter().filter(|(of, _)| *of == operation) {
            let (name, other) = line.split_once(':').unwrap_or((line, ""));
            let (name, other) = (name.to_owned(), other.to_owned());
            match operation {
                Operation::Remove => drop(fields.remove(&name)),
                Operation::Rename => {
                    if let Some(values) = fields.remove(&name) {
                        fields.insert(other, values);
                    }
                }
                Operation::Replace => {
                    if fields.contains_key(&name) {
                        fields.insert(name, vec![other]);
                    }
                }
                Operation::Add => drop(fields.entry(name).or_insert(vec![other])),
                Operation::Append => fields.entry(name).or_default().push(other),
            }
        }
    }
    fields.into_iter().collect()
}
