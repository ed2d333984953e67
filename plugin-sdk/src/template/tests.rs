use proptest::prelude::*;

use super::*;
use crate::HeaderEdits;
use crate::prelude::*;
use crate::testing::{Exchange, Hook, Outcome};

#[test]
fn places_are_found_among_text_that_stands_for_itself() {
    for (template, expected) in [
        ("", ""),
        ("costs $5 ($)", "costs $5 ($)"),
        ("$$(headers.x-user)", "$(headers.x-user)"),
        ("$$$(x)", "$$(x)"),
        ("$('$')$(headers.x-user)", "$ada"),
        ("$(headers.X-User)", "ada"),
        ("$( headers['X-User'] )", "ada"),
        ("a$(headers[\"x-user\"])z", "aadaz"),
        ("$(query_params.q)/$(query_params['two words'])", "x y/2"),
        ("$(uri_captures.id)", "7"),
        ("$(shared.bot-score.value)", "97"),
        ("$(claims.sub) $(claims.realm.id) $(claims['a.b'].c) $(claims.realm['id'])", "s-1 5 deep 5"),
        ("$(claims.realm)", "{\"id\":5}"),
        ("$(headers.none)|$(query_params.none)|$(uri_captures.none)|$(shared.none)|$(claims.none)", "||||"),
        ("$(consumer.username or 'nobody') $(consumer.custom_id)$(consumer.groups)", "nobody "),
        ("$(headers.none or query_params.none or headers.x-user or 'nobody')", "ada"),
        ("$(headers.none or \"it's (none)\")", "it's (none)"),
        ("$(claims.null or 'none') $(claims.realm.none.deeper or 'none')", "none none"),
        ("$(headers.x-empty or 'none')", ""),
        ("ä$(headers.x-user)ö", "äadaö"),
    ] {
        assert_eq!(filled(template), expected, "{template}");
    }
}

#[test]
fn a_consumer_is_told_by_name_id_and_groups() {
    let template: Template = "$(consumer.username) $(consumer.custom_id) $(consumer.groups)".parse().unwrap();
    let told = Hook(move |request: &mut Request| {
        assert!(identity::authenticate_by_key("badge", "b-17"));
        Flow::reply(200).body(template.to_text(&Values::of(request)))
    });
    let groups = vec!["gold".to_owned(), "beta".to_owned()];
    let alice = identity::Consumer { username: "alice".to_owned(), custom_id: Some("a-1".to_owned()), groups };
    let mut exchange = Exchange::get("/").credential("badge", "b-17", alice);
    assert_eq!(exchange.request(&told).reply().text(), "alice a-1 gold, beta");
}

#[test]
fn what_is_no_template_is_refused_with_its_place() {
    for (template, character, problem) in [
        ("$(", 3, "here must be something to fill in"),
        ("$()", 3, "here must be something to fill in"),
        ("x $(headers.a", 14, "here must be \"or\", or the closing \")\""),
        ("$(heders.a)", 3, "there is no \"heders\": what can be filled in is headers, query_params"),
        ("$(headers)", 10, "here must be a name: headers.NAME, or headers['NAME']"),
        ("$(headers.)", 11, "here must be a name"),
        ("ä $(headers['a b'])", 14, "\"a b\" is no header name"),
        ("$(uri_captures[1])", 16, "the name must be in quotes: uri_captures['NAME']"),
        ("$(shared[''])", 11, "this name is empty"),
        ("$(shared['a)", 10, "this quote is never closed"),
        ("$(shared['a')", 13, "here must be the closing \"]\""),
        ("$(consumer.password)", 12, "a consumer has username, custom_id and groups, and no \"password\""),
        ("$(claims.a..b)", 10, "a claim has a name"),
        ("$(headers.a and 'b')", 13, "here must be \"or\""),
        ("$(headers.a or)", 15, "here must be something to fill in"),
        ("$((function() return 1 end)())", 3, "here must be something to fill in"),
    ] {
        let error = template.parse::<Template>().unwrap_err().to_string();
        let expected = format!("{template:?} is no template, see character {character}: {problem}");
        assert!(error.starts_with(&expected), "{error}\n{expected}");
    }
}

#[test]
fn a_path_takes_segments_and_no_dots() {
    for (template, path) in [
        ("/a", Some("/a")),
        ("/$(query_params.q)/z", Some("/x%20y/z")),
        ("/$(query_params.path)", Some("/..%2Fa%3Fb%23c%25d")),
        ("/$(query_params.up)", None),
        ("/$(query_params.up)/z", None),
        ("/.$(query_params.dot)", None),
        ("/a$(query_params.up)", Some("/a..")),
        ("/$(query_params.none)", None),
        ("/$(query_params.none)/z", None),
        ("/a-$(query_params.none)", Some("/a-")),
        ("/$(query_params.none or 'n')", Some("/n")),
        ("/v2/$(uri_captures.rest)", Some("/v2/a/b%20c")),
        ("/v2/$(uri_captures.half)", Some("/v2/%252x")),
        ("/v2/$(uri_captures.up)", None),
        ("/v2/$(uri_captures.none)", None),
        ("/v2/$(uri_captures.nothing)", Some("/v2/")),
    ] {
        let parsed: PathTemplate = template.parse().unwrap();
        let seen = with_values(move |values| parsed.to_path(values).unwrap_or_else(|refusal| refusal.to_string()));
        assert_eq!(seen, path.unwrap_or("a value is empty, or no segment of a path"), "{template}");
    }
    for (template, problem) in [
        ("", "one begins with \"/\""),
        ("a", "one begins with \"/\""),
        ("$(uri_captures.rest)", "one begins with \"/\""),
        ("/a?b=$(query_params.q)", "'?' must be percent-encoded there"),
        ("/a b", "' ' must be percent-encoded there"),
        ("/ä", "'ä' must be percent-encoded there"),
        ("/a%2", "a \"%\" is followed by two hexadecimal digits"),
        ("/a%2$(query_params.q)", "a \"%\" is followed by two hexadecimal digits"),
        ("/%2e%2E/a", "none of its segments is \".\" or \"..\""),
        ("/$(x)", "see character 4: there is no \"x\""),
    ] {
        let error = template.parse::<PathTemplate>().unwrap_err();
        assert!(error.contains(problem), "{template}: {error}");
    }
}

#[test]
fn prepared_edits_leave_nothing_of_one_exchange_for_the_next() {
    let mut edits = HeaderEdits::default();
    edits.append(&"x-a".parse().unwrap(), "$(headers.x-user)".parse().unwrap()).unwrap();
    edits.append(&"x-a".parse().unwrap(), "always".parse().unwrap()).unwrap();
    let hook = Hook(move |request: &mut Request| {
        request.edit_headers(&edits);
        assert!(!format!("{edits:?}").contains(&format!("{:?}", b"ada".to_vec())), "{edits:?}");
        Flow::Next
    });
    for (user, expected) in [("ada", ["ada", "always"]), ("", ["", "always"])] {
        let mut exchange = Exchange::get("/").header("x-user", user);
        assert_eq!(exchange.request(&hook), Outcome::Next);
        assert_eq!(exchange.upstream_headers().all("x-a"), expected);
    }
}

#[test]
fn prepared_edits_are_made_after_those_that_wait() {
    let mut edits = HeaderEdits::default();
    edits.append(&"x-a".parse().unwrap(), "2".parse().unwrap()).unwrap();
    let hook = Hook(move |request: &mut Request| {
        request.append_header("x-a", "1");
        request.edit_headers(&edits);
        request.append_header("x-a", "3");
        Flow::Next
    });
    let mut exchange = Exchange::get("/");
    assert_eq!(exchange.request(&hook), Outcome::Next);
    assert_eq!(exchange.upstream_headers().all("x-a"), ["1", "2", "3"]);
}

#[test]
fn what_no_header_value_may_have_is_refused_when_edits_are_prepared() {
    let mut edits = HeaderEdits::default();
    let refused = edits.set(&"x-a".parse().unwrap(), "a\r\n$(headers.x)".parse().unwrap());
    assert_eq!(refused, Err("a header value has no control characters".to_owned()));
}

proptest! {
    #[test]
    fn no_value_adds_a_header(value in any::<Vec<u8>>()) {
        let template: Template = "<$(shared.value)>".parse().unwrap();
        let hook = Hook(move |request: &mut Request| {
            exchange::set_shared("value", &value);
            let value = template.to_header_value(&Values::of(request));
            request.set_header("x-a", value);
            Flow::Next
        });
        // The gateway refuses what is no header value.
        prop_assert_eq!(Exchange::get("/").request(&hook), Outcome::Next);
    }

    #[test]
    fn no_value_leaves_its_segment(value in any::<String>()) {
        let template: PathTemplate = "/a/$(shared.value)/z".parse().unwrap();
        let told = value.clone();
        let hook = Hook(move |request: &mut Request| {
            exchange::set_shared("value", &told);
            let path = template.to_path(&Values::of(request));
            match path {
                Ok(path) => request.set_path(&path),
                Err(UnsafePath) => return Flow::reply(400).empty(),
            }
            Flow::Next
        });
        let mut exchange = Exchange::get("/");
        if exchange.request(&hook) == Outcome::Next {
            let path = exchange.upstream_path().to_owned();
            let segments: Vec<&str> = path.split('/').collect();
            prop_assert_eq!(segments.len(), 4, "{}", path);
            prop_assert_eq!((segments[1], segments[3]), ("a", "z"));
            let decoded = crate::query::Params::of(&format!("v={}", segments[2])).all("v");
            prop_assert_eq!(decoded, [value]);
        } else {
            prop_assert!(["", ".", ".."].contains(&value.as_str()));
        }
    }

    #[test]
    fn parsing_ends_whatever_it_is_given(text in "[$()a-z.'\\[\\] or]{0,40}") {
        if let Ok(template) = text.parse::<Template>() {
            prop_assert!(template.as_text().is_some() || text.contains("$("));
        }
    }
}

fn filled(template: &str) -> String {
    let parsed: Template = template.parse().unwrap_or_else(|error| panic!("{error}"));
    with_values(move |values| parsed.to_text(values))
}

/// What comes out for one exchange that has something of everything.
fn with_values(fill: impl Fn(&Values<'_>) -> String) -> String {
    let told = Hook(move |request: &mut Request| {
        exchange::set_shared("bot-score.value", "97");
        let claims = json!({ "sub": "s-1", "realm": { "id": 5 }, "a.b": { "c": "deep" }, "null": null });
        exchange::set_shared("jwt-claims", claims.to_string());
        Flow::reply(200).body(fill(&Values::of(request)))
    });
    let target = "/?q=x+y&two%20words=2&path=..%2Fa%3Fb%23c%25d&up=%2e.&dot=.";
    let exchange = Exchange::get(target).header("x-user", "ada").header("x-empty", "");
    let captures = [("id", "7"), ("rest", "a/b%20c"), ("half", "%2x"), ("up", "../b"), ("nothing", "")];
    let mut exchange = captures.iter().fold(exchange, |exchange, (name, found)| exchange.capture(name, found));
    exchange.request(&told).reply().text().to_owned()
}
