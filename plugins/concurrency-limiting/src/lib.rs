//! Lets so many requests be under way at a time, has a bounded number of others wait for a bounded time,
//! and refuses the rest.

use std::borrow::Cow;
use std::time::Duration;

use tidegate_sdk::places::{self, Wanted};
use tidegate_sdk::prelude::*;
use tidegate_sdk::schemars::{JsonSchema, Schema, SchemaGenerator};
use tidegate_sdk::serde::de::{Deserialize, Deserializer, Error};
use tidegate_sdk::subject::{LimitBy, Named, Subject};
use tidegate_sdk::{HeaderName, Period};

/// How many requests may be under way, how many may wait, and what the others are told.
#[derive(Config)]
struct Settings {
    /// Requests that may be under way at a time, from their head to the last byte of their answer.
    max: u32,
    /// Requests that may wait until one of those is over; goes together with `wait`.
    #[config(default = 0)]
    #[schemars(range(max = 10_000))]
    queue: u32,
    /// How long each of them may wait: up to "10m".
    wait: Option<Period>,
    /// Whose requests are counted together. Who cannot be told apart so (nobody was authenticated, there
    /// is no such header) is told apart by address.
    #[config(default = LimitBy::Consumer)]
    limit_by: LimitBy,
    /// The header, for `limit_by = "header"`.
    header_name: Option<HeaderName>,
    /// The path, for `limit_by = "path"`: requests for it are counted together, others by address.
    path: Option<String>,
    /// The cookie, for `limit_by = "cookie"`.
    cookie_name: Option<String>,
    /// The claim of a verified token, for `limit_by = "claim"`.
    claim_name: Option<String>,
    /// The status of refusals.
    #[config(default = 503)]
    #[schemars(range(min = 400, max = 599))]
    error_code: u16,
    /// The message of refusals.
    #[config(default = "Too many requests at a time".to_owned())]
    error_message: String,
    /// What `Retry-After` says of when to come again, in seconds; with 0 it is not there.
    #[config(default = 1)]
    retry_after: u32,
}

/// What the settings come to: all that requests can be spared.
struct Limiter {
    subject: Subject,
    wanted: Wanted,
    refusal: Refusal,
}

/// What is answered to one too many.
struct Refusal {
    status: u16,
    retry_after: Option<String>,
    body: Vec<u8>,
}

impl RequestHook<Result> for Limiter {
    fn on_request(&self, request: &mut Request) -> Result {
        let key = self.subject.of(request);
        let goes_on = places::take(&key, self.wanted.max)?
            || self.wanted.queue > 0 && places::wait(&key, self.wanted, self.refusal.answer())?;
        Ok(if goes_on { Flow::Next } else { self.refusal.answer() })
    }
}

export!(Limiter: RequestHook, priority = 905);

impl Refusal {
    fn answer(&self) -> Flow {
        let mut reply = Flow::reply(self.status).header("content-type", "application/json");
        if let Some(seconds) = &self.retry_after {
            reply = reply.header("retry-after", seconds.as_str());
        }
        reply.body(self.body.as_slice())
    }
}

impl TryFrom<Settings> for Limiter {
    type Error = String;

    fn try_from(settings: Settings) -> Result<Self, String> {
        let Settings { max, queue, wait, header_name, path, cookie_name, claim_name, .. } = settings;
        let wait = match (queue, wait) {
            (0, None) => Duration::ZERO,
            (0, Some(_)) => return Err("wait: nobody waits without a queue: say how many may in `queue`".to_owned()),
            (_, None) => return Err("queue: say in `wait` how long each of them may wait".to_owned()),
            (_, Some(wait)) if wait.duration() > LONGEST_WAIT => {
                return Err(format!("wait: {wait} is longer than 10m"));
            }
            (_, Some(wait)) => wait.duration(),
        };
        Ok(Self {
            subject: Subject::new(settings.limit_by, Named { header_name, path, cookie_name, claim_name })?,
            wanted: Wanted { max, queue, wait },
            refusal: Refusal {
                status: settings.error_code,
                retry_after: (settings.retry_after > 0).then(|| settings.retry_after.to_string()),
                body: json!({ "message": settings.error_message }).to_string().into_bytes(),
            },
        })
    }
}

/// The gateway's bound.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

impl<'de> Deserialize<'de> for Limiter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Settings::deserialize(deserializer)?.try_into().map_err(D::Error::custom)
    }
}

impl JsonSchema for Limiter {
    fn schema_name() -> Cow<'static, str> {
        Settings::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Settings::json_schema(generator)
    }
}

impl Config for Limiter {}

#[cfg(test)]
mod tests;
