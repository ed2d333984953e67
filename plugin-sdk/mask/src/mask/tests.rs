use tidegate_sdk::json;
use tidegate_sdk::testing::configure;

use super::*;

fn mask(rules: &serde_json::Value) -> Mask {
    compiled(rules).unwrap_or_else(|error| panic!("{error}"))
}

fn compiled(rules: &serde_json::Value) -> Result<Mask, String> {
    let rules: Vec<Rule> = rules.as_array().unwrap().iter().map(|rule| configure(rule.clone()).unwrap()).collect();
    Mask::new(&rules, Some(b"key"))
}

fn text(mask: &Mask, text: &str) -> String {
    String::from_utf8(mask.text(text.as_bytes()).into_owned()).unwrap()
}

#[test]
fn a_name_decides_before_what_the_value_has_in_it() {
    let mask = mask(&json!([{ "patterns": ["email"], "action": "keep_last" }, { "names": ["to", "X-Key"] }]));
    assert_eq!(mask.named("TO", b"alice@example.com").as_deref(), Some(b"***".as_slice()));
    assert_eq!(mask.named("cc", b"<alice@example.com>").as_deref(), Some(b"<***.com>".as_slice()));
    assert_eq!(mask.named("x-key", &[0xff]).as_deref(), Some(b"***".as_slice()));
}

#[test]
fn the_first_rule_of_a_name_decides() {
    let mask =
        mask(&json!([{ "names": ["a"], "action": "keep_last", "keep": 1 }, { "names": ["A"], "action": "remove" }]));
    assert_eq!(mask.named("a", b"12").as_deref(), Some(b"***2".as_slice()));
}

#[test]
fn several_patterns_are_found_in_one_text_from_left_to_right() {
    let mask = mask(&json!([
        { "patterns": ["card"], "action": "keep_last" },
        { "patterns": ["email"], "action": "remove" },
        { "patterns": ["token", "iban"] },
        { "regexes": [r"\b\d{3}-\d{2}-\d{4}\b"], "action": "hash" },
        { "regexes": ["é."] },
    ]));
    let told = "4111 1111 1111 1111, a@example.com; DE89370400440532013000 Bearer x 078-05-1120 4111111111111112 éü!";
    let hash = "sha256:8155fcf91e70f93d";
    assert_eq!(text(&mask, told), format!("***1111, ; *** Bearer *** {hash} 4111111111111112 ***!"));
    assert_eq!(text(&mask, "nothing at all"), "nothing at all");
    assert_eq!(text(&mask, "éü€"), "***€", "no character is cut in two");
}

#[test]
fn rules_that_say_nothing_or_too_much_are_refused() {
    let many: Vec<String> = (0..5).map(|_| "$.a.b.c.d.e.f.g.h.i.j.k.l.m".to_owned()).collect();
    let cases = [
        (json!([{ "names": ["a"] }, {}]), "rules[1]: say what to mask by names, paths, patterns or regexes"),
        (json!([{ "names": [""] }]), "rules[0].names: \"\" has no bytes, or more than 128"),
        (json!([{ "names": ["a".repeat(129)] }]), "rules[0].names: \"aaa"),
        (json!([{ "paths": ["a"] }]), "rules[0].paths: \"a\" is no path: it has to begin with $"),
        (json!([{ "paths": many }]), "rules[0].paths: all paths together have more than 64 segments"),
        (json!([{ "regexes": ["a*"] }]), "rules[0].regexes: \"a*\" may match nothing at all"),
        (json!([{ "names": ["a"], "action": "keep_last", "keep": 0 }]), "rules[0].keep: keeping 0"),
    ];
    for (rules, why) in cases {
        let error = compiled(&rules).err().unwrap();
        assert!(error.starts_with(why), "{error}");
    }
    let rule: Rule = configure(json!({ "names": ["a"], "action": "hash" })).unwrap();
    for key in [None, Some(b"".as_slice())] {
        let error = Mask::new(std::slice::from_ref(&rule), key).err().unwrap();
        assert_eq!(
            error,
            "rules[0].action: hash needs a key, `hash_secret`, without which everybody could try values out"
        );
    }
}
