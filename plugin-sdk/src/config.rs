//! A plugin's config: JSON in, the plugin's own type out, and the schema that explains both.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::de::DeserializeOwned;

/// `#[derive(Config)]`: makes a type the [`Config`](trait@Config) of a plugin.
///
/// ```
/// use tidegate_sdk::prelude::*;
/// use tidegate_sdk::testing;
///
/// #[derive(Config, Debug)]
/// struct Settings {
///     /// Header that says whose request it is.
///     header: HeaderName,
///     /// How many requests each of them has.
///     #[config(default = 60)]
///     max: u64,
/// }
///
/// let settings: Settings = testing::configure(json!({ "header": "X-Tenant" }))?;
/// assert_eq!((settings.header.as_str(), settings.max), ("x-tenant", 60));
/// let unknown = testing::configure::<Settings>(json!({ "header": "X-Tenant", "maximum": 5 }));
/// assert!(unknown.unwrap_err().starts_with("unknown field `maximum`"));
/// let described = &testing::schema::<Settings>()["properties"]["header"]["description"];
/// assert_eq!(described, "Header that says whose request it is.");
/// # Ok::<(), String>(())
/// ```
pub use tidegate_sdk_macros::Config;

/// The settings of a plugin: `#[derive(Config)]` on a struct with named fields, on a unit struct if
/// there is nothing to set, or on an enum.
///
/// A setting is of any type that has this derive, of a type of the standard library that serde and
/// schemars know, a [`HeaderName`](crate::HeaderName), or a [`Period`](crate::Period). Doc comments become descriptions in the
/// schema. Unknown settings are refused.
///
/// ```
/// use tidegate_sdk::prelude::*;
///
/// #[derive(Config)]
/// #[config(validate = Settings::check)]
/// struct Settings {
///     /// Header that carries the token.
///     header: HeaderName,
///     /// Fewest characters of a token.
///     #[config(default = 16)]
///     #[schemars(range(min = 1))]
///     shortest: u32,
///     /// Most characters of a token.
///     longest: Option<u32>,
///     /// What to do with a token that is too long.
///     #[config(default = Excess::Refuse)]
///     excess: Excess,
/// }
///
/// #[derive(Config)]
/// #[serde(rename_all = "kebab-case")]
/// enum Excess {
///     Refuse,
///     CutOff,
/// }
///
/// impl Settings {
///     fn check(&self) -> Result<(), &'static str> {
///         match self.longest {
///             Some(longest) if longest < self.shortest => Err("`longest` is less than `shortest`"),
///             _ => Ok(()),
///         }
///     }
/// }
///
/// use tidegate_sdk::testing::configure;
///
/// let settings: Settings = configure(json!({ "header": "X-Token" }))?;
/// assert_eq!(settings.shortest, 16);
/// let error = configure::<Settings>(json!({ "header": "X-Token", "longest": 8 })).err();
/// assert_eq!(error.as_deref(), Some("`longest` is less than `shortest`"));
/// # Ok::<(), String>(())
/// ```
///
/// # A sink of its own
/// A plugin whose settings say where records go needs no `grants.sinks`: `#[config(sink(…))]` says, key by
/// key, which sink a use's settings make up, as the operator would list it under `[[sinks]]`. Within a
/// value, `{setting}` is what the setting of this name is, and `{table.setting}` one in a table;
/// `{setting*1000}` is a number in another unit. A value that is nothing but one setting has its type. A
/// key whose settings are left out and have no default is left out, too; of several values in a list, the
/// first counts whose settings are there: `address = ["unix:{socket}", "{host}:{port}"]`. The gateway checks
/// the sink as it checks those of `[[sinks]]`, shares it among uses that ask for the same, and gives it to
/// the use as [`sink::OWN`](crate::sink::OWN). `instead` names the setting by which a use can name one of
/// `[[sinks]]` in its place.
///
/// ```
/// use tidegate_sdk::prelude::*;
/// use tidegate_sdk::testing::{self, Exchange};
///
/// #[derive(Config)]
/// #[config(sink(
///     instead = "sink",
///     kind = "tcp",
///     address = "{host}:{port}",
///     timeout = "{timeout}ms",
///     batch(max_records = 100)
/// ))]
/// struct Settings {
///     /// Who takes the lines.
///     host: Option<String>,
///     /// At which port.
///     #[config(default = 5140)]
///     port: u16,
///     /// Milliseconds to connect, and for more to be taken.
///     #[config(default = 10_000)]
///     timeout: u32,
///     /// One of the gateway's sinks that takes the lines instead.
///     sink: Option<String>,
/// }
///
/// impl LogHook for Settings {
///     fn on_log(&self, ended: &Ended, _: &Response, request: &Request) {
///         if let Err(error) = sink::emit(sink::OWN, format!("{} {}", request.path(), ended.status)) {
///             log::debug!("{error}");
///         }
///     }
/// }
///
/// export!(Settings: LogHook);
///
/// # fn main() -> Result<(), String> {
/// let settings: Settings = testing::configure(json!({ "host": "logs.internal" }))?;
/// let mut exchange = Exchange::get("/a").sink(sink::OWN);
/// exchange.over(&settings, testing::ended(200));
/// assert_eq!(exchange.delivered(sink::OWN), [b"/a 200"]);
/// assert_eq!(testing::schema::<Settings>()["x-sink"]["definition"]["address"], "{host}:{port}");
/// # Ok(())
/// # }
/// ```
#[diagnostic::on_unimplemented(message = "`{Self}` is no config", note = "give it `#[derive(Config)]`")]
pub trait Config: DeserializeOwned + JsonSchema + 'static {
    /// Refuses what a schema cannot express: `#[config(validate = PATH)]`.
    ///
    /// # Errors
    /// What is wrong, for whoever wrote the config.
    fn validate(&self) -> Result<(), String> {
        Ok(())
    }
}

/// From what the gateway hands over to the plugin's type.
pub(crate) fn parse<C: Config>(json: &str) -> Result<C, String> {
    let config: C = serde_json::from_str(json).map_err(|error| error.to_string())?;
    config.validate()?;
    Ok(config)
}

/// The JSON Schema (draft 2020-12), as text.
pub(crate) fn schema<C: Config>() -> String {
    SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<C>().as_value().to_string()
}

#[cfg(test)]
mod tests;
