//! The router against a plain reading of the rules: look at all routes, keep the best that fits.

use std::cmp::Ordering;
use std::net::IpAddr;

use super::*;

/// One host and one path of a route that fits.
struct Fit {
    route: usize,
    host: Option<&'static str>,
    path: Option<&'static str>,
}

fn winner(specs: &[Spec], request: &Request) -> Option<(usize, usize)> {
    let mut best: Option<Fit> = None;
    for (route, spec) in specs.iter().enumerate() {
        if !(fits_method(spec, request)
            && fits_headers(spec, request)
            && fits_sni(spec, request)
            && fits_source(spec, request))
        {
            continue;
        }
        for host in optional(&spec.hosts).map(Option::<&&str>::copied) {
            for path in optional(&spec.paths).map(Option::<&&str>::copied) {
                if host.is_none_or(|host| fits_host(host, request))
                    && path.is_none_or(|path| taken(path, request).is_some())
                {
                    let fit = Fit { route, host, path };
                    if best.as_ref().is_none_or(|best| compare(specs, &fit, best) == Ordering::Less) {
                        best = Some(fit);
                    }
                }
            }
        }
    }
    let best = best?;
    Some((best.route, best.path.map_or(0, |path| taken(path, request).unwrap())))
}

/// Less is better.
fn compare(specs: &[Spec], a: &Fit, b: &Fit) -> Ordering {
    let has = |fit: &Fit| {
        let spec = &specs[fit.route];
        [
            !spec.hosts.is_empty(),
            !spec.headers.is_empty(),
            !spec.paths.is_empty(),
            !spec.methods.is_empty(),
            !spec.snis.is_empty(),
            !spec.sources.is_empty(),
        ]
    };
    let count = |fit: &Fit| has(fit).into_iter().filter(|has| *has).count();
    let plain = |fit: &Fit| fit.host.is_some_and(|host| !host.contains('*'));
    let port = |fit: &Fit| fit.host.is_some_and(|host| host.contains(':'));
    let star =
        |fit: &Fit| fit.host.filter(|host| host.contains('*')).map_or(0, |host| host.split(':').next().unwrap().len());
    let headers = |fit: &Fit| specs[fit.route].headers.len();
    let regex = |fit: &Fit| fit.path.is_some_and(|path| path.starts_with('~'));
    let priority = |fit: &Fit| if regex(fit) { specs[fit.route].regex_priority } else { 0 };
    let length = |fit: &Fit| fit.path.map_or(0, str::len);
    count(b)
        .cmp(&count(a))
        .then(has(b).cmp(&has(a)))
        .then(plain(b).cmp(&plain(a)))
        .then(port(b).cmp(&port(a)))
        .then(star(b).cmp(&star(a)))
        .then(headers(b).cmp(&headers(a)))
        .then(regex(b).cmp(&regex(a)))
        .then(priority(b).cmp(&priority(a)))
        .then(length(b).cmp(&length(a)))
        .then(a.route.cmp(&b.route))
}

fn fits_host(pattern: &str, request: &Request) -> bool {
    let host = request.host.to_lowercase();
    let (host, asked_port) =
        host.split_once(':').map_or((&*host, request.port), |(host, port)| (host, port.parse().unwrap()));
    let (name, port) =
        pattern.split_once(':').map_or((pattern, asked_port), |(name, port)| (name, port.parse().unwrap()));
    let fits = match name.split_once('*') {
        None => name == host,
        Some((start, end)) => host.starts_with(start) && host.ends_with(end) && host.len() >= name.len(),
    };
    fits && port == asked_port
}

fn taken(pattern: &str, request: &Request) -> Option<usize> {
    match pattern.strip_prefix('~') {
        None => request.path.starts_with(pattern).then_some(pattern.len()),
        Some(regex) => {
            let regex = regex::RegexBuilder::new(&format!("^(?:{regex})")).build().unwrap();
            regex.find(&request.path).map(|found| found.end())
        }
    }
}

fn fits_method(spec: &Spec, request: &Request) -> bool {
    spec.methods.is_empty() || spec.methods.contains(&request.method.as_str())
}

fn fits_headers(spec: &Spec, request: &Request) -> bool {
    spec.headers.iter().all(|(name, values)| {
        let mut sent = request.headers.get_all(*name).iter().map(|value| value.to_str().unwrap().to_lowercase());
        sent.any(|sent| {
            values.iter().any(|value| match value.strip_prefix("~*") {
                None => value.to_lowercase() == sent,
                Some(regex) => regex::Regex::new(regex).unwrap().is_match(&sent),
            })
        })
    })
}

fn fits_sni(spec: &Spec, request: &Request) -> bool {
    let fits = |sni: &str| {
        spec.snis.iter().any(|pattern| match pattern.split_once('*') {
            None => *pattern == sni,
            Some((start, end)) => sni.starts_with(start) && sni.ends_with(end) && sni.len() >= pattern.len(),
        })
    };
    spec.snis.is_empty() || !request.tls || request.sni.as_ref().is_some_and(|sni| fits(&sni.to_lowercase()))
}

/// Of IPv4 only.
fn fits_source(spec: &Spec, request: &Request) -> bool {
    let bits = |address: IpAddr| match address {
        IpAddr::V4(address) => u64::from(address.to_bits()),
        IpAddr::V6(_) => panic!("the samples are of IPv4"),
    };
    spec.sources.is_empty()
        || spec.sources.iter().any(|source| {
            let (net, port) = source.split_once(':').map_or((*source, None), |(net, port)| (net, Some(port)));
            let (address, length) = net.split_once('/').unwrap_or((net, "32"));
            let shift = 32 - length.parse::<u32>().unwrap();
            bits(address.parse().unwrap()) >> shift == bits(request.source.ip()) >> shift
                && port.is_none_or(|port| port == request.source.port().to_string())
        })
}

const HOSTS: [&str; 14] = [
    "a.com",
    "b.a.com",
    "c.b.a.com",
    "a.org",
    "*.com",
    "*.a.com",
    "*.b.a.com",
    "a.*",
    "b.*",
    "b.a.*",
    "a.com:80",
    "a.com:81",
    "*.a.com:80",
    "b.*:81",
];
const PATHS: [&str; 28] = [
    "/",
    "/a",
    "/ab",
    "/abc",
    "/a/",
    "/a/b",
    "/b",
    "/b/c",
    "/a/b/c",
    "/c",
    "~/a",
    "~^/a$",
    "~/a/.*",
    "~/[a-c]+",
    "~/[a-b]+/c",
    "~.*c$",
    "~/(?:a|b)c?",
    "~/a+b",
    "~/ab?c",
    "~(?i)/A/B",
    "~/.",
    "~/a/[^/]$",
    // These are enough alike to be told apart by one automaton, and some end where only the regex itself knows.
    "~/a/.*b",
    "~/a/(?<x>[a-c]+)$",
    "~/a/b?c",
    "~/a/b+?",
    "~/a/(?:b|bc)",
    "~/a/b\\b",
];
const METHODS: [&str; 5] = ["GET", "POST", "DELETE", "PURGE", "LIST"];
const HEADERS: [&str; 3] = ["x-a", "x-b", "x-c"];
const VALUES: [&str; 5] = ["1", "2", "Aa", "aA", "12"];
const VALUE_REGEXES: [&str; 3] = ["~*^1", "~*2$", "~*a"];
const SNIS: [&str; 5] = ["a.com", "b.a.com", "*.a.com", "a.*", "*.com"];
const SOURCES: [&str; 5] = ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.3", "10.1.2.3:5", "0.0.0.0/0:6"];

/// Up to `most` of them; none half of the time.
fn some<T: Copy>(random: &mut fastrand::Rng, from: &[T], most: usize) -> Vec<T> {
    let count = if random.bool() { 0 } else { random.usize(1..=most) };
    random.choose_multiple(from.iter().copied(), count)
}

fn spec(random: &mut fastrand::Rng) -> Spec {
    let headers = some(random, &HEADERS, 2).into_iter().map(|name| {
        let regex = random.u8(0..4) == 0;
        let values = if regex { random.choose_multiple(VALUE_REGEXES, 1) } else { random.choose_multiple(VALUES, 2) };
        (name, values)
    });
    let headers = headers.collect();
    Spec {
        hosts: some(random, &HOSTS, 3),
        paths: some(random, &PATHS, 3),
        methods: some(random, &METHODS, 2),
        headers,
        snis: if random.bool() { some(random, &SNIS, 2) } else { Vec::new() },
        sources: if random.bool() { some(random, &SOURCES, 2) } else { Vec::new() },
        regex_priority: random.i32(-1..2),
    }
}

fn request(random: &mut fastrand::Rng) -> Request {
    let mut pick = |from: &[&'static str]| *random.choice(from).unwrap();
    let host = pick(&[
        "a.com",
        "B.a.com",
        "c.b.a.com",
        "a.org",
        "b.org",
        "x.com",
        "z",
        "a.com:81",
        "b.a.com:80",
        "b.x:81",
        "",
    ]);
    // Many go where regexes begin alike.
    let mut request = Request::new(host, pick(&["/", "/a/", "/a/b"])).method(pick(&METHODS).parse().unwrap());
    request.port = random.u16(80..82);
    request.path.extend((0..random.usize(0..6)).map(|_| *random.choice(&['a', 'b', 'c', 'A', '/']).unwrap()));
    for name in HEADERS {
        for _ in 0..random.usize(0..3) {
            request = request.header(name, random.choice(VALUES).unwrap());
        }
    }
    if random.bool() {
        let sni = *random.choice(&[None, Some("a.com"), Some("B.a.com"), Some("a.org"), Some("z")]).unwrap();
        request = request.tls(sni);
    }
    request.source(random.choice(["10.1.2.3:5", "10.1.2.3:6", "10.1.9.9:5", "10.9.9.9:7", "11.0.0.1:5"]).unwrap())
}

#[test]
fn the_router_agrees_with_a_scan() {
    let mut random = fastrand::Rng::with_seed(20_240_607);
    let (mut found, mut missed) = (0, 0);
    for round in 0..300 {
        let specs: Vec<Spec> = (0..random.usize(1..=[4, 12, 40][round % 3])).map(|_| spec(&mut random)).collect();
        let router = router(&specs);
        for _ in 0..60 {
            let request = request(&mut random);
            let found_here = router.find(&request.ask()).map(|found| (*found.route, found.prefix_length));
            let expected = winner(&specs, &request);
            assert_eq!(found_here, expected, "{request:#?} among {specs:#?}");
            *(if expected.is_some() { &mut found } else { &mut missed }) += 1;
            if expected.is_none() {
                router.near_miss(&request.ask(), |_| "name");
            }
        }
    }
    assert!(found > 4_000 && missed > 1_500, "the samples say little: {found} found, {missed} missed");
}
