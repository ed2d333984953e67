//! Digests, signatures and passwords, as the gateway has them: plugins stay small, and what takes long
//! is done elsewhere.

use std::fmt;

use crate::host;
use crate::host::passwords::Error as HostError;

#[doc(inline)]
pub use crate::bindings::imports::tidegate::plugin::crypto::{Algorithm, Hash};

/// What a signature is verified by. It has to be of the algorithm's kind, whatever a message says.
///
/// ```
/// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook}};
/// use tidegate_sdk::crypto::{self, Algorithm, Key};
///
/// let confused = Hook(|_: &mut Request| -> Result {
///     // A token that says HS256, for which the public key would be the secret.
///     crypto::verify(Algorithm::Hs256, Key::Pem("-----BEGIN PUBLIC KEY-----…"), "message", "signature")?;
///     Ok(Flow::Next)
/// });
/// assert_eq!(Exchange::get("/").request(&confused).failure(), "Hs256 does not go with this key");
/// ```
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
///
/// ```
/// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook}};
/// use tidegate_sdk::crypto::{self, Algorithm, SigningKey};
///
/// let sign = Hook(|request: &mut Request| -> Result {
///     let key = secrets::get("webhooks").ok_or("the secret `webhooks` is not granted")?;
///     let code = crypto::sign(Algorithm::Hs256, SigningKey::Secret(&key), request.path())?;
///     Ok(Flow::reply(200).body(code))
/// });
/// let mut exchange = Exchange::get("/a").secret("webhooks", "s3cret");
/// assert_eq!(exchange.request(&sign).reply().body.len(), 32);
/// ```
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
/// use tidegate_sdk::crypto::{Hash, digest};
///
/// let sha256 = digest(Hash::Sha256, "abc");
/// assert_eq!((sha256.len(), &sha256[..3]), (32, [0xba, 0x78, 0x16].as_slice()));
/// ```
pub fn digest(hash: Hash, data: impl AsRef<[u8]>) -> Vec<u8> {
    host::crypto::digest(hash, data.as_ref())
}

/// Whether both are the same; takes as long whatever they have in common.
///
/// ```
/// use tidegate_sdk::crypto::equal;
///
/// assert!(equal("s3cret", b"s3cret"));
/// assert!(!equal("s3cret", "S3cret"));
/// ```
pub fn equal(a: impl AsRef<[u8]>, b: impl AsRef<[u8]>) -> bool {
    host::crypto::equal(a.as_ref(), b.as_ref())
}

/// Whether `signature` is that of `message`. ECDSA as JOSE has it.
///
/// Natively, in tests, HMAC is computed, and other signatures are judged by
/// [`Exchange::signatures`](crate::testing::Exchange::signatures).
///
/// ```
/// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
/// use tidegate_sdk::crypto::{self, Algorithm, Key};
///
/// let signed = Hook(|request: &mut Request| -> Result {
///     let signature = request.header("x-signature").ok_or("it is not signed")?;
///     let key = Key::JwkOkp("Ed25519", "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
///     let right = crypto::verify(Algorithm::EdDsa, key, request.path(), signature)?;
///     Ok(if right { Flow::Next } else { Flow::reply(401).empty() })
/// });
/// let with = |signature| Exchange::get("/a").signatures(|message, signature| message == b"/a" && signature == b"s")
///     .header("x-signature", signature);
/// assert_eq!(with("s").request(&signed), Outcome::Next);
/// assert_eq!(with("forged").request(&signed).reply().status, 401);
/// ```
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

/// The signature of `message`: ECDSA as JOSE has it, both numbers at their full length. Natively, in
/// tests, only HMAC is computed.
///
/// ```
/// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook}};
/// use tidegate_sdk::crypto::{self, Algorithm, Key, SigningKey};
///
/// let own = Hook(|_: &mut Request| -> Result {
///     let made = crypto::sign(Algorithm::Hs256, SigningKey::Secret(b"s3cret"), "message")?;
///     let right = crypto::verify(Algorithm::Hs256, Key::Secret(b"s3cret"), "message", &made)?;
///     let other = crypto::verify(Algorithm::Hs256, Key::Secret(b"s3cret"), "massage", &made)?;
///     Ok(Flow::reply(200).json(&[right, other]))
/// });
/// assert_eq!(Exchange::get("/").request(&own).reply().json(), json!([true, false]));
/// ```
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
/// purpose; meanwhile the gateway serves others. For credentials of the configuration,
/// [`identity::verify_password`](crate::identity::verify_password) costs far less.
///
/// Natively, in tests, `hash` may also be `plain:` and the password, which takes no time.
///
/// ```
/// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
/// use tidegate_sdk::crypto;
///
/// let login = Hook(|request: &mut Request| -> Result {
///     let password = request.header("x-password").ok_or("there is no password")?;
///     let right = crypto::verify_password("plain:open sesame", password)?;
///     Ok(if right { Flow::Next } else { Flow::reply(401).empty() })
/// });
/// assert_eq!(Exchange::get("/").header("x-password", "open sesame").request(&login), Outcome::Next);
/// assert_eq!(Exchange::get("/").header("x-password", "open says me").request(&login).reply().status, 401);
/// ```
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
///
/// ```
/// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook}};
/// use tidegate_sdk::crypto::{PasswordError, verify_password};
///
/// let login = Hook(|_: &mut Request| match verify_password("no hash", "open sesame") {
///     Ok(true) => Flow::Next,
///     Ok(false) => Flow::reply(401).empty(),
///     Err(PasswordError::Busy) => Flow::reply(503).header("retry-after", "1").empty(),
///     Err(PasswordError::Invalid(problem)) => Flow::reply(500).body(problem),
/// });
/// assert_eq!(Exchange::get("/").request(&login).reply().status, 500);
/// ```
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
