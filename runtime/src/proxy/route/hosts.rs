//! What is filed under hosts: exact ones by hash, wildcards in two trees, one of which reads from the end.

use std::collections::{BTreeMap, HashMap};

use super::radix::Radix;
use crate::config::values::HostName;
use crate::limits;

/// A `T` for each host pattern.
#[derive(Debug)]
pub(super) struct Hosts<T> {
    exact: HashMap<Box<[u8]>, T>,
    /// By what is behind the star, backwards: `moc.elpmaxe.`
    suffixes: Radix<T>,
    /// By what is before the star.
    prefixes: Radix<T>,
    any: T,
}

impl<T> Hosts<T> {
    /// Visit what is filed under the patterns that take `host`, the narrower ones first.
    pub(super) fn visit<'h>(&'h self, host: &RequestedHost, mut visit: impl FnMut(&'h T)) {
        let name = host.name();
        if let Some(found) = self.exact.get(name) {
            visit(found);
        }
        // A star stands for something: the wildcards see one byte less, at its end.
        if let (false, Some((_, tail))) = (self.suffixes.is_empty(), name.split_first()) {
            let mut buffer = [0; limits::HOST_BYTES];
            buffer.iter_mut().zip(tail.iter().rev()).for_each(|(to, from)| *to = *from);
            self.suffixes.walk(buffer.get(..tail.len()).unwrap_or_default(), &mut visit);
        }
        if let (false, Some((_, head))) = (self.prefixes.is_empty(), name.split_last()) {
            self.prefixes.walk(head, &mut visit);
        }
        visit(&self.any);
    }
}

/// Hosts while they are filled.
#[derive(Default)]
pub(super) struct HostsDraft<D> {
    exact: HashMap<Box<[u8]>, D>,
    suffixes: BTreeMap<Vec<u8>, D>,
    prefixes: BTreeMap<Vec<u8>, D>,
    any: D,
}

impl<D: Default> HostsDraft<D> {
    /// What is filed under `name`; `None` takes every host.
    pub(super) fn at(&mut self, name: Option<&HostName>) -> &mut D {
        match name {
            None => &mut self.any,
            Some(HostName::Exact(name)) => self.exact.entry(name.as_bytes().into()).or_default(),
            Some(HostName::Suffix(end)) => self.suffixes.entry(end.bytes().rev().collect()).or_default(),
            Some(HostName::Prefix(start)) => self.prefixes.entry(start.clone().into_bytes()).or_default(),
        }
    }

    pub(super) fn finish<T>(self, finish: impl Fn(D) -> T) -> Hosts<T> {
        let tree = |filed: BTreeMap<_, D>| Radix::new(filed.into_iter().map(|(key, at)| (key, finish(at))).collect());
        Hosts {
            exact: self.exact.into_iter().map(|(name, at)| (name, finish(at))).collect(),
            suffixes: tree(self.suffixes),
            prefixes: tree(self.prefixes),
            any: finish(self.any),
        }
    }
}

/// The host that a request asks for, in lower case and apart from its port.
pub(super) struct RequestedHost {
    name: [u8; limits::HOST_BYTES],
    /// 0 if the name was too long to be anybody's.
    length: usize,
    port: Option<u16>,
}

impl RequestedHost {
    /// `host` as the Host header has it; without a port there, the listener's.
    pub(super) fn new(host: &str, listener: u16) -> Self {
        let (text, port) = match host.rsplit_once(':') {
            // A port that is left empty is the default (RFC 3986, section 3.2.3).
            Some((text, "")) => (text, Some(listener)),
            Some((text, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (text, port.parse().ok()),
            _ => (host, Some(listener)),
        };
        let mut requested = Self { name: [0; limits::HOST_BYTES], length: 0, port };
        if text.is_empty() {
            return requested;
        }
        if let Some(name) = requested.name.get_mut(..text.len()) {
            name.copy_from_slice(text.as_bytes());
            name.make_ascii_lowercase();
            requested.length = text.len();
        }
        requested
    }

    pub(super) fn name(&self) -> &[u8] {
        self.name.get(..self.length).unwrap_or_default()
    }

    /// `None`: one that no port can be.
    pub(super) fn port(&self) -> Option<u16> {
        self.port
    }
}
