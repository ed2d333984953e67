//! `tidegate plugin bench`: what a plugin's calls take on the real host, without anything else of an exchange.

use std::cell::Cell;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, anyhow, bail};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};
use tidegate_cases::{Answer, Body, Case, Fields};
use tokio::runtime::Runtime;

use super::control;
use super::stage::{self, Set, Stage};
use crate::config::checked::Isolation;
use crate::error::Failure;
use crate::host::activation::BodyMode;
use crate::host::exchange::{Content, Ended, Exchange, Progress, RequestHead, RequestId, ResponseHead, Scheme};
use crate::host::plugin_use::{Place, Use};
use crate::proxy::route::Ask;

/// All cases together.
const TIME: Duration = Duration::from_secs(3);
/// Exchanges of one round: looking at the clock costs nothing of what is measured then.
const BATCH: u32 = 64;
/// However long they take.
const ROUNDS_MIN: usize = 5;
/// Instances that are started to know what one takes.
const STARTS: usize = 100;

/// Nobody is asked there.
const UPSTREAM: ([u8; 4], u16) = ([127, 0, 0, 1], 9);

/// Measure the plugin at `plugin` in the cases of `file`.
pub(super) fn run(plugin: &Path, file: &Path) -> anyhow::Result<()> {
    let (stage, control) = (Stage::new(plugin)?, control()?);
    let files = tidegate_cases::load(file)?;
    // A config that is refused leaves nothing to be called, and what a failure takes nobody wants to know.
    let is_measured = |case: &Case| case.expect.refused.is_none() && case.expect.failure.is_none();
    let cases: Vec<Case> = files.into_iter().flat_map(|(_, cases)| cases).filter(is_measured).collect();
    let first =
        cases.first().with_context(|| format!("{} has no case in which the plugin is called", file.display()))?;
    let share = TIME / u32::try_from(cases.len())?;
    for case in &cases {
        println!("{}", case.name);
        let set = set(&stage, case, Isolation::Worker, &control)?;
        let laps = control.block_on(measure(&set, case, share)).with_context(|| format!("\"{}\"", case.name))?;
        for (hook, mut times) in laps {
            println!("  {hook:17} {:>10} per call", shown(median(&mut times)));
        }
    }
    let (configured, memory) = start(&set(&stage, first, Isolation::Worker, &control)?, first, &control)?;
    let (copied, _) = start(&set(&stage, first, Isolation::Request, &control)?, first, &control)?;
    println!("a fresh instance    {:>10}, configured", shown(configured));
    println!("                    {:>10}, with isolation = \"request\"", shown(copied));
    println!("an idle instance    {:>10} of memory", super::size(memory));
    Ok(())
}

fn set(stage: &Stage, case: &Case, isolation: Isolation, control: &Runtime) -> anyhow::Result<Set> {
    let others = vec![UPSTREAM.into(); case.upstreams.len()];
    let set = stage.set(case, (UPSTREAM.into(), &others), isolation, control.handle())?;
    set.map_err(|report| anyhow!("the config of \"{}\" is refused: {}", case.name, stage::told(&report)))
}

/// What each hook took per call, round by round.
type Laps = Vec<(&'static str, Vec<Duration>)>;

async fn measure(set: &Set, case: &Case, time: Duration) -> anyhow::Result<Laps> {
    let begun = Instant::now();
    let mut laps = Laps::new();
    let mut rounds = 0;
    while rounds < ROUNDS_MIN || begun.elapsed() < time {
        for (hook, lap) in round(set, case).await? {
            match laps.iter_mut().find(|(known, _)| *known == hook) {
                Some((_, times)) => times.push(lap),
                None => laps.push((hook, vec![lap])),
            }
        }
        rounds += 1;
    }
    Ok(laps)
}

/// A batch of exchanges through the hooks, in the order in which a gateway calls them.
async fn round(set: &Set, case: &Case) -> anyhow::Result<Vec<(&'static str, Duration)>> {
    let clock = Cell::new(tokio::time::Instant::now());
    let place = Place { worker: 0, clock: &clock };
    let mut exchanges = (0..BATCH).map(|_| exchange(set, case)).collect::<anyhow::Result<Vec<_>>>()?;
    let plugin = only(&exchanges)?;
    let activation = plugin.plugin.activation;
    let mut laps = Vec::new();

    if activation.on_request {
        let begun = Instant::now();
        for exchange in &mut exchanges {
            if let Some(reply) = plugin.on_request(place, exchange).await.map_err(failed)? {
                exchange.response = Some(reply.head);
                exchange.response_body = Content::Whole(reply.body);
            }
        }
        laps.push(("on-request", begun.elapsed() / BATCH));
    }
    if let (BodyMode::Chunked, Some(pieces)) = (activation.request_body, pieces(case.request.body.as_ref())) {
        let mut beside: Vec<_> = exchanges.iter_mut().map(|exchange| exchange.beside()).collect();
        let begun = Instant::now();
        for exchange in &mut beside {
            for piece in &pieces {
                plugin.on_request_body(place, exchange, piece.clone()).await.map_err(failed)?;
            }
        }
        laps.push(("on-request-body", begun.elapsed() / BATCH / u32::try_from(pieces.len())?));
    }
    for exchange in &mut exchanges {
        answer(exchange, &case.answer, activation.response_body)?;
    }
    if exchanges.first().is_some_and(|exchange| exchange.is_edited_in_advance()) {
        let begun = Instant::now();
        for exchange in &mut exchanges {
            plugin.edit_response(exchange).map_err(failed)?;
        }
        laps.push(("edit-answer", begun.elapsed() / BATCH));
    }
    if activation.on_response {
        let begun = Instant::now();
        for exchange in &mut exchanges {
            plugin.on_response(place, exchange).await.map_err(failed)?;
        }
        laps.push(("on-response", begun.elapsed() / BATCH));
    }
    if let (BodyMode::Chunked, Some(pieces)) = (activation.response_body, pieces(case.answer.body.as_ref())) {
        let mut beside: Vec<_> = exchanges.iter_mut().map(|exchange| exchange.beside()).collect();
        let begun = Instant::now();
        for exchange in &mut beside {
            for piece in &pieces {
                plugin.on_response_body(place, exchange, piece.clone()).await.map_err(failed)?;
            }
        }
        laps.push(("on-response-body", begun.elapsed() / BATCH / u32::try_from(pieces.len())?));
    }
    if activation.on_log {
        exchanges.iter_mut().for_each(|exchange| end(exchange));
        let begun = Instant::now();
        for exchange in &mut exchanges {
            plugin.on_log(place, exchange).await;
        }
        laps.push(("on-log", begun.elapsed() / BATCH));
    }
    if laps.is_empty() {
        bail!("with this config the plugin wants to be called for nothing");
    }
    Ok(laps)
}

#[expect(clippy::needless_pass_by_value, reason = "map_err hands it over")]
fn failed(failure: Failure) -> anyhow::Error {
    anyhow!("what fails is not measured: {}", failure.detail)
}

/// The plugin under test, which is alone in the one route there is.
fn only(exchanges: &[Box<Exchange>]) -> anyhow::Result<Use> {
    let route = exchanges.first().and_then(|exchange| exchange.route.clone());
    route.and_then(|route| route.chain.uses().first().cloned()).context("its route is lost")
}

/// The case's exchange as it is when its route is known.
fn exchange(set: &Set, case: &Case) -> anyhow::Result<Box<Exchange>> {
    let asked = &case.request;
    let mut headers = HeaderMap::new();
    headers.insert(http::header::HOST, HeaderValue::from_static("example.com"));
    fill(&mut headers, &asked.headers)?;
    let head = RequestHead {
        method: Method::from_bytes(asked.method.as_str().as_bytes())?,
        target: asked.target.as_str().parse()?,
        version: Version::HTTP_11,
        headers,
        is_final: false,
    };
    let client = SocketAddr::from((asked.client, 40_000));
    let identities = set.snapshot.identities.clone();
    let mut exchange = Exchange::new(RequestId::random(), client, Scheme::Http, None, head, identities);
    let request = &exchange.request;
    let ask = Ask {
        host: request.host(),
        port: 80,
        path: request.target.path(),
        method: &request.method,
        headers: &request.headers,
        sni: None,
        tls: false,
        source: client,
    };
    let found = set.snapshot.router.find(&ask).map(|found| found.route.clone());
    let route = found.context("its route is lost")?;
    let plugin = route.chain.uses().first().context("its plugin is lost")?;
    if matches!(plugin.plugin.activation.request_body, BodyMode::Buffered(_)) {
        exchange.request_body = Content::Whole(whole(asked.body.as_ref()));
    }
    exchange.route = Some(route);
    Ok(Box::new(exchange))
}

/// Put the upstream's answer there, unless the plugin has given one.
fn answer(exchange: &mut Exchange, answer: &Answer, body: BodyMode) -> anyhow::Result<()> {
    exchange.progress = Progress::Response;
    if exchange.response.is_none() {
        let mut headers = HeaderMap::new();
        fill(&mut headers, &answer.headers)?;
        exchange.response = Some(ResponseHead { status: StatusCode::from_u16(answer.status.code())?, headers });
        if matches!(body, BodyMode::Buffered(_)) {
            exchange.response_body = Content::Whole(whole(answer.body.as_ref()));
        }
    }
    Ok(())
}

fn end(exchange: &mut Exchange) {
    exchange.progress = Progress::Over;
    exchange.outcome = Some(Box::new(Ended {
        begun: SystemTime::now(),
        status: exchange.response.as_ref().map_or(200, |response| response.status.as_u16()),
        upstream_status: None,
        failure: None,
        answered: Duration::ZERO,
        upstream: None,
        plugins: Duration::ZERO,
        total: Duration::ZERO,
        received: 0,
        sent: 0,
        method: exchange.request.method.clone(),
        target: exchange.request.target.clone(),
        upstream_target: Some(exchange.request.target.clone()),
        attempts: Vec::new(),
    }));
}

fn fill(headers: &mut HeaderMap, fields: &Fields) -> anyhow::Result<()> {
    for (name, value) in fields.iter() {
        headers.append(HeaderName::try_from(name)?, HeaderValue::from_bytes(value.as_bytes())?);
    }
    Ok(())
}

fn whole(body: Option<&Body>) -> Bytes {
    body.map(|body| body.pieces().concat()).unwrap_or_default().into()
}

/// Each with whether it is the last; `None` if there are none.
fn pieces(body: Option<&Body>) -> Option<Vec<(Bytes, bool)>> {
    let pieces = body?.pieces();
    let ends = |at: usize| at + 1 == pieces.len();
    let pieces: Vec<_> = pieces.iter().enumerate().map(|(at, piece)| (Bytes::from(piece.clone()), ends(at))).collect();
    Some(pieces).filter(|pieces| !pieces.is_empty())
}

/// What a fresh instance takes, and the memory that it then has.
fn start(set: &Set, case: &Case, control: &Runtime) -> anyhow::Result<(Duration, usize)> {
    let plugin = only(&[exchange(set, case)?])?;
    let mut times = Vec::with_capacity(STARTS);
    let mut memory = 0;
    for _ in 0..STARTS {
        let begun = Instant::now();
        memory = control.block_on(plugin.plugin.start_one()).map_err(|problem| anyhow!("no instance: {problem}"))?;
        times.push(begun.elapsed());
    }
    Ok((median(&mut times), memory))
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn shown(time: Duration) -> String {
    match time.as_nanos() {
        nanoseconds @ 0..10_000 => format!("{nanoseconds} ns"),
        nanoseconds @ 10_000..10_000_000 => format!("{:.1} µs", nanoseconds as f64 / 1e3),
        nanoseconds => format!("{:.1} ms", nanoseconds as f64 / 1e6),
    }
}
