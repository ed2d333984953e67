use super::*;
use Scope::{
    Consumer, ConsumerAndRoute, ConsumerAndRouteAndService, ConsumerAndService, Global, Route, RouteAndService, Service,
};

/// A use: its plugin, where it stands, its priority, its space. With a `~` it has no request hook.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Stub(&'static str, Scope, i32, u64);

impl Mergeable for Stub {
    fn name(&self) -> &str {
        self.0.trim_end_matches('~')
    }

    fn scope(&self) -> Scope {
        self.1
    }

    fn priority(&self) -> i32 {
        self.2
    }

    fn space(&self) -> Space {
        Space(self.3)
    }

    fn has_a_turn(&self) -> bool {
        !self.0.ends_with('~')
    }
}

/// Uses that are listed in this order.
fn listed(uses: &[(&'static str, Scope, i32)]) -> Vec<Stub> {
    uses.iter().zip(1..).map(|((name, scope, priority), number)| Stub(name, *scope, *priority, number)).collect()
}

/// The same, of a consumer; none is one of `listed`'s.
fn own(uses: &[(&'static str, Scope, i32)]) -> Vec<Stub> {
    own_of(1, uses)
}

fn own_of(consumer: u64, uses: &[(&'static str, Scope, i32)]) -> Vec<Stub> {
    listed(uses).into_iter().map(|the| Stub(the.0, the.1, the.2, the.3 + 100 * consumer)).collect()
}

fn chain(uses: &[Stub]) -> Vec<Stub> {
    merged(&uses.iter().collect::<Vec<_>>()).into_iter().copied().collect()
}

/// What becomes of `current` where the use of `plugin` has found out who it is; and how many uses have been passed.
fn known(route: &[Stub], current: &[Stub], plugin: &str, own: &[Stub]) -> (Vec<Stub>, usize) {
    let at = current.iter().position(|the| the.0 == plugin).unwrap();
    let (uses, at) = resumed(route, current, at, &own.iter().collect::<Vec<_>>());
    (uses.into_iter().copied().collect(), at)
}

/// Name and scope of each.
fn told(uses: &[Stub]) -> Vec<(&'static str, Scope)> {
    uses.iter().map(|the| (the.0, the.1)).collect()
}

#[test]
fn the_narrowest_of_any_two_scopes_holds_in_kongs_order() {
    let by_precedence = [
        ConsumerAndRouteAndService,
        ConsumerAndRoute,
        ConsumerAndService,
        RouteAndService,
        Consumer,
        Route,
        Service,
        Global,
    ];
    let is_consumers = |scope: Scope| scope.name().starts_with("consumer");
    for (at, narrower) in by_precedence.into_iter().enumerate() {
        for wider in by_precedence.into_iter().skip(at + 1) {
            for order in [[narrower, wider], [wider, narrower]] {
                let (consumers, others): (Vec<_>, Vec<_>) =
                    order.map(|scope| ("LIMIT", scope, 900)).into_iter().partition(|the| is_consumers(the.1));
                let route = chain(&listed(&[&[("AUTH", Route, 1000)], &*others].concat()));
                let (uses, at) = known(&route, &route, "AUTH", &own(&consumers));
                assert_eq!((told(&uses), at), (vec![("AUTH", Route), ("LIMIT", narrower)], 0), "over {wider:?}");
            }
        }
    }
}

#[test]
fn a_chain_is_in_the_order_of_priority_and_ties_are_as_listed() {
    let uses = listed(&[("A", Global, 1), ("B", Global, 5), ("C", Service, 5), ("A", Route, 5), ("D", Route, 9)]);
    assert_eq!(told(&chain(&uses)), [("D", Route), ("B", Global), ("C", Service), ("A", Route)]);
}

#[test]
fn a_consumers_uses_join_what_is_left_behind_ties() {
    let route = chain(&listed(&[("auth", Route, 1000), ("a", Global, 900), ("b", Route, 900), ("c", Route, 800)]));
    let own = own(&[("e", Consumer, 900), ("f", Consumer, 850), ("at-once", Consumer, 1000), ("b", Consumer, 1)]);
    let (uses, at) = known(&route, &route, "auth", &own);
    let expected = ["auth", "at-once", "a", "e", "f", "c", "b"];
    assert_eq!((uses.iter().map(|the| the.0).collect::<Vec<_>>(), at), (expected.to_vec(), 0));
}

#[test]
fn whoever_has_had_a_turn_keeps_it_and_whoever_is_late_has_none() {
    let route =
        chain(&listed(&[("BOTS", Global, 2000), ("AUTH", Route, 1000), ("LIMIT", Global, 900), ("LOG", Route, 10)]));
    // The route's BOTS has run; TRACE would have had to; LIMIT has not had a turn, wherever the consumer's would have been.
    let own = own(&[("BOTS", Consumer, 500), ("TRACE", Consumer, 3000), ("LIMIT", Consumer, 5000)]);
    let (uses, at) = known(&route, &route, "AUTH", &own);
    assert_eq!(told(&uses), [("BOTS", Global), ("AUTH", Route), ("LIMIT", Global), ("LOG", Route)]);
    assert_eq!(at, 1);
}

#[test]
fn who_has_no_request_hook_has_nothing_to_miss() {
    let route = chain(&listed(&[("HEADERS~", Global, 3000), ("BOTS", Route, 2000), ("AUTH", Route, 1000)]));
    let consumers = own(&[("HEADERS~", Consumer, 3000), ("LOG~", Consumer, 2500), ("BOTS~", Consumer, 2000)]);
    let (uses, at) = known(&route, &route, "AUTH", &consumers);
    // BOTS has had its turn, and so its plugin has no other one.
    assert_eq!(told(&uses), [("HEADERS~", Consumer), ("LOG~", Consumer), ("BOTS", Route), ("AUTH", Route)]);
    assert_eq!(at, 3);

    // What is late replaces nothing.
    let (uses, at) = known(&route, &route, "AUTH", &own(&[("HEADERS", Consumer, 3000)]));
    assert_eq!((told(&uses), at), (told(&route), 2));
}

#[test]
fn another_consumer_takes_the_first_ones_place_but_not_its_turns() {
    let route = chain(&listed(&[
        ("FIRST", Route, 1000),
        ("LIMIT", Route, 950),
        ("SECOND", Route, 900),
        ("EDIT", Route, 800),
        ("LOG~", Global, 10),
    ]));
    let guests = own_of(
        1,
        &[
            ("LIMIT", Consumer, 950),
            ("EARLY", Consumer, 920),
            ("EDIT", Consumer, 800),
            ("LATE", Consumer, 700),
            ("LOG~", Consumer, 10),
        ],
    );
    let (as_guest, at) = known(&route, &route, "FIRST", &guests);
    let expected = ["FIRST", "LIMIT", "EARLY", "SECOND", "EDIT", "LATE", "LOG~"];
    assert_eq!((as_guest.iter().map(|the| the.0).collect::<Vec<_>>(), at), (expected.to_vec(), 0));

    // The guest's LIMIT and EARLY have had their turn; what had not is the route's again, or the other one's.
    let members = own_of(2, &[("LIMIT", Consumer, 850), ("EDIT", ConsumerAndRoute, 800)]);
    let (as_member, at) = known(&route, &as_guest, "SECOND", &members);
    let numbers: Vec<_> = as_member.iter().map(|the| (the.0, the.3)).collect();
    assert_eq!(numbers, [("FIRST", 1), ("LIMIT", 101), ("EARLY", 102), ("SECOND", 3), ("EDIT", 202), ("LOG~", 5)]);
    assert_eq!(at, 3);

    // And somebody without any has the route's.
    let numbers: Vec<_> = known(&route, &as_guest, "SECOND", &[]).0.iter().map(|the| (the.0, the.3)).collect();
    assert_eq!(numbers, [("FIRST", 1), ("LIMIT", 101), ("EARLY", 102), ("SECOND", 3), ("EDIT", 4), ("LOG~", 5)]);
}

#[test]
fn a_consumers_use_may_find_out_that_it_is_another() {
    let route = chain(&listed(&[("FIRST", Route, 1000), ("TIE", Route, 900), ("EDIT", Route, 900)]));
    let guests = own_of(1, &[("SECOND", Consumer, 900), ("GUESTS", Consumer, 900)]);
    let (as_guest, _) = known(&route, &route, "FIRST", &guests);
    let members = own_of(2, &[("MEMBERS", Consumer, 900), ("EDIT", Consumer, 900)]);
    let (uses, at) = known(&route, &as_guest, "SECOND", &members);
    // The route's ties come before any consumer's, and have had their turn.
    let expected = [("FIRST", 1), ("TIE", 2), ("EDIT", 3), ("SECOND", 101), ("MEMBERS", 201)];
    assert_eq!(uses.iter().map(|the| (the.0, the.3)).collect::<Vec<_>>(), expected);
    assert_eq!(at, 3);
}
