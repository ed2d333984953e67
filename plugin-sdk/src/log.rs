//! Lines in the gateway's log, under the plugin's name: `log::info!("{count} tokens left")`. A line
//! whose level is switched off is not even formatted.

use crate::host;

pub use crate::{debug, error, info, trace, warn};

/// How much a line matters.
///
/// ```
/// # use tidegate_sdk::{prelude::*, testing::{self, Exchange, Hook}};
/// use tidegate_sdk::log::Level;
///
/// let note = Hook(|ended: &Ended, _: &Response, _: &Request| {
///     log::write(if ended.status < 500 { Level::Debug } else { Level::Warn }, "it is over");
/// });
/// let mut exchange = Exchange::get("/");
/// exchange.over(&note, testing::ended(503));
/// assert_eq!(exchange.log(), [(Level::Warn, "it is over".to_owned())]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Something failed.
    Error,
    /// Something looks wrong.
    Warn,
    /// Worth knowing in operation.
    Info,
    /// Worth knowing in search of a fault.
    Debug,
    /// Everything else.
    Trace,
}

/// Whether lines of this level are written. To be asked before working out what only a line would
/// say; under test, every level is.
///
/// ```
/// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
/// let dump = Hook(|request: &mut Request| {
///     if log::enabled(log::Level::Trace) {
///         for (name, value) in request.headers() {
///             log::trace!("{name}: {value:?}");
///         }
///     }
///     Flow::Next
/// });
/// let mut exchange = Exchange::get("/");
/// assert_eq!(exchange.request(&dump), Outcome::Next);
/// assert_eq!(exchange.log()[0].1, "host: \"example.com\"");
/// ```
pub fn enabled(level: Level) -> bool {
    host::log::level_enabled(level.into())
}

/// Writes a line, of which 4 KiB are kept; the macros of this module spare its formatting where the
/// level is off.
///
/// ```
/// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
/// let note = Hook(|_: &mut Request| {
///     log::write(log::Level::Info, "someone is here");
///     Flow::Next
/// });
/// let mut exchange = Exchange::get("/");
/// assert_eq!(exchange.request(&note), Outcome::Next);
/// assert_eq!(exchange.log(), [(log::Level::Info, "someone is here".to_owned())]);
/// ```
pub fn write(level: Level, message: &str) {
    host::log::write(level.into(), message);
}

impl From<Level> for host::log::Level {
    fn from(level: Level) -> Self {
        match level {
            Level::Error => Self::Error,
            Level::Warn => Self::Warn,
            Level::Info => Self::Info,
            Level::Debug => Self::Debug,
            Level::Trace => Self::Trace,
        }
    }
}

/// Logs that something failed. Takes what `format!` takes.
///
/// ```
/// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
/// let note = Hook(|request: &mut Request| {
///     log::error!("{} has no tenant", request.path());
///     Flow::Next
/// });
/// let mut exchange = Exchange::get("/a");
/// assert_eq!(exchange.request(&note), Outcome::Next);
/// assert_eq!(exchange.log(), [(log::Level::Error, "/a has no tenant".to_owned())]);
/// ```
#[macro_export]
macro_rules! error {
    ($($message:tt)+) => { $crate::__log!(Error, $($message)+) };
}

/// Logs that something looks wrong. Takes what `format!` takes.
///
/// ```
/// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
/// let note = Hook(|request: &mut Request| {
///     log::warn!("{} is deprecated", request.path());
///     Flow::Next
/// });
/// let mut exchange = Exchange::get("/a");
/// assert_eq!(exchange.request(&note), Outcome::Next);
/// assert_eq!(exchange.log(), [(log::Level::Warn, "/a is deprecated".to_owned())]);
/// ```
#[macro_export]
macro_rules! warn {
    ($($message:tt)+) => { $crate::__log!(Warn, $($message)+) };
}

/// Logs what is worth knowing in operation. Takes what `format!` takes.
///
/// ```
/// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
/// let note = Hook(|request: &mut Request| {
///     log::info!("{} opened", request.path());
///     Flow::Next
/// });
/// let mut exchange = Exchange::get("/a");
/// assert_eq!(exchange.request(&note), Outcome::Next);
/// assert_eq!(exchange.log(), [(log::Level::Info, "/a opened".to_owned())]);
/// ```
#[macro_export]
macro_rules! info {
    ($($message:tt)+) => { $crate::__log!(Info, $($message)+) };
}

/// Logs what is worth knowing in search of a fault. Takes what `format!` takes.
///
/// ```
/// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
/// let note = Hook(|request: &mut Request| {
///     log::debug!("asked for {}", request.path());
///     Flow::Next
/// });
/// let mut exchange = Exchange::get("/a");
/// assert_eq!(exchange.request(&note), Outcome::Next);
/// assert_eq!(exchange.log(), [(log::Level::Debug, "asked for /a".to_owned())]);
/// ```
#[macro_export]
macro_rules! debug {
    ($($message:tt)+) => { $crate::__log!(Debug, $($message)+) };
}

/// Logs everything else. Takes what `format!` takes.
///
/// ```
/// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
/// let note = Hook(|request: &mut Request| {
///     log::trace!("{} {}", request.method(), request.path());
///     Flow::Next
/// });
/// let mut exchange = Exchange::get("/a");
/// assert_eq!(exchange.request(&note), Outcome::Next);
/// assert_eq!(exchange.log(), [(log::Level::Trace, "GET /a".to_owned())]);
/// ```
#[macro_export]
macro_rules! trace {
    ($($message:tt)+) => { $crate::__log!(Trace, $($message)+) };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __log {
    ($level:ident, $($message:tt)+) => {
        if $crate::log::enabled($crate::log::Level::$level) {
            $crate::log::write($crate::log::Level::$level, &::std::format!($($message)+));
        }
    };
}
