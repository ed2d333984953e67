//! Requests that two parsers could read differently. Each is refused before an upstream learns of it, or forwarded in
//! the one form that everybody reads alike; whoever smuggles a second request behind it gets no answer to that.

mod http1;
mod http2;
mod smuggling;

use std::time::Duration;

use crate::harness::access::key;
use crate::harness::upstream::Captured;
use crate::harness::wire::{End, Reading, Request, Wire, read_request};
use crate::harness::{Answer, Gateway, Upstream, one_route};

/// An input and what is right.
struct Row {
    name: &'static str,
    input: Vec<u8>,
    verdict: Verdict,
}

/// What RFC 9110 and 9112 leave a gateway to do.
enum Verdict {
    /// One of these statuses; the upstream gets nothing and the connection is closed.
    Refused(&'static [u16]),
    /// The head is good and the body is not: the upstream may have got a beginning, and never a whole request.
    BrokenOff(&'static [u16]),
    /// Exactly this.
    Forwarded(Want),
    /// The RFC allows to refuse it, and to repair it into this.
    Either(&'static [u16], Want),
}

/// The request that the upstream gets.
#[derive(Clone)]
struct Want {
    method: &'static str,
    target: &'static str,
    body: &'static str,
    /// A field that it must have, once.
    with: Option<(&'static str, &'static str)>,
    /// What of its fields must not get through.
    without: &'static [&'static str],
    then: Then,
}

/// The client's connection after the answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    MayStay,
    MustClose,
}

const CODE: &str = "request_invalid";
const BAD: &[u16] = &[400];

/// Sent behind everything that must be refused.
const PIPELINED: &[u8] = b"GET /pipelined HTTP/1.1\r\nHost: a\r\n\r\n";
/// An answer on loopback takes milliseconds; a table of failures should not take hours.
const SOON: Duration = Duration::from_secs(3);

#[tokio::test]
async fn http1_is_refused_or_read_in_one_way() {
    all(http1::rows()).await;
}

#[tokio::test]
async fn nothing_is_smuggled() {
    all(smuggling::rows()).await;
}

/// Run every row and tell all that is wrong at once.
async fn all(rows: Vec<Row>) {
    let bench = Bench::start().await;
    let mut faults = Vec::new();
    for row in &rows {
        let input = String::from_utf8_lossy(&row.input).chars().take(200).collect::<String>();
        if let Err(fault) = bench.judge(row).await {
            faults.push(format!("{}: {fault}\n    {input:?}", row.name));
        }
        if let Err(fault) = bench.serves().await {
            faults.push(format!("{}, and after it: {fault}", row.name));
        }
    }
    assert!(faults.is_empty(), "{} faults in {} rows:\n{}", faults.len(), rows.len(), faults.join("\n"));
}

/// One gateway and one upstream for a whole table.
struct Bench {
    gateway: Gateway,
    _upstream: Upstream,
    captured: Captured,
}

type Judged = Result<(), String>;

impl Bench {
    async fn start() -> Self {
        let (upstream, captured) = Upstream::capturing().await;
        let gateway = Gateway::start(&one_route(upstream.address, "")).await;
        Self { gateway, _upstream: upstream, captured }
    }

    async fn judge(&self, row: &Row) -> Judged {
        let (captured, accesses) = (self.captured.mark(), self.gateway.accesses());
        let mut wire = Wire::connect(self.gateway.addresses[0]).await;
        let mut input = row.input.clone();
        if let Verdict::Refused(_) = row.verdict {
            input.extend_from_slice(PIPELINED);
        }
        wire.send(&input).await;
        let Some(answer) = wire.answer(SOON).await else {
            let unread = String::from_utf8_lossy(wire.unread()).into_owned();
            let got = self.captured.since(&captured);
            let got: Vec<_> = got.iter().map(|bytes| String::from_utf8_lossy(bytes)).collect();
            return Err(format!("no answer {unread:?}, the upstream got {got:?}"));
        };
        match &row.verdict {
            Verdict::Either(_, want) | Verdict::Forwarded(want) if answer.status == 200 => {
                self.forwarded(&captured, wire, want).await
            }
            Verdict::Forwarded(_) => Err(format!("not forwarded but {}: {:?}", answer.status, answer.body)),
            Verdict::Refused(statuses) | Verdict::Either(statuses, _) => {
                if let (502, Err(why)) = (answer.status, requests(&self.captured.since(&captured))) {
                    return Err(why);
                }
                self.refused(statuses, answer, wire, accesses).await?;
                match &self.captured.since(&captured)[..] {
                    [] => Ok(()),
                    [bytes, ..] => Err(format!("refused, and yet forwarded: {:?}", String::from_utf8_lossy(bytes))),
                }
            }
            Verdict::BrokenOff(statuses) => {
                self.refused(statuses, answer, wire, accesses).await?;
                match requests(&self.captured.since(&captured))? {
                    (whole, _) if whole.is_empty() => Ok(()),
                    (whole, _) => Err(format!("a broken body came to its end: {whole:?}")),
                }
            }
        }
    }

    async fn refused(&self, statuses: &[u16], answer: Answer, mut wire: Wire, accesses: usize) -> Judged {
        if !statuses.contains(&answer.status) {
            return Err(format!("{} instead of {statuses:?}", answer.status));
        }
        let code = if answer.status == 431 { "header_too_large" } else { CODE };
        if answer.header("x-gateway-error") != Some(code) {
            return Err(format!("{} without its code: {:?}", answer.status, answer.headers));
        }
        match wire.end(SOON).await {
            End::Closed => {}
            End::Open => return Err("refused, and the connection stays open".to_owned()),
            End::More(more) => return Err(format!("refused, and then answered: {more:?}")),
        }
        let line = self.gateway.accessed_since(accesses, SOON, key::ERROR, code).await;
        line.map(drop).ok_or_else(|| "refused, and not in the access log".to_owned())
    }

    async fn forwarded(&self, mark: &[usize], mut wire: Wire, want: &Want) -> Judged {
        if want.then == Then::MayStay {
            // What would still be answered is answered before the connection ends.
            wire.finish().await;
        }
        match wire.end(SOON).await {
            End::Closed => {}
            End::Open => return Err("answered, and the connection stays open".to_owned()),
            End::More(more) => return Err(format!("answered more than once: {more:?}")),
        }
        let captured = self.captured.since(mark);
        want.is(&captured)
    }

    /// Whatever was sent before, the next client is served.
    async fn serves(&self) -> Judged {
        let answer = self.gateway.get("/good").await;
        if answer.status == 200 { Ok(()) } else { Err(format!("a good request gets {}", answer.status)) }
    }
}

impl Want {
    /// Whether this is all there is in what an upstream captured.
    fn is(&self, captured: &[Vec<u8>]) -> Judged {
        let (whole, left) = requests(captured)?;
        let [request] = &whole[..] else { return Err(format!("{} requests: {whole:?}", whole.len())) };
        if let Some(left) = left {
            return Err(format!("one request, and {left:?}"));
        }
        let got = (request.method.as_str(), request.target.as_str(), String::from_utf8_lossy(&request.body));
        if got != (self.method, self.target, self.body.into()) {
            return Err(format!("{got:?} instead of {:?}", (self.method, self.target, self.body)));
        }
        if let Some((name, value)) = self.with
            && request.field(name) != Some(value)
        {
            return Err(format!("{name} is {:?}, not {value:?}", request.field(name)));
        }
        if request.fields.iter().any(|(name, value)| name == "upgrade" && value.contains("h2c")) {
            return Err("h2c got through: what follows would pass unseen".to_owned());
        }
        match self.without.iter().find(|name| request.fields.iter().any(|(other, _)| other == *name)) {
            Some(name) => Err(format!("{name} got through")),
            None => Ok(()),
        }
    }
}

/// All requests in what an upstream captured, and the beginning of one that is not whole.
fn requests(captured: &[Vec<u8>]) -> Result<(Vec<Request>, Option<String>), String> {
    let (mut whole, mut left) = (Vec::new(), None);
    for bytes in captured {
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            match read_request(rest) {
                Reading::Whole(request, length) => {
                    whole.push(request);
                    rest = &rest[length..];
                }
                Reading::Partial => {
                    left = Some(String::from_utf8_lossy(rest).into_owned());
                    break;
                }
                Reading::Ambiguous(why) => return Err(format!("forwarded ambiguously: {why}: {:?}", lossy(bytes))),
            }
        }
    }
    Ok((whole, left))
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// `GET TARGET` forwarded.
fn got(target: &'static str) -> Want {
    Want { method: "GET", target, body: "", with: None, without: &[], then: Then::MayStay }
}

/// `POST /row` forwarded with this body.
fn posted(body: &'static str) -> Want {
    Want { method: "POST", target: "/row", body, ..got("") }
}

impl Want {
    /// The client's Host was taken for this.
    fn for_host(self, host: &'static str) -> Self {
        self.with("x-forwarded-host", host)
    }

    fn with(self, name: &'static str, value: &'static str) -> Self {
        Self { with: Some((name, value)), ..self }
    }

    fn without(self, without: &'static [&'static str]) -> Self {
        Self { without, ..self }
    }

    /// Required after a request that could have been read in two ways (RFC 9112, section 6.1).
    fn then_closed(self) -> Self {
        Self { then: Then::MustClose, ..self }
    }
}

/// Any bytes.
fn raw(name: &'static str, input: impl AsRef<[u8]>, verdict: Verdict) -> Row {
    Row { name, input: input.as_ref().to_vec(), verdict }
}

/// `POST /row` with these fields, each ended by CRLF, and this body.
fn post(name: &'static str, fields: &str, body: &str, verdict: Verdict) -> Row {
    raw(name, format!("POST /row HTTP/1.1\r\nHost: a\r\n{fields}\r\n{body}"), verdict)
}

/// `GET /row` with these fields, each ended by CRLF.
fn get(name: &'static str, fields: impl AsRef<[u8]>, verdict: Verdict) -> Row {
    let input = [b"GET /row HTTP/1.1\r\nHost: a\r\n", fields.as_ref(), b"\r\n"].concat();
    raw(name, input, verdict)
}

/// This request line, and a Host.
fn line(name: &'static str, line: impl AsRef<[u8]>, verdict: Verdict) -> Row {
    raw(name, [line.as_ref(), b"\r\nHost: a\r\n\r\n"].concat(), verdict)
}

/// `GET /row` with these Host fields, each ended by CRLF.
fn host(name: &'static str, fields: &str, verdict: Verdict) -> Row {
    raw(name, format!("GET /row HTTP/1.1\r\n{fields}\r\n"), verdict)
}
