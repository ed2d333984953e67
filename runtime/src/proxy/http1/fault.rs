//! What can go wrong with an exchange over HTTP/1, once there is a connection.

use std::io;

use thiserror::Error;

use crate::proxy::body::BodyError;

/// Why an exchange, or the answer's body, came to nothing.
#[derive(Debug, Error)]
pub(in crate::proxy) enum Fault {
    /// The connection broke; over TLS, what that says is inside.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The target closed the connection too early.
    #[error("closed before the answer was complete")]
    Closed,
    /// The answer's head is larger than this.
    #[error("more than {0} bytes of it came")]
    HeadTooLarge(usize),
    /// The answer's head has more fields than this.
    #[error("it has more than {0} fields")]
    TooManyFields(usize),
    /// What came is no HTTP, or could be read in two ways.
    #[error("invalid HTTP: {0}")]
    Misread(String),
    /// The request's body broke off.
    #[error("the request's body broke off: {0}")]
    Upload(Box<BodyError>),
}

impl Fault {
    /// Whether something came that is no answer.
    pub(in crate::proxy) fn is_misread(&self) -> bool {
        matches!(self, Self::Misread(_) | Self::HeadTooLarge(_) | Self::TooManyFields(_))
    }
}
