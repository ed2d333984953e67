//! Records of exchanges, for log plugins of the [Tidegate](https://github.com/tidegate/tidegate) API gateway: Kong's log
//! object, or fields of one's own choice, as JSON.
//!
//! [`settings!`] gives a plugin's settings those that all log plugins have; what they come to is a [`Records`], which
//! hands a record to the plugin's own sink.

mod fields;
mod json;
mod masking;
mod plan;
mod redaction;
mod sources;
mod template;

use std::cell::RefCell;
use std::collections::BTreeMap;

use tidegate_sdk::exchange::{self, Ended};
use tidegate_sdk::{log, sink};

pub use tidegate_mask::Rule;

use json::Out;
use masking::Masking;
use plan::Plan;
use redaction::Redaction;
use sources::About;

/// What is hidden wherever it may stand, unless the settings say otherwise: names of headers and of query parameters.
pub const REDACTED: [&str; 9] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "apikey",
    "x-api-key",
    "api_key",
    "access_token",
    "jwt",
];

/// Declares a plugin's settings, with those that all log plugins have behind its own, and `prepare`, which its
/// `validate` has to call, and `records`, what its log hook hands records over by.
///
/// ```
/// use tidegate_sdk::prelude::*;
/// use tidegate_sdk::testing::{self, Exchange};
///
/// tidegate_records::settings! {
///     /// Where records go.
///     #[config(validate = Settings::prepare, sink(instead = "sink", kind = "file", path = "{path}"))]
///     struct Settings {
///         /// The file.
///         path: Option<String>,
///         /// One of the gateway's sinks, in its place.
///         sink: Option<String>,
///     }
/// }
///
/// impl LogHook for Settings {
///     fn on_log(&self, ended: &Ended, _: &Response, _: &Request) {
///         self.records().emit(ended, b"");
///     }
/// }
///
/// # fn main() -> Result<(), String> {
/// let fields = json!({ "what": "request.uri", "how": "response.status" });
/// let plugin: Settings = testing::configure(json!({ "path": "access.log", "fields": fields }))?;
/// let mut exchange = Exchange::get("/a?apikey=s3cret").sink(sink::OWN);
/// exchange.over(&plugin, testing::ended(200));
/// assert_eq!(exchange.delivered(sink::OWN), [br#"{"how":200,"what":"/a?apikey=REDACTED"}"#]);
/// # Ok(())
/// # }
/// ```
#[macro_export]
macro_rules! settings {
    ($(#[$attribute:meta])* struct $name:ident { $($own:tt)* }) => {
        #[derive(::tidegate_sdk::Config)]
        $(#[$attribute])*
        #[allow(dead_code, reason = "what says where records go is read by the gateway")]
        struct $name {
            $($own)*
            /// What a record has, in place of all that there is: the name of each field, and what it is, like
            /// `request.method` or `response.headers.content-type`.
            fields: ::core::option::Option<::std::collections::BTreeMap<String, String>>,
            /// Fields besides: the name of each, and a text, in which `$(request.host)` is what the exchange has there. One
            /// that is nothing but that keeps its type.
            #[config(default = ::core::default::Default::default())]
            custom_fields: ::std::collections::BTreeMap<String, String>,
            /// Headers and query parameters, in any case, of which records say `REDACTED` and nothing else.
            #[config(default = $crate::REDACTED.map(::std::borrow::ToOwned::to_owned).to_vec())]
            redact: ::std::vec::Vec<String>,
            /// The share of exchanges that are recorded: 0.01 is one in a hundred. All log plugins with the same share
            /// choose the same ones.
            #[config(default = 1.0)]
            #[schemars(range(min = 0.0, max = 1.0))]
            sample: f64,
            /// What to mask in records, and how, as the plugin `mask` does it: names and paths are those of the record's
            /// fields. Where several rules are for the same value, the first one decides.
            #[config(default = ::std::vec::Vec::new())]
            #[schemars(extend("default" = []))]
            mask: ::std::vec::Vec<$crate::Rule>,
            /// The secret that `hash` uses, which the use has to be granted: `grants = { secrets = ["…"] }`.
            #[schemars(extend("x-grant" = "secrets"))]
            hash_secret: ::core::option::Option<String>,
            #[serde(skip)]
            prepared: ::std::sync::OnceLock<$crate::Records>,
        }

        impl $name {
            /// Find out what records will be, once.
            fn prepare(&self) -> ::core::result::Result<(), String> {
                let choice = $crate::Choice {
                    fields: self.fields.as_ref(),
                    custom_fields: &self.custom_fields,
                    redact: &self.redact,
                    sample: self.sample,
                    mask: &self.mask,
                    hash_secret: self.hash_secret.as_deref(),
                };
                let records = $crate::Records::new(choice)?;
                self.prepared.set(records).map_err(|_| "it has been configured before".to_owned())
            }

            fn records(&self) -> &$crate::Records {
                self.prepared.get_or_init(::core::default::Default::default)
            }
        }
    };
}

/// What settings say of records.
#[derive(Debug, Clone, Copy)]
pub struct Choice<'s> {
    /// What they have: names, and what stands there. `None`: all that there is.
    pub fields: Option<&'s BTreeMap<String, String>>,
    /// What they have besides: names and templates.
    pub custom_fields: &'s BTreeMap<String, String>,
    /// Names of headers and query parameters that are not shown.
    pub redact: &'s [String],
    /// The share of exchanges that have one, from 0 to 1.
    pub sample: f64,
    /// What is masked once a record is written, and how.
    pub mask: &'s [Rule],
    /// The name of the secret that hashes are made with.
    pub hash_secret: Option<&'s str>,
}

/// Writes records, and hands them over.
#[derive(Default)]
pub struct Records {
    plan: Plan,
    redaction: Redaction,
    sampling: Sampling,
    masking: Option<Masking>,
    /// What the last one was written to.
    out: RefCell<Out>,
}

/// Which exchanges have a record.
#[derive(Default, Clone, Copy, PartialEq)]
enum Sampling {
    #[default]
    All,
    /// Those whose id begins with a number below this.
    Below(u64),
}

impl Records {
    /// As `choice` says.
    ///
    /// # Errors
    /// It names a field that there is not, or has a rule that cannot be.
    pub fn new(choice: Choice<'_>) -> Result<Self, String> {
        let sampling = match choice.sample {
            all if all >= 1.0 => Sampling::All,
            // Rounded down, so that none are none.
            share => Sampling::Below((share * f64::from(u32::MAX)) as u64),
        };
        let plan = Plan::new(choice.fields, choice.custom_fields)?;
        let masking = Masking::new(choice.mask, choice.hash_secret)?;
        Ok(Self { plan, redaction: Redaction::new(choice.redact), sampling, masking, out: RefCell::default() })
    }

    /// Hand the current exchange's record, behind `prefix`, to the plugin's own sink, if it is to have one. What the sink
    /// does not take is lost, which the gateway counts.
    pub fn emit(&self, ended: &Ended, prefix: &[u8]) {
        if let Sampling::Below(bound) = self.sampling
            && chance(&exchange::id()) >= bound
        {
            return;
        }
        let Some(report) = exchange::report(self.plan.parts) else { return };
        let about = About { ended, report: &report, redaction: &self.redaction };
        let mut out = self.out.borrow_mut();
        out.clear();
        out.raw(prefix);
        self.plan.write(&about, &mut out);
        if let Some(masking) = &self.masking {
            match masking.masked(out.bytes().get(prefix.len()..).unwrap_or_default()) {
                Ok(None) => {}
                Ok(Some(masked)) => {
                    out.truncate(prefix.len());
                    out.raw(&masked);
                }
                Err(error) => return log::error!("a record is lost: it cannot be masked, for {error}"),
            }
        }
        if let Err(error) = sink::emit(sink::OWN, out.bytes()) {
            log::debug!("a record of {} bytes is lost: {error}", out.bytes().len());
        }
    }
}

/// The number that a request id begins with: ids are random, so it is as good as a die, and all plugins see the same.
fn chance(id: &str) -> u64 {
    id.get(..8).and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests;
