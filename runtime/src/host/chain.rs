//! The plugin uses of one route, in order, and what becomes of them once it is known who has come. What they need
//! together says how an exchange has to be led through them; `proxy/hooks.rs` leads it.

pub mod consumers;
mod merge;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use self::merge::Mergeable;
use super::activation::BodyMode;
use super::plugin_use::Use;
use crate::store::Space;

/// What a request passes on its way: requests from first to last, responses from last to first.
#[derive(Default)]
pub struct Chain {
    /// Tells this one from all others, in whichever generation; 0 if it is empty by default.
    number: u64,
    uses: Box<[Use]>,
    needs: Needs,
}

/// The next one that no chain has had yet.
static NUMBERS: AtomicU64 = AtomicU64::new(1);

/// For which requests a use is meant, the widest scope first. In a chain, a use in a narrower scope has replaced the same
/// plugin's wider one (Kong's order of precedence).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// At the top of the file.
    Global,
    /// On a service.
    Service,
    /// On a route.
    Route,
    /// On a consumer.
    Consumer,
    /// On a route, for the service that it belongs to: narrower than all of a consumer's.
    RouteAndService,
    /// On a consumer, for one service.
    ConsumerAndService,
    /// On a consumer, for one route.
    ConsumerAndRoute,
    /// On a consumer, for one route and the service that it belongs to.
    ConsumerAndRouteAndService,
}

impl Scope {
    /// As operators call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::Service => "service",
            Self::Route => "route",
            Self::Consumer => "consumer",
            Self::RouteAndService => "route+service",
            Self::ConsumerAndService => "consumer+service",
            Self::ConsumerAndRoute => "consumer+route",
            Self::ConsumerAndRouteAndService => "consumer+route+service",
        }
    }
}

/// What an exchange owes the uses of a chain beyond calling their hooks for heads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needs {
    /// Pieces of the request's body go through some plugin.
    pub request_pieces: bool,
    /// Pieces of the response's body do.
    pub response_pieces: bool,
    /// Some plugin gets the whole of the response's body, or its pieces, so it has to come unencoded and unabridged.
    pub response_body: bool,
    /// Some plugin wants to know how it ended.
    pub log: bool,
}

impl Chain {
    /// A chain in the order of priority; uses of the same priority stay as listed. Of several uses of one plugin it has
    /// the one with the narrowest scope.
    pub fn new<'u>(listed: impl IntoIterator<Item = &'u Use>) -> Arc<Self> {
        Self::of(&merge::merged(&listed.into_iter().collect::<Vec<_>>()))
    }

    fn of(uses: &[&Use]) -> Arc<Self> {
        let needs = |need: fn(&Use) -> bool| uses.iter().copied().any(need);
        let needs = Needs {
            request_pieces: needs(|the| the.plugin.activation.request_body == BodyMode::Chunked),
            response_pieces: needs(|the| the.plugin.activation.response_body == BodyMode::Chunked),
            response_body: needs(|the| the.plugin.activation.response_body != BodyMode::None),
            log: needs(|the| the.plugin.activation.on_log),
        };
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        Arc::new(Self { number, uses: uses.iter().copied().cloned().collect(), needs })
    }

    /// The uses, in the order requests meet them.
    pub fn uses(&self) -> &[Use] {
        &self.uses
    }

    /// What they need together.
    pub fn needs(&self) -> Needs {
        self.needs
    }
}

impl Mergeable for Use {
    fn name(&self) -> &str {
        &self.name
    }

    fn scope(&self) -> Scope {
        self.scope
    }

    fn priority(&self) -> i32 {
        self.priority
    }

    fn space(&self) -> Space {
        self.space
    }

    fn has_a_turn(&self) -> bool {
        self.plugin.activation.on_request
    }
}
