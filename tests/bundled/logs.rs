//! The log plugins: what is in their records, and who gets them, at once or when they are there again.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::StatusCode;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::net::UdpSocket;
use tokio_rustls::TlsAcceptor;

use crate::harness::certs::Authority;
use crate::harness::origin::reply;
use crate::harness::program::Program;
use crate::harness::{Gateway, Origin, Upstream, one_route, tls, until};

/// Lines that somebody has received.
type Received = Arc<Mutex<Vec<String>>>;

/// A use of a plugin for every request, with these settings.
fn plugin(name: &str, config: &str) -> String {
    format!("[[plugins]]\nuse = \"{name}\"\nconfig = {{ {config} }}\n\n")
}

fn file(gateway: &Gateway, name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(gateway.path(name)).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The records that are in this file once there are so many.
async fn written(gateway: &Gateway, name: &str, records: usize) -> Vec<Value> {
    until("the records", async || Some(file(gateway, name)).filter(|found| found.len() >= records)).await
}

async fn lines(stream: impl AsyncRead + Unpin, received: Received) {
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        received.lock().unwrap().push(line);
    }
}

/// What was received once it is so much.
async fn all(received: &Received, lines: usize) -> Vec<String> {
    until("the records", async || Some(received.lock().unwrap().clone()).filter(|found| found.len() >= lines)).await
}

#[tokio::test]
async fn a_record_says_what_has_happened() {
    let upstream = Origin::echo("a").await;
    let config = format!(
        "[[consumers]]\nusername = \"alice\"\ncustom_id = \"a-1\"\n\
         credentials = [{{ kind = \"key-auth\", key = \"k1\" }}]\n\n{}\
         [[services]]\nname = \"shop\"\nurl = \"http://{}/v1\"\n\
         [[services.routes]]\nname = \"orders\"\npaths = [\"/orders\"]\n\
         plugins = [{{ use = \"key-auth\", config = {{ hide_credentials = true }} }}]\n",
        plugin("file-log", "path = \"log\""),
        upstream.address
    );
    let gateway = Gateway::start(&config).await;
    let answer = gateway
        .client()
        .await
        .send("POST", "/orders/7?page=2&apikey=k1", &[("user-agent", "test"), ("authorization", "Basic cw==")], "abc")
        .await;
    assert_eq!(answer.status, 200);
    let record = written(&gateway, "log", 1).await.remove(0);
    let target = "/orders/7?page=2&apikey=REDACTED";
    let request = &record["request"];
    assert_eq!((&request["method"], &request["uri"], &request["size"]), (&json!("POST"), &json!(target), &json!(3)));
    assert_eq!(request["id"], answer.header("x-gateway-request-id").unwrap());
    assert_eq!(request["url"], format!("http://{}{target}", request["headers"]["host"].as_str().unwrap()));
    assert_eq!(request["querystring"], json!({ "page": "2", "apikey": "REDACTED" }));
    let headers = (&request["headers"]["user-agent"], &request["headers"]["authorization"]);
    assert_eq!(headers, (&json!("test"), &json!("REDACTED")));
    let response = &record["response"];
    assert_eq!((&response["status"], &response["size"]), (&json!(200), &json!(answer.body.len())));
    assert_eq!(record["upstream_uri"], "/v1/7?page=2", "as the plugin before has left it");
    assert_eq!((&record["upstream_status"], &record["client_ip"]), (&json!(200), &json!("127.0.0.1")));
    assert_eq!((&record["route"]["name"], &record["service"]["name"]), (&json!("orders"), &json!("shop")));
    assert_eq!(record["consumer"], json!({ "username": "alice", "custom_id": "a-1" }));
    assert_eq!(record["authenticated_entity"]["id"].as_str().unwrap().len(), 32);
    let [attempt] = record["tries"].as_array().unwrap().as_slice() else { panic!("{record}") };
    assert_eq!((&attempt["ip"], &attempt["port"]), (&json!("127.0.0.1"), &json!(upstream.address.port())));
    assert_eq!((&attempt["outcome"], &attempt["keepalive"]), (&json!("ok"), &json!(false)));
    let latency = |name: &str| record["latencies"][name].as_f64().unwrap();
    assert!(latency("request") >= latency("proxy") && latency("proxy") > 0.0, "{}", record["latencies"]);
    assert!(latency("request") + 0.002 >= latency("gateway") + latency("proxy"), "{}", record["latencies"]);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as u64;
    assert!(record["started_at"].as_u64().is_some_and(|begun| begun <= now && begun + 60_000 > now));
    assert_eq!(record.get("failure"), None);
}

#[tokio::test]
async fn what_failed_has_a_record_too() {
    let nobody = Upstream::nobody().await;
    let fields = "fields = { status = \"response.status\", failure = \"failure\", tries = \"tries\", \
                  route = \"route.name\", upstream = \"upstream_status\" }";
    let gateway = Gateway::start(&format!(
        "{}[[services]]\nname = \"s\"\nurl = \"http://{nobody}\"\nretries = 1\n\
         [[services.routes]]\nname = \"r\"\npaths = [\"/a\"]\n",
        plugin("file-log", &format!("path = \"log\", {fields}"))
    ))
    .await;
    assert_eq!((gateway.get("/a").await.status, gateway.get("/nowhere").await.status), (502, 404));
    let records = written(&gateway, "log", 2).await;
    let refused = records.iter().find(|record| record["status"] == 502).unwrap();
    assert_eq!(refused["failure"], "upstream_connect_refused");
    let outcomes: Vec<_> = refused["tries"].as_array().unwrap().iter().map(|attempt| &attempt["outcome"]).collect();
    assert_eq!(outcomes, ["upstream_connect_refused"; 2]);
    let unrouted = records.iter().find(|record| record["status"] == 404).unwrap();
    assert_eq!(*unrouted, json!({ "status": 404, "failure": "route_not_found", "tries": [] }));
}

#[tokio::test]
async fn a_sample_has_about_its_share() {
    let upstream = Upstream::echo("a").await;
    let half = plugin("file-log", "path = \"log\", sample = 0.5, fields = { id = \"request.id\" }");
    let gateway = Gateway::start(&format!("{half}{}", one_route(upstream.address, ""))).await;
    let mut client = gateway.client().await;
    for _ in 0..400 {
        assert_eq!(client.send("GET", "/", &[("host", "a")], "").await.status, 200);
    }
    // Beyond them, one in a million million tests has fewer or more.
    let records = written(&gateway, "log", 130).await;
    assert!(records.len() < 270, "{}", records.len());
    assert!(records.iter().all(|record| record["id"].as_str().is_some_and(|id| id < "8")), "{records:?}");
}

#[tokio::test]
async fn a_file_that_was_renamed_is_left_alone() {
    let upstream = Upstream::echo("a").await;
    let log = plugin("file-log", "path = \"log\", reopen = true, fields = { uri = \"request.uri\" }");
    let gateway = Gateway::start(&format!("{log}{}", one_route(upstream.address, ""))).await;
    for number in 0..5 {
        gateway.get(&format!("/{number}")).await;
        // At once, and not only a second after the last look.
        assert_eq!(written(&gateway, "log", 1).await, [json!({ "uri": format!("/{number}") })]);
        std::fs::rename(gateway.path("log"), gateway.path(&format!("old-{number}"))).unwrap();
    }
}

/// A collector that speaks HTTP, and answers as it is told.
struct Collector {
    origin: Origin,
    requests: Arc<Mutex<Vec<(http::request::Parts, String)>>>,
    status: Arc<Mutex<StatusCode>>,
}

impl Collector {
    async fn start() -> Self {
        let (requests, status) = (Arc::default(), Arc::new(Mutex::new(StatusCode::OK)));
        let (seen, told): (Arc<Mutex<Vec<_>>>, _) = (Arc::clone(&requests), Arc::clone(&status));
        let origin = Origin::serve(move |request: http::Request<hyper::body::Incoming>| {
            let (seen, status) = (Arc::clone(&seen), *told.lock().unwrap());
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                seen.lock().unwrap().push((head, String::from_utf8(body.to_vec()).unwrap()));
                reply(status.as_u16(), "")
            }
        })
        .await;
        Self { origin, requests, status }
    }

    /// The bodies once there are so many.
    async fn bodies(&self, requests: usize) -> Vec<String> {
        until("the requests", async || {
            let seen = self.requests.lock().unwrap();
            (seen.len() >= requests).then(|| seen.iter().map(|(_, body)| body.clone()).collect())
        })
        .await
    }
}

const URI: &str = "fields = { uri = \"request.uri\" }";

#[tokio::test]
async fn http_log_sends_as_it_is_told() {
    let (upstream, collector) = (Upstream::echo("a").await, Collector::start().await);
    let endpoint = format!("http://{}/in?token=t", collector.origin.address);
    let plain = plugin("http-log", &format!("http_endpoint = \"{endpoint}\", {URI}"));
    let gateway = Gateway::start(&format!("{plain}{}", one_route(upstream.address, ""))).await;
    gateway.get("/1").await;
    gateway.get("/2").await;
    assert_eq!(collector.bodies(2).await, ["{\"uri\":\"/1\"}\n", "{\"uri\":\"/2\"}\n"], "a request for each record");
    {
        let requests = collector.requests.lock().unwrap();
        let (head, _) = &requests[0];
        let told = (head.method.as_str(), head.uri.to_string(), &head.headers["content-type"]);
        assert_eq!(told, ("POST", "/in?token=t".to_owned(), &"application/json".parse().unwrap()));
    }

    let all = plugin(
        "http-log",
        &format!(
            "http_endpoint = \"{endpoint}\", method = \"PUT\", content_type = \"application/x-ndjson\", \
             headers = {{ authorization = \"file:token\", x-env = \"1\" }}, {URI}, timeout = 3000, \
             queue = {{ max_batch_size = 2, max_coalescing_delay = 30, max_bytes = 100000, max_retry_delay = 0.5, \
             max_retry_time = 60 }}"
        ),
    );
    std::fs::write(gateway.path("token"), "Bearer sesame\n").unwrap();
    gateway.write_config(&format!("{all}{}", one_route(upstream.address, "")));
    until("the next generation", async || (gateway.generation() == 2).then_some(())).await;
    for path in ["/3", "/4", "/5", "/6"] {
        gateway.get(path).await;
    }
    assert_eq!(
        collector.bodies(4).await[2..],
        ["{\"uri\":\"/3\"}\n{\"uri\":\"/4\"}\n", "{\"uri\":\"/5\"}\n{\"uri\":\"/6\"}\n"]
    );
    let requests = collector.requests.lock().unwrap();
    let (head, _) = &requests[3];
    let told = ["content-type", "authorization", "x-env"].map(|name| head.headers[name].to_str().unwrap());
    assert_eq!((head.method.as_str(), told), ("PUT", ["application/x-ndjson", "Bearer sesame", "1"]));
}

#[tokio::test]
async fn http_log_tries_again_until_the_collector_takes_it() {
    let (upstream, collector) = (Upstream::echo("a").await, Collector::start().await);
    *collector.status.lock().unwrap() = StatusCode::SERVICE_UNAVAILABLE;
    let endpoint = format!("http_endpoint = \"http://{}\"", collector.origin.address);
    let log = plugin("http-log", &format!("{endpoint}, {URI}, queue = {{ max_retry_delay = 0.1 }}"));
    let gateway = Gateway::start(&format!("{log}{}", one_route(upstream.address, ""))).await;
    for path in ["/1", "/2"] {
        assert_eq!(gateway.get(path).await.status, 200, "no request waits for a collector");
    }
    collector.bodies(3).await;
    let refused = collector.requests.lock().unwrap().len();
    *collector.status.lock().unwrap() = StatusCode::NO_CONTENT;
    let bodies = collector.bodies(refused + 2).await;
    let (before, after) = bodies.split_at(bodies.len() - 2);
    assert!(before.iter().all(|body| body == "{\"uri\":\"/1\"}\n"), "{before:?}");
    assert_eq!(after, ["{\"uri\":\"/1\"}\n", "{\"uri\":\"/2\"}\n"]);
}

#[tokio::test]
async fn http_log_gives_up_when_it_is_told() {
    let (upstream, collector) = (Upstream::echo("a").await, Collector::start().await);
    *collector.status.lock().unwrap() = StatusCode::SERVICE_UNAVAILABLE;
    let endpoint = format!("http_endpoint = \"http://{}\"", collector.origin.address);
    let queue = "queue = { max_retry_delay = 0.1, max_retry_time = 0.3 }";
    let log = plugin("http-log", &format!("{endpoint}, {URI}, {queue}"));
    let gateway = Gateway::start(&format!("{log}{}", one_route(upstream.address, ""))).await;
    gateway.get("/1").await;
    let line = gateway.logged("message", "a sink has lost records").await;
    assert_eq!(line["sink"], format!("http-log http://{}", collector.origin.address), "{line}");
}

#[tokio::test]
async fn tcp_log_speaks_tls_with_whom_it_is_told() {
    let (upstream, authority) = (Upstream::echo("a").await, Authority::new("logs"));
    let acceptor = TlsAcceptor::from(tls::server(&authority.server(&["logs.internal"]), &[], None));
    let received = Received::default();
    let names = Arc::new(Mutex::new(Vec::new()));
    let collector = Origin::raw({
        let (received, names) = (Arc::clone(&received), Arc::clone(&names));
        move |stream| {
            let (received, names, acceptor) = (Arc::clone(&received), Arc::clone(&names), acceptor.clone());
            async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    names.lock().unwrap().push(stream.get_ref().1.server_name().map(ToOwned::to_owned));
                    lines(stream, received).await;
                }
            }
        }
    })
    .await;
    let to = format!("host = \"127.0.0.1\", port = {}, timeout = 5000", collector.address.port());
    let log = plugin("tcp-log", &format!("{to}, tls = true, tls_sni = \"logs.internal\", ca = \"ca.pem\", {URI}"));
    let folder = crate::harness::folder(&format!("{log}{}", one_route(upstream.address, "")), &[]);
    authority.write(folder.path(), "ca");
    let gateway = Gateway::start_in(folder).await;
    gateway.get("/1").await;
    assert_eq!(all(&received, 1).await, ["{\"uri\":\"/1\"}"]);
    assert_eq!(*names.lock().unwrap(), [Some("logs.internal".to_owned())]);

    // Without it, the certificate is for somebody else.
    gateway.write_config(&format!(
        "{}{}",
        log.replace("tls_sni = \"logs.internal\", ", ""),
        one_route(upstream.address, "")
    ));
    until("the next generation", async || (gateway.generation() == 2).then_some(())).await;
    gateway.get("/2").await;
    gateway.logged("error", "certificate").await;
    // What the sink before had sent last may have come twice.
    assert!(received.lock().unwrap().iter().all(|line| line == "{\"uri\":\"/1\"}"), "{received:?}");
}

fn messages(rsyslog: &Program) -> Vec<String> {
    let text = std::fs::read_to_string(rsyslog.folder.path().join("out")).unwrap_or_default();
    text.lines().map(ToOwned::to_owned).collect()
}

#[tokio::test]
async fn tcp_log_reaches_rsyslog_again_after_it_was_away() {
    let upstream = Upstream::echo("a").await;
    let mut rsyslog = Program::rsyslog().await;
    let to = format!("host = \"127.0.0.1\", port = {}", rsyslog.address.port());
    // What rsyslog takes for a message without a head: its own severity, no names, and the text.
    let line = "fields = {}, custom_fields = { path = \"- - - $(request.uri) -\" }";
    let log = plugin("tcp-log", &format!("{to}, {line}"));
    let gateway = Gateway::start(&format!("{log}{}", one_route(upstream.address, ""))).await;
    let has = async |rsyslog: &Program, path: &str| {
        until(path, async || messages(rsyslog).iter().any(|line| line.contains(&format!("- {path} -"))).then_some(()))
            .await;
    };
    gateway.get("/before").await;
    has(&rsyslog, "/before").await;
    rsyslog = rsyslog.restart_rsyslog(Duration::from_millis(300)).await;
    gateway.get("/after").await;
    has(&rsyslog, "/after").await;
}

#[tokio::test]
async fn syslog_messages_are_as_severe_as_their_status() {
    let rsyslog = Program::rsyslog().await;
    let upstream = Origin::serve(|request: http::Request<hyper::body::Incoming>| async move {
        reply(request.uri().path().trim_start_matches('/').parse().unwrap(), "")
    })
    .await;
    let severities = "successful_severity = \"notice\", client_errors_severity = \"warning\", \
                      server_errors_severity = \"crit\", fields = { status = \"response.status\" }";
    let text = |status: u16| format!("{{\"status\":{status}}}");
    for transport in ["udp", "tcp"] {
        let to = format!("host = \"127.0.0.1\", port = {}, transport = \"{transport}\"", rsyslog.address.port());
        let log = plugin("syslog", &format!("{to}, facility = \"local3\", {severities}"));
        let gateway = Gateway::start(&format!("{log}{}", one_route(upstream.address, ""))).await;
        for status in [200, 404, 503] {
            assert_eq!(gateway.get(&format!("/{status}")).await.status, status);
        }
        let seen = until("the messages", async || Some(messages(&rsyslog)).filter(|seen| seen.len() >= 3)).await;
        for (status, severity) in [(200, 5), (404, 4), (503, 2)] {
            let (priority, message) = (8 * 19 + severity, text(status));
            let is_it = |line: &String| line.starts_with(&format!("{priority}|tidegate|")) && line.ends_with(&message);
            assert!(seen.iter().any(is_it), "{transport}, {status}: {seen:?}");
        }
        std::fs::write(rsyslog.folder.path().join("out"), "").unwrap();
    }
}

#[tokio::test]
async fn unix_sockets_take_the_place_of_hosts() {
    let (upstream, rsyslog) = (Upstream::echo("a").await, Program::rsyslog().await);
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let received = Received::default();
    let datagrams = tokio::net::UnixDatagram::bind(path("datagrams")).unwrap();
    let stream = tokio::net::UnixListener::bind(path("stream")).unwrap();
    let reading = Arc::clone(&received);
    let reader = tokio::spawn(async move { lines(stream.accept().await.unwrap().0, reading).await });
    let to = |plugged: &str, path: &str| plugin(plugged, &format!("socket = \"{path}\", {URI}"));
    let log = rsyslog.folder.path().join("log").display().to_string();
    let logs = [to("syslog", &log), to("udp-log", &path("datagrams")), to("tcp-log", &path("stream"))].concat();
    let gateway = Gateway::start(&format!("{logs}{}", one_route(upstream.address, ""))).await;
    gateway.get("/1").await;
    let record = "{\"uri\":\"/1\"}";
    let mut datagram = [0; 1000];
    let came = tokio::time::timeout(crate::harness::PATIENCE, datagrams.recv(&mut datagram)).await.unwrap().unwrap();
    assert_eq!(datagram[..came], *record.as_bytes());
    assert_eq!(all(&received, 1).await, [record]);
    let seen = until("the message", async || messages(&rsyslog).first().cloned()).await;
    assert!(seen.starts_with("14|tidegate|") && seen.ends_with(&format!("| {record}")), "{seen}");
    reader.abort();
}

#[tokio::test]
async fn syslog_loses_nothing_while_the_server_restarts() {
    let (upstream, mut rsyslog) = (Upstream::echo("a").await, Program::rsyslog().await);
    let to = format!("host = \"127.0.0.1\", port = {}, transport = \"tcp\"", rsyslog.address.port());
    let log = plugin("syslog", &format!("{to}, {URI}"));
    let gateway = Gateway::start(&format!("{log}{}", one_route(upstream.address, ""))).await;
    let mut client = gateway.client().await;
    for number in 0..200 {
        if number == 100 {
            rsyslog = rsyslog.restart_rsyslog(Duration::from_millis(200)).await;
        }
        client.send("GET", &format!("/{number}"), &[("host", "a")], "").await;
    }
    for number in 0..200 {
        let text = format!("{{\"uri\":\"/{number}\"}}");
        until(&text, async || messages(&rsyslog).iter().any(|line| line.ends_with(&text)).then_some(())).await;
    }
}

#[tokio::test]
async fn udp_log_sends_a_datagram_for_each() {
    let (upstream, socket) = (Upstream::echo("a").await, UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let to = format!("host = \"127.0.0.1\", port = {}", socket.local_addr().unwrap().port());
    let log = plugin("udp-log", &format!("{to}, {URI}"));
    let gateway = Gateway::start(&format!("{log}{}", one_route(upstream.address, ""))).await;
    for path in ["/1", "/2"] {
        gateway.get(path).await;
        let mut datagram = [0; 1000];
        let came = tokio::time::timeout(crate::harness::PATIENCE, socket.recv(&mut datagram)).await.unwrap().unwrap();
        assert_eq!(datagram[..came], *format!("{{\"uri\":\"{path}\"}}").as_bytes());
    }
}

#[tokio::test]
async fn nobody_to_log_to_holds_nobody_up() {
    let (upstream, nobody) = (Upstream::echo("a").await, Upstream::nobody().await);
    let port = nobody.port();
    let logs = [
        plugin("tcp-log", &format!("host = \"127.0.0.1\", port = {port}")),
        plugin("udp-log", &format!("host = \"logs.invalid\", port = {port}")),
        plugin("syslog", &format!("host = \"127.0.0.1\", port = {port}")),
        plugin("http-log", &format!("http_endpoint = \"http://127.0.0.1:{port}\"")),
        plugin("file-log", "path = \"no/such/folder/log\""),
    ];
    let gateway = Gateway::start(&format!("{}{}", logs.concat(), one_route(upstream.address, ""))).await;
    for _ in 0..20 {
        assert_eq!(gateway.get("/").await.status, 200);
    }
    for place in [format!("tcp-log 127.0.0.1:{port}"), format!("http-log http://127.0.0.1:{port}")] {
        gateway.logged("sink", &place).await;
    }
    gateway.logged("sink", "file-log ").await;
}
