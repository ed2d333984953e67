//! What a TLS listener shows and asks for. The certificates are filed under their own names once; a handshake costs one
//! or two look-ups, however many there are.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::pki_types::CertificateDer;
use rustls::server::{
    ClientHello, NoServerSessionStorage, ProducesTickets, ResolvesServerCert, VerifierBuilderError,
    WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig, SignatureAlgorithm, SignatureScheme};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use super::files::Certificate;
use super::{Error, provider};

/// A TLS listener.
#[derive(Debug)]
pub struct Server {
    /// At least one. The first is for clients that name no server, or none that is known.
    pub certificates: Vec<Certificate>,
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
    /// No certificate, no CA to ask clients' certificates of, or no randomness for tickets.
    pub fn into_config(self) -> Result<Arc<ServerConfig>, Error> {
        let versions: &[_] = match self.min {
            Version::Tls12 => &[&TLS12, &TLS13],
            Version::Tls13 => &[&TLS13],
        };
        // A resumed session is not verified again. Sessions of clients that had to show a certificate are therefore good
        // for this configuration alone: neither for another listener's CAs nor for the next generation's.
        let (verifier, ticketer) = match self.client_auth {
            ClientAuth::None => (WebPkiClientVerifier::no_client_auth(), shared_ticketer()?),
            ClientAuth::Optional(roots) => (
                WebPkiClientVerifier::builder_with_provider(roots, provider())
                    .allow_unauthenticated()
                    .build()
                    .map_err(|error| untrusting(&error))?,
                Ticketer::new()?,
            ),
            ClientAuth::Required(roots) => (
                WebPkiClientVerifier::builder_with_provider(roots, provider())
                    .build()
                    .map_err(|error| untrusting(&error))?,
                Ticketer::new()?,
            ),
        };
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(ByName::new(&self.certificates)?));
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

/// The whole process's, so that sessions outlive a reload of the certificates. Its keys change every six hours.
fn shared_ticketer() -> Result<Arc<dyn ProducesTickets>, Error> {
    static SHARED: OnceLock<Arc<dyn ProducesTickets>> = OnceLock::new();
    if let Some(ticketer) = SHARED.get() {
        return Ok(Arc::clone(ticketer));
    }
    let ticketer = Ticketer::new()?;
    Ok(Arc::clone(SHARED.get_or_init(|| ticketer)))
}

/// Which certificate answers to which name.
#[derive(Debug)]
struct ByName {
    exact: HashMap<String, Choice>,
    /// Keyed by what is behind the star, `.example.com`.
    wildcard: HashMap<String, Choice>,
    default: Choice,
}

/// Certificates for one name, the preferred one first. More than one, where old clients know RSA only.
#[derive(Debug, Clone, Default)]
struct Choice(Vec<Arc<CertifiedKey>>);

impl ByName {
    fn new(certificates: &[Certificate]) -> Result<Self, Error> {
        let Some(first) = certificates.first() else { return Err(Error::NothingToServe) };
        let (mut exact, mut wildcard) = (HashMap::<String, Choice>::new(), HashMap::<String, Choice>::new());
        for certificate in certificates {
            for name in &certificate.names {
                let choice = match name.strip_prefix('*') {
                    Some(suffix) => wildcard.entry(suffix.to_owned()),
                    None => exact.entry(name.clone()),
                };
                choice.or_default().add(&certificate.key);
            }
        }
        // A client that cannot verify the exact certificate's key may still do with the wildcard's.
        for (name, choice) in &mut exact {
            if let Some(wider) = behind_first_label(name).and_then(|suffix| wildcard.get(suffix)) {
                choice.0.extend_from_slice(&wider.0);
            }
        }
        let mut default = Choice::default();
        default.add(&first.key);
        // Its twin with another kind of key. Certificates without names have nothing in common.
        for twin in certificates.iter().skip(1).filter(|other| !other.names.is_empty() && other.names == first.names) {
            default.add(&twin.key);
        }
        Ok(Self { exact, wildcard, default })
    }

    /// `name` in lower case.
    fn choice(&self, name: &str) -> &Choice {
        let wider = || behind_first_label(name).and_then(|suffix| self.wildcard.get(suffix));
        self.exact.get(name).or_else(wider).unwrap_or(&self.default)
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // rustls hands the name over in lower case.
        let choice = hello.server_name().map_or(&self.default, |name| self.choice(name));
        choice.pick(hello.signature_schemes())
    }
}

impl Choice {
    /// Other keys before RSA's: whoever knows them knows RSA too, and they sign at a tenth of its cost.
    fn add(&mut self, key: &Arc<CertifiedKey>) {
        self.0.push(Arc::clone(key));
        self.0.sort_by_key(|key| key.key.algorithm() == SignatureAlgorithm::RSA);
    }

    /// The first whose signature the client can verify. If there is none, the first: the handshake then fails with the
    /// reason, which a certificate for another name would hide.
    fn pick(&self, schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let fits = |key: &&Arc<CertifiedKey>| key.key.choose_scheme(schemes).is_some();
        match self.0.as_slice() {
            [only] => Some(only),
            several => several.iter().find(fits).or(several.first()),
        }
        .cloned()
    }
}

/// `.example.com` of `www.example.com`: a star stands for one label (RFC 6125, section 6.4.3).
fn behind_first_label(name: &str) -> Option<&str> {
    name.find('.').filter(|dot| *dot > 0).and_then(|dot| name.get(dot..))
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
