//! The contract in `wit/0.1`, as generated code: what the gateway offers, once, in [`imports`],
//! and one module for each world that a plugin may export. These share the types of `imports`, and
//! their export macros are called by [`export!`](crate::export!) alone, so that a component has
//! just the hooks its plugin names. Compiled natively too, where it only lends its types.
#![allow(missing_docs, reason = "the documentation is in the WIT files")]
#![allow(unreachable_pub, reason = "the generator makes everything public")]

pub mod imports {
    wit_bindgen::generate!({
        path: "../wit/0.1",
        world: "imports",
    });
}

/// One world with an export; what it imports is already there.
macro_rules! exporting_world {
    ($module:ident, $world:literal, $bindings:literal, $export_macro:literal) => {
        pub mod $module {
            wit_bindgen::generate!({
                path: "../wit/0.1",
                world: $world,
                with: {
                    "tidegate:plugin/types@0.1.0": crate::bindings::imports::tidegate::plugin::types,
                    "tidegate:plugin/request@0.1.0": crate::bindings::imports::tidegate::plugin::request,
                    "tidegate:plugin/response@0.1.0": crate::bindings::imports::tidegate::plugin::response,
                    "tidegate:plugin/client@0.1.0": crate::bindings::imports::tidegate::plugin::client,
                    "tidegate:plugin/exchange@0.1.0": crate::bindings::imports::tidegate::plugin::exchange,
                    "tidegate:plugin/ready-edits@0.1.0": crate::bindings::imports::tidegate::plugin::ready_edits,
                    "tidegate:plugin/decision@0.1.0": crate::bindings::imports::tidegate::plugin::decision,
                    "tidegate:plugin/identity@0.1.0": crate::bindings::imports::tidegate::plugin::identity,
                    "tidegate:plugin/log@0.1.0": crate::bindings::imports::tidegate::plugin::log,
                    "tidegate:plugin/counters@0.1.0": crate::bindings::imports::tidegate::plugin::counters,
                    "tidegate:plugin/places@0.1.0": crate::bindings::imports::tidegate::plugin::places,
                    "tidegate:plugin/kv@0.1.0": crate::bindings::imports::tidegate::plugin::kv,
                    "tidegate:plugin/crypto@0.1.0": crate::bindings::imports::tidegate::plugin::crypto,
                    "tidegate:plugin/metrics@0.1.0": crate::bindings::imports::tidegate::plugin::metrics,
                    "tidegate:plugin/passwords@0.1.0": crate::bindings::imports::tidegate::plugin::passwords,
                    "tidegate:plugin/secrets@0.1.0": crate::bindings::imports::tidegate::plugin::secrets,
                    "tidegate:plugin/sink@0.1.0": crate::bindings::imports::tidegate::plugin::sink,
                    "tidegate:plugin/http-client@0.1.0": crate::bindings::imports::tidegate::plugin::http_client,
                },
                default_bindings_module: $bindings,
                pub_export_macro: true,
                export_macro_name: $export_macro,
            });
        }
    };
}

exporting_world!(plugin, "plugin", "::tidegate_sdk::__private::bindings::plugin", "export_plugin");
exporting_world!(on_request, "on-request", "::tidegate_sdk::__private::bindings::on_request", "export_on_request");
exporting_world!(
    on_request_body,
    "on-request-body",
    "::tidegate_sdk::__private::bindings::on_request_body",
    "export_on_request_body"
);
exporting_world!(on_response, "on-response", "::tidegate_sdk::__private::bindings::on_response", "export_on_response");
exporting_world!(
    on_response_body,
    "on-response-body",
    "::tidegate_sdk::__private::bindings::on_response_body",
    "export_on_response_body"
);
exporting_world!(on_log, "on-log", "::tidegate_sdk::__private::bindings::on_log", "export_on_log");
exporting_world!(on_timer, "on-timer", "::tidegate_sdk::__private::bindings::on_timer", "export_on_timer");
