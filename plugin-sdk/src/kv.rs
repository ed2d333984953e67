//! Keys and values in the gateway's memory, shared by all workers and all uses of the plugin. It is a
//! cache: bounded to 64 MiB for all plugins, 64 KiB per value and 1 KiB per key, and what was not used
//! for the longest time makes room.
//!
//! ```
//! use std::time::Duration;
//! use tidegate_sdk::prelude::*;
//! use tidegate_sdk::testing::{Exchange, Hook};
//!
//! fn keys() -> Result<Vec<u8>> {
//!     if let Some(keys) = kv::get("keys")? {
//!         return Ok(keys);
//!     }
//!     let keys = http::get("https://idp.example.com/keys").send()?.body;
//!     kv::set("keys", &keys, Some(Duration::from_secs(300)))?;
//!     Ok(keys)
//! }
//!
//! let told = Hook(|_: &mut Request| -> Result { Ok(Flow::reply(200).body(keys()?)) });
//! let mut exchange = Exchange::get("/").server("GET https://idp.example.com/keys", 200, "[]");
//! assert_eq!(exchange.request(&told).reply().text(), "[]");
//! assert_eq!(exchange.request(&told).reply().text(), "[]");
//! assert_eq!(exchange.asked().len(), 1);
//! ```

use std::time::Duration;

use crate::host;

/// The value of `key`.
///
/// ```
/// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
/// let blocked = Hook(|_: &mut Request| -> Result {
///     let address = exchange::client_ip().to_string();
///     Ok(if kv::get(&format!("blocked:{address}"))?.is_some() { Flow::reply(403).empty() } else { Flow::Next })
/// });
/// assert_eq!(Exchange::get("/").request(&blocked), Outcome::Next);
/// ```
///
/// # Errors
/// The key is too long.
pub fn get(key: &str) -> Result<Option<Vec<u8>>, String> {
    host::kv::get(key)
}

/// Keeps `value` under `key`, for `ttl` if that is given.
///
/// ```
/// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook}};
/// use std::time::Duration;
///
/// let remember = Hook(|request: &mut Request| -> Result {
///     match kv::get("greeting")? {
///         Some(greeting) => Ok(Flow::reply(200).body(greeting)),
///         None => {
///             kv::set("greeting", request.query().unwrap_or_default(), Some(Duration::from_secs(60)))?;
///             Ok(Flow::reply(201).empty())
///         }
///     }
/// });
/// let mut exchange = Exchange::get("/?hello");
/// assert_eq!(exchange.request(&remember).reply().status, 201);
/// assert_eq!(exchange.request(&remember).reply().text(), "hello");
/// ```
///
/// # Errors
/// Key or value are too long.
pub fn set(key: &str, value: impl AsRef<[u8]>, ttl: Option<Duration>) -> Result<(), String> {
    host::kv::set(key, value.as_ref(), milliseconds(ttl))
}

/// Keeps `value` if the present one is `expected` (`None`: if there is none), and says whether it was.
///
/// ```
/// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook}};
/// use std::time::Duration;
///
/// // Of all who come at the same time, one refreshes.
/// let refresh = Hook(|_: &mut Request| -> Result {
///     let mine = kv::compare_and_set("refreshing", None, exchange::id(), Some(Duration::from_secs(5)))?;
///     Ok(Flow::reply(200).body(if mine { "refreshes" } else { "goes on with what is there" }))
/// });
/// let mut exchange = Exchange::get("/");
/// assert_eq!(exchange.request(&refresh).reply().text(), "refreshes");
/// assert_eq!(exchange.request(&refresh).reply().text(), "goes on with what is there");
/// ```
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
/// ```
/// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook}};
/// let purge = Hook(|request: &mut Request| -> Result {
///     let was_there = kv::delete(&request.path())?;
///     Ok(Flow::reply(if was_there { 204 } else { 404 }).empty())
/// });
/// let keep = Hook(|request: &mut Request| -> Result {
///     kv::set(&request.path(), "cached", None)?;
///     Ok(Flow::Next)
/// });
/// let mut exchange = Exchange::new("PURGE", "/a");
/// assert_eq!(exchange.request(&purge).reply().status, 404);
/// assert_eq!(exchange.request(&keep), tidegate_sdk::testing::Outcome::Next);
/// assert_eq!(exchange.request(&purge).reply().status, 204);
/// ```
///
/// # Errors
/// The key is too long.
pub fn delete(key: &str) -> Result<bool, String> {
    host::kv::delete(key)
}

/// Adds to the number under `key`, which is 0 if it is not there, and says what it is then. Only a
/// number that begins here gets `ttl`.
///
/// ```
/// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook}};
/// use std::time::Duration;
///
/// let lock_out = Hook(|_: &mut Request| -> Result {
///     let failures = kv::increment("failures:alice", 1, Some(Duration::from_secs(900)))?;
///     Ok(Flow::reply(if failures > 2 { 429 } else { 401 }).empty())
/// });
/// let mut exchange = Exchange::get("/login");
/// let statuses = [(); 3].map(|()| exchange.request(&lock_out).reply().status);
/// assert_eq!(statuses, [401, 401, 429]);
/// ```
///
/// # Errors
/// The key is too long, or there is no number that could be added to.
pub fn increment(key: &str, by: i64, ttl: Option<Duration>) -> Result<i64, String> {
    host::kv::increment(key, by, milliseconds(ttl))
}

fn milliseconds(ttl: Option<Duration>) -> Option<u64> {
    ttl.map(|ttl| u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX))
}
