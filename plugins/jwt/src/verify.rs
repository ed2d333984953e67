//! By which key a token is verified. The key's own algorithm decides: a token that names another is refused, whatever it
//! would verify by (RFC 8725, section 3.1).

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value;
use tidegate_sdk::crypto::{self, Key};
use tidegate_sdk::identity::Credential;
use tidegate_sdk::prelude::*;

use crate::jwks::Published;
use crate::refusal::Refusal;
use crate::seen::Verified;
use crate::settings::Settings;
use crate::token::{Algorithm, Token};

/// Whom a token makes its bearer.
#[derive(Debug)]
pub(crate) enum Owner {
    /// No consumer: the token itself is all that counts.
    Nobody,
    Credential(Credential),
    /// Who is called so.
    Consumer(String),
}

impl Settings {
    /// See that the token holds, signature first.
    pub(crate) fn verify(&self, text: &str, published: Option<&Published<'_>>, now: u64) -> Result<Verified, Refusal> {
        let token = Token::parse(text, self)?;
        let owner = match published {
            Some(published) => {
                published.verify(&token, now)?;
                self.consumer(&token)?
            }
            None => Owner::Credential(self.verify_by_credential(&token)?),
        };
        let (from, until) = token.claims.check(self, now)?;
        Ok(Verified { owner, claims: token.payload, from, until })
    }

    fn verify_by_credential(&self, token: &Token<'_>) -> Result<Credential, Refusal> {
        let name = &self.key_claim_name;
        let key = match &token.claims.key {
            None => return Err(Refusal::Token(format!("No mandatory '{name}' in claims").into())),
            Some(Value::String(key)) if !key.is_empty() => key,
            Some(_) => return Err(Refusal::Token(format!("Invalid '{name}' in claims").into())),
        };
        let credential = identity::find("jwt", key).ok_or_else(|| self.no_credentials(name))?;
        let algorithm = match credential.field("algorithm") {
            None => Algorithm::HS256,
            Some(name) => {
                let known = str::from_utf8(&name).ok().and_then(Algorithm::named);
                known.ok_or_else(|| unusable(&credential, "its algorithm is none that is known here"))?
            }
        };
        if token.algorithm != algorithm {
            return Err("Invalid algorithm".into());
        }
        let verified = if algorithm.is_symmetric() {
            let secret = self.secret(&credential).map_err(|problem| unusable(&credential, problem))?;
            crypto::verify(algorithm.into(), Key::Secret(&secret), token.signed, &token.signature)
        } else {
            let pem = credential.field("public_key").and_then(|pem| String::from_utf8(pem).ok());
            let pem = pem.ok_or_else(|| unusable(&credential, "it has no public_key in PEM"))?;
            crypto::verify(algorithm.into(), Key::Pem(&pem), token.signed, &token.signature)
        };
        match verified {
            Ok(true) => Ok(credential),
            Ok(false) => Err("Invalid signature".into()),
            Err(problem) => Err(unusable(&credential, &problem)),
        }
    }

    fn secret(&self, credential: &Credential) -> Result<Vec<u8>, &'static str> {
        let secret = credential.field("secret").ok_or("it has no secret")?;
        if !self.secret_is_base64 {
            return Ok(secret);
        }
        let decoded = STANDARD.decode(&secret).or_else(|_| URL_SAFE.decode(&secret));
        decoded.map_err(|_| "its secret is no base64, and secret_is_base64 says so")
    }

    fn consumer(&self, token: &Token<'_>) -> Result<Owner, Refusal> {
        let Some(claim) = &self.consumer_claim else { return Ok(Owner::Nobody) };
        match &token.claims.consumer {
            None => Err(Refusal::Token(format!("No mandatory '{claim}' in claims").into())),
            Some(Value::String(name)) if !name.is_empty() => Ok(Owner::Consumer(name.clone())),
            Some(_) => Err(Refusal::Token(format!("Invalid '{claim}' in claims").into())),
        }
    }

    pub(crate) fn no_credentials(&self, name: &str) -> Refusal {
        Refusal::Token(format!("No credentials found for given '{name}'").into())
    }
}

/// Nothing that a client could do anything about.
fn unusable(credential: &Credential, problem: &str) -> Refusal {
    let username = &credential.consumer().username;
    log::warn!("no token can be verified by a jwt credential of {username}: {problem}");
    "Invalid key/secret".into()
}

/// In configurations, padding may be there or not.
const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);
