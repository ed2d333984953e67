//! From a type with hooks to a component: [`export!`](crate::export!), and what it expands to.

use std::cell::Cell;
use std::panic::PanicHookInfo;
use std::thread::LocalKey;

use self::hooks::Wants;
use crate::bindings::plugin::exports::tidegate::plugin::lifecycle;
use crate::{Config, config, log};

pub(crate) mod hooks;

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

                fn wants(config: &$config) -> $crate::__private::Wants {
                    let mut wants = $crate::__private::Wants::default();
                    $($crate::__hook!(wants $hook, config, wants);)+
                    wants
                }

                fn settings() -> &'static $crate::__private::Settings<$config> {
                    ::std::thread_local! {
                        static SETTINGS: ::core::cell::Cell<::core::option::Option<&'static $config>> =
                            const { ::core::cell::Cell::new(::core::option::Option::None) };
                    }
                    &SETTINGS
                }
            }

            // Natively nobody calls the plugin but its tests, and it is no dead code without them.
            const _: () = $crate::__private::is_plugin::<__Plugin>();

            #[cfg(not(target_family = "wasm"))]
            impl $crate::testing::Plugin for $config {
                fn hooks() -> $crate::testing::Hooks<Self> {
                    let mut hooks = $crate::testing::Hooks::default();
                    $($crate::__hook!(test $hook, hooks);)+
                    hooks
                }
            }

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

/// What differs from hook to hook: its names.
#[doc(hidden)]
#[macro_export]
macro_rules! __hook {
    (wants RequestHook, $config:ident, $wants:ident) => {
        $crate::__private::wants_request($config, &mut $wants);
    };
    (wants RequestBodyHook, $config:ident, $wants:ident) => {
        $crate::__private::wants_request_body($config, &mut $wants);
    };
    (wants ResponseHook, $config:ident, $wants:ident) => {
        $crate::__private::wants_response($config, &mut $wants);
    };
    (wants ResponseBodyHook, $config:ident, $wants:ident) => {
        $crate::__private::wants_response_body($config, &mut $wants);
    };
    (wants LogHook, $config:ident, $wants:ident) => {
        $crate::__private::wants_log($config, &mut $wants);
    };
    (wants TimerHook, $config:ident, $wants:ident) => {
        $crate::__private::wants_timer($config, &mut $wants);
    };
    (test RequestHook, $hooks:ident) => {
        $hooks.request = ::core::option::Option::Some(|exchange, plugin| exchange.request(plugin));
    };
    (test RequestBodyHook, $hooks:ident) => {
        $hooks.request_body = ::core::option::Option::Some(|exchange, plugin, pieces| exchange.request_pieces(plugin, pieces));
    };
    (test ResponseHook, $hooks:ident) => {
        $hooks.response = ::core::option::Option::Some(|exchange, plugin| exchange.response(plugin));
    };
    (test ResponseBodyHook, $hooks:ident) => {
        $hooks.response_body = ::core::option::Option::Some(|exchange, plugin, pieces| exchange.response_pieces(plugin, pieces));
    };
    (test LogHook, $hooks:ident) => {
        $hooks.log = ::core::option::Option::Some(|exchange, plugin, ended| exchange.over(plugin, ended));
    };
    (test $other:ident, $hooks:ident) => {};
    (export RequestHook, $config:ty) => {
        $crate::__hook!(@export $config, OnRequest, on_request, export_on_request, run_on_request);
    };
    (export RequestBodyHook, $config:ty) => {
        $crate::__hook!(@export $config, OnRequestBody, on_request_body, export_on_request_body, run_on_request_body, chunk: Chunk);
    };
    (export ResponseHook, $config:ty) => {
        $crate::__hook!(@export $config, OnResponse, on_response, export_on_response, run_on_response);
    };
    (export ResponseBodyHook, $config:ty) => {
        $crate::__hook!(@export $config, OnResponseBody, on_response_body, export_on_response_body, run_on_response_body, chunk: Chunk);
    };
    (export LogHook, $config:ty) => {
        $crate::__hook!(@export $config, OnLog, on_log, export_on_log, run_on_log, ended: Outcome);
    };
    (export TimerHook, $config:ty) => {
        $crate::__hook!(@export $config, OnTimer, on_timer, export_on_timer, run_on_timer);
    };
    (@export $config:ty, $trait:ident, $hook:ident, $export:ident, $run:ident $(, $told:ident: $type:ident)?) => {
        impl $crate::__private::$trait for __Plugin {
            fn $hook(config: &$config $(, $told: $crate::__private::$type)?) -> $crate::__private::returned::$trait {
                $crate::__private::$run(config $(, $told)?)
            }
        }
        #[cfg(target_family = "wasm")]
        $crate::__private::bindings::$hook::$export!(__Plugin with_types_in $crate::__private::bindings::$hook);
    };
    (wants $unknown:ident, $config:ident, $wants:ident) => {
        ::core::compile_error!(::core::concat!(
            "there is no hook `",
            ::core::stringify!($unknown),
            "`: the hooks are RequestHook, RequestBodyHook, ResponseHook, ResponseBodyHook, LogHook and TimerHook"
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
    fn wants(config: &Self::Config) -> Wants;
    /// Where the instance keeps its config.
    fn settings() -> &'static Settings<Self::Config>;
}

/// Compiles if `P` is a plugin.
pub const fn is_plugin<P: Exported>() {}

/// The config that an instance was given. An instance that is configured again drops the reference
/// and keeps the memory: it happens a few times in a life, if at all.
pub type Settings<C> = LocalKey<Cell<Option<&'static C>>>;

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

    fn configure(json: String) -> Result<lifecycle::Activation, String> {
        std::panic::set_hook(Box::new(log_panic));
        let config = config::parse::<P::Config>(&json)?;
        let activation = P::wants(&config).activation()?;
        P::settings().set(Some(Box::leak(Box::new(config))));
        Ok(activation)
    }
}

/// A panic ends the instance by a trap that says nothing, so say it before.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let message = panic.payload_as_str().unwrap_or("(no message)");
    match panic.location() {
        Some(location) => log::error!("panicked at {location}: {message}"),
        None => log::error!("panicked: {message}"),
    }
}
