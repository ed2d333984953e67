//! What holds for whatever comes, in whatever pieces.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;

/// Rules of every kind.
static ALL: LazyLock<Mask> = LazyLock::new(|| {
    mask(&json!([
        { "names": ["a", "pin"], "action": "keep_last" },
        { "names": ["x"], "action": "remove" },
        { "names": ["h"], "action": "hash" },
        { "paths": ["$..b[1]", "$[0].c"], "action": "remove" },
        { "patterns": ["card", "email", "token", "iban"], "action": "keep_last", "keep": 1 },
        { "regexes": [r"\bA.{1,3}B", "[yz0-9]{2,5}x"] },
    ]))
});

/// What looks like JSON often enough, with all that rules look for.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let parts = [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\"",
        "\\",
        "\\u0061",
        "\\ud83d",
        "\\ude00",
        "\\\"",
        "\"a\":",
        "\"x\":",
        "\"b\":[1,",
        "\"h\":\"v\"",
        "\"c\"",
        "true",
        "fals",
        "null",
        "12",
        "-1.5e9",
        " ",
        "\n",
        "é",
        "4111111111111111",
        "4111 1111-",
        "a@example.com",
        "@b.cc",
        "eyJhbGciOiJub25lIn0",
        "Bearer ",
        "DE89370400440532013000",
        "AxB",
        "0yx",
        "\u{feff}",
        "x",
    ];
    let part = prop_oneof![
        8 => prop::sample::select(parts.to_vec()).prop_map(|part| part.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..4),
        1 => (prop::sample::select(vec!["a", " ", "1", "\\u0041", "é", "eyJ"]), 1..900_usize)
            .prop_map(|(part, times)| part.repeat(times).into_bytes()),
    ];
    prop::collection::vec(part, 0..40).prop_map(|parts| parts.concat())
}

fn cut<'b>(body: &'b [u8], sizes: &[usize]) -> Vec<&'b [u8]> {
    let (mut pieces, mut rest) = (Vec::new(), body);
    for size in sizes.iter().cycle() {
        if rest.len() <= *size {
            break;
        }
        let (piece, after) = rest.split_at(*size);
        pieces.push(piece);
        rest = after;
    }
    pieces.push(rest);
    pieces
}

fn formats() -> impl Strategy<Value = (Format, WhenUnparsable)> {
    let format = prop::sample::select(vec![Format::Json, Format::Lines, Format::Text, Format::Unknown]);
    (format, prop::sample::select(vec![WhenUnparsable::Stop, WhenUnparsable::Pass]))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pieces_come_to_the_same_as_the_whole(
        body in body(),
        sizes in prop::collection::vec(prop_oneof![3 => 1..4_usize, 1 => 1..2000_usize], 1..8),
        (format, when) in formats(),
    ) {
        let mask = &*ALL;
        let (whole, error) = masked(mask, format, when, &[&body]);
        let (gone, other) = masked(mask, format, when, &cut(&body, &sizes));
        prop_assert_eq!(error, other);
        if error.is_none() {
            prop_assert_eq!(String::from_utf8_lossy(&gone), String::from_utf8_lossy(&whole));
        }
    }

    #[test]
    fn no_bytes_make_it_panic(
        body in prop::collection::vec(any::<u8>(), 0..300),
        (format, when) in formats(),
    ) {
        masked(&ALL, format, when, &[&body]);
    }

    #[test]
    fn what_serde_json_reads_is_read(body in body()) {
        let read = serde_json::from_slice::<serde_json::Value>(&body);
        if read.is_ok() {
            let (gone, error) = masked(&ALL, Format::Json, WhenUnparsable::Stop, &[&body]);
            prop_assert_eq!(error, None);
            prop_assert!(serde_json::from_slice::<serde_json::Value>(&gone).is_ok(), "{}", String::from_utf8_lossy(&gone));
        }
    }
}
