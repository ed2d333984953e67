use super::*;

fn one(text: &str) -> Case {
    parse(text).unwrap().remove(0)
}

fn broken(text: &str, expected: &[&str]) {
    let problem = parse(text).unwrap_err();
    for part in expected {
        assert!(problem.contains(part), "{problem:?} does not say {part:?}");
    }
}

#[test]
fn what_is_wrong_with_a_file_is_said_with_its_place() {
    let case = |rest: &str| format!("[[case]]\nname = \"n\"\nexpect.reply.status = 401\n{rest}");
    broken(&case("requst.path = \"/\""), &["line 4, column 1", "unknown field `requst`", "`request`"]);
    broken(&case("request.headers.a = true"), &["line 4", "a string, or a list of strings"]);
    broken(
        &case("expect.reply.headers.a = 3"),
        &["a string, a list of strings, true for any value, false for none, or { like = SHAPE }"],
    );
    broken(&case("request.path = \"orders\""), &["line 4", "\"orders\" is no path"]);
    broken(&case("request.method = \"G T\""), &["\"G T\" is no method"]);
    broken(&case("request.client = \"localhost\""), &["line 4", "invalid IP address"]);
    broken(&case("request.certificate.cn = \"alice\""), &["line 4", "unknown field `cn`", "`common_name`"]);
    broken(&case("request.headers.\"a b\" = \"c\""), &["\"a b\" is no header's name"]);
    broken(&case("request.headers.a = \"b\\nc\""), &["the value of a"]);
    broken(&case("answer.status = 100"), &["a status is 200 to 599, not 100"]);
    broken(&case("times = 0"), &["line 4", "nonzero"]);
    broken(&case("config = 3"), &["the config of \"n\" must be a table"]);
    broken("[[case]\n", &["line 1"]);
    broken("", &["no [[case]]"]);
    broken("[[case]]\nname = \"n\"\n[case.expect]\n", &["the case \"n\" expects nothing"]);
}

#[test]
fn a_case_has_what_its_file_says_unless_it_says_otherwise() {
    let text = r#"
config = { a = 1 }
secrets = { s = "file's" }

[[case]]
name = "one"
expect.reply = {}

[[case]]
name = "two"
config = { b = [true, "x"] }
secrets = {}
expect.reply = {}
"#;
    let cases = parse(text).unwrap();
    let configs: Vec<_> = cases.iter().map(|case| case.config.to_string()).collect();
    assert_eq!(configs, [r#"{"a":1}"#, r#"{"b":[true,"x"]}"#]);
    assert_eq!((cases[0].secrets.len(), cases[1].secrets.len()), (1, 0));
    assert_eq!((cases[0].request.method.as_str(), cases[0].request.target.as_str()), ("GET", "/"));
}

#[test]
fn a_header_may_be_of_a_shape() {
    let expected = |shape: &str| {
        let case = one(&format!("[[case]]\nname = \"n\"\nexpect.reply.headers.a = {{ like = \"{shape}\" }}"));
        case.expect.reply.unwrap().headers.remove("a").unwrap()
    };
    let got = |value: &str| vec![value.to_owned()];
    for shape in ["ab-12ü", "??-??ü", "*", "a*", "*ü", "a*2?", "*-*", "***", "ab-12ü*", "*b-1?*?"] {
        assert!(expected(shape).fits(&got("ab-12ü")), "{shape}");
    }
    for shape in ["", "?", "ab-12", "ab-12ü?", "b*", "*a", "a*3*", "??-????*"] {
        assert!(!expected(shape).fits(&got("ab-12ü")), "{shape}");
    }
    assert!(expected("*").fits(&got("")) && expected("").fits(&got("")) && !expected("?").fits(&got("")));
    // One, and no more.
    assert!(!expected("*").fits(&[]));
    assert!(!expected("*").fits(&["a".to_owned(), "b".to_owned()]));
    broken("[[case]]\nname = \"n\"\nexpect.reply.headers.a = { likes = \"x\" }", &["{ like = SHAPE }"]);
}

fn seen(status: u16) -> Seen {
    let response = SeenResponse { status, headers: vec![("x-a".into(), b"1".to_vec())], body: b"{\"a\": 1}".to_vec() };
    Seen { response: Some(response), ..Seen::default() }
}

fn mismatches(expect: &str, seen: &Seen) -> Vec<String> {
    let case = one(&format!("[[case]]\nname = \"n\"\n{expect}"));
    case.judge(seen).iter().map(ToString::to_string).collect()
}

#[test]
fn what_came_out_otherwise_is_said_field_by_field() {
    let expect = r#"
expect.reply = { status = 401, headers = { x-a = "2", x-b = true, X-A = false }, body = "no" }
expect.log = ["refused"]
expect.metrics = { denied_total = 1 }
expect.records = { audit = ["r"] }
"#;
    let got = mismatches(expect, &seen(200));
    assert_eq!(
        got,
        [
            "reply.status: expected 401, got 200",
            "reply.headers.X-A: expected none, got \"1\"",
            "reply.headers.x-a: expected \"2\", got \"1\"",
            "reply.headers.x-b: expected any value, got none",
            "reply.body: expected \"no\", got \"{\\\"a\\\": 1}\"",
            "log: expected a line with \"refused\", got []",
            "metrics.denied_total: expected 1, got nothing",
            "records.audit: expected [\"r\"], got []",
        ]
    );
    let right = "expect.reply = { status = 200, headers = { X-A = [\"1\"], x-b = false }, json = { a = 1 } }";
    assert_eq!(mismatches(right, &seen(200)), [] as [String; 0]);
}

#[test]
fn a_reply_is_none_if_the_upstream_was_asked_and_the_other_way_round() {
    let request = SeenRequest {
        name: "service".into(),
        method: "POST".into(),
        target: "/a?b".into(),
        headers: vec![("x-consumer-username".into(), b"alice".to_vec())],
        body: b"sent".to_vec(),
    };
    let asked = Seen { upstream: Some(request), ..seen(200) };
    let reply = mismatches("expect.reply.status = 200", &asked);
    assert_eq!(reply, ["reply: expected an answer of the plugin's, got a request to the upstream: POST /a?b"]);
    assert_eq!(mismatches("expect.response.status = 200", &asked), [] as [String; 0]);

    let wrong = mismatches(
        "expect.upstream = { name = \"green\", method = \"GET\", path = \"/a\", body = \"\", consumer = \"bob\" }",
        &asked,
    );
    assert_eq!(
        wrong,
        [
            "upstream.name: expected \"green\", got \"service\"",
            "upstream.method: expected \"GET\", got \"POST\"",
            "upstream.path: expected \"/a\", got \"/a?b\"",
            "upstream.body: expected \"\", got \"sent\"",
            "upstream.consumer: expected \"bob\", got \"alice\"",
        ]
    );
    let unasked = mismatches("expect.upstream = {}", &seen(403));
    assert!(unasked[0].starts_with("upstream: expected a request, got an answer without it: 403"), "{unasked:?}");
}

#[test]
fn nothing_may_fail_unasked() {
    let failed = Seen { failure: Some("invalid digit".into()), ..seen(500) };
    assert_eq!(mismatches("expect.response.status = 500", &failed), ["failure: expected none, got \"invalid digit\""]);
    assert_eq!(mismatches("expect.failure = \"digit\"", &failed), [] as [String; 0]);
    assert_eq!(
        mismatches("expect.failure = \"digit\"", &seen(200)),
        ["failure: expected one with \"digit\", got none"]
    );
    let refused = Seen { refused: Some("too many".into()), ..Seen::default() };
    assert_eq!(mismatches("expect.reply.status = 1", &refused), ["refused: expected none, got \"too many\""]);
    assert_eq!(mismatches("expect.refused = \"many\"", &refused), [] as [String; 0]);
}

#[test]
fn a_record_is_its_text_or_json_that_has_what_is_expected() {
    let records = vec![br#"{"request":{"method":"GET","id":7},"status":200}"#.to_vec()];
    let seen = Seen { records: [("audit".to_owned(), records)].into(), ..seen(200) };
    let right = "expect.records = { audit = [{ request = { method = \"GET\" }, status = 200 }] }";
    assert_eq!(mismatches(right, &seen), [] as [String; 0]);
    for wrong in ["{ status = 201 }", "{ request = { method = \"PUT\" } }", "{ other = 1 }", "\"GET\""] {
        assert_eq!(mismatches(&format!("expect.records = {{ audit = [{wrong}] }}"), &seen).len(), 1, "{wrong}");
    }
    assert_eq!(mismatches("expect.records = { audit = [{}, {}] }", &seen).len(), 1);
}

#[test]
fn a_sink_of_its_own_has_what_is_expected_where_it_is_known() {
    let known = Seen { own_sink: Some(serde_json::json!({ "kind": "tcp", "address": "a:1" })), ..seen(200) };
    assert_eq!(mismatches("expect.own_sink = { address = \"a:1\" }", &known), [] as [String; 0]);
    let wrong = mismatches("expect.own_sink = { address = \"a:2\" }", &known);
    assert_eq!(wrong, ["own_sink: expected {\"address\":\"a:2\"}, got {\"address\":\"a:1\",\"kind\":\"tcp\"}"]);
    assert_eq!(mismatches("expect.own_sink = { address = \"a:2\" }", &seen(200)), [] as [String; 0]);
}
