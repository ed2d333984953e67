use std::time::Duration;

use proptest::prelude::*;
use tokio::time::Instant;

use self::server::Server;
use super::super::memory::Memory;
use super::super::vectors::{self, limit};
use super::*;
use crate::config::checked::{self, OnOutage};
use crate::store::counters::Counters;

mod server;

const SECOND: u64 = 1_000_000;
const SPACE: Space = Space(1);
/// Far above what a busy machine needs.
const PATIENCE: Duration = Duration::from_secs(20);

fn hourly(max: u64) -> Limits {
    Limits::new(&[limit(max, 3_600 * SECOND, Algorithm::FixedWindow)]).unwrap()
}

fn redis(server: &Server) -> Redis {
    Redis::new(&server.url("", 0), PATIENCE, 1).unwrap()
}

fn counters(server: &Server, timeout: Duration, on_failure: OnOutage) -> Counters {
    let settings = checked::Counters::Redis { url: server.url("", 0), timeout, on_failure };
    Counters::new(&settings, 1).unwrap()
}

/// Until `what` says something.
async fn until<T>(mut what: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(said) = what().await {
            return said;
        }
        assert!(Instant::now() < deadline, "waited for too long");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn every_sequence_comes_to_what_it_should() {
    let server = Server::start(&[]);
    let redis = redis(&server);
    for sequence in vectors::sequences() {
        let limits = Limits::new(&sequence.limits).unwrap();
        for step in &sequence.steps {
            let decision = redis.hit(0, SPACE, sequence.name, step.cost, &limits, Some(step.time())).await.unwrap();
            step.check(sequence.name, &decision);
        }
    }
}

#[tokio::test]
async fn redis_decides_as_memory_does() {
    let server = Server::start(&[]);
    let (redis, memory) = (redis(&server), Memory::default());
    for (number, (limits, hits)) in vectors::random(300).enumerate() {
        let key = number.to_string();
        for (now, cost) in hits {
            let there = redis.hit(0, SPACE, &key, cost, &limits, Some(now)).await.unwrap();
            let here = memory.hit(SPACE, &key, cost, &limits, now).unwrap();
            assert_eq!(there, here, "{number}: {limits:?} {now:?} {cost}");
        }
    }
}

#[test]
fn gateways_together_pass_exactly_the_limit() {
    let server = Server::start(&[]);
    let limits = [Algorithm::FixedWindow, Algorithm::SlidingWindow, Algorithm::Gcra].map(|algorithm| {
        // Long enough that nothing drains meanwhile.
        Limits::new(&[limit(1_000, 400 * 86_400 * SECOND, algorithm), limit(2_000, 86_400 * SECOND, algorithm)])
            .unwrap()
    });
    let gateway = |redis: Redis| {
        let mut passed = [0; 3];
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            for _ in 0..40 {
                for (limits, passed) in limits.iter().zip(&mut passed) {
                    let key = format!("{limits:?}");
                    let hits = (0..50).map(|_| redis.hit(0, SPACE, &key, 1, limits, None));
                    let decisions = futures_util::future::join_all(hits).await;
                    *passed += decisions.into_iter().filter(|decision| decision.as_ref().unwrap().allowed).count();
                }
            }
        });
        passed
    };
    let passed: Vec<[usize; 3]> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..2).map(|_| scope.spawn(|| gateway(redis(&server)))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let sums: Vec<usize> = (0..3).map(|algorithm| passed[0][algorithm] + passed[1][algorithm]).collect();
    assert_eq!(sums, [1_000; 3], "{passed:?}");
}

#[tokio::test]
async fn a_server_that_has_forgotten_the_script_is_told_it_again() {
    let server = Server::start(&[]);
    let (redis, limits) = (redis(&server), hourly(10));
    for remaining in [9, 8, 7] {
        let decision = redis.hit(0, SPACE, "k", 1, &limits, None).await.unwrap();
        assert_eq!(decision.standings[0].remaining, remaining);
        ::redis::cmd("SCRIPT").arg("FLUSH").exec(&mut server.look()).unwrap();
    }
}

#[tokio::test]
async fn every_key_has_an_end_and_looks_leave_none() {
    let server = Server::start(&[]);
    let redis = redis(&server);
    let limits = Limits::new(&[
        limit(1, SECOND, Algorithm::Gcra),
        limit(1, 60 * SECOND, Algorithm::SlidingWindow),
        limit(1, 90 * SECOND, Algorithm::FixedWindow),
    ])
    .unwrap();
    redis.hit(0, SPACE, "looked at", 0, &limits, None).await.unwrap();
    redis.hit(0, SPACE, "refused", 2, &limits, None).await.unwrap();
    redis.hit(0, SPACE, "k", 1, &limits, None).await.unwrap();
    let mut look = server.look();
    let keys: Vec<String> = ::redis::cmd("KEYS").arg("*").query(&mut look).unwrap();
    assert_eq!(keys, ["tidegate:counters:0000000000000001:k"]);
    let mut ttl = |key: &str| -> u64 {
        let key = format!("tidegate:counters:0000000000000001:{key}");
        ::redis::cmd("PTTL").arg(key).query(&mut look).unwrap()
    };
    // Two windows that slide, and the while that clocks are given.
    let first = ttl("k");
    assert!(first > 20_000 && first <= 130_000, "{first}");
    let brief = Limits::new(&[limit(1, 10_000, Algorithm::FixedWindow)]).unwrap();
    redis.hit(0, SPACE, "k", 1, &brief, None).await.unwrap();
    redis.hit(0, SPACE, "brief", 1, &brief, None).await.unwrap();
    let (still, brief) = (ttl("k"), ttl("brief"));
    assert!(still > 20_000 && still <= first, "a brief limit does not shorten what others need: {still}");
    assert!(brief <= 10_010, "{brief}");
}

#[tokio::test]
async fn counters_that_nobody_asks_for_any_more_do_not_pile_up() {
    let server = Server::start(&[]);
    let redis = redis(&server);
    for window in 1..100 {
        let limits = Limits::new(&[limit(10, window * SECOND, Algorithm::Gcra)]).unwrap();
        redis.hit(0, SPACE, "k", 1, &limits, None).await.unwrap();
    }
    let count: usize =
        ::redis::cmd("HLEN").arg("tidegate:counters:0000000000000001:k").query(&mut server.look()).unwrap();
    assert!(count <= limits::COUNTER_CELLS + limits::COUNTER_LIMITS, "{count}");
}

#[tokio::test]
async fn without_a_server_each_policy_decides_and_with_it_redis_does_again() {
    for policy in [OnOutage::Local, OnOutage::Open, OnOutage::Closed] {
        let mut server = Server::start(&[]);
        let (counters, limits) = (counters(&server, PATIENCE, policy), hourly(2));
        let hit = async || counters.hit(0, SPACE, "k", 1, &limits).await;
        assert!(hit().await.unwrap().allowed);
        server.kill();
        // Long before the timeout: the connection is known to be lost.
        let start = Instant::now();
        let decisions = [hit().await, hit().await, hit().await];
        assert!(start.elapsed() < PATIENCE / 2, "{:?}", start.elapsed());
        match policy {
            OnOutage::Local => assert_eq!(decisions.map(|d| d.unwrap().allowed), [true, true, false]),
            OnOutage::Open => assert_eq!(decisions.map(|d| d.unwrap().standings[0].remaining), [2; 3]),
            OnOutage::Closed => {
                assert!(decisions.iter().all(|d| matches!(d, Err(HitError::Unavailable(Outage::Unreachable(_))))));
            }
        }
        server.restart();
        // It has forgotten everything, so its first decision leaves one.
        let redis = &counters.redis.as_ref().unwrap().0;
        let decision = until(async || redis.hit(0, SPACE, "k", 1, &limits, None).await.ok()).await;
        assert_eq!(decision.standings[0].remaining, 1, "{policy:?}");
        assert_eq!(hit().await.unwrap().standings[0].remaining, 0, "{policy:?}");
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_costs_the_timeout_once() {
    let server = Server::start(&[]);
    let timeout = Duration::from_millis(300);
    let (counters, limits) = (counters(&server, timeout, OnOutage::Closed), hourly(1_000_000));
    let hit = async || counters.hit(0, SPACE, "k", 1, &limits).await;
    until(async || hit().await.ok()).await;
    server.pause();
    let start = Instant::now();
    assert_eq!(hit().await, Err(HitError::Unavailable(Outage::Timeout(timeout))));
    assert!(start.elapsed() >= timeout);
    for _ in 0..100 {
        assert!(matches!(hit().await, Err(HitError::Unavailable(Outage::Unreachable(_)))));
    }
    assert!(start.elapsed() < 10 * timeout, "{:?}", start.elapsed());
    server.resume();
    until(async || hit().await.ok()).await;
}

#[tokio::test]
async fn a_replica_is_left_again_and_again_but_not_with_every_hit() {
    let server = Server::start(&[]);
    let (redis, limits) = (redis(&server), hourly(10_000));
    let mut look = server.look();
    ::redis::cmd("REPLICAOF").arg("127.0.0.1").arg(1).exec(&mut look).unwrap();
    let start = Instant::now();
    for _ in 0..200 {
        let error = redis.hit(0, SPACE, "k", 1, &limits, None).await.unwrap_err();
        assert!(matches!(error, HitError::Unavailable(Outage::Unreachable(_))), "{error}");
    }
    let stats: String = ::redis::cmd("INFO").arg("stats").query(&mut look).unwrap();
    let made = stats.lines().find_map(|line| line.strip_prefix("total_connections_received:")).unwrap();
    // Who waited for the server to listen, who looks, the first one, and one per second.
    let most = 4 + start.elapsed().as_secs();
    assert!(made.parse::<u64>().unwrap() <= most, "{made} of {most}");
    ::redis::cmd("REPLICAOF").arg("NO").arg("ONE").exec(&mut look).unwrap();
    until(async || redis.hit(0, SPACE, "k", 1, &limits, None).await.ok()).await;
}

#[tokio::test]
async fn a_password_opens_the_door_and_is_never_shown() {
    let server = Server::start(&["--requirepass", "sesame"]);
    let limits = hourly(10);
    let right = Redis::new(&server.url(":sesame@", 3), PATIENCE, 1).unwrap();
    assert!(right.hit(0, SPACE, "k", 1, &limits, None).await.unwrap().allowed);
    for credentials in [":barley@", ""] {
        let wrong = Redis::new(&server.url(credentials, 0), PATIENCE, 1).unwrap();
        let error = wrong.hit(0, SPACE, "k", 1, &limits, None).await.unwrap_err();
        assert!(matches!(error, HitError::Unavailable(Outage::Unreachable(_))), "{error}");
        assert!(!format!("{error} {error:?}").contains("barley"), "{error}");
        assert_eq!(wrong.outages(), 1);
    }
}

/// Where a test finds the server that it was started for by itself.
const TLS_REDIS: &str = "TIDEGATE_TEST_TLS_REDIS";

#[tokio::test]
async fn tls_is_spoken_with_who_is_trusted() {
    let limits = hourly(1);
    if let Ok(url) = std::env::var(TLS_REDIS) {
        let redis = Redis::new(&url.parse().unwrap(), PATIENCE, 1).unwrap();
        assert!(redis.hit(0, SPACE, "k", 1, &limits, None).await.unwrap().allowed);
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&cert, certified.cert.pem()).unwrap();
    std::fs::write(&key, certified.signing_key.serialize_pem()).unwrap();
    let (cert, key) = (cert.to_str().unwrap(), key.to_str().unwrap());
    let options = ["--port", "0", "--tls-port", "PORT", "--tls-cert-file", cert, "--tls-key-file", key];
    let server = Server::start(&[&options[..], &["--tls-auth-clients", "no"]].concat());

    let redis = Redis::new(&server.tls_url().parse().unwrap(), PATIENCE, 1).unwrap();
    let error = redis.hit(0, SPACE, "k", 1, &limits, None).await.unwrap_err().to_string();
    assert!(error.contains("certificate"), "{error}");

    // Whom the system trusts is said in the environment, which only another process can have otherwise.
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "store::counters::redis::tests::tls_is_spoken_with_who_is_trusted"]);
    command.env(TLS_REDIS, server.tls_url()).env("SSL_CERT_FILE", cert);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[tokio::test]
async fn whatever_else_has_the_key_is_not_taken_for_counters() {
    let server = Server::start(&[]);
    let redis = redis(&server);
    ::redis::cmd("SET").arg("tidegate:counters:0000000000000001:k").arg("x").exec(&mut server.look()).unwrap();
    let error = redis.hit(0, SPACE, "k", 1, &hourly(1), None).await.unwrap_err();
    assert!(matches!(&error, HitError::Unavailable(Outage::Refused(_))), "{error}");
    assert!(redis.hit(0, SPACE, "other", 1, &hourly(1), None).await.is_ok(), "the connection is as good as before");
}

proptest! {
    #[test]
    fn no_answer_can_panic(
        reply in prop::collection::vec(prop_oneof![0..3_u64, 0..=2 * limits::COUNTER_MAX, any::<u64>()], 0..9),
        cost in any::<u64>(),
    ) {
        let both = [limit(5, 1_000, Algorithm::SlidingWindow), limit(1 << 52, 400 * 86_400 * SECOND, Algorithm::Gcra)];
        for listed in [&both[..], &both[..1], &[limit(0, 7_777_777, Algorithm::FixedWindow)]] {
            let limits = Limits::new(listed).unwrap();
            let decision = read(&reply, cost, &limits);
            prop_assert!(decision.is_none() || reply.len() == 2 + 3 * listed.len());
        }
    }
}

#[test]
fn hits_can_be_awaited_by_plugins() {
    fn is_send<T: Send>(_: &T) {}
    let counters = Counters::new(&checked::Counters::Memory, 1).unwrap();
    let limits = hourly(1);
    is_send(&counters.hit(0, SPACE, "k", 1, &limits));
    assert!(!counters.is_shared());
}
