use super::*;

fn extra() -> Extra {
    Extra { version: "0.1.0", generation: 7, access_log_dropped: 3, targets: Vec::new() }
}

/// The sample's value.
#[track_caller]
fn sample(page: &str, name: &str) -> f64 {
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in\n{page}")).parse().unwrap()
}

const MS: Duration = Duration::from_millis(1);

#[test]
fn a_scrape_adds_the_workers_up() {
    let metrics = Metrics::new(2);
    let route = metrics.route("r", "s");
    route.observe(0, 200, MS, Some(MS / 2), MS / 2);
    route.observe(1, 200, 3 * MS, Some(2 * MS), MS);
    route.observe(1, 502, 20_000 * MS, None, MS);
    route.transferred(0, 10, 100);
    route.transferred(1, 1, 1);
    let page = metrics.render(extra());
    assert_eq!(sample(&page, r#"tidegate_requests_total{route="r",service="s",code="200"}"#), 2.0);
    assert_eq!(sample(&page, r#"tidegate_requests_total{route="r",service="s",code="502"}"#), 1.0);
    assert_eq!(sample(&page, r#"tidegate_bytes_total{direction="in",route="r",service="s"}"#), 11.0);
    assert_eq!(sample(&page, r#"tidegate_bytes_total{direction="out",route="r",service="s"}"#), 101.0);
    let labels = r#"{route="r",service="s"}"#;
    assert_eq!(sample(&page, &format!("tidegate_request_duration_seconds_count{labels}")), 3.0);
    let sum = sample(&page, &format!("tidegate_request_duration_seconds_sum{labels}"));
    assert!((sum - 20.004).abs() < 1e-9, "{sum}");
    assert_eq!(sample(&page, &format!("tidegate_upstream_duration_seconds_count{labels}")), 2.0);
    for (le, count) in [("0.0005", 0.0), ("0.001", 1.0), ("0.0025", 1.0), ("0.005", 2.0), ("10.0", 2.0), ("+Inf", 3.0)]
    {
        let name = format!(r#"tidegate_request_duration_seconds_bucket{{le="{le}",route="r",service="s"}}"#);
        assert_eq!(sample(&page, &name), count, "{le}");
    }
    let name = r#"tidegate_gateway_duration_seconds_bucket{le="0.0005",route="r",service="s"}"#;
    assert_eq!(sample(&page, name), 1.0);
}

#[test]
fn the_page_is_whole_and_each_family_is_described_once() {
    let metrics = Metrics::new(1);
    metrics.route("r", "s").observe(0, 200, MS, Some(MS), MS);
    metrics.failure("upstream_tls_failed", Some("s"));
    metrics.failure("upstream_tls_failed", Some("s"));
    metrics.failure("route_not_found", None);
    let worker = metrics.worker(0);
    let (open, closed) = (worker.connection(), worker.connection());
    let (going, done) = (worker.exchange(), worker.exchange());
    drop((closed, done));
    worker.upstream_connection(Connection::Fresh);
    worker.upstream_connection(Connection::Reused);
    worker.upstream_connection(Connection::Reused);
    worker.pool_idle(4);
    let sink = metrics.sink("logs");
    sink.deliver(3, 100);
    sink.drop_records(Dropped::GaveUp, 2);
    sink.retry();
    let (buffer, gone) = (sink.buffer(), metrics.sink("logs").buffer());
    buffer.store(7, Ordering::Relaxed);
    gone.store(70, Ordering::Relaxed);
    drop(gone);
    let target = |health, address: &str| TargetState {
        upstream: "u".into(),
        target: "t\"\\\n".into(),
        address: address.to_owned(),
        health,
        in_flight: 5,
    };
    let targets = vec![target(Health::Healthy, "10.0.0.1:80"), target(Health::Unhealthy, "")];
    let page = metrics.render(Extra { targets, ..extra() });
    for (name, value) in [
        (r#"tidegate_failures_total{code="upstream_tls_failed",service="s"}"#, 2.0),
        (r#"tidegate_failures_total{code="route_not_found",service=""}"#, 1.0),
        (r#"tidegate_connections{state="open"}"#, 1.0),
        (r#"tidegate_connections{state="active"}"#, 1.0),
        ("tidegate_connections_accepted_total", 2.0),
        (r#"tidegate_upstream_connections_total{reused="false"}"#, 1.0),
        (r#"tidegate_upstream_connections_total{reused="true"}"#, 2.0),
        ("tidegate_pool_idle", 4.0),
        (r#"tidegate_upstream_healthy{upstream="u",target="t\"\\\n",address="10.0.0.1:80"}"#, 1.0),
        (r#"tidegate_upstream_healthy{upstream="u",target="t\"\\\n",address=""}"#, 0.0),
        (r#"tidegate_upstream_in_flight{upstream="u",target="t\"\\\n",address=""}"#, 5.0),
        (r#"tidegate_sink_records_total{sink="logs"}"#, 3.0),
        (r#"tidegate_sink_bytes_total{sink="logs"}"#, 100.0),
        (r#"tidegate_sink_dropped_records_total{sink="logs",reason="gave_up"}"#, 2.0),
        (r#"tidegate_sink_dropped_records_total{sink="logs",reason="full"}"#, 0.0),
        (r#"tidegate_sink_retries_total{sink="logs"}"#, 1.0),
        (r#"tidegate_sink_buffer_bytes{sink="logs"}"#, 7.0),
        ("tidegate_access_log_dropped_total", 3.0),
        ("tidegate_generation", 7.0),
        (r#"tidegate_build_info{version="0.1.0"}"#, 1.0),
    ] {
        assert_eq!(sample(&page, name), value, "{name}");
    }
    assert!(page.ends_with("# EOF\n"));
    let mut described: Vec<&str> = page.lines().filter(|line| line.starts_with("# TYPE ")).collect();
    let count = described.len();
    assert_eq!(page.matches("# HELP ").count(), count);
    described.sort_unstable();
    described.dedup_by_key(|line| line.split(' ').nth(2));
    assert_eq!(described.len(), count);
    let totals = Totals { connections_open: 1, exchanges: 1, connections: 2, requests: 2 };
    assert_eq!(metrics.totals(), totals);
    drop((open, going));
    assert_eq!(metrics.totals(), Totals { connections_open: 0, exchanges: 0, ..totals });
}

#[test]
fn counts_outlive_a_generation() {
    let metrics = Metrics::new(1);
    metrics.route("r", "s").observe(0, 200, MS, None, MS);
    let again = metrics.route("r", "s");
    again.observe(0, 200, MS, None, MS);
    metrics.route("r", "another").observe(0, 200, MS, None, MS);
    let page = metrics.render(extra());
    assert_eq!(sample(&page, r#"tidegate_requests_total{route="r",service="s",code="200"}"#), 2.0);
    assert_eq!(sample(&page, r#"tidegate_requests_total{route="r",service="another",code="200"}"#), 1.0);
    assert!(!page.contains("tidegate_upstream_duration_seconds_count{"));
}

#[test]
fn pairs_have_a_bound_and_those_in_use_stay() {
    let metrics = Metrics::new(1);
    let used: Vec<_> = (0..10).map(|number| metrics.route(&format!("used-{number}"), "s")).collect();
    for number in 0..2 * limits::METRIC_ROUTES {
        metrics.route(&format!("passing-{number}"), "s");
        assert!(metrics.routes.lock().unwrap().pairs.len() <= limits::METRIC_ROUTES);
    }
    for (number, used) in used.iter().enumerate() {
        assert!(Arc::ptr_eq(used, &metrics.route(&format!("used-{number}"), "s")));
    }
    let newest = format!("passing-{}", 2 * limits::METRIC_ROUTES - 1);
    assert!(metrics.routes.lock().unwrap().pairs.contains_key(&(newest.as_str().into(), "s".into())));

    let all: Vec<_> = (0..limits::METRIC_ROUTES + 2).map(|number| metrics.route(&format!("{number}"), "")).collect();
    let [.., last, very_last] = &*all else { panic!() };
    assert!(Arc::ptr_eq(last, very_last));
    assert_eq!(&*last.route, OTHER);
}

#[test]
fn statuses_and_failures_without_end_share_a_place() {
    let metrics = Metrics::new(1);
    let route = metrics.route("r", "s");
    for status in 200..300 {
        route.observe(0, status, MS, None, MS);
        route.observe(0, status, MS, None, MS);
    }
    for number in 0..limits::METRIC_FAILURES + 10 {
        metrics.failure("route_not_found", Some(&number.to_string()));
    }
    let page = metrics.render(extra());
    assert_eq!(sample(&page, r#"tidegate_requests_total{route="r",service="s",code="200"}"#), 2.0);
    assert_eq!(sample(&page, r#"tidegate_requests_total{route="r",service="s",code="other"}"#), 176.0);
    assert_eq!(sample(&page, r#"tidegate_failures_total{code="route_not_found",service="other"}"#), 10.0);
}

#[test]
fn sinks_have_a_bound_and_those_in_use_stay() {
    let metrics = Metrics::new(1);
    let used = metrics.sink("used");
    (0..2 * limits::METRIC_SINKS).for_each(|number| drop(metrics.sink(&number.to_string())));
    assert!(metrics.sinks.lock().unwrap().len() <= limits::METRIC_SINKS);
    assert!(Arc::ptr_eq(&used, &metrics.sink("used")));
    let all: Vec<_> = (0..limits::METRIC_SINKS + 2).map(|number| metrics.sink(&format!("new-{number}"))).collect();
    let [.., last, very_last] = &*all else { panic!() };
    assert!(Arc::ptr_eq(last, very_last));
    assert_eq!(&*last.name, OTHER);
}

#[test]
fn ten_thousand_routes_stay_small() {
    // Two workers, all routes in use by both; names and tree nodes are rounded up to a quarter of a kilobyte.
    let of_route = 2 * (size_of::<Shard>() + size_of::<OnceLock<Box<Shard>>>()) + size_of::<RouteMetrics>() + 256;
    assert!(10_000 * of_route < 20 << 20, "{of_route} bytes per route");
}

#[test]
fn an_unknown_worker_harms_nobody() {
    let metrics = Metrics::new(1);
    metrics.route("r", "s").observe(9, 200, MS, None, MS);
    let _connection = metrics.worker(9).connection();
    assert_eq!(metrics.totals(), Totals::default());
}
