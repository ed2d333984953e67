//! Calls the timer hooks of plugins, on the control plane: once per interval and plugin, whatever the number of workers.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::clock::CONTROL;
use super::hook;
use super::instance::{CallError, Caller};
use super::plugin::Plugin;
use crate::store::Space;

/// Call the timer hook of `plugin` at this interval, as long as the plugin is there.
pub(super) fn start(control: &Handle, plugin: &Arc<Plugin>, interval: Duration) {
    let plugin = Arc::downgrade(plugin);
    control.spawn(async move {
        let mut ticks = interval_at(Instant::now() + interval, interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let Some(plugin) = plugin.upgrade() else { return };
            let begun = Instant::now();
            let ended = call(&plugin).await;
            if let Some(metrics) = &plugin.setup.metrics {
                metrics.called(CONTROL, hook::TIMER.number, begun.elapsed(), ended.is_err());
            }
            if let Err(error) = ended {
                tracing::warn!(plugin = plugin.name(), "{}: {error}", hook::TIMER.name);
            }
        }
    });
}

async fn call(plugin: &Plugin) -> Result<(), CallError> {
    let caller = Caller { thread: CONTROL, space: Space::of(&["timer", plugin.name()]), undoes: false };
    let (ended,) = if plugin.waits() {
        plugin.call_waiting(&hook::TIMER, (), caller, None).await?
    } else {
        plugin.call(&hook::TIMER, (), caller, None)?
    };
    ended.map_err(CallError::Failed)
}
