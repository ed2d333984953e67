//! What came of a hook, to be asserted on.

use std::fmt;

use super::Headers;

/// What came of a hook.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Outcome {
    /// The exchange goes on.
    Next,
    /// The plugin answers.
    Reply(Reply),
    /// The hook failed, for this reason. Its edits are undone.
    Failed(String),
}

impl Outcome {
    /// The answer.
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
    /// # Panics
    /// If it is not UTF-8.
    #[track_caller]
    pub fn text(&self) -> &str {
        str::from_utf8(&self.body).expect("the body is UTF-8")
    }

    /// The body, parsed.
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
