//! The keys of those whom requests stand for: as the contract has them, and the SDK's `subject.rs`, which says the same of
//! a request that is counted in several limits.

use std::fmt::Write;
use std::net::IpAddr;

use sha2::{Digest, Sha256};

use crate::host::bindings::tidegate::plugin::counters::Subject;
use crate::host::exchange::Exchange;

/// Longer names are known by their digest.
const NAME_BYTES: usize = 256;
/// What most keys have room in.
const USUAL_BYTES: usize = 64;

pub(super) fn key(exchange: &Exchange, subject: Subject) -> String {
    let known = exchange.authenticated.as_ref();
    let route = exchange.route.as_ref();
    let named = match subject {
        Subject::Address => None,
        Subject::Consumer => known.map(|known| ("consumer", &*known.consumer().username)),
        Subject::Credential => known.and_then(|known| known.credential()).map(|known| ("credential", &*known.id)),
        Subject::Service => route.map(|route| ("service", &*route.service.name)),
        Subject::Route => route.map(|route| ("route", &*route.name)),
    };
    let mut key = String::with_capacity(USUAL_BYTES);
    match named {
        Some((of, name)) => push_named(&mut key, of, name),
        None => push_address(&mut key, exchange.client.ip()),
    }
    key
}

fn push_named(key: &mut String, of: &str, name: &str) {
    key.push_str(of);
    if name.len() <= NAME_BYTES {
        key.push('=');
        key.push_str(name);
        return;
    }
    key.push_str("#=");
    // Writing into a string never fails.
    let _ = Sha256::digest(name).iter().try_for_each(|byte| write!(key, "{byte:02x}"));
}

/// As `std` writes it, which takes several times as long for IPv4.
fn push_address(text: &mut String, address: IpAddr) {
    let IpAddr::V4(address) = address else {
        let _ = write!(text, "{address}");
        return;
    };
    for (at, octet) in address.octets().into_iter().enumerate() {
        if at > 0 {
            text.push('.');
        }
        let digit = |number: u8| char::from(b'0' + number % 10);
        if octet >= 100 {
            text.push(digit(octet / 100));
        }
        if octet >= 10 {
            text.push(digit(octet / 10));
        }
        text.push(digit(octet));
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    #[test]
    fn names_are_written_as_the_contract_says() {
        let named = |name: &str| {
            let mut key = String::new();
            push_named(&mut key, "consumer", name);
            key
        };
        assert_eq!(named("alice"), "consumer=alice");
        assert_eq!(named(&"a".repeat(256)), format!("consumer={}", "a".repeat(256)));
        let digest = "e8d95cc2b4bc198c54b40bd214df958afb65f5e73d2c2eafe0593cf5c635c1f0";
        assert_eq!(named(&"a".repeat(257)), format!("consumer#={digest}"));
    }

    #[test]
    fn addresses_are_written_as_they_always_were() {
        let v4 = [0, 1, 9, 10, 99, 100, 101, 250, 255].map(|octet| IpAddr::from(Ipv4Addr::new(192, octet, 0, octet)));
        for address in v4.into_iter().chain([Ipv6Addr::LOCALHOST.into(), Ipv6Addr::from_bits(u128::MAX >> 1).into()]) {
            let mut text = String::new();
            push_address(&mut text, address);
            assert_eq!(text, address.to_string());
        }
    }
}
