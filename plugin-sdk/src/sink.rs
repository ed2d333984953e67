//! Deliveries of records that the operator has configured - to files, collectors, syslog - as far as the
//! use of the plugin is granted them.
//!
//! ```toml
//! [[sinks]]
//! name = "elastic"
//! kind = "http"
//! url = "https://elastic:9200/_bulk"
//!
//! [[plugins]]
//! use = "audit"
//! grants = { sinks = ["elastic"] }
//! ```

use std::fmt;

use crate::host;

/// The sink that the settings of a use make up, as the plugin's config says by `#[config(sink(…))]`
/// ([`Config`](trait@crate::Config)), or the one that the use names in its place.
///
/// ```
/// # use tidegate_sdk::{prelude::*, testing::{self, Exchange, Hook}};
/// let note = Hook(|ended: &Ended, _: &Response, _: &Request| {
///     if let Err(error) = sink::emit(sink::OWN, ended.status.to_string()) {
///         log::debug!("{error}");
///     }
/// });
/// let mut exchange = Exchange::get("/a").sink(sink::OWN);
/// exchange.over(&note, testing::ended(200));
/// assert_eq!(exchange.delivered(sink::OWN), [b"200"]);
/// ```
pub const OWN: &str = "its own";

/// Hands a record over. Nobody waits for its delivery, and how records are put together and tried again
/// is the operator's to say.
///
/// ```
/// use tidegate_sdk::prelude::*;
/// use tidegate_sdk::testing::{Exchange, ended};
///
/// #[derive(Config)]
/// struct Audit;
///
/// impl LogHook for Audit {
///     fn on_log(&self, ended: &Ended, _: &Response, request: &Request) {
///         let record = json!({ "path": request.path(), "status": ended.status });
///         if let Err(error) = sink::emit("elastic", record.to_string()) {
///             log::warn!("a record is lost: {error}");
///         }
///     }
/// }
///
/// export!(Audit: LogHook);
///
/// # fn main() {
/// let mut exchange = Exchange::get("/a").sink("elastic");
/// exchange.over(&Audit, ended(200));
/// assert_eq!(exchange.delivered("elastic"), [br#"{"path":"/a","status":200}"#]);
/// # }
/// ```
///
/// # Errors
/// It was not taken.
pub fn emit(sink: &str, record: impl AsRef<[u8]>) -> Result<(), Error> {
    use crate::host::sink::Error as HostError;
    host::sink::emit(sink, record.as_ref()).map_err(|error| match error {
        HostError::NotGranted => Error::NotGranted,
        HostError::Full => Error::Full,
        HostError::TooLarge => Error::TooLarge,
    })
}

/// Why a record was not taken.
///
/// ```
/// # use tidegate_sdk::{prelude::*, testing::{self, Exchange, Hook}};
/// let audit = Hook(|_: &Ended, _: &Response, request: &Request| match sink::emit("audit", request.path()) {
///     Err(sink::Error::Full) => log::debug!("the operator's metrics count it"),
///     Err(mistake) => log::error!("{mistake}"),
///     Ok(()) => {}
/// });
/// let mut exchange = Exchange::get("/a");
/// exchange.over(&audit, testing::ended(200));
/// assert_eq!(exchange.log()[0].1, "this sink is not among the use's `grants.sinks`");
/// let mut exchange = Exchange::get("/a").sink("audit");
/// exchange.over(&audit, testing::ended(200));
/// assert_eq!(exchange.delivered("audit"), [b"/a"]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// There is no such sink, or it is not granted.
    NotGranted,
    /// It takes no more for now.
    Full,
    /// It never takes as much in one record.
    TooLarge,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotGranted => "this sink is not among the use's `grants.sinks`",
            Self::Full => "the sink takes no more for now",
            Self::TooLarge => "the sink never takes as much in one record",
        })
    }
}

impl std::error::Error for Error {}
