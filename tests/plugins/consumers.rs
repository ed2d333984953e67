//! Plugin uses of consumers: which requests meet them, in whose place, and from when on.

use crate::harness::{Answer, Gateway, Origin, built, until};

/// Whom the keys belong to is what they are.
const ALICE: &[(&str, &str)] = &[("apikey", "alice")];
const BOB: &[(&str, &str)] = &[("apikey", "bob")];

/// A gateway with these uses on its one route; `consumers` are what alice, bob and guest have of their own.
async fn gateway(origin: &Origin, route: &str, [alice, bob, guest]: [&str; 3]) -> Gateway {
    started(&config(origin, route, [alice, bob, guest])).await
}

async fn started(config: &str) -> Gateway {
    let guest = built("guests/every-hook.wasm");
    let faulty = built("guests/faulty.wasm");
    let files = ["a", "b", "c", "d"].map(|name| (format!("{name}.wasm"), &guest));
    let mut files: Vec<_> = files.iter().map(|(name, file)| (name.as_str(), file.as_path())).collect();
    files.push(("faulty.wasm", &faulty));
    Gateway::start_with(config, &files).await
}

fn config(origin: &Origin, route: &str, consumers: [&str; 3]) -> String {
    let service = format!(
        "[[services]]\nname = \"s\"\nurl = \"http://{}\"\n\
         [[services.routes]]\nname = \"r\"\npaths = [\"/\"]\nplugins = [{route}]\n",
        origin.address
    );
    with_consumers(&service, consumers)
}

fn with_consumers(services: &str, consumers: [&str; 3]) -> String {
    let components = ["a", "b", "c", "d", "faulty"].map(|name| format!("{name} = {{ path = \"{name}.wasm\" }}\n"));
    let consumers = ["alice", "bob", "guest"].into_iter().zip(consumers).map(|(name, uses)| {
        format!(
            "[[consumers]]\nusername = \"{name}\"\n\
             credentials = [{{ kind = \"key-auth\", key = \"{name}\" }}]\nplugins = [{uses}]\n"
        )
    });
    format!("{services}{}[components]\n{}", consumers.collect::<String>(), components.concat())
}

/// A use of the plugin that has every hook: what it calls itself, and where it stands.
fn used(plugin: &str, name: &str, rest: &str, config: &str) -> String {
    format!("{{ use = \"{plugin}\", {rest} config = {{ name = \"{name}\", {config} }} }}, ")
}

const KEYS: &str = "{ use = \"key-auth\" }, ";

async fn ask(gateway: &Gateway, headers: &[(&str, &str)]) -> (String, String) {
    order(&gateway.request("GET", "/", headers).await)
}

/// Whom the request has met, and whom the response.
fn order(answer: &Answer) -> (String, String) {
    let request = answer.upstream_got("x-order").unwrap_or_default();
    (request, answer.header("x-order").unwrap_or_default().to_owned())
}

fn met(request: &str, response: &str) -> (String, String) {
    (request.to_owned(), response.to_owned())
}

#[tokio::test]
async fn a_consumers_use_takes_the_place_of_the_routes_and_others_are_left_alone() {
    let origin = Origin::echo("u").await;
    let route = [KEYS, &used("a", "a", "", ""), &used("b", "b", "priority = 900,", "")].concat();
    let alice = [used("a", "A", "", ""), used("c", "C", "priority = 950,", "")].concat();
    let off = used("b", "off", "enabled = false,", "");
    let gateway = gateway(&origin, &route, [&alice, &off, ""]).await;
    for _ in 0..3 {
        assert_eq!(ask(&gateway, ALICE).await, met("ACb", "bCA"));
        assert_eq!(ask(&gateway, BOB).await, met("ab", "ba"));
        assert_eq!(ask(&gateway, &[("apikey", "guest")]).await, met("ab", "ba"));
        assert_eq!(gateway.get("/").await.status, 401);
    }
    let answer = gateway.request("GET", "/", ALICE).await;
    let mine: Vec<_> = answer.headers.get_all("x-mine").iter().collect();
    assert_eq!(mine, ["b", "C", "A"], "each has what it has kept itself");
}

#[tokio::test]
async fn the_narrowest_use_runs_and_once() {
    let origin = Origin::echo("u").await;
    let route =
        |name: &str, uses: &str| format!("{{ name = \"{name}\", paths = [\"/{name}\"], plugins = [{uses}] }}, ");
    let service = |name: &str, uses: &str, routes: &str| {
        let address = origin.address;
        format!(
            "[[services]]\nname = \"{name}\"\nurl = \"http://{address}\"\nplugins = [{uses}]\nroutes = [{routes}]\n"
        )
    };
    let config = [
        format!("plugins = [{KEYS}{}]\n", used("a", "global", "", "")),
        service(
            "s1",
            &used("a", "service", "", ""),
            &[
                route("r1", &[used("a", "route", "", ""), used("b", "rs", "service = \"s1\",", "")].concat()),
                route("r2", ""),
            ]
            .concat(),
        ),
        service("s2", "", &route("r3", "")),
    ]
    .concat();
    let alice = [
        used("a", "consumer", "", ""),
        used("a", "+route", "route = \"r1\",", ""),
        used("a", "+service", "service = \"s1\",", ""),
        used("b", "-consumer", "", ""),
    ]
    .concat();
    let bob = [
        used("a", "+service", "service = \"s1\",", ""),
        used("a", "+route+service", "service = \"s1\", route = \"r1\",", ""),
        used("a", "+route", "route = \"r1\",", ""),
        used("b", "-s2", "service = \"s2\",", ""),
    ]
    .concat();
    let gateway = started(&with_consumers(&config, [&alice, &bob, ""])).await;
    let guest = &[("apikey", "guest")][..];
    for (path, caller, expected) in [
        ("/r1", guest, "routers"),
        ("/r2", guest, "service"),
        ("/r3", guest, "global"),
        ("/r1", ALICE, "rs+route"),
        ("/r2", ALICE, "+service-consumer"),
        ("/r3", ALICE, "consumer-consumer"),
        ("/r1", BOB, "rs+route+service"),
        ("/r2", BOB, "+service"),
        ("/r3", BOB, "global-s2"),
    ] {
        let answer = gateway.request("GET", path, caller).await;
        assert_eq!(answer.upstream_got("x-order").as_deref(), Some(expected), "{path} {caller:?}");
    }
}

#[tokio::test]
async fn who_should_have_run_before_it_was_known_who_comes_has_missed_it() {
    let origin = Origin::echo("u").await;
    let early = "priority = 2000,";
    let route = [KEYS, &used("a", "a", early, ""), &used("b", "b", "", "")].concat();
    // The route's `a` has had its turn, `c` has missed one, and `b` has neither.
    let alice = [used("a", "A", "", ""), used("c", "C", early, "log = true"), used("b", "B", early, "")].concat();
    // Has no request hook, and so it missed nothing.
    let headers =
        "{ use = \"response-transformer\", priority = 5000, config = { add = { headers = [\"x-tier:gold\"] } } }";
    let gateway = gateway(&origin, &route, [&alice, headers, ""]).await;
    let answer = gateway.request("GET", "/", ALICE).await;
    assert_eq!((order(&answer), answer.header("x-tier")), (met("ab", "ba"), None));
    let answer = gateway.request("GET", "/", BOB).await;
    assert_eq!((order(&answer), answer.header("x-tier")), (met("ab", "ba"), Some("gold")));
    let mine: Vec<_> = answer.headers.get_all("x-mine").iter().collect();
    assert_eq!(mine, ["b", "a"], "though all have moved");
    assert!(!gateway.has_logged("message", "over: C"));
}

#[tokio::test]
async fn an_instance_of_the_requests_own_stays_its_own_when_the_chain_changes() {
    let origin = Origin::echo("u").await;
    let route = [KEYS, "{ use = \"faulty\", priority = 2000, isolation = \"request\" }, "].concat();
    let headers =
        "{ use = \"response-transformer\", priority = 5000, config = { add = { headers = [\"x-tier:gold\"] } } }";
    let own = "{ use = \"a\", isolation = \"request\", config = { name = \"A\" } }";
    let gateway = gateway(&origin, &route, [&format!("{headers}, {own}"), own, ""]).await;
    for caller in [ALICE, BOB] {
        for _ in 0..3 {
            let answer = gateway.request("GET", "/", caller).await;
            assert_eq!(order(&answer), met("A", "A"));
            let calls = (answer.upstream_got("x-calls"), answer.header("x-calls"));
            assert_eq!(calls, (Some("1".to_owned()), Some("1")), "the response hook is the same instance's");
        }
    }
}

#[tokio::test]
async fn bodies_and_their_pieces_pass_the_consumers_uses() {
    let origin = Origin::echo("u").await;
    let route = [KEYS, &used("b", "b", "", "")].concat();
    let pieces = used("a", "A", "", "request_pieces = \"shout\", response_pieces = \"shout\"");
    let whole = used("c", "C", "", "whole_request = 8");
    let gateway = gateway(&origin, &route, [&pieces, &whole, ""]).await;
    let post = async |caller: &[(&str, &str)], body: &str| gateway.client().await.send("POST", "/", caller, body).await;

    let answer = post(ALICE, "loud").await;
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    assert!(text.contains("LOUD!") && text.ends_with("}!"), "{text}");
    assert_eq!(answer.header("content-length"), None);
    let answer = post(BOB, "whole").await;
    assert_eq!(answer.upstream_got("x-whole").as_deref(), Some("whole"));
    assert_eq!(post(BOB, "too large").await.status, 413);
    let answer = post(&[("apikey", "guest")], "as it is").await;
    assert_eq!(answer.json()["body"], "as it is");
    assert_eq!(answer.upstream_got("content-length").as_deref(), Some("8"));
}

#[tokio::test]
async fn a_reply_meets_those_that_were_entered_and_the_end_is_told_to_the_consumers_chain() {
    let origin = Origin::echo("u").await;
    let log = "log = true";
    let route =
        [KEYS, &used("a", "a", "priority = 2000,", log), &used("b", "b", "", log), &used("d", "d", "", log)].concat();
    let alice = [used("c", "C", "priority = 1100,", "log = true, reply = 418"), used("b", "B", "", log)].concat();
    let gateway = gateway(&origin, &route, [&alice, "", ""]).await;
    let answer = gateway.request("GET", "/", ALICE).await;
    assert_eq!((answer.status, answer.header("x-order")), (418, Some("Ca")));
    until("all of them", async || {
        let ends = ["a", "B", "C", "d"].map(|name| format!("over: {name} GET / 418 "));
        let lines = gateway.log_lines();
        let told =
            |end: &String| lines.iter().any(|line| line["message"].as_str().unwrap_or_default().starts_with(end));
        ends.iter().all(told).then_some(())
    })
    .await;
    let lines = gateway.log_lines();
    assert!(!lines.iter().any(|line| line["message"].as_str().unwrap_or_default().starts_with("over: b ")));
    assert_eq!(origin.requests(), 0);
}

#[tokio::test]
async fn whom_nobody_knows_has_the_uses_of_the_anonymous_consumer_until_somebody_does() {
    let origin = Origin::echo("u").await;
    let route = [
        "{ use = \"jwt\", config = { anonymous = \"guest\" } }, { use = \"key-auth\", config = { anonymous = \"guest\" } }, ",
        &used("a", "a", "", ""),
        &used("b", "b", "", ""),
    ]
    .concat();
    // Between the two plugins that look for credentials, and behind them.
    let guest = [used("c", "G", "priority = 1300,", ""), used("a", "Ga", "", ""), used("d", "Gd", "", "")].concat();
    let alice = [used("b", "Ab", "", ""), used("c", "A", "", "")].concat();
    let gateway = gateway(&origin, &route, [&alice, "", &guest]).await;
    for _ in 0..3 {
        assert_eq!(ask(&gateway, &[]).await, met("GbGaGd", "GdGabG"));
        // Has been the guest for a moment: what has had its turn meanwhile stays, and has no other one.
        let answer = gateway.request("GET", "/", ALICE).await;
        assert_eq!(order(&answer), met("GaAb", "AbaG"));
        assert_eq!(answer.upstream_got("x-consumer-username").as_deref(), Some("alice"));
        let mine: Vec<_> = answer.headers.get_all("x-mine").iter().collect();
        assert_eq!(mine, ["Ab", "a", "G"]);
        // And whoever has none of their own is back on the route's.
        assert_eq!(ask(&gateway, BOB).await, met("Gab", "baG"));
    }
}

#[tokio::test]
async fn a_change_of_a_consumers_uses_is_one_of_the_configuration() {
    let origin = Origin::echo("u").await;
    let route = [KEYS, &used("a", "a", "", "")].concat();
    let gateway = gateway(&origin, &route, [&used("a", "first", "", ""), "", ""]).await;
    assert_eq!(ask(&gateway, ALICE).await.0, "first");
    for name in ["second", "third"] {
        gateway.write_config(&config(&origin, &route, [&used("a", name, "", ""), "", ""]));
        until("the change", async || (ask(&gateway, ALICE).await.0 == name).then_some(())).await;
        assert_eq!(ask(&gateway, BOB).await.0, "a");
    }
    gateway.write_config(&config(&origin, &route, ["", "", ""]));
    until("the change", async || (ask(&gateway, ALICE).await.0 == "a").then_some(())).await;
}
