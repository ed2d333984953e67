//! The hooks that a plugin may export: their names, their signatures, and how an instance finds them.

use bytes::Bytes;
use wasmtime::AsContextMut;
use wasmtime::component::{Component, ComponentExportIndex, ComponentNamedList, Instance, Lift, Lower, TypedFunc};

use super::bindings::tidegate::plugin::exchange::Outcome;
use super::bindings::tidegate::plugin::types::{ChunkFlow, Verdict};
use super::state::State;

/// One kind of hook: what goes in, and what comes back.
pub(super) struct Hook<P: 'static, R: 'static> {
    /// As the contract has it, and the log.
    pub(super) name: &'static str,
    /// Its number among `observe::metrics::HOOKS`.
    pub(super) number: usize,
    interface: &'static str,
    export: fn(&Exports) -> Option<ComponentExportIndex>,
    function: fn(&mut Functions) -> &mut Option<TypedFunc<P, R>>,
}

/// What the other hooks return: their decision, or the plugin's own word of its failure.
pub(super) type Decided<T> = (Result<T, String>,);

pub(super) const REQUEST: Hook<(), (Verdict,)> = Hook {
    name: "on-request",
    number: 0,
    interface: "tidegate:plugin/request-hook@0.1.0",
    export: |exports| exports.request,
    function: |functions| &mut functions.request,
};

pub(super) const REQUEST_BODY: Hook<(Bytes, bool), Decided<ChunkFlow>> = Hook {
    name: "on-request-body",
    number: 1,
    interface: "tidegate:plugin/request-body-hook@0.1.0",
    export: |exports| exports.request_body,
    function: |functions| &mut functions.request_body,
};

pub(super) const RESPONSE: Hook<(), (Verdict,)> = Hook {
    name: "on-response",
    number: 2,
    interface: "tidegate:plugin/response-hook@0.1.0",
    export: |exports| exports.response,
    function: |functions| &mut functions.response,
};

pub(super) const RESPONSE_BODY: Hook<(Bytes, bool), Decided<ChunkFlow>> = Hook {
    name: "on-response-body",
    number: 3,
    interface: "tidegate:plugin/response-body-hook@0.1.0",
    export: |exports| exports.response_body,
    function: |functions| &mut functions.response_body,
};

pub(super) const LOG: Hook<(Outcome,), ()> = Hook {
    name: "on-log",
    number: 4,
    interface: "tidegate:plugin/log-hook@0.1.0",
    export: |exports| exports.log,
    function: |functions| &mut functions.log,
};

pub(super) const TIMER: Hook<(), Decided<()>> = Hook {
    name: "on-timer",
    number: 5,
    interface: "tidegate:plugin/timer-hook@0.1.0",
    export: |exports| exports.timer,
    function: |functions| &mut functions.timer,
};

/// Where a component has its hooks; `None`: it has none of that kind.
#[derive(Clone, Copy)]
pub(super) struct Exports {
    pub(super) request: Option<ComponentExportIndex>,
    pub(super) request_body: Option<ComponentExportIndex>,
    pub(super) response: Option<ComponentExportIndex>,
    pub(super) response_body: Option<ComponentExportIndex>,
    pub(super) log: Option<ComponentExportIndex>,
    pub(super) timer: Option<ComponentExportIndex>,
}

impl Exports {
    pub(super) fn of(component: &Component) -> Self {
        Self {
            request: REQUEST.find(component),
            request_body: REQUEST_BODY.find(component),
            response: RESPONSE.find(component),
            response_body: RESPONSE_BODY.find(component),
            log: LOG.find(component),
            timer: TIMER.find(component),
        }
    }

    /// The names of those that are there.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        let hooks = [
            (REQUEST.name, self.request),
            (REQUEST_BODY.name, self.request_body),
            (RESPONSE.name, self.response),
            (RESPONSE_BODY.name, self.response_body),
            (LOG.name, self.log),
            (TIMER.name, self.timer),
        ];
        hooks.into_iter().filter_map(|(name, export)| export.map(|_| name))
    }
}

/// The function `name` of an exported `interface`.
pub(super) fn export(component: &Component, interface: &str, name: &str) -> Option<ComponentExportIndex> {
    let interface = component.get_export_index(None, interface)?;
    component.get_export_index(Some(&interface), name)
}

/// One instance's hooks, each looked up when it is first called.
#[derive(Default)]
pub(super) struct Functions {
    request: Option<TypedFunc<(), (Verdict,)>>,
    request_body: Option<TypedFunc<(Bytes, bool), Decided<ChunkFlow>>>,
    response: Option<TypedFunc<(), (Verdict,)>>,
    response_body: Option<TypedFunc<(Bytes, bool), Decided<ChunkFlow>>>,
    log: Option<TypedFunc<(Outcome,), ()>>,
    timer: Option<TypedFunc<(), Decided<()>>>,
}

impl<P, R> Hook<P, R>
where
    P: ComponentNamedList + Lower + Send + Sync,
    R: ComponentNamedList + Lift + Send + Sync,
{
    fn find(&self, component: &Component) -> Option<ComponentExportIndex> {
        export(component, self.interface, self.name)
    }

    /// The function of `instance`.
    pub(super) fn function(
        &self,
        functions: &mut Functions,
        exports: &Exports,
        instance: &Instance,
        store: impl AsContextMut<Data = State>,
    ) -> wasmtime::Result<TypedFunc<P, R>> {
        let known = (self.function)(functions);
        if let Some(function) = known {
            return Ok(*function);
        }
        let index = (self.export)(exports);
        let index = index.ok_or_else(|| wasmtime::format_err!("the plugin has no {}", self.name))?;
        Ok(*known.insert(instance.get_typed_func(store, index)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::metrics::HOOKS;

    #[test]
    fn hooks_are_counted_under_their_own_names() {
        let numbered = [
            (REQUEST.number, REQUEST.name),
            (REQUEST_BODY.number, REQUEST_BODY.name),
            (RESPONSE.number, RESPONSE.name),
            (RESPONSE_BODY.number, RESPONSE_BODY.name),
            (LOG.number, LOG.name),
            (TIMER.number, TIMER.name),
        ];
        assert!(numbered.iter().all(|(number, name)| HOOKS[*number] == *name), "{numbered:?}");
    }
}
