//! An upstream that speaks TLS and then HTTP/1.1.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs;
use rustls::server::{ServerConfig, WebPkiClientVerifier};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

use super::{OK, Upstream};
use crate::harness::certs::{Authority, Leaf};

/// How it is set up.
pub struct Tls<'a> {
    /// What it shows.
    pub leaf: &'a Leaf,
    /// Who must have issued what clients show; `None`: they need show nothing.
    pub clients: Option<&'a Authority>,
    /// What it speaks by ALPN; empty: it does not say.
    pub alpn: &'a [&'a str],
}

impl Upstream {
    /// Answers 200 to every head.
    pub async fn tls(tls: Tls<'_>) -> Self {
        let acceptor = TlsAcceptor::from(Arc::new(config(&tls)));
        Self::serve(move |stream| {
            let acceptor = acceptor.clone();
            async move {
                // A failed handshake ends with the alert that rustls sends for it.
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut head = Vec::new();
                while let Ok(byte) = stream.read_u8().await {
                    head.push(byte);
                    if head.ends_with(b"\r\n\r\n") {
                        head.clear();
                        let sent = async {
                            stream.write_all(&OK).await?;
                            stream.flush().await
                        };
                        if sent.await.is_err() {
                            break;
                        }
                    }
                }
            }
        })
        .await
    }
}

fn config(tls: &Tls<'_>) -> ServerConfig {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let builder = builder.unwrap();
    let builder = match tls.clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.der()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.unwrap())
        }
    };
    let (chain, key) = tls.leaf.chain();
    let mut config = builder.with_single_cert(chain, key).unwrap();
    config.alpn_protocols = tls.alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    config
}
