//! TLS from a client's side, and what an origin needs to speak it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme, SupportedProtocolVersion,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::certs::{Authority, Leaf};

/// How a client begins.
#[derive(Default, Clone, Copy)]
pub struct Hello<'t> {
    /// `None`: any.
    pub version: Option<&'static SupportedProtocolVersion>,
    pub alpn: &'t [&'t str],
    pub shows: Option<&'t Leaf>,
}

impl Hello<'_> {
    /// A handshake with what is at `address` and has to be `name` by the word of `authority`.
    pub async fn connect(
        self,
        address: SocketAddr,
        name: &str,
        authority: &Authority,
    ) -> io::Result<TlsStream<TcpStream>> {
        self.handshake(TcpStream::connect(address).await?, name, authority).await
    }

    /// As [`Hello::connect`], over a connection that is there.
    pub async fn handshake(
        self,
        stream: TcpStream,
        name: &str,
        authority: &Authority,
    ) -> io::Result<TlsStream<TcpStream>> {
        Connector::new(self, authority).handshake(stream, name).await
    }

    fn config(self, authority: &Authority) -> ClientConfig {
        let builder = ClientConfig::builder_with_provider(provider());
        let builder = match self.version {
            None => builder.with_safe_default_protocol_versions(),
            Some(version) => builder.with_protocol_versions(&[version]),
        };
        let builder = builder.unwrap().with_root_certificates(roots(authority));
        let mut config = match self.shows.map(Leaf::chain) {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => builder.with_client_auth_cert(chain, key).unwrap(),
        };
        config.alpn_protocols = protocols(self.alpn);
        config
    }
}

/// A client that remembers its sessions.
pub struct Connector(Arc<ClientConfig>);

impl Connector {
    pub fn new(hello: Hello<'_>, authority: &Authority) -> Self {
        Self(Arc::new(hello.config(authority)))
    }

    /// With what has to be `name`.
    pub async fn handshake(&self, stream: TcpStream, name: &str) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        TlsConnector::from(Arc::clone(&self.0)).connect(name, stream).await
    }

    /// With what is asked for as `name`, whoever it then is.
    pub async fn handshake_as_anybody(&self, stream: TcpStream, name: &str) -> io::Result<TlsStream<TcpStream>> {
        let mut config = (*self.0).clone();
        config.dangerous().set_certificate_verifier(Arc::new(Anybody));
        Self(Arc::new(config)).handshake(stream, name).await
    }
}

/// Takes any certificate.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

/// A server that is `leaf`, speaks the protocols of `alpn`, and wants certificates of `clients` if that is there.
pub fn server(leaf: &Leaf, alpn: &[&str], clients: Option<&Authority>) -> Arc<ServerConfig> {
    let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(authority)), provider()).build();
            builder.with_client_cert_verifier(verifier.unwrap())
        }
    };
    let (chain, key) = leaf.chain();
    let mut config = builder.with_single_cert(chain, key).unwrap();
    config.alpn_protocols = protocols(alpn);
    Arc::new(config)
}

fn roots(authority: &Authority) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(authority.der()).unwrap();
    roots
}

fn protocols(alpn: &[&str]) -> Vec<Vec<u8>> {
    alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect()
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}
