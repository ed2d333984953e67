//! What a gateway is given at its start and keeps until its end: where compiled plugins are found, the access log, the
//! admin server.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use arc_swap::ArcSwap;
use tidegate_precompiled::Cache;
use tokio::runtime::Handle as Control;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::outlook::Outlook;
use crate::admin::Admin;
use crate::admin::doors::Doors;
use crate::admin::listener::Listener;
use crate::component_files::ComponentFiles;
use crate::config::Config;
use crate::config::checked::{AccessLog as LogSettings, Admin as AdminSettings, LogTarget, PluginCache};
use crate::config::values::Bind;
use crate::host::catalogue::Catalogue;
use crate::limits;
use crate::observe::access_log::{AccessLog, Format, Settings, Target};
use crate::observe::failures::Failures;
use crate::observe::metrics::Metrics;
use crate::proposal::Configuration;

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

/// The admin server.
pub(super) struct AdminServer {
    pub(super) task: JoinHandle<io::Result<()>>,
    /// What ends it.
    pub(super) end: CancellationToken,
    /// Who may come in.
    pub(super) doors: Arc<ArcSwap<Doors>>,
}

/// Serve the admin API.
pub(super) fn admin(
    (listed, doors): (&AdminSettings, Doors),
    control: &Control,
    seen: (Arc<Metrics>, Arc<Failures>),
    outlook: Outlook,
    (configuration, files, catalogue): (Configuration, ComponentFiles, Catalogue),
    workers: usize,
) -> anyhow::Result<AdminServer> {
    let address = &listed.address.value;
    let listener = Listener::bind(address).with_context(|| format!("cannot listen on {address} for `admin`"))?;
    tracing::info!(address = %listener.address()?, "admin listening");
    let clear = matches!(address, Bind::Tcp(address) if !address.ip().is_loopback()) && listed.tls.is_none();
    if clear {
        tracing::warn!("tokens for the admin API pass {address} in the clear: set `admin.tls`");
    }
    let admin = Arc::new(Admin::new(seen, Arc::new(outlook), configuration, (files, catalogue), workers));
    admin.doors.store(Arc::new(doors));
    let (end, doors) = (CancellationToken::new(), Arc::clone(&admin.doors));
    Ok(AdminServer { task: control.spawn(admin.serve(listener, end.clone())), end, doors })
}
