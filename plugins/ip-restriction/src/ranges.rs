//! Sets of addresses: parsed when the plugin is configured, so that a request costs one binary search
//! in memory that lies in one piece, however many ranges there are.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv6Addr};

use tidegate_sdk::schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use tidegate_sdk::serde::de::{Deserialize, Deserializer, Error};

/// Addresses, as the ranges that they are in.
pub(crate) struct Ranges {
    v4: Sorted<u32>,
    v6: Sorted<u128>,
}

impl Ranges {
    /// An IPv4 address within an IPv6 one (`::ffff:192.0.2.7`) counts as what it is: IPv4.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(address) => self.v4.contains(address.to_bits()),
            IpAddr::V6(address) => self.v6.contains(address.to_bits()),
        }
    }

    fn parse(entries: &[String]) -> Result<Self, String> {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for entry in entries {
            match Range::parse(entry).map_err(|problem| format!("{entry:?} {problem}"))? {
                Range::V4(first, last) => v4.push((first, last)),
                Range::V6(first, last) => v6.push((first, last)),
            }
        }
        Ok(Self { v4: Sorted::new(v4), v6: Sorted::new(v6) })
    }
}

/// Ranges with their first and last addresses, in order, and none of them touched by another.
struct Sorted<T>(Box<[(T, T)]>);

impl<T: Copy + Ord> Sorted<T> {
    fn new(mut ranges: Vec<(T, T)>) -> Self {
        ranges.sort_unstable();
        let mut apart: Vec<(T, T)> = Vec::new();
        for (first, last) in ranges {
            match apart.last_mut() {
                Some(before) if first <= before.1 => before.1 = before.1.max(last),
                _ => apart.push((first, last)),
            }
        }
        Self(apart.into_boxed_slice())
    }

    fn contains(&self, address: T) -> bool {
        let after = self.0.partition_point(|(first, _)| *first <= address);
        let candidate = after.checked_sub(1).and_then(|index| self.0.get(index));
        candidate.is_some_and(|(_, last)| address <= *last)
    }
}

/// One entry: first and last address.
enum Range {
    V4(u32, u32),
    V6(u128, u128),
}

impl Range {
    fn parse(entry: &str) -> Result<Self, &'static str> {
        const NEITHER: &str = "is no address and no range: like 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32";
        let (address, bits) = match entry.split_once('/') {
            Some((address, bits)) if bits.bytes().all(|byte| byte.is_ascii_digit()) => {
                (address, Some(bits.parse::<u32>().map_err(|_| NEITHER)?))
            }
            Some(_) => return Err(NEITHER),
            None => (entry, None),
        };
        match address.parse().map_err(|_| NEITHER)? {
            IpAddr::V4(address) => Self::v4(address.to_bits(), bits.unwrap_or(u32::BITS)),
            IpAddr::V6(address) => Self::v6(address, bits.unwrap_or(u128::BITS)),
        }
    }

    fn v4(address: u32, bits: u32) -> Result<Self, &'static str> {
        if bits > u32::BITS {
            return Err("has more than the 32 bits of an IPv4 address");
        }
        let mask = u32::MAX.checked_shr(bits).unwrap_or(0);
        Ok(Self::V4(address & !mask, address | mask))
    }

    fn v6(address: Ipv6Addr, bits: u32) -> Result<Self, &'static str> {
        if bits > u128::BITS {
            return Err("has more than the 128 bits of an IPv6 address");
        }
        if let Some(v4) = address.to_ipv4_mapped() {
            let bits = bits.checked_sub(96).ok_or("is of IPv4 in part only: from /96 on it would be all of it")?;
            return Self::v4(v4.to_bits(), bits);
        }
        let mask = u128::MAX.checked_shr(bits).unwrap_or(0);
        Ok(Self::V6(address.to_bits() & !mask, address.to_bits() | mask))
    }
}

impl<'de> Deserialize<'de> for Ranges {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&Vec::<String>::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl JsonSchema for Ranges {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Ranges".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "array", "items": { "type": "string" }, "minItems": 1 })
    }
}

#[cfg(test)]
mod tests;
