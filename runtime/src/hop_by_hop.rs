//! The header fields that concern one connection and go no further (RFC 9110, section 7.6.1): taken off every message
//! that is passed on, either way, and never a plugin's to set.

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::body::Frame;

/// These always; besides them, whatever `connection` itself names. The last is no hop's, but only ever ours.
const STRIPPED: [HeaderName; 7] = [
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::TE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("x-gateway-error"),
];

/// Whether the gateway alone decides about this field: it belongs to the connection, or says where the message ends.
pub(crate) fn is_gateways(name: &HeaderName) -> bool {
    STRIPPED.contains(name) || [header::CONTENT_LENGTH, header::TRAILER].contains(name)
}

/// Take away what was meant for the hop a request came over. That the sender takes trailers is true of every hop of the
/// way (RFC 9110, section 10.1.4), and so is which ones it announces.
pub(crate) fn strip(headers: &mut HeaderMap) {
    if !headers.keys().any(is_stripped) {
        return;
    }
    let mut te = headers.get_all(header::TE).iter().filter_map(|value| value.to_str().ok());
    let takes_trailers = te.any(|value| value.split(',').any(|name| name.trim().eq_ignore_ascii_case("trailers")));
    strip_response(headers);
    if takes_trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
}

/// Take away what was meant for the hop a response came over.
pub(crate) fn strip_response(headers: &mut HeaderMap) {
    // Most messages have none of it, or "connection: keep-alive" alone: looking is cheaper than removing.
    let mut found = headers.keys().filter(|name| is_stripped(name));
    match (found.next(), found.next()) {
        (None, _) => return,
        (Some(name), None) if *name == header::CONNECTION && names_nothing(headers) => {
            headers.remove(header::CONNECTION);
            return;
        }
        _ => {}
    }
    if headers.contains_key(header::TRANSFER_ENCODING) {
        // What was chunked has no length, whatever it says (RFC 9112, section 6.3).
        headers.remove(header::CONTENT_LENGTH);
    }
    if headers.contains_key(header::CONNECTION) {
        let named: Vec<HeaderName> = headers
            .get_all(header::CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(|name| name.trim().parse().ok())
            .filter(may_be_named)
            .collect();
        for name in named {
            headers.remove(name);
        }
    }
    for name in STRIPPED {
        headers.remove(name);
    }
}

/// A piece of a body; trailers without what has no place there (RFC 9110, section 6.5.1).
pub(crate) fn without_framing(frame: Frame<Bytes>) -> Frame<Bytes> {
    if !frame.is_trailers() {
        return frame;
    }
    let mut trailers = frame.into_trailers().unwrap_or_default();
    strip_trailers(&mut trailers);
    Frame::trailers(trailers)
}

/// Take away what has no place in trailers.
pub(crate) fn strip_trailers(trailers: &mut HeaderMap) {
    strip_response(trailers);
    for name in [header::CONTENT_LENGTH, header::HOST, header::TRAILER, header::TE] {
        trailers.remove(name);
    }
}

/// Whether `connection` says how long the connection lasts, and no more.
fn names_nothing(headers: &HeaderMap) -> bool {
    let lasts = |value: &[u8]| value.eq_ignore_ascii_case(b"keep-alive") || value.eq_ignore_ascii_case(b"close");
    headers.get_all(header::CONNECTION).iter().all(|value| lasts(value.as_bytes()))
}

/// [`STRIPPED`], told apart by length first.
fn is_stripped(name: &HeaderName) -> bool {
    let name = name.as_str();
    match name.len() {
        2 => name == "te",
        7 => name == "upgrade",
        10 => name == "connection" || name == "keep-alive",
        15 => name == "x-gateway-error",
        16 => name == "proxy-connection",
        17 => name == "transfer-encoding",
        _ => false,
    }
}

/// Where a message ends, whom it is for and where it came from is never up to a field that goes no further.
fn may_be_named(name: &HeaderName) -> bool {
    let origin = ["forwarded", "x-real-ip"].contains(&name.as_str()) || name.as_str().starts_with("x-forwarded-");
    !origin && ![header::CONTENT_LENGTH, header::HOST, header::TE, header::TRAILER].contains(name)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    #[test]
    fn a_name_that_is_stripped_is_told_by_its_length() {
        assert!(STRIPPED.iter().all(is_stripped));
        assert!(!is_stripped(&header::TRAILER) && !is_stripped(&header::CONTENT_LENGTH));
    }

    #[test]
    fn what_connection_names_goes_too_but_never_the_framing() {
        let mut headers: HeaderMap = [
            ("connection", "close, X-Hop"),
            ("connection", "content-length, host,, not a name, x-forwarded-for"),
            ("x-forwarded-for", "192.0.2.1"),
            ("x-hop", "1"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("content-length", "7"),
            ("host", "h"),
            ("x-end", "1"),
        ]
        .into_iter()
        .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()))
        .collect();
        strip(&mut headers);
        let mut left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["content-length", "host", "te", "x-end", "x-forwarded-for"]);
    }

    proptest! {
        #[test]
        fn what_is_for_the_hop_goes_and_all_else_stays_as_it_was(
            fields in vec((select(NAMES), select(VALUES)), 0..12)
        ) {
            let mut headers = HeaderMap::new();
            for (name, value) in &fields {
                headers.append(*name, value.parse().unwrap());
            }
            let sent = headers.clone();
            let named = |name: &str| sent.get_all(header::CONNECTION).iter().any(|value| {
                value.to_str().unwrap().split(',').any(|named| named.trim().eq_ignore_ascii_case(name))
            });
            strip(&mut headers);
            for name in STRIPPED.iter().filter(|name| *name != header::TE) {
                prop_assert!(!headers.contains_key(name), "{name}");
            }
            prop_assert!(headers.get_all(header::TE).iter().all(|value| value == "trailers"));
            for name in NAMES.iter().filter(|name| !is_stripped(&name.parse().unwrap())) {
                let chunked = sent.contains_key(header::TRANSFER_ENCODING);
                let gone = match *name {
                    "content-length" => chunked,
                    "host" | "trailer" | "x-forwarded-for" => false,
                    name => named(name),
                };
                let left: Vec<_> = headers.get_all(*name).iter().collect();
                let expected: Vec<_> = sent.get_all(*name).iter().filter(|_| !gone).collect();
                prop_assert_eq!(left, expected, "{}", name);
            }
        }
    }

    const NAMES: &[&str] = &[
        "connection",
        "te",
        "upgrade",
        "keep-alive",
        "proxy-connection",
        "transfer-encoding",
        "content-length",
        "host",
        "trailer",
        "x-forwarded-for",
        "x-one",
        "accept",
    ];
    const VALUES: &[&str] = &[
        "keep-alive",
        "close",
        "x-one",
        "Accept, host",
        "content-length, trailer",
        "trailers",
        "gzip, Trailers",
        "1",
        "",
    ];
}
