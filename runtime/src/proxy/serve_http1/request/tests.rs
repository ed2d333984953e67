use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::proxy::http1::framing::Framing;

fn limits() -> ClientLimits {
    ClientLimits { header_bytes: 1000, headers: 10, ..ClientLimits::default() }
}

/// The request that `wire` begins with, and how much of it is its head.
fn parsed(wire: impl AsRef<[u8]>) -> Result<Option<(Asked, usize)>, Failure> {
    let mut asked = None;
    let length = parse(&Bytes::copy_from_slice(wire.as_ref()), &limits(), &mut asked)?;
    Ok(length.and_then(|length| asked.map(|asked| (asked, length))))
}

fn asked(wire: &str) -> Asked {
    match parsed(wire) {
        Ok(Some((asked, _))) => asked,
        Ok(None) => panic!("not whole: {wire:?}"),
        Err(failure) => panic!("{wire:?}: {}", failure.detail),
    }
}

fn refused(wire: impl AsRef<[u8]>) -> Failure {
    match parsed(&wire) {
        Err(failure) => failure,
        Ok(_) => panic!("not refused: {:?}", wire.as_ref().escape_ascii().to_string()),
    }
}

/// `GET /` with these fields, each ended by CRLF.
fn get(fields: &str) -> String {
    format!("GET / HTTP/1.1\r\n{fields}\r\n")
}

#[test]
fn a_head_is_taken_when_it_is_whole_and_not_a_byte_more() {
    let wire = "\r\nPOST /a?b HTTP/1.1\r\nHost: c\r\nContent-Length: 2\r\nX: 1\r\nx: 2\r\n\r\n";
    for length in 0..wire.len() {
        assert!(matches!(parsed(&wire[..length]), Ok(None)), "{length}");
    }
    let (asked, length) = parsed(format!("{wire}okGET")).unwrap().unwrap();
    assert_eq!((length, asked.framing), (wire.len(), Framing::Length(2)));
    let head = asked.head;
    assert_eq!((head.method, head.uri.to_string().as_str(), head.version), (Method::POST, "/a?b", Version::HTTP_11));
    assert_eq!(head.headers.get_all("x").iter().collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!(head.headers["host"], "c");
}

#[test]
fn where_the_body_ends() {
    for (fields, framing, persistent) in [
        ("", Framing::Over, true),
        ("content-length: 0\r\n", Framing::Over, true),
        ("content-length: 007\r\n", Framing::Length(7), true),
        ("content-length: 7\r\ncontent-length: 7\r\n", Framing::Length(7), true),
        ("transfer-encoding: Chunked\r\n", Framing::CHUNKED, true),
        ("content-length: 7\r\ntransfer-encoding: chunked\r\n", Framing::CHUNKED, false),
        ("transfer-encoding: chunked\r\ncontent-length: x\r\n", Framing::CHUNKED, false),
    ] {
        let asked = asked(&get(fields));
        assert_eq!((asked.framing, asked.about.persistent), (framing, persistent), "{fields:?}");
        let lengths = asked.head.headers.get_all(CONTENT_LENGTH).iter().count();
        assert!(lengths <= usize::from(framing != Framing::CHUNKED), "{fields:?}");
    }
}

#[test]
fn what_ends_in_two_places_is_refused() {
    for fields in [
        "content-length: 7\r\ncontent-length: 8\r\n",
        "content-length: 7, 7\r\n",
        "content-length: +7\r\n",
        "content-length:\r\n",
        "content-length: 18446744073709551616\r\n",
        "content-length: x\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: gzip\r\n",
        "transfer-encoding: chunked, gzip\r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: gzip\r\n",
        "transfer-encoding:\r\n",
        "x : y\r\n",
        "x: a\r\n b\r\n",
        "x: a\rb\r\n",
    ] {
        assert_eq!(refused(get(fields)).cause, Cause::RequestInvalid, "{fields:?}");
    }
    let old = "POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n";
    assert_eq!(refused(old).cause, Cause::RequestInvalid);
    assert_eq!(refused(get("content-length: 18446744073709551615\r\n")).cause, Cause::HeaderTooLarge);
}

#[test]
fn what_a_head_says_of_its_connection() {
    let all = About { newest: true, persistent: true, ..About::default() };
    for (wire, about) in [
        (get(""), all),
        (get("connection: keep-alive\r\n"), all),
        (get("connection: x, Close\r\nconnection: keep-alive\r\n"), About { persistent: false, ..all }),
        ("GET / HTTP/1.0\r\n\r\n".to_owned(), About::default()),
        ("GET / HTTP/1.0\r\nconnection: Keep-Alive\r\n\r\n".to_owned(), About { persistent: true, ..About::default() }),
        ("HEAD / HTTP/1.1\r\n\r\n".to_owned(), About { for_head: true, ..all }),
        (get("te: gzip, Trailers\r\n"), About { trailers: true, ..all }),
        (get("upgrade: x\r\n"), About { upgrade: true, ..all }),
        (get("expect: 100-Continue\r\ncontent-length: 1\r\n"), About { expects: true, ..all }),
        (get("expect: 100-continue\r\n"), all),
        (get("expect: the-moon\r\ncontent-length: 1\r\n"), all),
        ("POST / HTTP/1.0\r\nexpect: 100-continue\r\ncontent-length: 1\r\n\r\n".to_owned(), About::default()),
    ] {
        assert_eq!(asked(&wire).about, about, "{wire:?}");
    }
}

#[test]
fn a_head_has_bounds() {
    let fields = |count: usize| "a: b\r\n".repeat(count);
    assert_eq!(asked(&get(&fields(10))).head.headers.len(), 10);
    let long = |length: usize| format!("a: {}\r\n", "x".repeat(length));
    for wire in [get(&fields(11)), get(&long(1000)), format!("GET / HTTP/1.1\r\n{}", long(1000)), "\r\n".repeat(500)] {
        assert_eq!(refused(&wire).cause, Cause::HeaderTooLarge, "{wire:?}");
    }
    let many = ClientLimits { headers: limits::HEADERS + 50, header_bytes: 100_000, ..ClientLimits::default() };
    let wire = Bytes::from(get(&fields(limits::HEADERS + 50)));
    assert!(matches!(parse(&wire, &many, &mut None), Ok(Some(_))));
    let wide = ClientLimits { header_bytes: 1 << 20, ..ClientLimits::default() };
    let wire = Bytes::from(format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(70_000)));
    assert_eq!(parse(&wire, &wide, &mut None).err().unwrap().cause, Cause::UriTooLong);
}

const PIECES: &[&str] = &[
    "GET ",
    "POST / HTTP/1.1\r\n",
    "/x?y",
    " HTTP/1.0\r\n",
    "\r\n",
    "\n",
    "\r",
    "host: a\r\n",
    "content-length: 5\r\n",
    "transfer-encoding: chunked\r\n",
    "connection: close\r\n",
    "expect: 100-continue\r\n",
    "http://a:80/",
    "*",
    ": ",
    "\0",
    "\u{e9}",
];

proptest! {
    /// Nothing that a stranger sends makes it panic, and no more of it is taken than there is.
    #[test]
    fn garbage_is_refused_or_read(pieces in vec(select(PIECES), 0..20), noise in vec(any::<u8>(), 0..40), at in any::<usize>()) {
        let mut wire = pieces.concat().into_bytes();
        let at = at % (wire.len() + 1);
        wire.splice(at..at, noise);
        if let Ok(Some((_, length))) = parsed(&wire) {
            prop_assert!(length <= wire.len());
        }
    }

    /// Whatever is whole is read alike with less behind it, and what is not whole is either refused or waited for.
    #[test]
    fn what_comes_behind_a_head_does_not_matter(pieces in vec(select(PIECES), 0..12), behind in vec(any::<u8>(), 0..40)) {
        let mut wire = b"GET / HTTP/1.1\r\n".to_vec();
        wire.extend_from_slice(pieces.concat().as_bytes());
        wire.extend_from_slice(&behind);
        if let Ok(Some((asked, length))) = parsed(&wire) {
            let (alone, same) = parsed(&wire[..length]).unwrap().unwrap();
            prop_assert_eq!((same, alone.framing, alone.about), (length, asked.framing, asked.about));
            prop_assert_eq!(alone.head.headers, asked.head.headers);
            for cut in 0..length {
                prop_assert!(matches!(parsed(&wire[..cut]), Ok(None)), "{}", cut);
            }
        }
    }
}
