use http::header::SET_COOKIE;

use super::*;

/// A head, where its body ends, whether the connection lasts, and what was left unread.
type Read = (ResponseHead, Framing, bool, Vec<u8>);

/// `Ok(None)`: more has to come.
fn parsed(wire: &str, asked: Asked) -> Result<Option<Read>, Fault> {
    let mut read = BytesMut::from(wire);
    let parsed = parse(&mut read, &mut Search::default(), 1000, asked)?;
    Ok(parsed.map(|(head, framing, persistent)| (head, framing, persistent, read.to_vec())))
}

fn answer(wire: &str, asked: Asked) -> Read {
    parsed(wire, asked).unwrap_or_else(|fault| panic!("{wire:?}: {fault}")).expect(wire)
}

fn refused(wire: &str) -> Fault {
    match parsed(wire, Asked::ForAll) {
        Err(fault) => fault,
        Ok(_) => panic!("taken: {wire:?}"),
    }
}

#[test]
fn a_head_is_taken_when_it_is_whole_and_not_a_byte_more() {
    let wire = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nSet-Cookie: a\r\nset-cookie: b\r\n\r\nok";
    let whole = wire.len() - 2;
    for length in 0..whole {
        assert!(matches!(parsed(&wire[..length], Asked::ForAll), Ok(None)), "{length}");
    }
    let (head, framing, persistent, left) = answer(wire, Asked::ForAll);
    assert_eq!((head.status, framing, persistent), (StatusCode::OK, Framing::Length(2), true));
    assert_eq!(head.headers.get_all(SET_COOKIE).iter().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(left, b"ok");
}

#[test]
fn a_head_that_comes_byte_by_byte_is_found_all_the_same() {
    for wire in ["HTTP/1.1 200 OK\r\na: b\r\n\r\n", "HTTP/1.1 100 \r\n\r\nHTTP/1.1 200 OK\n\r\n", "HTTP/1.1 200 OK\n\n"]
    {
        let (mut read, mut search) = (BytesMut::new(), Search::default());
        let mut found = 0;
        for byte in wire.bytes() {
            assert_eq!(found, 0, "{wire:?}");
            read.extend_from_slice(&[byte]);
            found += usize::from(parse(&mut read, &mut search, 1000, Asked::ForAll).unwrap().is_some());
        }
        assert_eq!((found, read.len()), (1, 0), "{wire:?}");
    }
}

/// Where it ends is not where somebody else would look for the end first.
#[test]
fn a_head_that_ends_by_bare_line_feeds_leaves_what_looks_like_an_end_to_the_body() {
    let (head, framing, _, left) = answer("HTTP/1.1 200 OK\ncontent-length: 9\n\nok\r\n\r\nokX", Asked::ForAll);
    assert_eq!((head.status, framing, left.as_slice()), (StatusCode::OK, Framing::Length(9), &b"ok\r\n\r\nokX"[..]));
}

#[test]
fn a_length_in_plain_digits_is_read_at_once() {
    for (digits, number) in [
        ("0", Some(0)),
        ("612", Some(612)),
        ("007", Some(7)),
        ("9999999999999999999", Some(9_999_999_999_999_999_999)),
        ("10000000000000000000", None),
        ("", None),
        ("1x", None),
        ("+1", None),
        ("1, 1", None),
    ] {
        assert_eq!(plain_number(digits.as_bytes()), number, "{digits}");
    }
}

#[test]
fn numbers_are_written_in_digits() {
    for number in [0, 7, 10, 612, 4_294_967_296, u64::MAX] {
        let mut out = Vec::new();
        write_length(&mut out, number);
        assert_eq!(String::from_utf8(out).unwrap(), format!("content-length: {number}\r\n"));
    }
}

#[test]
fn where_the_body_ends() {
    const CHUNKED: Framing = Framing::CHUNKED;
    for (status, fields, asked, framing, persistent) in [
        ("200", "", Asked::ForAll, Framing::UntilClosed, false),
        ("200", "content-length: 0\r\n", Asked::ForAll, Framing::Length(0), true),
        ("200", "content-length: 7\r\ncontent-length: 7\r\n", Asked::ForAll, Framing::Length(7), true),
        ("200", "content-length: 7, 7\r\n", Asked::ForAll, Framing::Length(7), true),
        ("200", "transfer-encoding: Chunked\r\n", Asked::ForAll, CHUNKED, true),
        ("200", "transfer-encoding: chunked\r\ncontent-length: 7\r\n", Asked::ForAll, CHUNKED, false),
        ("200", "content-length: 7\r\nconnection: x, Close\r\n", Asked::ForAll, Framing::Length(7), false),
        ("200", "content-length: 7\r\n", Asked::ForHead, Framing::Over, true),
        ("200", "", Asked::ForHead, Framing::Over, true),
        ("204", "", Asked::ForAll, Framing::Over, true),
        ("304", "content-length: 7\r\n", Asked::ForAll, Framing::Over, true),
        ("101", "upgrade: x\r\nconnection: upgrade\r\n", Asked::ToSwitch, Framing::Over, true),
    ] {
        let (head, is, keeps, _) = answer(&format!("HTTP/1.1 {status} X\r\n{fields}\r\n"), asked);
        assert_eq!((is, keeps), (framing, persistent), "{status} {fields:?}");
        let lengths: Vec<_> = head.headers.get_all(CONTENT_LENGTH).iter().collect();
        assert!(lengths.len() < 2 && lengths.iter().all(|length| *length != "7, 7"), "{lengths:?}");
    }
    let (_, framing, persistent, _) = answer("HTTP/1.0 200 OK\r\ncontent-length: 7\r\n\r\n", Asked::ForAll);
    assert_eq!((framing, persistent), (Framing::Length(7), false));
    let kept = "HTTP/1.0 200 OK\r\ncontent-length: 7\r\nconnection: Keep-Alive\r\n\r\n";
    assert!(answer(kept, Asked::ForAll).2);
}

#[test]
fn interim_answers_are_skipped_and_a_switch_is_taken_if_it_was_asked_for() {
    let early = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n";
    assert!(matches!(parsed(early, Asked::ForAll), Ok(None)));
    let (head, ..) = answer(&format!("{early}HTTP/1.1 204 No Content\r\n\r\n"), Asked::ForAll);
    assert_eq!((head.status, head.headers.len()), (StatusCode::NO_CONTENT, 0));
    let endless = "HTTP/1.1 100 Continue\r\n\r\n".repeat(limits::INTERIM_ANSWERS + 1);
    assert!(refused(&endless).is_misread());
    let switch = "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\nalready";
    assert!(refused(switch).is_misread());
    assert_eq!(answer(switch, Asked::ToSwitch).3, b"already");
}

#[test]
fn what_is_no_answer_is_refused() {
    for wire in [
        "220 mail.example.com ESMTP",
        "\r\nHTTP/1.1 200 OK\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.1 OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/1.1 600 OK\r\n\r\n",
        "HTTP/1.1 999 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx : a\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx: a\r\n folded\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx: \0\r\n\r\n",
        "HTTP/1.1 200 OK\r\n: a\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 7\r\ncontent-length: 8\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 7, 8\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: +7\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length:\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n",
        "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
    ] {
        assert!(matches!(refused(wire), Fault::Misread(_)), "{wire:?}");
    }
}

#[test]
fn heads_are_bounded() {
    let large = format!("HTTP/1.1 200 OK\r\nx: {}", "x".repeat(1000));
    assert!(matches!(refused(&large), Fault::HeadTooLarge(_)));
    assert!(matches!(refused(&format!("{large}\r\n\r\n")), Fault::HeadTooLarge(_)));
    let many = "x:\r\n".repeat(limits::HEADERS + 1);
    assert!(matches!(refused(&format!("HTTP/1.1 200 OK\r\n{many}\r\n")), Fault::TooManyFields(_)));
}

proptest::proptest! {
    #[test]
    fn nothing_that_comes_panics(wire in "(HTTP/1.[01] [0-9]{3} ?\r?\n)?([a-z-]{0,3}:? ?[ -~\r\n\u{0}]{0,9}\r?\n){0,4}\r?\n?") {
        let _ = parsed(&wire, Asked::ForAll);
    }
}
