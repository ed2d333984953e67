//! rate-limiting: any limit lets through exactly what it allows, however many come at a time, on one gateway or on several
//! that share a Redis; and what holds when that is gone.

use std::fmt::Write;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::harness::gateway::{folder, run};
use crate::harness::program::Program;
use crate::harness::{Answer, Client, Gateway, Upstream, until};

/// A limit that is drawn at random: windows so long that none ends while the test runs.
#[derive(Debug)]
struct Drawn {
    windows: Vec<(u64, &'static str, &'static str)>,
    most: u64,
    /// What its requests may cost.
    costs: u64,
}

/// What became of requests for one limit: what each cost, and whether it passed.
type Came = Vec<(u64, bool)>;

impl Drawn {
    fn new(random: &mut fastrand::Rng) -> Self {
        let count = random.usize(1..=3);
        let lengths = ["100d", "150d", "200d"];
        let algorithms = ["fixed-window", "sliding-window", "token-bucket"];
        let windows: Vec<_> = (0..count)
            .map(|at| (random.u64(1..60), lengths[at], *random.choice(&algorithms).unwrap_or(&"fixed-window")))
            .collect();
        let most = windows.iter().map(|(max, ..)| *max).min().unwrap();
        Self { windows, most, costs: if random.bool() { 1 } else { random.u64(2..8) } }
    }

    fn route(&self, number: usize) -> String {
        let listed: Vec<String> = (self.windows.iter())
            .map(|(max, window, algorithm)| {
                format!("{{ max = {max}, window = \"{window}\", algorithm = \"{algorithm}\" }}")
            })
            .collect();
        let listed = listed.join(", ");
        format!(
            "[[services.routes]]\nname = \"r{number}\"\npaths = [\"/{number}/\"]\n\
             plugins = [{{ use = \"rate-limiting\", config = {{ limits = [{listed}], cost_header = \"x-cost\" }} }}]\n"
        )
    }

    /// What was let through is within the limit, and whoever was refused did not fit any more.
    fn judge(&self, came: &Came, seed: u64) {
        let passed: u64 = came.iter().filter(|(_, passed)| *passed).map(|(cost, _)| cost).sum();
        assert!(passed <= self.most, "{passed} have passed: {self:?}, seed {seed}");
        let left = self.most - passed;
        for (cost, passed) in came {
            assert!(*passed || *cost > left, "{cost} was refused where {left} are left: {self:?}, seed {seed}");
        }
        assert!(came.iter().any(|(_, passed)| !passed), "nobody was refused: {self:?}, seed {seed}");
    }
}

async fn passes_exactly_as_many(addresses: &[SocketAddr], limits: &[Drawn], seed: u64) {
    let mut asking = JoinSet::new();
    for client in 0..12_u64 {
        let address = addresses[client as usize % addresses.len()];
        let costs: Vec<u64> = limits.iter().map(|limit| limit.costs).collect();
        asking.spawn(async move {
            let mut random = fastrand::Rng::with_seed(seed ^ client);
            let mut client = Client::connect(address).await;
            let mut came = Vec::new();
            let mut order: Vec<usize> = (0..costs.len()).cycle().take(6 * costs.len()).collect();
            random.shuffle(&mut order);
            for at in order {
                let cost = random.u64(1..=costs[at]);
                let path = format!("/{at}/");
                let answer = client.send("GET", &path, &[("x-cost", &cost.to_string())], "").await;
                assert!([200, 429].contains(&answer.status), "{answer:?}");
                came.push((at, cost, answer.status == 200));
            }
            came
        });
    }
    let came: Vec<_> = asking.join_all().await.into_iter().flatten().collect();
    for (at, limit) in limits.iter().enumerate() {
        let its = came.iter().filter(|(of, ..)| *of == at).map(|(_, cost, passed)| (*cost, *passed)).collect();
        limit.judge(&its, seed);
    }
}

fn routes(upstream: &Upstream, limits: &[Drawn]) -> String {
    let mut config = format!("[[services]]\nname = \"s\"\nurl = \"http://{}\"\n", upstream.address);
    for (number, limit) in limits.iter().enumerate() {
        config.write_str(&limit.route(number)).unwrap();
    }
    config
}

#[tokio::test]
async fn any_limit_in_memory_lets_through_exactly_what_it_allows() {
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    let limits: Vec<Drawn> = (0..20).map(|_| Drawn::new(&mut random)).collect();
    let upstream = Upstream::echo("u").await;
    let gateway = Gateway::start(&routes(&upstream, &limits)).await;
    passes_exactly_as_many(&gateway.addresses, &limits, seed).await;
}

#[tokio::test]
async fn any_limit_in_redis_lets_through_exactly_what_it_allows_among_gateways() {
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    let limits: Vec<Drawn> = (0..20).map(|_| Drawn::new(&mut random)).collect();
    let (upstream, redis) = (Upstream::echo("u").await, Program::redis().await);
    let config = format!("{}{}", counters(redis.address, "closed"), routes(&upstream, &limits));
    let (one, two) = (Gateway::start(&config).await, Gateway::start(&config).await);
    passes_exactly_as_many(&[one.addresses[0], two.addresses[0]], &limits, seed).await;
}

fn counters(redis: SocketAddr, on_failure: &str) -> String {
    format!(
        "counters = {{ kind = \"redis\", url = \"redis://{redis}\", timeout = \"5s\", on_failure = \"{on_failure}\" }}\n"
    )
}

fn one_limit(upstream: &Upstream, config: &str) -> String {
    let uses = format!("plugins = [{{ use = \"rate-limiting\", config = {{ {config} }} }}]");
    crate::harness::one_route(upstream.address, &uses)
}

/// An answer, and when it was asked for and came.
struct Timed {
    sent: Instant,
    came: Instant,
    passed: bool,
}

/// As many requests as four clients can send in this time.
async fn hammer(gateway: &Gateway, time: Duration) -> Vec<Timed> {
    let end = Instant::now() + time;
    let mut asking = JoinSet::new();
    for _ in 0..4 {
        let mut client = gateway.client().await;
        asking.spawn(async move {
            let mut answers = Vec::new();
            while Instant::now() < end {
                let sent = Instant::now();
                let answer = client.send("GET", "/", &[], "").await;
                answers.push(Timed { sent, came: Instant::now(), passed: answer.status == 200 });
            }
            answers
        });
    }
    asking.join_all().await.into_iter().flatten().collect()
}

#[tokio::test]
async fn a_token_bucket_fills_as_evenly_as_time_goes() {
    let upstream = Upstream::echo("u").await;
    let limit = "limits = [{ max = 10, window = \"500ms\", algorithm = \"token-bucket\" }]";
    let gateway = Gateway::start(&one_limit(&upstream, limit)).await;
    let answers = hammer(&gateway, Duration::from_secs(3)).await;
    let passed = answers.iter().filter(|answer| answer.passed).count() as f64;
    let tokens = |time: Duration| 10.0 + 20.0 * time.as_secs_f64();
    let first_sent = answers.iter().map(|answer| answer.sent).min().unwrap();
    let last_came = answers.iter().map(|answer| answer.came).max().unwrap();
    assert!(passed <= tokens(last_came - first_sent), "{passed}");
    // Whoever was refused last has found the bucket empty, so all that had come into it had gone.
    let refused = answers.iter().filter(|answer| !answer.passed);
    let last_refused = refused.map(|answer| answer.sent).max().unwrap();
    let first_came = answers.iter().map(|answer| answer.came).min().unwrap();
    assert!(passed >= tokens(last_refused - first_came) - 1.0, "{passed}");
}

#[tokio::test]
async fn a_window_that_ends_gives_way_to_a_whole_new_one() {
    let upstream = Upstream::echo("u").await;
    let gateway = Gateway::start(&one_limit(&upstream, "limits = [{ max = 15, window = \"700ms\" }]")).await;
    let answers = hammer(&gateway, Duration::from_secs(3)).await;
    // Between two that were refused with one let through in between, a window has ended.
    let mut passed: Vec<&Timed> = answers.iter().filter(|answer| answer.passed).collect();
    passed.sort_by_key(|answer| answer.came);
    assert!((30..=90).contains(&passed.len()), "{} in 3 s", passed.len());
    for burst in passed.windows(2 * 15 + 1) {
        let took = burst[2 * 15].came - burst[0].sent;
        assert!(took >= Duration::from_millis(700), "more than two windows' requests in {took:?}");
    }
}

#[tokio::test]
async fn without_redis_what_is_set_holds() {
    let (upstream, redis) = (Upstream::echo("u").await, Program::redis().await);
    let start = async |on_failure: &str, more: &str| {
        let limit =
            one_limit(&upstream, &format!("limits = [{{ max = 3, window = \"300d\" }}], policy = \"redis\"{more}"));
        Gateway::start(&format!("{}{limit}", counters(redis.address, on_failure))).await
    };
    let open = start("open", "").await;
    let local = start("local", "").await;
    let closed = start("closed", "").await;
    let tolerant = start("closed", ", fault_tolerant = true").await;
    let all = [&open, &local, &closed, &tolerant];
    let ask = async |gateway: &Gateway| -> Answer { gateway.request("GET", "/", &[]).await };
    for (gateway, left) in all.into_iter().zip(["2", "1", "0"]) {
        let answer = ask(gateway).await;
        assert_eq!((answer.status, answer.header("ratelimit-remaining")), (200, Some(left)));
    }
    assert_eq!(ask(&tolerant).await.status, 429, "they count together");

    drop(redis);
    let answer = until("redis to be missed", async || {
        let answer = ask(&closed).await;
        (answer.status != 429).then_some(answer)
    })
    .await;
    assert_eq!((answer.status, answer.json()["message"].as_str()), (503, Some("Requests cannot be counted")));
    for _ in 0..5 {
        assert_eq!(ask(&open).await.status, 200);
        let answer = ask(&tolerant).await;
        assert_eq!(
            (answer.status, answer.header("ratelimit-remaining")),
            (200, None),
            "nobody knows how many are left"
        );
    }
    let locally: Vec<u16> = [ask(&local).await, ask(&local).await, ask(&local).await, ask(&local).await]
        .iter()
        .map(|answer| answer.status)
        .collect();
    assert_eq!(locally, [200, 200, 200, 429], "it counts by itself meanwhile");
}

#[tokio::test]
async fn a_policy_that_is_not_the_gateways_is_refused_with_its_line() {
    let upstream = Upstream::echo("u").await;
    let limit = one_limit(&upstream, "minute = 1, policy = \"redis\"");
    let outcome = run(folder(&limit, &[]).path(), &["check"]);
    assert!(!outcome.status.success());
    assert!(
        outcome.stderr.contains("policy: this gateway counts in memory: [counters] with kind"),
        "{}",
        outcome.stderr
    );
    assert!(outcome.stderr.contains("gateway.toml:"), "{}", outcome.stderr);
}

/// Two requests, and whether they are counted as one and the same's.
struct Pair {
    limit_by: &'static str,
    one: (&'static str, &'static [(&'static str, &'static str)]),
    two: (&'static str, &'static [(&'static str, &'static str)]),
    same: bool,
}

const fn pair(
    limit_by: &'static str,
    one: (&'static str, &'static [(&'static str, &'static str)]),
    two: (&'static str, &'static [(&'static str, &'static str)]),
    same: bool,
) -> Pair {
    Pair { limit_by, one, two, same }
}

#[tokio::test]
async fn requests_are_counted_together_by_what_is_set() {
    const ALICE: &[(&str, &str)] = &[("apikey", "a1"), ("x-tenant", "t"), ("cookie", "session=s")];
    const ALICE_TOO: &[(&str, &str)] = &[("apikey", "a2"), ("x-tenant", "u"), ("cookie", "a=b; session=t")];
    const BOB: &[(&str, &str)] = &[("apikey", "b1"), ("x-tenant", "t"), ("cookie", "session=s")];
    let pairs = [
        pair("\"consumer\"", ("/a/", ALICE), ("/b/", ALICE_TOO), true),
        pair("\"consumer\"", ("/a/", ALICE), ("/a/", BOB), false),
        pair("\"credential\"", ("/a/", ALICE), ("/b/", ALICE), true),
        pair("\"credential\"", ("/a/", ALICE), ("/a/", ALICE_TOO), false),
        pair("\"ip\"", ("/a/", ALICE), ("/b/", BOB), true),
        pair("\"route\"", ("/a/", ALICE), ("/a/", BOB), true),
        pair("\"route\"", ("/a/", ALICE), ("/b/", ALICE), false),
        pair("\"service\"", ("/a/", ALICE), ("/b/", BOB), true),
        pair("\"service\"", ("/a/", ALICE), ("/c/", ALICE), false),
        pair("\"header\", header_name = \"x-tenant\"", ("/a/", ALICE), ("/b/", BOB), true),
        pair("\"header\", header_name = \"x-tenant\"", ("/a/", ALICE), ("/a/", ALICE_TOO), false),
        pair("\"cookie\", cookie_name = \"session\"", ("/a/", ALICE), ("/b/", BOB), true),
        pair("\"cookie\", cookie_name = \"session\"", ("/a/", ALICE), ("/a/", ALICE_TOO), false),
        pair("\"path\", path = \"/a/\"", ("/a/", ALICE), ("/a/?x", BOB), true),
        pair("\"path\", path = \"/a/\"", ("/a/", ALICE), ("/b/", ALICE), false),
    ];
    let upstream = Upstream::echo("u").await;
    let config = |limit_by: &str| {
        let url = format!("http://{}", upstream.address);
        let limit = format!("limits = [{{ max = 1, window = \"300d\" }}], limit_by = {limit_by}");
        format!(
            "plugins = [{{ use = \"key-auth\" }}, {{ use = \"rate-limiting\", config = {{ {limit} }} }}]\n\
             [[services]]\nname = \"s\"\nurl = \"{url}\"\n\
             [[services.routes]]\nname = \"a\"\npaths = [\"/a/\"]\n[[services.routes]]\nname = \"b\"\npaths = [\"/b/\"]\n\
             [[services]]\nname = \"t\"\nurl = \"{url}\"\n[[services.routes]]\nname = \"c\"\npaths = [\"/c/\"]\n\
             [[consumers]]\nusername = \"alice\"\ncredentials = [{{ kind = \"key-auth\", key = \"a1\" }}, \
             {{ kind = \"key-auth\", key = \"a2\" }}]\n\
             [[consumers]]\nusername = \"bob\"\ncredentials = [{{ kind = \"key-auth\", key = \"b1\" }}]\n"
        )
    };
    for Pair { limit_by, one, two, same } in pairs {
        let gateway = Gateway::start(&config(limit_by)).await;
        assert_eq!(gateway.request("GET", one.0, one.1).await.status, 200, "{limit_by} {one:?}");
        let answer = gateway.request("GET", two.0, two.1).await;
        assert_eq!(answer.status, if same { 429 } else { 200 }, "{limit_by} {one:?} {two:?}");
    }
}
