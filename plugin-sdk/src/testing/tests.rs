mod bounds;
mod services;

use super::{Exchange, Hook, Outcome, cases};
use crate::log::Level;
use crate::prelude::*;

fn edit(change: impl Fn(&mut Request)) -> Hook<impl Fn(&mut Request) -> Flow> {
    Hook(move |request: &mut Request| {
        change(request);
        Flow::Next
    })
}

fn respond<F: Fn(&mut Response, &Request) -> Result>(hook: F) -> Hook<F> {
    Hook(hook)
}

#[test]
fn a_request_is_read_as_it_came() {
    let read = edit(|request| {
        assert_eq!(request.method(), "POST");
        assert_eq!((request.scheme().as_str(), request.host().as_str()), ("https", "shop.test:8443"));
        assert_eq!((request.path().as_str(), request.query().as_deref()), ("/a%20b", Some("x=1&x=two+2")));
        assert_eq!(request.query_param("x").as_deref(), Some("1"));
        assert_eq!(request.query_param_all("x"), ["1", "two 2"]);
        assert_eq!(request.header("X-ONE").unwrap(), "1");
        assert_eq!(request.header_all("x-one").len(), 2);
        assert_eq!(request.header("no such name"), None);
        assert_eq!(request.headers().len(), 3);
        assert_eq!(exchange::client_ip().to_string(), "192.0.2.1");
        assert_eq!((exchange::route().as_deref(), exchange::service().as_deref()), (Some("route"), Some("service")));
        assert_eq!((exchange::id().len(), exchange::consumer()), (32, None));
    });
    let exchange = Exchange::new("POST", "/a%20b?x=1&x=two+2").scheme("https").header("Host", "shop.test:8443");
    assert_eq!(exchange.header("x-one", "1").header("X-One", [0xff]).request(&read), Outcome::Next);
}

#[test]
fn edits_are_seen_by_later_reads_and_by_the_upstream() {
    let hook = edit(|request| {
        request.set_header("X-A", "1");
        request.append_header("x-a", "2");
        request.remove_header("x-b");
        assert_eq!(request.header_all("x-a"), ["1", "2"]);
        request.set_header("x-a", "3");
        request.remove_query_param("b");
    });
    let mut exchange = Exchange::get("/?a=%7e&b=2").header("x-a", "0").header("x-b", "b");
    assert_eq!(exchange.request(&hook), Outcome::Next);
    assert_eq!(exchange.upstream_headers().all("x-a"), ["3"]);
    assert_eq!(exchange.upstream_headers().first("x-b"), None);
    assert_eq!(exchange.upstream_query(), Some("a=%7e"));
}

#[test]
fn a_refused_edit_fails_the_hook_and_undoes_the_others() {
    let refused = |name: &'static str, value: &'static str| {
        let hook = edit(move |request| {
            request.set_header("x-good", "1");
            assert!(request.header("x-good").is_some());
            log::info!("about to set {name}");
            request.set_header(name, value);
        });
        let mut exchange = Exchange::get("/");
        let reason = exchange.request(&hook).failure();
        assert_eq!(exchange.upstream_headers().first("x-good"), None);
        assert_eq!(exchange.log(), [(Level::Info, format!("about to set {name}"))]);
        reason
    };
    assert_eq!(refused("Connection", "close"), "connection belongs to the gateway, plugins cannot edit it");
    assert_eq!(refused("content-length", "1"), "content-length belongs to the gateway, plugins cannot edit it");
    assert_eq!(refused("x-a", "1\nx-b: 2"), "the value of x-a has a byte that no header value may have");
    assert!(refused("x a", "1").starts_with("\"x a\" is no header name"));
    let query = edit(|request| request.set_query(Some("a b")));
    assert_eq!(Exchange::get("/").request(&query).failure(), "the query has a character that must be percent-encoded");
}

#[test]
fn a_reply_that_cannot_be_sent_is_a_failure() {
    let status = Exchange::get("/").request(&Hook(|_: &mut Request| Flow::reply(999).empty()));
    assert_eq!(status.failure(), "its reply cannot be sent: 999 is no final status: expected 200 to 599");
    let field = Exchange::get("/").request(&Hook(|_: &mut Request| Flow::reply(200).header("te", "x").empty()));
    assert!(field.failure().contains("te belongs to the gateway"));
}

#[test]
fn response_hooks_see_the_answer_and_read_the_request() {
    let hook = respond(|response, request| {
        let status = response.status();
        response.set_header("x-was", format!("{status} {}", request.path()));
        response.set_status(203);
        response.remove_header("server");
        Ok(Flow::Next)
    });
    let mut exchange = Exchange::get("/a").answer(201, &[("Server", "s")]);
    assert_eq!(exchange.response(&hook), Outcome::Next);
    assert_eq!((exchange.client_status(), exchange.client_headers().first("x-was")), (203, Some("201 /a")));
    assert_eq!(exchange.client_headers().first("server"), None);

    let mut exchange = Exchange::get("/b");
    let own = exchange.request(&Hook(|_: &mut Request| Flow::reply(403).header("x-own", "1").body("no"))).reply();
    assert_eq!((own.status, own.text()), (403, "no"));
    assert_eq!(exchange.response(&hook), Outcome::Next);
    assert_eq!(exchange.client_headers().first("x-was"), Some("403 /b"));
}

#[test]
fn a_failing_response_hook_gives_its_reason() {
    let hook = respond(|response, _| {
        response.set_header("x-half", "1");
        let _: u8 = "many".parse()?;
        Ok(Flow::Next)
    });
    let mut exchange = Exchange::get("/");
    assert_eq!(exchange.response(&hook).failure(), "invalid digit found in string");
    assert_eq!(exchange.client_headers().first("x-half"), None);
    let hook = respond(|response, _| {
        response.set_status(99);
        Ok(Flow::Next)
    });
    assert_eq!(exchange.response(&hook).failure(), "99 is no final status: expected 200 to 599");
}

#[test]
fn an_authenticated_consumer_is_told_upstream_by_the_gateway_alone() {
    let hook = edit(|_| {
        let credential = identity::find("key-auth", "k").expect("the key is known");
        assert_eq!(identity::find("jwt", "k"), None);
        identity::authenticate(&credential).expect("the credential is known");
        assert_eq!(exchange::consumer().as_deref(), Some("alice"));
    });
    let groups = vec!["buyers".to_owned(), "staff".to_owned()];
    let alice = identity::Consumer { username: "alice".into(), groups, ..Default::default() };
    let mut exchange = Exchange::get("/").credential("key-auth", "k", alice).header("X-Consumer-Custom-ID", "forged");
    assert_eq!(exchange.request(&hook), Outcome::Next);
    let told = exchange.upstream_headers();
    assert_eq!((told.first("x-consumer-username"), told.first("x-consumer-custom-id")), (Some("alice"), None));
    assert_eq!(told.first("x-consumer-groups"), Some("buyers, staff"));
    assert_eq!(told.first("x-credential-identifier"), Some("key-auth-1"));
}

#[test]
fn scratch_lasts_from_hook_to_hook() {
    let mut exchange = Exchange::get("/");
    assert_eq!(exchange.request(&edit(|_| exchange::set("k", "v"))), Outcome::Next);
    let read = respond(|_, _| {
        assert_eq!(exchange::get("k").as_deref(), Some(b"v".as_slice()));
        Ok(Flow::Next)
    });
    assert_eq!(exchange.response(&read), Outcome::Next);
}

#[test]
#[should_panic(expected = "there is no exchange outside of a hook")]
fn outside_of_a_hook_there_is_no_exchange() {
    exchange::id();
}

#[test]
fn what_a_handshake_and_a_route_found_is_there_to_read() {
    let read = Hook(|request: &mut Request| {
        let subject = exchange::client_certificate().map(|shown| shown.subject).unwrap_or_default();
        let id = request.capture("id").unwrap_or_default();
        Flow::reply(200).body(format!("{subject} {id}"))
    });
    assert_eq!(Exchange::get("/").request(&read).reply().text(), " ");
    let certificate = exchange::ClientCertificate { subject: "CN=alice".to_owned(), ..Default::default() };
    let known = Exchange::get("/orders/7").certificate(certificate).capture("id", "7").request(&read).reply();
    assert_eq!(known.text(), "CN=alice 7");
}

#[derive(Config)]
struct Passing;

impl RequestHook for Passing {
    fn on_request(&self, _: &mut Request) -> Flow {
        Flow::Next
    }
}

export!(Passing: RequestHook);

#[test]
#[should_panic(
    expected = "it did not come out as expected:\nsrc/testing/tests/wrong.toml: the first comes out otherwise\n    \
                           reply: expected an answer of the plugin's, got a request to the upstream: GET /a"
)]
fn a_case_that_comes_out_otherwise_is_said_with_its_name() {
    cases::<Passing>("src/testing/tests/wrong.toml");
}

#[test]
#[should_panic(expected = "src/nowhere cannot be read")]
fn there_must_be_cases() {
    cases::<Passing>("src/nowhere");
}
