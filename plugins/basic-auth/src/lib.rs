//! Lets requests through that carry a username and its password (RFC 7617), and tells the upstream whose
//! they are. Settings and answers are those of Kong's plugin of this name; what is kept of passwords are
//! hashes that are slow on purpose, so a password that was right is remembered for a while.

use std::time::Duration;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use tidegate_sdk::crypto::{self, Hash, PasswordError};
use tidegate_sdk::identity::Credential;
use tidegate_sdk::prelude::*;

/// What to do with usernames and passwords, and with who has none.
#[derive(Config)]
#[config(validate = Settings::check)]
struct Settings {
    /// Remove the username and password from what the upstream gets.
    #[config(default = false)]
    hide_credentials: bool,
    /// Username of the consumer that requests without the right password are taken for, instead of being
    /// refused. Requests that another plugin has let in already are not asked for one.
    anonymous: Option<String>,
    /// The realm that WWW-Authenticate names.
    #[config(default = "service".to_owned())]
    realm: String,
}

impl RequestHook<Result> for Settings {
    fn on_request(&self, request: &mut Request) -> Result {
        if self.anonymous.is_some() && identity::settled() {
            return Ok(Flow::Next);
        }
        let mut unknown = None;
        for header in HEADERS {
            let Some(presented) = Presented::read(request, header) else { continue };
            if self.hide_credentials {
                request.remove_header(header);
            }
            let Some(credential) = identity::find(KIND, &presented.username) else {
                unknown = Some(presented.password);
                continue;
            };
            return match verify(&credential, &presented.password)? {
                Verdict::Right => {
                    identity::authenticate(&credential)?;
                    Ok(Flow::Next)
                }
                Verdict::Wrong => self.refuse(),
                Verdict::Busy => Ok(busy()),
            };
        }
        match unknown.map(|password| crypto::verify_password(&decoy(), password)) {
            Some(Err(PasswordError::Busy)) => Ok(busy()),
            // Whether it is the decoy's does not matter.
            _ => self.refuse(),
        }
    }
}

export!(Settings: RequestHook, priority = 1100);

/// What this plugin's credentials are called.
const KIND: &str = "basic-auth";

/// Where to look, in Kong's order: the first one whose username is known decides.
const HEADERS: [&str; 2] = ["proxy-authorization", "authorization"];

/// What came with a request.
struct Presented {
    username: String,
    password: Vec<u8>,
}

impl Presented {
    /// `None` if the header is not there, or more than once, or is not of this scheme or none at all.
    fn read(request: &Request, header: &str) -> Option<Self> {
        let values = request.header_all(header);
        let [value] = values.as_slice() else { return None };
        let (scheme, encoded) = value.to_str().ok()?.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let mut decoded = BASE64.decode(encoded.trim_ascii()).ok()?;
        let colon = decoded.iter().position(|byte| *byte == b':')?;
        let password = decoded.split_off(colon + 1);
        decoded.truncate(colon);
        // A longer one is nobody's, as none could have been hashed.
        if password.len() > PASSWORD_BYTES {
            return None;
        }
        // What is no UTF-8 is nobody's name: the configuration's are.
        Some(Self { username: String::from_utf8(decoded).ok()?, password })
    }
}

/// With or without padding: both are in use.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The longest password that the gateway verifies.
const PASSWORD_BYTES: usize = 4 << 10;

/// Whether a password is the right one.
enum Verdict {
    Right,
    Wrong,
    /// Too many others are being verified.
    Busy,
}

fn verify(credential: &Credential, password: &[u8]) -> Result<Verdict> {
    let username = &credential.consumer().username;
    let stored = credential.field("password").ok_or_else(|| format!("a credential of {username} has no `password`"))?;
    let remembered = remembered_as(&stored, password);
    if kv::get(&remembered)?.is_some() {
        return Ok(Verdict::Right);
    }
    let stored = String::from_utf8(stored)?;
    match crypto::verify_password(&stored, password) {
        Ok(right) => {
            kv::set(DECOY, &stored, None)?;
            if !right {
                return Ok(Verdict::Wrong);
            }
            kv::set(&remembered, [], Some(REMEMBERED_FOR))?;
            Ok(Verdict::Right)
        }
        Err(PasswordError::Busy) => Ok(Verdict::Busy),
        Err(PasswordError::Invalid(problem)) => Err(format!("the `password` of {username}: {problem}").into()),
    }
}

/// Names a password that was right. The stored hash, salted and all, is part of it: once that is another
/// one, nothing is remembered any more.
fn remembered_as(stored: &[u8], password: &[u8]) -> String {
    // Neither a hash nor what separates it could be mistaken for a part of the password.
    let digest = crypto::digest(Hash::Sha256, [stored, b"\0", password].concat());
    BASE64.encode(digest)
}

/// Long enough that hashing is a small part of the work for whoever comes often.
const REMEMBERED_FOR: Duration = Duration::from_secs(300);

/// What a password is verified against that comes with an unknown username, so that it takes as long as
/// with a known one: the hash verified last, for the others are mostly as costly, or the one that OWASP
/// recommends.
fn decoy() -> String {
    let last = kv::get(DECOY).ok().flatten().and_then(|last| String::from_utf8(last).ok());
    last.unwrap_or_else(|| RECOMMENDED.to_owned())
}

/// Where the last hash is kept. Digests in Base64 are longer.
const DECOY: &str = "decoy";

/// Argon2id with 19 MiB and two passes; of what, nobody knows.
const RECOMMENDED: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm8gcGFzc3dvcmQgYXQgYWxs$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

impl Settings {
    fn check(&self) -> Result<(), String> {
        let quotable = |c: char| !c.is_control() && !['"', '\\'].contains(&c);
        if !self.realm.chars().all(quotable) {
            return Err("realm: no quotes, backslashes or control characters".to_owned());
        }
        Ok(())
    }

    fn refuse(&self) -> Result {
        if let Some(anonymous) = &self.anonymous {
            identity::authenticate_anonymously(anonymous)?;
            return Ok(Flow::Next);
        }
        let challenge = format!("Basic realm=\"{}\"", self.realm);
        Ok(Flow::reply(401).header("www-authenticate", challenge).json(&json!({ "message": "Unauthorized" })))
    }
}

/// A wrong answer would be worse than none: it may well be the right password.
fn busy() -> Flow {
    let message = "Too many passwords are being verified";
    Flow::reply(503).header("retry-after", "1").json(&json!({ "message": message }))
}

#[cfg(test)]
mod tests;
