//! concurrency-limiting: there are never more requests at the upstream than may be, none gets lost in the queue, and
//! whatever ends an exchange, its place is there again.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hyper::Version;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::harness::origin::{reply, whole};
use crate::harness::raw::Raw;
use crate::harness::{Client, Gateway, Origin, Session, built, one_route, until};

/// An upstream that counts who is there, by tenant. `/hold` stays until it is released, others leave soon.
struct Hall {
    origin: Origin,
    visitors: Arc<Visitors>,
    release: watch::Sender<bool>,
}

#[derive(Default)]
struct Visitors {
    inside: [AtomicUsize; TENANTS],
    most: [AtomicUsize; TENANTS],
    paths: Mutex<Vec<String>>,
}

const TENANTS: usize = 3;

/// One that is there; gone when its request is.
struct Visitor(Arc<Visitors>, usize);

impl Visitor {
    fn enter(visitors: Arc<Visitors>, tenant: usize, path: &str) -> Self {
        let inside = visitors.inside[tenant].fetch_add(1, Ordering::SeqCst) + 1;
        visitors.most[tenant].fetch_max(inside, Ordering::SeqCst);
        visitors.paths.lock().unwrap().push(path.to_owned());
        Self(visitors, tenant)
    }
}

impl Drop for Visitor {
    fn drop(&mut self) {
        self.0.inside[self.1].fetch_sub(1, Ordering::SeqCst);
    }
}

impl Hall {
    async fn open() -> Self {
        let visitors = Arc::new(Visitors::default());
        let counted = Arc::clone(&visitors);
        let (release, released) = watch::channel(false);
        let origin = Origin::serve(move |request| {
            let tenant = request.headers().get("x-tenant").and_then(|tenant| tenant.to_str().ok()?.parse().ok());
            let path = request.uri().path().to_owned();
            let visitor = Visitor::enter(Arc::clone(&counted), tenant.unwrap_or(0), &path);
            let mut released = released.clone();
            async move {
                if path == "/hold" {
                    drop(released.wait_for(|released| *released).await);
                } else {
                    tokio::time::sleep(Duration::from_micros(fastrand::u64(0..2_000))).await;
                }
                drop(visitor);
                reply(200, "seen")
            }
        })
        .await;
        Self { origin, visitors, release }
    }

    async fn has_inside(&self, tenant: usize, expected: usize) {
        until(&format!("{expected} of tenant {tenant} to be there"), async || {
            (self.visitors.inside[tenant].load(Ordering::SeqCst) == expected).then_some(())
        })
        .await;
    }

    fn was_asked_for(&self, path: &str) -> bool {
        self.visitors.paths.lock().unwrap().iter().any(|asked| asked == path)
    }
}

/// A gateway, and its admin server.
struct Limited {
    gateway: Gateway,
    admin: SocketAddr,
}

fn config(upstream: SocketAddr, limit: &str, more: &str) -> String {
    let uses = format!("plugins = [{{ use = \"concurrency-limiting\", config = {{ {limit} }} }}{more}]");
    let route = one_route(upstream, &uses).replace("name = \"s\"", "name = \"s\"\ntimeouts = { response = \"20s\" }");
    format!("admin = {{ address = \"127.0.0.1:0\" }}\n{route}")
}

impl Limited {
    async fn start(upstream: SocketAddr, limit: &str) -> Self {
        Self::of(Gateway::start(&config(upstream, limit, "")).await).await
    }

    async fn of(gateway: Gateway) -> Self {
        let admin = gateway.logged("message", "admin listening").await["address"].as_str().unwrap().parse().unwrap();
        Self { gateway, admin }
    }

    /// Wait until so many exchanges are under way, those that wait included.
    async fn has_under_way(&self, expected: u64) {
        until(&format!("{expected} exchanges to be under way"), async || {
            let mut client = Client::connect(self.admin).await;
            let status: Value = client.send("GET", "/status", &[("host", "localhost")], "").await.json();
            (status["requests"]["active"] == expected).then_some(())
        })
        .await;
    }

    /// A request that goes on by itself.
    async fn ask(&self, path: &'static str) -> tokio::task::JoinHandle<crate::harness::Answer> {
        let mut client = self.gateway.client().await;
        tokio::spawn(async move { client.send("GET", path, &[], "").await })
    }

    /// Wait until a request passes, and is over: whoever has all of an answer may be a little earlier than that.
    async fn passes(&self, why: &str) {
        until(why, async || (self.gateway.request("GET", "/", &[]).await.status == 200).then_some(())).await;
        self.has_under_way(0).await;
    }
}

#[tokio::test]
async fn however_many_come_and_go_there_are_never_more_than_may_be_and_none_is_lost() {
    let hall = Hall::open().await;
    let limit = "max = 3, queue = 1000, wait = \"25s\", limit_by = \"header\", header_name = \"x-tenant\"";
    let limited = Limited::start(hall.origin.address, limit).await;
    let address = limited.gateway.addresses[0];
    let mut asking = JoinSet::new();
    for client in 0..30 {
        asking.spawn(async move {
            let tenant = (client % TENANTS).to_string();
            let mut patient = Client::connect(address).await;
            for _ in 0..10 {
                if fastrand::u8(..) < 60 {
                    // Goes away wherever it is by then.
                    let mut hasty = Raw::connect(address).await;
                    hasty.send(format!("GET /hasty HTTP/1.1\r\nhost: a\r\nx-tenant: {tenant}\r\n\r\n")).await;
                    tokio::time::sleep(Duration::from_micros(fastrand::u64(0..5_000))).await;
                }
                let answer = patient.send("GET", "/", &[("x-tenant", &tenant)], "").await;
                assert_eq!(answer.status, 200, "{answer:?}");
            }
        });
    }
    asking.join_all().await;
    for most in &hall.visitors.most {
        assert_eq!(most.load(Ordering::SeqCst), 3, "as many as may, and no more");
    }
    limited.has_under_way(0).await;
    // All places are there again: as many as there are can be taken at once.
    let mut holding = JoinSet::new();
    for client in 0..3 * TENANTS {
        holding.spawn(async move {
            let tenant = (client % TENANTS).to_string();
            Client::connect(address).await.send("GET", "/hold", &[("x-tenant", &tenant)], "").await.status
        });
    }
    for tenant in 0..TENANTS {
        hall.has_inside(tenant, 3).await;
    }
    hall.release.send(true).unwrap();
    assert!(holding.join_all().await.iter().all(|status| *status == 200));
}

#[tokio::test]
async fn so_many_wait_for_so_long_and_the_rest_is_refused_at_once() {
    let hall = Hall::open().await;
    let limited = Limited::start(hall.origin.address, "max = 1, queue = 2, wait = \"1500ms\"").await;
    let first = limited.ask("/hold").await;
    hall.has_inside(0, 1).await;
    let begun = Instant::now();
    let waiting = [limited.ask("/in-vain").await, limited.ask("/in-vain").await];
    limited.has_under_way(3).await;
    let asked = Instant::now();
    let refused = limited.gateway.request("GET", "/one-too-many", &[]).await;
    assert!(asked.elapsed() < Duration::from_millis(1_000), "{:?}", asked.elapsed());
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    assert_eq!(refused.json()["message"], "Too many requests at a time");
    for waiting in waiting {
        assert_eq!(waiting.await.unwrap().status, 503);
        assert!(begun.elapsed() >= Duration::from_millis(1_500), "{:?}", begun.elapsed());
    }
    assert!(!hall.was_asked_for("/in-vain") && !hall.was_asked_for("/one-too-many"));
    let last = limited.ask("/last").await;
    limited.has_under_way(2).await;
    hall.release.send(true).unwrap();
    assert_eq!((first.await.unwrap().status, last.await.unwrap().status), (200, 200));
}

#[tokio::test]
async fn whoever_goes_away_while_waiting_makes_room_for_another() {
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let hall = Hall::open().await;
        let limited = Limited::start(hall.origin.address, "max = 1, queue = 1, wait = \"25s\"").await;
        let first = limited.ask("/hold").await;
        hall.has_inside(0, 1).await;
        let stream = TcpStream::connect(limited.gateway.addresses[0]).await.unwrap();
        let mut session = Session::over(stream, version).await;
        let request = session.request("GET", "/goes-away", &[], whole(""));
        let waiting = tokio::spawn(async move { drop(session.send(request).await) });
        limited.has_under_way(2).await;
        waiting.abort();
        limited.has_under_way(1).await;
        let next = limited.ask("/next").await;
        limited.has_under_way(2).await;
        hall.release.send(true).unwrap();
        assert_eq!((first.await.unwrap().status, next.await.unwrap().status), (200, 200), "{version:?}");
        assert!(!hall.was_asked_for("/goes-away"), "{version:?}");
    }
}

#[tokio::test]
async fn whatever_ends_an_exchange_its_place_is_there_again() {
    let hall = Hall::open().await;
    let more = ", { use = \"faulty\", priority = 1 }";
    let config = config(hall.origin.address, "max = 1", more).replace("20s", "300ms");
    let config = format!("{config}[components.faulty]\npath = \"faulty.wasm\"\n");
    let gateway = Gateway::start_with(&config, &[("faulty.wasm", &built("guests/faulty.wasm"))]).await;
    let limited = Limited::of(gateway).await;

    for fault in ["trap", "spin", "fail", "reply"] {
        let answer = limited.gateway.request("GET", "/", &[("x-fault", fault)]).await;
        assert!([500, 418].contains(&answer.status), "{fault}: {answer:?}");
        limited.passes(fault).await;
    }

    assert_eq!(limited.gateway.request("GET", "/hold", &[]).await.status, 504);
    limited.passes("the upstream took too long").await;

    let mut gone = Raw::connect(limited.gateway.addresses[0]).await;
    gone.send("GET /hold HTTP/1.1\r\nhost: a\r\n\r\n").await;
    limited.has_under_way(1).await;
    assert_eq!(limited.gateway.request("GET", "/", &[]).await.status, 503, "its place is taken");
    drop(gone);
    limited.passes("the client went away").await;
}

/// Switches protocols, and then says nothing; whoever does not ask for it gets an answer.
async fn switching() -> Origin {
    Origin::raw(|stream| async move {
        let mut raw = Raw::over(stream);
        if !raw.head().await.contains("upgrade: echo") {
            raw.send("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n").await;
            return;
        }
        raw.send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n").await;
        raw.rest().await;
    })
    .await
}

#[tokio::test]
async fn a_tunnel_holds_its_place_until_it_is_closed() {
    let upstream = switching().await;
    let limited = Limited::start(upstream.address, "max = 1, queue = 1, wait = \"25s\"").await;
    let mut tunnel = Raw::connect(limited.gateway.addresses[0]).await;
    tunnel.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n").await;
    assert!(tunnel.head().await.starts_with("HTTP/1.1 101 "));
    let waiting = limited.ask("/").await;
    limited.has_under_way(2).await;
    assert_eq!(limited.gateway.request("GET", "/", &[]).await.status, 503, "the tunnel and one that waits are all");
    assert!(!waiting.is_finished());
    drop(tunnel);
    assert_eq!(waiting.await.unwrap().status, 200);
}

#[tokio::test]
async fn places_outlive_a_change_of_the_configuration() {
    let hall = Hall::open().await;
    let limited = Limited::start(hall.origin.address, "max = 1").await;
    let first = limited.ask("/hold").await;
    hall.has_inside(0, 1).await;
    assert_eq!(limited.gateway.request("GET", "/", &[]).await.status, 503);
    let config = std::fs::read_to_string(limited.gateway.path("gateway.toml")).unwrap();
    limited.gateway.write_config(&config.replace("max = 1", "max = 2"));
    limited.gateway.logged("message", "configuration changed").await;
    assert_eq!(limited.gateway.request("GET", "/", &[]).await.status, 200, "one of two is taken");
    limited.has_under_way(1).await;
    let second = limited.ask("/hold").await;
    hall.has_inside(0, 2).await;
    assert_eq!(limited.gateway.request("GET", "/", &[]).await.status, 503, "both are");
    hall.release.send(true).unwrap();
    assert_eq!((first.await.unwrap().status, second.await.unwrap().status), (200, 200));
}
