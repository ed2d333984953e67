//! From a file's bytes to a component that keeps the contract, or the reason why not.

use std::borrow::Cow;

use thiserror::Error;
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wasmtime::Engine;
use wasmtime::component::Component;
use wit_component::ComponentEncoder;

use super::bindings::{LIFECYCLE, PACKAGE, VERSION};
use super::calls;

/// Why a file is no plugin for this gateway.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum LoadError {
    /// Not WebAssembly.
    #[error("is not a WebAssembly file")]
    NotWasm,
    /// WebAssembly, but broken: truncated, mostly.
    #[error("is not valid WebAssembly: {0}")]
    Invalid(String),
    /// A core module that the SDK did not make.
    #[error("is a core module that cannot be made a component: {0}")]
    NotComponentisable(String),
    /// Another version of the contract.
    #[error("needs {PACKAGE}@{0}, this gateway speaks {VERSION}")]
    Version(String),
    /// An import that nobody offers.
    #[error("imports `{0}`, which this gateway does not offer")]
    UnknownImport(String),
    /// A component, but of another world.
    #[error("is a component of another world: it does not export `{LIFECYCLE}`")]
    NotAPlugin,
    /// Nothing to call.
    #[error("exports no hook")]
    NoHook,
    /// The right names, but other types behind them.
    #[error("does not fit {PACKAGE}@{VERSION}: {0}")]
    Mismatch(String),
    /// The plugin failed before it did anything.
    #[error("failed to describe itself: {0}")]
    Describe(String),
    /// The plugin's own schema is no good.
    #[error("describes its config by something that is no JSON Schema: {0}")]
    Schema(String),
    /// What it says of a sink of its own is no good.
    #[error("describes a sink of its own that cannot be had: {0}")]
    OwnSink(String),
}

impl LoadError {
    /// What to do about it.
    pub fn help(&self) -> &'static str {
        match self {
            Self::NotWasm | Self::NotAPlugin => {
                "build a plugin on tidegate-sdk: cargo build --release --target wasm32-wasip2"
            }
            Self::Invalid(_) => "is the file complete? build it again, or copy it again",
            Self::NotComponentisable(_) => "build it on tidegate-sdk for wasm32-wasip1, or as a component",
            Self::Version(_) => "use a tidegate-sdk of this gateway's version, or another gateway",
            Self::UnknownImport(_) => "plugins may import tidegate:plugin and wasi: interfaces only",
            Self::NoHook => "name at least one hook: export!(Settings: RequestHook)",
            Self::Mismatch(_) => "build it again with the tidegate-sdk of this gateway",
            Self::Describe(_) => "this is the plugin's fault: tell its author",
            Self::Schema(_) | Self::OwnSink(_) => "this is the plugin's fault: tell its author",
        }
    }
}

pub(super) fn invalid(error: &wasmtime::Error) -> LoadError {
    LoadError::Invalid(one_line(&format!("{error:#}")))
}

pub(super) fn mismatch(error: &wasmtime::Error) -> LoadError {
    LoadError::Mismatch(one_line(&format!("{error:#}")))
}

/// Bytes 4 to 7 of a WebAssembly file: a version and a layer, which tells core modules from components.
const CORE_MODULE: [u8; 4] = [1, 0, 0, 0];

/// A core module as a component; a component as it is.
pub(super) fn componentise(wasm: &[u8]) -> Result<Cow<'_, [u8]>, LoadError> {
    let Some(layer) = wasm.strip_prefix(b"\0asm") else { return Err(LoadError::NotWasm) };
    if !layer.starts_with(&CORE_MODULE) {
        return Ok(Cow::Borrowed(wasm));
    }
    // Else a truncated module would be called one without the SDK's mark.
    wasmparser::validate(wasm).map_err(|error| LoadError::Invalid(error.to_string()))?;
    let encode = || -> anyhow::Result<Vec<u8>> {
        ComponentEncoder::default()
            .module(wasm)?
            .adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER)?
            .encode()
    };
    encode().map(Cow::Owned).map_err(|error| LoadError::NotComponentisable(one_line(&format!("{error:#}"))))
}

/// Every import is ours, of our version, or WASI's.
pub(super) fn check_imports(engine: &Engine, component: &Component) -> Result<(), LoadError> {
    for (name, _) in component.component_type().imports(engine) {
        let interface = Interface::parse(name);
        interface.check_version()?;
        let offered = match interface.package {
            PACKAGE => calls::INTERFACES.contains(&interface.name),
            package => package.starts_with("wasi:"),
        };
        if !offered {
            return Err(LoadError::UnknownImport(name.to_owned()));
        }
    }
    Ok(())
}

/// Whether `component` imports any of these interfaces of ours.
pub(super) fn imports(engine: &Engine, component: &Component, names: &[&str]) -> bool {
    let ty = component.component_type();
    ty.imports(engine).any(|(name, _)| {
        let interface = Interface::parse(name);
        interface.package == PACKAGE && names.contains(&interface.name)
    })
}

/// The lifecycle is there, and of our version.
pub(super) fn check_exports(engine: &Engine, component: &Component) -> Result<(), LoadError> {
    let ty = component.component_type();
    for (name, _) in ty.exports(engine) {
        Interface::parse(name).check_version()?;
    }
    let lifecycle = ty.exports(engine).any(|(name, _)| name == LIFECYCLE);
    if lifecycle { Ok(()) } else { Err(LoadError::NotAPlugin) }
}

/// `package/name@version`
struct Interface<'n> {
    package: &'n str,
    name: &'n str,
    version: &'n str,
}

impl<'n> Interface<'n> {
    fn parse(full: &'n str) -> Self {
        let (path, version) = full.split_once('@').unwrap_or((full, ""));
        let (package, name) = path.split_once('/').unwrap_or((path, ""));
        Self { package, name, version }
    }

    fn check_version(&self) -> Result<(), LoadError> {
        if self.package == PACKAGE && self.version != VERSION {
            return Err(LoadError::Version(self.version.to_owned()));
        }
        Ok(())
    }
}

/// Tools explain themselves over several lines; a fault has one.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::component;

    fn services() -> std::sync::Arc<crate::host::services::Services> {
        let counters = crate::store::counters::Counters::new(&crate::config::checked::Counters::Memory, 1).unwrap();
        crate::host::services::Services::new(counters, std::sync::Arc::new(crate::observe::metrics::Metrics::new(1)), 1)
    }

    fn load(wat: &str) -> LoadError {
        let engine = crate::host::engine::Engine::new(1).unwrap();
        component::Component::load(&engine, &services(), None, &wat::parse_str(wat).unwrap())
            .err()
            .expect("must be refused")
    }

    #[test]
    fn what_is_not_a_plugin_is_refused_by_name() {
        let engine = crate::host::engine::Engine::new(1).unwrap();
        let text = component::Component::load(&engine, &services(), None, b"#!/bin/sh\n").err();
        assert_eq!(text, Some(LoadError::NotWasm));
        assert_eq!(load("(module)"), LoadError::NotAPlugin);
        assert!(matches!(load(r#"(module (import "env" "f" (func)))"#), LoadError::NotComponentisable(_)));
        assert_eq!(load("(component)"), LoadError::NotAPlugin);
        assert_eq!(
            load(r#"(component (import "acme:auth/tokens@1.0.0" (instance)))"#),
            LoadError::UnknownImport("acme:auth/tokens@1.0.0".into())
        );
    }

    #[test]
    fn another_version_of_the_contract_is_refused_by_both_numbers() {
        let error = load(r#"(component (import "tidegate:plugin/request@0.3.0" (instance)))"#);
        assert_eq!(error.to_string(), "needs tidegate:plugin@0.3.0, this gateway speaks 0.1.0");
    }

    #[test]
    fn an_interface_of_another_shape_is_a_mismatch() {
        let error = load(
            r#"(component
            (import "tidegate:plugin/client@0.1.0" (instance (export "port" (func (result string)))))
            (instance $empty)
            (export "tidegate:plugin/lifecycle@0.1.0" (instance $empty)))"#,
        );
        assert!(matches!(error, LoadError::Mismatch(_)), "{error}");
    }

    #[test]
    fn a_lifecycle_without_functions_is_no_plugin() {
        let error =
            load(r#"(component (instance $empty) (export "tidegate:plugin/lifecycle@0.1.0" (instance $empty)))"#);
        assert_eq!(error, LoadError::NotAPlugin);
    }
}
