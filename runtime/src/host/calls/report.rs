//! `exchange.report`: what there is to say of an exchange that is over, packed so that it crosses the boundary at once.

use std::io::Write;
use std::net::IpAddr;
use std::time::Duration;

use http::header::HeaderMap;

use super::exchange::microseconds;
use crate::host::bindings::tidegate::plugin::exchange::{Account, Parts};
use crate::host::exchange::{Ended, Exchange};
use crate::identity::Authenticated;
use crate::observe;

/// What there is to say of `exchange`.
pub(super) fn of(exchange: &Exchange, ended: &Ended, asked: Parts) -> Account {
    let attempts = if asked.attempts { ended.attempts.as_slice() } else { &[] };
    let mut account = Packed(Vec::with_capacity(ACCOUNT_BYTES));
    account.number(exchange.client.port().into());
    account.number(u32::try_from(attempts.len()).unwrap_or(0));

    account.text(&exchange.id.digits());
    account.address(exchange.client.ip());
    account.text(exchange.scheme.name().as_bytes());
    account.text(exchange.request.protocol().as_bytes());
    account.maybe(exchange.tls.as_ref().map(|tls| tls.version()));
    account.text(ended.method.as_str().as_bytes());
    account.text(ended.target.as_str().as_bytes());
    account.text(exchange.request.host().as_bytes());
    account.maybe(ended.upstream_target.as_ref().map(|target| target.as_str()));
    let route = exchange.route.as_ref();
    account.maybe(route.map(|route| &*route.name));
    account.maybe(route.map(|route| &*route.service.name));
    let authenticated = exchange.authenticated.as_ref();
    let consumer = authenticated.map(Authenticated::consumer);
    account.maybe(consumer.map(|consumer| &*consumer.username));
    account.maybe(consumer.and_then(|consumer| consumer.custom_id.as_deref()));
    account.maybe(authenticated.and_then(Authenticated::credential).map(|credential| &*credential.id));

    attempts.iter().for_each(|attempt| account.attempt(attempt));
    if asked.request_headers {
        account.fields(&exchange.request.headers);
    }
    account.maybe(None);
    if let Some(response) = exchange.response.as_ref().filter(|_| asked.response_headers) {
        account.fields(&response.headers);
    }
    account.0
}

/// Numbers and texts one behind the other, as the contract has them.
struct Packed(Vec<u8>);

/// Room for most of them.
const ACCOUNT_BYTES: usize = 1024;

/// The length of a text that is not there.
const NO_TEXT: u32 = u32::MAX;

/// The time of what an attempt did not come to.
const NO_TIME: u64 = u64::MAX;

impl Packed {
    fn number(&mut self, number: u32) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    fn text(&mut self, text: &[u8]) {
        // Nothing that a head may hold comes near it.
        let length = u32::try_from(text.len()).unwrap_or(0);
        self.number(length);
        self.0.extend_from_slice(text.get(..length as usize).unwrap_or_default());
    }

    fn maybe(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.text(text.as_bytes()),
            None => self.number(NO_TEXT),
        }
    }

    /// Digit by digit where it is IPv4, as nearly all are: the standard library's way costs as much as all other texts.
    fn address(&mut self, address: IpAddr) {
        let IpAddr::V4(address) = address else { return self.shown(&address) };
        let mut text = [b'.'; 16];
        let mut length = 0;
        for octet in address.octets() {
            let digits = [b'0' + octet / 100, b'0' + octet / 10 % 10, b'0' + octet % 10];
            let skipped = if octet < 10 { 2 } else { usize::from(octet < 100) };
            for digit in digits.iter().skip(skipped) {
                if let Some(place) = text.get_mut(length) {
                    *place = *digit;
                }
                length += 1;
            }
            length += 1;
        }
        self.text(text.get(..length - 1).unwrap_or_default());
    }

    /// As it shows itself, without a string in between.
    fn shown(&mut self, value: &dyn std::fmt::Display) {
        let at = self.0.len();
        self.number(0);
        // A Vec takes everything.
        let _ = write!(self.0, "{value}");
        let length = u32::try_from(self.0.len() - at - 4).unwrap_or(0);
        if let Some(before) = self.0.get_mut(at..at + 4) {
            before.copy_from_slice(&length.to_le_bytes());
        }
    }

    fn attempt(&mut self, made: &observe::Attempt) {
        for time in [made.dns, made.connect, made.tls, made.wait] {
            self.time(time);
        }
        self.0.push(u8::from(made.connection == Some(observe::Connection::Reused)));
        self.text(made.target.as_bytes());
        self.shown(&made.address);
        self.text(made.outcome.as_bytes());
    }

    fn time(&mut self, time: Option<Duration>) {
        self.0.extend_from_slice(&time.map_or(NO_TIME, microseconds).to_le_bytes());
    }

    fn fields(&mut self, headers: &HeaderMap) {
        for (name, value) in headers {
            self.text(name.as_str().as_bytes());
            self.text(value.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_the_standard_library_writes_them() {
        for octets in [[0, 0, 0, 0], [1, 22, 133, 4], [255, 255, 255, 255], [10, 100, 9, 99], [127, 0, 0, 1]] {
            let address = IpAddr::from(octets);
            let (mut by_hand, mut shown) = (Packed(Vec::new()), Packed(Vec::new()));
            by_hand.address(address);
            shown.shown(&address);
            assert_eq!(by_hand.0, shown.0, "{address}");
        }
        let mut packed = Packed(Vec::new());
        packed.address("2001:db8::1".parse().unwrap());
        assert_eq!(packed.0, b"\x0b\0\0\x002001:db8::1");
    }
}
