//! What runs where there is no exchange: the config's way into a plugin, and timer hooks.

use super::state::Call;
use super::{Exchange, host};
use crate::{Config, TimerHook, config, hook};

/// The config's way into a plugin: parsed and validated as the gateway's `configure` does. (The
/// gateway has checked it against the schema by then.)
///
/// ```
/// use tidegate_sdk::prelude::*;
/// use tidegate_sdk::testing;
///
/// #[derive(Config, Debug)]
/// struct Settings {
///     #[config(default = 60)]
///     seconds: u64,
/// }
///
/// assert_eq!(testing::configure::<Settings>(json!({}))?.seconds, 60);
/// let refused = testing::configure::<Settings>(json!({ "seconds": -1 }));
/// assert!(refused.unwrap_err().starts_with("invalid value: integer `-1`"));
/// # Ok::<(), String>(())
/// ```
///
/// No secret is granted here: see [`Exchange::configure`].
///
/// # Errors
/// Why the plugin refuses it.
pub fn configure<C: Config>(settings: serde_json::Value) -> Result<C, String> {
    alone(|exchange| exchange.configure(settings))
}

/// The schema that the plugin describes its config by.
///
/// ```
/// use tidegate_sdk::prelude::*;
/// use tidegate_sdk::testing;
///
/// #[derive(Config)]
/// struct Settings {
///     /// How long an answer is kept, in seconds.
///     #[schemars(range(min = 1))]
///     seconds: u64,
/// }
///
/// let schema = testing::schema::<Settings>();
/// assert_eq!(schema["required"], json!(["seconds"]));
/// assert_eq!(schema["properties"]["seconds"]["minimum"], 1);
/// ```
///
/// # Panics
/// If it cannot be written as JSON.
pub fn schema<C: Config>() -> serde_json::Value {
    config::schema::<C>().parse().expect("a schema is JSON")
}

/// Runs the timer hook, where there is no exchange.
///
/// ```
/// use tidegate_sdk::prelude::*;
/// use tidegate_sdk::testing;
///
/// #[derive(Config)]
/// struct Heartbeat;
///
/// impl TimerHook for Heartbeat {
///     fn on_timer(&self) -> Result<()> {
///         log::info!("still here");
///         Ok(())
///     }
/// }
///
/// assert_eq!(testing::timer(&Heartbeat), Ok(()));
/// ```
///
/// Nothing is granted here, and what it keeps is lost: see [`Exchange::timer`].
///
/// # Errors
/// Why it failed.
pub fn timer(plugin: &impl TimerHook) -> Result<(), String> {
    alone(|exchange| exchange.timer(plugin))
}

/// With a gateway of its own, whose log nobody can ask for.
fn alone<T>(run: impl FnOnce(&mut Exchange) -> T) -> T {
    let mut exchange = Exchange::get("/");
    let outcome = run(&mut exchange);
    for (level, line) in exchange.log() {
        eprintln!("{level:?}: {line}");
    }
    outcome
}

impl Exchange {
    /// [`configure`], with the secrets that are granted here and with what `kv` has. As on the
    /// gateway, there is no exchange yet, no other server can be asked, and nothing is counted or
    /// delivered: whoever tries panics.
    ///
    /// ```
    /// use tidegate_sdk::prelude::*;
    /// use tidegate_sdk::testing::Exchange;
    ///
    /// #[derive(Config, Debug)]
    /// #[config(validate = Signer::check)]
    /// struct Signer {
    ///     /// The secret that answers are signed with.
    ///     key: String,
    /// }
    ///
    /// impl Signer {
    ///     fn check(&self) -> Result<(), String> {
    ///         secrets::get(&self.key).map(|_| ()).ok_or_else(|| format!("the secret `{}` is not granted", self.key))
    ///     }
    /// }
    ///
    /// let mut exchange = Exchange::get("/").secret("signing-key", "s3cret");
    /// assert!(exchange.configure::<Signer>(json!({ "key": "signing-key" })).is_ok());
    /// let refused = exchange.configure::<Signer>(json!({ "key": "other" }));
    /// assert_eq!(refused.unwrap_err(), "the secret `other` is not granted");
    /// ```
    ///
    /// # Errors
    /// Why the plugin refuses it.
    #[expect(clippy::needless_pass_by_value, reason = "called with json!, which makes a value")]
    pub fn configure<C: Config>(&mut self, settings: serde_json::Value) -> Result<C, String> {
        host::lend(&mut self.state, Call::Load, || config::parse(&settings.to_string()))
    }

    /// Runs the timer hook with the servers, secrets, sinks, counters, keys and values that are
    /// here. There is no exchange for it: whoever asks for one panics.
    ///
    /// ```
    /// use tidegate_sdk::prelude::*;
    /// use tidegate_sdk::testing::{Exchange, Hook};
    ///
    /// #[derive(Config)]
    /// struct Prices {
    ///     url: String,
    /// }
    ///
    /// impl TimerHook for Prices {
    ///     fn on_timer(&self) -> Result<()> {
    ///         Ok(kv::set("prices", http::get(&self.url).send()?.body, None)?)
    ///     }
    /// }
    ///
    /// let told = Hook(|_: &mut Request| -> Result {
    ///     Ok(Flow::reply(200).body(kv::get("prices")?.unwrap_or_default()))
    /// });
    /// let mut exchange = Exchange::get("/").server("GET http://shop.internal/prices", 200, "tea: 3");
    /// assert_eq!(exchange.timer(&Prices { url: "http://shop.internal/prices".to_owned() }), Ok(()));
    /// assert_eq!(exchange.request(&told).reply().text(), "tea: 3");
    /// ```
    ///
    /// # Errors
    /// Why it failed.
    pub fn timer(&mut self, plugin: &impl TimerHook) -> Result<(), String> {
        host::lend(&mut self.state, Call::Timer, || hook::run_on_timer(plugin))
    }
}
