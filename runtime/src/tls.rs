//! TLS on both sides of the gateway: from PEM files to the configurations of listeners and of upstream connections, who
//! a client's certificate says it is, and what a failed handshake means.

pub mod acceptor;
pub mod client;
pub mod fault;
pub mod files;
pub mod identity;
pub mod names;
pub mod server;
pub mod session;

use std::io;
use std::sync::{Arc, LazyLock};

use rustls::crypto::{CryptoProvider, aws_lc_rs};

/// Why a TLS configuration cannot be made. Names are those of the files, as they were given.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is not there, or not ours to read.
    #[error("{file}: {source}")]
    Unreadable {
        /// Which.
        file: String,
        /// The system's words.
        source: io::Error,
    },
    /// No PEM file is as large as this.
    #[error("{file} is larger than the {limit} bytes that a PEM file may have")]
    TooLarge {
        /// Which.
        file: String,
        /// In bytes.
        limit: u64,
    },
    /// What looks like PEM is none.
    #[error("{file} is damaged: {why}")]
    Damaged {
        /// Which.
        file: String,
        /// What is wrong with it.
        why: String,
    },
    /// There is no certificate in it.
    #[error("{file} holds no certificate{found}")]
    NoCertificate {
        /// Which.
        file: String,
        /// What is in it instead.
        found: Found,
    },
    /// There is no private key in it.
    #[error("{file} holds no private key{found}")]
    NoKey {
        /// Which.
        file: String,
        /// What is in it instead.
        found: Found,
    },
    /// The key needs a password, and nobody is there to type it.
    #[error("{file}: the private key is encrypted; write it without a password (openssl pkey -in {file} -out ...)")]
    EncryptedKey {
        /// Which.
        file: String,
    },
    /// A certificate that is none inside.
    #[error("{file}: certificate {position} cannot be read: {why}")]
    Certificate {
        /// Which.
        file: String,
        /// Counted from 1.
        position: usize,
        /// What is wrong with it.
        why: String,
    },
    /// A key of a kind, or of a size, that TLS has no use for.
    #[error("{file}: the private key cannot be used: {why}")]
    Key {
        /// Which.
        file: String,
        /// What is wrong with it.
        why: String,
    },
    /// Key and certificate are not a pair.
    #[error("{key}: the key does not belong to the certificate {certificate}")]
    NotAPair {
        /// The certificate's file.
        certificate: String,
        /// The key's file.
        key: String,
    },
    /// What is to be one certificate is several.
    #[error("{file} holds {count} certificates, where one is asked for")]
    Several {
        /// Which.
        file: String,
        /// How many there are.
        count: usize,
    },
    /// What is to be trusted as a CA is none.
    #[error("{file}: this is no CA's certificate: it lacks the basic constraint CA:TRUE")]
    NotAuthority {
        /// Which.
        file: String,
    },
    /// Nothing would be trusted.
    #[error("there is no CA to trust: {0}")]
    NothingToTrust(String),
    /// All of it is in order, and still rustls refuses.
    #[error("TLS cannot be set up: {0}")]
    Refused(#[from] rustls::Error),
}

/// What a file holds that lacks what was looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Nothing that is known here.
    Nothing,
    /// It is empty.
    Empty,
    /// A private key.
    Key,
    /// A certificate.
    Certificate,
    /// The binary form.
    Der,
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Nothing => "",
            Self::Empty => ": it is empty",
            Self::Key => ", but a private key: are the two files mixed up?",
            Self::Certificate => ", but a certificate: are the two files mixed up?",
            Self::Der => ": it seems to be DER, and PEM is needed (openssl x509 or openssl pkey, with -inform der)",
        })
    }
}

/// The cryptography of every configuration here; nothing depends on a default of the process.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));
    Arc::clone(&PROVIDER)
}

#[cfg(test)]
pub(crate) mod testing;
