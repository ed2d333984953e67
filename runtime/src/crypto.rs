//! Cryptography for plugins, which would be slow in a guest and is easy to get wrong: digests, signatures, comparisons,
//! passwords. In: bytes and keys. Out: bytes, or whether something is so. The plugin host calls.

mod hashed;
pub mod key;
pub mod password;
mod pem;
pub mod signer;

use std::fmt;

use aws_lc_rs::{constant_time, digest, hmac};

pub(crate) use hashed::Hashed;

/// Hash functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hash {
    /// Broken where somebody can choose what is hashed: for protocols that ask for it only.
    Sha1,
    /// 32 bytes.
    Sha256,
    /// 48 bytes.
    Sha384,
    /// 64 bytes.
    Sha512,
}

/// The digest of `bytes`.
pub fn digest(hash: Hash, bytes: &[u8]) -> Vec<u8> {
    let algorithm = match hash {
        Hash::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        Hash::Sha256 => &digest::SHA256,
        Hash::Sha384 => &digest::SHA384,
        Hash::Sha512 => &digest::SHA512,
    };
    digest::digest(algorithm, bytes).as_ref().to_vec()
}

/// Whether `a` is `b`, in a time that tells nothing but whether they are equally long.
pub fn equal(a: &[u8], b: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(a, b).is_ok()
}

/// How something is signed: a name of JSON Web Algorithms (RFC 7518, RFC 8037), and HMAC with SHA-1 besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// HMAC with SHA-1, for older HTTP signatures.
    Hs1,
    /// HMAC with SHA-256.
    Hs256,
    /// HMAC with SHA-384.
    Hs384,
    /// HMAC with SHA-512.
    Hs512,
    /// RSA, PKCS #1 v1.5, with SHA-256.
    Rs256,
    /// RSA, PKCS #1 v1.5, with SHA-384.
    Rs384,
    /// RSA, PKCS #1 v1.5, with SHA-512.
    Rs512,
    /// RSA, PSS with a salt as long as the digest, with SHA-256.
    Ps256,
    /// RSA, PSS, with SHA-384.
    Ps384,
    /// RSA, PSS, with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256. Signatures of ECDSA are two numbers of fixed width, as JOSE has them.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// ECDSA on P-521 with SHA-512.
    Es512,
    /// EdDSA on Ed25519.
    EdDsa,
}

impl Algorithm {
    fn hmac(self) -> Option<hmac::Algorithm> {
        match self {
            Self::Hs1 => Some(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
            Self::Hs256 => Some(hmac::HMAC_SHA256),
            Self::Hs384 => Some(hmac::HMAC_SHA384),
            Self::Hs512 => Some(hmac::HMAC_SHA512),
            _ => None,
        }
    }
}

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A shared secret: HMAC.
    Secret,
    /// RSA of both paddings.
    Rsa,
    /// ECDSA on P-256.
    P256,
    /// ECDSA on P-384.
    P384,
    /// ECDSA on P-521.
    P521,
    /// EdDSA.
    Ed25519,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Secret => "a secret",
            Self::Rsa => "an RSA key",
            Self::P256 => "a P-256 key",
            Self::P384 => "a P-384 key",
            Self::P521 => "a P-521 key",
            Self::Ed25519 => "an Ed25519 key",
        })
    }
}

/// Why a key cannot be used at all. Nothing of the key is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Above [`crate::limits::KEY_BYTES`].
    #[error("a key has up to {most} bytes, not {0}", most = crate::limits::KEY_BYTES)]
    TooLong(usize),
    /// There is no PEM section, or a damaged one.
    #[error("the PEM text is damaged, or is none")]
    Pem,
    /// PEM of something else.
    #[error("a PEM section `{0}` is no key that can be used here")]
    Label(String),
    /// Neither key nor certificate.
    #[error("the key's encoding is damaged, or is of no kind that is known here")]
    Encoding,
    /// A curve or kind of key that is not known here.
    #[error("keys of this kind cannot be used here: RSA, P-256, P-384, P-521 and Ed25519 can")]
    Unsupported,
    /// Out of bounds.
    #[error("an RSA key has {least} to {most} bits, not {0}", least = crate::limits::RSA_BITS_MIN, most = crate::limits::RSA_BITS_MAX)]
    RsaBits(u32),
    /// Anybody could sign with it.
    #[error("a secret cannot be empty")]
    EmptySecret,
    /// Anybody knows it, so anybody could sign with it.
    #[error("a public key or certificate is no secret")]
    PublicSecret,
}

/// Why a signature was not made, or does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The algorithm is for another kind of key; whoever wrote the message does not choose that.
    #[error("{0:?} does not go with {1}")]
    WrongAlgorithm(Algorithm, Kind),
    /// The signature is somebody else's, or of something else, or none.
    #[error("the signature does not match")]
    Mismatch,
    /// Signing failed, for want of memory or random numbers.
    #[error("the signature could not be made")]
    NotMade,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// FIPS 180-4's own example.
    #[test]
    fn digests_are_what_the_standard_says() {
        for (hash, expected) in [
            (Hash::Sha1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (Hash::Sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                Hash::Sha384,
                "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
            ),
            (
                Hash::Sha512,
                "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                 2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
            ),
        ] {
            assert_eq!(hex(&digest(hash, b"abc")), expected);
        }
    }

    #[test]
    fn equal_is_what_is_equal() {
        assert!(equal(b"", b"") && equal(b"abc", b"abc"));
        assert!(!equal(b"abc", b"abd") && !equal(b"abc", b"ab") && !equal(b"", b"a"));
    }
}
