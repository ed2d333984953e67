//! Targets by name: addresses and SRV records that change, and a name server that does not answer.

use std::net::Ipv4Addr;

use super::{balanced, servers, share};
use crate::harness::nameserver::{NameServer, Record};
use crate::harness::origin::{Speaks, echo};
use crate::harness::{Gateway, Origin, until};

const HERE: Ipv4Addr = Ipv4Addr::LOCALHOST;
const THERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// Two origins at the same port of two addresses.
async fn here_and_there() -> (Origin, Origin) {
    let here = Origin::echo("here").await;
    let port = here.address.port();
    (here, Origin::at((THERE, port).into(), Speaks::Http1, |request| echo("there", request)).await)
}

fn by_name(names: &NameServer, port: u16) -> String {
    format!("{}{}", balanced(&[format!("\"orders.test:{port}\"")], "", ""), names.toml())
}

#[tokio::test]
async fn an_address_that_changes_is_followed() {
    let (here, there) = here_and_there().await;
    let names = NameServer::start().await;
    names.set("orders.test", &[Record::A(HERE)]);
    let gateway = Gateway::start(&by_name(&names, here.address.port())).await;
    let mut client = gateway.client().await;
    assert_eq!(share(&servers(&mut client, 5).await, "here"), 5);
    names.set("orders.test", &[Record::A(THERE)]);
    until("the new address", async || (share(&servers(&mut client, 5).await, "there") == 5).then_some(())).await;
    let before = here.requests();
    assert_eq!(share(&servers(&mut client, 20).await, "there"), 20);
    assert_eq!(here.requests(), before, "nor by a connection that was kept");
    assert!(there.requests() >= 25);
}

#[tokio::test]
async fn all_addresses_of_a_name_are_used() {
    let (here, _there) = here_and_there().await;
    let names = NameServer::start().await;
    names.set("orders.test", &[Record::A(HERE), Record::A(THERE)]);
    let gateway = Gateway::start(&by_name(&names, here.address.port())).await;
    let mut client = gateway.client().await;
    until("both", async || {
        let served = servers(&mut client, 20).await;
        (share(&served, "here") > 0 && share(&served, "there") > 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_address_that_refuses_is_not_the_only_one() {
    let here = Origin::echo("here").await;
    let names = NameServer::start().await;
    // Nobody listens at that port of the second address.
    names.set("orders.test", &[Record::A(THERE), Record::A(HERE)]);
    let gateway = Gateway::start(&by_name(&names, here.address.port())).await;
    assert_eq!(share(&servers(&mut gateway.client().await, 20).await, "here"), 20);
}

#[tokio::test]
async fn a_url_may_name_its_host_itself() {
    let here = Origin::echo("here").await;
    let names = NameServer::start().await;
    names.set("orders.test", &[Record::A(HERE)]);
    let url = format!("orders.test:{}", here.address.port());
    let gateway = Gateway::start(&format!("{}{}", crate::harness::one_route(&url, ""), names.toml())).await;
    let answer = gateway.get("/").await;
    assert_eq!(answer.upstream_got("host"), Some(url));
}

#[tokio::test]
async fn srv_records_say_where_and_how_much() {
    let (one, two) = (Origin::echo("one").await, Origin::echo("two").await);
    let names = NameServer::start().await;
    names.set("one.test", &[Record::A(HERE)]);
    names.set("two.test", &[Record::A(HERE)]);
    let srv = |origin: &Origin, weight, target| Record::Srv { port: origin.address.port(), weight, target };
    names.set("_http._tcp.orders.test", &[srv(&one, 30, "one.test")]);
    let targets = ["{ service = \"_http._tcp.orders.test\" }".to_owned()];
    let gateway = Gateway::start(&format!("{}{}", balanced(&targets, "", ""), names.toml())).await;
    let mut client = gateway.client().await;
    assert_eq!(share(&servers(&mut client, 10).await, "one"), 10);

    names.set("_http._tcp.orders.test", &[srv(&one, 30, "one.test"), srv(&two, 10, "two.test")]);
    let served =
        until("the second", async || Some(servers(&mut client, 40).await).filter(|served| share(served, "two") >= 8))
            .await;
    assert_eq!(share(&served, "one") + share(&served, "two"), 40);
    assert!(share(&served, "one") > share(&served, "two"), "{served:?}");

    names.set("_http._tcp.orders.test", &[srv(&two, 10, "two.test")]);
    until("the second alone", async || (share(&servers(&mut client, 10).await, "two") == 10).then_some(())).await;
}

#[tokio::test]
async fn stale_answers_are_better_than_none() {
    let (here, _there) = here_and_there().await;
    let names = NameServer::start().await;
    names.set("orders.test", &[Record::A(HERE)]);
    let gateway = Gateway::start(&by_name(&names, here.address.port())).await;
    let mut client = gateway.client().await;
    assert_eq!(share(&servers(&mut client, 3).await, "here"), 3);
    names.fall_silent();
    // It is asked again when the answer is too old, and once more after that went unanswered.
    until("questions that go unanswered", async || {
        assert_eq!(share(&servers(&mut client, 1).await, "here"), 1);
        (names.asked() >= 4).then_some(())
    })
    .await;
    assert_eq!(share(&servers(&mut client, 20).await, "here"), 20);

    names.set("orders.test", &[Record::A(THERE)]);
    names.speak();
    until("the new address", async || (share(&servers(&mut client, 5).await, "there") == 5).then_some(())).await;
}

#[tokio::test]
async fn a_name_that_appears_later_is_found() {
    let here = Origin::echo("here").await;
    let names = NameServer::start().await;
    let gateway = Gateway::start(&by_name(&names, here.address.port())).await;
    let answer = gateway.get("/").await;
    assert_eq!((answer.status, answer.header("x-gateway-error")), (503, Some("upstream_dns_failed")));
    names.set("orders.test", &[Record::A(HERE)]);
    until("the name to be found", async || (gateway.get("/").await.status == 200).then_some(())).await;
}
