//! Keys and values in the gateway's memory, shared by all workers and all uses of the plugin. It is a
//! cache: bounded to 64 MiB for all plugins, 64 KiB per value and 1 KiB per key, and what was not used
//! for the longest time makes room.
//!
//! ```
//! use std::time::Duration;
//! use tidegate_sdk::prelude::*;
//!
//! # fn keys() -> Result<Vec<u8>> {
//! if let Some(keys) = kv::get("keys")? {
//!     return Ok(keys);
//! }
//! let keys = http::get("https://idp.example.com/keys").send()?.body;
//! kv::set("keys", &keys, Some(Duration::from_secs(300)))?;
//! Ok(keys)
//! # }
//! ```

use std::time::Duration;

use crate::host;

/// The value of `key`.
///
/// # Errors
/// The key is too long.
pub fn get(key: &str) -> Result<Option<Vec<u8>>, String> {
    host::kv::get(key)
}

/// Keeps `value` under `key`, for `ttl` if that is given.
///
/// # Errors
/// Key or value are too long.
pub fn set(key: &str, value: impl AsRef<[u8]>, ttl: Option<Duration>) -> Result<(), String> {
    host::kv::set(key, value.as_ref(), milliseconds(ttl))
}

/// Keeps `value` if the present one is `expected` (`None`: if there is none), and says whether it was.
///
/// # Errors
/// Key or value are too long.
pub fn compare_and_set(
    key: &str,
    expected: Option<&[u8]>,
    value: impl AsRef<[u8]>,
    ttl: Option<Duration>,
) -> Result<bool, String> {
    host::kv::compare_and_set(key, expected, value.as_ref(), milliseconds(ttl))
}

/// Forgets `key`, and says whether it had a value.
///
/// # Errors
/// The key is too long.
pub fn delete(key: &str) -> Result<bool, String> {
    host::kv::delete(key)
}

/// Adds to the number under `key`, which is 0 if it is not there, and says what it is then. Only a
/// number that begins here gets `ttl`.
///
/// # Errors
/// The key is too long, or there is no number that could be added to.
pub fn increment(key: &str, by: i64, ttl: Option<Duration>) -> Result<i64, String> {
    host::kv::increment(key, by, milliseconds(ttl))
}

fn milliseconds(ttl: Option<Duration>) -> Option<u64> {
    ttl.map(|ttl| u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX))
}
