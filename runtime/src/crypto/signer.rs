//! Keys that are signed with. Parsed once; each goes with the algorithms of its own kind only.

use std::fmt;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair,
    Ed25519KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384,
    RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
};

use super::key::{bounded, check_secret};
use super::{Algorithm, KeyError, Kind, SignatureError, pem};
use crate::limits;

/// How a key to sign with is given.
#[derive(Clone, Copy)]
pub enum SignerForm<'k> {
    /// A shared secret, for HMAC.
    Secret(&'k [u8]),
    /// An unencrypted private key in PEM: `PRIVATE KEY` (PKCS #8), of any kind but secrets.
    Pem(&'k str),
}

/// A key to sign with. Nothing of it is ever shown.
pub struct Signer {
    kind: Kind,
    material: Material,
}

enum Material {
    Secret(Box<[u8]>),
    Rsa(RsaKeyPair),
    Curve(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Signer {
    /// Parse a key.
    ///
    /// # Errors
    /// It is none, or one that should not be relied on.
    pub fn parse(form: SignerForm<'_>) -> Result<Self, KeyError> {
        match form {
            SignerForm::Secret(secret) => {
                check_secret(secret)?;
                Ok(Self { kind: Kind::Secret, material: Material::Secret(secret.into()) })
            }
            SignerForm::Pem(text) => match pem::section(bounded(text)?)? {
                ("PRIVATE KEY", der) => Self::pkcs8(&der),
                (label, _) => Err(KeyError::Label(label.to_owned())),
            },
        }
    }

    /// What it is for.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The signature of `message`.
    ///
    /// # Errors
    /// The algorithm is not for this kind of key, or it could not be signed.
    pub fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Result<Vec<u8>, SignatureError> {
        let wrong = SignatureError::WrongAlgorithm(algorithm, self.kind);
        let random = SystemRandom::new();
        match &self.material {
            Material::Secret(secret) => {
                let key = hmac::Key::new(algorithm.hmac().ok_or(wrong)?, secret);
                Ok(hmac::sign(&key, message).as_ref().to_vec())
            }
            Material::Rsa(key) => {
                let padding = padding(algorithm).ok_or(wrong)?;
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(padding, &random, message, &mut signature).map_err(|_| SignatureError::NotMade)?;
                Ok(signature)
            }
            Material::Curve(key) if self.kind.curve() == Some(algorithm) => {
                let signature = key.sign(&random, message).map_err(|_| SignatureError::NotMade)?;
                Ok(signature.as_ref().to_vec())
            }
            Material::Ed25519(key) if algorithm == Algorithm::EdDsa => {
                let signature = key.try_sign(message).map_err(|_| SignatureError::NotMade)?;
                Ok(signature.as_ref().to_vec())
            }
            Material::Curve(_) | Material::Ed25519(_) => Err(wrong),
        }
    }

    fn pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        if let Ok(key) = RsaKeyPair::from_pkcs8(der) {
            let bits = u32::try_from(key.public_modulus_len().saturating_mul(8)).unwrap_or(u32::MAX);
            if !(limits::RSA_BITS_MIN..=limits::RSA_BITS_MAX).contains(&bits) {
                return Err(KeyError::RsaBits(bits));
            }
            return Ok(Self { kind: Kind::Rsa, material: Material::Rsa(key) });
        }
        for (kind, curve) in [
            (Kind::P256, &ECDSA_P256_SHA256_FIXED_SIGNING),
            (Kind::P384, &ECDSA_P384_SHA384_FIXED_SIGNING),
            (Kind::P521, &ECDSA_P521_SHA512_FIXED_SIGNING),
        ] {
            if let Ok(key) = EcdsaKeyPair::from_pkcs8(curve, der) {
                return Ok(Self { kind, material: Material::Curve(key) });
            }
        }
        // Most programs leave the public half out, as RFC 8410 lets them.
        match Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
            Ok(key) => Ok(Self { kind: Kind::Ed25519, material: Material::Ed25519(key) }),
            Err(_) => Err(KeyError::Encoding),
        }
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Signer").field(&self.kind).finish()
    }
}

impl Kind {
    /// The one algorithm of a curve of ECDSA.
    fn curve(self) -> Option<Algorithm> {
        match self {
            Self::P256 => Some(Algorithm::Es256),
            Self::P384 => Some(Algorithm::Es384),
            Self::P521 => Some(Algorithm::Es512),
            Self::Secret | Self::Rsa | Self::Ed25519 => None,
        }
    }
}

fn padding(algorithm: Algorithm) -> Option<&'static dyn RsaEncoding> {
    match algorithm {
        Algorithm::Rs256 => Some(&RSA_PKCS1_SHA256),
        Algorithm::Rs384 => Some(&RSA_PKCS1_SHA384),
        Algorithm::Rs512 => Some(&RSA_PKCS1_SHA512),
        Algorithm::Ps256 => Some(&RSA_PSS_SHA256),
        Algorithm::Ps384 => Some(&RSA_PSS_SHA384),
        Algorithm::Ps512 => Some(&RSA_PSS_SHA512),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
