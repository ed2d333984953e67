//! A name server whose records a test changes while it is asked.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::net::UdpSocket;

/// Ends with the test's runtime.
pub struct NameServer {
    pub address: SocketAddr,
    zone: Arc<Mutex<Zone>>,
}

#[derive(Default)]
struct Zone {
    records: HashMap<String, Vec<Record>>,
    silent: bool,
    asked: usize,
}

#[derive(Debug, Clone)]
pub enum Record {
    A(Ipv4Addr),
    Srv { port: u16, weight: u16, target: &'static str },
}

/// Seconds; the least there is.
const TTL: u16 = 1;
/// Where the question begins (RFC 1035, section 4.1.1).
const HEADER: usize = 12;
const TYPE_A: u16 = 1;
const TYPE_SRV: u16 = 33;
const NXDOMAIN: u8 = 3;

impl NameServer {
    pub async fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let (address, zone) = (socket.local_addr().unwrap(), Arc::new(Mutex::new(Zone::default())));
        let answering = Arc::clone(&zone);
        tokio::spawn(async move {
            let mut query = [0; 4096];
            while let Ok((length, peer)) = socket.recv_from(&mut query).await {
                let answer = answering.lock().unwrap().answer(&query[..length]);
                if let Some(answer) = answer {
                    drop(socket.send_to(&answer, peer).await);
                }
            }
        });
        Self { address, zone }
    }

    /// From now on, these and no others are the records of `name`.
    pub fn set(&self, name: &str, records: &[Record]) {
        self.zone.lock().unwrap().records.insert(name.to_owned(), records.to_vec());
    }

    /// From now on, answer nothing. Questions are counted from here.
    pub fn fall_silent(&self) {
        let mut zone = self.zone.lock().unwrap();
        (zone.silent, zone.asked) = (true, 0);
    }

    /// Answer again.
    pub fn speak(&self) {
        self.zone.lock().unwrap().silent = false;
    }

    /// How many questions came since it fell silent.
    pub fn asked(&self) -> usize {
        self.zone.lock().unwrap().asked
    }

    /// For gateway.toml.
    pub fn toml(&self) -> String {
        format!("[dns]\nnameservers = [\"{}\"]\ntimeout = \"500ms\"\n", self.address)
    }
}

impl Zone {
    /// To a query with one question; `None` if it is none, or nothing is to be said.
    fn answer(&mut self, query: &[u8]) -> Option<Vec<u8>> {
        self.asked += 1;
        if self.silent {
            return None;
        }
        let (name, end) = name(query)?;
        let kind = u16::from_be_bytes([*query.get(end)?, *query.get(end + 1)?]);
        let records = self.records.get(&name);
        let answers: Vec<Vec<u8>> = records.into_iter().flatten().filter_map(|record| record.encode(kind)).collect();
        let code = if records.is_some() { 0 } else { NXDOMAIN };
        // Response, recursion desired and available; one question, these answers.
        let mut answer = vec![query[0], query[1], 0x81, 0x80 | code, 0, 1, 0, answers.len() as u8, 0, 0, 0, 0];
        answer.extend_from_slice(query.get(HEADER..end + 4)?);
        answer.extend(answers.concat());
        Some(answer)
    }
}

impl Record {
    /// As an answer to a question of this type; the owner is what was asked for.
    fn encode(&self, asked: u16) -> Option<Vec<u8>> {
        let (kind, content) = match self {
            Self::A(address) => (TYPE_A, address.octets().to_vec()),
            Self::Srv { port, weight, target } => {
                let mut content = [[0, 0], weight.to_be_bytes(), port.to_be_bytes()].concat();
                for label in target.split('.') {
                    content.push(label.len() as u8);
                    content.extend_from_slice(label.as_bytes());
                }
                content.push(0);
                (TYPE_SRV, content)
            }
        };
        let mut record = vec![0xC0, HEADER as u8];
        for number in [kind, 1, 0, TTL, content.len() as u16] {
            record.extend(number.to_be_bytes());
        }
        record.extend(content);
        (asked == kind).then_some(record)
    }
}

/// The name in question, in lower case and without a dot at its end, and where it ends.
fn name(query: &[u8]) -> Option<(String, usize)> {
    let (mut labels, mut at) = (Vec::new(), HEADER);
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            return Some((labels.join("."), at));
        }
        labels.push(String::from_utf8_lossy(query.get(at..at + length)?).to_ascii_lowercase());
        at += length;
    }
}
