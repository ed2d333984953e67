//! The plugin chain of every route, and the uses of every consumer, as a table for people: who runs, in which order, and
//! what of it.

use std::cmp::Reverse;
use std::fmt;

use crate::config::checked::{Isolation, OnFailure};
use crate::host::activation::BodyMode;
use crate::host::chain::Chain;
use crate::host::chain::consumers::{ConsumerUses, OwnUse};
use crate::host::plugin::Plugin;
use crate::host::plugin_use::Use;
use crate::snapshot::Snapshot;

/// What the requests of each route meet, route by route as listed, and then those without a route; at last what consumers
/// have of their own.
pub struct Chains(Vec<Listed>);

struct Listed {
    /// Whose chain it is.
    heading: String,
    /// Its uses, in the order requests meet them.
    rows: Vec<Row>,
}

/// What is told of a use, column by column.
type Row = [String; 6];

const COLUMNS: [&str; 6] = ["plugin", "priority", "scope", "isolation", "on_failure", "hooks"];

impl Chains {
    /// Those of this generation.
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        let routes = snapshot.router.routes().map(|route| Listed {
            heading: format!("route {}, service {}", route.name, route.service.name),
            rows: rows(&route.chain, all),
        });
        let unrouted = Listed {
            heading: "no route: hooks of responses and logs alone".to_owned(),
            rows: rows(&snapshot.global, of_responses),
        };
        let consumers = snapshot.consumer_uses.iter().flat_map(ConsumerUses::listed).map(|listed| Listed {
            heading: format!("consumer {}: as soon as a plugin knows who it is", listed.consumer.username),
            rows: own_rows(&listed.uses),
        });
        Self(routes.chain([unrouted]).chain(consumers).collect())
    }
}

impl fmt::Display for Chains {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = COLUMNS.map(str::to_owned);
        let rows = || self.0.iter().flat_map(|listed| &listed.rows).chain([&header]);
        // One width for the whole table, so that the eye can run down a column.
        let mut widths = [0; COLUMNS.len()];
        for row in rows() {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.chars().count().max(*width);
            }
        }
        for (at, Listed { heading, rows }) in self.0.iter().enumerate() {
            let gap = if at == 0 { "" } else { "\n" };
            writeln!(f, "{gap}{heading}")?;
            if rows.is_empty() {
                writeln!(f, "  no plugins")?;
                continue;
            }
            for row in [&header].into_iter().chain(rows) {
                let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
                writeln!(f, "  {}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
            }
        }
        Ok(())
    }
}

/// The uses of `chain`, each with those of its hooks that are called.
fn rows(chain: &Chain, hooks: impl Fn(&Plugin) -> Vec<String>) -> Vec<Row> {
    let scope = |plugin_use: &Use| plugin_use.scope.name().to_owned();
    chain.uses().iter().map(|plugin_use| row(plugin_use, scope(plugin_use), &hooks(&plugin_use.plugin))).collect()
}

/// The uses that a consumer has, in the order of priority.
fn own_rows(uses: &[OwnUse]) -> Vec<Row> {
    let mut uses: Vec<_> = uses.iter().collect();
    uses.sort_by_key(|own| Reverse(own.plugin_use.priority));
    let scope = |own: &OwnUse| {
        let route = own.route.iter().map(|name| format!("route {name}"));
        let service = own.service.iter().map(|name| format!("service {name}"));
        ["consumer".to_owned()].into_iter().chain(route).chain(service).collect::<Vec<_>>().join(", ")
    };
    uses.into_iter().map(|own| row(&own.plugin_use, scope(own), &all(&own.plugin_use.plugin))).collect()
}

fn row(plugin_use: &Use, scope: String, hooks: &[String]) -> Row {
    let isolation = match plugin_use.plugin.isolation() {
        Isolation::Worker => "worker",
        Isolation::Request => "request",
    };
    let on_failure = match plugin_use.on_failure {
        OnFailure::Closed => "closed",
        OnFailure::Open => "open",
    };
    [
        plugin_use.name.to_string(),
        plugin_use.priority.to_string(),
        scope,
        isolation.to_owned(),
        on_failure.to_owned(),
        if hooks.is_empty() { "none".to_owned() } else { hooks.join(", ") },
    ]
}

/// All hooks that are called under the plugin's config.
fn all(plugin: &Plugin) -> Vec<String> {
    [of_requests(plugin), of_responses(plugin), of_timers(plugin)].into_iter().flatten().collect()
}

/// The hooks that are called for requests under the plugin's config, by the contract's names.
fn of_requests(plugin: &Plugin) -> Vec<String> {
    let activation = plugin.activation;
    of_message(("on-request", activation.on_request), ("on-request-body", activation.request_body))
}

/// Likewise for responses, and when they are over.
fn of_responses(plugin: &Plugin) -> Vec<String> {
    let activation = plugin.activation;
    let mut hooks = of_message(("on-response", activation.on_response), ("on-response-body", activation.response_body));
    hooks.extend(activation.on_log.then(|| match plugin.own_sink() {
        Some(sink) => format!("on-log (to {sink})"),
        None => "on-log".to_owned(),
    }));
    hooks
}

fn of_timers(plugin: &Plugin) -> Vec<String> {
    plugin.timer().map(|interval| format!("on-timer (every {interval:?})")).into_iter().collect()
}

fn of_message((head, called): (&str, bool), (pieces, body): (&str, BodyMode)) -> Vec<String> {
    let whole = match body {
        BodyMode::Buffered(most) => format!(" (bodies up to {most} bytes)"),
        BodyMode::None | BodyMode::Chunked => String::new(),
    };
    let head = called.then(|| format!("{head}{whole}"));
    let pieces = (body == BodyMode::Chunked).then(|| pieces.to_owned());
    head.into_iter().chain(pieces).collect()
}
