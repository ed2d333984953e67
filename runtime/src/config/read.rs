//! What gateway.toml may say: one function per kind of table, from the document to `checked`.

mod admin;
mod certificates;
mod consumers;
mod counters;
mod listeners;
mod located;
pub(super) mod marks;
mod services;
mod sinks;
mod upstreams;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use certificates::Known;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::checked::{
    ComponentFile, Config, DiskBuffer, Listed, PluginCache, PluginConfig, SecretValue, Service, SinkSettings, Upstream,
    WasmFile,
};
use super::faults::{Faults, Span};
use super::plugin_use::{Narrowing, plugin_uses};
use super::reader::{Fields, Located, Value, parse};
use super::secret::Secret;
use super::values::{Checksum, Name, Network, Text};

/// The whole file. `folder` is where relative paths start.
pub(super) fn config(document: &Spanned<DeTable<'_>>, folder: &Path, faults: &Faults) -> Config {
    let mut reading = Reading::new(folder, faults);
    let fields = Fields::new(document.get_ref(), 0..0, faults);
    let workers = fields.integer("workers", 1..=1024).and_then(|n| usize::try_from(n).ok());
    let trusted_proxies: Vec<_> =
        fields.parse_all::<Network>("trusted_proxies").into_iter().map(|network| network.value.0).collect();
    let (certificates, ca_certificates) = reading.certificates(&fields);
    let listeners = reading.listeners(&fields, &trusted_proxies);
    let limits = reading.limits(&fields);
    let admin = reading.admin(&fields, &listeners);
    let access_log = reading.access_log(&fields);
    let dns = reading.dns(&fields);
    let counters = reading.counters(&fields);
    let error_header = fields.boolean("error_header").unwrap_or(true);
    let plugin_cache = reading.plugin_cache(&fields);
    let state_dir = folder.join(fields.parse::<Text>("state_dir").map_or("var".to_owned(), |path| path.value.0));
    let components = reading.components(&fields);
    let secrets = reading.secrets(&fields);
    let plugins = plugin_uses(&fields, Narrowing::None, folder);
    let upstreams: Vec<Upstream> = fields.array("upstreams").filter_map(|value| reading.upstream(value)).collect();
    let services: Vec<Service> = fields.array("services").filter_map(|value| reading.service(value)).collect();
    let consumers: Vec<_> = fields.array("consumers").filter_map(|value| reading.consumer(value)).collect();
    let sinks = reading.sinks(&fields);
    fields.finish();
    consumers::check_keys(&consumers, faults);
    reading.check_scopes(&consumers, &services);
    services::check_urls(&services, &upstreams, faults);
    let (listed, watched) = (reading.listed.into_inner(), reading.watched.into_inner());
    Config {
        workers,
        listeners,
        trusted_proxies,
        limits,
        admin,
        access_log,
        dns,
        counters,
        error_header,
        plugin_cache,
        state_dir,
        components,
        secrets,
        certificates,
        ca_certificates,
        plugins,
        upstreams,
        services,
        consumers,
        sinks,
        listed,
        watched,
        folder: folder.to_owned(),
    }
}

/// What `definition` says of a sink, which it describes as one of `[[sinks]]` would be but for its name; and the files
/// besides gateway.toml that it consists of. Faults are noted where the definition's parts stand.
pub(crate) fn own_sink(
    definition: &PluginConfig,
    folder: &Path,
    faults: &Faults,
) -> (Option<NamelessSink>, Vec<PathBuf>) {
    let reading = Reading::new(folder, faults);
    let sink = located::with_document(definition, faults, |document| {
        Fields::of(document, "a sink", faults).and_then(|fields| reading.nameless_sink(fields))
    });
    (sink.flatten(), reading.watched.into_inner())
}

/// All of a sink but its name.
pub(crate) struct NamelessSink {
    pub(crate) settings: SinkSettings,
    pub(crate) disk: Option<Located<DiskBuffer>>,
    pub(crate) ca: Option<Located<PathBuf>>,
}

/// What the tables of one file have in common while they are read.
struct Reading<'f> {
    folder: &'f Path,
    faults: &'f Faults,
    /// What is taken already: kind and name.
    listed: RefCell<Listed>,
    watched: RefCell<Vec<PathBuf>>,
    known: Known,
}

impl<'f> Reading<'f> {
    fn new(folder: &'f Path, faults: &'f Faults) -> Self {
        let (listed, watched) = (RefCell::default(), RefCell::default());
        Self { folder, faults, listed, watched, known: Known::default() }
    }
}

impl Reading<'_> {
    fn plugin_cache(&self, fields: &Fields<'_>) -> PluginCache {
        let Some(value) = fields.value("plugin_cache") else { return PluginCache::Usual };
        match value.get_ref() {
            DeValue::Boolean(false) => PluginCache::Off,
            DeValue::String(folder) if !folder.is_empty() => PluginCache::At(self.folder.join(&**folder)),
            _ => {
                self.faults.at(&value.span(), "`plugin_cache` is a folder, or false for none");
                PluginCache::Off
            }
        }
    }

    fn components(&self, fields: &Fields<'_>) -> Vec<ComponentFile> {
        let mut components = Vec::new();
        for (key, value) in fields.entries("components") {
            self.listed.borrow_mut().add("component", &key.value);
            let Some(fields) = Fields::of(value, "a component", self.faults) else { continue };
            let sha256 = fields.parse::<Checksum>("sha256");
            let path = match &sha256 {
                Some(_) => fields.parse::<Text>("path"),
                None => fields.require::<Text>("path", "the plugin's .wasm file"),
            };
            fields.finish();
            let path = path.map(|path| path.map(|path| self.folder.join(path.0)));
            let file = match sha256 {
                Some(sha256) => Some(WasmFile::Pinned { sha256, path }),
                None => path.map(WasmFile::At),
            };
            match key.value.parse::<Name>() {
                Err(error) => self.faults.at(&key.span, error),
                Ok(name) => components
                    .extend(file.map(|file| ComponentFile { name: Located { value: name, span: key.span }, file })),
            }
        }
        components
    }

    fn secrets(&self, fields: &Fields<'_>) -> BTreeMap<String, SecretValue> {
        let mut secrets = BTreeMap::new();
        for (key, value) in fields.entries("secrets") {
            self.faults.conceal(value.span());
            self.listed.borrow_mut().add("secret", &key.value);
            if let Err(error) = key.value.parse::<Name>() {
                self.faults.at(&key.span, error);
            }
            let Some(secret) = parse::<Secret>(value, "a secret", self.faults) else { continue };
            self.watched.borrow_mut().extend(secret.value.file(self.folder));
            match secret.value.reveal(self.folder) {
                Ok(text) => drop(secrets.insert(key.value, SecretValue::new(text.as_bytes()))),
                Err(error) => self.faults.at(&secret.span, error),
            }
        }
        secrets
    }

    /// What a secret says, concealed in whatever is shown of the file; watched if it is in a file of its own.
    fn secret(&self, fields: &Fields<'_>, key: &'static str, help: &str) -> Option<Located<String>> {
        if let Some(value) = fields.value(key) {
            self.faults.conceal(value.span());
        }
        let secret = fields.require::<Secret>(key, help)?;
        self.watched.borrow_mut().extend(secret.value.file(self.folder));
        match secret.value.reveal(self.folder) {
            Ok(value) => Some(Located { value, span: secret.span }),
            Err(error) => {
                self.faults.at(&secret.span, error);
                None
            }
        }
    }

    /// A file that the configuration consists of, too: resolved, and watched.
    fn file(&self, path: Located<Text>) -> Located<PathBuf> {
        self.watch(path.map(|path| path.0.into()))
    }

    /// The same, of a path.
    fn watch(&self, path: Located<PathBuf>) -> Located<PathBuf> {
        let path = path.map(|path| self.folder.join(path));
        self.watched.borrow_mut().push(path.value.clone());
        path
    }

    /// The name of a thing of this kind, which no other of the kind may have.
    fn name<T>(&self, kind: &'static str, fields: &Fields<'_>, key: &'static str, help: &str) -> Option<Located<T>>
    where
        T: FromStr<Err = String> + Display,
    {
        let name = fields.require::<T>(key, help)?;
        self.unique(kind, &name.value.to_string(), &name.span);
        Some(name)
    }

    fn unique(&self, kind: &'static str, name: &str, span: &Span) {
        if !self.listed.borrow_mut().add(kind, name) {
            self.faults.at(span, format!("there is another {kind} named \"{name}\""));
        }
    }
}

/// Whether a list is not there, or has nothing in it.
fn is_empty(value: Option<&Value<'_>>) -> bool {
    value.is_none_or(|value| value.get_ref().as_array().is_some_and(|array| array.is_empty()))
}
