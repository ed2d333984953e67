//! A gateway that is killed while it delivers, to a peer that fails at random: with a disk buffer, whatever was handed in
//! before the last sync is delivered.

use std::time::{Duration, Instant};

use super::{numbers, record, recording};
use crate::harness::receiver::{Fate, Protocol};
use crate::harness::{Client, Gateway, Receiver, within};

/// `buffer.sync`
const SYNC: Duration = Duration::from_secs(1);
/// Records per request.
const EACH: usize = 100;

/// A third of the requests fail, in all ways there are.
fn at_random() -> Fate {
    match fastrand::u32(0..100) {
        0..8 => Fate::Status(429),
        8..14 => Fate::Status(503),
        14..22 => Fate::Partly { every: 7, status: 429 },
        22..26 => Fate::Slow(Duration::from_millis(300)),
        26..30 => Fate::Cut,
        30..34 => Fate::Mute,
        _ => Fate::Taken,
    }
}

/// Which records were taken, and when.
#[derive(Default)]
struct Taken {
    until: Vec<(Instant, std::ops::Range<usize>)>,
    next: usize,
}

impl Taken {
    /// Have records handed in up to this number, as fast as it goes.
    async fn up_to(&mut self, gateway: &Gateway, end: usize) {
        let mut client: Client = gateway.client().await;
        while self.next < end {
            let taken = record(&mut client, self.next, EACH).await.unwrap();
            self.until.push((Instant::now(), self.next..self.next + taken));
            self.next += EACH;
            if taken < EACH {
                // There is no room: whoever hands in may wait, and a request may not.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }

    /// Those that were taken so long before `end`.
    fn before(&self, end: Instant, from: usize, margin: Duration) -> Vec<usize> {
        let early = self.until.iter().filter(|(at, numbers)| *at + margin <= end && numbers.start >= from);
        early.flat_map(|(_, numbers)| numbers.clone()).collect()
    }
}

/// Which records came, in how many all together.
struct Came {
    numbers: Vec<bool>,
    records: usize,
}

impl Came {
    /// Those of `wanted` that have not come by now.
    fn missing(&mut self, receiver: &Receiver, wanted: &[usize]) -> Vec<usize> {
        // The receiver is on this thread, too: each record is looked at once.
        let new = receiver.records_from(self.records);
        self.records += new.len();
        numbers(&new).into_iter().for_each(|number| self.numbers[number] = true);
        wanted.iter().copied().filter(|number| !self.numbers[*number]).collect()
    }
}

/// Hand in `total` records, kill the gateway twice meanwhile, and see what comes within this time.
async fn survives(total: usize, patience: Duration) {
    let receiver = Receiver::start(Protocol::Elasticsearch, at_random).await;
    let table = format!(
        "kind = \"http\"\nurl = \"http://{}/_bulk\"\nformat = \"elasticsearch\"\nindex = \"logs-edge\"\n\
         batch = {{ max_records = 1000, max_wait = \"50ms\" }}\nretry = {{ max_wait = \"200ms\" }}\ntimeout = \"5s\"\n\
         buffer = {{ disk = \"var/elastic\", disk_max = \"256MiB\", sync = \"{}ms\" }}\n",
        receiver.address,
        SYNC.as_millis()
    );
    let mut gateway = recording(&table).await;
    let mut taken = Taken::default();
    let (mut surely, mut all) = (Vec::new(), Vec::new());
    for kill in 1..=3 {
        let from = taken.next;
        taken.up_to(&gateway, (from + total * kill / 3) / 2).await;
        // The rest follows so much later that this half is synced for sure when the gateway is killed.
        tokio::time::sleep(SYNC).await;
        taken.up_to(&gateway, total * kill / 3).await;
        let (end, margin) = if kill < 3 { (Instant::now(), SYNC) } else { (Instant::now(), Duration::ZERO) };
        if kill < 3 {
            gateway = Gateway::start_in(gateway.kill()).await;
        }
        surely.extend(taken.before(end, from, margin));
        all.extend(taken.before(end, from, Duration::ZERO));
    }
    let mut came = Came { numbers: vec![false; total + EACH], records: 0 };
    let delivered = within(patience, async || came.missing(&receiver, &surely).is_empty().then_some(())).await;
    // What is still under way may be what was handed in last before a kill.
    gateway.signal("TERM");
    assert!(gateway.ended().await.success());
    let lost = came.missing(&receiver, &surely);
    let (window, came) = (came.missing(&receiver, &all).len(), came.records);
    println!(
        "{total} records handed in, {} taken, {} of them longer than {SYNC:?} before a kill; {came} came in {} requests; \
         lost: {} of those, {window} of all",
        all.len(),
        surely.len(),
        receiver.requests().len(),
        lost.len(),
    );
    assert!(delivered.is_some() && lost.is_empty(), "{} are lost: {:?} ...", lost.len(), &lost[..lost.len().min(20)]);
    assert_eq!(receiver.complaints(), Vec::<String>::new());
    assert!(surely.len() > total / 2, "most of it was to be shown: {} of {total}", surely.len());
}

#[tokio::test]
async fn what_was_taken_before_a_kill_is_delivered_after_it() {
    survives(20_000, Duration::from_secs(60)).await;
}

#[tokio::test]
#[ignore = "hands in 200,000 records: cargo test -p tidegate --test e2e -- --ignored --nocapture sinks::crash"]
async fn what_was_taken_before_a_kill_is_delivered_after_it_whatever_the_number() {
    survives(200_000, Duration::from_secs(600)).await;
}
