//! What came of a hook, to be asserted on.

use std::fmt;

use super::Headers;

/// What came of a hook.
///
/// ```
/// use tidegate_sdk::prelude::*;
/// use tidegate_sdk::testing::{Exchange, Hook, Outcome};
///
/// let half_done = Hook(|request: &mut Request| -> Result {
///     request.set_header("x-half", "1");
///     Err("out of luck".into())
/// });
/// let mut exchange = Exchange::get("/");
/// assert_eq!(exchange.request(&half_done), Outcome::Failed("out of luck".to_owned()));
/// assert_eq!(exchange.upstream_headers().first("x-half"), None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Outcome {
    /// The exchange goes on.
    Next,
    /// The plugin answers.
    Reply(Reply),
    /// The hook failed, for this reason. Its edits are undone; what it has counted, kept or told stays.
    Failed(String),
}

impl Outcome {
    /// The answer.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook}};
    /// let refuse = Hook(|_: &mut Request| Flow::reply(403).body("no"));
    /// assert_eq!(Exchange::get("/").request(&refuse).reply().status, 403);
    /// ```
    ///
    /// # Panics
    /// If there is none.
    #[track_caller]
    pub fn reply(self) -> Reply {
        match self {
            Self::Reply(reply) => reply,
            other => panic!("the hook did not reply: {other:?}"),
        }
    }

    /// Why the hook failed.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook}};
    /// let fail = Hook(|_: &mut Request| -> Result { Err("out of luck".into()) });
    /// assert_eq!(Exchange::get("/").request(&fail).failure(), "out of luck");
    /// ```
    ///
    /// # Panics
    /// If it did not.
    #[track_caller]
    pub fn failure(self) -> String {
        match self {
            Self::Failed(reason) => reason,
            other => panic!("the hook did not fail: {other:?}"),
        }
    }
}

/// An answer given by a plugin.
///
/// ```
/// use tidegate_sdk::prelude::*;
/// use tidegate_sdk::testing::{Exchange, Hook};
///
/// let refuse = Hook(|_: &mut Request| Flow::reply(429).header("retry-after", "1").body("slow down"));
/// let reply = Exchange::get("/").request(&refuse).reply();
/// assert_eq!((reply.status, reply.body.as_slice()), (429, b"slow down".as_slice()));
/// assert_eq!(reply.headers.first("Retry-After"), Some("1"));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Reply {
    /// From 200 to 599.
    pub status: u16,
    /// Without what the gateway adds.
    pub headers: Headers,
    /// As the plugin gave it.
    pub body: Vec<u8>,
}

impl Reply {
    /// The body as text.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook}};
    /// let refuse = Hook(|_: &mut Request| Flow::reply(403).body("not for you"));
    /// assert_eq!(Exchange::get("/").request(&refuse).reply().text(), "not for you");
    /// ```
    ///
    /// # Panics
    /// If it is not UTF-8.
    #[track_caller]
    pub fn text(&self) -> &str {
        str::from_utf8(&self.body).expect("the body is UTF-8")
    }

    /// The body, parsed.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook}};
    /// let refuse = Hook(|_: &mut Request| Flow::reply(403).json(&json!({ "message": "not for you" })));
    /// assert_eq!(Exchange::get("/").request(&refuse).reply().json()["message"], "not for you");
    /// ```
    ///
    /// # Panics
    /// If it is no JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} \"{}\"", self.status, self.headers, self.body.escape_ascii())
    }
}
