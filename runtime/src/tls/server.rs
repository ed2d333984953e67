//! What a TLS listener shows and asks for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::pki_types::CertificateDer;
use rustls::server::{NoServerSessionStorage, ProducesTickets, VerifierBuilderError, WebPkiClientVerifier};
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig};
use sha2::{Digest, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use super::names::Offer;
use super::{Error, provider};

/// A TLS listener.
#[derive(Debug)]
pub struct Server {
    /// The certificates.
    pub offer: Arc<Offer>,
    /// Whether clients have to say who they are.
    pub client_auth: ClientAuth,
    /// The oldest version spoken.
    pub min: Version,
    /// Whether HTTP/2 is offered besides HTTP/1.1.
    pub http2: bool,
}

/// Whether clients have to show a certificate.
#[derive(Debug, Clone, Default)]
pub enum ClientAuth {
    /// They are not asked for one.
    #[default]
    None,
    /// They may; one that these CAs did not issue ends the handshake.
    Optional(Arc<RootCertStore>),
    /// They have to show one that these CAs issued.
    Required(Arc<RootCertStore>),
}

/// TLS versions; older ones are not spoken at all (RFC 8996).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Version {
    /// TLS 1.2 (RFC 5246).
    #[default]
    Tls12,
    /// TLS 1.3 (RFC 8446).
    Tls13,
}

impl Server {
    /// What tokio-rustls accepts connections with. No early data: it could be replayed.
    ///
    /// # Errors
    /// No CA to ask clients' certificates of, or no randomness for tickets.
    pub fn into_config(self) -> Result<Arc<ServerConfig>, Error> {
        let versions: &[_] = match self.min {
            Version::Tls12 => &[&TLS12, &TLS13],
            Version::Tls13 => &[&TLS13],
        };
        let ticketer = tickets(&self.client_auth)?;
        let asking = |roots| WebPkiClientVerifier::builder_with_provider(roots, provider());
        let verifier = match self.client_auth {
            ClientAuth::None => WebPkiClientVerifier::no_client_auth(),
            ClientAuth::Optional(roots) => {
                asking(roots).allow_unauthenticated().build().map_err(|error| untrusting(&error))?
            }
            ClientAuth::Required(roots) => asking(roots).build().map_err(|error| untrusting(&error))?,
        };
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(self.offer);
        config.ticketer = ticketer;
        // The other way to resume keeps a table behind a lock that all workers would share; tickets need neither.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.max_early_data_size = 0;
        config.alpn_protocols = if self.http2 { vec![b"h2".to_vec()] } else { Vec::new() };
        config.alpn_protocols.extend([b"http/1.1".to_vec(), b"http/1.0".to_vec()]);
        Ok(Arc::new(config))
    }
}

fn untrusting(error: &VerifierBuilderError) -> Error {
    Error::NothingToTrust(format!("clients' certificates are asked for, but {error}"))
}

/// The whole process's, so that sessions outlive a change of certificates or of anything else. The keys of each change
/// every six hours.
///
/// A resumed session is not verified again. Sessions of clients that were asked for a certificate are therefore good
/// only where the same is asked of them and the very same CAs are trusted.
fn tickets(client_auth: &ClientAuth) -> Result<Arc<dyn ProducesTickets>, Error> {
    static UNASKED: OnceLock<Arc<dyn ProducesTickets>> = OnceLock::new();
    static ASKED: Mutex<Option<HashMap<Demand, Weak<dyn ProducesTickets>>>> = Mutex::new(None);
    let demand = match client_auth {
        ClientAuth::None => {
            if let Some(ticketer) = UNASKED.get() {
                return Ok(Arc::clone(ticketer));
            }
            let ticketer = Ticketer::new()?;
            return Ok(Arc::clone(UNASKED.get_or_init(|| ticketer)));
        }
        ClientAuth::Optional(roots) => Demand { required: false, roots: digest(roots) },
        ClientAuth::Required(roots) => Demand { required: true, roots: digest(roots) },
    };
    let mut asked = ASKED.lock().unwrap_or_else(PoisonError::into_inner);
    let asked = asked.get_or_insert_default();
    asked.retain(|_, ticketer| ticketer.strong_count() > 0);
    if let Some(ticketer) = asked.get(&demand).and_then(Weak::upgrade) {
        return Ok(ticketer);
    }
    let ticketer = Ticketer::new()?;
    asked.insert(demand, Arc::downgrade(&ticketer));
    Ok(ticketer)
}

/// What was asked of a client whose session may be resumed.
#[derive(PartialEq, Eq, Hash)]
struct Demand {
    required: bool,
    roots: [u8; 32],
}

fn digest(roots: &RootCertStore) -> [u8; 32] {
    let mut digest = Sha256::new();
    for root in &roots.roots {
        let constraints = root.name_constraints.as_deref().unwrap_or_default();
        for part in [&*root.subject, &*root.subject_public_key_info, constraints] {
            digest.update(part.len().to_be_bytes());
            digest.update(part);
        }
    }
    digest.finalize().into()
}

/// The DNS names that a certificate is for, in lower case, wildcards as `*.example.com`: those of its subject
/// alternative names, or its common name if it has no such extension at all (RFC 6125, section 6.4.4). None if it
/// cannot be read.
pub fn server_names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else { return Vec::new() };
    let mut names: Vec<String> = match certificate.subject_alternative_name() {
        Ok(Some(alternative)) => {
            let dns =
                |name: &GeneralName<'_>| if let GeneralName::DNSName(name) = name { dns_name(name) } else { None };
            alternative.value.general_names.iter().filter_map(dns).collect()
        }
        Ok(None) => {
            let common = certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok());
            common.filter_map(dns_name).collect()
        }
        Err(_) => Vec::new(),
    };
    names.sort_unstable();
    names.dedup();
    names
}

/// `name` in lower case, if a client can ask for it.
fn dns_name(name: &str) -> Option<String> {
    let labels = name.strip_prefix("*.").unwrap_or(name);
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let label = |label: &str| !label.is_empty() && label.bytes().all(known);
    labels.split('.').all(label).then(|| name.to_ascii_lowercase())
}

#[cfg(test)]
mod tests;
