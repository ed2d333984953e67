//! What a plugin needs under its config, as it says when it is configured, checked against what it exports and what its
//! use allows.

use super::bindings::exports::tidegate::plugin::lifecycle::{Activation as Told, BodyMode as ToldMode};
use super::hook::Exports;
use crate::config::checked::PluginLimits;

/// Which of its hooks a plugin wants to be called for, under its config.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Activation {
    /// Call `on-request`.
    pub on_request: bool,
    /// Call `on-response`.
    pub on_response: bool,
    /// Call `on-log`.
    pub on_log: bool,
    /// How it gets the request's body.
    pub request_body: BodyMode,
    /// How it gets the response's body.
    pub response_body: BodyMode,
}

/// What a plugin gets of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyMode {
    /// Nothing.
    None,
    /// All of it, up to so many bytes, before the hook for the head is called.
    Buffered(u64),
    /// One piece after another, in a hook of its own.
    Chunked,
}

impl Activation {
    /// What the plugin has told, if it is possible.
    pub(super) fn check(told: Told, exports: &Exports, limits: &PluginLimits) -> Result<Self, String> {
        let mode = |mode| match mode {
            ToldMode::None => BodyMode::None,
            ToldMode::Buffered(most) => BodyMode::Buffered(most),
            ToldMode::Chunked => BodyMode::Chunked,
        };
        let activation = Self {
            on_request: told.on_request,
            on_response: told.on_response,
            on_log: told.on_log,
            request_body: mode(told.request_body),
            response_body: mode(told.response_body),
        };
        let asked = [
            (activation.on_request, exports.request.is_some(), "on-request"),
            (activation.on_response, exports.response.is_some(), "on-response"),
            (activation.on_log, exports.log.is_some(), "on-log"),
            (activation.request_body == BodyMode::Chunked, exports.request_body.is_some(), "on-request-body"),
            (activation.response_body == BodyMode::Chunked, exports.response_body.is_some(), "on-response-body"),
        ];
        for (asked, exported, hook) in asked {
            if asked && !exported {
                return Err(format!("it asks for {hook}, which it does not export"));
            }
        }
        for (mode, hook, asked) in [
            (activation.request_body, "on-request", activation.on_request),
            (activation.response_body, "on-response", activation.on_response),
        ] {
            let BodyMode::Buffered(most) = mode else { continue };
            if !asked {
                return Err(format!("it asks for a whole body, but not for {hook}, which would get it"));
            }
            if most > limits.body {
                let allowed = limits.body;
                return Err(format!(
                    "it asks for bodies of up to {most} bytes, its use allows {allowed}: `limits.body` says how many"
                ));
            }
        }
        Ok(activation)
    }
}
