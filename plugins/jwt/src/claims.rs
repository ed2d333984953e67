//! The claims of a token that decide whether it is let in (RFC 7519, section 4.1).

use serde_json::{Map, Value};

use crate::members::members;
use crate::refusal::Refusal;
use crate::settings::{Settings, Time};

/// As they stand in the token.
#[derive(Debug)]
pub(crate) struct Claims {
    /// What says by whose credential it is to be verified.
    pub(crate) key: Option<Value>,
    expires: Option<Value>,
    not_before: Option<Value>,
    issuer: Option<Value>,
    audience: Option<Value>,
    /// What has the username of a consumer.
    pub(crate) consumer: Option<Value>,
}

impl Claims {
    /// Those of `payload`; a key that is not among them may be in the token's header.
    pub(crate) fn parse(payload: &str, key_of_header: Option<Value>, settings: &Settings) -> serde_json::Result<Self> {
        let if_set = |name: &'static str, listed: &[String]| (!listed.is_empty()).then_some(name);
        let [key, expires, not_before, issuer, audience, consumer] = members(
            payload,
            [
                Some(settings.key_claim_name.as_str()),
                Some("exp"),
                Some("nbf"),
                if_set("iss", &settings.issuers),
                if_set("aud", &settings.audiences),
                settings.consumer_claim.as_deref(),
            ],
        )?;
        Ok(Self { key: key.or(key_of_header), expires, not_before, issuer, audience, consumer })
    }

    /// See that they hold; since when and until when they do, in seconds since 1970.
    ///
    /// # Errors
    /// What is wrong with which.
    pub(crate) fn check(&self, settings: &Settings, now: u64) -> Result<(f64, f64), Refusal> {
        let (now, skew) = (now as f64, settings.clock_skew as f64);
        let mut problems = Map::new();
        let mut wrong = |claim: &str, problem: &str| drop(problems.insert(claim.to_owned(), problem.into()));
        let (expires, not_before) = (number(&self.expires), number(&self.not_before));
        if settings.verifies(Time::Exp) {
            match expires {
                None => wrong("exp", "must be a number"),
                Some(end) if end + skew <= now => wrong("exp", "token expired"),
                Some(end) if settings.maximum_expiration > 0 && end - now > settings.maximum_expiration as f64 => {
                    wrong("exp", "exceeds maximum allowed expiration");
                }
                Some(_) => {}
            }
        }
        if settings.verifies(Time::Nbf) && self.not_before.is_some() {
            match not_before {
                None => wrong("nbf", "must be a number"),
                Some(begin) if begin - skew > now => wrong("nbf", "token not valid yet"),
                Some(_) => {}
            }
        }
        if !settings.issuers.is_empty() && !is_among(&self.issuer, &settings.issuers) {
            wrong("iss", "not an issuer that is trusted here");
        }
        if !settings.audiences.is_empty() && !is_any_among(&self.audience, &settings.audiences) {
            wrong("aud", "token is not meant for here");
        }
        if !problems.is_empty() {
            return Err(Refusal::Claims(problems));
        }
        let from = not_before.filter(|_| settings.verifies(Time::Nbf)).map_or(0.0, |begin| begin - skew);
        // Of a token whose end does not matter here, nothing is kept for longer either.
        Ok((from, expires.map_or(f64::INFINITY, |end| end + skew)))
    }
}

fn number(claim: &Option<Value>) -> Option<f64> {
    claim.as_ref()?.as_f64()
}

fn is_among(claim: &Option<Value>, listed: &[String]) -> bool {
    claim.as_ref().and_then(Value::as_str).is_some_and(|value| listed.iter().any(|known| known == value))
}

/// One, or a list of them (section 4.1.3).
fn is_any_among(claim: &Option<Value>, listed: &[String]) -> bool {
    match claim {
        Some(Value::Array(values)) => {
            let mut named = values.iter().filter_map(Value::as_str);
            named.any(|value| listed.iter().any(|known| known == value))
        }
        _ => is_among(claim, listed),
    }
}
