//! From a type with hooks to a component: [`export!`](crate::export!), and what it expands to.

use std::cell::Cell;
use std::panic::PanicHookInfo;
use std::thread::LocalKey;

use crate::bindings::plugin::exports::tidegate::plugin::lifecycle;
use crate::bindings::{on_request, on_response};
use crate::hook::Decision;
use crate::{Config, IntoFlow, RequestHook, ResponseHook, config, log};

/// Makes a type the plugin of its crate, with exactly the hooks that are named.
///
/// ```
/// # use tidegate_sdk::prelude::*;
/// # #[derive(Config)]
/// # struct Settings;
/// # impl RequestHook for Settings {
/// #     fn on_request(&self, _: &mut Request) -> Flow { Flow::Next }
/// # }
/// # impl ResponseHook for Settings {
/// #     fn on_response(&self, _: &mut Response, _: &Request) -> Flow { Flow::Next }
/// # }
/// export!(Settings: RequestHook, ResponseHook, priority = 1250);
/// # fn main() {}
/// ```
///
/// `priority` says where the plugin stands in a chain unless a configuration says otherwise: a
/// higher number runs earlier on requests and later on responses; 1000 if it is left out. `name` and
/// `version` are the crate's unless they are given the same way.
///
/// Natively, where a plugin is only tested, this checks that the type has what is named.
#[macro_export]
macro_rules! export {
    ($config:ty: $($rest:tt)+) => {
        $crate::__export!($config, [] [] $($rest)+);
    };
}

/// Sorts hooks from `key = value` pairs, then expands to what makes a plugin.
#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    ($config:ty, [$($hook:ident)*] [$($said:tt)*] $key:ident = $value:expr $(, $($rest:tt)*)?) => {
        $crate::__export!($config, [$($hook)*] [$($said)* $key: $value,] $($($rest)*)?);
    };
    ($config:ty, [$($hook:ident)*] [$($said:tt)*] $next:ident $(, $($rest:tt)*)?) => {
        $crate::__export!($config, [$($hook)* $next] [$($said)*] $($($rest)*)?);
    };
    ($config:ty, [$($hook:ident)+] [$($said:tt)*]) => {
        const _: () = {
            struct __Plugin;

            impl $crate::__private::Exported for __Plugin {
                type Config = $config;

                fn description() -> $crate::__private::Description {
                    #[allow(clippy::needless_update, reason = "a plugin may set every field")]
                    $crate::__private::Description {
                        $($said)*
                        ..$crate::__private::Description::of_crate(
                            ::core::env!("CARGO_PKG_NAME"),
                            ::core::env!("CARGO_PKG_VERSION"),
                        )
                    }
                }

                fn activation(config: &$config) -> $crate::__private::Activation {
                    let mut activation = $crate::__private::Activation { on_request: false, on_response: false };
                    $($crate::__hook!(activate $hook, config, activation);)+
                    activation
                }

                fn settings() -> &'static $crate::__private::Settings<$config> {
                    ::std::thread_local! {
                        static SETTINGS: ::core::cell::Cell<::core::option::Option<&'static $config>> =
                            const { ::core::cell::Cell::new(::core::option::Option::None) };
                    }
                    &SETTINGS
                }
            }

            // Natively nobody calls the plugin, but it is not dead code.
            const _: () = $crate::__private::is_plugin::<__Plugin>();

            #[cfg(target_family = "wasm")]
            $crate::__private::bindings::plugin::export_plugin!(
                __Plugin with_types_in $crate::__private::bindings::plugin
            );
            $($crate::__hook!(export $hook, $config);)+
        };
    };
    ($config:ty, [] [$($said:tt)*]) => {
        ::core::compile_error!("name at least one hook: export!(Settings: RequestHook)");
    };
}

/// What differs from hook to hook.
#[doc(hidden)]
#[macro_export]
macro_rules! __hook {
    (activate RequestHook, $config:ident, $activation:ident) => {
        $activation.on_request = $crate::__private::request_hook_needed($config);
    };
    (activate ResponseHook, $config:ident, $activation:ident) => {
        $activation.on_response = $crate::__private::response_hook_needed($config);
    };
    (export RequestHook, $config:ty) => {
        impl $crate::__private::OnRequest for __Plugin {
            fn on_request(config: &$config) -> ::core::result::Result<
                $crate::__private::bindings::imports::tidegate::plugin::types::Flow,
                ::std::string::String,
            > {
                $crate::__private::run_on_request(config)
            }
        }
        #[cfg(target_family = "wasm")]
        $crate::__private::bindings::on_request::export_on_request!(
            __Plugin with_types_in $crate::__private::bindings::on_request
        );
    };
    (export ResponseHook, $config:ty) => {
        impl $crate::__private::OnResponse for __Plugin {
            fn on_response(config: &$config) -> ::core::result::Result<
                $crate::__private::bindings::imports::tidegate::plugin::types::Flow,
                ::std::string::String,
            > {
                $crate::__private::run_on_response(config)
            }
        }
        #[cfg(target_family = "wasm")]
        $crate::__private::bindings::on_response::export_on_response!(
            __Plugin with_types_in $crate::__private::bindings::on_response
        );
    };
    (activate $unknown:ident, $config:ident, $activation:ident) => {
        ::core::compile_error!(::core::concat!(
            "there is no hook `",
            ::core::stringify!($unknown),
            "`: the hooks are RequestHook and ResponseHook"
        ));
    };
    (export $unknown:ident, $config:ty) => {};
}

/// A plugin, put together by [`export!`](crate::export!).
pub trait Exported: 'static {
    /// The type with the hooks.
    type Config: Config;
    /// Who it is.
    fn description() -> Description;
    /// Which of the hooks named this config needs.
    fn activation(config: &Self::Config) -> Activation;
    /// Where the instance keeps its config.
    fn settings() -> &'static Settings<Self::Config>;
}

/// Compiles if `P` is a plugin.
pub const fn is_plugin<P: Exported>() {}

/// An exported plugin with a request hook.
pub trait OnRequest: Exported {
    /// Run it.
    ///
    /// # Errors
    /// The hook failed.
    fn on_request(config: &Self::Config) -> Decision;
}

/// An exported plugin with a response hook.
pub trait OnResponse: Exported {
    /// Run it.
    ///
    /// # Errors
    /// The hook failed.
    fn on_response(config: &Self::Config) -> Decision;
}

/// The config that an instance was given. An instance that is configured again drops the reference
/// and keeps the memory: it happens a few times in a life, if at all.
pub type Settings<C> = LocalKey<Cell<Option<&'static C>>>;

pub use lifecycle::Activation;

/// What a plugin says about itself, but for the schema.
pub struct Description {
    /// As logs show it.
    pub name: &'static str,
    /// The plugin's own.
    pub version: &'static str,
    /// Higher runs earlier on requests.
    pub priority: i32,
}

impl Description {
    /// What a plugin is unless it says otherwise.
    pub const fn of_crate(name: &'static str, version: &'static str) -> Self {
        Self { name, version, priority: 1000 }
    }
}

/// [`RequestHook::needed`], whatever the hook returns.
pub fn request_hook_needed<Returned: IntoFlow>(hook: &impl RequestHook<Returned>) -> bool {
    hook.needed()
}

/// [`ResponseHook::needed`], whatever the hook returns.
pub fn response_hook_needed<Returned: IntoFlow>(hook: &impl ResponseHook<Returned>) -> bool {
    hook.needed()
}

impl<P: Exported> lifecycle::Guest for P {
    fn describe() -> lifecycle::Description {
        let Description { name, version, priority } = P::description();
        lifecycle::Description {
            name: name.to_owned(),
            version: version.to_owned(),
            config_schema: config::schema::<P::Config>(),
            priority,
        }
    }

    fn configure(json: String) -> Result<Activation, String> {
        std::panic::set_hook(Box::new(log_panic));
        let config = config::parse::<P::Config>(&json)?;
        let activation = P::activation(&config);
        P::settings().set(Some(Box::leak(Box::new(config))));
        Ok(activation)
    }
}

impl<P: OnRequest> on_request::exports::tidegate::plugin::request_hook::Guest for P {
    fn on_request() -> Decision {
        configured::<P>().and_then(P::on_request)
    }
}

impl<P: OnResponse> on_response::exports::tidegate::plugin::response_hook::Guest for P {
    fn on_response() -> Decision {
        configured::<P>().and_then(P::on_response)
    }
}

fn configured<P: Exported>() -> Result<&'static P::Config, String> {
    P::settings().get().ok_or_else(|| "a hook was called before `configure`".to_owned())
}

/// A panic ends the instance by a trap that says nothing, so say it before.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let message = panic.payload_as_str().unwrap_or("(no message)");
    match panic.location() {
        Some(location) => log::error!("panicked at {location}: {message}"),
        None => log::error!("panicked: {message}"),
    }
}
