use std::sync::Mutex;

use hickory_resolver::proto::op::ResponseCode;

use super::super::fault::Failed;
use super::super::tests::server::{Reply, Server, a};
use super::*;
use crate::dns::Settings;

fn answer(last: u8, seconds: u64, now: Instant) -> Answer {
    let address = ([10, 0, 0, last], 80).into();
    Answer { addresses: vec![Resolved { address, weight: 1 }], valid_until: now + Duration::from_secs(seconds) }
}

fn fault(kind: Kind) -> Fault {
    Failed::new(kind, "").into()
}

fn state(stale: u64) -> State {
    State::new(Query::Host { name: "api.test".into(), port: 80 }, Duration::from_secs(stale))
}

#[test]
fn the_same_addresses_are_no_news() {
    let (mut state, now) = (state(60), Instant::now());
    let (news, next) = state.take(Ok(answer(1, 30, now)), now);
    assert_eq!(news.unwrap().unwrap().addresses, answer(1, 0, now).addresses);
    assert_eq!(next, Next::Refresh(now + Duration::from_secs(30)));
    assert!(state.take(Ok(answer(1, 60, now)), now).0.is_none());
    assert!(state.take(Ok(answer(2, 60, now)), now).0.is_some());
}

#[test]
fn an_old_answer_stands_for_the_stale_time_and_then_the_fault_does() {
    let (mut state, start) = (state(10), Instant::now());
    let at = |seconds| start + Duration::from_secs(seconds);
    state.take(Ok(answer(1, 30, start)), start);
    let (news, next) = state.take(Err(fault(Kind::ServFail)), at(30));
    assert!(news.is_none());
    let Next::Retry(retry) = next else { panic!("{next:?}") };
    assert!(retry > at(31) && retry < at(32));
    let (news, next) = state.take(Err(fault(Kind::Timeout)), at(39));
    assert!(news.is_none());
    assert_eq!(next, Next::Retry(at(40)), "one more try just when the time is up");
    let (news, _) = state.take(Err(fault(Kind::Timeout)), at(40));
    assert_eq!(news.unwrap().unwrap_err().kind, Kind::Timeout);
    assert!(state.take(Err(fault(Kind::Timeout)), at(45)).0.is_none(), "told already");
    assert!(state.take(Err(fault(Kind::NxDomain)), at(50)).0.is_some(), "another fault is news");
    assert!(state.take(Ok(answer(1, 30, at(60))), at(60)).0.is_some(), "recovery, though to the same addresses");
    assert!(state.take(Err(fault(Kind::Timeout)), at(90)).0.is_none());
}

#[test]
fn a_name_that_never_was_there_is_a_fault_at_once_and_is_tried_ever_more_slowly() {
    let (mut state, now) = (state(60), Instant::now());
    assert!(state.take(Err(fault(Kind::NxDomain)), now).0.is_some());
    let mut pauses = Vec::new();
    for _ in 0..40 {
        let Next::Retry(at) = state.take(Err(fault(Kind::NxDomain)), now).1 else { panic!("no retry") };
        pauses.push(at.duration_since(now));
    }
    for (pause, doubled) in pauses.iter().zip([2, 4, 8, 16, 30, 30]) {
        let doubled = Duration::from_secs(doubled);
        assert!(*pause > doubled && *pause <= doubled.mul_f64(1.25), "{pause:?}");
    }
    assert!(pauses.last().unwrap() <= &limits::DNS_RETRY_MAX.mul_f64(1.25));
}

#[tokio::test]
async fn no_use_is_missed_and_none_counts_twice() {
    let interest = Interest::new();
    let waits = async || tokio::time::timeout(Duration::from_millis(20), interest.next_use()).await.is_err();
    assert!(waits().await);
    interest.used();
    interest.used();
    assert!(!waits().await);
    assert!(waits().await);
    tokio::join!(interest.next_use(), async { interest.used() });
    assert!(waits().await);
}

type Told = Arc<Mutex<Vec<String>>>;

/// A follower of api.test, and what it publishes.
fn start(server: &Server, stale: Duration) -> (tokio::task::JoinHandle<()>, Arc<Interest>, Told) {
    let settings = Settings {
        nameservers: vec![server.address],
        search: None,
        timeout: Duration::from_secs(5),
        stale,
        hosts: None,
    };
    let (interest, told) = (Arc::new(Interest::new()), Told::default());
    let publish = {
        let told = Arc::clone(&told);
        move |outcome: Result<Arc<Answer>, Fault>| {
            let text = match outcome {
                Ok(answer) => Listed(&answer.addresses).to_string(),
                Err(fault) => format!("{:?}", fault.kind),
            };
            told.lock().unwrap().push(text);
        }
    };
    let query = Query::Host { name: "api.test".into(), port: 80 };
    let task = tokio::spawn(follow(Resolver::new(&settings).unwrap(), query, Arc::clone(&interest), publish));
    (task, interest, told)
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_used_name_follows_the_dns_and_an_idle_one_makes_no_traffic() {
    let server = Server::start().await;
    server.set("api.test.", [a(1, "10.0.0.1")]);
    let (task, interest, told) = start(&server, Duration::from_secs(60));
    let told = || told.lock().unwrap().clone();
    until("the first answer", || told() == ["[10.0.0.1:80]"]).await;
    let expiry = Instant::now() + Duration::from_millis(1_500);
    server.set("api.test.", [a(1, "10.0.0.2")]);
    until("the answer's end", || Instant::now() > expiry).await;
    assert_eq!(server.asked("api.test.", "A"), 1, "nobody uses it");

    interest.used();
    until("the new address", || told().len() == 2).await;
    assert_eq!(told(), ["[10.0.0.1:80]", "[10.0.0.2:80]"]);
    until("another round", || {
        interest.used();
        server.asked("api.test.", "A") == 3
    })
    .await;
    assert_eq!(told().len(), 2, "nothing changed");
    task.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_bridged_then_told_and_its_end_too() {
    let server = Server::start().await;
    server.set("api.test.", [a(1, "10.0.0.1")]);
    let (task, interest, told) = start(&server, Duration::from_secs(2));
    let told = || told.lock().unwrap().clone();
    until("the first answer", || !told().is_empty()).await;
    let first = Instant::now();
    server.reply("api.test.", Reply::Code(ResponseCode::ServFail));
    interest.used();
    until("the fault", || told().len() == 2).await;
    assert!(first.elapsed() > Duration::from_millis(2_900), "one second of TTL and two of being stale");
    assert_eq!(told(), ["[10.0.0.1:80]", "ServFail"]);
    server.set("api.test.", [a(1, "10.0.0.1")]);
    until("the recovery", || told().len() == 3).await;
    assert_eq!(told().last().unwrap(), "[10.0.0.1:80]");
    task.abort();
}
