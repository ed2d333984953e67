//! The header fields that concern one connection and go no further (RFC 9110, section 7.6.1): taken off every message
//! that is passed on, either way, and never a plugin's to set.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// These always; besides them, whatever `connection` itself names.
const STRIPPED: [HeaderName; 6] = [
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::TE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// Whether the gateway alone decides about this field: it belongs to the connection, or says where the message ends.
pub(crate) fn is_gateways(name: &HeaderName) -> bool {
    STRIPPED.contains(name) || [header::CONTENT_LENGTH, header::TRAILER].contains(name)
}

/// Take away what was meant for the hop a request came over. That the sender takes trailers is true of every hop of the
/// way (RFC 9110, section 10.1.4), and so is which ones it announces.
pub(crate) fn strip(headers: &mut HeaderMap) {
    let mut te = headers.get_all(header::TE).iter().filter_map(|value| value.to_str().ok());
    let takes_trailers = te.any(|value| value.split(',').any(|name| name.trim().eq_ignore_ascii_case("trailers")));
    strip_response(headers);
    if takes_trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
}

/// Take away what was meant for the hop a response came over.
pub(crate) fn strip_response(headers: &mut HeaderMap) {
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

/// Where a message ends, whom it is for and where it came from is never up to a field that goes no further.
fn may_be_named(name: &HeaderName) -> bool {
    let origin = ["forwarded", "x-real-ip"].contains(&name.as_str()) || name.as_str().starts_with("x-forwarded-");
    !origin && ![header::CONTENT_LENGTH, header::HOST, header::TE, header::TRAILER].contains(name)
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
