use tidegate_sdk::json;
use tidegate_sdk::testing::configure;

use super::*;
use crate::Rule;

mod differential;
mod properties;

fn mask(rules: &serde_json::Value) -> Mask {
    let rules: Vec<Rule> = rules.as_array().unwrap().iter().map(|rule| configure(rule.clone()).unwrap()).collect();
    Mask::new(&rules, Some(b"key")).unwrap()
}

/// What comes out of these pieces, with the stream saved and restored between them; what went on before an error, too.
fn masked(mask: &Mask, format: Format, when: WhenUnparsable, pieces: &[&[u8]]) -> (Vec<u8>, Option<Unparsable>) {
    let mut stream = Stream::new(mask, format, when);
    let mut gone = Vec::new();
    for (number, piece) in pieces.iter().enumerate() {
        match stream.push(mask, piece, number + 1 == pieces.len()) {
            Ok(Masked::Same) => gone.extend_from_slice(piece),
            Ok(Masked::Replaced(bytes)) => gone.extend(bytes),
            Err(error) => return (gone, Some(error)),
        }
        let restored = Stream::restore(&stream.save());
        assert_eq!(restored.as_ref(), Some(&stream));
        assert!(stream.kept.len() < 32 << 10, "{} bytes are kept", stream.kept.len());
        stream = restored.unwrap();
    }
    (gone, None)
}

/// Whole, cut once at every place, and byte by byte.
#[track_caller]
fn always(mask: &Mask, format: Format, body: &str, expected: &str) {
    let check = |pieces: &[&[u8]]| {
        let (gone, error) = masked(mask, format, WhenUnparsable::Stop, pieces);
        assert_eq!((String::from_utf8(gone).unwrap().as_str(), error), (expected, None), "{pieces:?}");
    };
    let body = body.as_bytes();
    check(&[body]);
    for at in 0..=body.len() {
        check(&[&body[..at], &body[at..]]);
    }
    check(&body.chunks(1).collect::<Vec<_>>());
}

#[test]
fn values_are_masked_by_name_at_any_depth_and_nothing_else_is_touched() {
    let mask = mask(&json!([{ "names": ["pin", "ssn"] }]));
    let body =
        "\u{feff} {\"id\": 1.50,\t\"user\":{\"PIN\" : \"12\\\"34\", \"a\":[true,{\"ssn\":12},null]},\r\n\"pin\":null} ";
    let expected =
        "\u{feff} {\"id\": 1.50,\t\"user\":{\"PIN\" : \"***\", \"a\":[true,{\"ssn\":\"***\"},null]},\r\n\"pin\":null} ";
    always(&mask, Format::Json, body, expected);
    always(&mask, Format::Json, r#"{"pin":false,"p":true}"#, r#"{"pin":"***","p":true}"#);
}

#[test]
fn names_are_known_however_they_are_written() {
    let mask = mask(&json!([{ "names": ["secret", "größe", "a/b"] }]));
    let body = r#"{"se\u0063ret":"x","\u0053\u0065cret":"x","gr\u00f6\u00DFe":"x","a\/b":"x","secre\u0074s":"x"}"#;
    let expected =
        r#"{"se\u0063ret":"***","\u0053\u0065cret":"***","gr\u00f6\u00DFe":"***","a\/b":"***","secre\u0074s":"x"}"#;
    always(&mask, Format::Json, body, expected);
}

#[test]
fn everything_in_what_is_named_is_masked_and_its_structure_stays() {
    let mask = mask(&json!([{ "names": ["user"] }, { "names": ["id"], "action": "remove" }]));
    let body = r#"{"user":{"id":7,"tags":["a",[true,{}],null,[]]},"id":8,"b":1}"#;
    always(&mask, Format::Json, body, r#"{"user":{"id":"***","tags":["***",["***",{}],null,[]]},"b":1}"#);
}

#[test]
fn members_are_removed_with_their_commas() {
    let mask = mask(
        &json!([{ "names": ["x"], "action": "remove" }, { "paths": ["$.list[0]", "$..both[*]"], "action": "remove" }]),
    );
    let cases = [
        (r#"{"x":1,"b":2}"#, r#"{"b":2}"#),
        (r#"{"a":1 , "x":1}"#, r#"{"a":1 }"#),
        (r#"{ "a":1, "x":{"x":[1,2]} , "b":2 }"#, r#"{ "a":1 , "b":2 }"#),
        (r#"{"x":1,"x":"s","b":2,"x":3,"c":{"x":null}}"#, r#"{"b":2,"c":{}}"#),
        (r#"{"list":[1, 2, 3],"both":[1, [2]],"a":{"both":[]}}"#, r#"{"list":[ 2, 3],"both":[],"a":{"both":[]}}"#),
        (r#"{"list":[{"x":1}]}"#, r#"{"list":[]}"#),
        (r#"[{"x":1},{"x":1,"y":[{"x":2,"z":3}]}]"#, r#"[{},{"y":[{"z":3}]}]"#),
    ];
    for (body, expected) in cases {
        always(&mask, Format::Json, body, expected);
    }
}

#[test]
fn a_comma_before_much_whitespace_is_not_waited_with() {
    let mask = mask(&json!([{ "names": ["x"], "action": "remove" }]));
    let space = " ".repeat(3000);
    let body = format!(r#"{{"a":1,{space}"b":2,{space}"x":3,{space}"c":4,"d":5,{space}"x":6}}"#);
    let expected = format!(r#"{{"a":1{space},"b":2{space}{space},"c":4,"d":5{space}}}"#);
    for size in [1, 700, 1024, 1025, 4096, 100_000] {
        let pieces: Vec<_> = body.as_bytes().chunks(size).collect();
        let (gone, error) = masked(&mask, Format::Json, WhenUnparsable::Stop, &pieces);
        assert_eq!((String::from_utf8(gone).unwrap(), error), (expected.clone(), None), "{size}");
    }
    let body = format!(r#"{{"x":1,{space}"b":2}}"#);
    assert_eq!(
        masked(&mask, Format::Json, WhenUnparsable::Stop, &[body.as_bytes()]).0,
        format!(r#"{{{space}"b":2}}"#).as_bytes()
    );
}

#[test]
fn paths_select_as_rfc_9535_has_it() {
    let body = r#"{"a":{"b":1,"B":2},"list":[{"b":3},{"b":4,"c":{"b":5}},6],"b":7}"#;
    let cases = [
        (json!(["$.a.b"]), r#"{"a":{"b":"***","B":2},"list":[{"b":3},{"b":4,"c":{"b":5}},6],"b":7}"#),
        (json!(["$..b"]), r#"{"a":{"b":"***","B":2},"list":[{"b":"***"},{"b":"***","c":{"b":"***"}},6],"b":"***"}"#),
        (
            json!(["$.list[1].b", "$['b']"]),
            r#"{"a":{"b":1,"B":2},"list":[{"b":3},{"b":"***","c":{"b":5}},6],"b":"***"}"#,
        ),
        (json!(["$.list[*].b"]), r#"{"a":{"b":1,"B":2},"list":[{"b":"***"},{"b":"***","c":{"b":5}},6],"b":7}"#),
        (json!(["$.list..c.*"]), r#"{"a":{"b":1,"B":2},"list":[{"b":3},{"b":4,"c":{"b":"***"}},6],"b":7}"#),
        (
            json!(["$..[2]", "$.a[*]"]),
            r#"{"a":{"b":"***","B":"***"},"list":[{"b":3},{"b":4,"c":{"b":5}},"***"],"b":7}"#,
        ),
        (json!(["$.b.a", "$.list.b", "$[0]", "$.a[0]"]), body),
    ];
    for (paths, expected) in cases {
        always(&mask(&json!([{ "paths": paths }])), Format::Json, body, expected);
    }
}

#[test]
fn patterns_are_found_in_strings_and_numbers_and_names_come_first() {
    let mask = mask(&json!([
        { "names": ["card"], "action": "keep_last" },
        { "patterns": ["card", "email", "token", "iban"] },
        { "regexes": ["S[0-9]{3}"] },
    ]));
    let body = r#"{"card":"4111111111111111","n":4111111111111111,"m":[-4.5e3,"to a\u0040example.com: \u00344111111111111111 4111\u00201111 1111 1111"],
        "t":"Bearer\u0020x\ty","i":"DE89 3704 0044 0532 0130 00","a@example.com":"é S123"}"#;
    let expected = r#"{"card":"***1111","n":"***","m":[-4.5e3,"to ***: \u00344111111111111111 ***"],
        "t":"Bearer\u0020***\ty","i":"***","a@example.com":"é ***"}"#;
    always(&mask, Format::Json, body, expected);
}

#[test]
fn hashes_and_last_characters_are_those_of_the_whole_value() {
    let mask =
        mask(&json!([{ "names": ["h"], "action": "hash" }, { "names": ["k"], "action": "keep_last", "keep": 2 }]));
    let body = r#"{"h":"a\u0062c","k":"abc\u00e9\"","h":[12.5],"k":12345,"h":true,"k":false}"#;
    // printf 12.5 | openssl dgst -sha256 -hmac key
    let expected = r#"{"h":"sha256:9c196e32dc0175f8","k":"***\u00e9\"","h":["sha256:40c9ec8411f3773b"],"k":"***45","h":"***","k":"***"}"#;
    always(&mask, Format::Json, body, expected);
}

#[test]
fn what_is_too_long_to_be_waited_for_is_redacted() {
    let mask = mask(&json!([{ "names": ["h"], "action": "hash" }, { "patterns": ["token"], "action": "keep_last" }]));
    let (long, digits, token) = ("x\\u0041".repeat(900), "1".repeat(100), "Ab1-".repeat(900));
    let key = "k".repeat(2000);
    let body = format!(r#"{{"h":"{long}","h":{digits},"{key}":{digits},"t":"a Bearer {token}! eyJhbGci{token} b"}}"#);
    let expected = format!(r#"{{"h":"***","h":"***","{key}":{digits},"t":"a Bearer ***! *** b"}}"#);
    for size in [1, 7, 1000, 1 << 20] {
        let pieces: Vec<_> = body.as_bytes().chunks(size).collect();
        let (gone, error) = masked(&mask, Format::Json, WhenUnparsable::Stop, &pieces);
        assert_eq!((String::from_utf8(gone).unwrap(), error), (expected.clone(), None), "{size}");
    }
}

#[test]
fn lines_are_documents_of_their_own() {
    let mask = mask(&json!([{ "names": ["pin"] }, { "paths": ["$[0]"] }]));
    always(&mask, Format::Lines, "{\"pin\":1}\r\n\n[1,2]\n3", "{\"pin\":\"***\"}\r\n\n[\"***\",2]\n3");
    let (gone, error) = masked(&mask, Format::Lines, WhenUnparsable::Pass, &[b"{\"pin\":1,x}\n{\"pin\":2}\n"]);
    assert_eq!((gone.as_slice(), error), (b"{\"pin\":\"***\",x}\n{\"pin\":\"***\"}\n".as_slice(), None));
}

#[test]
fn texts_are_masked_line_by_line() {
    let mask = mask(&json!([{ "names": ["pin"] }, { "patterns": ["email", "card"] }, { "regexes": [r"\bA.B"] }]));
    let body = "{\"pin\":1} a@example.com\nAxB A\nB xAxB\n4111111111111111";
    always(&mask, Format::Text, body, "{\"pin\":1} ***\n*** A\nB xAxB\n***");
    always(&mask, Format::Unknown, "\n {\"pin\":1}\n{\"pin\":2}", "\n {\"pin\":\"***\"}\n{\"pin\":\"***\"}");
    always(&mask, Format::Unknown, "\u{feff} {\"pin\":1}", "\u{feff} {\"pin\":\"***\"}");
    always(&mask, Format::Unknown, "\u{feff}", "\u{feff}");
    always(&mask, Format::Unknown, "\r\npin: a@example.com", "\r\npin: ***");
}

#[test]
fn what_is_no_json_is_said_or_passed_on() {
    let mask = mask(&json!([{ "names": ["pin"], "patterns": ["email"] }]));
    let cases = [
        "<html>",
        "{'pin':1}",
        "{pin:1}",
        "{\"pin\":1,}",
        "[1,]",
        "{\"pin\" 1}",
        "{\"a\":1 \"pin\":2}",
        "[1 2]",
        "{} {}",
        "nul",
        "nulL",
        "[",
        "{\"pin\":\"1",
        "{\"pin",
        "{\"a\":\"a@example.com",
        "]",
        "{\"a\":[}",
        "// x\n{}",
        "{\"a\":NaN}",
        "\u{1f}\u{8b}gz",
        "{\"a\":+1}",
    ];
    for body in cases {
        let stopped = masked(&mask, Format::Json, WhenUnparsable::Stop, &[body.as_bytes()]);
        assert!(stopped.1.is_some(), "{body}");
        let (gone, error) = masked(&mask, Format::Json, WhenUnparsable::Pass, &[body.as_bytes()]);
        assert_eq!(error, None);
        assert!(!String::from_utf8(gone).unwrap().contains("a@example.com"));
    }
    for body in ["", " \n", "1", "\"a\"", "\u{feff}"] {
        always(&mask, Format::Json, body, body);
    }
    let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    always(&mask, Format::Json, &deep(512), &deep(512));
    let (_, error) = masked(&mask, Format::Json, WhenUnparsable::Stop, &[deep(513).as_bytes()]);
    assert_eq!(error, Some(Unparsable { at: 512 }));
}

#[test]
fn what_a_rule_has_begun_to_mask_stays_masked_where_the_document_breaks_off() {
    let mask = mask(&json!([{ "names": ["k"], "action": "keep_last" }, { "names": ["x"], "action": "remove" }]));
    let pass = |body: &str| {
        String::from_utf8(masked(&mask, Format::Json, WhenUnparsable::Pass, &[body.as_bytes()]).0).unwrap()
    };
    assert_eq!(pass(r#"{"k":"4111111111111111"#), r#"{"k":"***"#);
    assert_eq!(pass(r#"{"a":1,"x":"4111111111111111"#), r#"{"a":1"#);
}

#[test]
fn what_is_as_it_was_is_not_copied() {
    let mask = mask(&json!([{ "names": ["pin"], "action": "remove" }]));
    let mut stream = Stream::new(&mask, Format::Json, WhenUnparsable::Stop);
    assert_eq!(stream.push(&mask, b"{\"a\":\"long", false), Ok(Masked::Same));
    assert_eq!(stream.push(&mask, b"er\",\"b\":2}", true), Ok(Masked::Same));
}

#[test]
fn what_was_not_saved_is_not_restored() {
    let mask = mask(&json!([{ "names": ["pin"] }]));
    let mut stream = Stream::new(&mask, Format::Json, WhenUnparsable::Stop);
    stream.push(&mask, b"{\"a\":[[{\"pin\":", false).unwrap();
    let saved = stream.save();
    for length in 0..saved.len() {
        assert_eq!(Stream::restore(&saved[..length]), None);
    }
    assert_eq!(Stream::restore(&[0xff; 100]), None);
}
