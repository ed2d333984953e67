//! Places that exchanges hold while they are under way: so many at a time under a key, by all workers
//! of the gateway together. Each use of a plugin in each scope has keys of its own, of up to 1 KiB.
//!
//! The gateway takes a place back when its exchange is over, whatever has ended it: the last byte of
//! the answer, a failure, a client that went away, the end of a WebSocket. Then it goes to whoever has
//! waited for the longest time. Places are taken in request hooks only.

use std::time::Duration;

use crate::{Flow, Reply, host};

/// Takes one of `max` places under `key` for this exchange, unless they are taken or others wait for
/// them; whether it was to be had.
///
/// ```
/// use tidegate_sdk::places;
/// use tidegate_sdk::prelude::*;
/// use tidegate_sdk::testing::{self, Exchange, Outcome};
///
/// #[derive(Config)]
/// struct AtATime {
///     max: u32,
/// }
///
/// impl RequestHook<Result> for AtATime {
///     fn on_request(&self, _: &mut Request) -> Result {
///         let client = exchange::client_ip().to_string();
///         Ok(if places::take(&client, self.max)? { Flow::Next } else { Flow::reply(429).empty() })
///     }
/// }
///
/// export!(AtATime: RequestHook);
///
/// # fn main() {
/// let plugin: AtATime = testing::configure(json!({ "max": 5 })).unwrap();
/// assert_eq!(Exchange::get("/").others_hold("192.0.2.1", 4).request(&plugin), Outcome::Next);
/// assert_eq!(Exchange::get("/").others_hold("192.0.2.1", 5).request(&plugin).reply().status, 429);
/// # }
/// ```
///
/// # Errors
/// The key is too long, or the exchange holds 16 places already.
pub fn take(key: &str, max: u32) -> Result<bool, String> {
    host::places::take(key, max)
}

/// A place that is worth waiting for.
///
/// ```
/// use std::time::Duration;
/// use tidegate_sdk::places::Wanted;
///
/// let patient = Wanted { max: 10, queue: 100, wait: Duration::from_secs(5) };
/// let hasty = Wanted { wait: Duration::from_millis(100), ..patient };
/// assert_eq!((hasty.max, hasty.queue), (10, 100));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// How many places there are.
    pub max: u32,
    /// Exchanges that may wait for one; up to 10,000.
    pub queue: u32,
    /// How long each of them may; up to ten minutes.
    pub wait: Duration,
}

/// Takes a place under `key` for this exchange, or else has it wait for one: once the hook is done, if
/// it decides [`Flow::Next`]. If that was in vain, `otherwise` becomes of it. False if as many wait
/// already as may.
///
/// Nothing of the plugin is occupied meanwhile; it serves others.
///
/// ```
/// use std::time::Duration;
/// use tidegate_sdk::places::{self, Wanted};
/// use tidegate_sdk::prelude::*;
/// use tidegate_sdk::testing::{Exchange, Hook, Outcome};
///
/// let busy = || Flow::reply(503).header("retry-after", "1").empty();
/// let one_by_one = Hook(move |_: &mut Request| -> Result {
///     let wanted = Wanted { max: 1, queue: 10, wait: Duration::from_secs(2) };
///     Ok(if places::wait("all", wanted, busy())? { Flow::Next } else { busy() })
/// });
/// assert_eq!(Exchange::get("/").request(&one_by_one), Outcome::Next);
/// // Here, others keep their places.
/// assert_eq!(Exchange::get("/").others_hold("all", 1).request(&one_by_one).reply().status, 503);
/// ```
///
/// # Errors
/// As for [`take`]; `wanted` or `otherwise` is out of bounds; or the exchange waits for a place already.
pub fn wait(key: &str, wanted: Wanted, otherwise: Flow) -> Result<bool, String> {
    let Wanted { max, queue, wait } = wanted;
    let milliseconds = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    let otherwise = match otherwise {
        Flow::Next => None,
        Flow::Reply(Reply(reply)) => Some(reply),
    };
    host::places::wait(key, max, queue, milliseconds, otherwise.as_ref())
}
