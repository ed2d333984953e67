//! Secrets of the gateway's configuration, as far as the use of the plugin is granted them.
//!
//! ```toml
//! [secrets]
//! signing-key = "env:SIGNING_KEY"
//!
//! [[plugins]]
//! use = "signer"
//! grants = { secrets = ["signing-key"] }
//! ```

use crate::host;

/// The secret of this name; `None` if there is none, or this use is not granted it. To be had in
/// hooks and while the config is validated (under test, by
/// [`Exchange::configure`](crate::testing::Exchange::configure)).
///
/// ```
/// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
/// let internal = Hook(|request: &mut Request| -> Result {
///     let token = secrets::get("internal-token").ok_or("the use has no grants.secrets = [\"internal-token\"]")?;
///     request.set_header("x-internal-token", token);
///     Ok(Flow::Next)
/// });
/// let mut exchange = Exchange::get("/").secret("internal-token", "s3cret");
/// assert_eq!(exchange.request(&internal), Outcome::Next);
/// assert_eq!(exchange.upstream_headers().first("x-internal-token"), Some("s3cret"));
/// ```
pub fn get(name: &str) -> Option<Vec<u8>> {
    host::secrets::get(name)
}
