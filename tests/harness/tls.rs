//! TLS from a client's side, and what an origin needs to speak it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::ServerName;
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
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
        let name = ServerName::try_from(name.to_owned()).unwrap();
        TlsConnector::from(Arc::new(self.config(authority))).connect(name, stream).await
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
