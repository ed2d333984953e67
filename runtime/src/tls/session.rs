//! What a client's TLS handshake has settled, for as long as its connection lasts.

use rustls::{ProtocolVersion, ServerConnection};

use super::identity::{ClientIdentity, Peer};

/// A client connection's TLS.
#[derive(Debug)]
pub struct Session {
    server_name: Option<String>,
    version: &'static str,
    http2: bool,
    peer: Option<Peer>,
}

impl Session {
    /// What `connection`, whose handshake is over, has agreed on.
    pub fn of(connection: &ServerConnection) -> Self {
        Self {
            server_name: connection.server_name().map(str::to_owned),
            version: match connection.protocol_version() {
                Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
                _ => "TLSv1.2",
            },
            http2: connection.alpn_protocol() == Some(b"h2"),
            peer: Peer::new(connection.peer_certificates()),
        }
    }

    /// One that there has not been, with this client: in rehearsals only.
    pub fn presumed(client: ClientIdentity) -> Self {
        Self { server_name: None, version: "TLSv1.3", http2: false, peer: Some(Peer::presumed(client)) }
    }

    /// The name that the client asked for.
    pub fn server_name(&self) -> Option<&str> {
        self.server_name.as_deref()
    }

    /// `TLSv1.2` or `TLSv1.3`.
    pub fn version(&self) -> &'static str {
        self.version
    }

    /// Whether HTTP/2 was agreed on.
    pub fn is_http2(&self) -> bool {
        self.http2
    }

    /// Who the client is, by the certificate it has shown, which was verified. One that cannot be read is nobody's.
    pub fn identity(&self) -> Option<&ClientIdentity> {
        self.peer.as_ref().and_then(|peer| peer.identity().ok())
    }
}
