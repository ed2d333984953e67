//! What an exchange waits for once a request hook is done, because that has said so: a place, or a password that is being
//! verified. No instance of the plugin is held meanwhile.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::exchange::Exchange;
use super::instance::CallError;
use super::plugin_use::Reply;
use super::services::Services;
use crate::crypto::password::{Known, PasswordError, Verdict, Verification};
use crate::identity::{Authenticated, Credential};
use crate::store::places::Turn;

/// One of them.
pub(super) enum Awaited {
    Place(Queued),
    Password(Claimed),
}

/// A place that an exchange waits for before it goes on.
pub(super) struct Queued {
    /// Its turn in the queue.
    pub(super) turn: Turn,
    /// For how long.
    pub(super) wait: Duration,
    /// The answer if that was in vain; without one, it goes on nevertheless.
    pub(super) otherwise: Option<Box<Reply>>,
}

/// A password that may be somebody's.
pub(super) struct Claimed {
    pub(super) verification: Verification,
    /// Whose, if it is, and what it will be known by; `None`: nobody's, whatever comes of it.
    pub(super) credential: Option<(Arc<Credential>, Known)>,
    pub(super) otherwise: Stranger,
}

/// What becomes of an exchange whose password is not the right one.
pub(super) enum Stranger {
    Refused(Box<Reply>),
    /// It is that of the consumer of this name.
    Anonymous(String),
    /// It goes on.
    Nobody,
}

impl Awaited {
    /// What is decided in the end; `None`: the exchange goes on. Dropping the future leaves the queue. `limit` is for
    /// whatever has no limit of its own.
    pub(super) async fn end(
        self,
        limit: Duration,
        services: &Services,
        exchange: &mut Exchange,
    ) -> Result<Option<Box<Reply>>, CallError> {
        match self {
            Self::Place(queued) => Ok(queued.end(exchange).await),
            Self::Password(claimed) => {
                let ended = timeout(limit, claimed.end(services, exchange)).await;
                ended.unwrap_or(Err(CallError::Overdue(limit)))
            }
        }
    }
}

impl Queued {
    async fn end(self, exchange: &mut Exchange) -> Option<Box<Reply>> {
        match self.turn.place(self.wait).await {
            Some(held) => {
                exchange.places.push(held);
                None
            }
            None => self.otherwise,
        }
    }
}

impl Claimed {
    async fn end(self, services: &Services, exchange: &mut Exchange) -> Result<Option<Box<Reply>>, CallError> {
        let verdict = self.verification.verdict().await;
        let failed = |error: PasswordError| CallError::Failed(format!("a password could not be verified: {error}"));
        let Some((credential, known)) = self.credential else { return self.otherwise.of(exchange) };
        let verdict = verdict.map_err(failed)?;
        if let Some(stored) = credential.field("password").and_then(|stored| str::from_utf8(stored).ok()) {
            services.recent.verified(stored);
        }
        match verdict {
            Verdict::Match => {
                services.recent.was_right(known, Instant::now());
                exchange.authenticated = Some(Authenticated::By(credential));
                Ok(None)
            }
            Verdict::Mismatch => self.otherwise.of(exchange),
        }
    }
}

impl Stranger {
    fn of(self, exchange: &mut Exchange) -> Result<Option<Box<Reply>>, CallError> {
        match self {
            Self::Refused(reply) => Ok(Some(reply)),
            Self::Nobody => Ok(None),
            Self::Anonymous(username) => {
                exchange.authenticate_as(&username, true).map_err(CallError::Failed)?;
                Ok(None)
            }
        }
    }
}
