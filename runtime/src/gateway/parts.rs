//! What a gateway is given at its start and keeps until its end: where compiled plugins are found, the access log, the
//! admin server.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use tidegate_precompiled::Cache;
use tokio::runtime::Handle as Control;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Outlook;
use crate::admin::Admin;
use crate::config::Config;
use crate::config::checked::{AccessLog as LogSettings, LogTarget, PluginCache};
use crate::limits;
use crate::listeners::Listeners;
use crate::observe::access_log::{AccessLog, Format, Settings, Target};
use crate::observe::failures::Failures;
use crate::observe::metrics::Metrics;

/// Where compiled plugins are kept: where the configuration says, or where this machine keeps such things. Without such a
/// place, plugins are compiled at every start.
pub(super) fn cache(config: &Config) -> Option<Cache> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = match &config.plugin_cache {
        PluginCache::Off => return None,
        PluginCache::At(folder) => Some(folder.clone()),
        // systemd's own for the unit, or the user's.
        PluginCache::Usual => variable("CACHE_DIRECTORY")
            .or_else(|| Some(variable("XDG_CACHE_HOME")?.join("tidegate")))
            .or_else(|| Some(variable("HOME")?.join(".cache/tidegate"))),
    }?;
    Cache::open(&folder.join("plugins"), limits::PLUGIN_CACHE_BYTES)
        .map_err(|error| tracing::warn!(%error, "plugins are compiled at every start: set `plugin_cache`"))
        .ok()
}

/// The access log, if there is to be one.
pub(super) fn access_log(settings: &LogSettings) -> io::Result<Option<AccessLog>> {
    use std::io::IsTerminal;
    let Some(target) = &settings.target else { return Ok(None) };
    let (target, people) = match target {
        LogTarget::Stdout => (Target::Stdout, io::stdout().is_terminal()),
        LogTarget::File(path) => (Target::File(path.clone()), false),
    };
    let format = if settings.text.unwrap_or(people) { Format::Text } else { Format::Json };
    AccessLog::start(Settings { target, format }).map(Some)
}

/// The admin server, if there is to be one.
pub(super) fn admin(
    config: &Config,
    control: &Control,
    listeners: &mut Listeners,
    metrics: Arc<Metrics>,
    failures: Arc<Failures>,
    outlook: Outlook,
    workers: usize,
) -> anyhow::Result<Option<(JoinHandle<io::Result<()>>, CancellationToken)>> {
    let Some(address) = &config.admin else { return Ok(None) };
    let listener =
        listeners.admin(address.value).with_context(|| format!("cannot listen on {} for `admin`", address.value))?;
    tracing::info!(address = %listener.local_addr()?, "admin listening");
    let version = env!("CARGO_PKG_VERSION");
    let admin = Arc::new(Admin::new(metrics, failures, Arc::new(outlook), version, workers));
    let end = CancellationToken::new();
    Ok(Some((control.spawn(admin.serve(listener, end.clone())), end)))
}
