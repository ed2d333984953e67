//! From routes to what they are found by: each one's hosts and paths are ranked against all others, and filed best
//! first.

use super::Criteria;
use super::hosts::{Hosts, HostsDraft};
use super::paths::{PathDraft, Paths, PathsDraft};
use super::place::{Places, PlacesDraft};
use super::radix::index;
use super::rank::rank;
use super::way::Way;

pub(super) fn build<R>(routes: &[(Criteria, R)]) -> (Hosts, Paths, Places) {
    let mut ranked = Vec::new();
    for (listed, (criteria, _)) in routes.iter().enumerate() {
        for host in optional(&criteria.hosts) {
            for path in optional(&criteria.paths) {
                ranked.push((rank(criteria, host, path, listed), host, path, criteria));
            }
        }
    }
    // Stable: two ways of one route may rank the same.
    ranked.sort_by_key(|(rank, ..)| *rank);

    let mut paths = PathsDraft::default();
    let mut hosts = HostsDraft::<PathDraft<'_>>::default();
    for ((rank, host, path, criteria), nth) in ranked.into_iter().zip(0..) {
        let port = host.and_then(|host| host.port);
        let way = Way::new(nth, index(rank.listed()), port, paths.way_path(path), criteria);
        hosts.at(host.map(|host| &host.name)).file(path, way, criteria);
    }
    let mut places = PlacesDraft::default();
    let (hosts, filed) = hosts.finish();
    filed.into_iter().for_each(|filed| paths.add(filed, &mut places));
    (hosts, paths.finish(), places.finish())
}

/// Each of them, or once none.
pub(super) fn optional<T>(list: &[T]) -> impl Iterator<Item = Option<&T>> {
    list.iter().map(Some).chain(list.is_empty().then_some(None))
}
