//! Every cause a request can fail for, brought about for real: what the client is told, what the access log says, and
//! that the next request is served. The rows are in `causes/`; what takes more than one request is told here.

mod client_side;
mod stories;
mod upstream_side;

use std::any::Any;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::Value;

use crate::harness::access::{attempt, key};
use crate::harness::certs::{Authority, Role, Validity};
use crate::harness::gateway::folder;
use crate::harness::upstream::{FullBacklog, Refusing, Step, Tls};
use crate::harness::wire::Wire;
use crate::harness::{Answer, Gateway, Upstream, built, dns};

/// One way to fail. Its route is `/NAME`, its service has no other.
struct Row {
    name: &'static str,
    peer: Peer,
    /// Lines of the service's table.
    service: &'static str,
    /// Lines of the route's table.
    route: &'static str,
    /// All that the client sends.
    request: Vec<u8>,
    /// As many requests go before, unjudged.
    before: usize,
    expected: Expected,
}

/// What must come of it.
struct Expected {
    sees: Sees,
    /// The cause; where two are right, both with "|" between.
    code: &'static str,
    /// The same for the phase.
    phase: &'static str,
    /// What the log's detail says, whatever the case and spacing.
    words: &'static [&'static str],
    tried: Tried,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sees {
    /// The gateway's own answer.
    Status(u16),
    /// A response that breaks off: the head was on its way already.
    BrokenBody,
}

/// Whether a connection to an upstream was tried, which is the log's to tell.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tried {
    Yes,
    No,
}

/// Who is at the other end.
enum Peer {
    Script(Vec<Step>),
    /// The same, and the gateway speaks TLS to it.
    ScriptOverTls(Vec<Step>),
    Refusing,
    /// Accepts nothing more.
    Full,
    /// No TCP connection leads to a multicast address.
    Unreachable,
    /// A target that the test's name server has this name for.
    Named(&'static str),
    /// Speaks TLS, and the gateway does not.
    TlsUnexpected,
    Certificate(Shown),
    /// One target that takes nothing.
    NoWeight,
    /// One target that refuses, and is taken out for it.
    Unhealthy,
    Echo,
}

/// What an upstream over TLS shows and asks for.
#[derive(Clone, Copy)]
enum Shown {
    Expired,
    NotYetValid,
    Misnamed,
    OfUnknownIssuer,
    /// A good one, but a client certificate is required.
    ClientsShowToo,
    /// A good one, but HTTP/2 is not spoken.
    OnlyHttp1,
}

/// The name in certificates.
const NAME: &str = "upstream.test";
const SOON: Duration = Duration::from_secs(10);

#[tokio::test]
async fn what_a_client_does_wrong() {
    all(client_side::rows()).await;
}

#[tokio::test]
async fn what_an_upstream_does_wrong() {
    all(upstream_side::rows()).await;
}

#[tokio::test]
async fn what_a_plugin_does_wrong() {
    all(client_side::plugins()).await;
}

/// Run every row through one gateway, and tell all that is wrong at once.
async fn all(rows: Vec<Row>) {
    let bench = Bench::start(&rows).await;
    let mut faults = Vec::new();
    for (row, address) in rows.iter().zip(&bench.addresses) {
        if let Err(fault) = bench.judge(row, address).await {
            faults.push(format!("{}: {fault}", row.name));
        }
        let good = bench.gateway.get("/good").await;
        if good.status != 200 {
            faults.push(format!("{}, and after it {good:?}", row.name));
        }
    }
    assert!(faults.is_empty(), "{} faults in {} rows:\n{}", faults.len(), rows.len(), faults.join("\n"));
}

struct Bench {
    gateway: Gateway,
    /// Of each row's target, as details have it.
    addresses: Vec<String>,
    /// Whatever lives as long as its test.
    _held: Vec<Box<dyn Any>>,
}

const LIMITS: &str = r#"
[limits]
header_bytes = "16KiB"
headers = 50
uri_bytes = "8KiB"
upstream_header_bytes = "16KiB"
header_timeout = "500ms"
body_idle_timeout = "500ms"
"#;

type Judged = Result<(), String>;

impl Bench {
    async fn start(rows: &[Row]) -> Self {
        let good = Upstream::echo("good").await;
        let (known, unknown) = (Authority::new("known"), Authority::new("unknown"));
        let mut config =
            format!("{LIMITS}\n[dns]\nnameservers = [\"{}\"]\ntimeout = \"300ms\"\n", dns::name_server().await);
        let mut services = service("good", &format!("http://{}", good.address), "", "");
        let mut held: Vec<Box<dyn Any>> = vec![Box::new(good)];
        let mut addresses = Vec::new();
        let mut plugins = false;
        for row in rows {
            let (url, address) = row.peer.start(row.name, &mut config, [&known, &unknown], &mut held).await;
            services.push_str(&service(row.name, &url, row.service, row.route));
            addresses.push(address);
            plugins |= row.route.contains("faulty");
        }
        let faulty = plugins.then(|| built("guests/faulty.wasm"));
        let files: Vec<_> = faulty.iter().map(|path| ("faulty.wasm", path.as_path())).collect();
        if plugins {
            config.push_str("[components.faulty]\npath = \"faulty.wasm\"\n");
        }
        let folder = folder(&format!("{config}{services}"), &files);
        known.write(folder.path(), "ca");
        Self { gateway: Gateway::start_in(folder).await, addresses, _held: held }
    }

    async fn judge(&self, row: &Row, address: &str) -> Judged {
        for _ in 0..row.before {
            self.ask(row).await;
        }
        let accesses = self.gateway.accesses();
        let (answer, closed) = self.ask(row).await;
        let expected = &row.expected;
        let (by, text) = match (expected.sees, &answer) {
            (Sees::Status(status), Some(answer)) => {
                let id = told(answer, status, expected.code)?;
                (key::REQUEST_ID, id)
            }
            (Sees::BrokenBody, None) if closed => (key::PATH, format!("/{}", row.name)),
            (Sees::BrokenBody, None) => return Err("no end".to_owned()),
            (Sees::BrokenBody, Some(answer)) => return Err(format!("a whole answer: {answer:?}")),
            (Sees::Status(_), None) => return Err("no answer".to_owned()),
        };
        let line = self.gateway.accessed_since(accesses, SOON, by, &text).await;
        let line = line.ok_or_else(|| format!("no access with {by}: {text}"))?;
        expected.logged(&line, address).map_err(|fault| format!("{fault}: {line}"))
    }

    /// The answer, and if there is none, whether the connection was closed.
    async fn ask(&self, row: &Row) -> (Option<Answer>, bool) {
        let mut wire = Wire::connect(self.gateway.addresses[0]).await;
        wire.send(&row.request).await;
        let answer = wire.answer(SOON).await;
        let closed = tokio::time::timeout(SOON, async { while answer.is_none() && wire.read().await {} }).await.is_ok();
        (answer, closed)
    }
}

/// The gateway's own answer with this status and code; gives its request id.
fn told(answer: &Answer, status: u16, code: &str) -> Result<String, String> {
    let got = answer.header("x-gateway-error").unwrap_or_default();
    if answer.status != status || !one_of(code, got) {
        return Err(format!("{} {got:?} instead of {status} {code}: {answer:?}", answer.status));
    }
    if answer.header("content-type") != Some("application/json; charset=utf-8") {
        return Err(format!("no JSON: {answer:?}"));
    }
    let id = answer.header("x-gateway-request-id").ok_or("no request id")?;
    let body = answer.json();
    if body["error"] != got || body["request_id"] != id || body["message"].as_str().is_none_or(str::is_empty) {
        return Err(format!("{body} for {id}"));
    }
    Ok(id.to_owned())
}

impl Expected {
    fn logged(&self, line: &Value, address: &str) -> Judged {
        for (key, expected) in [(key::ERROR, self.code), (key::PHASE, self.phase)] {
            if !line[key].as_str().is_some_and(|got| one_of(expected, got)) {
                return Err(format!("{key} is not {expected:?}"));
            }
        }
        if let Sees::Status(status) = self.sees
            && line[key::STATUS] != status
        {
            return Err(format!("{} is not {status}", key::STATUS));
        }
        if !line[key::DURATION].is_number() {
            return Err(format!("no {}", key::DURATION));
        }
        let detail = line[key::DETAIL].as_str().unwrap_or_default();
        let target = if self.tried == Tried::Yes { address } else { "" };
        for word in self.words.iter().chain([&target]) {
            if !plain(detail).contains(&plain(word)) {
                return Err(format!("{} does not say {word:?}", key::DETAIL));
            }
        }
        let attempts = line[key::ATTEMPTS].as_array().map_or(&[][..], Vec::as_slice);
        match (self.tried, attempts) {
            (Tried::Yes, [only]) => attempted(only, address),
            (Tried::Yes, attempts) => Err(format!("{} attempts", attempts.len())),
            (Tried::No, _) => Ok(()),
        }
    }
}

fn attempted(attempt: &Value, address: &str) -> Judged {
    if attempt[attempt::ADDRESS] != address {
        return Err(format!("an attempt's {} is not {address}", attempt::ADDRESS));
    }
    if attempt[attempt::OUTCOME].as_str().is_none_or(str::is_empty) {
        return Err(format!("an attempt without {}", attempt::OUTCOME));
    }
    if !attempt::TIMINGS.iter().any(|key| attempt[*key].is_number()) {
        return Err(format!("an attempt with none of {:?}", attempt::TIMINGS));
    }
    Ok(())
}

fn one_of(expected: &str, got: &str) -> bool {
    expected.split('|').any(|expected| expected == got)
}

/// Without case, spaces and punctuation: "unknown issuer" is `UnknownIssuer`.
fn plain(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// A service with one route, named alike. What takes long has timeouts of its own, so that it does not.
fn service(name: &str, url: &str, service: &str, route: &str) -> String {
    format!(
        r#"
[[services]]
name = "{name}"
url = "{url}"
timeouts = {{ connect = "400ms", response = "400ms", idle = "400ms" }}
retries = 0
{service}
[[services.routes]]
name = "{name}"
paths = ["/{name}"]
{route}
"#
    )
}

impl Peer {
    /// The service's URL, and the target's address.
    async fn start(
        &self,
        name: &str,
        config: &mut String,
        [known, unknown]: [&Authority; 2],
        held: &mut Vec<Box<dyn Any>>,
    ) -> (String, String) {
        let (scheme, address) = match self {
            Self::Script(script) => ("http", hold(held, Upstream::scripted(script.clone()).await)),
            Self::ScriptOverTls(script) => ("https", hold(held, Upstream::scripted(script.clone()).await)),
            Self::Echo => ("http", hold(held, Upstream::echo("echo").await)),
            Self::TlsUnexpected => ("http", tls(Shown::OnlyHttp1, known, unknown, held).await),
            Self::Certificate(shown) => ("https", tls(*shown, known, unknown, held).await),
            Self::Unreachable => ("http", "224.0.0.1:9".to_owned()),
            Self::Named(name) => ("http", format!("{name}:80")),
            Self::Full => {
                let full = FullBacklog::new();
                let address = full.address.to_string();
                held.push(Box::new(full));
                ("http", address)
            }
            Self::Refusing | Self::NoWeight | Self::Unhealthy => {
                let refusing = Refusing::new();
                let address = refusing.address.to_string();
                held.push(Box::new(refusing));
                ("http", address)
            }
        };
        let group = match self {
            Self::NoWeight => format!("targets = [{{ address = \"{address}\", weight = 0 }}]"),
            Self::Unhealthy => {
                format!("targets = [\"{address}\"]\nhealth = {{ passive = {{ failures = 1, recover = \"1m\" }} }}")
            }
            _ => return (format!("{scheme}://{address}"), address),
        };
        writeln!(config, "[[upstreams]]\nname = \"{name}\"\n{group}").unwrap();
        (format!("{scheme}://{name}"), address)
    }
}

async fn tls(shown: Shown, known: &Authority, unknown: &Authority, held: &mut Vec<Box<dyn Any>>) -> String {
    let leaf = match shown {
        Shown::Expired => known.leaf(&[NAME], Validity::Expired, Role::Server),
        Shown::NotYetValid => known.leaf(&[NAME], Validity::NotYet, Role::Server),
        Shown::Misnamed => known.server(&["other.test"]),
        Shown::OfUnknownIssuer => unknown.server(&[NAME]),
        Shown::ClientsShowToo | Shown::OnlyHttp1 => known.server(&[NAME]),
    };
    let clients = matches!(shown, Shown::ClientsShowToo).then_some(known);
    hold(held, Upstream::tls(Tls { leaf: &leaf, clients, alpn: &["http/1.1"] }).await)
}

fn hold(held: &mut Vec<Box<dyn Any>>, upstream: Upstream) -> String {
    let address = upstream.address.to_string();
    held.push(Box::new(upstream));
    address
}
