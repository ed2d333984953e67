use tidegate_sdk::testing::{self, Exchange, Headers, Outcome};

use super::*;

fn configured(config: serde_json::Value) -> Limiter {
    testing::configure(config).unwrap()
}

/// The headers of the answer to one more request, which goes on.
#[track_caller]
fn passes(plugin: &Limiter, exchange: &mut Exchange) -> Headers {
    assert_eq!(exchange.request(plugin), Outcome::Next);
    exchange.client_headers()
}

#[test]
fn exactly_as_many_pass_as_may_and_each_is_told_how_many_are_left() {
    let plugin = configured(json!({ "minute": 3 }));
    let mut exchange = Exchange::get("/");
    for left in ["2", "1", "0"] {
        let headers = passes(&plugin, &mut exchange);
        assert_eq!(headers.first("ratelimit-remaining"), Some(left));
        assert_eq!(headers.first("ratelimit-reset"), Some("60"));
    }
    let reply = exchange.request(&plugin).reply();
    assert_eq!((reply.status, reply.json()), (429, json!({ "message": "API rate limit exceeded" })));
    assert_eq!(reply.headers.first("retry-after"), Some("60"));
    assert_eq!(
        exchange.client_headers().all("ratelimit-remaining"),
        ["0"],
        "its reply is not told as if it had passed"
    );
}

#[test]
fn the_limit_that_is_nearest_to_its_end_is_told_and_of_equals_the_longest() {
    let told = |config: serde_json::Value| {
        let headers = passes(&configured(config), &mut Exchange::get("/"));
        (headers.first("ratelimit-remaining").map(str::to_owned), headers.first("ratelimit-reset").map(str::to_owned))
    };
    assert_eq!(told(json!({ "minute": 3, "hour": 3, "day": 4 })), (Some("2".into()), Some("3600".into())));
    let longer = json!({ "limits": [{ "max": 3, "window": "2h" }, { "max": 3, "window": "1h" }] });
    assert_eq!(told(longer), (Some("2".into()), Some("7200".into())));
}

#[test]
fn whoever_is_somebody_else_has_requests_of_their_own() {
    let plugin = configured(json!({ "minute": 1, "limit_by": "header", "header_name": "x-tenant" }));
    let mut first = Exchange::get("/").header("x-tenant", "t1");
    passes(&plugin, &mut first);
    assert_eq!(first.request(&plugin).reply().status, 429);
    // Counters belong to the exchange here, so the other tenant is the same exchange's.
    let mut other = first.clone().header("host", "other").client([192, 0, 2, 2].into(), 1);
    assert_eq!(other.request(&plugin).reply().status, 429, "it is the header that counts");
    let by_address = configured(json!({ "minute": 1, "limit_by": "ip" }));
    let mut exchange = Exchange::get("/");
    passes(&by_address, &mut exchange);
    let mut elsewhere = exchange.client([192, 0, 2, 2].into(), 1);
    passes(&by_address, &mut elsewhere);
}

#[test]
fn policies_that_cannot_be_had_are_refused_with_what_to_do() {
    let configure = |policy: &str, shared: bool| {
        let mut exchange = if shared { Exchange::get("/").shared_counters() } else { Exchange::get("/") };
        exchange.configure::<Limiter>(json!({ "minute": 1, "policy": policy })).err()
    };
    assert_eq!((configure("local", false), configure("local", true), configure("redis", true)), (None, None, None));
    assert!(configure("redis", false).unwrap().contains("counts in memory"));
    assert!(configure("cluster", true).unwrap().contains("no database"));
}

#[test]
fn the_schema_describes_every_setting() {
    let schema = testing::schema::<Limiter>();
    let settings = schema["properties"].as_object().unwrap();
    assert!(settings.len() > 20, "{settings:?}");
    for (name, setting) in settings {
        assert!(setting["description"].is_string(), "{name}");
    }
    assert_eq!(settings["error_code"]["default"], 429);
}

#[test]
fn its_cases_come_out_as_expected() {
    testing::cases::<Limiter>("cases");
}
