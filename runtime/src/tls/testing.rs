//! Certificates and handshakes for the tests of this folder.

use std::io;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::client::{Client, Connected, Refused, Roots, connect, server_name};
use super::files::{Certificate, Pem, authorities, certificate};
use super::names::{Names, Offer};
use super::server::{ClientAuth, Server, Version};

/// A CA.
pub(crate) struct Authority(pub(crate) CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn roots(&self) -> Arc<RootCertStore> {
        authorities(&pem("ca.pem", &self.0.pem())).unwrap().roots
    }

    /// A certificate for `names`; `change` makes it special.
    pub(crate) fn issue_with(
        &self,
        names: &[&str],
        key: &KeyPair,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Certificate {
        let mut params = params(names);
        change(&mut params);
        let issued = params.signed_by(key, &self.0).unwrap();
        certificate(&pem("own.pem", &issued.pem()), &pem("own.key", &key.serialize_pem())).unwrap()
    }

    pub(crate) fn issue(&self, names: &[&str]) -> Certificate {
        self.issue_with(names, &KeyPair::generate().unwrap(), |_| {})
    }

    /// A certificate to show to servers.
    pub(crate) fn client(&self, name: &str) -> Certificate {
        self.issue_with(&[], &KeyPair::generate().unwrap(), |params| {
            params.distinguished_name.push(DnType::CommonName, name);
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        })
    }

    /// A configuration that trusts this CA.
    pub(crate) fn trusted(&self) -> Client {
        Client { roots: Roots::Given(self.roots()), ..Client::default() }
    }
}

pub(crate) fn params(names: &[&str]) -> CertificateParams {
    let mut params = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
}

pub(crate) fn pem(origin: &str, text: &str) -> Pem {
    Pem::new(origin, text.as_bytes().to_vec()).unwrap()
}

pub(crate) fn serving(certificates: Vec<Certificate>) -> Server {
    let certificates: Vec<_> = certificates.into_iter().map(Arc::new).collect();
    let offer = Arc::new(Offer::new(Names::of_listener(&certificates), Arc::default()));
    Server { offer, client_auth: ClientAuth::None, min: Version::Tls12, http2: false }
}

/// rustls's own builder, for what `Client` does not let one do.
pub(crate) fn raw_client(
    roots: Arc<RootCertStore>,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> ClientConfig {
    ClientConfig::builder_with_provider(super::provider())
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

pub(crate) type Accepted<S> = io::Result<TlsStream<S>>;

/// A handshake between the two, both ends' outcome.
pub(crate) async fn meet(
    server: &Arc<ServerConfig>,
    client: &Arc<ClientConfig>,
    name: &str,
) -> (Accepted<tokio::io::DuplexStream>, Result<Connected<tokio::io::DuplexStream>, Refused>) {
    let (near, far) = tokio::io::duplex(64 << 10);
    meet_over(server, far, client, near, name).await
}

pub(crate) async fn meet_over<S, C>(
    server: &Arc<ServerConfig>,
    far: S,
    client: &Arc<ClientConfig>,
    near: C,
    name: &str,
) -> (Accepted<S>, Result<Connected<C>, Refused>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    C: AsyncRead + AsyncWrite + Unpin,
{
    let accept = TlsAcceptor::from(Arc::clone(server)).accept(far);
    tokio::join!(accept, connect(Arc::clone(client), server_name(name).unwrap(), near))
}
