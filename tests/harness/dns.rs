//! A name server whose answers are in the names it is asked for: `nxdomain.*` does not exist, `servfail.*` cannot be
//! looked up, `silent.*` is never answered, `empty.*` has no records, all others are 127.0.0.1.

use std::net::SocketAddr;

use tokio::net::UdpSocket;

/// Ends with the test's runtime.
pub async fn name_server() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut query = [0; 1500];
        while let Ok((length, client)) = socket.recv_from(&mut query).await {
            if let Some(answer) = answer(&query[..length]) {
                drop(socket.send_to(&answer, client).await);
            }
        }
    });
    address
}

/// Offset of the first question (RFC 1035, section 4.1.1).
const HEADER: usize = 12;
const NOERROR: u8 = 0;
const SERVFAIL: u8 = 2;
const NXDOMAIN: u8 = 3;
/// QTYPE A.
const A: [u8; 2] = [0, 1];

fn answer(query: &[u8]) -> Option<Vec<u8>> {
    let labels = query.get(HEADER..)?;
    let first = labels.get(1..1 + usize::from(*labels.first()?))?;
    // The name's end, then QTYPE and QCLASS.
    let end = labels.iter().position(|byte| *byte == 0)? + 5;
    let question = labels.get(..end)?;
    let (code, records): (u8, u8) = match first.to_ascii_lowercase().as_slice() {
        b"silent" => return None,
        b"nxdomain" => (NXDOMAIN, 0),
        b"servfail" => (SERVFAIL, 0),
        b"empty" => (NOERROR, 0),
        _ => (NOERROR, u8::from(question[end - 4..end - 2] == A)),
    };
    // Response, recursion desired and available.
    let mut answer = vec![query[0], query[1], 0x81, 0x80 | code, 0, 1, 0, records, 0, 0, 0, 0];
    answer.extend_from_slice(question);
    if records == 1 {
        // A pointer to the question's name, A, IN, a TTL of 60 s, four bytes.
        answer.extend_from_slice(&[0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1]);
    }
    Some(answer)
}
