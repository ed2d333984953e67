//! Lines in the gateway's log, under the plugin's name: `log::info!("{count} tokens left")`. A line
//! whose level is switched off is not even formatted.

use crate::host;

pub use crate::{debug, error, info, trace, warn};

/// How much a line matters.
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

/// Whether lines of this level are written.
pub fn enabled(level: Level) -> bool {
    host::log::level_enabled(level.into())
}

/// Writes a line; the macros of this module spare its formatting where the level is off.
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
#[macro_export]
macro_rules! error {
    ($($message:tt)+) => { $crate::__log!(Error, $($message)+) };
}

/// Logs that something looks wrong. Takes what `format!` takes.
#[macro_export]
macro_rules! warn {
    ($($message:tt)+) => { $crate::__log!(Warn, $($message)+) };
}

/// Logs what is worth knowing in operation. Takes what `format!` takes.
#[macro_export]
macro_rules! info {
    ($($message:tt)+) => { $crate::__log!(Info, $($message)+) };
}

/// Logs what is worth knowing in search of a fault. Takes what `format!` takes.
#[macro_export]
macro_rules! debug {
    ($($message:tt)+) => { $crate::__log!(Debug, $($message)+) };
}

/// Logs everything else. Takes what `format!` takes.
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
