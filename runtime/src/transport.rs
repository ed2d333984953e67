//! How a service speaks to its targets: in the clear or over TLS, HTTP/1 or HTTP/2. Services that speak alike share one
//! transport, over reloads too, and with it their connections.

use std::sync::{Arc, Weak};

use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use crate::certificates::{self, Certificates};
use crate::config::Faults;
use crate::config::checked::{HttpVersion, Service};
use crate::tls::client::{Client, Roots, Verify, server_name};

/// How targets are spoken to.
#[derive(Debug)]
pub struct Transport {
    /// Different for all transports of the process.
    pub id: u32,
    /// `None`: in the clear.
    pub tls: Option<Tls>,
    /// What is spoken.
    pub http: HttpVersion,
}

/// TLS to targets.
#[derive(Debug)]
pub struct Tls {
    /// Whom to trust, and what to show.
    pub config: Arc<ClientConfig>,
    /// Whose certificate it must be.
    pub server_name: ServerName<'static>,
}

/// What a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speech {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

impl Transport {
    /// Whether TLS is spoken.
    pub fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Whether a new connection will surely be one that requests can share.
    pub fn may_share(&self) -> bool {
        self.http == HttpVersion::Two
    }
}

impl HttpVersion {
    /// What is spoken where nothing can be agreed on.
    pub fn in_the_clear(self) -> Speech {
        match self {
            Self::Two => Speech::Http2,
            Self::One | Self::Auto => Speech::Http1,
        }
    }

    /// What is spoken after a handshake that agreed on this by ALPN.
    ///
    /// # Errors
    /// The target does not speak what it has to.
    pub fn agreed(self, protocol: Option<&[u8]>) -> Result<Speech, String> {
        match (self, protocol) {
            (Self::Two | Self::Auto, Some(b"h2")) => Ok(Speech::Http2),
            (Self::One | Self::Auto, _) => Ok(Speech::Http1),
            (Self::Two, _) => Err("the target does not speak HTTP/2 (no \"h2\" in its ALPN)".to_owned()),
        }
    }

    fn offered(self) -> Vec<Vec<u8>> {
        let (h1, h2) = (b"http/1.1".to_vec(), b"h2".to_vec());
        match self {
            Self::One => vec![h1],
            Self::Two => vec![h2],
            Self::Auto => vec![h2, h1],
        }
    }
}

/// Every transport that is in use.
#[derive(Default)]
pub struct Transports {
    known: Vec<(Spec, Weak<Transport>)>,
    last_id: u32,
}

/// All that makes a difference.
#[derive(PartialEq, Eq)]
struct Spec {
    http: HttpVersion,
    /// `None`: in the clear.
    tls: Option<TlsSpec>,
}

/// A text that changed makes another transport.
#[derive(PartialEq, Eq)]
struct TlsSpec {
    name: String,
    verify: Verify,
    ca: Vec<[u8; 32]>,
    shown: Vec<[u8; 32]>,
}

impl Transports {
    /// How `service` is spoken to. What is wrong with its files is noted; the transport is then good for nothing.
    pub fn transport(&mut self, service: &Service, certificates: &mut Certificates, faults: &Faults) -> Arc<Transport> {
        let spec = spec(service);
        self.known.retain(|(_, transport)| transport.strong_count() > 0);
        if let Some(known) = self.known.iter().find(|(known, _)| *known == spec).and_then(|(_, known)| known.upgrade())
        {
            return known;
        }
        self.last_id += 1;
        let tls = if service.url.value.scheme.is_tls() { tls(service, certificates, faults) } else { None };
        let transport = Arc::new(Transport { id: self.last_id, tls, http: service.http });
        self.known.push((spec, Arc::downgrade(&transport)));
        transport
    }
}

/// The name that a target's certificate must be for.
fn name(service: &Service) -> &str {
    service.tls.server_name.as_ref().map_or_else(|| service.url.value.host(), |name| &name.value)
}

fn spec(service: &Service) -> Spec {
    let tls = service.url.value.scheme.is_tls().then(|| {
        let certificate = service.tls.certificate.iter().flat_map(|pair| [&pair.cert, &pair.key]);
        TlsSpec {
            name: name(service).to_owned(),
            verify: verify(service),
            ca: service.tls.ca.iter().map(|ca| certificates::digest(&ca.value)).collect(),
            shown: certificate.map(|source| certificates::digest(&source.value)).collect(),
        }
    });
    Spec { http: service.http, tls }
}

fn verify(service: &Service) -> Verify {
    if service.tls.verify { Verify::Full } else { Verify::No }
}

fn tls(service: &Service, known: &mut Certificates, faults: &Faults) -> Option<Tls> {
    let settings = &service.tls;
    let roots = match settings.ca.as_slice() {
        [] => Roots::System,
        ca => Roots::Given(certificates::authorities(ca, faults)?),
    };
    let certificate = match &settings.certificate {
        None => None,
        Some(pair) => Some(Arc::clone(&known.pair(pair, faults)?.key)),
    };
    let client = Client { roots, certificate, verify: verify(service), alpn: service.http.offered() };
    let span = settings.server_name.as_ref().map_or(&service.url.span, |name| &name.span);
    match (client.into_config(), server_name(name(service))) {
        (Ok(config), Ok(server_name)) => Some(Tls { config, server_name }),
        (Err(error), _) => {
            faults.at(span, error.to_string());
            None
        }
        (_, Err(error)) => {
            faults.at_with_help(span, error.to_string(), "tls = { server_name = \"api.example.com\" }");
            None
        }
    }
}
