//! `exchange.report`: what there is to say of an exchange that is over, packed so that it crosses the boundary at once.

use std::io::Write;

use http::header::HeaderMap;

use super::exchange::microseconds;
use crate::host::bindings::tidegate::plugin::exchange::{Account, Attempt, Parts};
use crate::host::exchange::{Ended, Exchange};
use crate::identity::Authenticated;
use crate::observe;

/// What there is to say of `exchange`.
pub(super) fn of(exchange: &Exchange, ended: &Ended, asked: Parts) -> Account {
    let mut texts = Texts(Vec::with_capacity(TEXTS_BYTES));
    texts.push(&exchange.id.digits());
    texts.shown(&exchange.client.ip());
    texts.push(exchange.scheme.name().as_bytes());
    texts.push(exchange.request.protocol().as_bytes());
    texts.maybe(exchange.tls.as_ref().map(|tls| tls.version()));
    texts.push(ended.method.as_str().as_bytes());
    texts.push(ended.target.as_str().as_bytes());
    texts.push(exchange.request.host().as_bytes());
    texts.maybe(ended.upstream_target.as_ref().map(|target| target.as_str()));
    let route = exchange.route.as_ref();
    texts.maybe(route.map(|route| &*route.name));
    texts.maybe(route.map(|route| &*route.service.name));
    let authenticated = exchange.authenticated.as_ref();
    let consumer = authenticated.map(Authenticated::consumer);
    texts.maybe(consumer.map(|consumer| &*consumer.username));
    texts.maybe(consumer.and_then(|consumer| consumer.custom_id.as_deref()));
    texts.maybe(authenticated.and_then(Authenticated::credential).map(|credential| &*credential.id));

    let attempts = if asked.attempts { ended.attempts.as_slice() } else { &[] };
    for attempt in attempts {
        texts.push(attempt.target.as_bytes());
        texts.shown(&attempt.address);
        texts.push(attempt.outcome.as_bytes());
    }
    if asked.request_headers {
        texts.fields(&exchange.request.headers);
    }
    texts.maybe(None);
    if let Some(response) = exchange.response.as_ref().filter(|_| asked.response_headers) {
        texts.fields(&response.headers);
    }
    let attempts = attempts.iter().map(attempt).collect();
    Account { client_port: exchange.client.port(), attempts, texts: texts.0 }
}

fn attempt(made: &observe::Attempt) -> Attempt {
    Attempt {
        dns: made.dns.map(microseconds),
        connect: made.connect.map(microseconds),
        tls: made.tls.map(microseconds),
        wait: made.wait.map(microseconds),
        reused: made.connection == Some(observe::Connection::Reused),
    }
}

/// Texts, each behind its length.
struct Texts(Vec<u8>);

/// Room for those of most exchanges.
const TEXTS_BYTES: usize = 1024;

/// The length of what is not there.
const NONE: u32 = u32::MAX;

impl Texts {
    fn push(&mut self, text: &[u8]) {
        // Nothing that a head may hold comes near it.
        let length = u32::try_from(text.len()).unwrap_or(0);
        self.0.extend_from_slice(&length.to_le_bytes());
        self.0.extend_from_slice(text.get(..length as usize).unwrap_or_default());
    }

    fn maybe(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.push(text.as_bytes()),
            None => self.0.extend_from_slice(&NONE.to_le_bytes()),
        }
    }

    /// As it shows itself, without a string in between.
    fn shown(&mut self, value: &dyn std::fmt::Display) {
        let at = self.0.len();
        self.0.extend_from_slice(&[0; 4]);
        // A Vec takes everything.
        let _ = write!(self.0, "{value}");
        let length = u32::try_from(self.0.len() - at - 4).unwrap_or(0);
        if let Some(before) = self.0.get_mut(at..at + 4) {
            before.copy_from_slice(&length.to_le_bytes());
        }
    }

    fn fields(&mut self, headers: &HeaderMap) {
        for (name, value) in headers {
            self.push(name.as_str().as_bytes());
            self.push(value.as_bytes());
        }
    }
}
