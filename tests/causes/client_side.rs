//! What fails before an upstream is asked: by the client's doing, by the route's demands, by a plugin.

use super::{Expected, Peer, Row, Sees, Tried};
use crate::harness::access::phase;
use crate::harness::upstream::Step;

pub(super) fn rows() -> Vec<Row> {
    let fields = |count: usize| (0..count).map(|n| format!("X-{n}: y\r\n")).collect::<String>();
    let long = |length: usize| "x".repeat(length);
    vec![
        row("no-route", "", 404, "route_not_found", phase::ROUTE, &[])
            .sends("GET /elsewhere HTTP/1.1\r\nHost: a\r\n\r\n".to_owned()),
        row("https-required", "protocols = [\"https\"]", 426, "https_required", phase::ROUTE, &["https"]),
        row(
            "https-redirect",
            "protocols = [\"https\"]\nhttps_redirect_status_code = 301",
            301,
            "https_required",
            phase::ROUTE,
            &["https"],
        ),
        row("no-http", "", 400, "request_invalid", phase::REQUEST, &[])
            .sends("GET /no-http HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n".to_owned()),
        row("no-host", "", 400, "request_invalid", phase::REQUEST, &["Host"])
            .sends("GET /no-host HTTP/1.1\r\n\r\n".to_owned()),
        row("bad-escape", "", 400, "request_invalid", phase::REQUEST, &["%"])
            .sends("GET /bad-escape/%zz HTTP/1.1\r\nHost: a\r\n\r\n".to_owned()),
        row("bad-chunk", "", 400, "request_invalid", phase::BODY_OR_REQUEST, &[])
            .sends("POST /bad-chunk HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".to_owned()),
        row("large-field", "", 431, "header_too_large", phase::REQUEST, &["header_bytes"])
            .sends(format!("GET /large-field HTTP/1.1\r\nHost: a\r\nX-Large: {}\r\n\r\n", long(40_000))),
        row("many-fields", "", 431, "header_too_large", phase::REQUEST, &["headers"])
            .sends(format!("GET /many-fields HTTP/1.1\r\nHost: a\r\n{}\r\n", fields(60))),
        row("long-target", "", 414, "uri_too_long", phase::REQUEST, &["uri_bytes"])
            .sends(format!("GET /long-target/{} HTTP/1.1\r\nHost: a\r\n\r\n", long(10_000))),
        row("long-query", "", 414, "uri_too_long", phase::REQUEST, &["uri_bytes"])
            .sends(format!("GET /long-query?{} HTTP/1.1\r\nHost: a\r\n\r\n", long(10_000))),
        row("large-body", "body_bytes = \"1KiB\"", 413, "body_too_large", phase::BODY_OR_REQUEST, &["body_bytes"])
            .sends(format!("POST /large-body HTTP/1.1\r\nHost: a\r\nContent-Length: 2048\r\n\r\n{}", long(2048))),
        // Its length is not known before it is there.
        row("large-chunks", "body_bytes = \"1KiB\"", 413, "body_too_large", phase::BODY_OR_REQUEST, &["body_bytes"])
            .sends(format!(
                "POST /large-chunks HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n800\r\n{}\r\n0\r\n\r\n",
                long(2048)
            )),
        row("slow-head", "", 408, "request_timeout", phase::REQUEST, &["500ms"])
            .sends("GET /slow-head HTTP/1.1\r\nHost: a\r\n".to_owned()),
        row("slow-body", "", 408, "request_timeout", phase::BODY_OR_REQUEST, &["500ms"])
            .sends("POST /slow-body HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nslow".to_owned()),
    ]
}

/// The log names the plugin, the client learns nothing of it.
pub(super) fn plugins() -> Vec<Row> {
    const USE: &str = r#"plugins = [{ use = "faulty", limits = { time = "50ms" } }]"#;
    const LARGE: &str = r#"plugins = [{ use = "faulty", limits = { time = "1s", memory = "8MiB" } }]"#;
    [
        ("plugin-fails", USE, "x-fault", "fail", "plugin_failed"),
        ("plugin-traps", USE, "x-fault", "trap", "plugin_failed"),
        ("plugin-fails-late", USE, "x-fault-response", "fail", "plugin_failed"),
        ("plugin-spins", USE, "x-fault", "spin", "plugin_timed_out"),
        ("plugin-spins-late", USE, "x-fault-response", "spin", "plugin_timed_out"),
        ("plugin-grows", LARGE, "x-fault", "grow", "plugin_memory"),
    ]
    .into_iter()
    .map(|(name, route, header, fault, code)| {
        let request = format!("GET /{name} HTTP/1.1\r\nHost: a\r\n{header}: {fault}\r\n\r\n");
        let row = row(name, route, 500, code, phase::PLUGIN, &["plugin faulty"]).sends(request);
        // A response hook needs a response.
        Row { peer: Peer::Echo, ..row }
    })
    .collect()
}

fn row(
    name: &'static str,
    route: &'static str,
    status: u16,
    code: &'static str,
    phase: &'static str,
    words: &'static [&'static str],
) -> Row {
    Row {
        name,
        // It would wait for as long as the body does.
        peer: Peer::Script(vec![Step::Stall]),
        service: "",
        route,
        request: format!("GET /{name} HTTP/1.1\r\nHost: a\r\n\r\n").into(),
        before: 0,
        expected: Expected { sees: Sees::Status(status), code, phase, words, tried: Tried::No },
    }
}

impl Row {
    fn sends(self, request: String) -> Self {
        Self { request: request.into(), ..self }
    }
}
