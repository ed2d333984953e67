//! `log`: a plugin's lines in the gateway's log.

use crate::host::bindings::tidegate::plugin::log::{Host, Level};
use crate::host::exchange::RequestId;
use crate::host::state::State;
use crate::limits;

impl Host for State {
    fn level_enabled(&mut self, level: Level) -> wasmtime::Result<bool> {
        Ok(match level {
            Level::Error => tracing::enabled!(target: "plugin", tracing::Level::ERROR),
            Level::Warn => tracing::enabled!(target: "plugin", tracing::Level::WARN),
            Level::Info => tracing::enabled!(target: "plugin", tracing::Level::INFO),
            Level::Debug => tracing::enabled!(target: "plugin", tracing::Level::DEBUG),
            Level::Trace => tracing::enabled!(target: "plugin", tracing::Level::TRACE),
        })
    }

    fn write(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        self.count()?;
        write(&self.plugin, self.request_id(), level, &message);
        Ok(())
    }
}

/// One line under the plugin's name, with the request's id if there is a request.
pub(in crate::host) fn write(plugin: &str, request: Option<RequestId>, level: Level, message: &str) {
    let message = message.get(..message.floor_char_boundary(limits::PLUGIN_LOG_BYTES)).unwrap_or_default();
    let id = request.map(|id| id.to_string());
    let request_id = id.as_deref();
    match level {
        Level::Error => tracing::error!(target: "plugin", plugin, request_id, "{message}"),
        Level::Warn => tracing::warn!(target: "plugin", plugin, request_id, "{message}"),
        Level::Info => tracing::info!(target: "plugin", plugin, request_id, "{message}"),
        Level::Debug => tracing::debug!(target: "plugin", plugin, request_id, "{message}"),
        Level::Trace => tracing::trace!(target: "plugin", plugin, request_id, "{message}"),
    }
}
