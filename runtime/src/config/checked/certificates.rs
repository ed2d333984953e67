//! Certificates with their keys, authorities, and where their PEM is.

use std::path::PathBuf;

use uuid::Uuid;

use super::SecretValue;
use crate::config::reader::Located;
use crate::config::values::Name;
use crate::tls::names::Pattern;

/// `[[certificates]]`
#[derive(Debug)]
pub struct Certificate {
    /// By which services and the admin API know it.
    pub id: Option<Uuid>,
    /// By which services may know it, too.
    pub name: Option<Name>,
    /// Chain and key.
    pub pair: CertificatePair,
    /// The same with a key of another type (Kong: `cert_alt`, `key_alt`).
    pub alt: Option<CertificatePair>,
    /// Who is shown it.
    pub snis: Snis,
}

/// `certificates.snis`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Snis {
    /// The names in the certificate.
    Own,
    /// These, which no other certificate lists.
    Listed(Vec<Pattern>),
}

/// `[[ca_certificates]]`
#[derive(Debug)]
pub struct CaCertificate {
    /// By which services, listeners and the admin API know it.
    pub id: Option<Uuid>,
    /// By which services and listeners may know it, too.
    pub name: Option<Name>,
    /// A single certificate.
    pub cert: Located<PemSource>,
}

/// A certificate chain and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificatePair {
    /// The chain, the owner's own certificate first.
    pub cert: Located<PemSource>,
    /// Its private key.
    pub key: Located<PemSource>,
}

/// Where a PEM text is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PemSource {
    /// In this file, absolute or relative to gateway.toml's folder (resolved).
    File(PathBuf),
    /// Here.
    Text {
        /// What messages call it.
        of: String,
        /// It may be a key.
        text: SecretValue,
    },
}
