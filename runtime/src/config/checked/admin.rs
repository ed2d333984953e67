//! Who may ask the admin API, and where.

use super::ServerTls;
use crate::admin::request::Role;
use crate::config::reader::Located;
use crate::config::values::{Bind, Name};

/// `[admin]`. If it is at an address that others than this machine can reach, it has tokens or clients.
#[derive(Debug)]
pub struct Admin {
    /// Where it listens.
    pub address: Located<Bind>,
    /// `None`: plain HTTP.
    pub tls: Option<ServerTls>,
    /// Who is known by a token.
    pub tokens: Vec<AdminToken>,
    /// Who is known by a certificate.
    pub clients: Vec<AdminClient>,
    /// Names that it may be asked by, besides "localhost" and any address; in lower case.
    pub hosts: Vec<String>,
}

/// One of `admin.tokens`.
#[derive(Debug)]
pub struct AdminToken {
    /// As logs show it.
    pub name: Name,
    /// SHA-256 of the token.
    pub digest: [u8; 32],
    /// What it is good for.
    pub role: Role,
}

/// One of `admin.clients`.
#[derive(Debug)]
pub struct AdminClient {
    /// As logs show it.
    pub name: Name,
    /// Which certificate it is.
    pub known_by: KnownBy,
    /// What it is good for.
    pub role: Role,
}

/// Which of the certificates that were verified is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KnownBy {
    /// The one with this distinguished name, as `ClientIdentity` writes it.
    Subject(String),
    /// One with this DNS name, email address or URI.
    AlternativeName(String),
    /// The one with this SHA-256, in lower-case hexadecimal.
    Fingerprint(String),
}
