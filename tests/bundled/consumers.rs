//! Bundled plugins on consumers.

use serde_json::Value;

use crate::harness::{Gateway, Upstream, until};

const GOLD: &[(&str, &str)] = &[("apikey", "gold")];
const OTHER: &[(&str, &str)] = &[("apikey", "other")];

/// What takes long on a busy machine is no failure of the plugins'.
const TIME: &str = "limits = { time = \"1s\" }";

/// Two routes behind key-auth, `/orders` and `/admin`, with these uses for all; and what gold has.
async fn gateway(upstream: &Upstream, all: &str, gold: &str) -> Gateway {
    let config = format!(
        r#"
plugins = [{{ use = "key-auth", config = {{ anonymous = "nobody" }}, {TIME} }}, {all}]

[[services]]
name = "shop"
url = "http://{}"
routes = [{{ name = "orders", paths = ["/orders"] }}, {{ name = "admin", paths = ["/admin"] }}]

[[consumers]]
username = "gold"
groups = ["gold"]
credentials = [{{ kind = "key-auth", key = "gold" }}]
plugins = [{gold}]

[[consumers]]
username = "other"
groups = ["silver"]
credentials = [{{ kind = "key-auth", key = "other" }}]

[[consumers]]
username = "nobody"
plugins = [{{ use = "rate-limiting", config = {{ {} }}, {TIME} }}]
"#,
        upstream.address,
        limit(1)
    );
    Gateway::start(&config).await
}

/// In so long a time that it does not end meanwhile.
fn limit(most: u32) -> String {
    format!("limits = [{{ max = {most}, window = \"100d\" }}]")
}

/// How many of so many requests get through.
async fn passed(gateway: &Gateway, path: &str, caller: &[(&str, &str)], requests: usize) -> usize {
    let mut client = gateway.client().await;
    let mut passed = 0;
    for _ in 0..requests {
        let answer = client.send("GET", path, caller, "").await;
        assert!([200, 429].contains(&answer.status), "{answer:?}");
        passed += usize::from(answer.status == 200);
    }
    passed
}

#[tokio::test]
async fn a_limit_for_all_a_higher_one_for_one_of_them_on_one_route_and_a_lower_one_for_strangers() {
    let upstream = Upstream::echo("u").await;
    let all = format!("{{ use = \"rate-limiting\", config = {{ {} }}, {TIME} }}", limit(5));
    let gold = format!("{{ use = \"rate-limiting\", route = \"orders\", config = {{ {} }}, {TIME} }}", limit(20));
    let gateway = gateway(&upstream, &all, &gold).await;
    for (path, caller, most) in [
        ("/orders", OTHER, 5),
        ("/orders", GOLD, 20),
        // On all other routes gold is one of all.
        ("/admin", GOLD, 5),
        // They are counted together, on whichever route.
        ("/admin", OTHER, 0),
        ("/orders", &[], 1),
        ("/admin", &[], 0),
    ] {
        assert_eq!(passed(&gateway, path, caller, most + 3).await, most, "{path} {caller:?}");
    }
}

#[tokio::test]
async fn requests_are_rewritten_refused_and_logged_for_one_consumer_alone() {
    let upstream = Upstream::echo("u").await;
    let all = "{ use = \"file-log\", config = { path = \"all.log\" } }, \
               { use = \"request-transformer\", config = { add = { headers = [\"x-tier:none\", \"x-all:1\"] } } }";
    let gold = format!(
        "{{ use = \"request-transformer\", config = {{ add = {{ headers = [\"x-tier:gold\"] }} }}, {TIME} }}, \
         {{ use = \"acl\", route = \"admin\", config = {{ deny = [\"gold\"] }}, {TIME} }}, \
         {{ use = \"response-transformer\", config = {{ add = {{ headers = [\"x-served:gold\"] }} }}, {TIME} }}, \
         {{ use = \"file-log\", config = {{ path = \"gold.log\" }} }}, \
         {{ use = \"correlation-id\", config = {{ echo_downstream = true }} }}"
    );
    let gateway = gateway(&upstream, all, &gold).await;
    for (path, caller, status, tier, served) in [
        ("/orders", GOLD, 200, Some("gold"), Some("gold")),
        ("/orders", OTHER, 200, Some("none"), None),
        ("/admin", OTHER, 200, Some("none"), None),
        // The plugins behind the one that refuses it were not entered.
        ("/admin", GOLD, 403, None, None),
    ] {
        let answer = gateway.request("GET", path, caller).await;
        assert_eq!((answer.status, answer.header("x-served")), (status, served), "{path} {caller:?}");
        // It runs before anybody is known.
        assert_eq!(answer.header("kong-request-id"), None);
        if status == 200 {
            assert_eq!(answer.upstream_got("x-tier").as_deref(), tier, "{path} {caller:?}");
            assert_eq!(answer.upstream_got("x-all").is_some(), caller == OTHER, "one config, not both");
        }
    }
    let logged = |name: &str| {
        let text = std::fs::read_to_string(gateway.path(name)).unwrap_or_default();
        let records = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        records
            .map(|record| (record["request"]["uri"].clone(), record["response"]["status"].clone()))
            .collect::<Vec<_>>()
    };
    let expected = |records: &[(&str, u16)]| {
        records.iter().map(|(uri, status)| (Value::from(*uri), Value::from(*status))).collect::<Vec<_>>()
    };
    until("two records in each", async || {
        (logged("gold.log").len() == 2 && logged("all.log").len() == 2).then_some(())
    })
    .await;
    assert_eq!(logged("gold.log"), expected(&[("/orders", 200), ("/admin", 403)]));
    assert_eq!(logged("all.log"), expected(&[("/orders", 200), ("/admin", 200)]));
}
