//! What gateway.toml may say: one function per kind of table, from the document to `checked`.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::checked::{ComponentFile, Config, Consumer, Credential, Route, Service, Target, Timeouts, Upstream};
use super::faults::Faults;
use super::plugin_use::plugin_uses;
use super::reader::{Fields, Located, Value, parse};
use super::secret::Secret;
use super::values::{Authority, Name, Period, ServiceUrl, Text};

/// The whole file. `folder` is where relative paths start.
pub(super) fn config(document: &Spanned<DeTable<'_>>, folder: &Path, faults: &Faults) -> Config {
    let fields = Fields::new(document.get_ref(), 0..0, faults);
    let mut watched = Vec::new();
    let consumers =
        fields.array("consumers").filter_map(|value| consumer(value, folder, &mut watched, faults)).collect();
    let config = Config {
        workers: fields.integer("workers", 1..=1024).and_then(|n| usize::try_from(n).ok()),
        listeners: listeners(&fields),
        components: components(&fields, folder),
        plugins: plugin_uses(&fields),
        upstreams: fields.array("upstreams").filter_map(|value| upstream(value, faults)).collect(),
        services: fields.array("services").filter_map(|value| service(value, faults)).collect(),
        consumers,
        watched,
    };
    fields.finish();
    check_names(&config, faults);
    config
}

fn listeners(fields: &Fields<'_>) -> Vec<Located<SocketAddr>> {
    let faults = fields.faults();
    let mut listeners: Vec<Located<SocketAddr>> = Vec::new();
    for value in fields.array("listeners") {
        let Some(fields) = Fields::of(value, "a listener", faults) else { continue };
        if let Some(address) = fields.require::<SocketAddr>("address", "an address to listen on, like \"0.0.0.0:8000\"")
        {
            if address.value.port() != 0 && listeners.iter().any(|other| other.value == address.value) {
                faults.at(&address.span, format!("{} is listened on twice", address.value));
            }
            listeners.push(address);
        }
        fields.finish();
    }
    if fields.value("listeners").is_none() {
        faults.whole("no listener: nobody could connect", "add [[listeners]] with address = \"0.0.0.0:8000\"");
    }
    listeners
}

fn components(fields: &Fields<'_>, folder: &Path) -> Vec<ComponentFile> {
    let faults = fields.faults();
    let mut components = Vec::new();
    for (key, value) in fields.entries("components") {
        let Some(fields) = Fields::of(value, "a component", faults) else { continue };
        let path = fields.require::<Text>("path", "the plugin's .wasm file");
        fields.finish();
        match key.value.parse::<Name>() {
            Err(error) => faults.at(&key.span, error),
            Ok(name) => components.extend(path.map(|path| ComponentFile {
                name: Located { value: name, span: key.span },
                path: path.map(|path| folder.join(path.0)),
            })),
        }
    }
    components
}

fn upstream(value: &Value<'_>, faults: &Faults) -> Option<Upstream> {
    let fields = Fields::of(value, "an upstream", faults)?;
    let name = fields.require("name", "the name that services use as the host of their url");
    let targets: Vec<Target> = fields.array("targets").filter_map(|value| target(value, faults)).collect();
    if fields.value("targets").is_none_or(|value| value.get_ref().as_array().is_some_and(|array| array.is_empty())) {
        faults.at_with_help(fields.span(), "an upstream needs targets", "targets = [\"10.0.0.1:8080\"]");
    }
    fields.finish();
    Some(Upstream { name: name?, targets })
}

/// `"host:port"` or `{ address = "host:port", weight = 50 }`.
fn target(value: &Value<'_>, faults: &Faults) -> Option<Target> {
    const DEFAULT_WEIGHT: u16 = 100;
    if let DeValue::String(_) = value.get_ref() {
        let address: Located<Authority> = parse(value, "a target", faults)?;
        return Some(Target { address: address.value, weight: DEFAULT_WEIGHT });
    }
    let fields = Fields::of(value, "a target", faults)?;
    let address = fields.require("address", "where the target listens, like \"10.0.0.1:8080\"");
    let weight = fields.integer("weight", 0..=65_535).and_then(|weight| u16::try_from(weight).ok());
    fields.finish();
    Some(Target { address: address?.value, weight: weight.unwrap_or(DEFAULT_WEIGHT) })
}

fn service(value: &Value<'_>, faults: &Faults) -> Option<Service> {
    let fields = Fields::of(value, "a service", faults)?;
    let name = fields.require("name", "a name for logs and metrics");
    let url = fields.require::<ServiceUrl>("url", "where the service is, like \"http://orders.internal:8080\"");
    let timeouts = timeouts(&fields);
    let plugins = plugin_uses(&fields);
    let routes = fields.array("routes").filter_map(|value| route(value, faults)).collect();
    fields.finish();
    Some(Service { name: name?, url: url?.value, timeouts, plugins, routes })
}

fn timeouts(service: &Fields<'_>) -> Timeouts {
    let mut timeouts =
        Timeouts { connect: Duration::from_secs(5), response: Duration::from_secs(60), idle: Duration::from_secs(60) };
    let Some(value) = service.value("timeouts") else { return timeouts };
    let Some(fields) = Fields::of(value, "`timeouts`", service.faults()) else { return timeouts };
    for (key, timeout) in
        [("connect", &mut timeouts.connect), ("response", &mut timeouts.response), ("idle", &mut timeouts.idle)]
    {
        if let Some(period) = fields.parse::<Period>(key) {
            *timeout = period.value.0;
        }
    }
    fields.finish();
    timeouts
}

fn route(value: &Value<'_>, faults: &Faults) -> Option<Route> {
    let fields = Fields::of(value, "a route", faults)?;
    let name = fields.require("name", "a name for logs and metrics");
    let route = Route {
        name: name.clone().unwrap_or(Located { value: Name::unnamed(), span: fields.span().clone() }),
        hosts: fields.parse_all("hosts").into_iter().map(|host| host.value).collect(),
        paths: fields.parse_all("paths").into_iter().map(|path| path.value).collect(),
        methods: fields.parse_all("methods").into_iter().map(|method| method.value).collect(),
        strip_path: fields.boolean("strip_path").unwrap_or(true),
        preserve_host: fields.boolean("preserve_host").unwrap_or(false),
        plugins: plugin_uses(&fields),
    };
    if ["hosts", "paths", "methods"].into_iter().all(|key| fields.value(key).is_none()) {
        let help = "give it `paths`, `hosts` or `methods`; paths = [\"/\"] matches everything";
        faults.at_with_help(fields.span(), "a route needs something to match", help);
    }
    fields.finish();
    name.map(|_| route)
}

fn consumer(value: &Value<'_>, folder: &Path, watched: &mut Vec<PathBuf>, faults: &Faults) -> Option<Consumer> {
    let fields = Fields::of(value, "a consumer", faults)?;
    let username = fields.require("username", "who this is; the upstream sees it as X-Consumer-Username");
    let consumer = Consumer {
        username: username.clone().unwrap_or(Located { value: Name::unnamed(), span: fields.span().clone() }),
        custom_id: fields.parse::<Name>("custom_id").map(|id| id.value.to_string()),
        groups: fields.parse_all::<Name>("groups").into_iter().map(|group| group.value.to_string()).collect(),
        credentials: fields
            .array("credentials")
            .filter_map(|value| credential(value, folder, watched, faults))
            .collect(),
    };
    fields.finish();
    username.map(|_| consumer)
}

fn credential(value: &Value<'_>, folder: &Path, watched: &mut Vec<PathBuf>, faults: &Faults) -> Option<Credential> {
    let fields = Fields::of(value, "a credential", faults)?;
    let kind = fields.require::<Name>("kind", "the plugin that asks for it, like \"key-auth\"");
    let key = fields.require::<Secret>("key", "the key itself, \"env:NAME\", \"file:PATH\" or \"sha256:HEX\"");
    fields.finish();
    let (kind, key) = (kind?, key?);
    watched.extend(key.value.file(folder));
    match key.value.digest(folder) {
        Ok(digest) => Some(Credential { kind: kind.value, digest, span: key.span }),
        Err(error) => {
            faults.at(&key.span, error);
            None
        }
    }
}

/// Names are unique among their kind, so are credentials.
fn check_names(config: &Config, faults: &Faults) {
    unique("upstream", config.upstreams.iter().map(|upstream| &upstream.name), faults);
    unique("service", config.services.iter().map(|service| &service.name), faults);
    unique("route", config.services.iter().flat_map(|service| &service.routes).map(|route| &route.name), faults);
    unique("consumer", config.consumers.iter().map(|consumer| &consumer.username), faults);
    let mut keys = HashMap::new();
    for consumer in &config.consumers {
        for credential in &consumer.credentials {
            let owner = &consumer.username.value;
            if let Some(other) = keys.insert((credential.kind.as_str(), credential.digest), owner) {
                faults.at(&credential.span, format!("this {} key belongs to \"{other}\" already", credential.kind));
            }
        }
    }
}

fn unique<'n>(what: &str, names: impl Iterator<Item = &'n Located<Name>>, faults: &Faults) {
    let mut seen = HashMap::new();
    for name in names {
        if seen.insert(name.value.as_str(), ()).is_some() {
            faults.at(&name.span, format!("there is another {what} named \"{}\"", name.value));
        }
    }
}
