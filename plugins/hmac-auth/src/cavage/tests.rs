use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use tidegate_sdk::testing::{Exchange, Hook};

use super::*;

proptest! {
    #[test]
    fn whatever_comes_is_read_or_is_none(text in "[a-b=, \"]{0,20}", value in any::<Vec<u8>>()) {
        let named = text.replace('a', "username").replace('b', "signature");
        let _ = (Parameters::parse(&text), Parameters::parse(&named), of_scheme(&value));
    }
}

/// What is read of these fields, with the signed bytes as text.
fn read_of(exchange: Exchange) -> Option<Result<(Signed, String), Unverifiable>> {
    use std::sync::Mutex;
    let found = Mutex::new(None);
    let reads = Hook(|request: &mut Request| {
        *found.lock().unwrap() = read(request);
        Flow::Next
    });
    let mut exchange = exchange;
    let _ = exchange.request(&reads);
    let (_, signed) = found.into_inner().unwrap()?;
    Some(signed.map(|signed| {
        let base = String::from_utf8(signed.base.clone()).unwrap();
        (signed, base)
    }))
}

/// Kong's own example.
fn example() -> Exchange {
    Exchange::get("/requests").header("date", "Thu, 22 Jun 2017 17:15:21 GMT")
}

fn authorization(headers: &str) -> String {
    format!(
        "hmac username=\"alice123\", algorithm=\"hmac-sha256\", headers=\"{headers}\", \
         signature=\"ujWCGHeec9Xd6UD2zlyxiNMCiXnDOWeVFMu5VeRUxtw=\""
    )
}

#[test]
fn kongs_own_example_is_read_as_it_was_signed() {
    let (signed, base) =
        read_of(example().header("authorization", authorization("date request-line"))).unwrap().unwrap();
    assert_eq!(base, "date: Thu, 22 Jun 2017 17:15:21 GMT\nGET /requests HTTP/1.1");
    assert_eq!((signed.username.as_str(), signed.algorithm), ("alice123", Algorithm::HmacSha256));
    assert_eq!(signed.covered, Covered::Cavage(vec!["date".to_owned(), "request-line".to_owned()]));
    let date = SystemTime::UNIX_EPOCH + Duration::from_secs(1_498_151_721);
    assert_eq!(signed.at, Moment::Dates(vec![date]));
    assert_eq!(signed.signature.len(), 32);
}

#[test]
fn what_is_signed_has_the_names_and_the_order_of_the_list() {
    for (headers, expected) in [
        ("host @request-target", "host: example.com\n@request-target: post /a?b=%20C"),
        ("(request-target)", "(request-target): post /a?b=%20C"),
        ("request-line", "POST /a?b=%20C HTTP/1.1"),
        ("X-A x-twice x-none", "X-A: 1\nx-twice: a, b\nx-none: "),
    ] {
        let exchange = Exchange::new("POST", "/a?b=%20C").header("x-a", " 1 ").header("x-twice", "a");
        let exchange = exchange.header("x-twice", "b").header("x-none", "");
        let (signed, base) = read_of(exchange.header("authorization", authorization(headers))).unwrap().unwrap();
        assert_eq!(base, expected);
        assert_eq!(signed.at, Moment::Dates(Vec::new()), "no date was signed");
    }
    let over_http2 = example().version("HTTP/2").header("authorization", authorization("request-line"));
    assert_eq!(read_of(over_http2).unwrap().unwrap().1, "GET /requests HTTP/2.0");
}

#[test]
fn parameters_come_in_any_order_and_any_case_of_the_scheme() {
    for value in [
        "HMAC signature=\"AQI=\",headers=\"date\" , algorithm=\"hmac-sha1\",realm=\"x\",username=\"bob\"",
        "Hmac  username = \"bob\", algorithm=\"hmac-sha1\", headers=\"date\", signature= \"AQI\",",
    ] {
        let (signed, _) = read_of(example().header("authorization", value)).unwrap().unwrap();
        assert_eq!((signed.username.as_str(), signed.algorithm), ("bob", Algorithm::HmacSha1), "{value}");
        assert_eq!(signed.signature, [1, 2], "{value}");
    }
}

#[test]
fn the_proxys_header_comes_first() {
    let other = authorization("date").replace("alice123", "bob");
    let both = || example().header("authorization", authorization("date"));
    assert_eq!(read_of(both().header("proxy-authorization", other)).unwrap().unwrap().0.username, "bob");
    let (signed, _) = read_of(both().header("proxy-authorization", "Basic YTpi")).unwrap().unwrap();
    assert_eq!(signed.username, "alice123");
}

#[test]
fn other_schemes_are_others_to_judge() {
    for value in ["", "hmac", "hmac1 username=\"a\"", "Basic YTpi", "Signature keyId=\"a\"", "hm\u{e4}c x"] {
        assert_eq!(read_of(example().header("authorization", value)), None, "{value}");
    }
    assert_eq!(read_of(example()), None);
}

#[test]
fn what_says_too_little_or_too_much_cannot_be_verified() {
    let right = authorization("date");
    for value in [
        "hmac ".to_owned(),
        "hmac username".to_owned(),
        "hmac username=\"".to_owned(),
        "hmac username=\"alice123\"".to_owned(),
        right.replace("username", "user"),
        right.replace("username=\"alice123\"", "username=alice123"),
        right.replace("\", algorithm", "\" algorithm"),
        format!("{right}, username=\"bob\""),
        format!("{right} x"),
        right.replace("hmac-sha256", "rsa-sha256"),
        right.replace("hmac-sha256", "HMAC-SHA256"),
        right.replace("Uxtw=", "Uxtw=!"),
        right.replace("\"date\"", "\"date x-missing\""),
        right.replace("\"date\"", "\"date da:te\""),
        right.replace("\"date\"", "\"date @method\""),
    ] {
        assert_eq!(read_of(example().header("authorization", &value)), Some(Err(Unverifiable)), "{value}");
    }
    let bytes = [b"hmac ".as_slice(), &[0xff], right.as_bytes()].concat();
    assert_eq!(read_of(example().header("authorization", bytes)), Some(Err(Unverifiable)));
    let twice = example().header("authorization", &right).header("authorization", "Basic YTpi");
    assert_eq!(read_of(twice), Some(Err(Unverifiable)));
}
