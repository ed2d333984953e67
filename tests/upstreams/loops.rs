//! Services whose URLs lead back to where the request came from: found out at the first hop.

use hyper::Version;
use std::net::SocketAddr;

use crate::harness::access::key;
use crate::harness::{Gateway, Origin, Upstream, one_route, until};

/// A gateway at `own`, with everything routed to `next`; `service` goes into the service, `route` into the route.
async fn gateway(own: SocketAddr, next: SocketAddr, service: &str, route: &str) -> Gateway {
    let route = one_route(next, route).replacen("[[services.routes]]", &format!("{service}\n[[services.routes]]"), 1);
    Gateway::start(&format!("listeners = [{{ address = \"{own}\" }}]\n{route}")).await
}

#[tokio::test]
async fn a_service_that_leads_back_is_found_out_at_once() {
    for (service, route) in
        [("", ""), ("http = \"2\"", ""), ("", "preserve_host = true"), ("retries = 10", "strip_path = false")]
    {
        let own = Upstream::nobody().await;
        let gateway = gateway(own, own, service, route).await;
        for turn in 1..=3 {
            for (times, method) in ["GET", "POST"].into_iter().enumerate() {
                let answer = gateway.client().await.send(method, "/x", &[], "payload").await;
                assert_eq!(answer.status, 508, "{service} {route}: {answer:?}");
                assert_eq!(answer.json()["error"], "proxy_loop", "{service} {route}: {answer:?}");
                // The request itself, and itself once more.
                let expected = 4 * (turn - 1) + 2 * (times + 1);
                until("both to be logged", async || (gateway.accesses() >= expected).then_some(())).await;
                gateway.accessed(key::REQUEST_ID, answer.header("x-gateway-request-id").unwrap()).await;
                assert_eq!(gateway.accesses(), expected, "{service} {route}");
            }
        }
        let line = gateway.accessed(key::ERROR, "proxy_loop").await;
        assert_eq!((&line[key::STATUS], &line[key::ATTEMPTS]), (&508.into(), &serde_json::Value::Null), "{line:#}");
    }
}

#[tokio::test]
async fn a_loop_through_another_gateway_is_found_out_where_it_closes() {
    let (one, two) = (Upstream::nobody().await, Upstream::nobody().await);
    let first = gateway(one, two, "", "").await;
    let second = gateway(two, one, "", "").await;
    let answer = first.get("/x").await;
    assert_eq!((answer.status, &answer.json()["error"]), (508, &"proxy_loop".into()));
    until("all to be logged", async || (first.accesses() == 2 && second.accesses() == 1).then_some(())).await;
}

#[tokio::test]
async fn a_row_of_gateways_is_no_loop() {
    let upstream = Origin::echo("u").await;
    let (one, two) = (Upstream::nobody().await, Upstream::nobody().await);
    let second = gateway(two, upstream.address, "", "").await;
    let first = gateway(one, two, "", "").await;
    let answer = first.get("/x").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let hops: Vec<String> =
        answer.upstream_got("via").unwrap().split([',', '|']).map(|hop| hop.trim().to_owned()).collect();
    assert_eq!(hops.len(), 2, "{hops:?}");
    assert!(hops[0] != hops[1] && hops.iter().all(|hop| hop.starts_with("1.1 tidegate-")), "{hops:?}");

    // What others say of their hops is no loop, and what this gateway said of its own is one, wherever it stands.
    for via in ["1.1 tidegate", "1.1 tidegate-00000000", "1.0 fred, 1.1 p.example.net (tidegate)"] {
        assert_eq!(first.request("GET", "/", &[("via", via)]).await.status, 200, "{via}");
    }
    let again = format!("1.0 fred,{} , 1.1 p.example.net", hops[0]);
    for fields in [&[("via", again.as_str())][..], &[("via", "1.0 fred"), ("via", again.as_str())]] {
        for version in [Version::HTTP_11, Version::HTTP_2] {
            let stream = tokio::net::TcpStream::connect(first.addresses[0]).await.unwrap();
            let mut session = crate::harness::Session::over(stream, version).await;
            let answer = session.ask("GET", "/", fields, "").await;
            assert_eq!((answer.status, answer.header("x-gateway-error")), (508, Some("proxy_loop")), "{fields:?}");
        }
    }
    drop(second);
}
