//! `tidegate check --chains`: which plugins run on which route, and in which order.

use crate::harness::gateway::{Outcome, run};
use crate::harness::{built, folder};

const CONFIG: &str = r#"
plugins = [
  { use = "correlation-id" },
  { use = "hooks", config = { name = "global" }, priority = 5 },
]

[components.hooks]
path = "hooks.wasm"

[[services]]
name = "shop"
url = "http://127.0.0.1:9"
plugins = [{ use = "key-auth", on_failure = "open" }]

[[services.routes]]
name = "orders"
paths = ["/orders"]
plugins = [{ use = "hooks", isolation = "request", priority = 200000, timer = "5s", config = { log = true, whole_request = 1024, response_pieces = "pass" } }]

[[services.routes]]
name = "health"
paths = ["/health"]
"#;

fn check(config: &str, arguments: &[&str]) -> String {
    let folder = folder(config, &[("hooks.wasm", &built("guests/every-hook.wasm"))]);
    let Outcome { status, stdout, stderr } = run(folder.path(), arguments);
    assert!(status.success(), "{stderr}");
    stdout
}

#[test]
fn every_chain_is_listed_in_the_order_in_which_requests_meet_it() {
    let told = check(CONFIG, &["check", "--chains"]);
    let expected = "\
gateway.toml: ok (2 routes, 1 services, 4 plugin uses)

route orders, service shop
  plugin          priority  scope    isolation  on_failure  hooks
  hooks           200000    route    request    closed      on-request (bodies up to 1024 bytes), on-response, on-response-body, on-log, on-timer (every 5s)
  correlation-id  100001    global   worker     closed      on-request
  key-auth        1250      service  worker     open        on-request

route health, service shop
  plugin          priority  scope    isolation  on_failure  hooks
  correlation-id  100001    global   worker     closed      on-request
  key-auth        1250      service  worker     open        on-request
  hooks           5         global   worker     closed      on-request, on-response

no route: hooks of responses and logs alone
  plugin          priority  scope    isolation  on_failure  hooks
  correlation-id  100001    global   worker     closed      none
  hooks           5         global   worker     closed      on-response
";
    assert_eq!(told, expected);
}

#[test]
fn what_consumers_have_of_their_own_is_listed_by_consumer() {
    let consumers = r#"
[[consumers]]
username = "nobody-special"

[[consumers]]
username = "gold"
plugins = [
  { use = "hooks", priority = 5, route = "orders", config = { name = "gold" } },
  { use = "hooks", priority = 7, route = "orders", service = "shop" },
  { use = "correlation-id", service = "shop", isolation = "request" },
  { use = "key-auth", enabled = false },
]
"#;
    let told = check(&format!("{CONFIG}{consumers}"), &["check", "--chains"]);
    assert!(told.starts_with("gateway.toml: ok (2 routes, 1 services, 7 plugin uses)\n\nroute orders"), "{told}");
    let expected = "
consumer gold: as soon as a plugin knows who it is
  plugin          priority  scope                                 isolation  on_failure  hooks
  correlation-id  100001    consumer, service shop                request    closed      on-request
  hooks           7         consumer, route orders, service shop  worker     closed      on-request, on-response
  hooks           5         consumer, route orders                worker     closed      on-request, on-response
";
    assert!(told.ends_with(expected), "{told}");
}

#[test]
fn chains_are_listed_on_request_and_may_be_empty() {
    assert_eq!(check(CONFIG, &["check"]), "gateway.toml: ok (2 routes, 1 services, 4 plugin uses)\n");
    let config =
        "[[services]]\nname = \"s\"\nurl = \"http://127.0.0.1:9\"\nroutes = [{ name = \"r\", paths = [\"/\"] }]\n";
    let told = check(config, &["check", "gateway.toml", "--chains"]);
    let chains = "route r, service s\n  no plugins\n\nno route: hooks of responses and logs alone\n  no plugins\n";
    assert_eq!(told, format!("gateway.toml: ok (1 routes, 1 services, 0 plugin uses)\n\n{chains}"));
}
