//! A configuration in which every word is parsed and every name leads somewhere. `read` makes it, `snapshot`
//! compiles it. Spans stay where a later stage may still find a fault.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::faults::Span;
use super::reader::Located;
use super::values::{Authority, HostPattern, Method, Name, PathPrefix, ServiceUrl, UpstreamName};

/// All of gateway.toml.
#[derive(Debug)]
pub struct Config {
    /// Worker threads; `None`: one per core.
    pub workers: Option<usize>,
    /// Where clients connect; at least one.
    pub listeners: Vec<Located<SocketAddr>>,
    /// Plugins beyond the bundled ones, by name.
    pub components: Vec<ComponentFile>,
    /// Plugin uses of every route.
    pub plugins: Vec<PluginUse>,
    /// Groups of targets that services can name as their host.
    pub upstreams: Vec<Upstream>,
    /// What routes lead to.
    pub services: Vec<Service>,
    /// Who may come in, and with which credentials.
    pub consumers: Vec<Consumer>,
    /// Files besides gateway.toml whose change is a change of the configuration.
    pub watched: Vec<PathBuf>,
}

/// `[components.NAME]`
#[derive(Debug)]
pub struct ComponentFile {
    /// What `use` says.
    pub name: Located<Name>,
    /// The .wasm, absolute or relative to gateway.toml's folder (resolved).
    pub path: Located<PathBuf>,
}

/// One entry of a `plugins` list.
#[derive(Debug)]
pub struct PluginUse {
    /// A component's or a bundled plugin's name.
    pub plugin: Located<Name>,
    /// What goes to the plugin's `configure`.
    pub config: PluginConfig,
    /// Overrides the place in the chain that the plugin asks for.
    pub priority: Option<i32>,
    /// What each call may cost.
    pub limits: PluginLimits,
}

/// A plugin's config, with the place of each of its values, so that what the plugin's schema
/// refuses can be shown where it stands.
#[derive(Debug)]
pub struct PluginConfig {
    /// The config as JSON; an object.
    pub json: serde_json::Value,
    /// The whole config, or the use if it has none.
    pub span: Span,
    /// JSON pointer (RFC 6901) to place.
    pub places: HashMap<String, Place>,
}

/// Where a setting stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its name; an element of an array has none.
    pub key: Option<Span>,
    /// Its value.
    pub value: Span,
}

/// What one call of a plugin, and one instance of it, may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PluginLimits {
    /// Guest time per call; then it is stopped.
    pub time: Duration,
    /// Linear memory per instance, in bytes.
    pub memory: usize,
}

/// `[[upstreams]]`
#[derive(Debug)]
pub struct Upstream {
    /// What a service's URL says as its host.
    pub name: Located<UpstreamName>,
    /// At least one.
    pub targets: Vec<Target>,
}

/// One server of an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Where it listens.
    pub address: Authority,
    /// Share of the requests, relative to the other targets (Kong: 0 to 65535, default 100; 0 takes none).
    pub weight: u16,
}

/// `[[services]]`
#[derive(Debug)]
pub struct Service {
    /// As logs show it.
    pub name: Located<Name>,
    /// Where it is.
    pub url: Located<ServiceUrl>,
    /// How long each step may take.
    pub timeouts: Timeouts,
    /// Plugin uses of every route of this service.
    pub plugins: Vec<PluginUse>,
    /// What leads here.
    pub routes: Vec<Route>,
}

/// How long the steps of an exchange with an upstream may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Name resolution and TCP handshake together.
    pub connect: Duration,
    /// From the request's last byte to the response's head.
    pub response: Duration,
    /// Between two pieces of a body, either way.
    pub idle: Duration,
}

/// `[[services.routes]]`. An empty list of hosts, paths or methods matches everything.
#[derive(Debug)]
pub struct Route {
    /// As logs show it.
    pub name: Located<Name>,
    /// Any of these hosts.
    pub hosts: Vec<HostPattern>,
    /// Any of these path prefixes.
    pub paths: Vec<PathPrefix>,
    /// Any of these methods.
    pub methods: Vec<Method>,
    /// Whether the matched prefix is left out of the upstream's path (Kong's default: yes).
    pub strip_path: bool,
    /// Whether the upstream gets the client's Host instead of its own (Kong's default: no).
    pub preserve_host: bool,
    /// Plugin uses of this route alone.
    pub plugins: Vec<PluginUse>,
}

/// `[[consumers]]`
#[derive(Debug)]
pub struct Consumer {
    /// Unique.
    pub username: Located<Name>,
    /// The operator's own id for them.
    pub custom_id: Option<String>,
    /// Groups they belong to.
    pub groups: Vec<String>,
    /// What they show to come in.
    pub credentials: Vec<Credential>,
}

/// One credential. Keys are held as digests only, so no dump or log of ours can give one away.
#[derive(Debug)]
pub struct Credential {
    /// Which plugin asks for it, like "key-auth".
    pub kind: Name,
    /// SHA-256 of the key.
    pub digest: [u8; 32],
    /// Where the key stands.
    pub span: Span,
}
