//! Leads an exchange through its chain: hooks in their order, whole bodies for those that ask for them, pieces of bodies
//! past those that want to see them, and word of the end to those that keep a log. Called by `exchange` and `ongoing`.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use http::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, CONTENT_LENGTH, ETAG, HeaderMap, HeaderName, HeaderValue, IF_RANGE, RANGE,
};
use http::{Method, StatusCode};
use tokio::time::Instant;

use super::answer;
use super::body::{Bounds, Filter, Side, Source, TakenIn, Upload};
use super::ongoing::Ongoing;
use crate::error::{Cause, Failure};
use crate::host::activation::BodyMode;
use crate::host::chain::Chain;
use crate::host::chain::consumers::Resumed;
use crate::host::exchange::{Content, Exchange, Progress};
use crate::host::plugin_use::{Place, Reply};
use crate::snapshot::Route;

/// How the request hooks ended.
pub(super) struct Passage {
    /// The chain that they have come to be, if it is not the route's: the consumer has uses.
    pub(super) chain: Option<Arc<Chain>>,
    /// How many uses were entered: their response hooks are due.
    pub(super) entered: usize,
    /// What now.
    pub(super) outcome: Outcome,
}

/// What a chain's request hooks decided together.
pub(super) enum Outcome {
    /// On to the upstream.
    Forward,
    /// A plugin answers.
    Reply(Box<Reply>),
    /// A plugin failed, or its body could not be had; nobody else was asked.
    Failed(Failure),
}

/// Run the request hooks of `route` until one replies or fails.
pub(super) async fn on_request(route: &Route, ongoing: &mut Ongoing) -> Passage {
    if route.chain.uses().is_empty() {
        return Passage { chain: None, entered: 0, outcome: Outcome::Forward };
    }
    let worker = Rc::clone(&ongoing.client.worker);
    worker.look_at_the_clock();
    let mut caller = Caller::of(ongoing);
    let mut chain = None;
    let mut index = 0;
    while let Some(plugin_use) = chain.as_ref().unwrap_or(&route.chain).uses().get(index) {
        let activation = plugin_use.plugin.activation;
        if let BodyMode::Buffered(most) = activation.request_body {
            if let Err(failure) = take_in_request(route, ongoing, most).await {
                return Passage { chain, entered: index, outcome: Outcome::Failed(failure) };
            }
            worker.look_at_the_clock();
        }
        if activation.on_request {
            let place = Place { worker: worker.id, clock: &worker.now };
            let decided = plugin_use.on_request(place, &mut ongoing.exchange).await;
            if let Caller::Matters { known } = &mut caller
                && let Some(resumed) = resumed(route, chain.as_ref(), index, known, ongoing)
            {
                index = resumed.1;
                ongoing.keep_for_log(&resumed.0);
                chain = Some(resumed.0);
            }
            match decided {
                Ok(None) => {}
                Ok(Some(reply)) => return Passage { chain, entered: index + 1, outcome: Outcome::Reply(reply) },
                // Whoever failed does not get to answer for it.
                Err(failure) => return Passage { chain, entered: index, outcome: Outcome::Failed(failure) },
            }
        }
        index += 1;
    }
    Passage { chain, entered: index, outcome: Outcome::Forward }
}

/// Whether it makes a difference to the chain who has sent a request.
enum Caller {
    /// No consumer has plugin uses.
    Irrelevant,
    /// Some have. So far it is from the consumer with this number; 0: from nobody.
    Matters { known: u64 },
}

impl Caller {
    fn of(ongoing: &Ongoing) -> Self {
        let generation = ongoing.exchange.generation.as_ref();
        match generation.and_then(|generation| generation.consumer_uses.as_ref()) {
            None => Self::Irrelevant,
            Some(_) => Self::Matters { known: 0 },
        }
    }
}

/// What the exchange goes on with, and the place of the use at `index` in it, if that has found another consumer than was
/// known.
fn resumed(
    route: &Route,
    chain: Option<&Arc<Chain>>,
    index: usize,
    known: &mut u64,
    ongoing: &Ongoing,
) -> Option<Resumed> {
    let consumer = ongoing.exchange.authenticated.as_ref()?.consumer();
    if std::mem::replace(known, consumer.number()) == consumer.number() {
        return None;
    }
    let uses = ongoing.exchange.generation.as_ref()?.consumer_uses.as_ref()?;
    uses.resumed(ongoing.client.worker.id, route, chain.unwrap_or(&route.chain), index, consumer)
}

/// The request's body, within its bounds; `None` if it has none.
pub(super) fn upload(route: &Route, ongoing: &mut Ongoing) -> Option<Rc<Upload>> {
    if let Some(upload) = &ongoing.journal.upload {
        return Some(Rc::clone(upload));
    }
    let upload = Upload::new(ongoing.body.take()?, bounds(route, ongoing))?;
    ongoing.journal.upload = Some(Rc::clone(&upload));
    Some(upload)
}

fn bounds(route: &Route, ongoing: &Ongoing) -> Bounds {
    let limits = &ongoing.client.edge.limits;
    let retries = &route.service.retries;
    let configured = route.body_bytes.or(limits.body_bytes);
    let bytes = [configured, ongoing.exchange.body_limit].into_iter().flatten().min();
    Bounds {
        idle: limits.body_idle_timeout,
        total: limits.body_timeout,
        bytes,
        kept: if retries.count > 0 { retries.buffer } else { 0 },
    }
}

async fn take_in_request(route: &Route, ongoing: &mut Ongoing, most: u64) -> Result<(), Failure> {
    match ongoing.exchange.request_body.bytes() {
        // A plugin before has it already; this one may have room for less.
        Some(bytes) if bytes.len() as u64 > most => {
            let story = format!("its {} bytes are more than a plugin takes ({most})", bytes.len());
            return Err(Failure::new(Cause::BodyTooLarge, story));
        }
        Some(_) => return Ok(()),
        None => {}
    }
    let whole = match upload(route, ongoing) {
        Some(upload) => upload.take_in(most).await?,
        None => bytes::Bytes::new(),
    };
    ongoing.exchange.request_body = Content::Whole(whole);
    Ok(())
}

/// Make the request what its plugins want it to be, once all of them have been asked.
pub(super) fn before_sending(route: &Route, chain: &Arc<Chain>, ongoing: &mut Ongoing) {
    let needs = chain.needs();
    if needs.response_body {
        // What is encoded, or a part only, says little to a plugin.
        let headers = &mut ongoing.exchange.request.headers;
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.remove(RANGE);
        headers.remove(IF_RANGE);
    }
    let upload = upload(route, ongoing);
    if let Content::Replaced(bytes) = &ongoing.exchange.request_body {
        let bytes = bytes.clone();
        ongoing.exchange.request.headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
        match upload {
            Some(upload) => upload.replace(bytes),
            None => ongoing.journal.upload = Some(Upload::of(bytes, bounds(route, ongoing))),
        }
    }
    if needs.request_pieces
        && let Some(upload) = &ongoing.journal.upload
    {
        ongoing.exchange.request.headers.remove(CONTENT_LENGTH);
        let (chain, worker) = (Arc::clone(chain), ongoing.client.worker.id);
        let entered = chain.uses().len();
        upload.filter(Filter::new(chain, worker, Side::Request, entered, ongoing.exchange.beside()));
    }
}

/// Run the response hooks of the first `entered` uses, the last of them first, on the response and on `source`, its
/// body. A reply replaces both, and so does the answer to a failure; the hooks that are left then run on that.
pub(super) async fn on_response(chain: &Arc<Chain>, entered: usize, ongoing: &mut Ongoing, source: &mut Source) {
    let worker = Rc::clone(&ongoing.client.worker);
    worker.look_at_the_clock();
    ongoing.exchange.progress = Progress::Response;
    for plugin_use in chain.uses().iter().take(entered).rev() {
        let activation = plugin_use.plugin.activation;
        let mut decided = plugin_use.edit_response(&mut ongoing.exchange).map(|()| None);
        if decided.is_ok() && !activation.on_response {
            continue;
        }
        if let (Ok(_), BodyMode::Buffered(most)) = (&decided, activation.response_body) {
            decided = take_in_response(ongoing, source, most).await.map(|()| None);
            worker.look_at_the_clock();
        }
        if decided.is_ok() {
            ongoing.exchange.response_body = match source {
                Source::Whole(bytes) => Content::Whole(bytes.clone()),
                Source::Empty => Content::Whole(bytes::Bytes::new()),
                _ => Content::Elsewhere,
            };
            let place = Place { worker: worker.id, clock: &worker.now };
            decided = plugin_use.on_response(place, &mut ongoing.exchange).await;
        }
        let reply = match decided {
            Ok(None) => {
                take_over(&mut ongoing.exchange, source);
                continue;
            }
            Ok(Some(reply)) => *reply,
            Err(failure) => {
                let told = answer::failure(&ongoing.exchange, &failure, ongoing.client.edge.error_header);
                ongoing.fail(failure);
                told
            }
        };
        ongoing.exchange.response = Some(reply.head);
        *source = Source::from(reply.body);
    }
    if chain.needs().response_pieces {
        filter_response(chain, entered, ongoing, source);
    }
}

async fn take_in_response(ongoing: &mut Ongoing, source: &mut Source, most: u64) -> Result<(), Failure> {
    // To HEAD there is a length, but nothing that it is the length of.
    let taken = source.take_in(most).await;
    taken.map(drop).map_err(|why| match why {
        TakenIn::TooLarge => {
            let story = format!("a plugin needs all of the response's body, and takes no more than {most} bytes");
            Failure::new(Cause::UpstreamBodyTooLarge, story)
        }
        TakenIn::Broken(error) => ongoing.journal.broken_off(error.upstreams(), &error),
    })
}

/// A body that a plugin has put in place of the response's.
fn take_over(exchange: &mut Exchange, source: &mut Source) {
    if let Content::Replaced(bytes) = std::mem::take(&mut exchange.response_body) {
        *source = Source::from(bytes);
        if let Some(response) = &mut exchange.response {
            is_another(&mut response.headers);
        }
    }
}

fn filter_response(chain: &Arc<Chain>, entered: usize, ongoing: &mut Ongoing, source: &mut Source) {
    let exchange = &mut ongoing.exchange;
    let sees = |the: &crate::host::plugin_use::Use| the.plugin.activation.response_body == BodyMode::Chunked;
    let bodiless = exchange.response.as_ref().is_none_or(|response| {
        response.status == StatusCode::SWITCHING_PROTOCOLS
            || [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&response.status)
    });
    if bodiless || exchange.request.method == Method::HEAD || !chain.uses().iter().take(entered).any(sees) {
        return;
    }
    if let Some(response) = &mut exchange.response {
        is_another(&mut response.headers);
    }
    let filter = Filter::new(Arc::clone(chain), ongoing.client.worker.id, Side::Response, entered, exchange.beside());
    *source = std::mem::replace(source, Source::Empty).filtered(filter);
}

/// The body is not the one any more that the headers speak of: its length and its digests are wrong, its tag names a
/// like one at best (RFC 9110, section 8.8.1), and nobody can ask for a part of it.
fn is_another(headers: &mut HeaderMap) {
    const OF_THE_BYTES: [HeaderName; 6] = [
        CONTENT_LENGTH,
        ACCEPT_RANGES,
        HeaderName::from_static("content-md5"),
        HeaderName::from_static("digest"),
        HeaderName::from_static("content-digest"),
        HeaderName::from_static("repr-digest"),
    ];
    for name in OF_THE_BYTES {
        headers.remove(name);
    }
    let weak = headers.get(ETAG).map(HeaderValue::as_bytes).filter(|tag| !tag.starts_with(b"W/"));
    if let Some(weak) = weak.and_then(|tag| HeaderValue::from_bytes(&[b"W/", tag].concat()).ok()) {
        headers.insert(ETAG, weak);
    }
}

/// Tell the log hooks how the exchange ended.
pub(super) async fn on_log(chain: Arc<Chain>, worker: usize, mut exchange: Box<Exchange>) {
    exchange.progress = Progress::Over;
    let clock = Cell::new(Instant::now());
    for plugin_use in chain.uses() {
        if plugin_use.plugin.activation.on_log {
            plugin_use.on_log(Place { worker, clock: &clock }, &mut exchange).await;
        }
    }
}
