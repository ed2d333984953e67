//! An id follows a request wherever it goes, and comes back with whatever is answered.

use std::collections::HashSet;

use crate::harness::upstream::Refusing;
use crate::harness::{Gateway, Upstream, one_route};

const EVERYWHERE: &str = "\n[[plugins]]\nuse = \"correlation-id\"\nconfig = { header_name = \"X-Id\", generator = \"uuid\", echo_downstream = true }\n";

#[tokio::test]
async fn every_request_has_an_id_of_its_own_which_upstream_and_client_are_told() {
    let upstream = Upstream::echo("u").await;
    let gateway = Gateway::start(&format!("{}{EVERYWHERE}", one_route(upstream.address, ""))).await;
    let mut ids = HashSet::new();
    for _ in 0..20 {
        let answer = gateway.get("/").await;
        let id = answer.upstream_got("x-id").unwrap();
        assert_eq!(answer.header("x-id"), Some(id.as_str()));
        ids.insert(id);
    }
    assert_eq!(ids.len(), 20);
}

#[tokio::test]
async fn errors_of_the_gateway_have_the_id_that_their_request_came_with() {
    let nobody = Refusing::new();
    let gateway = Gateway::start(&format!("{}{EVERYWHERE}", one_route(nobody.address, ""))).await;
    let answer = gateway.request("GET", "/", &[("x-id", "theirs")]).await;
    assert_eq!((answer.status, answer.header("x-id")), (502, Some("theirs")));
}
