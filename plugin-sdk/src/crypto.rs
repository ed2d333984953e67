//! Digests, signatures and passwords, as the gateway has them: plugins stay small, and what takes long
//! is done elsewhere.

use std::fmt;

use crate::host;
use crate::host::passwords::Error as HostError;

#[doc(inline)]
pub use crate::bindings::imports::tidegate::plugin::crypto::{Algorithm, Hash};

/// What a signature is verified by. It has to be of the algorithm's kind, whatever a message says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key<'k> {
    /// A shared secret, for HMAC.
    Secret(&'k [u8]),
    /// A public key or a certificate, in PEM.
    Pem(&'k str),
    /// The same in DER.
    Der(&'k [u8]),
    /// `n` and `e` of a JWK (RFC 7518, section 6.3.1), as they stand there.
    JwkRsa(&'k str, &'k str),
    /// `crv`, `x` and `y` of a JWK (section 6.2.1).
    JwkEc(&'k str, &'k str, &'k str),
    /// `crv` and `x` of a JWK (RFC 8037).
    JwkOkp(&'k str, &'k str),
}

/// What a signature is made by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SigningKey<'k> {
    /// A shared secret, for HMAC.
    Secret(&'k [u8]),
    /// A private key: PKCS #8, in PEM.
    Pem(&'k str),
}

/// The digest of `data`.
///
/// ```
/// # use tidegate_sdk::crypto::{Hash, digest};
/// # use tidegate_sdk::testing::Exchange;
/// assert_eq!(digest(Hash::Sha256, b"abc")[..2], [0xba, 0x78]);
/// ```
pub fn digest(hash: Hash, data: impl AsRef<[u8]>) -> Vec<u8> {
    host::crypto::digest(hash, data.as_ref())
}

/// Whether both are the same; takes as long whatever they have in common.
pub fn equal(a: impl AsRef<[u8]>, b: impl AsRef<[u8]>) -> bool {
    host::crypto::equal(a.as_ref(), b.as_ref())
}

/// Whether `signature` is that of `message`. ECDSA as JOSE has it.
///
/// Natively, in tests, HMAC is computed, and other signatures are judged by
/// [`Exchange::signatures`](crate::testing::Exchange::signatures).
///
/// # Errors
/// What is wrong with the key, or that it is not of the algorithm's kind.
pub fn verify(
    algorithm: Algorithm,
    key: Key<'_>,
    message: impl AsRef<[u8]>,
    signature: impl AsRef<[u8]>,
) -> Result<bool, String> {
    use crate::host::crypto::Key as HostKey;
    let key = match key {
        Key::Secret(secret) => HostKey::Secret(secret.to_vec()),
        Key::Pem(pem) => HostKey::Pem(pem.to_owned()),
        Key::Der(der) => HostKey::Der(der.to_vec()),
        Key::JwkRsa(n, e) => HostKey::JwkRsa((n.to_owned(), e.to_owned())),
        Key::JwkEc(curve, x, y) => HostKey::JwkEc((curve.to_owned(), x.to_owned(), y.to_owned())),
        Key::JwkOkp(curve, x) => HostKey::JwkOkp((curve.to_owned(), x.to_owned())),
    };
    host::crypto::verify(algorithm, &key, message.as_ref(), signature.as_ref())
}

/// The signature of `message`. Natively, in tests, only HMAC is computed.
///
/// # Errors
/// What is wrong with the key, or that it is not of the algorithm's kind.
pub fn sign(algorithm: Algorithm, key: SigningKey<'_>, message: impl AsRef<[u8]>) -> Result<Vec<u8>, String> {
    use crate::host::crypto::SigningKey as HostKey;
    let key = match key {
        SigningKey::Secret(secret) => HostKey::Secret(secret.to_vec()),
        SigningKey::Pem(pem) => HostKey::Pem(pem.to_owned()),
    };
    host::crypto::sign(algorithm, &key, message.as_ref())
}

/// Whether `password` is the one of `hash`: argon2id or argon2i in PHC's form, or bcrypt. It is slow on
/// purpose; meanwhile the gateway serves others.
///
/// Natively, in tests, a password is right if `hash` is `plain:` and the password.
///
/// # Errors
/// It could not be verified.
pub fn verify_password(hash: &str, password: impl AsRef<[u8]>) -> Result<bool, PasswordError> {
    host::passwords::verify(hash, password.as_ref()).map_err(|error| match error {
        HostError::Invalid(problem) => PasswordError::Invalid(problem),
        HostError::Busy => PasswordError::Busy,
    })
}

/// Why a password could not be verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PasswordError {
    /// It is no hash that could be verified, or no password.
    Invalid(String),
    /// Too many others wait already.
    Busy,
}

impl fmt::Display for PasswordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(problem) => f.write_str(problem),
            Self::Busy => f.write_str("too many passwords are being verified"),
        }
    }
}

impl std::error::Error for PasswordError {}
