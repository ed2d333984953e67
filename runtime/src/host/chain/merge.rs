//! Which uses of those that are listed make a chain, and which make the rest of it once it is known who has come.

use std::cmp::Reverse;

use super::Scope;
use crate::store::Space;

/// What has to be known of a use.
pub(super) trait Mergeable {
    /// The plugin's name: a chain has each once.
    fn name(&self) -> &str;
    /// Of two uses of a plugin, the one with the narrower goes into the chain.
    fn scope(&self) -> Scope;
    /// Higher comes earlier.
    fn priority(&self) -> i32;
    /// What it has to itself among all uses of a configuration.
    fn space(&self) -> Space;
    /// Whether its turn can be missed: there is a request hook.
    fn has_a_turn(&self) -> bool;
}

/// A chain of the uses that are `listed`.
pub(super) fn merged<'u, U: Mergeable>(listed: &[&'u U]) -> Vec<&'u U> {
    let mut uses = narrowest(listed);
    uses.sort_by_key(|the| Reverse(the.priority()));
    uses
}

/// What `current` becomes when the request hook of the use at `at` has found a consumer who has these uses of their
/// `own`; `route` is the chain of everybody. Comes with the place of that use in it.
///
/// Whoever has had a turn keeps it, and its plugin has no other one. Whoever should have had one before, but was not
/// there, has missed it. Uses without a request hook have nothing to miss: the narrowest holds.
pub(super) fn resumed<'u, U: Mergeable>(
    route: &'u [U],
    current: &'u [U],
    at: usize,
    own: &[&'u U],
) -> (Vec<&'u U>, usize) {
    // Behind all of the route's, if it is a consumer's.
    let listed = |the: &U| route.iter().position(|known| known.space() == the.space()).unwrap_or(route.len());
    let place = |the: &U| (Reverse(the.priority()), listed(the));
    let now = current.get(at).map(place);

    let mut uses: Vec<&U> = current.iter().take(at + 1).filter(|the| the.has_a_turn()).collect();
    let had_a_turn = |the: &U| uses.iter().any(|before| before.name() == the.name());
    let is_late = |the: &U| the.has_a_turn() && Some(place(the)) < now;
    let to_come = route.iter().chain(own.iter().copied()).filter(|the| !had_a_turn(the) && !is_late(the));
    let to_come: Vec<&U> = to_come.collect();
    uses.extend(narrowest(&to_come));
    uses.sort_by_cached_key(|the| place(the));

    let last = current.get(at).map(Mergeable::space);
    let at = uses.iter().position(|the| Some(the.space()) == last).unwrap_or(at);
    (uses, at)
}

/// Those that no other use of the same plugin replaces.
fn narrowest<'u, U: Mergeable>(listed: &[&'u U]) -> Vec<&'u U> {
    let replaces = |one: &U, other: &U| one.name() == other.name() && one.scope() > other.scope();
    listed.iter().copied().filter(|the| !listed.iter().any(|other| replaces(other, the))).collect()
}

#[cfg(test)]
mod tests;
