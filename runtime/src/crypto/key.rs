//! Keys that signatures are verified with. A key is parsed once, in whatever form it comes, and then goes with the
//! algorithms of its own kind only: a token that names another algorithm than its key is for is refused, not believed.

use std::fmt;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519, ED25519_PUBLIC_KEY_LEN,
    ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters, VerificationAlgorithm,
};
use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use x509_parser::certificate::X509Certificate;
use x509_parser::oid_registry::{
    OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_NIST_EC_P521, OID_PKCS1_RSAENCRYPTION,
    OID_SIG_ED25519,
};
use x509_parser::prelude::FromDer;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::{Algorithm, KeyError, Kind, SignatureError, pem};
use crate::limits;

/// How a key is given.
#[derive(Clone, Copy)]
pub enum KeyForm<'k> {
    /// A shared secret, for HMAC.
    Secret(&'k [u8]),
    /// PEM: `PUBLIC KEY`, `RSA PUBLIC KEY` or `CERTIFICATE`; the first section counts. A certificate is a way to write a
    /// key here: neither who issued it nor when it expires is looked at.
    Pem(&'k str),
    /// The same in DER: SubjectPublicKeyInfo (RFC 5280), RSAPublicKey (RFC 8017) or a certificate.
    Der(&'k [u8]),
    /// A JWK of RSA (RFC 7518, section 6.3.1): its `n` and `e`.
    JwkRsa {
        /// Modulus, in base64url.
        n: &'k str,
        /// Exponent, in base64url.
        e: &'k str,
    },
    /// A JWK of an elliptic curve (RFC 7518, section 6.2.1): its `crv`, `x` and `y`.
    JwkEc {
        /// `P-256`, `P-384` or `P-521`.
        curve: &'k str,
        /// In base64url, with all of its leading zeros.
        x: &'k str,
        /// As `x`.
        y: &'k str,
    },
    /// A JWK of type OKP (RFC 8037): its `crv`, which must be `Ed25519`, and `x`.
    JwkOkp {
        /// `Ed25519`.
        curve: &'k str,
        /// In base64url.
        x: &'k str,
    },
}

/// A key that signatures can be verified with.
pub struct Key {
    kind: Kind,
    material: Material,
}

enum Material {
    Secret(Box<[u8]>),
    /// Parsed once for each algorithm that it goes with.
    Public(Vec<(Algorithm, ParsedPublicKey)>),
}

impl Key {
    /// Parse a key.
    ///
    /// # Errors
    /// It is none, or one that should not be relied on.
    pub fn parse(form: KeyForm<'_>) -> Result<Self, KeyError> {
        match form {
            KeyForm::Secret(secret) => Self::secret(secret),
            KeyForm::Pem(text) => match pem::section(bounded(text)?)? {
                ("PUBLIC KEY", der) => Self::info(&der),
                ("RSA PUBLIC KEY", der) => Self::rsa(&der),
                ("CERTIFICATE", der) => Self::certificate(&der),
                (label, _) => Err(KeyError::Label(label.to_owned())),
            },
            KeyForm::Der(der) => Self::der(bounded(der)?),
            KeyForm::JwkRsa { n, e } => Self::rsa(&rsa_der(&decode(n)?, &decode(e)?)),
            KeyForm::JwkEc { curve, x, y } => {
                let (kind, width) = match curve {
                    "P-256" => (Kind::P256, 32),
                    "P-384" => (Kind::P384, 48),
                    "P-521" => (Kind::P521, 66),
                    _ => return Err(KeyError::Unsupported),
                };
                let (x, y) = (decode(x)?, decode(y)?);
                if (x.len(), y.len()) != (width, width) {
                    return Err(KeyError::Encoding);
                }
                // Uncompressed (SEC 1, section 2.3.3).
                Self::curve(kind, &[&[4], &x[..], &y].concat())
            }
            KeyForm::JwkOkp { curve: "Ed25519", x } => Self::ed25519(&decode(x)?),
            KeyForm::JwkOkp { .. } => Err(KeyError::Unsupported),
        }
    }

    /// What it is for.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// See that `signature` is one of `message` by whoever has the other half of this key, or the same secret.
    ///
    /// # Errors
    /// The algorithm is not for this kind of key, or the signature does not match.
    pub fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        let wrong = SignatureError::WrongAlgorithm(algorithm, self.kind);
        let outcome = match &self.material {
            Material::Secret(secret) => {
                let key = hmac::Key::new(algorithm.hmac().ok_or(wrong)?, secret);
                hmac::verify(&key, message, signature)
            }
            Material::Public(keys) => {
                let (_, key) = keys.iter().find(|(known, _)| *known == algorithm).ok_or(wrong)?;
                key.verify_sig(message, signature)
            }
        };
        outcome.map_err(|_| SignatureError::Mismatch)
    }

    fn secret(secret: &[u8]) -> Result<Self, KeyError> {
        check_secret(secret)?;
        Ok(Self { kind: Kind::Secret, material: Material::Secret(secret.into()) })
    }

    fn der(der: &[u8]) -> Result<Self, KeyError> {
        // Each of the three is a sequence that begins in its own way, so at most one of them can be meant.
        if X509Certificate::from_der(der).is_ok() {
            return Self::certificate(der);
        }
        if SubjectPublicKeyInfo::from_der(der).is_ok() { Self::info(der) } else { Self::rsa(der) }
    }

    fn certificate(der: &[u8]) -> Result<Self, KeyError> {
        match X509Certificate::from_der(der) {
            Ok(([], certificate)) => Self::of(&certificate.tbs_certificate.subject_pki),
            _ => Err(KeyError::Encoding),
        }
    }

    fn info(der: &[u8]) -> Result<Self, KeyError> {
        match SubjectPublicKeyInfo::from_der(der) {
            Ok(([], info)) => Self::of(&info),
            _ => Err(KeyError::Encoding),
        }
    }

    fn of(info: &SubjectPublicKeyInfo<'_>) -> Result<Self, KeyError> {
        let bits = &info.subject_public_key;
        if bits.unused_bits != 0 {
            return Err(KeyError::Encoding);
        }
        let kind = &info.algorithm.algorithm;
        if *kind == OID_PKCS1_RSAENCRYPTION {
            return Self::rsa(&bits.data);
        }
        if *kind == OID_SIG_ED25519 {
            return Self::ed25519(&bits.data);
        }
        if *kind != OID_KEY_TYPE_EC_PUBLIC_KEY {
            return Err(KeyError::Unsupported);
        }
        // A curve that is spelled out instead of named is one that somebody else chose.
        let parameters = info.algorithm.parameters.as_ref().ok_or(KeyError::Encoding)?;
        let curve = parameters.as_oid().map_err(|_| KeyError::Unsupported)?;
        let curves = [(OID_EC_P256, Kind::P256), (OID_NIST_EC_P384, Kind::P384), (OID_NIST_EC_P521, Kind::P521)];
        let (_, kind) = curves.into_iter().find(|(known, _)| *known == curve).ok_or(KeyError::Unsupported)?;
        Self::curve(kind, &bits.data)
    }

    /// RSAPublicKey (RFC 8017, appendix A.1.1).
    fn rsa(der: &[u8]) -> Result<Self, KeyError> {
        let bits = RsaParameters::public_modulus_len(der).map_err(|_| KeyError::Encoding)?;
        if !(limits::RSA_BITS_MIN..=limits::RSA_BITS_MAX).contains(&bits) {
            return Err(KeyError::RsaBits(bits));
        }
        let algorithms: [(Algorithm, &'static dyn VerificationAlgorithm); 6] = [
            (Algorithm::Rs256, &RSA_PKCS1_2048_8192_SHA256),
            (Algorithm::Rs384, &RSA_PKCS1_2048_8192_SHA384),
            (Algorithm::Rs512, &RSA_PKCS1_2048_8192_SHA512),
            (Algorithm::Ps256, &RSA_PSS_2048_8192_SHA256),
            (Algorithm::Ps384, &RSA_PSS_2048_8192_SHA384),
            (Algorithm::Ps512, &RSA_PSS_2048_8192_SHA512),
        ];
        Self::public(Kind::Rsa, &algorithms, der)
    }

    /// A point of a curve, compressed or not.
    fn curve(kind: Kind, point: &[u8]) -> Result<Self, KeyError> {
        let algorithm: (Algorithm, &'static dyn VerificationAlgorithm) = match kind {
            Kind::P256 => (Algorithm::Es256, &ECDSA_P256_SHA256_FIXED),
            Kind::P384 => (Algorithm::Es384, &ECDSA_P384_SHA384_FIXED),
            Kind::P521 => (Algorithm::Es512, &ECDSA_P521_SHA512_FIXED),
            Kind::Secret | Kind::Rsa | Kind::Ed25519 => return Err(KeyError::Unsupported),
        };
        Self::public(kind, &[algorithm], point)
    }

    fn ed25519(bytes: &[u8]) -> Result<Self, KeyError> {
        if bytes.len() != ED25519_PUBLIC_KEY_LEN {
            return Err(KeyError::Encoding);
        }
        Self::public(Kind::Ed25519, &[(Algorithm::EdDsa, &ED25519)], bytes)
    }

    fn public(
        kind: Kind,
        algorithms: &[(Algorithm, &'static dyn VerificationAlgorithm)],
        bytes: &[u8],
    ) -> Result<Self, KeyError> {
        let parsed = algorithms.iter().map(|&(algorithm, verification)| {
            let key = ParsedPublicKey::new(verification, bytes).map_err(|_| KeyError::Encoding)?;
            Ok((algorithm, key))
        });
        Ok(Self { kind, material: Material::Public(parsed.collect::<Result<_, KeyError>>()?) })
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Key").field(&self.kind).finish()
    }
}

/// That `secret` can be one. A public key in its place is how HMAC comes to be verified with what everybody knows.
pub(super) fn check_secret(secret: &[u8]) -> Result<(), KeyError> {
    let secret = bounded(secret)?;
    if secret.is_empty() {
        return Err(KeyError::EmptySecret);
    }
    if pem::is_pem(secret) { Err(KeyError::PublicSecret) } else { Ok(()) }
}

pub(super) fn bounded<B: AsRef<[u8]> + ?Sized>(key: &B) -> Result<&B, KeyError> {
    let length = key.as_ref().len();
    if length > limits::KEY_BYTES { Err(KeyError::TooLong(length)) } else { Ok(key) }
}

/// base64url, without padding by the standard (RFC 7515, section 2), with it by some who write keys.
fn decode(text: &str) -> Result<Vec<u8>, KeyError> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(&URL_SAFE, config).decode(bounded(text)?).map_err(|_| KeyError::Encoding)
}

/// RSAPublicKey in DER.
fn rsa_der(n: &[u8], e: &[u8]) -> Vec<u8> {
    let numbers = [integer(n), integer(e)].concat();
    tagged(0x30, &numbers)
}

/// A number, of which `bytes` may have leading zeros and must have one where it would be negative otherwise.
fn integer(bytes: &[u8]) -> Vec<u8> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let digits = bytes.get(zeros..).unwrap_or_default();
    let sign: &[u8] = if digits.first().is_none_or(|first| *first >= 0x80) { &[0] } else { &[] };
    tagged(0x02, &[sign, digits].concat())
}

fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut der = vec![tag];
    match u8::try_from(content.len()) {
        Ok(short) if short < 0x80 => der.push(short),
        _ => {
            // As few bytes as hold it, and before them how many they are; keys are bounded, so that is a few.
            let length = content.len().to_be_bytes();
            let digits: Vec<u8> = length.into_iter().skip_while(|digit| *digit == 0).collect();
            der.push(0x80 | u8::try_from(digits.len()).unwrap_or_default());
            der.extend(digits);
        }
    }
    der.extend(content);
    der
}

#[cfg(test)]
mod tests;
