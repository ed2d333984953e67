use std::time::Duration;

use http::Method;

use super::{LISTENER, faults};
use crate::config::checked::{
    BatchLimits, Compression, DiskBuffer, FileSink, Framing, HttpFormat, HttpSink, LookedFor, Rotate, Severity, Sink,
    SinkRetry, SinkSettings, SinkTo, StreamSink, SyslogFormat, SyslogOver, SyslogSink,
};
use crate::config::load;

fn sinks(folder: &tempfile::TempDir, text: &str) -> (Vec<Sink>, Vec<std::path::PathBuf>) {
    let path = folder.path().join("gateway.toml");
    std::fs::write(&path, format!("{LISTENER}{text}")).unwrap();
    let (config, faults) = load(&path).unwrap();
    assert!(faults.is_empty(), "{}", faults.into_report());
    (config.sinks, config.watched)
}

#[test]
fn a_sink_needs_little() {
    let folder = tempfile::tempdir().unwrap();
    let text = r#"sinks = [
        { name = "f", kind = "file", path = "out.ndjson" },
        { name = "h", kind = "http", url = "https://elastic/_bulk" },
        { name = "t", kind = "tcp", address = "Logs:5000" },
        { name = "u", kind = "udp", address = "[::1]:5000" },
        { name = "s", kind = "syslog", address = "10.0.0.1:514" },
    ]"#;
    let usual = |to| SinkSettings {
        to,
        framing: Framing::Newline,
        batch: BatchLimits { bytes: 1 << 20, records: 10_000, wait: Duration::from_secs(1) },
        buffer: 16 << 20,
        retry: SinkRetry { wait: Duration::from_secs(30), give_up: Some(Duration::from_secs(600)) },
    };
    let timeout = Duration::from_secs(10);
    let expected = [
        (
            "f",
            SinkTo::File(FileSink {
                path: folder.path().join("out.ndjson"),
                looked_for: LookedFor::NowAndThen,
                rotate: None,
            }),
        ),
        (
            "h",
            SinkTo::Http(HttpSink {
                url: "https://elastic/_bulk".parse().unwrap(),
                method: Method::POST,
                content_type: "application/x-ndjson".parse().unwrap(),
                headers: Vec::new(),
                timeout,
                format: HttpFormat::Ndjson,
                compression: Compression::None,
            }),
        ),
        (
            "t",
            SinkTo::Tcp(StreamSink { address: "logs:5000".parse().unwrap(), tls: false, server_name: None, timeout }),
        ),
        ("u", SinkTo::Udp("[::1]:5000".parse().unwrap())),
        (
            "s",
            SinkTo::Syslog(SyslogSink {
                over: SyslogOver::Udp("10.0.0.1:514".parse().unwrap()),
                format: SyslogFormat::Rfc5424,
                facility: 16,
                severity: Severity::Always(6),
                app_name: "tidegate".to_owned(),
            }),
        ),
    ];
    let (found, _) = sinks(&folder, text);
    assert_eq!(found.len(), expected.len());
    for (sink, (name, to)) in found.into_iter().zip(expected) {
        assert_eq!((sink.name.value.as_str(), sink.settings, sink.disk, sink.ca), (name, usual(to), None, None));
    }
}

#[test]
fn a_sink_may_say_everything() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("token"), "Bearer sesame\n").unwrap();
    let text = r#"
        [[sinks]]
        name = "h"
        kind = "http"
        url = "https://elastic/"
        method = "PUT"
        headers = { authorization = "file:token", X-Env = "env:PATH", x-plain = "1" }
        content_type = "text/plain"
        ca = "ca.pem"
        timeout = "3s"
        framing = "none"
        batch = { max_bytes = "64KiB", max_records = 10, max_wait = "100ms" }
        buffer = { memory = "1MiB" }
        retry = { max_wait = "5s", give_up = "1h" }
        [[sinks]]
        name = "s"
        kind = "syslog"
        transport = "tcp"
        address = "logs:6514"
        tls = true
        facility = "daemon"
        severity = "of-record"
        server_name = "Logs.internal"
        app_name = "edge"
        timeout = "3s"
    "#;
    let (found, watched) = sinks(&folder, text);
    let [http, syslog] = &*found else { panic!() };
    assert_eq!(watched, [folder.path().join("token"), folder.path().join("ca.pem")]);
    assert_eq!(http.ca.as_ref().unwrap().value, folder.path().join("ca.pem"));
    let settings = &http.settings;
    assert_eq!(settings.batch, BatchLimits { bytes: 64 << 10, records: 10, wait: Duration::from_millis(100) });
    assert_eq!((settings.framing, settings.buffer), (Framing::None, 1 << 20));
    assert_eq!(settings.retry, SinkRetry { wait: Duration::from_secs(5), give_up: Some(Duration::from_secs(3600)) });
    let SinkTo::Http(to) = &settings.to else { panic!() };
    assert_eq!((&to.method, to.content_type.to_str().unwrap(), to.timeout.as_secs()), (&Method::PUT, "text/plain", 3));
    let mut headers: Vec<_> = to.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    headers.sort_unstable();
    let path = std::env::var("PATH").unwrap();
    assert_eq!(headers, [("authorization", "Bearer sesame"), ("x-env", path.as_str()), ("x-plain", "1")]);
    assert!(!format!("{found:?}").contains("sesame"), "nothing of ours shows it");
    let SinkTo::Syslog(to) = &syslog.settings.to else { panic!() };
    assert_eq!((to.facility, to.severity, to.app_name.as_str()), (3, Severity::OfRecord(6), "edge"));
    let SyslogOver::Tcp(stream) = &to.over else { panic!() };
    assert!(stream.tls && stream.timeout == Duration::from_secs(3));
    assert_eq!(stream.server_name.as_ref().map(|name| name.0.as_str()), Some("logs.internal"));
}

#[test]
fn records_may_go_to_unix_sockets() {
    let folder = tempfile::tempdir().unwrap();
    let text = r#"sinks = [
        { name = "t", kind = "tcp", address = "unix:/run/t", timeout = "3s" },
        { name = "u", kind = "udp", address = "unix:/run/u", retry = { give_up = "1h" }, buffer = { disk = "var/u" } },
        { name = "l", kind = "syslog", address = "unix:/dev/log" },
        { name = "n", kind = "syslog", address = "unix:/run/n", format = "rfc5424", retry = { max_wait = "1s" } },
        { name = "s", kind = "syslog", address = "unix:/run/s", transport = "tcp" },
    ]"#;
    let (found, _) = sinks(&folder, text);
    let places: Vec<_> = found.iter().map(|sink| sink.settings.to.place()).collect();
    assert_eq!(places, ["unix:/run/t", "unix:/run/u", "unix:/dev/log", "unix:/run/n", "unix:/run/s"]);
    let formats: Vec<_> = found[2..]
        .iter()
        .map(|sink| match &sink.settings.to {
            SinkTo::Syslog(syslog) => syslog.format,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(formats, [SyslogFormat::Local, SyslogFormat::Rfc5424, SyslogFormat::Rfc5424]);
    assert!(found[1].disk.is_some());
    assert_eq!(found[1].settings.retry.give_up, Some(Duration::from_secs(3600)));
    assert_eq!(found[3].settings.retry.wait, Duration::from_secs(1));
}

#[test]
fn a_file_may_be_rotated() {
    let folder = tempfile::tempdir().unwrap();
    let text = r#"sinks = [
        { name = "a", kind = "file", path = "a", rotate = { bytes = "64KiB" } },
        { name = "b", kind = "file", path = "b", rotate = { bytes = "1GiB", keep = 1 } },
    ]"#;
    let (found, _) = sinks(&folder, text);
    let rotated = |name, bytes, keep| {
        let (path, rotate) = (folder.path().join(name), Some(Rotate { bytes, keep }));
        SinkTo::File(FileSink { path, looked_for: LookedFor::NowAndThen, rotate })
    };
    let to: Vec<_> = found.into_iter().map(|sink| sink.settings.to).collect();
    assert_eq!(to, [rotated("a", 64 << 10, 5), rotated("b", 1 << 30, 1)]);
}

#[test]
fn formats_have_keys_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let text = r#"sinks = [
        { name = "n", kind = "http", url = "http://a/x", format = "ndjson", compression = "gzip" },
        { name = "e", kind = "http", url = "http://a/_bulk", format = "elasticsearch", index = "logs-x" },
        { name = "u", kind = "http", url = "http://a/logs-x/_bulk?pipeline=p", format = "elasticsearch" },
        { name = "s", kind = "http", url = "http://a/services/collector/event", format = "splunk-hec",
          index = "main", source = "edge", sourcetype = "_json" },
        { name = "l", kind = "http", url = "http://a/loki/api/v1/push", format = "loki", labels = { job = "a", b_1 = "" } },
        { name = "m", kind = "http", url = "http://a/loki/api/v1/push", format = "loki" },
    ]"#;
    let (found, _) = sinks(&folder, text);
    let http = |sink: &Sink| match &sink.settings.to {
        SinkTo::Http(http) => http.clone(),
        other => panic!("{other:?}"),
    };
    let of: Vec<_> =
        found.iter().map(|sink| (http(sink).content_type.to_str().unwrap().to_owned(), http(sink).format)).collect();
    let own = |pairs: &[(&'static str, &str)]| pairs.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
    let labels =
        |pairs: &[(&str, &str)]| pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let (ndjson, json) = ("application/x-ndjson".to_owned(), "application/json".to_owned());
    let splunk = own(&[("index", "main"), ("source", "edge"), ("sourcetype", "_json")]);
    assert_eq!(
        of,
        [
            (ndjson.clone(), HttpFormat::Ndjson),
            (ndjson.clone(), HttpFormat::Elasticsearch { index: Some("logs-x".to_owned()) }),
            (ndjson, HttpFormat::Elasticsearch { index: None }),
            (json.clone(), HttpFormat::Splunk(splunk)),
            (json.clone(), HttpFormat::Loki(labels(&[("b_1", ""), ("job", "a")]))),
            (json, HttpFormat::Loki(labels(&[("job", "tidegate")]))),
        ]
    );
    assert_eq!((http(&found[0]).compression, http(&found[1]).compression), (Compression::Gzip, Compression::None));
}

#[test]
fn what_is_on_a_disk_is_not_given_up_unless_the_sink_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let text = r#"sinks = [
        { name = "t", kind = "tcp", address = "logs:5000", buffer = { disk = "var/t" } },
        { name = "f", kind = "file", path = "out", buffer = { disk = "var/f" } },
        { name = "h", kind = "http", url = "http://logs/", retry = { give_up = "1h" },
          buffer = { disk = "/var/h", disk_max = "64MiB", sync = "100ms", memory = "1MiB" } },
    ]"#;
    let (found, _) = sinks(&folder, text);
    let usual = |name| DiskBuffer { folder: folder.path().join(name), most: 1 << 30, sync: Duration::from_secs(1) };
    let said = DiskBuffer { folder: "/var/h".into(), most: 64 << 20, sync: Duration::from_millis(100) };
    let disks: Vec<_> = found.iter().map(|sink| sink.disk.clone().unwrap().value).collect();
    assert_eq!(disks, [usual("var/t"), usual("var/f"), said]);
    let give_up: Vec<_> = found.iter().map(|sink| sink.settings.retry.give_up).collect();
    assert_eq!(give_up, [None, None, Some(Duration::from_secs(3600))]);
    assert_eq!(found[2].settings.buffer, 1 << 20);
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    for (sink, expected) in [
        ("", &["`name` is missing", "`kind` is missing"][..]),
        ("name = \"a\", kind = \"htpp\"", &["`kind` cannot be \"htpp\""]),
        ("name = \"a\", kind = \"file\", url = \"http://a/\"", &["`path` is missing", "unknown key `url`"]),
        (
            "name = \"a\", kind = \"file\", path = \"p\", retry = {}, timeout = \"1s\"",
            &["unknown key `retry`", "unknown key `timeout`"],
        ),
        (
            "name = \"a\", kind = \"udp\", address = \"a:1\", framing = \"none\", tls = true",
            &["unknown key `framing`", "unknown key `tls`"],
        ),
        (
            "name = \"a\", kind = \"tcp\", address = \"a\", ca = \"x\"",
            &["`address`: \"a\" has no port: expected host:port"],
        ),
        ("name = \"a\", kind = \"tcp\", address = \"a:1\", ca = \"x\"", &["`ca` goes unheard"]),
        (
            "name = \"a\", kind = \"udp\", address = \"unix:log\", retry = {}",
            &["`address`: \"unix:log\" needs an absolute path"],
        ),
        ("name = \"a\", kind = \"udp\", address = \"a:1\", retry = {}", &["unknown key `retry`"]),
        ("name = \"a\", kind = \"tcp\", address = \"unix:/a\", tls = true", &["no TLS is spoken to a unix socket"]),
        (
            "name = \"a\", kind = \"syslog\", address = \"a:1\", format = \"local\"",
            &["only datagrams to a unix socket are \"local\""],
        ),
        (
            "name = \"a\", kind = \"syslog\", transport = \"tcp\", address = \"unix:/a\", format = \"local\"",
            &["only datagrams to a unix socket are \"local\""],
        ),
        (
            "name = \"a\", kind = \"syslog\", address = \"a:1\", facility = \"lokal0\", severity = \"bad\", app_name = \"\"",
            &[
                "`facility` cannot be \"lokal0\"",
                "`severity` cannot be \"bad\"",
                "`app_name`: expected 1 to 48 printable ASCII characters without spaces",
            ],
        ),
        (
            "name = \"a\", kind = \"file\", path = \"p\", rotate = { bytes = \"1KiB\", keep = 0, size = 1 }",
            &["`bytes` is from 64KiB to 1024GiB", "`keep` must be from 1 to 1000, not 0", "unknown key `size`"],
        ),
        ("name = \"a\", kind = \"file\", path = \"p\", rotate = {}", &["`bytes` is missing"]),
        (
            "name = \"a\", kind = \"http\", url = \"http://a/_bulk\", format = \"elastic\", compression = \"zip\"",
            &["`format` cannot be \"elastic\"", "`compression` cannot be \"zip\""],
        ),
        (
            "name = \"a\", kind = \"http\", url = \"http://a/_bulk\", format = \"elasticsearch\", framing = \"none\"",
            &["`index` is missing, and this URL names none", "unknown key `framing`"],
        ),
        (
            "name = \"a\", kind = \"http\", url = \"http://a/x\", format = \"elasticsearch\", index = \"i\"",
            &["the bulk API's path ends with `/_bulk`"],
        ),
        (
            "name = \"a\", kind = \"http\", url = \"http://a/x\", format = \"loki\", labels = { \"a-b\" = \"1\", c = 1 }, index = \"x\"",
            &["\"a-b\" is no label's name", "`c` must be a string, not a whole number", "unknown key `index`"],
        ),
        ("name = \"a\", kind = \"syslog\", address = \"a:1\", tls = true", &["unknown key `tls`"]),
        (
            "name = \"a\", kind = \"file\", path = \"p\", buffer = { memory = \"1KiB\", disk_max = \"1KiB\", color = 1 }, batch = { max_bytes = \"1B\", max_records = 0, max_wait = \"0s\" }",
            &[
                "`memory` is from 64KiB to 1GiB",
                "`disk_max` is from 1MiB to 1024GiB",
                "`disk_max` goes unheard",
                "unknown key `color`",
                "`max_bytes` is from 1KiB to 64MiB, and no more than `buffer.memory`",
                "`max_records` must be from 1 to 100000, not 0",
                "`max_wait`: a duration is from 1ms to 24h",
            ],
        ),
        ("name = \"a\", kind = \"udp\", address = \"a:1\", buffer = { disk = \"d\" }", &["`disk` goes unheard"]),
        ("name = \"a\", kind = \"tcp\", address = \"a:1\", buffer = { sync = \"1s\" }", &["`sync` goes unheard"]),
        ("name = \"a\", kind = \"tcp\", address = \"a:1\", buffer = { disk = \"\" }", &["`disk` is empty"]),
        (
            "name = \"a\", kind = \"file\", path = \"p\", buffer = { memory = \"64KiB\" }, batch = { max_bytes = \"65KiB\" }",
            &["`max_bytes` is from 1KiB to 64MiB, and no more than `buffer.memory`"],
        ),
        (
            "name = \"a\", kind = \"http\", url = \"http://a/\", headers = { \"a b\" = \"1\", host = \"1\", connection = \"1\", content-type = \"1\", x = \"env:TIDEGATE_NOT_SET\", y = \"sha256:00\", z = 1, Z = \"1\" }",
            &[
                "\"a b\" is no header field's name",
                "`host` is what `url` says",
                "`connection` is the gateway's own to set",
                "for `content-type` there is `content_type`",
                "the environment variable `TIDEGATE_NOT_SET` is not set",
                "`y`: `sha256:` is followed by 64 hexadecimal digits",
                "`z` is listed twice: names ignore case",
                "`z` must be a string, not a whole number",
            ],
        ),
    ] {
        assert_eq!(faults(&format!("{LISTENER}sinks = [{{ {sink} }}]")), expected, "{sink}");
    }
    let disk = "kind = \"tcp\", address = \"a:1\", buffer = { disk = \"d\" }";
    let twice = format!("{{ name = \"a\", {disk} }}, {{ name = \"b\", {disk} }}");
    assert_eq!(faults(&format!("{LISTENER}sinks = [{twice}]")), ["another sink has its disk buffer in this folder"]);
    let twice = "{ name = \"a\", kind = \"file\", path = \"p\" }";
    assert_eq!(faults(&format!("{LISTENER}sinks = [{twice}, {twice}]")), ["there is another sink named \"a\""]);
    let many: String = (0..101).map(|n| format!("{{ name = \"{n}\", kind = \"file\", path = \"p\" }},")).collect();
    assert_eq!(faults(&format!("{LISTENER}sinks = [{many}]")), ["there are at most 100 sinks"]);
}

#[test]
fn no_report_shows_a_header() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.toml");
    let sink = "{ name = \"a\", kind = \"http\", url = \"http://a/\", headers = { authorization = \"sesame\", x = \"sesa\\u0000me\" }, color = 1 }";
    std::fs::write(&path, format!("{LISTENER}sinks = [{sink}]")).unwrap();
    let (_, faults) = load(&path).unwrap();
    let shown = faults.into_report().to_string();
    assert!(shown.contains("cannot be the value of a header field") && !shown.contains("sesa"), "{shown}");
}
