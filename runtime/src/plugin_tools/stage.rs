//! What a case needs around it: a configuration with the plugin in its one route, in a folder of its own, and all that a
//! gateway makes of one. Nothing of it outlives the case, so no case sees what another has left behind.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context, bail};
use bytes::Bytes;
use http::{Request, Response, Uri};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tidegate_cases::{Answer, Case, Certificate, Credential};
use tidegate_precompiled::Cache;
use tokio::runtime::Handle;

use super::load;
use crate::certificates::Certificates;
use crate::config::checked::{Isolation, OnOutage};
use crate::config::values::Origin;
use crate::config::{self, Report};
use crate::host::component::Component;
use crate::host::engine::Engine;
use crate::host::fetch::StandIn;
use crate::host::library::Library;
use crate::host::own_sink::OWN;
use crate::host::services::Services;
use crate::limits;
use crate::observe::metrics::Metrics;
use crate::observe::sinks::Deliveries;
use crate::snapshot::{self, Snapshot, Stock};
use crate::store::counters::Counters;
use crate::tls::identity::ClientIdentity;
use crate::tls::session::Session;
use crate::transport::Transports;
use crate::upstreams::Upstreams;

/// A plugin, and a folder for what its cases leave behind.
pub(super) struct Stage {
    folder: TempDir,
    path: PathBuf,
    component: Arc<Component>,
}

/// One case's surroundings.
pub(super) struct Set {
    pub(super) snapshot: Snapshot,
    pub(super) stock: Stock,
    /// What the plugin calls itself.
    pub(super) plugin: Arc<str>,
    /// Where its sinks deliver.
    pub(super) folder: TempDir,
    /// What its settings say of a sink of its own.
    pub(super) own_sink: Option<Value>,
}

impl Stage {
    /// For the plugin at `path`, which has to be one.
    pub(super) fn new(path: &Path) -> anyhow::Result<Self> {
        let folder = temporary()?;
        let component = load(path, Some(compiled(&folder)?))?.component;
        Ok(Self { folder, path: path.canonicalize()?, component })
    }

    /// The surroundings of `case`, with the service's own upstream and the case's others at these addresses. Tasks run on
    /// `control`. The report says what the plugin refuses, mostly its config.
    pub(super) fn set(
        &self,
        case: &Case,
        upstreams: (SocketAddr, &[SocketAddr]),
        isolation: Isolation,
        control: &Handle,
    ) -> anyhow::Result<Result<Set, Report>> {
        let metrics = Arc::new(Metrics::new(1));
        let counters = Counters::new(&kept(case.counters)?, 2)?;
        let services = Services::new(counters, Arc::clone(&metrics), 1);
        let library = Library::new(Engine::new(1)?, services, 1, Some(control.clone()), Some(compiled(&self.folder)?));

        let folder = temporary()?;
        let document = self.document(case, upstreams, isolation, folder.path())?;
        let path = folder.path().join("gateway.toml");
        std::fs::write(&path, toml::to_string(&document)?)?;
        let (config, faults) = config::load(&path)?;
        if !faults.is_empty() {
            bail!("what is around it cannot be had: {}", told(&faults.into_report()));
        }
        let mut stock = Stock {
            library: library.with_stand_in(stand_in(case)?),
            certificates: Certificates::default(),
            transports: Transports::default(),
            upstreams: Upstreams::new(Some(control.clone()), 1),
            sinks: Deliveries::new(Some(control.clone())).with_stand_in(folder.path().join(records(OWN))),
            metrics,
            watched: Vec::new(),
        };
        let built = snapshot::build(&config, faults, &mut stock, &[0], 1);
        let presumed = |mut snapshot: Snapshot| {
            if let Some(identities) = Arc::get_mut(&mut snapshot.identities) {
                if let Some(caller) = case.caller() {
                    identities.presume(&caller.kind, caller.key.as_bytes());
                }
                let words = case.shared.iter().map(|(key, value)| (key.clone(), value.clone().into()));
                identities.presumed_words = words.collect();
                identities.presumed_session = case.request.certificate.as_ref().map(shown);
            }
            snapshot
        };
        let routes = config.services.iter().flat_map(|service| &service.routes);
        let plugin_use = routes.flat_map(|route| &route.plugins).next();
        let own_sink = self.component.own_sink.as_ref().zip(plugin_use);
        let own_sink = own_sink.map(|(own, plugin_use)| own.definition(&plugin_use.config).json);
        let plugin = Arc::clone(&self.component.name);
        Ok(built.map(presumed).map(|snapshot| Set { snapshot, stock, plugin, folder, own_sink }))
    }

    fn document(
        &self,
        case: &Case,
        (upstream, others): (SocketAddr, &[SocketAddr]),
        isolation: Isolation,
        folder: &Path,
    ) -> anyhow::Result<Value> {
        let isolation = match isolation {
            Isolation::Worker => "worker",
            Isolation::Request => "request",
        };
        let needs = |interface| self.component.needed(&case.config).any(|need| need.interface == interface);
        let mut origins = case.servers.keys().map(|asked| Ok(parse(asked)?.1)).collect::<anyhow::Result<Vec<_>>>()?;
        origins.dedup();
        let mut origins: Vec<String> = origins.iter().map(Origin::to_string).collect();
        let mut secrets = serde_json::Map::new();
        for (number, (name, value)) in case.secrets.iter().enumerate() {
            // In a file, whose last newline does not count, so that no value is taken for a place.
            let file = format!("secret-{number}");
            std::fs::write(folder.join(&file), format!("{value}\n"))?;
            secrets.insert(name.clone(), format!("file:{file}").into());
        }
        let mut sinks = case.sinks.clone();
        // What a plugin could use has to be granted, though the case leaves it out.
        if needs("http-client") && origins.is_empty() {
            origins.push("https://nowhere.invalid".to_owned());
        }
        if needs("secrets") && secrets.is_empty() {
            secrets.insert("none".to_owned(), "none".into());
        }
        if needs("sink") && sinks.is_empty() {
            sinks.push("none".to_owned());
        }
        let deliveries: Vec<Value> =
            sinks.iter().map(|name| json!({ "name": name, "kind": "file", "path": records(name) })).collect();
        let others = case.upstreams.iter().zip(others);
        let others: Vec<Value> =
            others.map(|(name, address)| json!({ "name": name, "targets": [address.to_string()] })).collect();
        let mut kinds: Vec<&str> = case.credentials.iter().map(|credential| credential.kind.as_str()).collect();
        kinds.dedup();
        let grants = json!({ "http": origins, "secrets": secrets.keys().collect::<Vec<_>>(), "sinks": sinks, "credentials": kinds });
        let plugin = json!({
            "use": "plugin", "config": case.config, "grants": grants, "isolation": isolation,
            // What takes long on a busy machine is no failure of the plugin's.
            "limits": { "time": "1s" },
        });
        let route = json!({
            "name": "route", "paths": ["/"], "strip_path": false, "preserve_host": true, "plugins": [plugin],
        });
        let service = json!({
            "name": "service", "url": format!("http://{upstream}"), "retries": 0, "routes": [route],
        });
        Ok(json!({
            // Who the client is can be said in the connection's own words.
            "listeners": [{ "address": "127.0.0.1:0", "proxy_protocol": true }],
            "trusted_proxies": ["127.0.0.1"],
            "plugin_cache": false,
            "components": { "plugin": { "path": self.path } },
            "upstreams": others,
            "services": [service],
            "consumers": consumers(&case.credentials),
            "secrets": secrets,
            "sinks": deliveries,
        }))
    }
}

/// Where hits are counted.
fn kept(counters: tidegate_cases::Counters) -> anyhow::Result<config::checked::Counters> {
    Ok(match counters {
        tidegate_cases::Counters::Memory => config::checked::Counters::Memory,
        tidegate_cases::Counters::Away => config::checked::Counters::Redis {
            // Nobody is there.
            url: "redis://127.0.0.1:9".parse().map_err(anyhow::Error::msg)?,
            timeout: limits::COUNTERS_TIMEOUT,
            on_failure: OnOutage::Closed,
        },
    })
}

/// What is wrong, without its place in a file that nobody has written.
pub(super) fn told(report: &Report) -> String {
    report.faults().iter().map(|fault| fault.message.as_str()).collect::<Vec<_>>().join("; ")
}

/// All that has been delivered in a set's `folder`, by sink.
pub(super) fn delivered(folder: &Path, case: &Case) -> BTreeMap<String, Vec<Vec<u8>>> {
    let sinks = case.sinks.iter().map(String::as_str).chain([OWN]);
    sinks.map(|sink| (sink.to_owned(), delivered_to(folder, sink))).collect()
}

fn delivered_to(folder: &Path, sink: &str) -> Vec<Vec<u8>> {
    let written = std::fs::read(folder.join(records(sink))).unwrap_or_default();
    let mut records: Vec<Vec<u8>> = written.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    // Each record ends with a newline, and so the last one of them with nothing.
    records.pop();
    records
}

/// Where the plugin is compiled once for all cases.
fn compiled(folder: &TempDir) -> anyhow::Result<Cache> {
    Ok(Cache::open(&folder.path().join("compiled"), limits::PLUGIN_CACHE_BYTES)?)
}

fn temporary() -> anyhow::Result<TempDir> {
    tempfile::Builder::new().prefix("tidegate-").tempdir().context("there is no place for temporary files")
}

fn records(sink: &str) -> String {
    format!("records-{sink}")
}

/// Each with all their credentials.
fn consumers(credentials: &[Credential]) -> Vec<Value> {
    let mut consumers: Vec<(&Credential, Vec<Value>)> = Vec::new();
    for credential in credentials {
        let digest: String = Sha256::digest(&credential.key).iter().map(|byte| format!("{byte:02x}")).collect();
        let mut listed: BTreeMap<&str, &str> =
            credential.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let key = format!("sha256:{digest}");
        listed.extend([("kind", credential.kind.as_str()), ("key", &key)]);
        let listed = json!(listed);
        match consumers.iter_mut().find(|(first, _)| first.username == credential.username) {
            Some((_, all)) => all.push(listed),
            None => consumers.push((credential, vec![listed])),
        }
    }
    let table = |(first, credentials): (&Credential, Vec<Value>)| {
        let Credential { username, custom_id, groups, .. } = first;
        let mut consumer = json!({ "username": username, "groups": groups, "credentials": credentials });
        if let (Some(custom_id), Some(consumer)) = (custom_id, consumer.as_object_mut()) {
            consumer.insert("custom_id".to_owned(), custom_id.as_str().into());
        }
        consumer
    };
    consumers.into_iter().map(table).collect()
}

/// What a client has shown that comes without TLS.
fn shown(certificate: &Certificate) -> Arc<Session> {
    let Certificate { subject, common_name, issuer, serial, dns_names, emails, uris, fingerprint, not_after } =
        certificate.clone();
    let not_after = UNIX_EPOCH.checked_add(Duration::from_secs(not_after)).unwrap_or(UNIX_EPOCH);
    let identity =
        ClientIdentity { subject, common_name, issuer, serial, dns_names, emails, uris, fingerprint, not_after };
    Arc::new(Session::presumed(identity))
}

/// Answers what plugins ask other servers as the case says.
fn stand_in(case: &Case) -> anyhow::Result<StandIn> {
    let parsed = case.servers.iter().map(|(asked, answer)| Ok((parse(asked)?, response(answer)?)));
    let servers = parsed.collect::<anyhow::Result<Vec<_>>>()?;
    Ok(Arc::new(move |origin: &Origin, request: &Request<Bytes>| {
        let is_asked = |(method, known, path): &(String, Origin, String)| {
            method == request.method().as_str() && known == origin && *path == request.uri().to_string()
        };
        servers.iter().find(|(asked, _)| is_asked(asked)).map(|(_, answer)| answer.clone())
    }))
}

/// `GET https://idp.example.com/keys`: method, origin, path with query.
fn parse(asked: &str) -> anyhow::Result<(String, Origin, String)> {
    let wrong = || format!("`servers`: \"{asked}\" is no method and URL, like \"GET https://idp.example.com/keys\"");
    let (method, url) = asked.split_once(' ').with_context(wrong)?;
    let url: Uri = url.parse().with_context(wrong)?;
    let (scheme, authority) = (url.scheme().with_context(wrong)?, url.authority().with_context(wrong)?);
    let origin = format!("{scheme}://{authority}").parse::<Origin>().map_err(anyhow::Error::msg).with_context(wrong)?;
    Ok((method.to_owned(), origin, url.path_and_query().map_or("/", |path| path.as_str()).to_owned()))
}

/// The whole of an answer, as another server gives it.
fn response(answer: &Answer) -> anyhow::Result<Response<Bytes>> {
    let mut response = Response::builder().status(answer.status.code());
    for (name, value) in answer.headers.iter() {
        response = response.header(name, value.as_bytes());
    }
    Ok(response.body(answer.body.as_ref().map(|body| body.pieces().concat()).unwrap_or_default().into())?)
}
