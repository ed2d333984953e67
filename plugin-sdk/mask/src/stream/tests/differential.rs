//! The same by a walk over serde_json's tree, and by patterns that were put there.

use hmac::{Hmac, KeyInit, Mac};
use proptest::prelude::*;
use serde_json::{Map, Value};

use super::*;
use crate::path::{self, Segment, Selector};

/// Words of which texts consist: what they are, and what is to become of them.
const WORDS: &[(&str, &str)] = &[
    ("plain", "plain"),
    ("grün", "grün"),
    ("1999", "1999"),
    ("\"q\\", "\"q\\"),
    ("🌊\n", "🌊\n"),
    ("eyes", "eyes"),
    ("@home", "@home"),
    ("4111111111111112", "4111111111111112"),
    ("DE00", "DE00"),
    ("4111-1111-1111-1111", "***"),
    ("378282246310005", "***"),
    ("alice+1@mail.example.com", "***"),
    ("müller@bücher.example", "***"),
    ("GB29 NWBK 6016 1331 9268 19", "***"),
    ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "***"),
    ("Bearer s3cret/+==", "Bearer ***"),
    ("078-05-1120", "***"),
];

const NAMES: [&str; 8] = ["id", "pin", "PIN", "hash", "tail", "gone", "list", "üser"];
const PATHS: [&str; 5] = ["$.list[1]", "$..id.list", "$.list[*].id", "$..üser..pin", "$[0]..[2]"];

#[derive(Debug, Clone)]
enum Tree {
    Scalar(Value),
    Text(Vec<usize>),
    List(Vec<Tree>),
    Object(Vec<(usize, Tree)>),
}

fn tree() -> impl Strategy<Value = Tree> {
    let scalar = prop::sample::select(vec![
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(-12.5),
        json!(4_111_111_111_111_111_u64),
        json!(123_456_789),
    ]);
    let text = prop::collection::vec(0..WORDS.len(), 0..6).prop_map(Tree::Text);
    let leaf = prop_oneof![scalar.prop_map(Tree::Scalar), text];
    leaf.prop_recursive(5, 60, 6, |below| {
        prop_oneof![
            prop::collection::vec(below.clone(), 0..5).prop_map(Tree::List),
            prop::collection::vec((0..NAMES.len(), below), 0..6).prop_map(Tree::Object),
        ]
    })
}

impl Tree {
    /// As serde_json has it, before, or with what patterns make of it.
    fn value(&self, is_masked: bool) -> Value {
        match self {
            Self::Scalar(scalar) if is_masked && *scalar == json!(4_111_111_111_111_111_u64) => json!("***"),
            Self::Scalar(scalar) => scalar.clone(),
            Self::Text(words) => {
                let word = |number: &usize| if is_masked { WORDS[*number].1 } else { WORDS[*number].0 };
                Value::String(words.iter().map(word).collect::<Vec<_>>().join(" | "))
            }
            Self::List(elements) => elements.iter().map(|element| element.value(is_masked)).collect(),
            Self::Object(members) => {
                let mut object = Map::new();
                for (name, member) in members {
                    object.insert(NAMES[*name].to_owned(), member.value(is_masked));
                }
                Value::Object(object)
            }
        }
    }
}

/// The reference: by names and paths, with `plain` for what was there and `masked` for what patterns make of it.
fn walk(plain: &Value, masked: &Value, way: &mut Vec<Step>, paths: &[(path::Path, &'static str)]) -> Option<Value> {
    let by_name = match way.last() {
        Some(Step::Name(name)) => {
            ["pin", "hash", "tail", "gone"].into_iter().find(|rule| name.eq_ignore_ascii_case(rule))
        }
        _ => None,
    };
    let by_path = || paths.iter().find(|(path, _)| selects(path, way)).map(|(_, rule)| *rule);
    if let Some(rule) = by_name.or_else(by_path) {
        return (rule != "gone").then(|| everything(plain, rule));
    }
    Some(match (plain, masked) {
        (Value::Array(plain), Value::Array(masked)) => {
            let mut kept = Vec::new();
            for (index, (plain, masked)) in plain.iter().zip(masked).enumerate() {
                way.push(Step::Index(index));
                kept.extend(walk(plain, masked, way, paths));
                way.pop();
            }
            Value::Array(kept)
        }
        (Value::Object(plain), Value::Object(masked)) => {
            let mut kept = Map::new();
            for (name, plain) in plain {
                way.push(Step::Name(name.clone()));
                kept.extend(walk(plain, &masked[name], way, paths).map(|value| (name.clone(), value)));
                way.pop();
            }
            Value::Object(kept)
        }
        (_, masked) => masked.clone(),
    })
}

#[derive(Debug)]
enum Step {
    Name(String),
    Index(usize),
}

fn selects(path: &[Segment], way: &[Step]) -> bool {
    let whole = path;
    let ([segment, path @ ..], [step, rest @ ..]) = (path, way) else { return path.is_empty() && way.is_empty() };
    let is_selected = match (&segment.selector, step) {
        (Selector::Any, _) => true,
        (Selector::Name(name), Step::Name(step)) => name == step,
        (Selector::Index(index), Step::Index(step)) => *index as usize == *step,
        _ => false,
    };
    (is_selected && selects(path, rest)) || (segment.descends && selects(whole, rest))
}

fn everything(value: &Value, rule: &str) -> Value {
    let text = |plain: String| -> String {
        let characters: Vec<char> = plain.chars().collect();
        match rule {
            "hash" => {
                let hash =
                    Hmac::<sha2::Sha256>::new_from_slice(b"key").unwrap().chain_update(plain).finalize().into_bytes();
                let digits: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
                format!("sha256:{digits}")
            }
            "tail" if characters.len() >= 6 => {
                "***".to_owned() + &characters[characters.len() - 3..].iter().collect::<String>()
            }
            _ => "***".to_owned(),
        }
    };
    match value {
        Value::Null => Value::Null,
        Value::Bool(_) => json!("***"),
        Value::Number(number) => json!(text(number.to_string())),
        Value::String(plain) => json!(text(plain.clone())),
        Value::Array(elements) => elements.iter().map(|element| everything(element, rule)).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, member)| (name.clone(), everything(member, rule))).collect()
        }
    }
}

/// JSON, written with escapes and spaces that nobody needs, as `dice` fall.
fn write(value: &Value, dice: &mut dyn FnMut(u32) -> u32, out: &mut String) {
    let space =
        |dice: &mut dyn FnMut(u32) -> u32, out: &mut String| out.push_str(["", "", " ", "\n\t"][dice(4) as usize]);
    space(dice, out);
    match value {
        Value::String(text) => write_text(text, dice, out),
        Value::Array(elements) => {
            out.push('[');
            for (number, element) in elements.iter().enumerate() {
                out.push_str(if number > 0 { "," } else { "" });
                write(element, dice, out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            for (number, (name, member)) in members.iter().enumerate() {
                out.push_str(if number > 0 { "," } else { "" });
                space(dice, out);
                write_text(name, dice, out);
                space(dice, out);
                out.push(':');
                write(member, dice, out);
            }
            out.push('}');
        }
        other => out.push_str(&other.to_string()),
    }
    space(dice, out);
}

fn write_text(text: &str, dice: &mut dyn FnMut(u32) -> u32, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            _ if dice(9) == 0 => {
                out.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
            }
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '/' if dice(2) == 0 => out.push_str("\\/"),
            c => out.push(c),
        }
    }
    out.push('"');
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_comes_to_the_same_as_a_walk_over_the_tree(
        tree in tree(),
        chosen in prop::collection::vec((0..PATHS.len(), prop::sample::select(vec!["pin", "tail", "hash", "gone"])), 0..3),
        seed in any::<u64>(),
        size in 1..60_usize,
    ) {
        let action = |rule: &str| ["redact", "hash", "keep_last", "remove"][["pin", "hash", "tail", "gone"].iter().position(|known| *known == rule).unwrap()];
        let mut rules = vec![
            json!({ "names": ["pin"] }),
            json!({ "names": ["hash"], "action": "hash" }),
            json!({ "names": ["tail"], "action": "keep_last", "keep": 3 }),
            json!({ "names": ["gone"], "action": "remove" }),
            json!({ "patterns": ["card", "email", "token", "iban"], "regexes": [r"\b\d{3}-\d{2}-\d{4}\b"] }),
        ];
        rules.extend(chosen.iter().map(|(path, rule)| json!({ "paths": [PATHS[*path]], "action": action(rule), "keep": 3 })));
        let paths: Vec<_> = chosen.iter().map(|(path, rule)| (path::parse(PATHS[*path]).unwrap(), *rule)).collect();
        let mask = mask(&Value::Array(rules));

        let (plain, by_patterns) = (tree.value(false), tree.value(true));
        let expected = walk(&plain, &by_patterns, &mut Vec::new(), &paths);
        let mut state = seed | 1;
        let mut dice = |sides: u32| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as u32 % sides
        };
        let mut body = String::new();
        write(&plain, &mut dice, &mut body);

        let pieces: Vec<_> = body.as_bytes().chunks(size).collect();
        let (gone, error) = masked(&mask, Format::Json, WhenUnparsable::Stop, &pieces);
        prop_assert_eq!(error, None);
        let gone: Value = serde_json::from_slice(&gone).unwrap();
        prop_assert_eq!(Some(gone), expected, "{}", body);
    }
}
