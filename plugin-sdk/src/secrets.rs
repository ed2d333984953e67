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
/// hooks and while the config is validated.
///
/// ```
/// # use tidegate_sdk::prelude::*;
/// # struct Signer;
/// impl RequestHook<Result> for Signer {
///     fn on_request(&self, request: &mut Request) -> Result {
///         let key = secrets::get("signing-key").ok_or("it needs grants = { secrets = [\"signing-key\"] }")?;
///         # let _ = key;
///         Ok(Flow::Next)
///     }
/// }
/// ```
pub fn get(name: &str) -> Option<Vec<u8>> {
    host::secrets::get(name)
}
