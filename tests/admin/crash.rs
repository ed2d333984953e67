//! A gateway that is killed in the midst of admin writes, at any moment of them: what was answered is there afterwards, and
//! what was under way is there in whole or not at all.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use toml_edit::{DocumentMut, Item};

use crate::harness::admin::Admin;
use crate::harness::{Client, Gateway, Upstream, built, one_route};

/// Those that write at the same time; the gateway takes one after the other.
const WRITERS: usize = 2;
/// Names that each writer has for entities of a kind.
const NAMES: usize = 4;
/// Different files that are uploaded: as many as are compiled and cached.
const FILES: u64 = 16;
/// Kills of one gateway: then the files have been uploaded, and the oldest generations forgotten.
const LIVES: usize = 15;
/// Bytes that each of them has for nothing but the time that it takes to write them.
const PADDING: usize = 1 << 19;
/// Longer than what a crash leaves is kept for whoever may be about to need it.
const LONG_AGO: Duration = Duration::from_secs(2 * 3600);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Consumer,
    Service,
    Route,
    Component,
}

/// What is known by a kind and a name: which version of it there is, if any.
type Known = BTreeMap<(Kind, String), Option<u64>>;

impl Kind {
    const ALL: [Self; 4] = [Self::Component, Self::Route, Self::Service, Self::Consumer];

    fn list(self) -> &'static str {
        match self {
            Self::Consumer => "/consumers",
            Self::Service => "/services",
            Self::Route => "/routes",
            Self::Component => "/components",
        }
    }

    /// All that is said of it, which is different in every version.
    fn body(self, name: &str, version: u64) -> Value {
        let tags = [format!("v{version}")];
        match self {
            Self::Consumer => json!({ "username": name, "custom_id": format!("{name}-{version}"), "tags": tags }),
            Self::Service => json!({
                "name": name, "protocol": "http", "host": "127.0.0.1", "port": 1000 + version % 60_000,
                "path": format!("/{version}"), "retries": version % 100, "read_timeout": 1000 + version, "tags": tags,
            }),
            Self::Route => json!({
                "name": name, "paths": [format!("/{name}/{version}"), format!("~/{name}/{version}/x+$")],
                "headers": { "x-version": [version.to_string()] }, "regex_priority": version, "tags": tags,
            }),
            Self::Component => json!({ "name": name, "sha256": sha256(&file(version)) }),
        }
    }

    /// The version of one that `told` is about.
    fn version(self, told: &Value) -> u64 {
        let name = told[if self == Self::Consumer { "username" } else { "name" }].as_str().unwrap();
        let version = match self {
            Self::Component => (0..FILES).find(|version| self.body(name, *version)["sha256"] == told["sha256"]),
            _ => told["tags"][0].as_str().and_then(|tag| tag.strip_prefix('v')?.parse().ok()),
        };
        let version = version.unwrap_or_else(|| panic!("no version: {told}"));
        for (field, said) in self.body(name, version).as_object().unwrap() {
            assert_eq!(&told[field], said, "{field} is of another version: {told}");
        }
        version
    }
}

/// A plugin that is like no other.
fn file(version: u64) -> Vec<u8> {
    let mut wasm = std::fs::read(built("examples/blue.wasm")).unwrap();
    let mut section = vec![1, b'v'];
    section.extend(version.to_le_bytes());
    section.resize(PADDING, 0);
    // A custom section with its length in LEB128.
    wasm.extend([0, 0x80 | (PADDING & 0x7f) as u8, 0x80 | (PADDING >> 7 & 0x7f) as u8, (PADDING >> 14) as u8]);
    wasm.extend(section);
    wasm
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One that writes until nobody answers.
struct Writer {
    number: usize,
    /// As it was answered.
    known: Known,
    /// What was asked for when the gateway died, and what would be there by it.
    pending: Option<((Kind, String), Option<u64>)>,
    /// The last generation that an answer has named.
    generation: u64,
    answered: usize,
}

/// That a write has begun; and how long one took, by whether it is an upload.
enum Told {
    Began { upload: bool },
    Took { upload: bool, time: Duration },
}

impl Writer {
    async fn write(&mut self, mut client: Client, versions: std::ops::RangeFrom<u64>, told: UnboundedSender<Told>) {
        for version in versions.step_by(WRITERS) {
            // Uploads are few, or there would soon be no new file any more.
            let kind =
                if fastrand::u8(..8) == 0 { Kind::Component } else { Kind::ALL[fastrand::usize(1..Kind::ALL.len())] };
            let name = format!(
                "{}-{}",
                kind.list()[1..].trim_end_matches('s'),
                self.number * NAMES + fastrand::usize(..NAMES)
            );
            let is_there = self.known.get(&(kind, name.clone())).copied().flatten().is_some();
            let version = if kind == Kind::Component { fastrand::u64(..FILES) } else { version };
            let one = format!("{}/{name}", kind.list());
            let (method, path, after) = match (kind, is_there, fastrand::u8(..3)) {
                (Kind::Component, true, 0) | (_, true, 1) => ("DELETE", one, None),
                (Kind::Component, _, _) | (_, _, 0) => ("PUT", one, Some(version)),
                (Kind::Route, false, _) => ("POST", "/services/s/routes".to_owned(), Some(version)),
                (_, false, _) => ("POST", kind.list().to_owned(), Some(version)),
                (_, true, _) => ("PATCH", one, Some(version)),
            };
            let mut body = kind.body(&name, version);
            if (kind, method) == (Kind::Route, "PUT") {
                body["service"] = json!({ "name": "s" });
            }
            let upload = (kind, method) == (Kind::Component, "PUT");
            let (content_type, body) = match (upload, method) {
                (true, _) => ("application/wasm", file(version)),
                (_, "DELETE") => ("application/json", Vec::new()),
                _ => ("application/json", body.to_string().into_bytes()),
            };
            self.pending = Some(((kind, name.clone()), after));
            told.send(Told::Began { upload }).unwrap();
            let began = Instant::now();
            let headers = [("host", "localhost"), ("content-type", content_type)];
            let Ok(answer) = client.try_send_bytes(method, &path, &headers, body).await else { return };
            assert!([200, 201, 204].contains(&answer.status), "{method} {path}: {}", answer.text());
            self.known.insert((kind, name), after);
            self.pending = None;
            self.answered += 1;
            self.generation = answer.header("x-gateway-generation").unwrap().parse().unwrap();
            told.send(Told::Took { upload, time: began.elapsed() }).unwrap();
        }
    }
}

/// How long writes take: what is measured goes in, moments to kill come out.
struct Pace {
    write: Duration,
    upload: Duration,
}

impl Pace {
    /// Let some writes begin, and wait for any moment of the last of them, or shortly after.
    async fn any_moment(&mut self, told: &mut UnboundedReceiver<Told>) {
        let mut writes = fastrand::usize(2..9);
        loop {
            match told.recv().await.unwrap() {
                Told::Took { upload, time } => {
                    let mean = if upload { &mut self.upload } else { &mut self.write };
                    *mean = (*mean * 3 + time) / 4;
                }
                Told::Began { upload } if writes == 0 => {
                    let mean = if upload { self.upload } else { self.write };
                    // Timers of the runtime are too coarse: it is a matter of less than a millisecond.
                    std::thread::sleep(mean.mul_f64(fastrand::f64() * 1.2));
                    return;
                }
                Told::Began { .. } => writes -= 1,
            }
        }
    }
}

/// What the file says, as far as it is about what is written here.
fn in_file(folder: &Path) -> Known {
    let text = std::fs::read_to_string(folder.join("gateway.toml")).unwrap();
    let document: DocumentMut = text.parse().unwrap_or_else(|error| panic!("{error}\n{text}"));
    let tables = |item: Option<&Item>| {
        item.and_then(Item::as_array_of_tables)
            .map(|tables| tables.iter().cloned().collect::<Vec<_>>())
            .unwrap_or_default()
    };
    let mut known = Known::new();
    let mut note = |kind: Kind, table: &toml_edit::Table, key: &str| {
        let tag = table.get("tags").and_then(|tags| tags.get(0)?.as_str()?.strip_prefix('v')?.parse().ok());
        if let Some(version) = tag {
            known.insert((kind, table[key].as_str().unwrap().to_owned()), Some(version));
        }
    };
    tables(document.get("consumers")).iter().for_each(|consumer| note(Kind::Consumer, consumer, "username"));
    for service in tables(document.get("services")) {
        note(Kind::Service, &service, "name");
        tables(service.get("routes")).iter().for_each(|route| note(Kind::Route, route, "name"));
    }
    for (name, component) in
        document.get("components").and_then(Item::as_table_like).into_iter().flat_map(|all| all.iter())
    {
        let told = json!({ "name": name, "sha256": component["sha256"].as_str().unwrap() });
        known.insert((Kind::Component, name.to_owned()), Some(Kind::Component.version(&told)));
    }
    known
}

/// What the admin API says.
async fn in_api(admin: &Admin) -> Known {
    let mut known = Known::new();
    for kind in Kind::ALL {
        let list = admin.get(&format!("{}?size=1000", kind.list())).await;
        for told in list["data"].as_array().unwrap() {
            let name = told[if kind == Kind::Consumer { "username" } else { "name" }].as_str().unwrap();
            if name != "s" && name != "r" {
                known.insert((kind, name.to_owned()), Some(kind.version(told)));
            }
        }
    }
    known
}

/// Every file below `folder`, if there is one.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// What was on its way to its place.
fn unfinished(folder: &Path) -> Vec<PathBuf> {
    files(folder).into_iter().filter(|path| path.to_string_lossy().ends_with(".next")).collect()
}

/// Every generation since the first that is kept, and no file that is none's.
async fn check_generations(gateway: &Gateway, admin: &Admin, answered: u64) {
    let list = admin.get("/generations").await;
    let numbers: Vec<u64> =
        list["data"].as_array().unwrap().iter().map(|one| one["generation"].as_u64().unwrap()).collect();
    let (newest, oldest) = (numbers[0], numbers[numbers.len() - 1]);
    assert_eq!(numbers, (oldest..=newest).rev().collect::<Vec<_>>(), "a gap");
    assert!(newest >= answered, "generation {answered} was answered, {newest} is the last");
    assert_eq!(admin.get("/status").await["generation"], newest);
    let text = std::fs::read(gateway.path("gateway.toml")).unwrap();
    assert_eq!(list["data"][0]["config_sha256"], sha256(&text), "the last generation is what the file says");
    let mut kept: Vec<String> = files(&gateway.path("var/generations"))
        .into_iter()
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    let mut expected: Vec<String> =
        numbers.iter().flat_map(|number| ["json", "toml"].map(|end| format!("{number}.{end}"))).collect();
    // One is forgotten in two steps, of which the second may be left to the next time.
    let forgotten = format!("{oldest}.toml");
    if !kept.contains(&forgotten) {
        kept.push(forgotten);
    }
    kept.sort();
    expected.sort();
    assert_eq!(kept, expected, "files of generations");
    for path in
        files(&gateway.path("var/components")).iter().filter(|path| path.extension().is_some_and(|end| end == "wasm"))
    {
        assert_eq!(path.file_stem().unwrap().to_str().unwrap(), sha256(&std::fs::read(path).unwrap()));
    }
}

/// What became of writes under way.
#[derive(Debug, Default)]
struct Tally {
    answered: usize,
    whole: usize,
    not_at_all: usize,
    /// Files that were on their way to their place, by what they were to be.
    unfinished: BTreeMap<String, usize>,
}

impl Tally {
    /// Take what is there for what is known, if it is what was answered but for what was under way.
    fn settle(&mut self, writers: &mut [Writer], found: &Known) {
        for writer in writers {
            self.answered += std::mem::take(&mut writer.answered);
            if let Some((what, after)) = writer.pending.take() {
                let before = writer.known.get(&what).copied().flatten();
                let now = found.get(&what).copied().flatten();
                assert!(now == before || now == after, "{what:?} was {before:?}, was to be {after:?}, is {now:?}");
                *(if now == after { &mut self.whole } else { &mut self.not_at_all }) += 1;
                writer.known.insert(what, now);
            }
            for (what, version) in &writer.known {
                assert_eq!(found.get(what).copied().flatten(), *version, "{what:?} is not what was answered");
            }
        }
    }

    fn note_unfinished(&mut self, folder: &Path) {
        let past = SystemTime::now() - LONG_AGO;
        for path in unfinished(folder) {
            let name = path.file_name().unwrap().to_str().unwrap().trim_end_matches(".next");
            let end = name.rsplit('.').next().unwrap();
            *self.unfinished.entry(end.to_owned()).or_default() += 1;
            std::fs::File::options().write(true).open(&path).unwrap().set_modified(past).unwrap();
        }
    }
}

/// Kill a gateway so often.
async fn survives(rounds: usize, tally: &mut Tally) {
    let upstream = Upstream::nobody().await;
    let config = format!("{}\n[admin]\naddress = \"127.0.0.1:0\"\n", one_route(upstream, ""));
    let mut gateway = Gateway::start(&config).await;
    let mut writers: Vec<Writer> = (0..WRITERS)
        .map(|number| Writer { number, known: Known::new(), pending: None, generation: 0, answered: 0 })
        .collect();
    let mut pace = Pace { write: Duration::from_millis(10), upload: Duration::from_millis(100) };
    for round in 1..=rounds as u64 {
        let admin = Admin::of(&gateway).await;
        let (told, mut hear) = unbounded_channel();
        let mut writing = Vec::new();
        for mut writer in writers.drain(..) {
            let (client, told) = (Client::connect(admin.address).await, told.clone());
            let versions = round * 1000 + writer.number as u64..;
            writing.push(tokio::spawn(async move {
                writer.write(client, versions, told).await;
                writer
            }));
        }
        pace.any_moment(&mut hear).await;
        let folder = gateway.kill();
        for writer in writing {
            writers.push(writer.await.unwrap());
        }
        let found = in_file(folder.path());
        tally.settle(&mut writers, &found);
        tally.note_unfinished(folder.path());
        gateway = Gateway::start_in(folder).await;
        let admin = Admin::of(&gateway).await;
        assert_eq!(in_api(&admin).await, found, "round {round}");
        let answered = writers.iter().map(|writer| writer.generation).max().unwrap();
        check_generations(&gateway, &admin, answered).await;
    }
    let left = unfinished(gateway.folder.path());
    assert!(left.len() <= 1, "what crashes have left piles up: {left:?}");
    println!("writes take {:.1?}, uploads {:.1?}; so far {tally:?}", pace.write, pace.upload);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_outlives_a_kill_at_any_moment() {
    let mut tally = Tally::default();
    for _ in 0..2 {
        survives(LIVES, &mut tally).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "kills gateways 300 times: cargo test -p tidegate --test e2e -- --ignored --nocapture admin::crash"]
async fn what_was_answered_outlives_a_kill_at_any_moment_whatever_the_number() {
    let mut tally = Tally::default();
    for _ in 0..20 {
        survives(LIVES, &mut tally).await;
    }
    // Among so many, each moment has been hit.
    assert!(tally.whole > 0 && tally.not_at_all > 0, "{tally:?}");
    assert!(["toml", "wasm"].iter().all(|end| tally.unfinished.contains_key(*end)), "{tally:?}");
}
