//! Why a request is not let through, and what its client is told.

use std::borrow::Cow;

use serde_json::{Map, Value};
use tidegate_sdk::prelude::*;

/// Why not.
#[derive(Debug, PartialEq)]
pub(crate) enum Refusal {
    /// There is no token.
    NoToken,
    /// It is not a token that is let in here.
    Token(Cow<'static, str>),
    /// What is wrong with its claims, by claim.
    Claims(Map<String, Value>),
    /// The keys that would tell are not to be had just now.
    Undecided,
}

impl From<&'static str> for Refusal {
    fn from(message: &'static str) -> Self {
        Self::Token(message.into())
    }
}

impl Refusal {
    pub(crate) fn into_reply(self, realm: Option<&str>) -> Flow {
        let body = match &self {
            Self::NoToken => json!({ "message": "Unauthorized" }),
            Self::Token(message) => json!({ "message": message }),
            Self::Claims(problems) => json!(problems),
            Self::Undecided => {
                let body = json!({ "message": "The keys to verify the token by are not available" });
                return Flow::reply(503).header("retry-after", "1").json(&body);
            }
        };
        // RFC 6750, section 3: who brought no token is told of no error.
        let error = if self == Self::NoToken { None } else { Some("error=\"invalid_token\"".to_owned()) };
        let realm = realm.map(|realm| format!("realm=\"{realm}\""));
        let details: Vec<String> = realm.into_iter().chain(error).collect();
        let challenge = format!("Bearer {}", details.join(", "));
        Flow::reply(401).header("www-authenticate", challenge.trim_end()).json(&body)
    }
}
