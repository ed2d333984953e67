//! Lets requests through that carry a username and its password (RFC 7617), and tells the upstream whose
//! they are. Settings and answers are those of Kong's plugin of this name; what is kept of passwords are
//! hashes that are slow on purpose, and the gateway knows for a while which ones were right.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use tidegate_sdk::crypto::PasswordError;
use tidegate_sdk::identity::Stranger;
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
        let Some(presented) = self.presented(request) else { return self.refuse() };
        let (username, password) = (presented.username(), presented.password());
        if identity::authenticate_by_password(KIND, username, password) {
            return Ok(Flow::Next);
        }
        let otherwise = match &self.anonymous {
            Some(username) => Stranger::Anonymous(username.clone()),
            None => Stranger::Refused(self.refusal()),
        };
        match identity::verify_password(KIND, username, password, otherwise) {
            Ok(()) => Ok(Flow::Next),
            Err(PasswordError::Busy) => Ok(busy()),
            Err(PasswordError::Invalid(problem)) => Err(problem.into()),
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
    /// `username:password`
    bytes: Vec<u8>,
    /// Where the username ends, which is UTF-8.
    colon: usize,
}

impl Presented {
    /// `None` if the header is not there, or more than once, or is not of this scheme or none at all.
    fn read(request: &Request, header: &str) -> Option<Self> {
        let value = request.sole_header(header)?;
        let space = value.as_bytes().iter().position(|byte| *byte == b' ')?;
        let (scheme, encoded) = value.as_bytes().split_at_checked(space)?;
        if !scheme.eq_ignore_ascii_case(b"basic") {
            return None;
        }
        let bytes = BASE64.decode(encoded.trim_ascii()).ok()?;
        let colon = bytes.iter().position(|byte| *byte == b':')?;
        let read = Self { bytes, colon };
        // What is no UTF-8 is nobody's name: the configuration's are. A longer password is nobody's either, as none could
        // have been hashed.
        let is_text = str::from_utf8(read.bytes.get(..colon)?).is_ok();
        (is_text && read.password().len() <= PASSWORD_BYTES).then_some(read)
    }

    fn username(&self) -> &str {
        let bytes = self.bytes.get(..self.colon).unwrap_or_default();
        str::from_utf8(bytes).unwrap_or_default()
    }

    fn password(&self) -> &[u8] {
        self.bytes.get(self.colon + 1..).unwrap_or_default()
    }
}

/// With or without padding: both are in use.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The longest password that the gateway verifies.
const PASSWORD_BYTES: usize = 4 << 10;

impl Settings {
    fn check(&self) -> Result<(), String> {
        let quotable = |c: char| !c.is_control() && !['"', '\\'].contains(&c);
        if !self.realm.chars().all(quotable) {
            return Err("realm: no quotes, backslashes or control characters".to_owned());
        }
        Ok(())
    }

    /// What came with `request`: of several, the first one whose username is known, or else the last.
    fn presented(&self, request: &mut Request) -> Option<Presented> {
        let mut last = None;
        for header in HEADERS {
            let Some(presented) = Presented::read(request, header) else { continue };
            if self.hide_credentials {
                request.remove_header(header);
            }
            // As a rule there is one, in the last place to look, and whoever verifies its password finds out.
            let decides = Some(&header) == HEADERS.last() || identity::find(KIND, presented.username()).is_some();
            last = Some(presented);
            if decides {
                break;
            }
        }
        last
    }

    /// For who has presented nothing that could be right.
    fn refuse(&self) -> Result {
        if let Some(anonymous) = &self.anonymous {
            identity::authenticate_anonymously(anonymous)?;
            return Ok(Flow::Next);
        }
        Ok(self.refusal())
    }

    fn refusal(&self) -> Flow {
        let challenge = format!("Basic realm=\"{}\"", self.realm);
        Flow::reply(401).header("www-authenticate", challenge).json(&json!({ "message": "Unauthorized" }))
    }
}

/// A wrong answer would be worse than none: it may well be the right password.
fn busy() -> Flow {
    let message = "Too many passwords are being verified";
    Flow::reply(503).header("retry-after", "1").json(&json!({ "message": message }))
}

#[cfg(test)]
mod tests;
