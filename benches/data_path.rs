//! What the steps of a request cost by themselves: finding its route, and whose its key is; passing its chain. Run with
//! `cargo bench`; built plugins are needed, which `cargo xtask plugins` makes.

mod bare;
mod identities;
mod routes;

use std::cell::{Cell, LazyCell, RefCell};
use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use futures_util::FutureExt;
use http::{HeaderMap, HeaderValue, Method, Version};
use tidegate::certificates::Certificates;
use tidegate::config;
use tidegate::host::engine::Engine;
use tidegate::host::exchange::{Exchange, RequestHead, RequestId, Scheme};
use tidegate::host::library::Library;
use tidegate::host::plugin_use::Place;
use tidegate::host::services::Services;
use tidegate::observe::metrics::Metrics;
use tidegate::observe::sinks::Deliveries;
use tidegate::snapshot::{self, Snapshot, Stock};
use tidegate::store::counters::Counters;
use tidegate::transport::Transports;
use tidegate::upstreams::Upstreams;
use tokio::time::Instant;

/// As the gateway's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn snapshot(config: &str) -> Snapshot {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("gateway.toml");
    let listener = "listeners = [{ address = \"127.0.0.1:0\" }]\n";
    std::fs::write(&path, format!("{listener}{config}")).expect("a file");
    let (config, faults) = config::load(&path).expect("a document");
    let metrics = Arc::new(Metrics::new(1));
    let services = Services::new(Counters::new(&config.counters, 1).expect("counters"), Arc::clone(&metrics), 1);
    let mut stock = Stock {
        library: Library::new(Engine::new(1).expect("an engine"), services, 1, None, None),
        certificates: Certificates::default(),
        transports: Transports::default(),
        upstreams: Upstreams::new(None, 1),
        sinks: Deliveries::new(None),
        metrics,
        watched: Vec::new(),
    };
    snapshot::build(&config, faults, &mut stock, &[0], 1).unwrap_or_else(|report| panic!("{report}"))
}

/// A request as a browser's fetch sends it, with a key.
fn exchange(snapshot: &Snapshot) -> Box<Exchange> {
    let fields = [
        ("host", "api.example.com"),
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
        ("accept", "application/json"),
        ("accept-language", "en-GB,en;q=0.5"),
        ("accept-encoding", "gzip, deflate, br, zstd"),
        ("referer", "https://app.example.com/"),
        ("origin", "https://app.example.com"),
        ("apikey", "alices-key"),
    ];
    let headers: HeaderMap =
        fields.into_iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect();
    let target = "/v1/orders/7?expand=items".parse().unwrap();
    let request = RequestHead { method: Method::GET, target, version: Version::HTTP_11, headers, is_final: false };
    let client = ([127, 0, 0, 1], 4711).into();
    Box::new(Exchange::new(RequestId::random(), client, Scheme::Http, None, request, Arc::clone(&snapshot.identities)))
}

/// Call the request hooks of `snapshot`'s global chain, none of which waits for anything.
fn pass(snapshot: &Snapshot, exchange: &mut Box<Exchange>) {
    let clock = Cell::new(Instant::now());
    for plugin_use in snapshot.global.uses() {
        let decided = plugin_use.on_request(Place { worker: 0, clock: &clock }, exchange).now_or_never();
        assert!(matches!(decided, Some(Ok(None))), "it decided otherwise");
    }
}

/// Where built plugins are.
fn target() -> std::path::PathBuf {
    let bench = std::env::current_exe().expect("a path");
    let target = bench.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
    target.expect("a target folder").to_owned()
}

fn chain(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("request hooks");
    let many = format!("config = {{ words = [{}] }}", "\"a word of a large config\", ".repeat(1_000));
    let isolated = format!("{{ use = \"nothing\", isolation = \"request\", {many} }}");
    for (name, plugins) in [
        ("none", ""),
        ("an empty hook", "{ use = \"nothing\" }"),
        ("a fresh instance of it, with a large config", isolated.as_str()),
        ("key-auth", "{ use = \"key-auth\" }"),
        ("key-auth and correlation-id", "{ use = \"key-auth\" }, { use = \"correlation-id\" }"),
    ] {
        let nothing = target().join("guests/nothing.wasm");
        let ready = LazyCell::new(|| {
            let snapshot = snapshot(&format!(
                "components = {{ nothing = {{ path = {nothing:?} }} }}\n\
                 plugins = [{plugins}]\n\
                 consumers = [{{ username = \"alice\", credentials = [{{ kind = \"key-auth\", key = \"alices-key\" }}] }}]\n"
            ));
            let mut exchange = exchange(&snapshot);
            // Whatever is measured, it must be the real thing.
            pass(&snapshot, &mut exchange);
            assert_eq!(exchange.authenticated.is_some(), plugins.contains("key-auth"));
            (snapshot, RefCell::new(exchange))
        });
        group.bench_function(name, |bencher| {
            let (snapshot, exchange) = &*ready;
            let mut exchange = exchange.borrow_mut();
            bencher.iter(|| {
                exchange.request.headers.remove("kong-request-id");
                pass(black_box(snapshot), &mut exchange);
                exchange.drop_instances();
            });
        });
    }
    group.finish();
}

criterion_group!(benches, bare::call, chain, identities::identity, routes::route);
criterion_main!(benches);
