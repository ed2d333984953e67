//! The sinks of one generation that settings of plugin uses make up: uses that ask for the same share one, and one that
//! the generation before had stays what it is.

use std::path::PathBuf;
use std::sync::Arc;

use crate::config::checked::{self, Config, PluginUse, SinkSettings};
use crate::config::faults::Faults;
use crate::config::reader::Located;
use crate::config::values::Name;
use crate::config::{NamelessSink, own_sink};
use crate::dns::Resolver;
use crate::host::own_sink::OwnSink;
use crate::limits;
use crate::observe::metrics::Metrics;
use crate::observe::sinks::{Deliveries, Sink};

/// Those that there are so far.
pub(super) struct OwnSinks<'s> {
    deliveries: &'s mut Deliveries,
    made: Vec<Made>,
    /// Files that they consist of.
    watched: &'s mut Vec<PathBuf>,
}

/// One of them.
struct Made {
    plugin: Name,
    place: String,
    /// What tells it from others that are for the same plugin and place.
    asked: (SinkSettings, Option<PathBuf>),
    sink: Arc<Sink>,
}

impl<'s> OwnSinks<'s> {
    /// None so far. The files of those to come are noted in `watched`.
    pub(super) fn new(deliveries: &'s mut Deliveries, watched: &'s mut Vec<PathBuf>) -> Self {
        watched.clear();
        Self { deliveries, made: Vec::new(), watched }
    }

    /// What the config of `plugin_use` makes up. `None`: there is something wrong with it, which has been noted.
    pub(super) fn sink(
        &mut self,
        own: &OwnSink,
        plugin_use: &PluginUse,
        config: &Config,
        metrics: &Metrics,
        resolver: &mut dyn FnMut() -> Option<Resolver>,
        faults: &Faults,
    ) -> Option<Arc<Sink>> {
        let plugin = &plugin_use.plugin;
        let before = faults.len();
        let (settings, watched) = own_sink(&own.definition(&plugin_use.config), &config.folder, faults);
        self.watched.extend(watched);
        faults.reword(before, plugin.value.as_str(), |words| own.reworded(words, &plugin_use.config));
        for (setting, place, instead) in own.unheard(&plugin_use.config) {
            let help = format!("leave it out, or what says instead where records go: {instead}");
            faults.at_with_help(place, format!("{}: `{setting}` goes unheard", plugin.value), help);
        }
        let NamelessSink { settings, disk, ca } = settings.filter(|_| faults.len() == before)?;
        if disk.is_some() {
            let message = format!("a sink of {}'s own has no disk buffer", plugin.value);
            faults.at_with_help(&plugin.span, message, "list the sink under [[sinks]], and name it there");
            return None;
        }

        let asked = (settings, ca.as_ref().map(|ca| ca.value.clone()));
        let place = asked.0.to.place();
        let alike = || self.made.iter().filter(|made| made.plugin == plugin.value && made.place == place);
        if let Some(made) = alike().find(|made| made.asked == asked) {
            return Some(Arc::clone(&made.sink));
        }
        if self.made.len() == limits::OWN_SINKS {
            let message = format!("settings of plugins make up at most {} sinks", limits::OWN_SINKS);
            faults.at_with_help(&plugin.span, message, "have uses share one, or name one of [[sinks]]");
        }
        let name = Name::of_own_sink(&plugin.value, &place, alike().count());
        let name = Located { value: name, span: plugin.span.clone() };
        let listed = self.deliveries.own_sink(checked::Sink { name, settings: asked.0.clone(), disk: None, ca });
        let sink = self.deliveries.sink(&listed, &config.dns, metrics, resolver, faults)?;
        self.made.push(Made { plugin: plugin.value.clone(), place, asked, sink: Arc::clone(&sink) });
        Some(sink)
    }
}
