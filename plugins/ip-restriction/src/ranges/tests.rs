use std::net::Ipv4Addr;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

#[test]
fn a_range_reaches_from_its_first_address_to_its_last() {
    for (entry, inside, outside) in [
        ("192.0.2.7", ["192.0.2.7", "192.0.2.7"], ["192.0.2.6", "192.0.2.8"]),
        ("192.0.2.0/24", ["192.0.2.0", "192.0.2.255"], ["192.0.1.255", "192.0.3.0"]),
        ("192.0.2.99/24", ["192.0.2.0", "192.0.2.255"], ["192.0.1.255", "192.0.3.0"]),
        ("0.0.0.0/0", ["0.0.0.0", "255.255.255.255"], ["::", "2001:db8::1"]),
        ("2001:db8::/32", ["2001:db8::", "2001:db8:ffff:ffff::1"], ["2001:db7:ffff::", "2001:db9::"]),
        ("::/0", ["::", "ffff::1"], ["192.0.2.7", "::ffff:192.0.2.7"]),
        ("::ffff:192.0.2.0/120", ["192.0.2.255", "::ffff:192.0.2.1"], ["192.0.3.0", "::192.0.2.1"]),
        ("192.0.2.7", ["::ffff:192.0.2.7", "::ffff:c000:207"], ["::c000:207", "::ffff:192.0.2.8"]),
    ] {
        let ranges = ranges(&[entry]);
        for address in inside {
            assert!(ranges.contains(address.parse().unwrap()), "{address} is in {entry}");
        }
        for address in outside {
            assert!(!ranges.contains(address.parse().unwrap()), "{address} is not in {entry}");
        }
    }
}

#[test]
fn what_is_no_range_is_refused_by_name() {
    for entry in ["", "/", "10.0.0/8", "10.0.0.0/", "10.0.0.0/+8", "10.0.0.0/8/8", "010.0.0.1", "host", "fe80::1%eth0"]
    {
        let problem = Ranges::parse(&[entry.to_owned()]).err().unwrap();
        assert!(problem.starts_with(&format!("{entry:?} is no address and no range")), "{problem}");
    }
    for (entry, problem) in [
        ("10.0.0.0/33", "has more than the 32 bits"),
        ("10.0.0.0/4294967296", "is no address and no range"),
        ("2001:db8::/129", "has more than the 128 bits"),
        ("::ffff:10.0.0.0/95", "is of IPv4 in part only"),
    ] {
        assert!(Ranges::parse(&[entry.to_owned()]).err().unwrap().contains(problem), "{entry}");
    }
}

proptest! {
    /// Few bits differ, so that ranges meet, overlap and lie within one another.
    #[test]
    fn it_finds_what_looking_at_every_range_finds(
        v4 in vec((any_near_v4(), 20..=32_u32), 0..40),
        v6 in vec((any_near_v6(), 108..=128_u32), 0..40),
        asked in vec(prop_oneof![any_near_v4().prop_map(IpAddr::from), any_near_v6().prop_map(IpAddr::from)], 1..50),
    ) {
        let entries: Vec<String> = v4.iter().map(|(address, bits)| format!("{address}/{bits}"))
            .chain(v6.iter().map(|(address, bits)| format!("{address}/{bits}")))
            .collect();
        let ranges = Ranges::parse(&entries).unwrap();
        for address in asked {
            let scanned = match address {
                IpAddr::V4(address) => {
                    let common = |of: Ipv4Addr| (of.to_bits() ^ address.to_bits()).leading_zeros();
                    v4.iter().any(|(of, bits)| common(*of) >= *bits)
                }
                IpAddr::V6(address) => {
                    let common = |of: Ipv6Addr| (of.to_bits() ^ address.to_bits()).leading_zeros();
                    v6.iter().any(|(of, bits)| common(*of) >= *bits)
                }
            };
            prop_assert_eq!(ranges.contains(address), scanned, "{} in {:?}", address, entries);
        }
    }
}

fn any_near_v4() -> impl Strategy<Value = Ipv4Addr> {
    (0..0x2000_u32).prop_map(|low| Ipv4Addr::from_bits(0x0a00_0000 | low))
}

fn any_near_v6() -> impl Strategy<Value = Ipv6Addr> {
    (0..0x20_0000_u128).prop_map(|low| Ipv6Addr::from_bits(0x2001_0db8 << 96 | low))
}

fn ranges(entries: &[&str]) -> Ranges {
    Ranges::parse(&entries.iter().map(|entry| (*entry).to_owned()).collect::<Vec<_>>()).unwrap()
}
