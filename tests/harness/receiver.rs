//! Who takes what HTTP sinks deliver: checks each request against the protocol to the letter, keeps the records that it
//! has said it took, and fails as its test wants.

mod elasticsearch;
mod loki;
mod splunk;

use std::io::Read as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

/// What is spoken.
#[derive(Clone, Copy)]
pub enum Protocol {
    /// A record per line, anywhere.
    Lines,
    /// The bulk API.
    Elasticsearch,
    /// The HTTP event collector, for this token.
    Splunk { token: &'static str },
    /// The push API.
    Loki,
}

/// What becomes of a request that is as it should be.
#[derive(Clone, Copy, Default)]
pub enum Fate {
    #[default]
    Taken,
    /// Answered with this status, and nothing taken.
    Status(u16),
    /// Every so-manieth record has another fate: a status of its own (Elasticsearch).
    Partly { every: usize, status: u16 },
    /// Taken, after a while.
    Slow(Duration),
    /// The connection is closed in the middle of the request.
    Cut,
    /// Taken, and the connection is closed without an answer.
    Mute,
}

/// Ends with the test's runtime.
pub struct Receiver {
    pub address: SocketAddr,
    seen: Arc<Seen>,
}

struct Seen {
    protocol: Protocol,
    plan: Mutex<Box<dyn FnMut() -> Fate + Send>>,
    records: Mutex<Vec<String>>,
    requests: Mutex<Vec<HeaderMap>>,
    complaints: Mutex<Vec<String>>,
}

/// One request, decoded.
struct Asked {
    method: String,
    path: String,
    headers: HeaderMap,
    body: String,
}

/// A status, JSON, and what was taken.
struct Verdict {
    status: u16,
    text: String,
    taken: Vec<String>,
}

/// What is wrong with a request, and what is answered.
struct Complaint {
    words: String,
    status: u16,
    text: String,
}

impl Receiver {
    /// `plan` says what becomes of each request.
    pub async fn start(protocol: Protocol, plan: impl FnMut() -> Fate + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Seen {
            protocol,
            plan: Mutex::new(Box::new(plan)),
            records: Mutex::default(),
            requests: Mutex::default(),
            complaints: Mutex::default(),
        });
        let shared = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Self { address, seen }
    }

    /// Another plan from now on.
    pub fn plan(&self, plan: impl FnMut() -> Fate + Send + 'static) {
        *self.seen.plan.lock().unwrap() = Box::new(plan);
    }

    /// What was taken, in its order.
    pub fn records(&self) -> Vec<String> {
        self.seen.records.lock().unwrap().clone()
    }

    /// Those after the first `number`.
    pub fn records_from(&self, number: usize) -> Vec<String> {
        self.seen.records.lock().unwrap()[number..].to_vec()
    }

    /// The heads of all requests that were read.
    pub fn requests(&self) -> Vec<HeaderMap> {
        self.seen.requests.lock().unwrap().clone()
    }

    /// Whatever was not to the letter.
    pub fn complaints(&self) -> Vec<String> {
        self.seen.complaints.lock().unwrap().clone()
    }
}

async fn serve(stream: TcpStream, seen: Arc<Seen>) {
    let service = service_fn(move |request| answer(request, Arc::clone(&seen)));
    // A gateway that is killed is a part of the tests.
    drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
}

/// Closes the connection.
#[derive(Debug, thiserror::Error)]
#[error("cut")]
struct Cut;

async fn answer(request: Request<Incoming>, seen: Arc<Seen>) -> Result<Response<Full<Bytes>>, Cut> {
    let fate = (seen.plan.lock().unwrap())();
    let (head, mut body) = request.into_parts();
    if let Fate::Cut = fate {
        drop(body.frame().await);
        return Err(Cut);
    }
    let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
    let asked = Asked {
        method: head.method.to_string(),
        path: head.uri.to_string(),
        body: decoded(&head.headers, &body),
        headers: head.headers,
    };
    seen.requests.lock().unwrap().push(asked.headers.clone());
    if let Fate::Slow(pause) = fate {
        sleep(pause).await;
    }
    let verdict = match seen.protocol {
        Protocol::Lines => Ok(lines(&asked, fate)),
        Protocol::Elasticsearch => elasticsearch::verdict(&asked, fate),
        Protocol::Splunk { token } => splunk::verdict(&asked, token, fate),
        Protocol::Loki => loki::verdict(&asked, fate),
    };
    let verdict = verdict.unwrap_or_else(|Complaint { words, status, text }| {
        seen.complaints.lock().unwrap().push(words);
        Verdict { status, text, taken: Vec::new() }
    });
    seen.records.lock().unwrap().extend(verdict.taken);
    if let Fate::Mute = fate {
        return Err(Cut);
    }
    let answer = Response::builder().status(verdict.status).header("content-type", "application/json");
    Ok(answer.body(verdict.text.into()).unwrap())
}

fn decoded(headers: &HeaderMap, body: &[u8]) -> String {
    let mut text = String::new();
    match headers.get("content-encoding").map(|value| value.to_str().unwrap()) {
        None => text.push_str(std::str::from_utf8(body).unwrap()),
        Some("gzip") => drop(flate2::read::MultiGzDecoder::new(body).read_to_string(&mut text).unwrap()),
        Some(other) => panic!("nobody speaks {other}"),
    }
    text
}

fn lines(asked: &Asked, fate: Fate) -> Verdict {
    match fate {
        Fate::Status(status) => Verdict { status, text: "{}".to_owned(), taken: Vec::new() },
        _ => Verdict { status: 200, text: "{}".to_owned(), taken: asked.body.lines().map(str::to_owned).collect() },
    }
}

impl Asked {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}
