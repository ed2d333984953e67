//! Which trees of paths a host leads to: exact hosts and what is left of wildcards are all in one table, and the dots
//! in a wildcard tell which part of a host to look for there.

use std::collections::{BTreeMap, BTreeSet};

use super::radix::index;
use super::table::{Filed, Table};
use crate::config::values::HostName;
use crate::limits;

/// A tree of paths for each host pattern, by its number. Tree 0 is for any host.
#[derive(Debug)]
pub(super) struct Hosts {
    table: Table,
    /// The numbers of dots that there are behind stars, the most first. They are usually one or two, so that a host
    /// with a hundred dots is no more work than another.
    ends: Box<[u32]>,
    /// Those before stars.
    starts: Box<[u32]>,
    any: bool,
}

/// Scopes in the table.
const EXACT: u32 = 0;
const END: u32 = 1;
const START: u32 = 2;

impl Hosts {
    /// Visit the trees that are filed under the patterns that take `host`, the narrower ones first.
    pub(super) fn visit(&self, host: &RequestedHost<'_>, mut visit: impl FnMut(u32)) {
        let name = host.name();
        let mut look = |scope, text: &[u8]| self.table.find(scope, text).into_iter().for_each(&mut visit);
        if !name.is_empty() {
            look(EXACT, name);
            self.ends.iter().filter_map(|dots| end(name, *dots)).for_each(|end| look(END, end));
            self.starts.iter().filter_map(|dots| start(name, *dots)).for_each(|start| look(START, start));
        }
        if self.any {
            visit(0);
        }
    }
}

/// How many dots are in a name.
pub(super) fn dots(text: &[u8]) -> u32 {
    index(text.iter().filter(|byte| **byte == b'.').count())
}

/// The end of a name that begins with a dot and has so many of them, unless that is all of it.
pub(super) fn end(name: &[u8], dots: u32) -> Option<&[u8]> {
    let dots = name.iter().enumerate().rev().filter(|(_, byte)| **byte == b'.').nth((dots as usize).checked_sub(1)?);
    dots.filter(|(at, _)| *at > 0).and_then(|(at, _)| name.get(at..))
}

/// The beginning of a name that ends with a dot and has so many of them, unless that is all of it.
pub(super) fn start(name: &[u8], dots: u32) -> Option<&[u8]> {
    let dots = name.iter().enumerate().filter(|(_, byte)| **byte == b'.').nth((dots as usize).checked_sub(1)?);
    dots.filter(|(at, _)| at + 1 < name.len()).and_then(|(at, _)| name.get(..=at))
}

/// Hosts while they are filled.
#[derive(Default)]
pub(super) struct HostsDraft<D> {
    named: BTreeMap<Filed, D>,
    any: Option<D>,
}

impl<D: Default> HostsDraft<D> {
    /// What is filed under `name`; `None` takes every host.
    pub(super) fn at(&mut self, name: Option<&HostName>) -> &mut D {
        let (scope, text) = match name {
            None => return self.any.get_or_insert_default(),
            Some(HostName::Exact(name)) => (EXACT, name),
            Some(HostName::Suffix(end)) => (END, end),
            Some(HostName::Prefix(start)) => (START, start),
        };
        self.named.entry((scope, text.as_bytes().into())).or_default()
    }

    /// And what was filed, by the numbers of the trees.
    pub(super) fn finish(self) -> (Hosts, Vec<D>) {
        let dots = |wanted: u32| -> Box<[u32]> {
            let texts = self.named.keys().filter(|(scope, _)| *scope == wanted);
            let numbers: BTreeSet<u32> = texts.map(|(_, text)| dots(text)).collect();
            numbers.into_iter().rev().collect()
        };
        let (ends, starts) = (dots(END), dots(START));
        let hosts = Hosts { table: Table::new(self.named.keys().zip(1..)), ends, starts, any: self.any.is_some() };
        (hosts, [self.any.unwrap_or_default()].into_iter().chain(self.named.into_values()).collect())
    }
}

/// The host that a request asks for, in lower case and apart from its port.
pub(super) struct RequestedHost<'h> {
    /// Empty if it was too long to be anybody's.
    name: &'h [u8],
    port: Option<u16>,
}

/// Where a host's name is put into lower case.
pub(super) type HostBuffer = [u8; limits::HOST_BYTES];

impl<'h> RequestedHost<'h> {
    /// `host` as the Host header has it; without a port there, the listener's.
    pub(super) fn new(host: &'h str, listener: u16, buffer: &'h mut HostBuffer) -> Self {
        let (text, port) = match host.rsplit_once(':') {
            // A port that is left empty is the default (RFC 3986, section 3.2.3).
            Some((text, "")) => (text, Some(listener)),
            Some((text, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (text, port.parse().ok()),
            _ => (host, Some(listener)),
        };
        let Some(name) = buffer.get_mut(..text.len()) else { return Self { name: &[], port } };
        name.copy_from_slice(text.as_bytes());
        name.make_ascii_lowercase();
        Self { name, port }
    }

    pub(super) fn name(&self) -> &[u8] {
        self.name
    }

    /// `None`: one that no port can be.
    pub(super) fn port(&self) -> Option<u16> {
        self.port
    }
}
