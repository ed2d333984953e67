//! A name server on a loopback port, UDP and TCP, that says what it is told to.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hickory_resolver::proto::op::{Message, OpCode, ResponseCode};
use hickory_resolver::proto::rr::rdata::{CNAME, SRV};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What comes instead of a name's records.
#[derive(Clone)]
pub(in crate::dns) enum Reply {
    Code(ResponseCode),
    /// Over UDP, word that there is too much; everything over TCP.
    Truncated,
    Silence,
}

/// A record whose owner is the name it is set for, unless it says otherwise.
pub(in crate::dns) struct Planned(Option<&'static str>, u32, RData);

impl Planned {
    pub(in crate::dns) fn owned(self, owner: &'static str) -> Self {
        Self(Some(owner), self.1, self.2)
    }
}

pub(in crate::dns) fn a(ttl: u32, ip: &str) -> Planned {
    Planned(None, ttl, RData::A(ip.parse().unwrap()))
}

pub(in crate::dns) fn aaaa(ttl: u32, ip: &str) -> Planned {
    Planned(None, ttl, RData::AAAA(ip.parse().unwrap()))
}

pub(in crate::dns) fn cname(ttl: u32, target: &str) -> Planned {
    Planned(None, ttl, RData::CNAME(CNAME(name(target))))
}

pub(in crate::dns) fn srv(ttl: u32, priority: u16, weight: u16, port: u16, target: &str) -> Planned {
    Planned(None, ttl, RData::SRV(SRV::new(priority, weight, port, name(target))))
}

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

/// Dropped with its runtime.
pub(in crate::dns) struct Server {
    pub(in crate::dns) address: SocketAddr,
    plan: Arc<Plan>,
    _tasks: JoinSet<()>,
}

struct Plan {
    records: Mutex<HashMap<String, Vec<Record>>>,
    replies: Mutex<HashMap<(String, Option<String>), Reply>>,
    /// Ids of the queries per name and type: one that is sent again counts once.
    queries: Mutex<HashMap<(String, String), HashSet<u16>>>,
    held: watch::Sender<bool>,
}

impl Server {
    pub(in crate::dns) async fn start() -> Self {
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            // The port may be taken on the other side.
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
                break (Arc::new(udp), tcp);
            }
        };
        let address = udp.local_addr().unwrap();
        let plan = Arc::new(Plan {
            records: Mutex::default(),
            replies: Mutex::default(),
            queries: Mutex::default(),
            held: watch::channel(false).0,
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(serve_udp(udp, Arc::clone(&plan)));
        tasks.spawn(serve_tcp(tcp, Arc::clone(&plan)));
        Self { address, plan, _tasks: tasks }
    }

    /// What `owner` has from now on. A name that has nothing set does not exist.
    pub(in crate::dns) fn set(&self, owner: &str, records: impl IntoIterator<Item = Planned>) {
        let record = |Planned(own, ttl, rdata)| Record::from_rdata(name(own.unwrap_or(owner)), ttl, rdata);
        let records = records.into_iter().map(record).collect();
        self.plan.records.lock().unwrap().insert(owner.to_owned(), records);
        self.plan.replies.lock().unwrap().remove(&(owner.to_owned(), None));
    }

    pub(in crate::dns) fn reply(&self, owner: &str, reply: Reply) {
        self.plan.replies.lock().unwrap().insert((owner.to_owned(), None), reply);
    }

    pub(in crate::dns) fn reply_to(&self, owner: &str, record_type: &str, reply: Reply) {
        self.plan.replies.lock().unwrap().insert((owner.to_owned(), Some(record_type.to_owned())), reply);
    }

    pub(in crate::dns) fn asked(&self, owner: &str, record_type: &str) -> usize {
        let queries = self.plan.queries.lock().unwrap();
        queries.get(&(owner.to_owned(), record_type.to_owned())).map_or(0, HashSet::len)
    }

    pub(in crate::dns) async fn wait_until_asked(&self, owner: &str, record_type: &str) {
        let asked = async {
            while self.asked(owner, record_type) == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), asked).await.unwrap();
    }

    /// Answer nothing until `release`.
    pub(in crate::dns) fn hold(&self) {
        self.plan.held.send_replace(true);
    }

    pub(in crate::dns) fn release(&self) {
        self.plan.held.send_replace(false);
    }
}

enum Transport {
    Udp,
    Tcp,
}

async fn serve_udp(socket: Arc<UdpSocket>, plan: Arc<Plan>) {
    let mut answers = JoinSet::new();
    let mut buffer = [0; 4096];
    loop {
        let (length, peer) = socket.recv_from(&mut buffer).await.unwrap();
        let (query, plan, socket) = (buffer[..length].to_vec(), Arc::clone(&plan), Arc::clone(&socket));
        answers.spawn(async move {
            if let Some(answer) = plan.answer(&query, Transport::Udp).await {
                let _ = socket.send_to(&answer, peer).await;
            }
        });
    }
}

async fn serve_tcp(listener: TcpListener, plan: Arc<Plan>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let plan = Arc::clone(&plan);
        connections.spawn(async move { serve_connection(stream, &plan).await });
    }
}

/// Each message with its length before it (RFC 1035, section 4.2.2).
async fn serve_connection(mut stream: TcpStream, plan: &Plan) {
    while let Ok(length) = stream.read_u16().await {
        let mut query = vec![0; usize::from(length)];
        stream.read_exact(&mut query).await.unwrap();
        if let Some(answer) = plan.answer(&query, Transport::Tcp).await {
            stream.write_u16(u16::try_from(answer.len()).unwrap()).await.unwrap();
            stream.write_all(&answer).await.unwrap();
        }
    }
}

impl Plan {
    async fn answer(&self, query: &[u8], transport: Transport) -> Option<Vec<u8>> {
        let query = Message::from_vec(query).unwrap();
        let question = query.queries.first().unwrap().clone();
        let (owner, wanted) = (question.name().to_ascii(), question.query_type());
        let asked = (owner.clone(), wanted.to_string());
        self.queries.lock().unwrap().entry(asked).or_default().insert(query.id);
        self.held.subscribe().wait_for(|held| !held).await.unwrap();

        let mut answer = Message::response(query.id, OpCode::Query);
        answer.add_query(question);
        match (self.planned(&owner, wanted), transport) {
            (Some(Reply::Silence), _) => return None,
            (Some(Reply::Code(code)), _) => answer.metadata.response_code = code,
            (Some(Reply::Truncated), Transport::Udp) => answer.metadata.truncation = true,
            _ => match self.records.lock().unwrap().get(&owner) {
                None => answer.metadata.response_code = ResponseCode::NXDomain,
                Some(records) => {
                    let fits = |record: &&Record| [wanted, RecordType::CNAME].contains(&record.record_type());
                    answer.add_answers(records.iter().filter(fits).cloned());
                }
            },
        }
        Some(answer.to_vec().unwrap())
    }

    fn planned(&self, owner: &str, wanted: RecordType) -> Option<Reply> {
        let replies = self.replies.lock().unwrap();
        let exact = replies.get(&(owner.to_owned(), Some(wanted.to_string())));
        exact.or_else(|| replies.get(&(owner.to_owned(), None))).cloned()
    }
}
