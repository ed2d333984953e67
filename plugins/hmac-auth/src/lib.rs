//! Lets requests through that are signed with a secret which client and gateway share, and tells the upstream
//! whose they are: by Kong's scheme (`cavage.rs`) or by RFC 9421 (`rfc9421.rs`). Settings and answers are
//! those of Kong's plugin of this name.

mod cavage;
mod digest;
mod rfc9421;
mod signed;
mod structured;

use std::time::{Duration, SystemTime};

use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use tidegate_sdk::crypto::{self, Key};
use tidegate_sdk::identity::Credential;
use tidegate_sdk::prelude::*;

use self::signed::Signed;

/// Which signatures count, and what to do with requests that have none.
#[derive(Config)]
#[config(validate = Settings::check)]
struct Settings {
    /// Remove the signature from what the upstream gets.
    #[config(default = false)]
    hide_credentials: bool,
    /// Username of the consumer that requests without a valid signature are taken for, instead of being
    /// refused. Requests that another plugin has let in already are not asked for one.
    anonymous: Option<String>,
    /// Seconds that the signed date may differ from the gateway's clock.
    #[config(default = 300)]
    #[schemars(range(min = 1))]
    clock_skew: u64,
    /// What has to be signed: names of headers, `request-line`, or components of RFC 9421 like `@method`.
    #[config(default = Vec::new())]
    #[schemars(extend("default" = []))]
    enforce_headers: Vec<String>,
    /// Algorithms that signatures may be made by. Those of RFC 9421 are made by `hmac-sha256`.
    #[config(default = vec![Algorithm::HmacSha1, Algorithm::HmacSha256, Algorithm::HmacSha384, Algorithm::HmacSha512])]
    #[schemars(length(min = 1), extend("default" = ["hmac-sha1", "hmac-sha256", "hmac-sha384", "hmac-sha512"]))]
    algorithms: Vec<Algorithm>,
    /// Let a body through only if its digest was signed, in Content-Digest or Digest.
    #[config(default = false)]
    validate_request_body: bool,
    /// Most bytes of a body whose digest is looked at: with a larger one, a request is refused.
    #[config(default = 1 << 20)]
    #[schemars(range(min = 1))]
    max_request_body_size: u64,
    /// The realm that WWW-Authenticate names.
    realm: Option<String>,
}

/// How a signature is made.
#[derive(Config, Debug, Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    /// HMAC with SHA-1, which is still sound for this, though SHA-1 is not for much else.
    #[serde(rename = "hmac-sha1")]
    HmacSha1,
    /// HMAC with SHA-256.
    #[serde(rename = "hmac-sha256")]
    HmacSha256,
    /// HMAC with SHA-384.
    #[serde(rename = "hmac-sha384")]
    HmacSha384,
    /// HMAC with SHA-512.
    #[serde(rename = "hmac-sha512")]
    HmacSha512,
}

impl RequestHook<Result> for Settings {
    fn on_request(&self, request: &mut Request) -> Result {
        if self.anonymous.is_some() && identity::settled() {
            return Ok(Flow::Next);
        }
        let verdict = match cavage::read(request) {
            Some((header, signed)) => {
                let verdict = signed.map_or(Ok(Verdict::Unverifiable), |signed| self.judge(request, &[signed]))?;
                self.hide(request, &[header]);
                verdict
            }
            None => match rfc9421::read(request) {
                Some(signed) => {
                    let verdict = signed.map_or(Ok(Verdict::Unverifiable), |signed| self.judge(request, &signed))?;
                    self.hide(request, &rfc9421::HEADERS);
                    verdict
                }
                None => Verdict::Unsigned,
            },
        };
        match verdict {
            Verdict::Right(credential) => {
                identity::authenticate(&credential)?;
                Ok(Flow::Next)
            }
            Verdict::Unsigned => self.refuse("Unauthorized"),
            Verdict::Unverifiable => self.refuse("HMAC signature cannot be verified"),
            Verdict::Stale => self.refuse(STALE),
            Verdict::Mismatch => self.refuse("HMAC signature does not match"),
        }
    }

    fn body_limit(&self) -> Option<u64> {
        self.validate_request_body.then_some(self.max_request_body_size)
    }
}

export!(Settings: RequestHook, priority = 1030);

/// What this plugin's credentials are called.
const KIND: &str = "hmac-auth";

/// In Kong's words, which clients may look for.
const STALE: &str =
    "HMAC signature cannot be verified, a valid date or x-date header is required for HMAC Authentication";

/// What is to be thought of a request.
enum Verdict {
    Right(Credential),
    /// There is no signature of either scheme.
    Unsigned,
    /// There is one that says too little, or nothing that is known here.
    Unverifiable,
    /// It was not signed when it came, as far as can be told.
    Stale,
    /// Who signed it had another secret, or signed something else, or is nobody.
    Mismatch,
}

/// A signature of a scheme that is known, but no more than that.
#[derive(Debug, PartialEq)]
struct Unverifiable;

impl Settings {
    fn check(&self) -> Result<(), String> {
        let quotable = |c: char| !c.is_control() && !['"', '\\'].contains(&c);
        if self.realm.as_ref().is_some_and(|realm| !realm.chars().all(quotable)) {
            return Err("realm: no quotes, backslashes or control characters".to_owned());
        }
        for name in &self.enforce_headers {
            let is_known = COMPONENTS.contains(&name.to_ascii_lowercase().as_str());
            if !is_known && (name.starts_with('@') || name.parse::<HeaderName>().is_err()) {
                return Err(format!(
                    "enforce_headers: {name:?} is no header's name, and none of {}",
                    COMPONENTS.join(", ")
                ));
            }
        }
        Ok(())
    }

    /// The first signature whose username is known decides; if none is, the first one goes the same way, so
    /// that nobody learns which usernames there are.
    fn judge(&self, request: &Request, signatures: &[Signed]) -> Result<Verdict> {
        let found = signatures.iter().find_map(|signed| Some((signed, identity::find(KIND, &signed.username)?)));
        let (signed, credential) = match (found, signatures.first()) {
            (Some((signed, credential)), _) => (signed, Some(credential)),
            (None, Some(signed)) => (signed, None),
            (None, None) => return Ok(Verdict::Unverifiable),
        };
        if !self.algorithms.contains(&signed.algorithm) {
            return Ok(Verdict::Unverifiable);
        }
        if !signed.at.is_near(SystemTime::now(), Duration::from_secs(self.clock_skew)) {
            return Ok(Verdict::Stale);
        }
        if !self.enforce_headers.iter().all(|name| signed.covered.has(&name.to_ascii_lowercase())) {
            return Ok(Verdict::Unverifiable);
        }
        let secret = match &credential {
            Some(credential) => credential
                .field("secret")
                .ok_or_else(|| format!("a credential of {} has no `secret`", credential.consumer().username))?,
            None => b"nobody's".to_vec(),
        };
        let right =
            crypto::verify(signed.algorithm.of_gateway(), Key::Secret(&secret), &signed.base, &signed.signature)?;
        let Some(credential) = credential.filter(|_| right) else { return Ok(Verdict::Mismatch) };
        if self.validate_request_body {
            let body = request.body().unwrap_or_default();
            if !digest::matches(request, &body, &signed.covered) {
                return Ok(Verdict::Mismatch);
            }
        }
        Ok(Verdict::Right(credential))
    }

    fn hide(&self, request: &mut Request, headers: &[&str]) {
        if self.hide_credentials {
            headers.iter().for_each(|header| request.remove_header(header));
        }
    }

    fn refuse(&self, message: &str) -> Result {
        if let Some(anonymous) = &self.anonymous {
            identity::authenticate_anonymously(anonymous)?;
            return Ok(Flow::Next);
        }
        let challenge = match &self.realm {
            Some(realm) => format!("hmac realm=\"{realm}\""),
            None => "hmac".to_owned(),
        };
        Ok(Flow::reply(401).header("www-authenticate", challenge).json(&json!({ "message": message })))
    }
}

/// What can be enforced besides headers.
const COMPONENTS: [&str; 9] = [
    "request-line",
    "@request-target",
    "(request-target)",
    "@method",
    "@path",
    "@query",
    "@authority",
    "@scheme",
    "@target-uri",
];

impl Algorithm {
    fn named(name: &str) -> Option<Self> {
        match name {
            "hmac-sha1" => Some(Self::HmacSha1),
            "hmac-sha256" => Some(Self::HmacSha256),
            "hmac-sha384" => Some(Self::HmacSha384),
            "hmac-sha512" => Some(Self::HmacSha512),
            _ => None,
        }
    }

    fn of_gateway(self) -> crypto::Algorithm {
        match self {
            Self::HmacSha1 => crypto::Algorithm::Hs1,
            Self::HmacSha256 => crypto::Algorithm::Hs256,
            Self::HmacSha384 => crypto::Algorithm::Hs384,
            Self::HmacSha512 => crypto::Algorithm::Hs512,
        }
    }
}

/// The request's fields of this name, as both schemes take them: trimmed, and joined by commas.
fn field(request: &Request, name: &str) -> Option<Vec<u8>> {
    let values = request.header_all(name);
    let trimmed: Vec<&[u8]> = values.iter().map(|value| value.as_bytes().trim_ascii()).collect();
    (!trimmed.is_empty()).then(|| trimmed.join(b", ".as_slice()))
}

/// Path and query.
fn target(request: &Request) -> String {
    match request.query() {
        Some(query) => format!("{}?{query}", request.path()),
        None => request.path(),
    }
}

/// With or without padding: both are in use.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[cfg(test)]
mod tests;
