//! The plugin uses of one route, in order. What they need together says how an exchange has to be led through them;
//! `proxy/hooks.rs` leads it.

use std::sync::Arc;

use super::activation::BodyMode;
use super::plugin_use::Use;

/// What a request passes on its way: requests from first to last, responses from last to first.
#[derive(Default)]
pub struct Chain {
    uses: Box<[Use]>,
    needs: Needs,
}

/// Where a use stands in gateway.toml. In a chain, one in a narrower scope has replaced the same plugin's wider one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// At the top of the file.
    Global,
    /// On a service.
    Service,
    /// On a route.
    Route,
}

impl Scope {
    /// As operators call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::Service => "service",
            Self::Route => "route",
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
    /// A chain in the order of priority; uses of the same priority stay as listed.
    pub fn new(mut uses: Vec<Use>) -> Arc<Self> {
        uses.sort_by_key(|plugin_use| std::cmp::Reverse(plugin_use.priority));
        let needs = |need: fn(&Use) -> bool| uses.iter().any(need);
        let needs = Needs {
            request_pieces: needs(|the| the.plugin.activation.request_body == BodyMode::Chunked),
            response_pieces: needs(|the| the.plugin.activation.response_body == BodyMode::Chunked),
            response_body: needs(|the| the.plugin.activation.response_body != BodyMode::None),
            log: needs(|the| the.plugin.activation.on_log),
        };
        Arc::new(Self { uses: uses.into(), needs })
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
