//! The name servers, and one question to them: hickory speaks the protocol, retries, and goes over to TCP for what is
//! too large for UDP. Its cache is not used; ours knows about whole answers.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::xfer::{DnsHandle, FirstAnswer, RetryDnsHandle};
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::{DnsRequestOptions, DnsResponse, Query, ResponseCode};
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::system_conf::parse_resolv_conf;
use hickory_resolver::{NameServerPool, PoolContext, TlsConfig};
use tokio::sync::Semaphore;

use super::Settings;
use super::fault::{Failed, Kind, SetupError};
use super::lookup::Found;
use crate::limits;

const RESOLV_CONF: &str = "/etc/resolv.conf";

type Pool = NameServerPool<TokioRuntimeProvider>;

/// The name servers.
pub(super) struct Servers {
    addresses: Vec<SocketAddr>,
    /// All of them, the quickest first.
    all: RetryDnsHandle<Pool>,
    /// Each alone, if there are several.
    each: Vec<Pool>,
    request: DnsRequestOptions,
    /// Each query has a socket of its own.
    turns: Semaphore,
}

impl Servers {
    /// The servers, search domains and ndots of `settings`.
    pub(super) fn new(settings: &Settings) -> Result<(Self, Vec<Name>, usize), SetupError> {
        let (config, mut options) = if settings.nameservers.is_empty() {
            system(Path::new(RESOLV_CONF))?
        } else {
            let servers = settings.nameservers.iter().map(|address| name_server(*address)).collect();
            (ResolverConfig::from_name_servers(servers), ResolverOpts::default())
        };
        // "attempts" counts the first one in resolv.conf(5), and not in hickory. Each gets its share of the time.
        let attempts = options.attempts.clamp(1, 5);
        options.attempts = attempts - 1;
        let share = settings.timeout / u32::try_from(attempts).unwrap_or(1);
        options.timeout = options.timeout.min(share);

        let ndots = options.ndots;
        // The domain of the machine's own name counts only where no search domains are given (resolv.conf(5)).
        let search = if config.search.is_empty() { config.domain.into_iter().collect() } else { config.search };
        Ok((Self::with(config.name_servers, options)?, search, ndots))
    }

    fn with(configs: Vec<NameServerConfig>, options: ResolverOpts) -> Result<Self, SetupError> {
        let port = |config: &NameServerConfig| config.connections.first().map_or(53, |connection| connection.port);
        let addresses: Vec<SocketAddr> =
            configs.iter().map(|config| SocketAddr::new(config.ip, port(config))).collect();
        let mut request = DnsRequestOptions::default();
        request.use_edns = options.edns0;
        request.edns_payload_len = options.edns_payload_len;
        request.recursion_desired = options.recursion_desired;

        let attempts = options.attempts;
        // Plain DNS only: this is empty.
        let tls = TlsConfig::new().map_err(|error| SetupError::Resolver(error.to_string()))?;
        let context = Arc::new(PoolContext::new(options, tls));
        let pool = |configs: Vec<NameServerConfig>| {
            NameServerPool::from_config(configs, Arc::clone(&context), TokioRuntimeProvider::default())
        };
        let each = if configs.len() > 1 {
            configs.iter().map(|config| pool(vec![config.clone()])).collect()
        } else {
            Vec::new()
        };
        Ok(Self {
            addresses,
            all: RetryDnsHandle::new(pool(configs), attempts),
            each,
            request,
            turns: Semaphore::new(limits::DNS_QUERIES),
        })
    }

    /// Who is asked.
    pub(super) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The records of type `wanted` that `name` has, itself or by way of aliases.
    pub(super) async fn records(&self, name: &Name, wanted: RecordType) -> Result<Found, Failed> {
        let mut owner = name.clone();
        let mut ttl = limits::DNS_TTL_MAX.as_secs();
        // A server that resolves for others sends the whole chain of aliases at once; the loop is for those that do not.
        for _ in 0..limits::DNS_ALIASES {
            let response = self.ask(&owner, wanted).await.map_err(|error| failed(&error))?;
            let asked = owner.clone();
            for _ in 0..limits::DNS_ALIASES {
                let alias = response.answers.iter().find_map(|record| match &record.data {
                    RData::CNAME(target) if record.name == owner => Some((target.0.clone(), record.ttl)),
                    _ => None,
                });
                let Some((target, alias_ttl)) = alias else { break };
                (owner, ttl) = (target, ttl.min(u64::from(alias_ttl)));
            }
            let mut records = Vec::new();
            for record in &response.answers {
                if record.record_type() == wanted && record.name == owner {
                    ttl = ttl.min(u64::from(record.ttl));
                    records.push(record.data.clone());
                }
            }
            if !records.is_empty() {
                return Ok(Found { records, ttl: limits::DNS_TTL_MIN.max(Duration::from_secs(ttl)) });
            }
            match response.response_code {
                ResponseCode::NoError if owner == asked => return Err(Failed::new(Kind::NoRecords, "")),
                ResponseCode::NoError => {}
                ResponseCode::NXDomain if owner == asked => return Err(Failed::new(Kind::NxDomain, "")),
                ResponseCode::NXDomain => {
                    return Err(Failed::new(Kind::NxDomain, format!("of what it is an alias of, {owner}")));
                }
                code => return Err(Failed::new(Kind::Failed, code.to_string())),
            }
        }
        Err(Failed::new(Kind::Failed, format!("more than {} aliases in a row", limits::DNS_ALIASES)))
    }

    async fn ask(&self, name: &Name, wanted: RecordType) -> Result<DnsResponse, NetError> {
        // The wait for it is part of the lookup's time. It is never closed.
        let _turn = self.turns.acquire().await.map_err(|_| NetError::Busy)?;
        let query = Query::query(name.clone(), wanted);
        let answer = self.all.lookup(query.clone(), self.request).first_answer().await;
        let Err(NetError::Dns(DnsError::ResponseCode(_))) = answer else { return answer };
        // One server's trouble is not the others' (as the C library has it, and hickory has not).
        for server in &self.each {
            match server.lookup(query.clone(), self.request).first_answer().await {
                Ok(response) => return Ok(response),
                Err(error @ NetError::Dns(DnsError::NoRecordsFound(_))) => return Err(error),
                Err(_) => {}
            }
        }
        answer
    }
}

fn system(path: &Path) -> Result<(ResolverConfig, ResolverOpts), SetupError> {
    let text = fs::read(path).map_err(|source| SetupError::Unreadable { path: path.to_owned(), source })?;
    let unusable = |error: NetError| SetupError::Unusable { path: path.to_owned(), words: error.to_string() };
    parse_resolv_conf(text).map_err(unusable)
}

fn name_server(address: SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = address.port();
        connection
    });
    NameServerConfig::new(address.ip(), true, connections.into())
}

fn failed(error: &NetError) -> Failed {
    match error {
        NetError::Timeout => Failed::new(Kind::Timeout, ""),
        NetError::Dns(DnsError::NoRecordsFound(none)) => match none.response_code {
            ResponseCode::NXDomain => Failed::new(Kind::NxDomain, ""),
            _ => Failed::new(Kind::NoRecords, ""),
        },
        NetError::Dns(DnsError::ResponseCode(ResponseCode::ServFail)) => Failed::new(Kind::ServFail, ""),
        NetError::Dns(DnsError::ResponseCode(ResponseCode::Refused)) => Failed::new(Kind::Refused, ""),
        NetError::Dns(DnsError::ResponseCode(code)) => Failed::new(Kind::Failed, code.to_string()),
        error => Failed::new(Kind::Failed, error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_or_useless_resolv_conf_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("resolv.conf");
        let missing = system(&path).unwrap_err().to_string();
        assert!(missing.starts_with(&format!("{}: No such file", path.display())), "{missing}");
        assert!(missing.ends_with("name the servers in the configuration instead"), "{missing}");
        fs::write(&path, "search test\n").unwrap();
        let useless = system(&path).unwrap_err().to_string();
        assert!(useless.contains("no nameservers"), "{useless}");
    }

    #[test]
    fn resolv_conf_says_whom_to_ask_and_how() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("resolv.conf");
        let text =
            "nameserver 127.0.0.53\nnameserver ::1\nsearch a.test b.test\noptions ndots:5 timeout:1 attempts:3\n";
        fs::write(&path, text).unwrap();
        let (config, options) = system(&path).unwrap();
        assert_eq!((options.ndots, options.attempts, options.timeout), (5, 3, Duration::from_secs(1)));
        let search: Vec<String> = config.search.iter().map(|domain| domain.to_ascii()).collect();
        assert_eq!(search, ["a.test", "b.test"]);
        let servers = Servers::with(config.name_servers, options).unwrap();
        let addresses: Vec<String> = servers.addresses().iter().map(ToString::to_string).collect();
        assert_eq!(addresses, ["127.0.0.53:53", "[::1]:53"]);
    }
}
