use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};

use super::*;
use crate::balance::{At, Forced, HealthyWhen, Passive, Settings, Standing, TargetSpec, UnhealthyWhen};

const MS: Duration = Duration::from_millis(1);

/// A server that answers every connection with one status; 0 is never.
struct Server {
    address: Address,
    status: AtomicU16,
    open: AtomicUsize,
    most: AtomicUsize,
    heads: std::sync::Mutex<Vec<String>>,
}

async fn server(status: u16) -> Arc<Server> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let server = Arc::new(Server {
        address: Address::Tcp(listener.local_addr().unwrap()),
        status: AtomicU16::new(status),
        open: AtomicUsize::new(0),
        most: AtomicUsize::new(0),
        heads: Default::default(),
    });
    let serving = Arc::clone(&server);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(Arc::clone(&serving).serve(stream));
        }
    });
    server
}

impl Server {
    async fn serve(self: Arc<Self>, mut stream: TcpStream) {
        let open = self.open.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(open, Ordering::SeqCst);
        let mut head = vec![0; 2_000];
        let length = stream.read(&mut head).await.unwrap_or(0);
        self.heads.lock().unwrap().push(String::from_utf8_lossy(&head[..length]).into_owned());
        match self.status.load(Ordering::SeqCst) {
            0 => drop(stream.read(&mut head).await),
            status => {
                // A body that is longer than anybody wants to read.
                let text = format!("HTTP/1.1 {status} X\r\ncontent-length: 1000000000\r\n\r\nno more");
                let _ = stream.write_all(text.as_bytes()).await;
            }
        }
        self.open.fetch_sub(1, Ordering::SeqCst);
    }

    fn target(&self) -> TargetSpec {
        TargetSpec { name: "t.example:80".into(), weight: 100, at: At::Fixed(self.address.clone()) }
    }
}

fn active() -> Active {
    Active {
        path: "/healthz?deep".parse().unwrap(),
        interval: 20 * MS,
        timeout: 2_000 * MS,
        healthy: HealthyWhen { successes: 2, statuses: vec![200] },
        unhealthy: UnhealthyWhen { failures: 2, statuses: vec![503] },
        ..Active::default()
    }
}

fn upstream(active: Active, targets: Vec<TargetSpec>, previous: Option<&Upstream>) -> Arc<Upstream> {
    let passive = Some(Passive { failures: 1, recover: Duration::from_secs(1_000), ..Passive::default() });
    let settings = Settings { active: Some(active), passive, ..Settings::default() };
    Arc::new(Upstream::new("orders".into(), settings, targets, previous))
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(MS).await;
    }
}

fn first(upstream: &Upstream) -> Arc<Endpoint> {
    Arc::clone(&upstream.endpoints()[0])
}

async fn becomes(upstream: &Upstream, standing: Standing) -> String {
    let endpoint = first(upstream);
    until(&format!("{standing:?}"), || endpoint.status().standing == standing).await;
    endpoint.status().why.unwrap().to_string()
}

#[tokio::test]
async fn a_server_that_flips_its_answer_is_followed() {
    let server = server(200).await;
    let upstream = upstream(active(), vec![server.target()], None);
    let probing = tokio::spawn(probe(Arc::downgrade(&upstream), None));
    until("it is probed", || server.heads.lock().unwrap().len() > 3).await;
    assert!(first(&upstream).status().why.is_none(), "healthy from the start");
    server.status.store(503, Ordering::SeqCst);
    assert_eq!(becomes(&upstream, Standing::Unhealthy).await, "probe GET /healthz?deep: 503");
    assert!(upstream.pick(None, &[]).is_err());
    server.status.store(404, Ordering::SeqCst);
    let probed = server.heads.lock().unwrap().len();
    until("it is probed", || server.heads.lock().unwrap().len() > probed + 3).await;
    assert_eq!(first(&upstream).status().standing, Standing::Unhealthy, "404 says nothing here");
    server.status.store(200, Ordering::SeqCst);
    assert_eq!(becomes(&upstream, Standing::Healthy).await, "probe GET /healthz?deep: 200");

    // Over what traffic said, too.
    upstream.pick(None, &[]).unwrap().failed(super::super::Failed::Reset);
    assert_eq!(becomes(&upstream, Standing::Healthy).await, "probe GET /healthz?deep: 200");
    server.status.store(0, Ordering::SeqCst);
    first(&upstream).force(Forced::Unhealthy);
    first(&upstream).force(Forced::None);
    drop(upstream);
    tokio::time::timeout(Duration::from_secs(20), probing).await.expect("it ends with the upstream").unwrap();
    let head = server.heads.lock().unwrap()[0].to_ascii_lowercase();
    assert!(head.starts_with("get /healthz?deep http/1.1\r\n") && head.contains("host: t.example:80\r\n"), "{head}");
}

#[tokio::test]
async fn a_server_that_says_nothing_or_refuses_is_unhealthy() {
    let server = server(0).await;
    let silent = upstream(Active { timeout: 50 * MS, ..active() }, vec![server.target()], None);
    // Bound, so that nobody else gets the port, but not listening.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let closed = socket.local_addr().unwrap();
    let target = TargetSpec { name: "t".into(), weight: 1, at: At::Fixed(Address::Tcp(closed)) };
    let refusing = upstream(Active { kind: Probe::Tcp, ..active() }, vec![target], None);
    let plain = upstream(Active { kind: Probe::Https, ..active() }, vec![server.target()], None);
    let open = upstream(Active { kind: Probe::Tcp, ..active() }, vec![server.target()], None);
    let mut probing = JoinSet::new();
    for upstream in [&silent, &refusing, &plain, &open] {
        probing.spawn(probe(Arc::downgrade(upstream), None));
    }
    let expected = "probe GET /healthz?deep: no answer within 50ms";
    assert_eq!(becomes(&silent, Standing::Unhealthy).await, expected);
    let why = becomes(&refusing, Standing::Unhealthy).await;
    assert!(why.starts_with("probe by TCP: Connection refused"), "{why}");
    let expected = "probe GET /healthz?deep: there is no TLS to probe with";
    assert_eq!(becomes(&plain, Standing::Unhealthy).await, expected);
    open.pick(None, &[]).unwrap().failed(super::super::Failed::Reset);
    assert_eq!(becomes(&open, Standing::Healthy).await, "probe by TCP: connected");
}

#[tokio::test]
async fn endpoints_come_and_go_while_probing_and_few_are_asked_at_once() {
    let server = server(0).await;
    let Address::Tcp(address) = server.address else { panic!("no port") };
    let target = |at| TargetSpec { name: "n:80".into(), weight: 1, at };
    let active = Active { timeout: 100 * MS, concurrency: 2, ..active() };
    let upstream = upstream(active, vec![target(At::Named); 7], None);
    let probing = tokio::spawn(probe(Arc::downgrade(&upstream), None));
    for at in 0..7 {
        upstream.resolved(at, &[(address, 1)]);
    }
    becomes(&upstream, Standing::Unhealthy).await;
    // The server may hear of the end of one probe only after the next has begun.
    assert!((2..=4).contains(&server.most.load(Ordering::SeqCst)));
    server.status.store(200, Ordering::SeqCst);
    becomes(&upstream, Standing::Healthy).await;
    probing.abort();
}

#[tokio::test]
async fn unix_sockets_are_probed() {
    let path = std::env::temp_dir().join(format!("tidegate-probe-{}.sock", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let serving = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = [0; 2_000];
            let length = stream.read(&mut head).await.unwrap();
            assert!(String::from_utf8_lossy(&head[..length]).contains("localhost"));
            let _ = stream.write_all(b"HTTP/1.1 503 X\r\n\r\n").await;
        }
    });
    let at = At::Fixed(Address::Unix(path.as_path().into()));
    let upstream = upstream(active(), vec![TargetSpec { name: "unix:/x".into(), weight: 1, at }], None);
    let probing = tokio::spawn(probe(Arc::downgrade(&upstream), None));
    assert_eq!(becomes(&upstream, Standing::Unhealthy).await, "probe GET /healthz?deep: 503");
    probing.abort();
    serving.abort();
    std::fs::remove_file(&path).unwrap();
}

#[tokio::test]
async fn https_is_probed_by_the_targets_name() {
    let rcgen::CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(["t.example".into()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![cert.der().clone()], key).unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();

    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let at = At::Fixed(Address::Tcp(listener.local_addr().unwrap()));
    let serving = tokio::spawn(async move {
        loop {
            let Ok(mut stream) = acceptor.accept(listener.accept().await.unwrap().0).await else { continue };
            let _ = stream.read(&mut [0; 2_000]).await;
            let _ = stream.write_all(b"HTTP/1.1 503 X\r\n\r\n").await;
            let _ = stream.shutdown().await;
        }
    });
    let upstream_of = |name: &str| {
        let target = TargetSpec { name: name.into(), weight: 1, at: at.clone() };
        upstream(Active { kind: Probe::Https, ..active() }, vec![target], None)
    };
    let (right, wrong) = (upstream_of("t.example:443"), upstream_of("other.example:443"));
    let mut probing = JoinSet::new();
    for upstream in [&right, &wrong] {
        probing.spawn(probe(Arc::downgrade(upstream), Some(TlsConnector::from(Arc::new(config.clone())))));
    }
    assert_eq!(becomes(&right, Standing::Unhealthy).await, "probe GET /healthz?deep: 503");
    let why = becomes(&wrong, Standing::Unhealthy).await;
    assert!(why.contains("certificate"), "{why}");
    serving.abort();
}

#[tokio::test]
async fn what_is_not_checked_is_not_probed() {
    let upstream = Arc::new(Upstream::new("u".into(), Settings::default(), Vec::new(), None));
    probe(Arc::downgrade(&upstream), None).await;
}
