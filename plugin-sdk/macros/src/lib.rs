//! The derive macro of `tidegate-sdk`, which re-exports it: depend on that crate, not on this one.

mod config;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Makes a type the config of a plugin: `serde::Deserialize`, a JSON Schema, and `Config`.
///
/// - Unknown settings are refused.
/// - Doc comments become the schema's descriptions.
/// - `#[config(default = EXPRESSION)]` on a field: its value if the config leaves it out.
/// - `#[config(validate = PATH)]` on the type: a `fn(&Self) -> Result<(), E>` with `E: Display` that
///   refuses what a schema cannot express.
/// - `#[serde(…)]` and `#[schemars(…)]` attributes work as in those crates, but for `flatten`.
#[proc_macro_derive(Config, attributes(config, serde, schemars))]
pub fn derive_config(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    config::derive(input).unwrap_or_else(|error| error.into_compile_error()).into()
}
