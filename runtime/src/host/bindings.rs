//! The Rust side of `wit/`: types and host traits, generated, so that contract and gateway cannot disagree.

#![allow(missing_docs, unreachable_pub, clippy::all, reason = "generated code; wit/ documents it")]

wasmtime::component::bindgen!({
    path: "../wit/0.1",
    world: "plugin",
    imports: {
        "tidegate:plugin/http-client@0.1.0.fetch": async | trappable,
        "tidegate:plugin/http-client@0.1.0.fetch-shared": async | trappable,
        "tidegate:plugin/passwords@0.1.0.verify": async | trappable,
        default: trappable,
    },
});

/// The version of `wit/` that this gateway speaks.
pub(super) const PACKAGE: &str = "tidegate:plugin";
pub(super) const VERSION: &str = "0.1.0";
pub(super) const LIFECYCLE: &str = "tidegate:plugin/lifecycle@0.1.0";
