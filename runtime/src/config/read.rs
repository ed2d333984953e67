//! What gateway.toml may say: one function per kind of table, from the document to `checked`.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::fmt::Display;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
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
    let reading = Reading { folder, faults, names: RefCell::default(), watched: RefCell::default() };
    let fields = Fields::new(document.get_ref(), 0..0, faults);
    let workers = fields.integer("workers", 1..=1024).and_then(|n| usize::try_from(n).ok());
    let listeners = reading.listeners(&fields);
    let components = reading.components(&fields);
    let plugins = plugin_uses(&fields);
    let upstreams: Vec<Upstream> = fields.array("upstreams").filter_map(|value| reading.upstream(value)).collect();
    let services: Vec<Service> = fields.array("services").filter_map(|value| reading.service(value)).collect();
    let consumers: Vec<Consumer> = fields.array("consumers").filter_map(|value| reading.consumer(value)).collect();
    fields.finish();
    check_keys(&consumers, faults);
    check_ports(&services, &upstreams, faults);
    let watched = reading.watched.into_inner();
    Config { workers, listeners, components, plugins, upstreams, services, consumers, watched }
}

/// What the tables of one file have in common while they are read.
struct Reading<'f> {
    folder: &'f Path,
    faults: &'f Faults,
    /// What is taken already: kind and name.
    names: RefCell<HashSet<(&'static str, String)>>,
    watched: RefCell<Vec<PathBuf>>,
}

impl Reading<'_> {
    fn listeners(&self, fields: &Fields<'_>) -> Vec<Located<SocketAddr>> {
        let mut listeners: Vec<Located<SocketAddr>> = Vec::new();
        for value in fields.array("listeners") {
            let Some(fields) = Fields::of(value, "a listener", self.faults) else { continue };
            let help = "an address to listen on, like \"0.0.0.0:8000\"";
            if let Some(address) = fields.require::<SocketAddr>("address", help) {
                if address.value.port() != 0 && listeners.iter().any(|other| other.value == address.value) {
                    self.faults.at(&address.span, format!("{} is listened on twice", address.value));
                }
                listeners.push(address);
            }
            fields.finish();
        }
        if is_empty(fields.value("listeners")) {
            let help = "add [[listeners]] with address = \"0.0.0.0:8000\"";
            self.faults.whole("no listener: nobody could connect", help);
        }
        listeners
    }

    fn components(&self, fields: &Fields<'_>) -> Vec<ComponentFile> {
        let mut components = Vec::new();
        for (key, value) in fields.entries("components") {
            let Some(fields) = Fields::of(value, "a component", self.faults) else { continue };
            let path = fields.require::<Text>("path", "the plugin's .wasm file");
            fields.finish();
            match key.value.parse::<Name>() {
                Err(error) => self.faults.at(&key.span, error),
                Ok(name) => components.extend(path.map(|path| ComponentFile {
                    name: Located { value: name, span: key.span },
                    path: path.map(|path| self.folder.join(path.0)),
                })),
            }
        }
        components
    }

    fn upstream(&self, value: &Value<'_>) -> Option<Upstream> {
        let fields = Fields::of(value, "an upstream", self.faults)?;
        let name = self.name("upstream", &fields, "name", "the name that services use as the host of their url");
        let targets: Vec<Target> = fields.array("targets").filter_map(|value| self.target(value)).collect();
        if is_empty(fields.value("targets")) {
            self.faults.at_with_help(fields.span(), "an upstream needs targets", "targets = [\"10.0.0.1:8080\"]");
        }
        fields.finish();
        Some(Upstream { name: name?, targets })
    }

    /// `"host:port"` or `{ address = "host:port", weight = 50 }`.
    fn target(&self, value: &Value<'_>) -> Option<Target> {
        const DEFAULT_WEIGHT: u16 = 100;
        if let DeValue::String(_) = value.get_ref() {
            let address: Located<Authority> = parse(value, "a target", self.faults)?;
            return Some(Target { address: address.value, weight: DEFAULT_WEIGHT });
        }
        let fields = Fields::of(value, "a target", self.faults)?;
        let address = fields.require("address", "where the target listens, like \"10.0.0.1:8080\"");
        let weight = fields.integer("weight", 0..=65_535).and_then(|weight| u16::try_from(weight).ok());
        fields.finish();
        Some(Target { address: address?.value, weight: weight.unwrap_or(DEFAULT_WEIGHT) })
    }

    fn service(&self, value: &Value<'_>) -> Option<Service> {
        let fields = Fields::of(value, "a service", self.faults)?;
        let name = self.name("service", &fields, "name", "a name for logs and metrics");
        let url = fields.require::<ServiceUrl>("url", "where the service is, like \"http://orders.internal:8080\"");
        let timeouts = self.timeouts(&fields);
        let plugins = plugin_uses(&fields);
        let routes = fields.array("routes").filter_map(|value| self.route(value)).collect();
        fields.finish();
        Some(Service { name: name?, url: url?, timeouts, plugins, routes })
    }

    fn timeouts(&self, service: &Fields<'_>) -> Timeouts {
        let mut timeouts = Timeouts {
            connect: Duration::from_secs(5),
            response: Duration::from_secs(60),
            idle: Duration::from_secs(60),
        };
        let Some(value) = service.value("timeouts") else { return timeouts };
        let Some(fields) = Fields::of(value, "`timeouts`", self.faults) else { return timeouts };
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

    fn route(&self, value: &Value<'_>) -> Option<Route> {
        let fields = Fields::of(value, "a route", self.faults)?;
        let name = self.name("route", &fields, "name", "a name for logs and metrics");
        let hosts = fields.parse_all("hosts").into_iter().map(|host| host.value).collect();
        let paths = fields.parse_all("paths").into_iter().map(|path| path.value).collect();
        let methods = fields.parse_all("methods").into_iter().map(|method| method.value).collect();
        let strip_path = fields.boolean("strip_path").unwrap_or(true);
        let preserve_host = fields.boolean("preserve_host").unwrap_or(false);
        let plugins = plugin_uses(&fields);
        if ["hosts", "paths", "methods"].into_iter().all(|key| is_empty(fields.value(key))) {
            let help = "give it `paths`, `hosts` or `methods`; paths = [\"/\"] matches everything";
            self.faults.at_with_help(fields.span(), "a route needs something to match", help);
        }
        fields.finish();
        Some(Route { name: name?, hosts, paths, methods, strip_path, preserve_host, plugins })
    }

    fn consumer(&self, value: &Value<'_>) -> Option<Consumer> {
        let fields = Fields::of(value, "a consumer", self.faults)?;
        let help = "who this is; the upstream sees it as X-Consumer-Username";
        let username = self.name("consumer", &fields, "username", help);
        let custom_id = fields.parse::<Name>("custom_id").map(|id| id.value.to_string());
        let groups = fields.parse_all::<Name>("groups").into_iter().map(|group| group.value.to_string()).collect();
        let credentials = fields.array("credentials").filter_map(|value| self.credential(value)).collect();
        fields.finish();
        Some(Consumer { username: username?, custom_id, groups, credentials })
    }

    fn credential(&self, value: &Value<'_>) -> Option<Credential> {
        let fields = Fields::of(value, "a credential", self.faults)?;
        if let Some(key) = fields.value("key") {
            self.faults.conceal(key.span());
        }
        let kind = fields.require::<Name>("kind", "the plugin that asks for it, like \"key-auth\"");
        let key = fields.require::<Secret>("key", "the key itself, \"env:NAME\", \"file:PATH\" or \"sha256:HEX\"");
        fields.finish();
        let (kind, key) = (kind?, key?);
        self.watched.borrow_mut().extend(key.value.file(self.folder));
        match key.value.digest(self.folder) {
            Ok(digest) => Some(Credential { kind: kind.value, digest, span: key.span }),
            Err(error) => {
                self.faults.at(&key.span, error);
                None
            }
        }
    }

    /// The name of a thing of this kind, which no other of the kind may have.
    fn name<T>(&self, kind: &'static str, fields: &Fields<'_>, key: &'static str, help: &str) -> Option<Located<T>>
    where
        T: FromStr<Err = String> + Display,
    {
        let name = fields.require::<T>(key, help)?;
        if !self.names.borrow_mut().insert((kind, name.value.to_string())) {
            self.faults.at(&name.span, format!("there is another {kind} named \"{}\"", name.value));
        }
        Some(name)
    }
}

/// Whether a list is not there, or has nothing in it.
fn is_empty(value: Option<&Value<'_>>) -> bool {
    value.is_none_or(|value| value.get_ref().as_array().is_some_and(|array| array.is_empty()))
}

/// A port beside an upstream's name would go unheard.
fn check_ports(services: &[Service], upstreams: &[Upstream], faults: &Faults) {
    for service in services {
        let url = &service.url.value;
        if url.explicit_port && upstreams.iter().any(|upstream| upstream.name.value.0 == url.authority.host) {
            let message = format!("\"{}\" is an upstream, whose targets have ports of their own", url.authority.host);
            faults.at_with_help(&service.url.span, message, "leave the port out here");
        }
    }
}

/// A key opens one door only.
fn check_keys(consumers: &[Consumer], faults: &Faults) {
    let mut keys = HashMap::new();
    for consumer in consumers {
        for credential in &consumer.credentials {
            let owner = &consumer.username.value;
            if let Some(other) = keys.insert((credential.kind.as_str(), credential.digest), owner) {
                faults.at(&credential.span, format!("this {} key belongs to \"{other}\" already", credential.kind));
            }
        }
    }
}
