//! A configuration in which every word is parsed and every name leads somewhere. `read` makes it, `snapshot`
//! compiles it. Spans stay where a later stage may still find a fault.

mod admin;
mod certificates;
mod client_side;
mod sinks;
mod stores;
mod upstream_side;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

pub use admin::{Admin, AdminClient, AdminToken, KnownBy};
pub use certificates::{CaCertificate, Certificate, CertificatePair, PemSource, Snis};
pub use client_side::{AccessLog, ClientAuth, ClientLimits, Listener, LogTarget, ServerTls};
pub use sinks::{
    BatchLimits, Compression, DiskBuffer, FileSink, Framing, HttpFormat, HttpSink, LookedFor, Rotate, Severity, Sink,
    SinkRetry, SinkSettings, SinkTo, StreamSink, SyslogFormat, SyslogOver, SyslogSink,
};
pub use stores::{Counters, OnOutage};
pub use upstream_side::{
    Active, Balance, Dns, HashOn, Health, HttpVersion, Passive, Probe, Retries, ServiceTls, Target, TargetAddress,
    Timeouts, Upstream,
};

use super::faults::Span;
use super::reader::Located;
use super::values::{Checksum, Name, Origin, Peer, ServiceUrl};
use crate::limits;
use crate::proxy::route::Criteria;

/// All of gateway.toml.
#[derive(Debug)]
pub struct Config {
    /// Worker threads; `None`: one per core.
    pub workers: Option<usize>,
    /// Where clients connect; at least one.
    pub listeners: Vec<Located<Listener>>,
    /// Peers that may say whom they forward for: by X-Forwarded-* or the PROXY protocol.
    pub trusted_proxies: Vec<IpNet>,
    /// What a client may ask for, and how long it may take.
    pub limits: ClientLimits,
    /// Where the gateway is asked and told; `None`: nowhere.
    pub admin: Option<Admin>,
    /// One line per exchange.
    pub access_log: AccessLog,
    /// How names of targets are resolved.
    pub dns: Dns,
    /// Where counters of rate limits are kept.
    pub counters: Counters,
    /// Whether answers of the gateway's own name their cause in `X-Gateway-Error`.
    pub error_header: bool,
    /// Where compiled plugins are kept for the next start.
    pub plugin_cache: PluginCache,
    /// Where generations and uploaded plugins are kept.
    pub state_dir: PathBuf,
    /// Plugins beyond the bundled ones, by name.
    pub components: Vec<ComponentFile>,
    /// Secrets that plugins can be granted, by name.
    pub secrets: BTreeMap<String, SecretValue>,
    /// What TLS listeners show besides certificates of their own, and services can refer to.
    pub certificates: Vec<Certificate>,
    /// Authorities that services and listeners can refer to.
    pub ca_certificates: Vec<CaCertificate>,
    /// Plugin uses of every route.
    pub plugins: Vec<PluginUse>,
    /// Groups of targets that services can name as their host.
    pub upstreams: Vec<Upstream>,
    /// What routes lead to.
    pub services: Vec<Service>,
    /// Who may come in, and with which credentials.
    pub consumers: Vec<Consumer>,
    /// Where plugins may hand records to.
    pub sinks: Vec<Sink>,
    /// What the file has by these names.
    pub listed: Listed,
    /// Files besides gateway.toml whose change is a change of the configuration.
    pub watched: Vec<PathBuf>,
    /// Where relative paths start.
    pub folder: PathBuf,
}

/// Names of all that the file has, refused or not: who names what is refused is not wrong, too.
#[derive(Debug, Default)]
pub struct Listed(HashSet<(&'static str, String)>);

impl Listed {
    /// Note that there is a `kind` of this name. Whether it is the first.
    pub(super) fn add(&mut self, kind: &'static str, name: &str) -> bool {
        self.0.insert((kind, name.to_owned()))
    }

    /// The names of this kind.
    pub(super) fn names(&self, kind: &'static str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(of, _)| *of == kind).map(|(_, name)| name.as_str())
    }

    /// Whether there is a `kind` of this name.
    pub fn has(&self, kind: &'static str, name: &str) -> bool {
        self.0.contains(&(kind, name.to_owned()))
    }
}

/// `plugin_cache`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PluginCache {
    /// Where this machine keeps such things.
    Usual,
    /// In this folder.
    At(PathBuf),
    /// Nowhere.
    Off,
}

/// `[components.NAME]`
#[derive(Debug)]
pub struct ComponentFile {
    /// What `use` says.
    pub name: Located<Name>,
    /// Where its .wasm is.
    pub file: WasmFile,
}

/// Where the .wasm of a component is.
#[derive(Debug)]
pub enum WasmFile {
    /// At this path, absolute or relative to gateway.toml's folder (resolved); whatever is there, and watched.
    At(Located<PathBuf>),
    /// The one with this SHA-256: at the path, if there is one and it is that, or else in the state folder.
    Pinned {
        /// The SHA-256.
        sha256: Located<Checksum>,
        /// Where it came from.
        path: Option<Located<PathBuf>>,
    },
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
    /// What becomes of an exchange when the plugin fails.
    pub on_failure: OnFailure,
    /// When it is not called any more for a while.
    pub trip: Option<Trip>,
    /// Whose its instances are.
    pub isolation: Isolation,
    /// What it is granted.
    pub grants: Grants,
    /// How often its timer hook is called, if it has one.
    pub timer: Option<Located<Duration>>,
    /// Where it holds.
    pub only: Only,
}

/// To which requests a plugin use is narrowed, of those that its list is for.
#[derive(Debug, Default)]
pub struct Only {
    /// Those for this route.
    pub route: Option<Located<Name>>,
    /// Those for this service's routes.
    pub service: Option<Located<Name>>,
}

/// Whose a plugin's instances are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Isolation {
    /// A worker's: one exchange after another is shown to the same one.
    #[default]
    Worker,
    /// An exchange's: a fresh one for each.
    Request,
}

/// `grants` of a plugin use.
#[derive(Debug, Default)]
pub struct Grants {
    /// Servers that it may ask.
    pub origins: Vec<Located<Origin>>,
    /// Names of secrets that it may know.
    pub secrets: Vec<Located<Name>>,
    /// Names of sinks that it may write to.
    pub sinks: Vec<Located<Name>>,
    /// Kinds of credentials whose fields it may know, besides the one that is called like it.
    pub credentials: Vec<Located<Name>>,
    /// Whom its sockets may reach.
    pub sockets: Vec<Located<Peer>>,
    /// Folders whose files it may open.
    pub files: Vec<GrantedFolder>,
    /// Whether there is more, which was refused.
    pub refused: bool,
}

/// One of `grants.files`.
#[derive(Debug)]
pub struct GrantedFolder {
    /// Where it is, absolute or relative to gateway.toml's folder (resolved).
    pub path: Located<PathBuf>,
    /// Where the plugin finds it.
    pub at: String,
    /// Whether the plugin may change what is in it.
    pub write: bool,
}

/// A secret itself. It shows itself to whoever asks for it by name, and to no log.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretValue(Arc<[u8]>);

impl SecretValue {
    pub(super) fn new(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    /// What it is.
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What becomes of an exchange when one of its plugins fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OnFailure {
    /// It fails, too.
    Closed,
    /// It goes on as if the plugin had not been called.
    Open,
}

/// When a plugin that keeps failing is not called any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Trip {
    /// After so many failures
    pub failures: u32,
    /// within this time
    pub within: Duration,
    /// it is not called for so long.
    pub cooldown: Duration,
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
    /// How long a call may take with all that it waits for; then it is stopped, too.
    pub wait: Duration,
    /// Linear memory per instance, in bytes.
    pub memory: usize,
    /// Bytes of a body that it may ask to have whole.
    pub body: u64,
    /// Instances per worker that may be in calls that wait.
    pub instances: usize,
}

impl Default for PluginLimits {
    fn default() -> Self {
        Self {
            time: limits::PLUGIN_TIME,
            wait: limits::PLUGIN_WAIT,
            memory: limits::PLUGIN_MEMORY_BYTES,
            body: limits::PLUGIN_BODY_BYTES,
            instances: limits::PLUGIN_INSTANCES,
        }
    }
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
    /// What happens after an attempt that failed.
    pub retries: Retries,
    /// What is spoken to targets.
    pub http: HttpVersion,
    /// How https is spoken to targets.
    pub tls: ServiceTls,
    /// Plugin uses of every route of this service.
    pub plugins: Vec<PluginUse>,
    /// What leads here.
    pub routes: Vec<Route>,
}

/// `[[services.routes]]`
#[derive(Debug)]
pub struct Route {
    /// As logs show it.
    pub name: Located<Name>,
    /// Which requests it takes.
    pub criteria: Criteria,
    /// Which schemes it takes (Kong: `protocols`).
    pub schemes: Schemes,
    /// Whether the matched prefix is left out of the upstream's path (Kong's default: yes).
    pub strip_path: bool,
    /// Whether the upstream gets the client's Host instead of its own (Kong's default: no).
    pub preserve_host: bool,
    /// Largest request body in bytes; `None`: what the limits of all clients say.
    pub body_bytes: Option<u64>,
    /// Plugin uses of this route alone.
    pub plugins: Vec<PluginUse>,
}

/// Which schemes a route takes, and what becomes of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schemes {
    /// http and https.
    Any,
    /// https only; http is told so with this status (Kong: `https_redirect_status_code`): 426, or a redirect.
    HttpsOnly(u16),
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
    /// Plugin uses of their requests alone.
    pub plugins: Vec<PluginUse>,
}

/// One credential. Keys are held as digests only, so no dump or log of ours can give one away.
#[derive(Debug)]
pub struct Credential {
    /// Which plugin asks for it, by its name.
    pub kind: Name,
    /// SHA-256 of the key.
    pub digest: [u8; 32],
    /// What else the plugin has to know of it, by name.
    pub fields: Vec<(&'static str, SecretValue)>,
    /// Where the key stands.
    pub span: Span,
}
