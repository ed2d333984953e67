//! A token, taken apart (RFC 7515, section 3.1). Nothing in it is believed yet.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use tidegate_sdk::prelude::*;
use tidegate_sdk::{crypto, serde};

use crate::claims::Claims;
use crate::members::members;
use crate::refusal::Refusal;
use crate::settings::Settings;

/// A token whose parts are what they should be.
#[derive(Debug)]
pub(crate) struct Token<'t> {
    pub(crate) algorithm: Algorithm,
    /// Which of several keys it is signed by.
    pub(crate) kid: Option<String>,
    pub(crate) claims: Claims,
    /// The claims as they stand there: a JSON object.
    pub(crate) payload: String,
    /// What the signature is of.
    pub(crate) signed: &'t str,
    pub(crate) signature: Vec<u8>,
}

impl<'t> Token<'t> {
    /// Take `text` apart.
    ///
    /// # Errors
    /// It is no token, or one that asks for something that is not done here.
    pub(crate) fn parse(text: &'t str, settings: &Settings) -> Result<Self, Refusal> {
        if text.len() > MOST_BYTES {
            return Err("Bad token; too long".into());
        }
        let mut parts = text.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err("Bad token; invalid JSON".into());
        };
        let signed = text.get(..header.len() + 1 + payload.len()).unwrap_or_default();
        let header = decoded(header).ok_or("Bad token; invalid JSON")?;
        let payload = decoded(payload).ok_or("Bad token; invalid JSON")?;
        let key_name = settings.key_claim_name.as_str();
        let [algorithm, typ, kid, crit, key] =
            members(&header, [Some("alg"), Some("typ"), Some("kid"), Some("crit"), Some(key_name)])
                .map_err(|_| "Bad token; invalid JSON")?;
        if !is_of_type(typ.as_ref(), &settings.types) {
            return Err("Bad token; invalid typ".into());
        }
        let algorithm = algorithm.as_ref().and_then(Value::as_str).and_then(Algorithm::named);
        let algorithm = algorithm.ok_or("Bad token; invalid alg")?;
        // It lists what must be understood (RFC 7515, section 4.1.11), and nothing of the kind is understood here.
        if crit.is_some() {
            return Err("Bad token; invalid crit".into());
        }
        let kid = match kid {
            None => None,
            Some(Value::String(kid)) if kid.len() <= MOST_KID_BYTES => Some(kid),
            Some(_) => return Err("Bad token; invalid kid".into()),
        };
        let claims = Claims::parse(&payload, key, settings).map_err(|_| "Bad token; invalid claims")?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok().filter(|signature| !signature.is_empty());
        let signature = signature.ok_or("Bad token; invalid signature")?;
        Ok(Self { algorithm, kid, claims, payload, signed, signature })
    }
}

/// Longer ones are not looked at: header sections are hardly ever longer, and claims are kept with the exchange.
pub(crate) const MOST_BYTES: usize = 16 << 10;
const MOST_KID_BYTES: usize = 1 << 10;

/// Exactly one text for the same bytes (RFC 7515, section 2): no padding, no bits left over, no other alphabet.
fn decoded(part: &str) -> Option<String> {
    String::from_utf8(URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

/// A media type whose `application/` may be left out (RFC 7515, section 4.1.9).
fn is_of_type(typ: Option<&Value>, types: &[String]) -> bool {
    let typ = match typ {
        None => "JWT",
        Some(Value::String(typ)) => typ,
        Some(_) => return false,
    };
    let short = match typ.split_at_checked("application/".len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case("application/") => rest,
        _ => typ,
    };
    types.iter().any(|known| known.eq_ignore_ascii_case(short))
}

/// How tokens are signed (RFC 7518, section 3.1; RFC 8037): `none` is not among it.
#[derive(Config, Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub(crate) enum Algorithm {
    HS256,
    HS384,
    HS512,
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    ES512,
    EdDSA,
}

impl Algorithm {
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "HS256" => Self::HS256,
            "HS384" => Self::HS384,
            "HS512" => Self::HS512,
            "RS256" => Self::RS256,
            "RS384" => Self::RS384,
            "RS512" => Self::RS512,
            "PS256" => Self::PS256,
            "PS384" => Self::PS384,
            "PS512" => Self::PS512,
            "ES256" => Self::ES256,
            "ES384" => Self::ES384,
            "ES512" => Self::ES512,
            "EdDSA" => Self::EdDSA,
            _ => return None,
        })
    }

    pub(crate) fn is_symmetric(self) -> bool {
        matches!(self, Self::HS256 | Self::HS384 | Self::HS512)
    }

    pub(crate) fn of_public_keys() -> Vec<Self> {
        use Algorithm::{ES256, ES384, ES512, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
        vec![RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA]
    }
}

impl From<Algorithm> for crypto::Algorithm {
    fn from(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::HS256 => Self::Hs256,
            Algorithm::HS384 => Self::Hs384,
            Algorithm::HS512 => Self::Hs512,
            Algorithm::RS256 => Self::Rs256,
            Algorithm::RS384 => Self::Rs384,
            Algorithm::RS512 => Self::Rs512,
            Algorithm::PS256 => Self::Ps256,
            Algorithm::PS384 => Self::Ps384,
            Algorithm::PS512 => Self::Ps512,
            Algorithm::ES256 => Self::Es256,
            Algorithm::ES384 => Self::Es384,
            Algorithm::ES512 => Self::Es512,
            Algorithm::EdDSA => Self::EdDsa,
        }
    }
}
