//! One immutable generation of everything a request needs: listeners' settings, routes, services, upstreams, consumers,
//! plugin chains. Built beside the live one from a checked configuration; a request loads it once and never sees another.

mod components;
mod listeners;
mod own_sinks;
mod plugins;

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use http::HeaderValue;
use ipnet::IpNet;

pub(crate) use listeners::acceptor_of_its_own;
use own_sinks::OwnSinks;
use plugins::Plugins;

use crate::balance;
use crate::certificates::{self, Certificates};
use crate::config::checked::{self, ClientLimits, Config, Retries, Schemes, TargetAddress, Timeouts};
use crate::config::faults::{Faults, Report};
use crate::host::chain::Chain;
use crate::host::chain::consumers::{ConsumerUses, Listed};
use crate::host::component::Component;
use crate::host::library::Library;
use crate::identity::Identities;
use crate::observe::metrics::{Metrics, RouteMetrics};
use crate::observe::sinks::{Deliveries, Sinks};
use crate::proxy::route::Router;
use crate::proxy::worker::ListenerId;
use crate::tls::acceptor::Acceptor;
use crate::transport::{Transport, Transports};
use crate::upstreams::{Named, Upstream, Upstreams};

/// One generation.
pub struct Snapshot {
    /// 1 at start, one more with every change.
    pub generation: u64,
    /// What connections of each listener begin with.
    pub listeners: HashMap<ListenerId, Arc<ListenerSettings>>,
    /// What holds for all clients.
    pub edge: Arc<Edge>,
    /// From a request to its route.
    pub router: Router<Arc<Route>>,
    /// Who may come in.
    pub identities: Arc<Identities>,
    /// The plugin uses of consumers, if any has some.
    pub consumer_uses: Option<ConsumerUses>,
    /// The global plugin uses: all there is where no route was found.
    pub global: Arc<Chain>,
    /// Where requests without a route are counted.
    pub unrouted: Arc<RouteMetrics>,
    /// Those that the configuration names, by their names in lower case; what a plugin chooses from.
    pub upstreams: HashMap<String, Arc<Upstream>>,
    /// All balancers, each once: those of the upstreams above, and of services whose URL names a host.
    pub balancers: Vec<Arc<balance::Upstream>>,
    /// Where plugins may hand records to.
    pub sinks: Arc<Sinks>,
    /// Plugins beyond the bundled ones, by the names that uses have for them.
    pub components: BTreeMap<String, Arc<Component>>,
}

/// What connections of a listener begin with.
pub struct ListenerSettings {
    /// `None`: in the clear.
    pub tls: Option<Acceptor>,
    /// Whether HTTP/2 is spoken.
    pub http2: bool,
    /// Whether the PROXY protocol comes first.
    pub proxy_protocol: bool,
}

/// What holds for all clients.
pub struct Edge {
    /// What they may ask for, and how long it may take.
    pub limits: ClientLimits,
    /// Whether answers of the gateway's own name their cause.
    pub error_header: bool,
    trusted: Vec<IpNet>,
}

impl Edge {
    /// Whether `peer` may say whom it forwards for.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.trusted.iter().any(|network| network.contains(&peer))
    }
}

/// What leads to a service.
pub struct Route {
    /// As logs show it.
    pub name: Arc<str>,
    /// Where it leads.
    pub service: Arc<Service>,
    /// What a request passes on its way.
    pub chain: Arc<Chain>,
    /// Which schemes it takes.
    pub schemes: Schemes,
    /// Whether the matched prefix stays here.
    pub strip_path: bool,
    /// Whether the client's Host goes on.
    pub preserve_host: bool,
    /// Largest request body in bytes, if it has a limit of its own.
    pub body_bytes: Option<u64>,
    /// Where its requests are counted.
    pub metrics: Arc<RouteMetrics>,
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
    pub upstream: Arc<Upstream>,
    /// How targets are spoken to.
    pub transport: Arc<Transport>,
    /// How long each step may take.
    pub timeouts: Timeouts,
    /// What happens after an attempt that failed.
    pub retries: Retries,
}

/// What outlives generations, so that what did not change stays what it is.
pub struct Stock {
    /// Plugins.
    pub library: Library,
    /// Certificates with their keys.
    pub certificates: Certificates,
    /// Ways to speak to targets.
    pub transports: Transports,
    /// Upstreams with their tasks.
    pub upstreams: Upstreams,
    /// Sinks with their tasks.
    pub sinks: Deliveries,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Files besides those of the configuration that the sinks of the generation built last consist of.
    pub watched: Vec<PathBuf>,
}

/// Compile `config`, whose listeners have these ids. Loads and configures every plugin; what is wrong with one joins the
/// other faults.
///
/// # Errors
/// Everything that is wrong with the configuration, found here or before.
pub fn build(
    config: &Config,
    faults: Faults,
    stock: &mut Stock,
    listeners: &[ListenerId],
    generation: u64,
) -> Result<Snapshot, Report> {
    stock.certificates.begin();
    certificates::check_authorities(&config.ca_certificates, &faults);
    let listeners = listeners::settings(config, listeners, &mut stock.certificates, &faults);
    let (upstreams, services) = services(config, stock, &faults);
    let balancers = upstreams.values().chain(services.iter().map(|service| &service.upstream));
    let mut balancers: Vec<_> = balancers.map(|upstream| Arc::clone(&upstream.balancer)).collect();
    balancers.sort_by_key(Arc::as_ptr);
    balancers.dedup_by(|a, b| Arc::ptr_eq(a, b));

    let resolver = || stock.upstreams.resolver(&config.dns, &faults);
    let sinks = Arc::new(stock.sinks.sinks(&config.sinks, &config.dns, &stock.metrics, resolver, &faults));

    let own_sinks = OwnSinks::new(&mut stock.sinks, &mut stock.watched);
    let (library, upstreams_of) = (&mut stock.library, &mut stock.upstreams);
    let mut plugins = Plugins::new(config, &faults, library, upstreams_of, &stock.metrics, &sinks, own_sinks);
    let global = plugins.global();
    let mut routes = Vec::new();
    let mut names = Vec::new();
    for (listed, service) in config.services.iter().zip(services) {
        let service_uses = plugins.of_service(listed);
        for route in &listed.routes {
            let route_uses = plugins.of_route(route);
            let compiled = Route {
                name: route.name.value.as_str().into(),
                service: Arc::clone(&service),
                chain: Chain::new(global.iter().chain(&service_uses).chain(&route_uses)),
                schemes: route.schemes,
                strip_path: route.strip_path,
                preserve_host: route.preserve_host,
                body_bytes: route.body_bytes,
                metrics: stock.metrics.route(route.name.value.as_str(), &service.name),
            };
            routes.push((route.criteria.clone(), Arc::new(compiled)));
            names.push(&route.name);
        }
    }
    let components = plugins.components();
    let identities = Arc::new(Identities::new(&config.consumers));
    let mut listed = Vec::new();
    for consumer in &config.consumers {
        let Some(known) = identities.by_username(consumer.username.value.as_str()) else { continue };
        if known.has_uses {
            listed.push(Listed { consumer: Arc::clone(known), uses: plugins.of_consumer(consumer) });
        }
    }
    let consumer_uses = ConsumerUses::new(listed, stock.library.workers());
    let built = Router::new(routes);
    for shadowed in &built.shadowed {
        if let (Some(first), Some(second)) = (names.get(shadowed.first), names.get(shadowed.second)) {
            let message = format!("\"{}\" asks for the same as \"{}\", which takes it all", second.value, first.value);
            faults.at_with_help(&second.span, message, "make one of them more specific, or leave it out");
        }
    }
    faults.into_result(Snapshot {
        generation,
        listeners,
        edge: Arc::new(Edge {
            limits: config.limits,
            error_header: config.error_header,
            trusted: config.trusted_proxies.clone(),
        }),
        router: built.router,
        identities,
        consumer_uses,
        global: Chain::new(&global),
        unrouted: stock.metrics.route("", ""),
        upstreams,
        balancers,
        sinks,
        components,
    })
}

/// The upstreams by name, and the services as listed, alive.
fn services(
    config: &Config,
    stock: &mut Stock,
    faults: &Faults,
) -> (HashMap<String, Arc<Upstream>>, Vec<Arc<Service>>) {
    let (known, certificates) = (&mut stock.transports, &mut stock.certificates);
    let transports = config.services.iter().map(|service| known.transport(service, certificates, faults));
    let transports: Vec<_> = transports.collect();
    let mut upstreams = HashMap::new();
    for listed in &config.upstreams {
        let name = &listed.name.value.0;
        let speakers = config.services.iter().zip(&transports).filter(|(service, _)| host(service) == Some(name));
        let mut speakers = speakers.map(|(_, transport)| transport).peekable();
        let named = if speakers.peek().is_some() { Named::ByServices } else { Named::ByNobody };
        // Probes of an upstream speak TLS as the first of its services does.
        let probing = speakers.find(|transport| transport.is_tls());
        let upstream = stock.upstreams.upstream(listed, named, probing, &config.dns, faults);
        upstreams.insert(name.clone(), upstream);
    }
    let mut services = Vec::new();
    for (listed, transport) in config.services.iter().zip(transports) {
        let upstream = match host(listed).and_then(|host| upstreams.get(host)) {
            None => stock.upstreams.of_service(listed, &config.dns, faults),
            Some(upstream) => Arc::clone(upstream),
        };
        services.push(Arc::new(service(listed, upstream, transport)));
    }
    (upstreams, services)
}

/// The host of a service's URL, which may be an upstream's name.
fn host(service: &checked::Service) -> Option<&String> {
    match &service.url.value.address {
        TargetAddress::Host(authority) => Some(&authority.host),
        TargetAddress::Unix(_) | TargetAddress::Service(_) => None,
    }
}

fn service(listed: &checked::Service, upstream: Arc<Upstream>, transport: Arc<Transport>) -> Service {
    let url = &listed.url.value;
    let host = match &url.address {
        TargetAddress::Host(authority) if url.explicit_port => authority.to_string(),
        _ => url.host().to_owned(),
    };
    Service {
        name: listed.name.value.as_str().into(),
        path: url.path.clone(),
        // A checked host has letters, digits, dots and brackets only, which every header value may have.
        host: HeaderValue::try_from(host).unwrap_or(HeaderValue::from_static("")),
        upstream,
        transport,
        timeouts: listed.timeouts,
        retries: listed.retries,
    }
}
