//! The settings as they are written.

use tidegate_sdk::Period;
use tidegate_sdk::prelude::*;
use tidegate_sdk::subject::LimitBy;

/// How many requests may come, whose they are counted as, and what clients are told.
#[derive(Config)]
pub(crate) struct Settings {
    /// Requests per second.
    #[schemars(range(min = 1, max = 4_503_599_627_370_496_u64))]
    pub(crate) second: Option<u64>,
    /// Requests per minute.
    #[schemars(range(min = 1, max = 4_503_599_627_370_496_u64))]
    pub(crate) minute: Option<u64>,
    /// Requests per hour.
    #[schemars(range(min = 1, max = 4_503_599_627_370_496_u64))]
    pub(crate) hour: Option<u64>,
    /// Requests per day.
    #[schemars(range(min = 1, max = 4_503_599_627_370_496_u64))]
    pub(crate) day: Option<u64>,
    /// Requests per month, of 30 days.
    #[schemars(range(min = 1, max = 4_503_599_627_370_496_u64))]
    pub(crate) month: Option<u64>,
    /// Requests per year, of 365 days.
    #[schemars(range(min = 1, max = 4_503_599_627_370_496_u64))]
    pub(crate) year: Option<u64>,
    /// Limits per any other time; with those above, up to eight. All of them hold at once.
    #[config(default = Vec::new())]
    pub(crate) limits: Vec<Limit>,
    /// How requests are counted, unless one of `limits` says otherwise.
    #[config(default = Algorithm::FixedWindow)]
    pub(crate) algorithm: Algorithm,
    /// Whose requests are counted together. Who cannot be told apart so (nobody was authenticated, there
    /// is no such header) is told apart by address.
    #[config(default = LimitBy::Consumer)]
    pub(crate) limit_by: LimitBy,
    /// The header, for `limit_by = "header"`.
    pub(crate) header_name: Option<HeaderName>,
    /// The path, for `limit_by = "path"`: requests for it are counted together, others by address.
    pub(crate) path: Option<String>,
    /// The cookie, for `limit_by = "cookie"`.
    pub(crate) cookie_name: Option<String>,
    /// The claim of a verified token, for `limit_by = "claim"`.
    pub(crate) claim_name: Option<String>,
    /// What a request counts for.
    #[config(default = 1)]
    #[schemars(range(min = 1))]
    pub(crate) cost: u64,
    /// Header in which requests say what they count for, from 1 to `max_cost`; `cost` if it is not there.
    pub(crate) cost_header: Option<HeaderName>,
    /// The most that `cost_header` may say.
    #[config(default = 100)]
    #[schemars(range(min = 1))]
    pub(crate) max_cost: u64,
    /// Which headers tell clients how many requests they have left: Kong's, those of the IETF's draft,
    /// or both.
    #[config(default = Headers::Kong)]
    pub(crate) headers: Headers,
    /// Tell clients nothing of limits.
    #[config(default = false)]
    pub(crate) hide_client_headers: bool,
    /// The status of refusals.
    #[config(default = 429)]
    #[schemars(range(min = 400, max = 599))]
    pub(crate) error_code: u16,
    /// The message of refusals.
    #[config(default = "API rate limit exceeded".to_owned())]
    pub(crate) error_message: String,
    /// Let requests through that cannot be counted: Redis is away, and the gateway's
    /// `counters.on_failure` is "closed". Otherwise they are answered with 503.
    #[config(default = false)]
    pub(crate) fault_tolerant: bool,
    /// Where requests are counted, if not where the gateway's `[counters]` say: "local" counts in the
    /// memory of this gateway, whatever they say. "redis" is taken where they say so.
    pub(crate) policy: Option<Policy>,
}

/// So many requests per window.
#[derive(Config)]
pub(crate) struct Limit {
    /// Requests that may come per window.
    #[schemars(range(min = 1, max = 4_503_599_627_370_496_u64))]
    pub(crate) max: u64,
    /// How long a window is: from "1ms" to "400d".
    pub(crate) window: Period,
    /// How requests are counted; as `algorithm` says beside `limits`, if it is not here.
    pub(crate) algorithm: Option<Algorithm>,
    /// What clients know the limit by: letters, digits, "-" and "_". The window, if it is not here.
    pub(crate) name: Option<String>,
}

/// How requests are counted.
#[derive(Config, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Algorithm {
    /// Windows follow one another, and the first one began with 1970.
    FixedWindow,
    /// The current window, and the share of the one before it that the last window's time still covers.
    SlidingWindow,
    /// A bucket of `max` tokens that fills evenly, in one window; a request takes a token out of it.
    TokenBucket,
}

#[derive(Config, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Headers {
    /// RateLimit-Limit, -Remaining and -Reset, X-RateLimit-Limit-Minute and the like.
    Kong,
    /// RateLimit and RateLimit-Policy.
    Ietf,
    /// All of them.
    Both,
}

#[derive(Config, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Policy {
    /// In the gateway's memory.
    Local,
    /// In a database, of which there is none.
    Cluster,
    /// In Redis.
    Redis,
}
