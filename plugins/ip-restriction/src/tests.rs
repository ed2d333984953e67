use std::net::{IpAddr, Ipv4Addr};

use tidegate_sdk::testing::{self, Exchange, Outcome};

use super::*;

#[test]
fn ten_thousand_ranges_are_told_apart() {
    let networks = (0..10_000_u32).map(|number| format!("{}/25", Ipv4Addr::from_bits(0x0a00_0000 | number << 8)));
    let plugin: Settings = testing::configure(json!({ "deny": networks.collect::<Vec<_>>() })).unwrap();
    for number in 0..10_000 {
        let address = |low: u32| IpAddr::from(Ipv4Addr::from_bits(0x0a00_0000 | number << 8 | low));
        assert_eq!(from(address(127)).request(&plugin).reply().status, 403);
        assert_eq!(from(address(128)).request(&plugin), Outcome::Next);
    }
}

#[test]
fn an_address_within_another_is_taken_for_what_it_is() {
    let plugin: Settings = testing::configure(json!({ "allow": ["192.0.2.0/24"] })).unwrap();
    assert_eq!(from("::ffff:192.0.2.1".parse().unwrap()).request(&plugin), Outcome::Next);
    assert_eq!(from("::192.0.2.1".parse().unwrap()).request(&plugin).reply().status, 403);
}

#[test]
fn its_cases_come_out_as_expected() {
    testing::cases::<Settings>("cases");
}

fn from(client: IpAddr) -> Exchange {
    Exchange::get("/").client(client, 40_000)
}
