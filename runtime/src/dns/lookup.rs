//! One name, from hosts file to search domains to both address families.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::time::Duration;

use hickory_resolver::proto::rr::{Name, RData, RecordType};
use tokio::time::timeout;

use super::Settings;
use super::fault::{Failed, Kind, SetupError};
use super::hosts::Hosts;
use super::servers::Servers;
use crate::limits;

/// What a name is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// A and AAAA.
    Addresses,
    /// SRV.
    Service,
}

impl Wanted {
    pub(super) const fn record_types(self) -> &'static str {
        match self {
            Self::Addresses => "A and AAAA",
            Self::Service => "SRV",
        }
    }
}

/// Records of the wanted types, at least one, and how long to believe them.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) records: Vec<RData>,
    pub(super) ttl: Duration,
}

/// Everything it takes to look up a name, once.
pub(super) struct Lookup {
    servers: Servers,
    hosts: Option<Hosts>,
    search: Vec<Name>,
    /// A name with as many dots as this is tried as it is before it is tried under search domains (resolv.conf(5)).
    ndots: usize,
}

impl Lookup {
    pub(super) fn new(settings: &Settings) -> Result<Self, SetupError> {
        let (servers, mut search, ndots) = Servers::new(settings)?;
        if let Some(domains) = &settings.search {
            search = domains.iter().map(|domain| search_domain(domain)).collect::<Result<_, _>>()?;
        }
        Ok(Self { servers, hosts: settings.hosts.clone().map(Hosts::new), search, ndots })
    }

    /// Who is asked.
    pub(super) fn servers(&self) -> &[SocketAddr] {
        self.servers.addresses()
    }

    /// Look up `name`.
    pub(super) async fn records(&self, name: &str, wanted: Wanted) -> Result<Found, Failed> {
        if wanted == Wanted::Addresses
            && let Some(found) = self.local(name.trim_end_matches('.'))
        {
            return Ok(found);
        }
        let mut worst: Option<Failed> = None;
        for candidate in self.candidates(name) {
            let failed = match self.candidate(&candidate, wanted).await {
                Ok(found) => return Ok(found),
                Err(failed) => failed,
            };
            // Servers that are silent about one name will be silent about the next.
            if failed.kind == Kind::Timeout {
                return Err(failed);
            }
            worst = Some(failed.or_worse_than(worst));
        }
        Err(worst.unwrap_or_else(|| Failed::new(Kind::Failed, "this is no name that the DNS could have")))
    }

    /// The full names that `name` may mean, in the order in which they are tried (resolv.conf(5)); none if it cannot
    /// be a name at all.
    pub(super) fn candidates(&self, name: &str) -> Vec<Name> {
        let Ok(name) = Name::from_str_relaxed(name) else { return Vec::new() };
        if name.is_root() || name.num_labels() == 0 {
            return Vec::new();
        }
        if name.is_fqdn() {
            return vec![name];
        }
        let dots = usize::from(name.num_labels().saturating_sub(1));
        let mut absolute = name.clone();
        absolute.set_fqdn(true);
        // A domain that makes the name too long is left out.
        let mut names: Vec<Name> =
            self.search.iter().filter_map(|domain| name.clone().append_domain(domain).ok()).collect();
        let at = if dots >= self.ndots { 0 } else { names.len() };
        names.insert(at, absolute);
        let mut seen = Vec::with_capacity(names.len());
        names.retain(|name| {
            let new = !seen.contains(name);
            seen.push(name.clone());
            new
        });
        names
    }

    /// What this machine knows without asking: its hosts file, and what "localhost" is (RFC 6761, section 6.3).
    fn local(&self, name: &str) -> Option<Found> {
        let mut ips = self.hosts.as_ref().map(|hosts| hosts.find(name)).unwrap_or_default();
        if ips.is_empty() && (name == "localhost" || name.ends_with(".localhost")) {
            ips = vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        }
        let records: Vec<RData> = ips.into_iter().map(RData::from).collect();
        (!records.is_empty()).then_some(Found { records, ttl: limits::DNS_HOSTS_TTL })
    }

    async fn candidate(&self, name: &Name, wanted: Wanted) -> Result<Found, Failed> {
        match wanted {
            Wanted::Service => self.servers.records(name, RecordType::SRV).await,
            Wanted::Addresses => self.both_families(name).await,
        }
    }

    async fn both_families(&self, name: &Name) -> Result<Found, Failed> {
        let mut v4 = pin!(self.servers.records(name, RecordType::A));
        let mut v6 = pin!(self.servers.records(name, RecordType::AAAA));
        // Whichever comes second goes on in its own branch. Giving it up there is safe: nobody else waits for it.
        let (first, second) = tokio::select! {
            first = &mut v4 => {
                let second = after(&first, v6).await;
                (first, second)
            }
            first = &mut v6 => {
                let second = after(&first, v4).await;
                (first, second)
            }
        };
        match (first, second) {
            (Ok(mut first), Ok(second)) => {
                first.records.extend(second.records);
                Ok(Found { ttl: first.ttl.min(second.ttl), ..first })
            }
            (Ok(found), Err(failed)) | (Err(failed), Ok(found)) if !failed.kind.is_certain() => {
                Ok(Found { ttl: found.ttl.min(limits::DNS_PARTIAL_TTL), ..found })
            }
            (Ok(found), Err(_)) | (Err(_), Ok(found)) => Ok(found),
            (Err(first), Err(second)) => Err(second.or_worse_than(Some(first))),
        }
    }
}

/// The other family: as long as it takes if there is nothing yet, not for long if there is.
async fn after(
    first: &Result<Found, Failed>,
    second: impl Future<Output = Result<Found, Failed>>,
) -> Result<Found, Failed> {
    match first {
        Err(_) => second.await,
        Ok(_) => {
            let waited = timeout(limits::DNS_FAMILY_GRACE, second).await;
            waited.unwrap_or_else(|_| Err(Failed::new(Kind::Timeout, "")))
        }
    }
}

fn search_domain(domain: &str) -> Result<Name, SetupError> {
    let mut name = Name::from_str_relaxed(domain)
        .map_err(|error| SetupError::SearchDomain { domain: domain.to_owned(), words: error.to_string() })?;
    name.set_fqdn(true);
    Ok(name)
}
