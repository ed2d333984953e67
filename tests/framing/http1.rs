//! HTTP/1.1: framing fields, chunks, fields, request lines, Host. Sections are RFC 9112's where none is named.

use super::Verdict::{BrokenOff, Either, Forwarded, Refused};
use super::{BAD, Row, get, got, host, line, post, posted, raw};

/// A coding that is not understood may be answered by 501 (section 6.1).
const CODING: &[u16] = &[400, 501];
/// So may a version by 505 (RFC 9110, section 2.5).
const VERSION: &[u16] = &[400, 505];
/// The gateway's own measure may be hit before the grammar is.
const LENGTH: &[u16] = &[400, 413];

const HELLO: &str = "5\r\nhello\r\n0\r\n\r\n";
const TE: &str = "Transfer-Encoding: chunked\r\n";

pub(super) fn rows() -> Vec<Row> {
    [good(), lengths(), codings(), chunks(), fields(), request_lines(), hosts()].into_iter().flatten().collect()
}

/// What must pass, lest everything else be refused for nothing.
fn good() -> Vec<Row> {
    vec![
        get("a plain GET", "", Forwarded(got("/row"))),
        post("a length", "Content-Length: 5\r\n", "hello", Forwarded(posted("hello"))),
        post("chunks", TE, HELLO, Forwarded(posted("hello"))),
        post("no body", "", "", Forwarded(posted(""))),
        get("a body of length zero", "Content-Length: 0\r\n", Forwarded(got("/row"))),
    ]
}

/// Section 6.3, and RFC 9110, section 8.6.
fn lengths() -> Vec<Row> {
    let refused = |name, value: &str| post(name, &format!("Content-Length: {value}\r\n"), "hello", Refused(BAD));
    vec![
        refused("a length with plus", "+5"),
        refused("a negative length", "-1"),
        refused("a hexadecimal length", "0x5"),
        refused("a length with a space inside", "5 5"),
        refused("a length with a tab inside", "5\t5"),
        refused("two lengths in a list", "5,6"),
        refused("a list that ends open", "5, "),
        refused("an empty length", ""),
        refused("a fraction", "5.0"),
        refused("an exponent", "5e0"),
        refused("a quoted length", "\"5\""),
        refused("a length with a parameter", "5;q=1"),
        refused("a length in digits beyond ASCII", "\u{0665}"),
        post("2^64", "Content-Length: 18446744073709551616\r\n", "hello", Refused(LENGTH)),
        post("2^64 + 5", "Content-Length: 18446744073709551621\r\n", "hello", Refused(LENGTH)),
        // Beyond what is counted with.
        post("2^64 - 1", "Content-Length: 18446744073709551615\r\n", "hello", Refused(&[431])),
        post("two lengths", "Content-Length: 5\r\nContent-Length: 6\r\n", "hello!", Refused(BAD)),
        post("a good and a bad length", "Content-Length: 5\r\nContent-Length: x\r\n", "hello", Refused(BAD)),
        post("one length twice", "Content-Length: 5\r\nContent-Length: 5\r\n", "hello", Either(BAD, posted("hello"))),
        post("one length twice in a list", "Content-Length: 5,5\r\n", "hello", Either(BAD, posted("hello"))),
        // 1*DIGIT allows them; what is forwarded has none.
        post("leading zeros", "Content-Length: 0005\r\n", "hello", Either(BAD, posted("hello"))),
        post("space around a length", "Content-Length: \t 5 \t\r\n", "hello", Forwarded(posted("hello"))),
        post("a length in capitals", "CONTENT-LENGTH: 5\r\n", "hello", Forwarded(posted("hello"))),
    ]
}

/// Sections 6.1 and 7.
fn codings() -> Vec<Row> {
    let both = || Either(BAD, posted("hello").then_closed());
    let refused = |name, value: &str| post(name, &format!("Transfer-Encoding: {value}\r\n"), HELLO, Refused(CODING));
    vec![
        post("length, then coding", &format!("Content-Length: 15\r\n{TE}"), HELLO, both()),
        post("coding, then length", &format!("{TE}Content-Length: 15\r\n"), HELLO, both()),
        post("a bad length, then coding", &format!("Content-Length: x\r\n{TE}"), HELLO, Refused(BAD)),
        post("coding, then a bad length", &format!("{TE}Content-Length: x\r\n"), HELLO, both()),
        refused("chunked twice", "chunked, chunked"),
        // What is left of it after chunked is undone would be forwarded as something that it is not.
        refused("gzip, chunked", "gzip, chunked"),
        refused("chunked, identity", "chunked, identity"),
        refused("identity, chunked", "identity, chunked"),
        refused("identity", "identity"),
        refused("xchunked", "xchunked"),
        refused("chunkedx", "chunkedx"),
        refused("chunked with a parameter", "chunked;q=1"),
        refused("chunked in quotes", "\"chunked\""),
        refused("chunked in single quotes", "'chunked'"),
        refused("a vertical tab before chunked", "\x0bchunked"),
        refused("a form feed after chunked", "chunked\x0c"),
        refused("a no-break space before chunked", "\u{a0}chunked"),
        refused("a space inside chunked", "chun ked"),
        refused("an empty coding", ""),
        refused("nothing but a comma", ","),
        post("chunked in two fields", &format!("{TE}{TE}"), HELLO, Refused(CODING)),
        post("identity, then chunked", &format!("Transfer-Encoding: identity\r\n{TE}"), HELLO, Refused(CODING)),
        post("chunked, then identity", &format!("{TE}Transfer-Encoding: identity\r\n"), HELLO, Refused(CODING)),
        post("chunked, then an empty field", &format!("{TE}Transfer-Encoding:\r\n"), HELLO, both_any()),
        post("tabs around chunked", "Transfer-Encoding:\t chunked\t\r\n", HELLO, Forwarded(posted("hello"))),
        post("chunked in capitals", "TRANSFER-ENCODING: CHUNKED\r\n", HELLO, Forwarded(posted("hello"))),
        // Empty elements of a list are ignored (RFC 9110, section 5.6.1.2).
        post("chunked and a comma", "Transfer-Encoding: chunked,\r\n", HELLO, both_any()),
        post("a comma and chunked", "Transfer-Encoding: , chunked\r\n", HELLO, both_any()),
        raw(
            "chunked in HTTP/1.0",
            format!("POST /row HTTP/1.0\r\nHost: a\r\n{TE}\r\n{HELLO}"),
            Either(CODING, posted("hello").then_closed()),
        ),
        raw(
            "length and chunked in HTTP/1.0",
            format!("POST /row HTTP/1.0\r\nHost: a\r\nContent-Length: 15\r\n{TE}\r\n{HELLO}"),
            Refused(CODING),
        ),
    ]
}

fn both_any() -> super::Verdict {
    Either(CODING, posted("hello"))
}

/// Section 7.1.
fn chunks() -> Vec<Row> {
    let broken = |name, body: &str| post(name, TE, body, BrokenOff(BAD));
    let good = |name, body: &str| post(name, TE, body, Forwarded(posted("hello")));
    // More than a head may have.
    let long = "x".repeat(100_000);
    vec![
        broken("a size of 2^64 + 5", "10000000000000005\r\nhello\r\n0\r\n\r\n"),
        broken("a size of many digits", &format!("{}5\r\nhello\r\n0\r\n\r\n", "f".repeat(40))),
        broken("a size with 0x", "0x5\r\nhello\r\n0\r\n\r\n"),
        broken("a size with plus", "+5\r\nhello\r\n0\r\n\r\n"),
        broken("a negative size", "-5\r\nhello\r\n0\r\n\r\n"),
        broken("a size with an underscore", "0_5\r\nhello\r\n0\r\n\r\n"),
        broken("a size that is no number", "g\r\nhello\r\n0\r\n\r\n"),
        broken("an empty size", "\r\nhello\r\n0\r\n\r\n"),
        broken("an extension without a size", ";a=b\r\nhello\r\n0\r\n\r\n"),
        broken("a space before the size", " 5\r\nhello\r\n0\r\n\r\n"),
        broken("two sizes", "5 5\r\nhello\r\n0\r\n\r\n"),
        broken("a bare LF after the size", "5\nhello\r\n0\r\n\r\n"),
        broken("a bare CR after the size", "5\rhello\r\n0\r\n\r\n"),
        broken("a bare LF after the data", "5\r\nhello\n0\r\n\r\n"),
        broken("nothing after the data", "5\r\nhello0\r\n\r\n"),
        broken("more data than said", "3\r\nhello\r\n0\r\n\r\n"),
        broken("a bare LF in an extension", "5;a\n\r\nhello\r\n0\r\n\r\n"),
        broken("a bare CR in an extension", "5;a\rb\r\nhello\r\n0\r\n\r\n"),
        broken("a large extension", &format!("5;{long}\r\nhello\r\n0\r\n\r\n")),
        broken("large trailers", &format!("5\r\nhello\r\n0\r\nx: {long}\r\n\r\n")),
        broken("a request where trailers should be", "5\r\nhello\r\n0\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"),
        broken("a trailer without a colon", "5\r\nhello\r\n0\r\nxyz\r\n\r\n"),
        broken("a trailer with a space before its colon", "5\r\nhello\r\n0\r\nx : y\r\n\r\n"),
        // BWS belongs before an extension's semicolon alone.
        post("a space after the size", TE, "5 \r\nhello\r\n0\r\n\r\n", Either(BAD, posted("hello"))),
        good("a space before an extension", "5 ;a=b\r\nhello\r\n0\r\n\r\n"),
        good("an extension", "5;a=b\r\nhello\r\n0\r\n\r\n"),
        good("a quoted extension", "5;a=\"b;c\"\r\nhello\r\n0\r\n\r\n"),
        good("an extension of the last chunk", "5\r\nhello\r\n0;a=b\r\n\r\n"),
        good("leading zeros of a size", "0005\r\nhello\r\n000\r\n\r\n"),
        good("a size in capitals", "2\r\nhe\r\n000000003\r\nllo\r\n0\r\n\r\n"),
        good("a trailer", "5\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n"),
        // Not to be merged, nor passed on (RFC 9110, section 6.5.1).
        post(
            "framing in trailers",
            TE,
            "5\r\nhello\r\n0\r\nContent-Length: 99\r\nTransfer-Encoding: gzip\r\nHost: b\r\n\r\n",
            Either(BAD, posted("hello")),
        ),
    ]
}

/// Section 5, and RFC 9110, section 5.5.
fn fields() -> Vec<Row> {
    vec![
        get("a folded field", "X-A: b\r\n c\r\n", Either(BAD, got("/row"))),
        post("folded framing", "Transfer-Encoding:\r\n chunked\r\n", HELLO, Either(BAD, posted("hello"))),
        get("a space before the colon", "X-A : b\r\n", Refused(BAD)),
        get("a tab before the colon", "X-A\t: b\r\n", Refused(BAD)),
        post("framing with a space before its colon", "Content-Length : 5\r\n", "hello", Refused(BAD)),
        get("a bare CR in a value", "X-A: b\rX-B: c\r\n", Either(BAD, got("/row").without(&["x-b"]))),
        get("a bare CR at a value's end", "X-A: b\r\r\n", Either(BAD, got("/row"))),
        get("NUL in a value", "X-A: b\0c\r\n", Refused(BAD)),
        get("NUL in a name", "X-\0A: b\r\n", Refused(BAD)),
        get("DEL in a value", "X-A: b\x7fc\r\n", Refused(BAD)),
        get("an empty name", ": b\r\n", Refused(BAD)),
        get("no colon", "X-A\r\n", Refused(BAD)),
        get("a name beyond ASCII", "X-\u{e9}: b\r\n", Refused(BAD)),
        get("a name in quotes", "\"X-A\": b\r\n", Refused(BAD)),
        get("a slash in a name", "X/A: b\r\n", Refused(BAD)),
        get("an escape in a value", b"X-A: \x1b[31m\r\n", Refused(BAD)),
        get("a value beyond ASCII", b"X-A: \xe9\r\n", Either(BAD, got("/row"))),
        get("an empty value", "X-A:\r\n", Forwarded(got("/row"))),
        get("a colon in a value", "X-A:: b\r\n", Forwarded(got("/row"))),
        // Either refused, or that line is consumed unseen (section 2.2).
        raw(
            "space before the first field",
            "GET /row HTTP/1.1\r\n X-A: b\r\nHost: a\r\n\r\n",
            Either(BAD, got("/row").without(&["x-a"])),
        ),
        raw("bare LF everywhere", "GET /row HTTP/1.1\nHost: a\n\n", Either(BAD, got("/row"))),
        raw("bare LF after a field", "GET /row HTTP/1.1\r\nHost: a\nX-A: b\r\n\r\n", Either(BAD, got("/row"))),
        raw("bare CR everywhere", "GET /row HTTP/1.1\rHost: a\r\r", Refused(BAD)),
        raw("an empty line before the request", "\r\nGET /row HTTP/1.1\r\nHost: a\r\n\r\n", Forwarded(got("/row"))),
        raw("a space before the request", " GET /row HTTP/1.1\r\nHost: a\r\n\r\n", Refused(BAD)),
        raw("NUL before the request", "\0GET /row HTTP/1.1\r\nHost: a\r\n\r\n", Refused(BAD)),
    ]
}

/// Section 3.
fn request_lines() -> Vec<Row> {
    vec![
        line("two spaces before the target", "GET  /row HTTP/1.1", Refused(BAD)),
        line("two spaces before the version", "GET /row  HTTP/1.1", Refused(BAD)),
        line("a space at the end", "GET /row HTTP/1.1 ", Refused(BAD)),
        line("tabs", "GET\t/row\tHTTP/1.1", Refused(BAD)),
        line("a space in the target", "GET /row /smuggled HTTP/1.1", Refused(BAD)),
        line("a whole request in the target", "GET /row HTTP/1.1 GET /smuggled HTTP/1.1", Refused(BAD)),
        line("no version", "GET /row", Refused(VERSION)),
        line("no target", "GET HTTP/1.1", Refused(BAD)),
        line("no method", " /row HTTP/1.1", Refused(BAD)),
        line("a method that is no token", "GE(T) /row HTTP/1.1", Refused(BAD)),
        raw("HTTP/0.9", "GET /row\r\n", Refused(VERSION)),
        // A later minor version is the one we know (RFC 9110, section 2.5).
        line("HTTP/1.2", "GET /row HTTP/1.2", Either(VERSION, got("/row"))),
        line("HTTP/2.0", "GET /row HTTP/2.0", Refused(VERSION)),
        line("HTTP/1.10", "GET /row HTTP/1.10", Refused(VERSION)),
        line("HTTP/01.1", "GET /row HTTP/01.1", Refused(VERSION)),
        line("http in lower case", "GET /row http/1.1", Refused(VERSION)),
        line("another protocol", "GET /row ICAP/1.0", Refused(VERSION)),
        line("a control byte in the target", b"GET /r\x01w HTTP/1.1", Refused(BAD)),
        line("NUL in the target", b"GET /r\0w HTTP/1.1", Refused(BAD)),
        line("DEL in the target", b"GET /r\x7fw HTTP/1.1", Refused(BAD)),
        line("a bare CR in the target", b"GET /r\rw HTTP/1.1", Refused(BAD)),
        line("a fragment", "GET /row#part HTTP/1.1", Either(BAD, got("/row"))),
        line("a target beyond ASCII", "GET /caf\u{e9} HTTP/1.1", Either(BAD, got("/caf%C3%A9"))),
        line("a target that is no UTF-8", b"GET /caf\xe9 HTTP/1.1", Either(BAD, got("/caf%E9"))),
        line("a backslash", "GET /row\\..\\x HTTP/1.1", Either(BAD, got("/row%5C..%5Cx"))),
        line("a target without its slash", "GET row HTTP/1.1", Refused(BAD)),
        // The target names the host, whatever Host says (section 3.2.2).
        line("another host in the target", "GET http://b/row HTTP/1.1", Either(BAD, got("/row").for_host("b"))),
        line("the same host in the target", "GET http://a/row HTTP/1.1", Forwarded(got("/row").for_host("a"))),
        line("no host in the target", "GET http:///row HTTP/1.1", Refused(BAD)),
        line("a user in the target", "GET http://u:p@a/row HTTP/1.1", Refused(BAD)),
        // Nobody gets https resources in the clear (RFC 9110, section 7.4).
        line("https in the clear", "GET https://a/row HTTP/1.1", Refused(&[400, 421, 426])),
        line("another scheme", "GET ftp://a/row HTTP/1.1", Refused(&[400, 421])),
        line("an authority for GET", "GET a:80 HTTP/1.1", Refused(BAD)),
        line("* for GET", "GET * HTTP/1.1", Refused(BAD)),
        line("CONNECT", "CONNECT a:80 HTTP/1.1", Refused(&[400, 405, 501])),
    ]
}

/// Section 3.2, and RFC 9110, section 7.2.
fn hosts() -> Vec<Row> {
    let refused = |name, value: &str| host(name, &format!("Host: {value}\r\n"), Refused(BAD));
    vec![
        host("no Host", "", Refused(BAD)),
        host("two Hosts", "Host: a\r\nHost: b\r\n", Refused(BAD)),
        host("one Host twice", "Host: a\r\nHost: a\r\n", Refused(BAD)),
        // Of a URI that has no authority; an http URI always has one.
        host("an empty Host", "Host:\r\n", Either(BAD, got("/row"))),
        refused("a user", "u@a"),
        refused("a user and a password", "u:p@a"),
        refused("a path", "a/b"),
        refused("a query", "a?b"),
        refused("a fragment", "a#b"),
        refused("a space", "a b"),
        refused("a list", "a, b"),
        refused("a backslash", "a\\b"),
        refused("a port of 2^16", "a:65536"),
        refused("a port of 2^32 + 80", "a:4294967376"),
        refused("a port with plus", "a:+80"),
        refused("a port that is no number", "a:http"),
        refused("two ports", "a:80:80"),
        refused("an open bracket", "[::1"),
        refused("a closed bracket", "::1]"),
        refused("something behind brackets", "[::1]a"),
        refused("no address in brackets", "[a]"),
        refused("an address without brackets", "::1"),
        refused("a scheme", "http://a"),
        refused("beyond ASCII", "\u{e9}"),
        host("an address in brackets", "Host: [::1]:80\r\n", Forwarded(got("/row"))),
        raw("a query alone", "GET http://a?b=c HTTP/1.1\r\nHost: a\r\n\r\n", Forwarded(got("/?b=c"))),
        raw("an absolute target without Host", "GET http://a/row HTTP/1.1\r\n\r\n", Refused(BAD)),
    ]
}
