use super::*;
use crate::Flow;
use crate::identity::{self, Consumer};
use crate::testing::{Exchange, Hook};

/// Whom this exchange is counted for, after the claims that another plugin has left.
fn told(limit_by: LimitBy, named: Named, claims: Option<&str>, mut exchange: Exchange) -> String {
    let subject = Subject::new(limit_by, named).unwrap();
    let claims = claims.map(str::to_owned);
    let told = Hook(move |request: &mut Request| {
        identity::authenticate_by_key("key-auth", "k");
        if let Some(claims) = &claims {
            exchange::set_shared(CLAIMS, claims);
        }
        Flow::reply(200).body(subject.of(request))
    });
    exchange.request(&told).reply().text().to_owned()
}

fn named(set: impl FnOnce(&mut Named)) -> Named {
    let mut named = Named::default();
    set(&mut named);
    named
}

#[test]
fn everybody_is_told_apart_as_asked() {
    let alice = Consumer { username: "alice".to_owned(), ..Consumer::default() };
    let known = Exchange::get("/orders").credential("key-auth", "k", alice);
    let tenant = named(|named| named.header_name = Some(HeaderName::from_static("x-tenant")));
    let orders = named(|named| named.path = Some("/orders".to_owned()));
    assert_eq!(told(LimitBy::Consumer, Named::default(), None, known.clone()), "consumer=alice");
    assert_eq!(told(LimitBy::Credential, Named::default(), None, known.clone()), "credential=key-auth-1");
    assert_eq!(told(LimitBy::Ip, Named::default(), None, known.clone()), "192.0.2.1");
    assert_eq!(told(LimitBy::Service, Named::default(), None, known.clone()), "service=service");
    assert_eq!(told(LimitBy::Route, Named::default(), None, known.clone()), "route=route");
    assert_eq!(told(LimitBy::Header, tenant, None, known.clone().header("x-tenant", "t1")), "header=t1");
    assert_eq!(told(LimitBy::Path, orders, None, known), "path=/orders");
}

#[test]
fn who_cannot_be_told_apart_as_asked_is_by_address() {
    let tenant = || named(|named| named.header_name = Some(HeaderName::from_static("x-tenant")));
    let orders = named(|named| named.path = Some("/orders".to_owned()));
    let user = named(|named| named.claim_name = Some("sub".to_owned()));
    let session = named(|named| named.cookie_name = Some("session".to_owned()));
    for (limit_by, named) in [
        (LimitBy::Consumer, Named::default()),
        (LimitBy::Credential, Named::default()),
        (LimitBy::Header, tenant()),
        (LimitBy::Path, orders),
        (LimitBy::Cookie, session),
        (LimitBy::Claim, user),
    ] {
        assert_eq!(told(limit_by, named, None, Exchange::get("/orders/7")), "192.0.2.1", "{limit_by:?}");
    }
    assert_eq!(told(LimitBy::Header, tenant(), None, Exchange::get("/").header("x-tenant", "")), "192.0.2.1");
}

#[test]
fn values_that_are_long_or_no_text_are_known_by_their_digest() {
    let tenant = || named(|named| named.header_name = Some(HeaderName::from_static("x-tenant")));
    let header = |value: &[u8]| told(LimitBy::Header, tenant(), None, Exchange::get("/").header("x-tenant", value));
    assert_eq!(header(&[b'a'; 256]), format!("header={}", "a".repeat(256)));
    let (long, longer, odd) = (header(&[b'a'; 257]), header(&[b'a'; 9_000]), header(&[0xff]));
    assert!(long.starts_with("header#=") && long.len() == 72, "{long}");
    assert!(long != longer && longer != odd && odd.len() == 72, "{longer} {odd}");
}

#[test]
fn cookies_are_found_among_others_and_in_several_fields() {
    let session = || named(|named| named.cookie_name = Some("session".to_owned()));
    let cookie = |headers: &[&str]| {
        let exchange = headers.iter().fold(Exchange::get("/"), |exchange, value| exchange.header("cookie", value));
        told(LimitBy::Cookie, session(), None, exchange)
    };
    assert_eq!(cookie(&["a=b; session=s=1 ;c=d"]), "cookie=s=1");
    assert_eq!(cookie(&["a=b", "session=s2"]), "cookie=s2");
    assert_eq!(cookie(&["session=; xsession=no; Session=no; session"]), "192.0.2.1");
    assert_eq!(cookie(&["session=s1; session=s2"]), "cookie=s1");
}

#[test]
fn claims_are_text_numbers_or_truth_values() {
    let claim = |claims: &str| {
        let sub = named(|named| named.claim_name = Some("sub".to_owned()));
        told(LimitBy::Claim, sub, Some(claims), Exchange::get("/"))
    };
    assert_eq!(claim(r#"{"iss":{"a":[1]},"sub":"u\u0031","x":null}"#), "claim=u1");
    assert_eq!(claim(r#"{"sub":7}"#), "claim=7");
    assert_eq!(claim(r#"{"sub":true}"#), "claim=true");
    for without in [r#"{"sub":["u"]}"#, r#"{"sub":null}"#, r#"{"sub":""}"#, "{}", "[]", "no JSON", r#"{"sub":"u""#] {
        assert_eq!(claim(without), "192.0.2.1", "{without}");
    }
}

#[test]
fn settings_that_do_not_go_together_are_refused() {
    let refused = |limit_by, named| Subject::new(limit_by, named).unwrap_err();
    assert_eq!(refused(LimitBy::Claim, Named::default()), "limit_by \"claim\" needs claim_name");
    let path = |path: &str| named(|named| named.path = Some(path.to_owned()));
    assert_eq!(refused(LimitBy::Ip, path("/a")), "path is for limit_by \"path\" only");
    assert_eq!(refused(LimitBy::Path, path("a")), "path: \"a\" does not begin with \"/\"");
    let cookie = named(|named| named.cookie_name = Some("a b".to_owned()));
    assert_eq!(refused(LimitBy::Cookie, cookie), "cookie_name: \"a b\" is no name that a cookie could have");
}
