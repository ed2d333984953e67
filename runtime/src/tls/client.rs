//! TLS to an upstream: its configuration, and the handshake, whose failure comes with its cause.

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, Resumption, WebPkiServerVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::fault::{HandshakeFault, OurCertificate, classify};
use super::{Error, provider};
use crate::limits;

/// TLS to a service's upstream. One configuration remembers the sessions of its servers, so it is worth keeping.
#[derive(Debug, Default)]
pub struct Client {
    /// Who vouches for the server.
    pub roots: Roots,
    /// What is shown if the server asks for it: a `files::Certificate`'s key.
    pub certificate: Option<Arc<CertifiedKey>>,
    /// Whether it has to be the right server.
    pub verify: Verify,
    /// Protocols to offer, the preferred one first; empty: the extension is not sent.
    pub alpn: Vec<Vec<u8>>,
}

/// CAs that may vouch for a server.
#[derive(Debug, Clone, Default)]
pub enum Roots {
    /// Those of the machine; if it has none, as in bare containers, Mozilla's.
    #[default]
    System,
    /// These and no others.
    Given(Arc<RootCertStore>),
}

/// Whether a server's certificate is looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Verify {
    /// Issuer, names and dates have to be right.
    #[default]
    Full,
    /// Any certificate will do. Whoever is in the way can read and change everything.
    No,
}

impl Client {
    /// What `connect` takes. `Roots::System` reads files when it is first used: not for a worker thread.
    ///
    /// # Errors
    /// There is no CA to trust.
    pub fn into_config(self) -> Result<Arc<ClientConfig>, Error> {
        let verifier: Arc<dyn ServerCertVerifier> = match self.verify {
            Verify::No => Arc::new(NoVerification),
            Verify::Full => {
                let roots = match self.roots {
                    Roots::System => system_roots(),
                    Roots::Given(roots) => roots,
                };
                WebPkiServerVerifier::builder_with_provider(roots, provider())
                    .build()
                    .map_err(|error| Error::NothingToTrust(error.to_string()))?
            }
        };
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_client_cert_resolver(Arc::new(Shown(self.certificate)));
        config.resumption = Resumption::in_memory_sessions(limits::TLS_CLIENT_SESSIONS);
        config.alpn_protocols = self.alpn;
        Ok(Arc::new(config))
    }
}

/// A TLS connection to an upstream.
#[derive(Debug)]
pub struct Connected<S> {
    /// What HTTP is spoken over.
    pub stream: TlsStream<S>,
    /// For `classify`: with TLS 1.3, a server that minds our certificate, or misses it, says so on the first read.
    pub certificate: OurCertificate,
}

/// A handshake that failed.
#[derive(Debug, thiserror::Error)]
#[error("{fault} ({error})")]
pub struct Refused {
    /// What it means.
    pub fault: HandshakeFault,
    /// The underlying error's own words.
    pub error: io::Error,
}

/// Shake hands over `stream`. The deadline is the caller's: dropping this closes the connection and nothing else.
///
/// # Errors
/// The handshake failed, on either side.
pub async fn connect<S>(
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    stream: S,
) -> Result<Connected<S>, Refused>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut handshake = pin!(TlsConnector::from(config).connect(name, stream));
    let mut certificate = OurCertificate::NotAsked;
    let ended = poll_fn(|context| {
        // The configuration is shared by all connections, and so is what it asks for our certificate. But nothing else
        // runs on this thread during the poll, so what is noted there was asked by this connection's server.
        ASKED.set(OurCertificate::NotAsked);
        let polled = handshake.as_mut().poll(context);
        match ASKED.get() {
            OurCertificate::NotAsked => {}
            asked => certificate = asked,
        }
        polled
    })
    .await;
    match ended {
        Ok(stream) => Ok(Connected { stream, certificate }),
        Err(error) => Err(Refused { fault: classify(&error, certificate), error }),
    }
}

thread_local! {
    /// What became of the server's question for our certificate, during one poll of a handshake.
    static ASKED: Cell<OurCertificate> = const { Cell::new(OurCertificate::NotAsked) };
}

/// Our certificate, if we have one. rustls asks for it just when the server does.
#[derive(Debug)]
struct Shown(Option<Arc<CertifiedKey>>);

impl ResolvesClientCert for Shown {
    fn resolve(&self, _issuers: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let shown = self.0.clone().filter(|key| key.key.choose_scheme(schemes).is_some());
        ASKED.set(if shown.is_some() { OurCertificate::Sent } else { OurCertificate::Missing });
        shown
    }

    fn has_certs(&self) -> bool {
        self.0.is_some()
    }
}

/// How the server is called that is to be verified: a host's name, or an address with or without brackets.
///
/// # Errors
/// It is neither.
pub fn server_name(host: &str) -> Result<ServerName<'static>, InvalidName> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    // A zone says which way an address is reached; no certificate has it.
    let address = bare.split_once('%').map_or(bare, |(address, _)| address);
    if let Ok(address) = address.parse::<IpAddr>() {
        return Ok(ServerName::IpAddress(address.into()));
    }
    // SNI has no dot at the end (RFC 6066, section 3).
    let name = host.strip_suffix('.').unwrap_or(host);
    ServerName::try_from(name.to_owned()).map_err(|_| InvalidName(host.to_owned()))
}

/// What no server can be called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither a host's name nor an address")]
pub struct InvalidName(String);

/// Read once per process.
fn system_roots() -> Arc<RootCertStore> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    Arc::clone(ROOTS.get_or_init(|| {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        // Some of the machine's are of kinds that rustls does not take; they would be missed by nobody else either.
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            let errors: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
            tracing::warn!(errors = errors.join("; "), "this machine has no CA certificates: Mozilla's are used");
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        Arc::new(roots)
    }))
}

/// DANGER: takes any certificate from anybody, so the connection is encrypted but whoever is in the way can be its other
/// end. Only what an operator has said in so many words (`Verify::No`) leads here.
///
/// The handshake's signature is not checked either. It would prove that the server has the key of a certificate that
/// anybody can make, which is worth nothing, and checking it would refuse the very certificates that make operators turn
/// verification off (X.509 version 1, which `openssl x509 -req` makes by default).
#[derive(Debug)]
struct NoVerification;

impl ServerCertVerifier for NoVerification {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests;
