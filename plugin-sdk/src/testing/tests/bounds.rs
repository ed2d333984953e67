//! Heads, scratch and calls are held to the gateway's bounds.

use std::cell::RefCell;
use std::fs;
use std::path::Path;

use super::{edit, respond};
use crate::prelude::*;
use crate::testing::{Exchange, Hook, Outcome, configure, limits, timer};

#[test]
fn the_bounds_are_the_gateways() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |file: &str| fs::read_to_string(root.join(file)).expect("the sources lie side by side");
    let gateways =
        ["limits.rs", "limits/stores.rs", "limits/sinks.rs"].map(|file| read(&format!("../runtime/src/{file}")));
    let here = read("src/testing/limits.rs");
    let bounds: Vec<_> = here.lines().filter_map(|line| line.strip_prefix("pub(super) ")).collect();
    assert!(bounds.len() > 15, "{bounds:?}");
    for bound in bounds {
        assert!(gateways.iter().any(|file| file.contains(&format!("\npub {bound}\n"))), "{bound}");
    }
}

#[test]
fn an_edit_may_not_make_too_many_fields_of_a_head() {
    let add = |fields: usize| {
        edit(move |request| (0..fields).for_each(|number| request.append_header(format!("x-{number}"), "1")))
    };
    // The host field is there already.
    assert_eq!(Exchange::get("/").request(&add(limits::HEADER_FIELDS - 1)), Outcome::Next);
    let refused = "a header section holds at most 200 fields here";
    assert_eq!(Exchange::get("/").request(&add(limits::HEADER_FIELDS)).failure(), refused);
    assert_eq!(Exchange::get("/").request(&add(1 << 16)).failure(), refused);
    let many = respond(|response, _| {
        (0..=limits::HEADER_FIELDS).for_each(|_| response.append_header("x-same", "1"));
        Ok(Flow::Next)
    });
    assert_eq!(Exchange::get("/").response(&many).failure(), refused);
}

#[test]
fn edits_that_take_no_room_are_made_however_full_a_head_is() {
    let fill = |request: &mut Request| {
        (1..limits::HEADER_FIELDS).for_each(|number| request.append_header(format!("x-{number}"), "1"));
    };
    let no_room = edit(move |request| {
        fill(request);
        request.replace_header("x-1", "2");
        request.add_header("x-1", "3");
        request.rename_header("x-2", "x-3");
        request.add_header("x-2", "4");
    });
    let mut exchange = Exchange::get("/");
    assert_eq!(exchange.request(&no_room), Outcome::Next);
    let headers = exchange.upstream_headers();
    assert_eq!(["x-1", "x-2", "x-3"].map(|name| headers.all(name)), [["2"], ["4"], ["1"]]);
    let too_much = edit(move |request| {
        fill(request);
        request.rename_header("x-1", "x-new");
        request.add_header("x-1", "1");
    });
    assert_eq!(Exchange::get("/").request(&too_much).failure(), "a header section holds at most 200 fields here");
}

#[test]
fn no_kind_of_edit_reaches_a_field_of_the_gateways() {
    let edits: [fn(&mut Request); 4] = [
        |request| request.replace_header("content-length", "0"),
        |request| request.add_header("content-length", "0"),
        |request| request.rename_header("x-a", "content-length"),
        |request| request.rename_header("content-length", "x-a"),
    ];
    for made in edits {
        let refused = "content-length belongs to the gateway, plugins cannot edit it";
        assert_eq!(Exchange::get("/").request(&edit(made)).failure(), refused);
    }
}

#[test]
fn a_reply_has_a_bound_on_its_fields_and_no_field_of_the_gateways() {
    let reply = |fields: usize| {
        Hook(move |_: &mut Request| {
            let reply = (0..fields).fold(Flow::reply(200), |reply, number| reply.header(format!("x-{number}"), "1"));
            reply.empty()
        })
    };
    assert_eq!(Exchange::get("/").request(&reply(limits::HEADER_FIELDS)).reply().status, 200);
    let refused = "its reply cannot be sent: 201 header fields are more than 200";
    assert_eq!(Exchange::get("/").request(&reply(limits::HEADER_FIELDS + 1)).failure(), refused);
    let own = Hook(|_: &mut Request| Flow::reply(200).header("X-Gateway-Error", "none").empty());
    let refused = "its reply cannot be sent: x-gateway-error belongs to the gateway, plugins cannot edit it";
    assert_eq!(Exchange::get("/").request(&own).failure(), refused);
}

#[test]
fn names_that_are_none_are_refused_in_the_gateways_words() {
    let set = |name: &'static str| edit(move |request| request.set_header(name, "1"));
    assert_eq!(Exchange::get("/").request(&set("no name")).failure(), "\"no name\" is no header name");
    assert_eq!(Exchange::get("/").request(&set("")).failure(), "\"\" is no header name");
}

#[test]
fn a_refused_status_leaves_the_response_as_it_was() {
    let refused = respond(|response, _| {
        response.set_status(600);
        assert_eq!((response.status(), response.header("etag").unwrap().to_str()), (200, Ok("1")));
        Ok(Flow::Next)
    });
    let failure = Exchange::get("/").answer(200, &[("etag", "1")]).response(&refused).failure();
    assert_eq!(failure, "600 is no final status: expected 200 to 599");
}

#[test]
fn a_path_has_one_form_whoever_writes_it() {
    for (path, expected) in [
        ("/", "/"),
        ("/a/b/", "/a/b/"),
        ("//a", "/a"),
        ("/a///b//", "/a/b/"),
        ("/x/../a", "/a"),
        ("/./a", "/a"),
        ("/a/.", "/a/"),
        ("/a/b/..", "/a/"),
        ("/../../a", "/a"),
        ("/..", "/"),
        ("/%61dmin", "/admin"),
        ("/%2e%2E/a", "/a"),
        ("/a%2fb%20c", "/a%2Fb%20c"),
        ("/caf%c3%a9", "/caf%C3%A9"),
        ("/caf\u{e9}", "/caf%C3%A9"),
        ("/b../x", "/b../x"),
        ("/%2561", "/%2561"),
        ("/a\\b", "/a%5Cb"),
        ("/a b", "/a%20b"),
        ("/a\"b|c", "/a%22b%7Cc"),
    ] {
        let mut exchange = Exchange::get("/?q=..%2e");
        assert_eq!(exchange.request(&edit(|request| request.set_path(path))), Outcome::Next);
        assert_eq!((exchange.upstream_path(), exchange.upstream_query()), (expected, Some("q=..%2e")), "{path}");
    }
    for path in ["/100%", "/%4", "/%zz", "/%%361", "/%+f"] {
        let failure = Exchange::get("/").request(&edit(|request| request.set_path(path))).failure();
        assert_eq!(failure, "a % that is not followed by two hexadecimal digits", "{path}");
    }
    for path in ["", "a", "/a?b", "/a#b"] {
        let failure = Exchange::get("/").request(&edit(|request| request.set_path(path))).failure();
        assert_eq!(failure, "a path begins with \"/\", and has no \"?\" and no \"#\"", "{path}");
    }
    assert_eq!(Exchange::new("OPTIONS", "*").upstream_path(), "*");
}

#[test]
fn queries_and_methods_are_what_the_gateway_can_forward() {
    for query in ["a=<b>", "a b", "a#b", "a\n"] {
        let failure = Exchange::get("/").request(&edit(|request| request.set_query(Some(query)))).failure();
        assert_eq!(failure, "the query has a character that must be percent-encoded", "{query}");
    }
    for method in ["", "CONNECT", "GE T", "GET\n"] {
        let failure = Exchange::get("/").request(&edit(|request| request.set_method(method))).failure();
        assert_eq!(failure, format!("{method:?} is no method that can be forwarded"));
    }
}

#[test]
fn scratch_is_replaced_within_its_bound() {
    let most = vec![0; limits::SCRATCH_BYTES - 2];
    let fill = edit(|_| {
        exchange::set("a", &most);
        exchange::set("a", &most);
        exchange::set("a", "");
        exchange::set_shared("b", &most);
    });
    assert_eq!(Exchange::get("/").request(&fill), Outcome::Next);
}

#[test]
#[should_panic(expected = "the scratch of one exchange holds at most 65536 bytes and 256 values")]
fn private_and_shared_scratch_have_one_bound_in_bytes() {
    let half = vec![0; limits::SCRATCH_BYTES / 2];
    let _ = Exchange::get("/").request(&edit(|_| {
        exchange::set("a", &half);
        exchange::set_shared("a", &half);
    }));
}

#[test]
#[should_panic(expected = "the scratch of one exchange holds at most 65536 bytes and 256 values")]
fn private_and_shared_scratch_have_one_bound_in_values() {
    let set = edit(|_| {
        for number in 0..limits::SCRATCH_VALUES / 2 {
            exchange::set(&number.to_string(), "");
            exchange::set_shared(&number.to_string(), "");
        }
    });
    let mut exchange = Exchange::get("/");
    assert_eq!(exchange.request(&set), Outcome::Next, "so many are within the bound");
    let _ = exchange.request(&edit(|_| exchange::set("one more", "")));
}

#[test]
fn each_hook_has_all_of_its_calls() {
    let call = edit(|_| (0..limits::PLUGIN_HOST_CALLS).for_each(|_| drop(exchange::id())));
    let mut exchange = Exchange::get("/");
    assert_eq!(exchange.request(&call), Outcome::Next);
    assert_eq!(exchange.request(&call), Outcome::Next);
}

#[test]
#[should_panic(expected = "called the gateway more than 10000 times")]
fn a_hook_that_calls_too_often_traps() {
    let _ = Exchange::get("/").request(&edit(|_| {
        (0..limits::PLUGIN_HOST_CALLS).for_each(|_| drop(exchange::id()));
        log::info!("one too many");
    }));
}

#[test]
fn a_line_is_cut_where_a_character_ends() {
    let long = "x".repeat(limits::PLUGIN_LOG_BYTES - 1) + "é";
    let mut exchange = Exchange::get("/");
    assert_eq!(exchange.request(&edit(|_| log::write(log::Level::Info, &long))), Outcome::Next);
    assert_eq!(exchange.log()[0].1.len(), limits::PLUGIN_LOG_BYTES - 1);
}

#[test]
fn a_failure_undoes_edits_and_nothing_else() {
    let fail = Hook(|request: &mut Request| -> Result {
        request.set_header("x-half", "1");
        exchange::set("tried", "yes");
        kv::increment("tries", 1, None)?;
        metrics::counter_add("tries_total", &[], 1.0)?;
        sink::emit("audit", "tried")?;
        Err("out of luck".into())
    });
    let mut exchange = Exchange::get("/").sink("audit");
    assert_eq!(exchange.request(&fail).failure(), "out of luck");
    assert_eq!(exchange.upstream_headers().first("x-half"), None);
    assert_eq!((exchange.metric("tries_total"), exchange.delivered("audit").len()), (Some(1.0), 1));
    let left = edit(|_| {
        assert_eq!(kv::get("tries"), Ok(Some(b"1".to_vec())));
        assert_eq!(exchange::get("tried").as_deref(), Some(b"yes".as_slice()));
    });
    assert_eq!(exchange.request(&left), Outcome::Next);
}

#[test]
fn an_unknown_credential_changes_nothing() {
    let alice = identity::Consumer { username: "alice".into(), ..Default::default() };
    let elsewhere = Exchange::get("/").credential("jwt", "t", alice.clone());
    let gone = RefCell::new(None);
    assert_eq!({ elsewhere }.request(&edit(|_| *gone.borrow_mut() = identity::find("jwt", "t"))), Outcome::Next);
    let gone = gone.into_inner().expect("it is known there");

    let mut exchange = Exchange::get("/").credential("key-auth", "k", alice);
    let enter = edit(|_| {
        assert!(identity::authenticate_by_key("key-auth", "k"));
        assert!(!identity::authenticate_by_key("key-auth", "other"));
        assert_eq!(exchange::consumer().as_deref(), Some("alice"));
        assert_eq!(identity::authenticate(&gone), Err("there is no credential \"jwt-1\"".to_owned()));
    });
    assert_eq!(exchange.request(&enter), Outcome::Next);
    assert_eq!(exchange.consumer(), Some("alice"));
}

#[test]
fn what_takes_no_room_is_refused_for_none() {
    let mut exchange = Exchange::get("/");
    for number in 0..limits::HEADER_FIELDS - 10 {
        exchange = exchange.header(&format!("x-{number}"), "1");
    }
    let fewer = edit(|request| {
        (0..20).for_each(|number| request.set_header(format!("x-{number}"), "2"));
        (20..60).for_each(|number| request.remove_header(format!("x-{number}")));
    });
    assert_eq!(exchange.request(&fewer), Outcome::Next);
    let again = edit(|_| {
        (0..limits::SCRATCH_VALUES).for_each(|number| exchange::set(&number.to_string(), "1"));
        exchange::set("0", "2");
    });
    assert_eq!(exchange.request(&again), Outcome::Next);
}

/// A config, or a timer hook, that does this.
#[derive(Config)]
#[config(validate = Outside::check)]
struct Outside {
    does: String,
}

impl Outside {
    fn check(&self) -> Result<(), String> {
        match self.does.as_str() {
            "asks who it is" => drop(exchange::id()),
            "asks a server" => drop(http::get("http://flags.internal/").send()),
            "delivers" => drop(sink::emit("audit", "x")),
            "logs" => log::info!("loaded"),
            _ => {}
        }
        kv::set("configured", &self.does, None)
    }
}

impl TimerHook for Outside {
    fn on_timer(&self) -> Result<()> {
        Ok(self.check()?)
    }
}

#[test]
fn what_a_config_and_a_timer_hook_may_do_without_an_exchange() {
    let mut exchange = Exchange::get("/").sink("audit");
    let plugin: Outside = exchange.configure(json!({ "does": "logs" })).unwrap();
    assert_eq!(exchange.log()[0].1, "loaded");
    assert_eq!(exchange.timer(&plugin), Ok(()));
    assert_eq!(exchange.timer(&Outside { does: "delivers".into() }), Ok(()));
    assert_eq!(exchange.delivered("audit"), [b"x"]);
    assert_eq!(timer(&plugin), Ok(()));
    let told =
        Hook(|_: &mut Request| -> Result { Ok(Flow::reply(200).body(kv::get("configured")?.unwrap_or_default())) });
    assert_eq!(exchange.request(&told).reply().text(), "delivers");
}

#[test]
#[should_panic(expected = "there is no exchange in `describe` and `configure`")]
fn a_config_has_no_exchange() {
    let _ = configure::<Outside>(json!({ "does": "asks who it is" }));
}

#[test]
#[should_panic(expected = "no server can be asked while a plugin is loaded")]
fn a_config_asks_no_server() {
    let _ = configure::<Outside>(json!({ "does": "asks a server" }));
}

#[test]
#[should_panic(expected = "nothing is delivered while a plugin is loaded")]
fn a_config_delivers_nothing() {
    let _ = configure::<Outside>(json!({ "does": "delivers" }));
}

#[test]
#[should_panic(expected = "there is no exchange in a timer hook")]
fn a_timer_hook_has_no_exchange() {
    let _ = timer(&Outside { does: "asks who it is".into() });
}

#[test]
fn a_config_may_be_tested_within_a_hook() {
    let within = edit(|_| {
        assert!(configure::<Outside>(json!({ "does": "nothing" })).is_ok());
        assert_eq!(exchange::id().len(), 32);
    });
    assert_eq!(Exchange::get("/").request(&within), Outcome::Next);
}
