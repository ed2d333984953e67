//! From the plugin uses of a configuration to what a chain calls: components loaded, configs checked, grants given.

use std::collections::BTreeMap;
use std::collections::hash_map::Entry;
use std::path::Path;
use std::sync::Arc;

use super::components::{self, Components};
use crate::config::checked::{self, Config, GrantedFolder, PluginUse, SecretValue};
use crate::config::faults::{Faults, Span, suggest};
use crate::config::reader::Located;
use crate::config::values::{Name, Origin};
use crate::host::breaker::Breaker;
use crate::host::chain::Scope;
use crate::host::chain::consumers::OwnUse;
use crate::host::component::{Component, Need};
use crate::host::grants::{Folder, Grants};
use crate::host::library::{Library, bundled};
use crate::host::own_sink::{OWN, OwnSink};
use crate::host::plugin_use::Use;
use crate::observe::metrics::Metrics;
use crate::observe::sinks::{Sink, Sinks};
use crate::snapshot::own_sinks::OwnSinks;
use crate::store::Space;
use crate::upstreams::Upstreams;

/// Resolves plugin uses, noting what is wrong with them.
pub(super) struct Plugins<'s> {
    components: Components,
    config: &'s Config,
    faults: &'s Faults,
    library: &'s mut Library,
    upstreams: &'s mut Upstreams,
    metrics: &'s Metrics,
    sinks: &'s Sinks,
    own_sinks: OwnSinks<'s>,
}

impl<'s> Plugins<'s> {
    pub(super) fn new(
        config: &'s Config,
        faults: &'s Faults,
        library: &'s mut Library,
        upstreams: &'s mut Upstreams,
        metrics: &'s Metrics,
        sinks: &'s Sinks,
        own_sinks: OwnSinks<'s>,
    ) -> Self {
        let components = components::load(config, faults, library);
        Self { components, config, faults, library, upstreams, metrics, sinks, own_sinks }
    }

    /// The plugins beyond the bundled ones, by name.
    pub(super) fn components(&self) -> BTreeMap<String, Arc<Component>> {
        let listed = self.config.components.iter().map(|listed| listed.name.value.as_str());
        listed.filter_map(|name| Some((name.to_owned(), self.components.get(name)?.clone()?))).collect()
    }

    /// Those of the whole file.
    pub(super) fn global(&mut self) -> Vec<Use> {
        self.config.plugins.iter().filter_map(|listed| self.resolve(Scope::Global, &[], listed)).collect()
    }

    /// Those of a service.
    pub(super) fn of_service(&mut self, service: &checked::Service) -> Vec<Use> {
        let owner = [service.name.value.as_str()];
        service.plugins.iter().filter_map(|listed| self.resolve(Scope::Service, &owner, listed)).collect()
    }

    /// Those of a route.
    pub(super) fn of_route(&mut self, route: &checked::Route) -> Vec<Use> {
        let owner = [route.name.value.as_str()];
        let scope = |listed: &PluginUse| listed.only.service.as_ref().map_or(Scope::Route, |_| Scope::RouteAndService);
        route.plugins.iter().filter_map(|listed| self.resolve(scope(listed), &owner, listed)).collect()
    }

    /// Those of a consumer.
    pub(super) fn of_consumer(&mut self, consumer: &checked::Consumer) -> Vec<OwnUse> {
        let mut uses = Vec::new();
        for listed in &consumer.plugins {
            let name = |only: &Option<Located<Name>>| only.as_ref().map(|name| name.value.to_string());
            let (route, service) = (name(&listed.only.route), name(&listed.only.service));
            let scope = match (&route, &service) {
                (None, None) => Scope::Consumer,
                (None, Some(_)) => Scope::ConsumerAndService,
                (Some(_), None) => Scope::ConsumerAndRoute,
                (Some(_), Some(_)) => Scope::ConsumerAndRouteAndService,
            };
            let owners = [Some(consumer.username.value.as_str()), route.as_deref(), service.as_deref()];
            let owners: Vec<&str> = owners.into_iter().flatten().collect();
            let plugin_use = self.resolve(scope, &owners, listed);
            uses.extend(plugin_use.map(|plugin_use| OwnUse { plugin_use, route, service }));
        }
        uses
    }

    /// `owners` are the names of what has it: each use there has counters of its own.
    fn resolve(&mut self, scope: Scope, owners: &[&str], plugin_use: &PluginUse) -> Option<Use> {
        let name = plugin_use.plugin.value.as_str();
        let component = self.component(plugin_use)?;
        let wrong_before = self.faults.len();
        component.schema.check(name, &plugin_use.config, self.faults);
        if self.faults.len() > wrong_before {
            return None;
        }
        let timer = plugin_use.timer.as_ref();
        if let Some(timer) = timer.filter(|_| !component.has_timer()) {
            self.faults.at(&timer.span, format!("{name} has no timer hook that `timer` could call"));
            return None;
        }
        let grants = self.grants(name, &component, plugin_use)?;
        let metrics = self.metrics.plugin(name);
        match self.library.plugin(&component, plugin_use, grants, Arc::clone(&metrics)) {
            Ok(plugin) => {
                let priority = plugin_use.priority.unwrap_or(component.priority);
                let breaker = plugin_use.trip.map(|trip| Arc::new(Breaker::new(trip)));
                let words = [&[scope.name()], owners, &[name]].concat();
                Some(Use {
                    name: name.into(),
                    scope,
                    priority,
                    plugin,
                    space: Space::of(&words),
                    on_failure: plugin_use.on_failure,
                    metrics,
                    breaker,
                })
            }
            Err(error) => {
                self.faults.at(&plugin_use.config.span, format!("{name} refuses this config: {error}"));
                None
            }
        }
    }

    /// What the use is granted, if that is all that its plugin needs.
    fn grants(&mut self, name: &str, component: &Component, plugin_use: &PluginUse) -> Option<Arc<Grants>> {
        let listed = &plugin_use.grants;
        // Without all of it, the plugin would be faulted for what others are to blame for.
        let mut complete = !listed.refused;
        let mut secrets = BTreeMap::new();
        for granted in &listed.secrets {
            let secret = self.named_secret(granted.value.as_str(), &granted.span);
            complete &= secret.is_some();
            secrets.extend(secret.map(|secret| (granted.value.to_string(), secret)));
        }
        let mut sinks = BTreeMap::new();
        for granted in &listed.sinks {
            let sink = self.named_sink(granted.value.as_str(), &granted.span);
            complete &= sink.is_some();
            sinks.extend(sink.map(|sink| (granted.value.to_string(), sink)));
        }
        if let Some(own) = &component.own_sink {
            sinks.insert(OWN.to_owned(), self.own_sink(own, plugin_use)?);
        }
        let mut folders = Vec::new();
        for GrantedFolder { path, at, write } in &listed.files {
            if let Some(above) = self.writable_above(&path.value) {
                let (path_shown, above) = (path.value.display(), above.display());
                let message = format!("{path_shown} is below {above}, which a plugin may change");
                let help = "that plugin could put any folder in its place: grant the upper one, or move one elsewhere";
                self.faults.at_with_help(&path.span, message, help);
                complete = false;
                continue;
            }
            match Folder::open(path.value.clone(), at.clone(), *write) {
                Ok(folder) => folders.push(folder),
                Err(error) => {
                    complete = false;
                    let message = format!("{} is no folder that can be read: {error}", path.value.display());
                    let help = "make it, or correct the path; a relative one starts at this file's folder";
                    self.faults.at_with_help(&path.span, message, help);
                }
            }
        }
        let origins: Vec<_> = listed.origins.iter().map(|origin| origin.value.clone()).collect();
        let sockets: Arc<[_]> = listed.sockets.iter().map(|peer| peer.value.clone()).collect();
        let names = !origins.is_empty() || !sockets.is_empty();
        let resolver = if names { self.upstreams.resolver(&self.config.dns, self.faults) } else { None };
        let asking = resolver.clone().filter(|_| !origins.is_empty());
        let fetcher = asking.map(|resolver| self.library.fetcher(resolver)).transpose();
        let fetcher = fetcher.map_err(|error| self.faults.at(&plugin_use.plugin.span, error)).ok()?;
        let kinds = plugin_use.grants.credentials.iter().map(|kind| kind.value.to_string());
        let credentials = kinds.chain([name.to_owned()]).collect();
        let grants = Arc::new(Grants { origins, secrets, sinks, credentials, sockets, folders, fetcher, resolver });
        let config = &plugin_use.config;
        if complete && let Some(Need { interface, key, .. }) = component.ungranted(&grants, &config.json) {
            let message = format!("{name} imports {interface}, which this use is not granted");
            self.faults.at_with_help(&plugin_use.plugin.span, message, format!("to grant it: {key}"));
            return None;
        }
        for (setting, url) in component.schema.urls(&config.json) {
            // What is no URL is the plugin's to refuse.
            let Some(origin) = Origin::of(url).filter(|origin| !grants.origins.contains(origin)) else { continue };
            let span = config.places.get(&format!("/{setting}")).map_or(&config.span, |place| &place.value);
            let message = format!("{name} asks {origin} by `{setting}`, which this use is not granted");
            self.faults.at_with_help(span, message, format!("to grant it: grants = {{ http = [\"{origin}\"] }}"));
            return None;
        }
        complete.then_some(grants)
    }

    /// The secret of this name, as it is said at `span`. What is wrong with one that is listed has been noted.
    fn named_secret(&self, secret: &str, span: &Span) -> Option<SecretValue> {
        let found = self.config.secrets.get(secret);
        if found.is_none() && !self.config.listed.has("secret", secret) {
            let known = self.config.secrets.keys().map(String::as_str);
            let help = suggest(secret, known).unwrap_or_else(|| format!("[secrets] with {secret} = \"env:…\""));
            self.faults.at_with_help(span, format!("there is no secret \"{secret}\""), help);
        }
        found.cloned()
    }

    /// The sink of this name, likewise.
    fn named_sink(&self, sink: &str, span: &Span) -> Option<Arc<Sink>> {
        let found = self.sinks.named(sink);
        if found.is_none() && !self.config.listed.has("sink", sink) {
            let known = self.config.sinks.iter().map(|sink| sink.name.value.as_str());
            let help = suggest(sink, known).unwrap_or_else(|| format!("[[sinks]] with name = \"{sink}\""));
            self.faults.at_with_help(span, format!("there is no sink \"{sink}\""), help);
        }
        found.cloned()
    }

    /// The sink that the use's config makes up, or the one that it names in its place.
    fn own_sink(&mut self, own: &OwnSink, plugin_use: &PluginUse) -> Option<Arc<Sink>> {
        let config = &plugin_use.config;
        let Some((name, span)) = own.named(config) else {
            let mut resolver = || self.upstreams.resolver(&self.config.dns, self.faults);
            return self.own_sinks.sink(own, plugin_use, self.config, self.metrics, &mut resolver, self.faults);
        };
        for (setting, place) in own.settings(config) {
            let help = format!("how it goes there is said under [[sinks]], for all that \"{name}\" takes");
            self.faults.at_with_help(place, format!("`{setting}` goes unheard: records go to sink \"{name}\""), help);
        }
        self.named_sink(name, span)
    }

    /// A folder around this one that some use may write to.
    fn writable_above(&self, folder: &Path) -> Option<&'s Path> {
        let folder = folder.canonicalize().ok()?;
        let services = &self.config.services;
        let routes = services.iter().flat_map(|service| &service.routes);
        let uses = self.config.plugins.iter().chain(services.iter().flat_map(|service| &service.plugins));
        let uses = uses.chain(routes.flat_map(|route| &route.plugins));
        let uses = uses.chain(self.config.consumers.iter().flat_map(|consumer| &consumer.plugins));
        let writable = uses.flat_map(|plugin_use| &plugin_use.grants.files).filter(|granted| granted.write);
        let around =
            |above: &Path| above.canonicalize().is_ok_and(|above| folder != above && folder.starts_with(above));
        writable.map(|granted| granted.path.value.as_path()).find(|above| around(above))
    }

    fn component(&mut self, plugin_use: &PluginUse) -> Option<Arc<Component>> {
        let name = plugin_use.plugin.value.as_str();
        match self.components.entry(name.to_owned()) {
            Entry::Occupied(component) => component.get().clone(),
            Entry::Vacant(vacant) => {
                if let Some((_, wasm)) = bundled().iter().find(|(bundled, _)| *bundled == name) {
                    let component = self.library.component(wasm);
                    let component = component
                        .map_err(|error| self.faults.at(&plugin_use.plugin.span, format!("\"{name}\" {error}")))
                        .ok();
                    return vacant.insert(component).clone();
                }
                if self.config.listed.has("component", name) {
                    return vacant.insert(None).clone();
                }
                let known = self.components.keys().map(String::as_str).chain(bundled().iter().map(|(name, _)| *name));
                let help = suggest(name, known)
                    .unwrap_or_else(|| format!("list its file: [components.{name}] with path = \"….wasm\""));
                self.faults.at_with_help(&plugin_use.plugin.span, format!("there is no plugin \"{name}\""), help);
                None
            }
        }
    }
}
