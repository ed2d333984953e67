use proptest::prelude::*;
use tidegate_sdk::testing::configure;
use tidegate_sdk::{json, query};

use crate::{Mask, Rule};

fn mask(rules: &serde_json::Value) -> Mask {
    let rules: Vec<Rule> = rules.as_array().unwrap().iter().map(|rule| configure(rule.clone()).unwrap()).collect();
    Mask::new(&rules, Some(b"key")).unwrap()
}

fn masked(mask: &Mask, record: &str) -> String {
    String::from_utf8(mask.record(record.as_bytes()).unwrap().into_owned()).unwrap()
}

/// What stands in place of the only text of a record.
fn text(mask: &Mask, text: &str) -> String {
    let record = masked(mask, &json!({ "text": text }).to_string());
    let record: serde_json::Value = record.parse().unwrap_or_else(|error| panic!("{error}: {record}"));
    record["text"].as_str().unwrap().to_owned()
}

#[test]
fn parameters_have_names_wherever_a_url_stands() {
    let mask = mask(&json!([{ "names": ["token", "pin"] }, { "names": ["sid"], "action": "remove" }]));
    let cases = [
        ("/a?a=1&token=x%26y&b", "/a?a=1&token=***&b"),
        ("/a?to%6ben=x", "/a?to%6ben=***"),
        ("/a?TOKEN=&token", "/a?TOKEN=***&token"),
        ("/a?sid=1&a=1&SID=2", "/a?a=1"),
        ("/a?sid=1", "/a"),
        ("/a?sid", "/a"),
        ("/a?a&sid=1#sid=2&b", "/a?a#b"),
        ("/a?sid=1&sid=2&token=t", "/a?token=***"),
        ("https://app/cb#token=t&state=1", "https://app/cb#token=***&state=1"),
        ("/a?x=1#token=t", "/a?x=1#token=***"),
        ("/a?token=a?b=c&d", "/a?token=***&d"),
        ("/a?next=/b?token=t&pin=1", "/a?next=/b?token=***&pin=***"),
        ("/a?next=%2Fb%3Fx%3D1%26token%3Dt%2541%26sid%3D1&y", "/a?next=%2Fb%3Fx%3D1%26token%3D***&y"),
        ("/a?token=1%26pin%3D2&x=%22&pin=3", "/a?token=***&x=%22&pin=***"),
        (
            "GET /a?token=t: 200, by http://b/?pin=1 and token=x",
            "GET /a?token=*** 200, by http://b/?pin=*** and token=x",
        ),
        ("{\"uri\":\"/a?token=t\",\"status\":200}", "{\"uri\":\"/a?token=***\",\"status\":200}"),
        ("/a?token=ü%c3%bc\u{fffd}&ä=ö", "/a?token=***&ä=ö"),
        ("/token=t&pin=1", "/token=t&pin=1"),
        ("/a?a=%zz&&=&b=%", "/a?a=%zz&&=&b=%"),
        ("?", "?"),
        ("", ""),
    ];
    for (told, expected) in cases {
        assert_eq!(text(&mask, told), expected, "{told}");
    }
}

#[test]
fn what_is_percent_encoded_is_known_by_its_looks() {
    let mask = mask(&json!([
        { "patterns": ["email"], "action": "keep_last" },
        { "patterns": ["card", "token"] },
        { "regexes": [r"\b\d{3}-\d{2}-\d{4}\b"], "action": "remove" },
    ]));
    let cases = [
        ("/users/alice%40example.com/orders", "/users/***.com/orders"),
        ("/?to=alice%40example.com&x=%20", "/?to=***.com&x=%20"),
        ("/?to=Alice+%3Calice%40b%C3%BCcher.e%C3%BC%3E", "/?to=Alice+%3C***r.e%C3%BC%3E"),
        ("/?alice%40example.com", "/?***.com"),
        ("/?card=4111+1111+1111+1111&n=%2B", "/?card=***&n=%2B"),
        ("/?card=4111%201111%201111%201111", "/?card=***"),
        ("/4111+1111+1111+1111", "/4111+1111+1111+1111"),
        ("/?a=Bearer%20abc%20def", "/?a=Bearer%20***%20def"),
        ("/?ssn=%30%37%38-05-1120.&b", "/?ssn=.&b"),
        ("#4111 1111 1111 1111, ? 5555555555554444", "#***, ? ***"),
        ("alice@example.com?", "***.com?"),
        ("50%: é.ü@bücher.eé or %C3%A9@bücher.eé", "50%: ***r.eé or ***r.e%C3%A9"),
        ("/?to=alice+news@example.com", "/?to=***.com"),
        ("%4111111111111111", "%***"),
    ];
    for (told, expected) in cases {
        assert_eq!(text(&mask, told), expected, "{told}");
    }
}

#[test]
fn a_value_has_one_hash_wherever_it_stands() {
    let mask = mask(&json!([{ "names": ["to"], "action": "hash" }, { "patterns": ["email"], "action": "hash" }]));
    let hash = text(&mask, "alice@example.com");
    assert!(hash.starts_with("sha256:"));
    let record = r#"{"uri":"/?to=alice%40example.com&cc=alice%40example.com","query":{"to":"alice\u0040example.com"}}"#;
    let expected = format!("{{\"uri\":\"/?to={hash}&cc={hash}\",\"query\":{{\"to\":\"{hash}\"}}}}").replace(':', "%3A");
    // As it stands in a query, a colon may be itself.
    assert_eq!(masked(&mask, record).replace(':', "%3A"), expected);
    let long = format!("/?to={}", "a".repeat(4097));
    assert_eq!(text(&mask, &long), "/?to=***", "as everywhere, of what is too long there is no hash");
}

#[test]
fn names_decide_before_looks_and_what_overlaps_is_not_shown() {
    let rules = json!([
        { "names": ["a"], "action": "keep_last", "keep": 2 },
        { "patterns": ["email"], "action": "hash" },
        { "regexes": ["b=.{4}", "x&c=."], "action": "keep_last", "keep": 1 },
        { "names": ["b", "c"] },
    ]);
    let mask = mask(&rules);
    assert_eq!(text(&mask, "/?a=alice@example.com"), "/?a=***om");
    assert_eq!(text(&mask, "/?b=s3cret&d=1"), "/?***&d=1", "a regex has a part of a name's value");
    assert_eq!(text(&mask, "/?d=x&c=1"), "/?d=***");
    assert_eq!(text(&mask, "/?b=s3cr"), "/?***");
}

#[test]
fn keys_are_what_clients_say_and_numbers_what_the_gateway_has_counted() {
    let mask = mask(&json!([
        { "patterns": ["card", "email"] },
        { "regexes": ["[1-5]00"] },
        { "names": ["x"], "action": "remove" },
        { "names": ["size"], "paths": ["$.latency[1]"] },
    ]));
    let record = r#"{"query":{"alice@example.com":true,"x":"4111111111111111","4111 1111-1111 1111":"1"},"status":200,"at":4111111111111111,"size":7,"latency":[1,2.5]}"#;
    let expected =
        r#"{"query":{"***":true,"***":"1"},"status":200,"at":4111111111111111,"size":"***","latency":[1,"***"]}"#;
    assert_eq!(masked(&mask, record), expected);
    assert_eq!(masked(&mask, r#"{"x":{"a@example.com":"/?b=a@example.com"},"y":"/?z"}"#), r#"{"y":"/?z"}"#);
    let named = self::mask(&json!([{ "names": ["query"] }, { "patterns": ["email"] }]));
    assert_eq!(masked(&named, r#"{"query":{"a@example.com":"1?"}}"#), r#"{"query":{"***":"***"}}"#);
}

#[test]
fn what_no_rule_is_for_stays_as_it_is_and_what_is_no_json_is_an_error() {
    let mask = mask(&json!([{ "names": ["pin"] }, { "patterns": ["card", "email", "token", "iban"] }]));
    let record =
        "{\"uri\":\"/%22?a=%00%ff%%22&%=+\",\"h\":{\"ua\":\"\\u00fc\\\\ \\\"50%\\\" #1\\n\"},\"n\":[1.50,null]}";
    assert!(
        matches!(mask.record(record.as_bytes()), Ok(std::borrow::Cow::Borrowed(same)) if same == record.as_bytes())
    );
    for broken in ["{\"pin\":1", "{\"a\":\"?", "no", "{}{}"] {
        assert!(mask.record(broken.as_bytes()).is_err(), "{broken}");
    }
}

/// Texts with URLs, parts of them and what rules look for.
fn told() -> impl Strategy<Value = String> {
    let parts = [
        "/a",
        "?",
        "&",
        "#",
        "=",
        " ",
        "\"",
        "\\",
        "%",
        "%40",
        "%3d",
        "%26",
        "+",
        "pin",
        "p%69n",
        "sid",
        "a@b.cc",
        "a%40b.cc",
        "4111111111111111",
        "4111+1111",
        "Bearer ",
        "x",
        "é",
        "%c3",
        "\u{0}",
    ];
    let part = prop_oneof![
        8 => prop::sample::select(parts.to_vec()).prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    prop::collection::vec(part, 0..30).prop_map(|parts| parts.concat().replace('§', ""))
}

proptest! {
    #[test]
    fn whatever_comes_it_stays_json_and_no_named_value_is_left(
        before in told(), after in told(), value in "[a-zA-Z0-9%+/?;:@ü]{1,20}"
    ) {
        let mask = mask(&json!([
            { "names": ["PIN"] }, { "names": ["sid"], "action": "remove" }, { "names": ["h"], "action": "hash" },
            { "patterns": ["card", "email", "token", "iban"], "action": "keep_last" },
            { "regexes": ["[x&=]{2,5}a"], "action": "remove" },
        ]));
        let secret = format!("§{value}§");
        let shown = text(&mask, &format!("{before}?x&p%49n={secret}&{after}"));
        prop_assert!(!shown.contains('§'), "{}", shown);
        let record = json!({ before: { "pin": &secret, "x": [after, { "h": &secret }] }, "n": 1 }).to_string();
        let shown: serde_json::Value = masked(&mask, &record).parse().unwrap();
        prop_assert_eq!(&shown["n"], &json!(1));
        prop_assert!(!shown.to_string().contains('§'), "{}", shown);
    }

    #[test]
    fn a_query_is_masked_as_its_parameters_are(pairs in prop::collection::vec(("(pin|id|x)", "[ -~ü]{0,12}"), 0..6)) {
        let mask = mask(&json!([{ "names": ["pin"], "action": "keep_last", "keep": 2 }, { "names": ["id"], "action": "hash" }]));
        let mut params = query::Params::of("");
        for (name, value) in &pairs {
            params.append(name, value);
        }
        let shown = text(&mask, &format!("/?{params}"));
        let shown = query::Params::of(shown.trim_start_matches("/?"));
        for name in ["pin", "id", "x"] {
            let each = |value: String| {
                let record = masked(&mask, &json!({ name: value }).to_string());
                record.parse::<serde_json::Value>().unwrap()[name].as_str().unwrap().to_owned()
            };
            let expected: Vec<String> = params.all(name).into_iter().map(each).collect();
            prop_assert_eq!(shown.all(name), expected);
        }
    }
}
