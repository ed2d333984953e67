//! `crypto` and `passwords`: HMAC, digests and hashes of passwords, computed; all else as the test says.

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};

use super::{count, lent, limits};
pub(crate) use crate::bindings::imports::tidegate::plugin::crypto::{Algorithm, Hash, Key, SigningKey};

pub(crate) fn digest(hash: Hash, data: &[u8]) -> Vec<u8> {
    count();
    match hash {
        Hash::Sha1 => Sha1::digest(data).to_vec(),
        Hash::Sha256 => Sha256::digest(data).to_vec(),
        Hash::Sha384 => Sha384::digest(data).to_vec(),
        Hash::Sha512 => Sha512::digest(data).to_vec(),
    }
}

pub(crate) fn equal(a: &[u8], b: &[u8]) -> bool {
    count();
    a == b
}

pub(crate) fn verify(algorithm: Algorithm, key: &Key, message: &[u8], signature: &[u8]) -> Result<bool, String> {
    count();
    let kind = kind(key)?;
    match (mac(algorithm), key) {
        (Some(mac), Key::Secret(secret)) => Ok(mac(secret, message)? == signature),
        (None, _) if kind == Kind::Unread || kind == Kind::of(algorithm) => {
            Ok(lent(|state| state.signatures).is_some_and(|judge| judge(message, signature)))
        }
        _ => Err(wrong(algorithm, kind)),
    }
}

pub(crate) fn sign(algorithm: Algorithm, key: &SigningKey, message: &[u8]) -> Result<Vec<u8>, String> {
    count();
    match (mac(algorithm), key) {
        (Some(mac), SigningKey::Secret(secret)) => {
            check_secret(secret)?;
            mac(secret, message)
        }
        (None, SigningKey::Secret(secret)) => check_secret(secret).and(Err(wrong(algorithm, Kind::Secret))),
        (mac, SigningKey::Pem(pem)) => {
            check_length(pem.len())?;
            Err(match mac {
                Some(_) => wrong(algorithm, Kind::Unread),
                None => "natively, only HMAC is computed".to_owned(),
            })
        }
    }
}

/// What a key is for, in the gateway's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Secret,
    Rsa,
    P256,
    P384,
    P521,
    Ed25519,
    /// In PEM or DER, which only the gateway reads.
    Unread,
}

impl Kind {
    fn of(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Hs1 | Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => Self::Secret,
            Algorithm::Rs256 | Algorithm::Rs384 | Algorithm::Rs512 => Self::Rsa,
            Algorithm::Ps256 | Algorithm::Ps384 | Algorithm::Ps512 => Self::Rsa,
            Algorithm::Es256 => Self::P256,
            Algorithm::Es384 => Self::P384,
            Algorithm::Es512 => Self::P521,
            Algorithm::EdDsa => Self::Ed25519,
        }
    }
}

fn kind(key: &Key) -> Result<Kind, String> {
    let named = |curve: &str, kinds: &[(&str, Kind)]| {
        let known = kinds.iter().find(|(name, _)| *name == curve).map(|(_, kind)| *kind);
        let unsupported = "keys of this kind cannot be used here: RSA, P-256, P-384, P-521 and Ed25519 can";
        known.ok_or_else(|| unsupported.to_owned())
    };
    match key {
        Key::Secret(secret) => check_secret(secret).map(|()| Kind::Secret),
        Key::Pem(pem) => check_length(pem.len()).map(|()| Kind::Unread),
        Key::Der(der) => check_length(der.len()).map(|()| Kind::Unread),
        Key::JwkRsa((n, e)) => check_length(n.len().max(e.len())).map(|()| Kind::Rsa),
        Key::JwkEc((curve, x, y)) => {
            let kind = named(curve, &[("P-256", Kind::P256), ("P-384", Kind::P384), ("P-521", Kind::P521)])?;
            check_length(x.len().max(y.len())).map(|()| kind)
        }
        Key::JwkOkp((curve, x)) => {
            let kind = named(curve, &[("Ed25519", Kind::Ed25519)])?;
            check_length(x.len()).map(|()| kind)
        }
    }
}

fn wrong(algorithm: Algorithm, kind: Kind) -> String {
    let kind = match kind {
        Kind::Secret => "a secret",
        Kind::Rsa => "an RSA key",
        Kind::P256 => "a P-256 key",
        Kind::P384 => "a P-384 key",
        Kind::P521 => "a P-521 key",
        Kind::Ed25519 => "an Ed25519 key",
        Kind::Unread => "this key",
    };
    format!("{} does not go with {kind}", format!("{algorithm:?}").trim_start_matches("Algorithm::"))
}

fn check_secret(secret: &[u8]) -> Result<(), String> {
    check_length(secret.len())?;
    if secret.is_empty() {
        return Err("a secret cannot be empty".to_owned());
    }
    if secret.windows(BEGIN.len()).any(|window| window == BEGIN) {
        return Err("a public key or certificate is no secret".to_owned());
    }
    Ok(())
}

/// What PEM begins with.
const BEGIN: &[u8] = b"-----BEGIN ";

fn check_length(length: usize) -> Result<(), String> {
    if length > limits::KEY_BYTES {
        return Err(format!("a key has up to {} bytes, not {length}", limits::KEY_BYTES));
    }
    Ok(())
}

type Code = fn(&[u8], &[u8]) -> Result<Vec<u8>, String>;

fn mac(algorithm: Algorithm) -> Option<Code> {
    match algorithm {
        Algorithm::Hs1 => Some(code::<Hmac<Sha1>>),
        Algorithm::Hs256 => Some(code::<Hmac<Sha256>>),
        Algorithm::Hs384 => Some(code::<Hmac<Sha384>>),
        Algorithm::Hs512 => Some(code::<Hmac<Sha512>>),
        _ => None,
    }
}

fn code<M: Mac + KeyInit>(secret: &[u8], message: &[u8]) -> Result<Vec<u8>, String> {
    let mut mac = M::new_from_slice(secret).map_err(|error| error.to_string())?;
    mac.update(message);
    Ok(mac.finalize().into_bytes().to_vec())
}

pub(crate) mod passwords {
    use argon2::password_hash::{Error as HashError, phc::PasswordHash};
    use argon2::{Argon2, PasswordVerifier};

    use super::super::{gateway_once_loaded, limits};
    pub(crate) use crate::bindings::imports::tidegate::plugin::passwords::Error;

    pub(crate) fn verify(hash: &str, password: &[u8]) -> Result<bool, Error> {
        gateway_once_loaded("no password can be verified", |_| {
            if password.len() > limits::PASSWORD_BYTES {
                let (most, length) = (limits::PASSWORD_BYTES, password.len());
                return Err(Error::Invalid(format!("a password has up to {most} bytes, not {length}")));
            }
            let invalid = || {
                let known = "argon2id, argon2i and bcrypt ($2a$, $2b$, $2y$) are known";
                Error::Invalid(format!("this is no hash of a password: {known}"))
            };
            match hash.split('$').nth(1) {
                Some("argon2id" | "argon2i") => argon2(hash, password).ok_or_else(invalid),
                Some("2a" | "2b" | "2y") => bcrypt::verify(password, hash).map_err(|_| invalid()),
                _ => match hash.strip_prefix("plain:") {
                    Some(plain) => Ok(plain.as_bytes() == password),
                    None => Err(invalid()),
                },
            }
        })
    }

    /// `None` if it is no hash.
    fn argon2(hash: &str, password: &[u8]) -> Option<bool> {
        // What says no version is of the older one, and the crate takes it for the newer.
        let hash = if hash.contains("$v=") { hash.to_owned() } else { hash.replacen("$m=", "$v=16$m=", 1) };
        let parsed = PasswordHash::new(&hash).ok().filter(|parsed| parsed.hash.is_some())?;
        match Argon2::default().verify_password(password, &parsed) {
            Ok(()) => Some(true),
            Err(HashError::PasswordInvalid) => Some(false),
            Err(_) => None,
        }
    }
}
