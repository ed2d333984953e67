//! The one reading of a request's head: who sent it, for which host, to which path. What could be read in two ways is
//! refused here; what only the gateway may say is taken away, before a plugin or an upstream could believe it.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::header::{self, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http::uri::PathAndQuery;
use http::{Method, Version, request};

use super::connection::Client;
use super::forward::VIA_HERE;
use super::{answer, path};
use crate::error::{Cause, Failure};
use crate::hop_by_hop;
use crate::host::exchange::{RequestHead, Scheme};

pub(super) static FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(super) static FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
pub(super) static FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
pub(super) static FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
pub(super) static FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
pub(super) static REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
pub(super) static FORWARDED_PATH: HeaderName = HeaderName::from_static("x-forwarded-path");

/// All that an upstream may believe about who sent a request, under Kong's names.
const IDENTITY: [HeaderName; 7] = [
    HeaderName::from_static("x-consumer-id"),
    HeaderName::from_static("x-consumer-custom-id"),
    HeaderName::from_static("x-consumer-username"),
    HeaderName::from_static("x-consumer-groups"),
    HeaderName::from_static("x-authenticated-groups"),
    HeaderName::from_static("x-credential-identifier"),
    HeaderName::from_static("x-anonymous-consumer"),
];

/// A request's head as it was taken in.
pub(super) struct Taken {
    /// Who sent it: the connection's client, or whom trusted proxies name.
    pub(super) client: SocketAddr,
    /// How it was sent, as far as trusted proxies tell.
    pub(super) scheme: Scheme,
    pub(super) head: RequestHead,
    /// Why it cannot be served, if it cannot.
    pub(super) invalid: Option<Failure>,
}

/// The request's target as the client wrote it.
pub(super) fn target(head: &request::Parts) -> PathAndQuery {
    head.uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"))
}

/// Take in a request's head, which has this target.
pub(super) fn take(head: &mut request::Parts, target: PathAndQuery, client: &Client) -> Taken {
    let (target, invalid) = match check(head, &target, client) {
        Ok(normal) => (normal, None),
        Err(failure) => (target, Some(failure)),
    };
    let headers = &mut head.headers;
    // Before plugins see it: what they set cannot be taken away by what the client says of its connection.
    hop_by_hop::strip(headers);
    if headers.keys().any(may_be_ours) {
        strip_identity(headers);
        if !client.peer_is_trusted {
            distrust(headers);
        }
    }
    if head.version == Version::HTTP_2 {
        join_cookies(headers);
    }
    let own_scheme = if client.tls.is_some() { Scheme::Https } else { Scheme::Http };
    let mut taken = Taken {
        client: client.address,
        scheme: own_scheme,
        head: RequestHead {
            method: std::mem::take(&mut head.method),
            target,
            version: head.version,
            is_final: false,
            headers: std::mem::take(&mut head.headers),
        },
        invalid,
    };
    if client.peer_is_trusted {
        believe(&mut taken, client);
    }
    taken
}

fn check(head: &mut request::Parts, target: &PathAndQuery, client: &Client) -> Result<PathAndQuery, Failure> {
    let invalid = |problem: String| Failure::new(Cause::RequestInvalid, problem);
    let limits = &client.edge.limits;
    let length = target.as_str().len();
    if length > limits.uri_bytes {
        let detail = format!("its target has {length} bytes, more than `uri_bytes` ({})", limits.uri_bytes);
        return Err(Failure::new(Cause::UriTooLong, detail));
    }
    if head.version == Version::HTTP_2 {
        // hyper's own limit is wider, since what it refuses gets no word of explanation.
        let bytes: usize = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        if bytes + length > limits.header_bytes {
            let detail = format!("its head has {bytes} bytes, more than `header_bytes` ({})", limits.header_bytes);
            return Err(Failure::new(Cause::HeaderTooLarge, detail));
        }
    }
    let fields = head.headers.len();
    if fields > limits.headers {
        let detail = format!("it has {fields} header fields, more than `headers` ({})", limits.headers);
        return Err(Failure::new(Cause::HeaderTooLarge, detail));
    }
    let survey = Survey::of(&head.headers);
    if survey.via && head.headers.get_all(header::VIA).iter().any(came_from_here) {
        let detail = "its Via field names this gateway: a service's url leads back to it";
        return Err(Failure::new(Cause::ProxyLoop, detail));
    }
    settle_host(head, client).map_err(invalid)?;
    if survey.framing {
        check_framing(head).map_err(invalid)?;
    }
    let about_the_server = target.path() == "*" && head.method == Method::OPTIONS;
    if !target.path().starts_with('/') && !about_the_server {
        return Err(invalid(format!("\"{}\" is no path", target.path())));
    }
    path::normalised(target).map_err(invalid)
}

/// What a head has at all, found in one pass: most of what could be wrong with it is not there.
struct Survey {
    via: bool,
    /// Anything that says where its body ends.
    framing: bool,
}

impl Survey {
    fn of(headers: &HeaderMap) -> Self {
        let mut survey = Self { via: false, framing: false };
        for name in headers.keys() {
            match name.as_str() {
                "via" => survey.via = true,
                "content-length" | "transfer-encoding" => survey.framing = true,
                _ => {}
            }
        }
        survey
    }
}

fn came_from_here(via: &HeaderValue) -> bool {
    let here = VIA_HERE.as_bytes();
    via.as_bytes().split(|byte| *byte == b',').any(|hop| hop.trim_ascii() == here)
}

/// See to it that `host` is there once and names a host. A target with an authority of its own must agree with it, and a
/// request that leaves it open is refused (RFC 9112, sections 3.2 and 3.2.2; RFC 9113, section 8.3.1).
fn settle_host(head: &mut request::Parts, client: &Client) -> Result<(), String> {
    if head.method == Method::CONNECT {
        return Err("CONNECT is for forward proxies".to_owned());
    }
    let mut hosts = head.headers.get_all(HOST).iter();
    let field = match (hosts.next(), hosts.next()) {
        (Some(_), Some(_)) => return Err("more than one Host field".to_owned()),
        (field, _) => field,
    };
    check_scheme(head, client)?;
    match (head.uri.authority(), field) {
        (None, None) if head.version == Version::HTTP_10 => Ok(()),
        (Some(_), None) if head.version == Version::HTTP_11 => Err("no Host field".to_owned()),
        (None, None) => Err("no Host field".to_owned()),
        (None, Some(host)) if host.is_empty() => Ok(()),
        (None, Some(host)) => check_host(host.as_bytes()),
        (Some(authority), Some(host)) if !host.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes()) => {
            Err(format!("its target is on {authority}, its Host field says {host:?}"))
        }
        (Some(authority), _) => {
            check_host(authority.as_str().as_bytes())?;
            let value = HeaderValue::from_str(authority.as_str()).map_err(|_| format!("\"{authority}\" is no host"))?;
            head.headers.insert(HOST, value);
            Ok(())
        }
    }
}

/// A target may say how it is to be asked for. Over HTTP/1 that must be how it is; over HTTP/2 everybody says so, and a
/// load balancer in between may still say what its client did (RFC 9113, section 8.3.1).
fn check_scheme(head: &request::Parts, client: &Client) -> Result<(), String> {
    match (head.uri.scheme_str(), head.uri.authority()) {
        (None, None) => Ok(()),
        (None, Some(authority)) => Err(format!("\"{authority}\" is no target")),
        (Some("http" | "https"), _) if head.version == Version::HTTP_2 => Ok(()),
        (Some("http"), _) => Ok(()),
        (Some("https"), _) if client.tls.is_some() || client.peer_is_trusted => Ok(()),
        (Some(scheme), _) => Err(format!("its target begins with \"{scheme}:\", which is not spoken here")),
    }
}

/// `host` or `host:port`, the host a name or an address (RFC 9110, section 7.2). Names are what names in use are made of,
/// not all that the grammar allows.
fn check_host(host: &[u8]) -> Result<(), String> {
    let in_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    let (name, port) = match host.iter().rposition(|byte| *byte == b':' || *byte == b']') {
        Some(at) if host.get(at) == Some(&b':') => host.split_at(at),
        _ => (host, &b""[..]),
    };
    let is_name = match name {
        [b'[', address @ .., b']'] => str::from_utf8(address).is_ok_and(|address| address.parse::<Ipv6Addr>().is_ok()),
        name => !name.is_empty() && name.iter().all(in_name),
    };
    let digits = port.get(1..).unwrap_or_default();
    let number = digits
        .iter()
        .fold(0_u32, |number, digit| number.saturating_mul(10).saturating_add(u32::from(digit.wrapping_sub(b'0'))));
    let is_port = digits.iter().all(u8::is_ascii_digit) && number <= u32::from(u16::MAX);
    if is_name && is_port { Ok(()) } else { Err(format!("\"{}\" is no Host", host.escape_ascii())) }
}

/// A request's end has one place only. What is chunked is read as chunked whatever its length, and ends the
/// connection after it (RFC 9112, section 6.3); codings beyond that are nobody's to guess.
fn check_framing(head: &mut request::Parts) -> Result<(), String> {
    let mut codings = head.headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(()),
        (Some(coding), None) => Err(format!("transfer-encoding {coding:?}, of which only \"chunked\" is understood")),
        (Some(_), Some(_)) => Err("more than one transfer-encoding field".to_owned()),
    }?;
    let mut lengths = head.headers.get_all(CONTENT_LENGTH).iter();
    let length = match (lengths.next(), lengths.next()) {
        (_, Some(_)) => return Err("more than one content-length field".to_owned()),
        (None, None) => return Ok(()),
        (Some(length), None) => length,
    };
    let digits = length.to_str().unwrap_or_default();
    let number: u64 = digits.parse().map_err(|_| format!("content-length {length:?}"))?;
    if digits.len() > 1 && digits.starts_with(['0', '+']) {
        // Some would read it as octal.
        head.headers.insert(CONTENT_LENGTH, HeaderValue::from(number));
    }
    Ok(())
}

/// Trailers are merged into the header section by some; so they may say no more than that.
pub(super) fn clean_trailers(trailers: &mut HeaderMap) {
    hop_by_hop::strip_trailers(trailers);
    strip_identity(trailers);
    distrust(trailers);
    trailers.remove(&FORWARDED_FOR);
    trailers.remove(&REAL_IP);
}

/// Whether it could be a name that a stranger may not use: nearly no request has one.
fn may_be_ours(name: &HeaderName) -> bool {
    let name = name.as_str().as_bytes();
    matches!(name, [b'x', b'-' | b'_', ..]) || name == b"forwarded" || name == b"expect"
}

/// Take away what only the gateway may say.
fn strip_identity(headers: &mut HeaderMap) {
    for name in IDENTITY {
        headers.remove(name);
    }
    headers.remove(&answer::REQUEST_ID);
    // Answered by whoever serves the connection, as soon as somebody wants the body.
    headers.remove(header::EXPECT);
    strip_lookalikes(headers, |name| name.starts_with("x-gateway-") || IDENTITY.iter().any(|ours| *ours == name));
}

/// Take away `x_consumer_id` where `x-consumer-id` has no place: many servers make one name of both.
fn strip_lookalikes(headers: &mut HeaderMap, is_meant: impl Fn(&str) -> bool) {
    let is_lookalike = |name: &&HeaderName| {
        let name = name.as_str();
        name.starts_with('x') && name.contains('_') && is_meant(&name.replace('_', "-"))
    };
    let lookalikes: Vec<HeaderName> = headers.keys().filter(is_lookalike).cloned().collect();
    for name in lookalikes {
        headers.remove(name);
    }
}

/// HTTP/2 may split cookies into several fields; nobody else understands that (RFC 9113, section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let mut cookies = headers.get_all(header::COOKIE).iter();
    if let (Some(first), Some(second)) = (cookies.next(), cookies.next()) {
        let all: Vec<&[u8]> = [first, second].into_iter().chain(cookies).map(HeaderValue::as_bytes).collect();
        if let Ok(joined) = HeaderValue::from_maybe_shared(bytes::Bytes::from(all.join(&b"; "[..]))) {
            headers.insert(header::COOKIE, joined);
        }
    }
}

/// Take over what a trusted proxy says of the client.
fn believe(taken: &mut Taken, client: &Client) {
    let headers = &taken.head.headers;
    if let Some(proto) = headers.get(&FORWARDED_PROTO) {
        match proto.as_bytes() {
            proto if proto.eq_ignore_ascii_case(b"https") => taken.scheme = Scheme::Https,
            proto if proto.eq_ignore_ascii_case(b"http") => taken.scheme = Scheme::Http,
            _ => {}
        }
    }
    // From the nearest proxy outwards, as long as each one is trusted to know the next.
    let named = headers.get_all(&FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok());
    let chain: Vec<&str> = named.flat_map(|value| value.split(',')).collect();
    let mut trusted = true;
    for name in chain.into_iter().rev() {
        if !trusted {
            break;
        }
        let Some(address) = named_address(name.trim()) else { break };
        taken.client = address;
        trusted = client.edge.trusts(address.ip());
    }
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1` or `[2001:db8::1]:80`.
fn named_address(text: &str) -> Option<SocketAddr> {
    let bare = || text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
    text.parse().ok().or_else(|| bare().map(|address| SocketAddr::new(address, 0)))
}

/// Nobody we know says so. X-Forwarded-For stays, as in Kong: each hop adds its peer, and the reader counts from the
/// right. The others would be taken at their word.
fn distrust(headers: &mut HeaderMap) {
    strip_lookalikes(headers, |name| name.starts_with("x-forwarded-") || name == REAL_IP.as_str());
    headers.remove(header::FORWARDED);
    for name in [&FORWARDED_PROTO, &FORWARDED_HOST, &FORWARDED_PORT, &FORWARDED_PREFIX, &FORWARDED_PATH] {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    proptest! {
        /// However it is spelled: an upstream that takes "_" for "-" must not be told a lie.
        #[test]
        fn nobody_says_who_they_are_by_a_header(
            names in vec((select(IDENTITY.to_vec()), vec(any::<bool>(), 32)), 0..8),
            others in vec("x[-_][a-z_-]{1,12}", 0..4),
        ) {
            let mut headers = HeaderMap::new();
            for (name, flips) in names {
                let flipped = |(at, c): (usize, char)| if c == '-' && flips[at] { '_' } else { c };
                let name: String = name.as_str().chars().enumerate().map(flipped).collect();
                headers.append(name.parse::<HeaderName>().unwrap(), "admin".parse().unwrap());
            }
            for name in &others {
                headers.append(name.parse::<HeaderName>().unwrap(), "kept".parse().unwrap());
            }
            if headers.keys().any(may_be_ours) {
                strip_identity(&mut headers);
            }
            prop_assert!(headers.values().all(|value| value == "kept"), "{:?}", headers);
            prop_assert_eq!(headers.len(), others.len());
        }
    }

    #[test]
    fn a_host_is_a_name_or_an_address_and_maybe_a_port() {
        for good in ["a", "a.example.com:80", "127.0.0.1", "[::1]", "[::1]:8080", "a:", "a_b-c~d"] {
            assert!(check_host(good.as_bytes()).is_ok(), "{good}");
        }
        for bad in
            ["", ":80", "a:b", "a:65536", "a:+80", "a:80:80", "[::1", "::1", "[a]", "[::1]a", "u@a", "a b", "a/b", "é"]
        {
            assert!(check_host(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn proxies_name_clients_with_or_without_a_port() {
        for (text, expected) in [
            ("192.0.2.1", Some("192.0.2.1:0")),
            ("192.0.2.1:80", Some("192.0.2.1:80")),
            ("2001:db8::1", Some("[2001:db8::1]:0")),
            ("[2001:db8::1]", Some("[2001:db8::1]:0")),
            ("[2001:db8::1]:80", Some("[2001:db8::1]:80")),
            ("unknown", None),
            ("", None),
        ] {
            assert_eq!(named_address(text).map(|address| address.to_string()).as_deref(), expected, "{text}");
        }
    }
}
