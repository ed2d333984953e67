//! What singles a way out among those of its place, and what a request has to find it by.

use std::net::IpAddr;

use http::header::{HeaderMap, HeaderName};
use ipnet::IpNet;

use crate::config::values::{HeaderCriterion, HeaderValues, Sni, Source};
use crate::limits;
use crate::proxy::route::hosts::{dots, end, start};
use crate::proxy::route::radix::index;
use crate::proxy::route::way::{MethodMark, Rest};
use crate::proxy::route::{Ask, Criteria};

/// Ways are filed under texts of such a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// The value of a header, in lower case; an index in the list of names.
    Header(u32),
    /// The server name.
    Name,
    /// The end of the server name with so many dots.
    NameEnd(u32),
    /// The beginning of the server name with so many dots.
    NameStart(u32),
    /// This many leading bits of the peer's IPv4 address.
    V4(u8),
    /// This many leading bits of the peer's IPv6 address.
    V6(u8),
}

impl Key {
    /// Visit each text by which this request may find something.
    pub(super) fn texts(self, ask: &Ask<'_>, header_names: &[HeaderName], mut visit: impl FnMut(&[u8])) {
        match self {
            Self::Header(name) => {
                let name = header_names.get(name as usize);
                name.into_iter().for_each(|name| header_values(ask.headers, name, &mut visit));
            }
            Self::Name => server_name(ask, visit),
            Self::NameEnd(dots) => server_name(ask, |name| end(name, dots).into_iter().for_each(visit)),
            Self::NameStart(dots) => server_name(ask, |name| start(name, dots).into_iter().for_each(visit)),
            Self::V4(bits) | Self::V6(bits) => {
                let network = IpNet::new(ask.source.ip().to_canonical(), bits);
                // The same number of bits means another key to the other kind of address.
                network.into_iter().for_each(|network| {
                    by_network(network, |key, text| {
                        if key == self {
                            visit(text);
                        }
                    });
                });
            }
        }
    }
}

/// Which lists of its place a way is in.
pub(super) enum Filing {
    /// No key singles it out.
    Open,
    /// By its first header criterion that lists values.
    Header(Vec<(Key, Box<[u8]>)>),
    /// By its server names, and in the list for requests without TLS.
    Name(Vec<(Key, Box<[u8]>)>),
    /// By its networks.
    Source(Vec<(Key, Box<[u8]>)>),
}

impl Filing {
    pub(super) fn keys(self) -> Vec<(Key, Box<[u8]>)> {
        match self {
            Self::Open => Vec::new(),
            Self::Header(keys) | Self::Name(keys) | Self::Source(keys) => keys,
        }
    }
}

/// Where a way of these criteria is filed, and what is left to check for those that find it there.
pub(super) fn filing(criteria: &Criteria, header_names: &mut Vec<HeaderName>) -> (Filing, Rest) {
    let by_header = criteria.headers.iter().find_map(listed);
    let by_source = || criteria.sources.iter().map(by_source).collect::<Option<Vec<_>>>();
    let filing = if let Some((name, values)) = by_header {
        let name = name_index(header_names, name);
        Filing::Header(values.iter().map(|value| (Key::Header(name), value.as_bytes().into())).collect())
    } else if !criteria.snis.is_empty() {
        Filing::Name(criteria.snis.iter().map(by_name).collect())
    } else if let Some(networks) = by_source().filter(|networks| !networks.is_empty()) {
        Filing::Source(networks)
    } else {
        Filing::Open
    };
    let headers = criteria.headers.len() - usize::from(matches!(filing, Filing::Header(_)));
    let names = !matches!(filing, Filing::Name(_)) && !criteria.snis.is_empty();
    let sources = !matches!(filing, Filing::Source(_)) && !criteria.sources.is_empty();
    let methods = criteria.methods.iter().any(MethodMark::is_vague);
    let rest = if headers > 0 || names || sources || methods { Rest::Something } else { Rest::Nothing };
    (filing, rest)
}

/// A header that has to have one of these values.
fn listed(criterion: &HeaderCriterion) -> Option<(&HeaderName, &[String])> {
    match &criterion.values {
        HeaderValues::AnyOf(values) => Some((&criterion.name, values)),
        HeaderValues::Matching(_) => None,
    }
}

fn name_index(names: &mut Vec<HeaderName>, name: &HeaderName) -> u32 {
    index(names.iter().position(|known| known == name).unwrap_or_else(|| {
        names.push(name.clone());
        names.len() - 1
    }))
}

fn by_name(sni: &Sni) -> (Key, Box<[u8]>) {
    let shown = sni.to_string();
    let (key, text) = match (shown.strip_prefix('*'), shown.strip_suffix('*')) {
        (Some(end), _) => (Key::NameEnd(dots(end.as_bytes())), end),
        (None, Some(start)) => (Key::NameStart(dots(start.as_bytes())), start),
        (None, None) => (Key::Name, &*shown),
    };
    (key, text.as_bytes().into())
}

/// `None` for one with a port.
fn by_source(source: &Source) -> Option<(Key, Box<[u8]>)> {
    let mut filed = None;
    by_network(source.to_string().parse().ok()?, |key, text| filed = Some((key, text.into())));
    filed
}

fn by_network(network: IpNet, visit: impl FnOnce(Key, &[u8])) {
    match network.trunc().addr() {
        IpAddr::V4(address) => visit(Key::V4(network.prefix_len()), &address.octets()),
        IpAddr::V6(address) => visit(Key::V6(network.prefix_len()), &address.octets()),
    }
}

fn header_values(headers: &HeaderMap, name: &HeaderName, mut visit: impl FnMut(&[u8])) {
    for value in headers.get_all(name) {
        let mut buffer = [0; limits::ROUTE_HEADER_BYTES];
        let Some(lower) = buffer.get_mut(..value.len()) else { continue };
        lower.copy_from_slice(value.as_bytes());
        lower.make_ascii_lowercase();
        visit(lower);
    }
}

/// The server name in lower case, without its final dot; none under plain HTTP.
fn server_name(ask: &Ask<'_>, visit: impl FnOnce(&[u8])) {
    let Some(name) = ask.sni.filter(|_| ask.tls) else { return };
    let name = name.strip_suffix('.').unwrap_or(name).as_bytes();
    let mut buffer = [0; limits::HOST_BYTES];
    if let Some(lower) = buffer.get_mut(..name.len()) {
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        visit(lower);
    }
}
