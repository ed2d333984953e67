//! Words for the log when no route took a request: who came closest, and what it would have needed.

use std::cmp::Reverse;
use std::fmt::Display;

use super::hosts::RequestedHost;
use super::{Ask, Criteria, Router};
use crate::limits;

/// Longer lists are cut.
const SHOWN: usize = 5;
/// Bytes of the client's own words in the log; no method that means anything is longer.
const METHOD_BYTES: usize = 32;

/// Whether a route's criteria of one category take a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// It has none.
    Unstated,
    Taken,
    Refused,
}

/// Host, header, path, method, SNI, source: as in `Rank`.
type Verdicts = [Verdict; 6];

impl<R> Router<R> {
    /// After `find` gave `None`: which route came closest and what it refused, like "orders-v1 takes this host and
    /// path, but not DELETE (it takes GET, POST)". `None` if none came near. Looks at a bounded number of routes,
    /// first at those that take the host and the path.
    pub fn near_miss<'r>(&'r self, ask: &Ask<'_>, name: impl Fn(&'r R) -> &'r str) -> Option<String> {
        let mut buffer = [0; limits::HOST_BYTES];
        let host = RequestedHost::new(ask.host, ask.port, &mut buffer);
        let mut near = Vec::new();
        self.visit(&host, ask.path, |place, _, bound| {
            let room = limits::NEAR_MISS_ROUTES.saturating_sub(near.len());
            near.extend(self.places.ways(place).map(|way| way.route as usize).take(room));
            if room == 0 { 0 } else { bound }
        });
        if near.is_empty() {
            near.extend(0..self.routes.len().min(limits::NEAR_MISS_ROUTES));
        }
        near.sort_unstable();
        near.dedup();
        let judged = near.into_iter().filter_map(|listed| {
            let (criteria, route) = self.routes.get(listed)?;
            Some((criteria, route, criteria.judge(&host, ask)))
        });
        // The first of the closest.
        let (criteria, route, verdicts) = judged.min_by_key(|(.., verdicts)| distance(verdicts))?;
        let taken = taken(&verdicts)?;
        let refused = criteria.refused(&verdicts, ask).join(" and ");
        (!refused.is_empty()).then(|| format!("{} takes {taken}, but {refused}", name(route)))
    }
}

/// Few refusals, then many fulfilled wishes, then the more important ones.
fn distance(verdicts: &Verdicts) -> (usize, Reverse<usize>, Reverse<[bool; 6]>) {
    let count = |wanted: Verdict| verdicts.iter().filter(|verdict| **verdict == wanted).count();
    let taken = verdicts.map(|verdict| verdict == Verdict::Taken);
    // A route that takes nothing that was asked for is far away, however little it refuses.
    let refused = if count(Verdict::Taken) == 0 { usize::MAX } else { count(Verdict::Refused) };
    (refused, Reverse(count(Verdict::Taken)), Reverse(taken))
}

/// "this host and path"; `None` if it is nothing.
fn taken(verdicts: &Verdicts) -> Option<String> {
    const NAMES: [&str; 6] = ["host", "headers", "path", "method", "server name", "source"];
    let names = NAMES.iter().zip(verdicts).filter(|(_, verdict)| **verdict == Verdict::Taken).map(|(name, _)| *name);
    let names: Vec<&str> = names.collect();
    let (last, others) = names.split_last()?;
    match others {
        [] => Some(format!("this {last}")),
        others => Some(format!("this {} and {last}", others.join(", "))),
    }
}

impl Criteria {
    fn judge(&self, host: &RequestedHost<'_>, ask: &Ask<'_>) -> Verdicts {
        let verdict = |unstated: bool, takes: bool| match (unstated, takes) {
            (true, _) => Verdict::Unstated,
            (false, true) => Verdict::Taken,
            (false, false) => Verdict::Refused,
        };
        let takes_host = self.hosts.iter().any(|pattern| {
            pattern.name.takes(host.name()) && pattern.port.is_none_or(|port| host.port() == Some(port))
        });
        [
            verdict(self.hosts.is_empty(), takes_host),
            verdict(self.headers.is_empty(), self.takes_headers(ask)),
            verdict(self.paths.is_empty(), self.paths.iter().any(|path| path.takes(ask.path))),
            verdict(self.methods.is_empty(), self.takes_method(ask)),
            verdict(self.snis.is_empty() || !ask.tls, self.takes_sni(ask)),
            verdict(self.sources.is_empty(), self.takes_source(ask)),
        ]
    }

    /// "not DELETE (it takes GET, POST)" and the like.
    fn refused(&self, verdicts: &Verdicts, ask: &Ask<'_>) -> Vec<String> {
        let method = ask.method.as_str().get(..METHOD_BYTES).unwrap_or(ask.method.as_str());
        let all = [
            ("this host", some_of(&self.hosts)),
            ("these headers", some_of(self.headers.iter().filter(|header| !header.takes(ask.headers)))),
            ("this path", some_of(self.paths.iter().map(|path| path.as_str()))),
            (method, some_of(&self.methods)),
            ("this server name", some_of(&self.snis)),
            ("this source", some_of(&self.sources)),
        ];
        let refused = all.into_iter().zip(verdicts).filter(|(_, verdict)| **verdict == Verdict::Refused);
        refused.map(|((what, taken), _)| format!("not {what} (it takes {taken})")).collect()
    }
}

fn some_of(list: impl IntoIterator<Item = impl Display>) -> String {
    let mut list = list.into_iter();
    let shown: Vec<String> = list.by_ref().take(SHOWN).map(|item| item.to_string()).collect();
    match list.count() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
