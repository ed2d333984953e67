//! The consumers and credentials of the gateway's configuration. To be called in hooks.

use crate::host;

/// A credential, and whom it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    id: String,
    consumer: Consumer,
}

impl Credential {
    /// Names the credential without giving it away.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whom it belongs to.
    pub fn consumer(&self) -> &Consumer {
        &self.consumer
    }
}

/// Someone who uses the upstreams through the gateway.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Consumer {
    /// Unique among the consumers.
    pub username: String,
    /// What another system calls them.
    pub custom_id: Option<String>,
    /// The groups they are in.
    pub groups: Vec<String>,
}

/// The credential of this kind (`key-auth`, say) that `key` opens.
pub fn find(kind: &str, key: &str) -> Option<Credential> {
    host::identity::find(kind, key).map(|found| Credential {
        id: found.id,
        consumer: Consumer {
            username: found.consumer.username,
            custom_id: found.consumer.custom_id,
            groups: found.consumer.groups,
        },
    })
}

/// Declares that the request comes from whoever `credential` belongs to. The upstream is told by
/// X-Consumer-Username, X-Consumer-Custom-ID, X-Consumer-Groups and X-Credential-Identifier, none
/// of which a client can send by itself.
///
/// # Errors
/// There is no such credential.
pub fn authenticate(credential: &Credential) -> Result<(), String> {
    host::identity::authenticate(&credential.id)
}
