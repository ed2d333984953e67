//! A route's lookup, by what tells routes apart and by how many there are: among ten thousand it should cost at most
//! twice what it costs among ten. What is asked for goes all over the routes, so that no lookup finds the memory of the
//! one before it.

use std::cell::LazyCell;
use std::hint::black_box;
use std::net::SocketAddr;

use criterion::{BenchmarkId, Criterion};
use http::{HeaderMap, HeaderValue, Method};
use tidegate::config::values::HeaderCriterion;
use tidegate::proxy::route::{Ask, Criteria, Router};

/// What a route asks for, and what a request for it brings.
#[derive(Default)]
struct Told {
    host: String,
    path: String,
    method: Option<Method>,
    header: Option<String>,
    sni: Option<String>,
    source: Option<[u8; 3]>,
}

/// From a route's number to the two sides.
struct Shape {
    name: &'static str,
    route: fn(usize) -> Told,
    request: fn(usize) -> Told,
}

const METHODS: [Method; 4] = [Method::GET, Method::POST, Method::PUT, Method::DELETE];

fn path(path: String) -> Told {
    Told { path, ..Told::default() }
}

fn host(host: String) -> Told {
    Told { host, ..Told::default() }
}

fn tenant(told: Told) -> Told {
    Told { path: "/v1/orders".into(), ..told }
}

const SHAPES: [Shape; 10] = [
    Shape {
        name: "path",
        route: |n| path(format!("/v1/area{n}/orders")),
        request: |n| path(format!("/v1/area{n}/orders/7")),
    },
    Shape {
        name: "host",
        route: |n| host(format!("tenant{n}.example.com")),
        request: |n| tenant(host(format!("tenant{n}.example.com"))),
    },
    Shape {
        name: "wildcard host",
        route: |n| host(format!("*.tenant{n}.example.com")),
        request: |n| tenant(host(format!("api.tenant{n}.example.com"))),
    },
    Shape {
        name: "host and path",
        route: |n| tenant(host(format!("tenant{n}.example.com"))),
        request: |n| tenant(host(format!("tenant{n}.example.com"))),
    },
    Shape { name: "method", route: by_method, request: by_method },
    Shape { name: "header", route: by_header, request: by_header },
    Shape { name: "server name", route: by_sni, request: by_sni },
    Shape { name: "source", route: by_source, request: by_source },
    Shape {
        name: "regex",
        route: |n| path(format!("~/v1/area{n}/(?:orders|items)/[0-9]+$")),
        request: |n| path(format!("/v1/area{n}/orders/7")),
    },
    Shape {
        name: "regexes that begin alike",
        route: |n| path(format!("~/v1/[a-z]+/area{n}/(?:orders|items)/[0-9]+$")),
        request: |n| path(format!("/v1/abc/area{n}/orders/7")),
    },
];

fn by_method(n: usize) -> Told {
    Told { method: METHODS.get(n % 4).cloned(), ..path(format!("/v1/area{}/orders", n / 4)) }
}

fn by_header(n: usize) -> Told {
    tenant(Told { header: Some(format!("tenant-{n}")), ..Told::default() })
}

fn by_sni(n: usize) -> Told {
    tenant(Told { sni: Some(format!("tenant{n}.example.com")), ..Told::default() })
}

fn by_source(n: usize) -> Told {
    let [.., high, low] = n.to_be_bytes();
    tenant(Told { source: Some([10, high, low]), ..Told::default() })
}

impl Told {
    fn criteria(self) -> Criteria {
        let listed = |text: String| if text.is_empty() { Vec::new() } else { vec![text] };
        let source = |[a, b, c]: [u8; 3]| format!("{a}.{b}.{c}.0/24").parse().unwrap();
        Criteria {
            hosts: listed(self.host).iter().map(|host| host.parse().unwrap()).collect(),
            paths: listed(self.path).iter().map(|path| path.parse().unwrap()).collect(),
            methods: self.method.into_iter().collect(),
            headers: self.header.iter().map(|value| HeaderCriterion::new("x-tenant", &[value]).unwrap()).collect(),
            snis: self.sni.iter().map(|name| name.parse().unwrap()).collect(),
            sources: self.source.into_iter().map(source).collect(),
            regex_priority: 0,
        }
    }

    /// The fields a browser sends, and the one that is asked for.
    fn headers(&self) -> HeaderMap {
        let usual = [("user-agent", "Mozilla/5.0"), ("accept", "application/json"), ("accept-encoding", "gzip, br")];
        let mut headers: HeaderMap =
            usual.into_iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect();
        if let Some(value) = &self.header {
            headers.insert("x-tenant", value.parse().unwrap());
        }
        headers
    }

    fn ask<'a>(&'a self, headers: &'a HeaderMap) -> Ask<'a> {
        let [a, b, c] = self.source.unwrap_or([127, 0, 0]);
        Ask {
            host: if self.host.is_empty() { "api.example.com" } else { &self.host },
            port: 8000,
            path: &self.path,
            method: self.method.as_ref().unwrap_or(&Method::GET),
            headers,
            sni: self.sni.as_deref(),
            tls: self.sni.is_some(),
            source: SocketAddr::from(([a, b, c, 9], 4711)),
        }
    }
}

pub(super) fn route(criterion: &mut Criterion) {
    for shape in &SHAPES {
        let mut group = criterion.benchmark_group(format!("route by {}", shape.name));
        for count in [10, 10_000] {
            let ready = LazyCell::new(|| {
                let routes = (0..count).map(|n| ((shape.route)(n).criteria(), n)).collect();
                let router = Router::new(routes).router;
                let mut random = fastrand::Rng::with_seed(7);
                let told: Vec<(usize, Told, HeaderMap)> = (0..4096)
                    .map(|_| {
                        let n = random.usize(0..count);
                        let told = (shape.request)(n);
                        let headers = told.headers();
                        (n, told, headers)
                    })
                    .collect();
                for (n, told, headers) in &told {
                    assert_eq!(router.find(&told.ask(headers)).map(|found| *found.route), Some(*n), "{}", shape.name);
                }
                (router, told)
            });
            group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
                let (router, told) = &*ready;
                let mut next = told.iter().cycle();
                bencher.iter(|| {
                    let (_, told, headers) = next.next().unwrap();
                    router.find(black_box(&told.ask(headers))).is_some()
                });
            });
        }
        group.finish();
    }
}
