//! How an upstream's targets are (Kong: `/upstreams/{upstream}/health`), and having one counted as healthy or unhealthy by
//! hand. What the configuration says comes from its entities, how things are from the live generation.

use std::net::SocketAddr;
use std::sync::LazyLock;

use http::{Method, StatusCode};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::answer::Answer;
use super::change;
use super::request::{Request, Role};
use super::router::Router;
use super::{Admin, Handler, handler};
use crate::config::checked::TargetAddress;
use crate::entities::{self, Entity, Entry, Error, Kind};
use crate::observe::metrics::Health;
use crate::proposal::Current;

/// How an upstream is.
#[derive(Debug, Clone)]
pub struct UpstreamHealth {
    /// Whether anything is looked at, by probes or by what requests come to.
    pub checks: Checks,
    /// Whether requests get through: as much of the weight is healthy as has to be.
    pub health: Health,
    /// Of all of its targets, as far as they are known.
    pub addresses: Vec<AddressHealth>,
}

/// Whether health is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checks {
    /// It is.
    On,
    /// It is not; only what is set by hand counts.
    Off,
}

/// How one address of a target is.
#[derive(Debug, Clone)]
pub struct AddressHealth {
    /// The target, as configured.
    pub target: String,
    /// Where it listens.
    pub address: String,
    /// Its part of the target's weight.
    pub weight: u16,
    /// Whether it gets requests.
    pub health: Health,
}

/// Tells this process from others that serve the same configuration (Kong: `node_id`).
static NODE: LazyLock<Uuid> = LazyLock::new(Uuid::new_v4);

/// Adds its endpoints.
pub(super) fn add(endpoints: &mut Router<Handler>) {
    let health = handler(|admin, request| async move { shown(&admin, &request) });
    endpoints.add(Method::GET, "/upstreams/{upstream}/health", Role::Read, health);
    for (last, health) in [("healthy", Health::Healthy), ("unhealthy", Health::Unhealthy)] {
        for method in [Method::PUT, Method::POST] {
            for target in ["{target}", "{target}/{address}"] {
                let path = format!("/upstreams/{{upstream}}/targets/{target}/{last}");
                let set = handler(move |admin, request| async move { set(&admin, &request, health) });
                endpoints.add(method.clone(), &path, Role::Write, set);
            }
        }
    }
}

/// The upstream that the path names, with what the live generation calls it.
fn upstream<'c>(current: &'c Current, request: &Request) -> Option<(&'c Entry, &'c str)> {
    let entry = current.index().find(Kind::Upstream, request.segment(1))?;
    // One without a name goes by its id.
    Some((entry, entry.label.as_deref().unwrap_or(&entry.id)))
}

fn shown(admin: &Admin, request: &Request) -> Answer {
    let current = admin.configuration.current.load();
    let found = upstream(&current, request);
    let Some((entry, live)) = found.and_then(|(entry, name)| Some((entry, admin.gateway.upstream(name)?))) else {
        return change::refused(&Error::not_found());
    };
    if request.query.value("balancer_health").is_some_and(|said| ["1", "true"].contains(&said)) {
        let health = word(live.health, live.checks);
        let healthy = live.addresses.iter().filter(|address| address.health == Health::Healthy).count();
        let details = json!({ "addresses": live.addresses.len(), "healthy": healthy });
        let data = json!({ "id": entry.id, "health": health, "details": details });
        return Answer::json(StatusCode::OK, &json!({ "data": data, "next": null, "node_id": NODE.to_string() }));
    }
    let owner = ("upstream", entry.id.clone());
    let targets = current.index().of_kind(Kind::Target).filter(|target| target.owners.contains(&owner));
    let data: Vec<Json> = targets
        .map(|target| {
            let target = current.index().read(&current.document, target);
            let name = called(&target).to_owned();
            let addresses = live.addresses.iter().filter(|address| is_called(&address.target, &name));
            Json::Object(with_health(target, addresses, live.checks))
        })
        .collect();
    let (total, node) = (data.len(), NODE.to_string());
    Answer::json(StatusCode::OK, &json!({ "data": data, "total": total, "next": null, "node_id": node }))
}

/// `target`, and how it is, which is as its best address is.
fn with_health<'a>(mut target: Entity, addresses: impl Iterator<Item = &'a AddressHealth>, checks: Checks) -> Entity {
    let (mut listed, mut available, mut unavailable) = (Vec::new(), 0, 0);
    let mut health = "DNS_ERROR";
    for address in addresses {
        let (ip, port) = match address.address.parse::<SocketAddr>() {
            Ok(parsed) => (parsed.ip().to_string(), Some(parsed.port())),
            Err(_) => (address.address.clone(), None),
        };
        let told = word(address.health, checks);
        if health == "DNS_ERROR" || address.health == Health::Healthy {
            health = told;
        }
        match address.health {
            Health::Healthy => available += u64::from(address.weight),
            Health::Unhealthy => unavailable += u64::from(address.weight),
        }
        listed.push(json!({ "ip": ip, "port": port, "weight": address.weight, "health": told }));
    }
    let name = called(&target);
    let (host, port) = match name.rsplit_once(':') {
        Some((host, port)) if !name.starts_with("unix:") => (host, port.parse::<u16>().ok()),
        _ => (name, None),
    };
    let data = json!({
        "host": host,
        "port": port,
        "nodeWeight": target.get("weight"),
        "weight": { "total": available + unavailable, "available": available, "unavailable": unavailable },
        "addresses": listed,
    });
    target.insert("data".to_owned(), data);
    target.insert("health".to_owned(), json!(health));
    target
}

/// Kong's word for it. What is set by hand counts, whether anything is looked at or not.
fn word(health: Health, checks: Checks) -> &'static str {
    match (health, checks) {
        (Health::Unhealthy, _) => "UNHEALTHY",
        (Health::Healthy, Checks::On) => "HEALTHY",
        (Health::Healthy, Checks::Off) => "HEALTHCHECKS_OFF",
    }
}

/// Have the target that the path names, or the one address of it, be so until checks find otherwise.
fn set(admin: &Admin, request: &Request, health: Health) -> Answer {
    let current = admin.configuration.current.load();
    let named = upstream(&current, request).and_then(|(entry, upstream)| {
        let owner = ("upstream", entry.id.clone());
        let target = entities::find(current.index(), Kind::Target, Some(&owner), request.segment(3))?;
        Some((upstream, current.index().read(&current.document, target), admin.gateway.upstream(upstream)?))
    });
    let Some((upstream, target, live)) = named else { return change::refused(&Error::not_found()) };
    let mut addresses: Vec<(String, String)> = live
        .addresses
        .into_iter()
        .filter(|address| is_called(&address.target, called(&target)))
        .map(|address| (address.target, address.address))
        .collect();
    if addresses.is_empty() {
        let message = "the target has no address yet: its name has to resolve first";
        return Answer::message(StatusCode::CONFLICT, message);
    }
    // The path goes on behind the address, if it names one.
    if request.segments.len() > 5 {
        addresses.retain(|(_, address)| address == request.segment(4));
    }
    if addresses.is_empty() {
        return change::refused(&Error::not_found());
    }
    admin.gateway.set_health(upstream, &addresses, health);
    Answer::nothing()
}

/// What the configuration calls a target: the name of SRV records, if it is one of those.
fn called(target: &Entity) -> &str {
    target.get("target").and_then(Json::as_str).unwrap_or_default()
}

/// Whether the live generation's `target` is the one that the configuration calls `name`, each in its own spelling.
fn is_called(target: &str, name: &str) -> bool {
    let parsed = name.parse::<TargetAddress>().ok().map(|address| address.to_string());
    target.eq_ignore_ascii_case(parsed.as_deref().unwrap_or(name))
}
