//! A set of public keys: of what is published, that by which tokens can be verified.

use serde_json::Value;
use tidegate_sdk::crypto::Key;
use tidegate_sdk::serde::{Deserialize, Serialize};

use crate::token::Algorithm;

/// Keys by which tokens can be verified, and the version of the document that they stood in.
#[derive(Debug, Serialize, Deserialize)]
#[serde(crate = "tidegate_sdk::serde")]
pub(crate) struct KeySet {
    pub(super) version: u64,
    keys: Vec<Jwk>,
}

/// The members of a JWK that are of any use here (RFC 7517, section 4; RFC 7518, section 6).
#[derive(Debug, Serialize, Deserialize)]
#[serde(crate = "tidegate_sdk::serde")]
pub(super) struct Jwk {
    kid: Option<String>,
    /// What it is to be used with, if it says so.
    alg: Option<Algorithm>,
    #[serde(flatten)]
    material: Material,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(crate = "tidegate_sdk::serde", tag = "kty")]
enum Material {
    #[serde(rename = "RSA")]
    Rsa { n: String, e: String },
    #[serde(rename = "EC")]
    Ec { crv: String, x: String, y: String },
    #[serde(rename = "OKP")]
    Okp { crv: String, x: String },
}

/// Which keys go with a token.
#[derive(Debug)]
pub(super) enum Found<'k> {
    Keys(Vec<&'k Jwk>),
    /// Those of this id are for other algorithms.
    OtherAlgorithm,
    /// There is none of this id; without one, there is not exactly one that the token could mean.
    Unknown,
}

impl KeySet {
    /// What is published. Keys that are for something else, or of a kind that is not known here, are passed over
    /// (RFC 7517, section 5).
    ///
    /// # Errors
    /// It is no such set, or has no key to verify tokens by.
    pub(super) fn parse(version: u64, document: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        #[serde(crate = "tidegate_sdk::serde")]
        struct Document {
            keys: Vec<Value>,
        }
        let document: Document =
            serde_json::from_slice(document).map_err(|error| format!("it is no JSON Web Key Set: {error}"))?;
        let keys: Vec<Jwk> = document.keys.into_iter().filter_map(Jwk::parse).collect();
        if keys.is_empty() {
            return Err("it has no key to verify tokens by".to_owned());
        }
        Ok(Self { version, keys })
    }

    /// For other instances.
    pub(super) fn pack(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    pub(super) fn unpack(packed: &[u8]) -> Option<Self> {
        serde_json::from_slice(packed).ok()
    }

    /// Those for a token with this id and algorithm. A token without an id means the only one that goes with it.
    pub(super) fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Found<'_> {
        let Some(kid) = kid else {
            let fitting: Vec<&Jwk> = self.keys.iter().filter(|key| key.goes_with(algorithm)).collect();
            return if fitting.len() == 1 { Found::Keys(fitting) } else { Found::Unknown };
        };
        let of_this_id = || self.keys.iter().filter(|key| key.kid.as_deref() == Some(kid));
        let fitting: Vec<&Jwk> = of_this_id().filter(|key| key.goes_with(algorithm)).take(MOST_OF_AN_ID).collect();
        match (fitting.is_empty(), of_this_id().next()) {
            (false, _) => Found::Keys(fitting),
            (true, Some(_)) => Found::OtherAlgorithm,
            (true, None) => Found::Unknown,
        }
    }
}

/// Ids should tell keys apart, and where they do not, not all keys are tried.
const MOST_OF_AN_ID: usize = 4;

impl Jwk {
    fn parse(value: Value) -> Option<Self> {
        // A key for encryption is none for signatures, and neither is one that only signs (section 4.2 and 4.3).
        if value.get("use").is_some_and(|usage| usage != "sig") {
            return None;
        }
        if let Some(operations) = value.get("key_ops")
            && !operations.as_array()?.iter().any(|operation| operation == "verify")
        {
            return None;
        }
        let key: Self = serde_json::from_value(value).ok()?;
        // One that names an algorithm of another kind is not to be relied on.
        key.alg.is_none_or(|algorithm| key.material.is_for(algorithm)).then_some(key)
    }

    fn goes_with(&self, algorithm: Algorithm) -> bool {
        self.alg.is_none_or(|own| own == algorithm) && self.material.is_for(algorithm)
    }

    pub(super) fn key(&self) -> Key<'_> {
        match &self.material {
            Material::Rsa { n, e } => Key::JwkRsa(n, e),
            Material::Ec { crv, x, y } => Key::JwkEc(crv, x, y),
            Material::Okp { crv, x } => Key::JwkOkp(crv, x),
        }
    }
}

impl Material {
    fn is_for(&self, algorithm: Algorithm) -> bool {
        use Algorithm::{ES256, ES384, ES512, EdDSA, HS256, HS384, HS512, PS256, PS384, PS512, RS256, RS384, RS512};
        match algorithm {
            HS256 | HS384 | HS512 => false,
            RS256 | RS384 | RS512 | PS256 | PS384 | PS512 => matches!(self, Self::Rsa { .. }),
            ES256 => matches!(self, Self::Ec { crv, .. } if crv == "P-256"),
            ES384 => matches!(self, Self::Ec { crv, .. } if crv == "P-384"),
            ES512 => matches!(self, Self::Ec { crv, .. } if crv == "P-521"),
            EdDSA => matches!(self, Self::Okp { crv, .. } if crv == "Ed25519"),
        }
    }
}

#[cfg(test)]
mod tests {
    use tidegate_sdk::json;

    use super::*;

    fn set(keys: &Value) -> Result<KeySet, String> {
        KeySet::parse(1, json!({ "keys": keys }).to_string().as_bytes())
    }

    fn ids(found: &Found<'_>) -> Vec<String> {
        match found {
            Found::Keys(keys) => keys.iter().map(|key| key.kid.clone().unwrap_or_default()).collect(),
            other => vec![format!("{other:?}")],
        }
    }

    #[test]
    fn a_key_goes_with_the_algorithms_of_its_kind_and_with_its_own_alone() {
        let set = set(&json!([
            { "kty": "RSA", "kid": "any", "n": "AQAB", "e": "AQAB" },
            { "kty": "RSA", "kid": "one", "n": "AQAB", "e": "AQAB", "alg": "PS256", "use": "sig" },
            { "kty": "EC", "kid": "ec", "crv": "P-384", "x": "AA", "y": "AA", "key_ops": ["verify"] },
            { "kty": "OKP", "kid": "ed", "crv": "Ed25519", "x": "AA" },
        ]))
        .unwrap();
        for (kid, algorithm, found) in [
            ("any", "RS256", "any"),
            ("any", "PS512", "any"),
            ("any", "ES256", "OtherAlgorithm"),
            ("any", "HS256", "OtherAlgorithm"),
            ("one", "PS256", "one"),
            ("one", "RS256", "OtherAlgorithm"),
            ("ec", "ES384", "ec"),
            ("ec", "ES256", "OtherAlgorithm"),
            ("ed", "EdDSA", "ed"),
            ("ed", "HS512", "OtherAlgorithm"),
            ("Any", "RS256", "Unknown"),
            ("", "RS256", "Unknown"),
        ] {
            let algorithm = Algorithm::named(algorithm).unwrap();
            assert_eq!(ids(&set.find(Some(kid), algorithm)), [found], "{kid} {algorithm:?}");
        }
    }

    #[test]
    fn a_token_without_an_id_means_the_only_key_that_it_can_mean() {
        let set = set(&json!([
            { "kty": "RSA", "kid": "a", "n": "AQAB", "e": "AQAB", "alg": "RS256" },
            { "kty": "RSA", "n": "AQAB", "e": "AQAB", "alg": "PS256" },
            { "kty": "EC", "kid": "c", "crv": "P-256", "x": "AA", "y": "AA" },
            { "kty": "EC", "kid": "d", "crv": "P-256", "x": "AA", "y": "AA" },
        ]))
        .unwrap();
        for (algorithm, found) in [("RS256", "a"), ("PS256", ""), ("ES256", "Unknown"), ("EdDSA", "Unknown")] {
            assert_eq!(ids(&set.find(None, Algorithm::named(algorithm).unwrap())), [found], "{algorithm}");
        }
    }

    #[test]
    fn what_is_not_for_verifying_tokens_is_passed_over() {
        let good = json!({ "kty": "EC", "kid": "good", "crv": "P-256", "x": "AA", "y": "AA" });
        for other in [
            json!({ "kty": "oct", "kid": "x", "k": "AAAA" }),
            json!({ "kty": "RSA", "kid": "x", "n": "AQAB", "e": "AQAB", "use": "enc" }),
            json!({ "kty": "RSA", "kid": "x", "n": "AQAB", "e": "AQAB", "key_ops": ["encrypt"] }),
            json!({ "kty": "RSA", "kid": "x", "n": "AQAB", "e": "AQAB", "key_ops": "verify" }),
            json!({ "kty": "RSA", "kid": "x", "n": "AQAB", "e": "AQAB", "alg": "HS256" }),
            json!({ "kty": "RSA", "kid": "x", "n": "AQAB", "e": "AQAB", "alg": "ES256" }),
            json!({ "kty": "RSA", "kid": "x", "n": "AQAB", "e": "AQAB", "alg": "RSA-OAEP" }),
            json!({ "kty": "RSA", "kid": "x", "n": "AQAB" }),
            json!({ "kty": "RSA", "kid": 7, "n": "AQAB", "e": "AQAB" }),
            json!({ "kty": "EC", "kid": "x", "crv": "P-256", "x": "AA" }),
            json!("key"),
            json!(null),
        ] {
            let set = set(&json!([other, good])).unwrap();
            let kids: Vec<_> = set.keys.iter().map(|key| key.kid.as_deref()).collect();
            assert_eq!(kids, [Some("good")], "{other}");
            assert_eq!(self::set(&json!([other])).unwrap_err(), "it has no key to verify tokens by", "{other}");
        }
        for rubbish in ["", "<html>", "[]", "{}", "{\"keys\":{}}", "{\"keys\":[]}", "{\"keys\":[", "\u{0}"] {
            KeySet::parse(1, rubbish.as_bytes()).unwrap_err();
        }
    }

    #[test]
    fn other_instances_find_the_same_keys() {
        let set = set(&json!([{ "kty": "OKP", "kid": "ed", "crv": "Ed25519", "x": "AA", "alg": "EdDSA" }])).unwrap();
        let unpacked = KeySet::unpack(&set.pack()).unwrap();
        assert_eq!((unpacked.version, format!("{:?}", unpacked.keys)), (1, format!("{:?}", set.keys)));
        assert!(KeySet::unpack(b"").is_none());
    }
}
