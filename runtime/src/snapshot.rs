//! One immutable generation of everything a request needs: routes, services, upstreams, consumers, plugin chains.
//! Built beside the live one from a checked configuration; a request loads it once and never sees another.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use http::HeaderValue;

use crate::balance::Balancer;
use crate::config::checked::{self, Config, PluginUse, Target, Timeouts};
use crate::config::faults::{Faults, Report, suggest};
use crate::config::file;
use crate::host::chain::{Chain, Use};
use crate::host::component::Component;
use crate::host::library::{Library, bundled};
use crate::identity::Identities;
use crate::limits;
use crate::proxy::route::Router;

/// One generation.
pub struct Snapshot {
    /// 1 at start, one more with every change.
    pub generation: u64,
    /// From a request to its route.
    pub router: Router,
    /// Who may come in.
    pub identities: Arc<Identities>,
    /// The global plugin uses: all there is where no route was found.
    pub global: Chain,
}

/// What leads to a service.
pub struct Route {
    /// As logs show it.
    pub name: Arc<str>,
    /// Where it leads.
    pub service: Arc<Service>,
    /// What a request passes on its way.
    pub chain: Chain,
    /// Whether the matched prefix stays here.
    pub strip_path: bool,
    /// Whether the client's Host goes on.
    pub preserve_host: bool,
}

/// What routes lead to.
pub struct Service {
    /// As logs show it.
    pub name: Arc<str>,
    /// Goes before every path.
    pub path: String,
    /// The Host that the upstream is asked for.
    pub host: HeaderValue,
    /// Who answers.
    pub balancer: Balancer,
    /// How long each step may take.
    pub timeouts: Timeouts,
}

/// Compile `config`. Loads and configures every plugin; what is wrong with one joins the other faults.
///
/// # Errors
/// Everything that is wrong with the configuration, found here or before.
pub fn build(config: &Config, faults: Faults, library: &mut Library, generation: u64) -> Result<Snapshot, Report> {
    let mut plugins = Plugins { components: components(config, &faults, library), faults: &faults, library };
    let global = plugins.resolve(&config.plugins);
    let mut routes = Vec::new();
    for listed in &config.services {
        let service_uses = plugins.resolve(&listed.plugins);
        let service = Arc::new(service(listed, config));
        for route in &listed.routes {
            let route_uses = plugins.resolve(&route.plugins);
            let compiled = Route {
                name: route.name.value.as_str().into(),
                service: Arc::clone(&service),
                chain: chain([&global, &service_uses, &route_uses]),
                strip_path: route.strip_path,
                preserve_host: route.preserve_host,
            };
            routes.push((route, Arc::new(compiled)));
        }
    }
    faults.into_result(Snapshot {
        generation,
        router: Router::new(routes),
        identities: Arc::new(Identities::new(&config.consumers)),
        global: chain([&global]),
    })
}

/// Every plugin that this configuration can name: `None` where loading failed, which is a fault already.
type Components = HashMap<String, Option<Arc<Component>>>;

fn components(config: &Config, faults: &Faults, library: &mut Library) -> Components {
    let mut components = Components::new();
    for listed in &config.components {
        let name = listed.name.value.as_str();
        if bundled().iter().any(|(bundled, _)| *bundled == name) {
            faults.at(&listed.name.span, format!("\"{name}\" is the name of a bundled plugin: choose another"));
        }
        components.insert(name.to_owned(), component(listed, faults, library));
    }
    components
}

fn component(listed: &checked::ComponentFile, faults: &Faults, library: &mut Library) -> Option<Arc<Component>> {
    let path = &listed.path.value;
    let span = &listed.path.span;
    match file::read(path, limits::COMPONENT_BYTES) {
        Err(problem) => {
            let help = "build the plugin, or correct the path; a relative one starts at this file's folder";
            faults.at_with_help(span, format!("{} {problem}", path.display()), help);
            None
        }
        Ok(wasm) => library
            .component(&wasm)
            .map_err(|error| faults.at_with_help(span, format!("{} {error}", path.display()), error.help()))
            .ok(),
    }
}

/// Resolves plugin uses, noting what is wrong with them.
struct Plugins<'s> {
    components: Components,
    faults: &'s Faults,
    library: &'s mut Library,
}

impl Plugins<'_> {
    fn resolve(&mut self, uses: &[PluginUse]) -> Vec<Use> {
        uses.iter().filter_map(|plugin_use| self.resolve_use(plugin_use)).collect()
    }

    fn resolve_use(&mut self, plugin_use: &PluginUse) -> Option<Use> {
        let name = plugin_use.plugin.value.as_str();
        let component = self.component(plugin_use)?;
        let wrong_before = self.faults.len();
        component.schema.check(name, &plugin_use.config, self.faults);
        if self.faults.len() > wrong_before {
            return None;
        }
        match self.library.plugin(&component, &plugin_use.config, plugin_use.limits) {
            Ok(plugin) => {
                let priority = plugin_use.priority.unwrap_or(component.priority);
                Some(Use { name: name.into(), priority, plugin })
            }
            Err(error) => {
                self.faults.at(&plugin_use.config.span, format!("{name} refuses this config: {error}"));
                None
            }
        }
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
                let known = self.components.keys().map(String::as_str).chain(bundled().iter().map(|(name, _)| *name));
                let help = suggest(name, known)
                    .unwrap_or_else(|| format!("list its file: [components.{name}] with path = \"….wasm\""));
                self.faults.at_with_help(&plugin_use.plugin.span, format!("there is no plugin \"{name}\""), help);
                None
            }
        }
    }
}

/// One chain from all scopes, the widest first: a use in a narrower scope replaces the same plugin's wider one.
fn chain<'u>(scopes: impl IntoIterator<Item = &'u Vec<Use>>) -> Chain {
    let mut uses: Vec<Use> = Vec::new();
    for scope in scopes {
        uses.retain(|wider| scope.iter().all(|narrower| narrower.name != wider.name));
        uses.extend(scope.iter().cloned());
    }
    Chain::new(uses)
}

fn service(listed: &checked::Service, config: &Config) -> Service {
    let url = &listed.url.value;
    let upstream = config.upstreams.iter().find(|upstream| upstream.name.value.0 == url.authority.host);
    let balancer = match upstream {
        Some(upstream) => Balancer::new(&upstream.targets),
        None => Balancer::new(&[Target { address: url.authority.clone(), weight: 1 }]),
    };
    let host = if url.explicit_port { url.authority.to_string() } else { url.authority.host.clone() };
    Service {
        name: listed.name.value.as_str().into(),
        path: url.path.clone(),
        // A checked host has letters, digits, dots and brackets only, which every header value may have.
        host: HeaderValue::try_from(host).unwrap_or(HeaderValue::from_static("")),
        balancer,
        timeouts: listed.timeouts,
    }
}
