//! What there is to say of an exchange that is over, in one call.

use std::ops::Range;
use std::time::Duration;

use crate::bindings::imports::tidegate::plugin::exchange::{Account, Attempt as Took, Parts as Asked};
use crate::host;

/// All that there is to say of the exchange once it is over, besides how it ended, for a log hook that writes it down.
/// Asking for everything at once costs far less than asking for it one by one. Before the log hook there is none.
///
/// ```
/// use tidegate_sdk::prelude::*;
/// use tidegate_sdk::exchange::Parts;
/// use tidegate_sdk::testing::{self, Exchange, Hook};
///
/// let note = Hook(|ended: &Ended, _: &Response, _: &Request| {
///     let parts = Parts { request_headers: true, ..Parts::default() };
///     if let Some(report) = exchange::report(parts) {
///         let agents = report.request_headers().filter(|(name, _)| *name == "user-agent");
///         for (_, agent) in agents {
///             let agent = String::from_utf8_lossy(agent);
///             log::info!("{} {} {} by {agent}", report.method(), report.target(), ended.status);
///         }
///     }
/// });
/// let mut exchange = Exchange::get("/a?b=c").header("user-agent", "curl/8.14");
/// exchange.over(&note, testing::ended(200));
/// assert_eq!(exchange.log()[0].1, "GET /a?b=c 200 by curl/8.14");
/// ```
pub fn report(parts: Parts) -> Option<Report> {
    let Parts { request_headers, response_headers, attempts } = parts;
    let asked = Asked { request_headers, response_headers, attempts };
    host::exchange::report(asked).map(Report::new)
}

/// Parts of a [`report`] that cost something, none of them by default.
///
/// ```
/// use tidegate_sdk::exchange::Parts;
///
/// let heads = Parts { request_headers: true, response_headers: true, ..Parts::default() };
/// assert!(!heads.attempts);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Parts {
    /// The request's header section.
    pub request_headers: bool,
    /// The response's.
    pub response_headers: bool,
    /// What was tried to reach the upstream.
    pub attempts: bool,
}

/// What there is to say of an exchange, besides how it ended: see [`report`].
///
/// ```
/// # use tidegate_sdk::{prelude::*, exchange::Parts, testing::{self, Exchange, Hook}};
/// let note = Hook(|ended: &Ended, _: &Response, _: &Request| {
///     if let Some(report) = exchange::report(Parts::default()) {
///         let who = report.consumer().unwrap_or("somebody");
///         log::info!("{who} at {}: {} {}", report.client_ip(), report.target(), ended.status);
///     }
/// });
/// let mut exchange = Exchange::get("/a");
/// exchange.over(&note, testing::ended(200));
/// assert_eq!(exchange.log()[0].1, "somebody at 192.0.2.1: /a 200");
/// ```
#[derive(Debug, Clone)]
pub struct Report {
    texts: Vec<u8>,
    named: [Option<Text>; NAMED],
    /// Where those of the attempts begin, and the header sections.
    rest: usize,
    attempts: Vec<Took>,
    client_port: u16,
}

/// Where a text stands among the others.
type Text = Range<usize>;

/// Texts that every report has, if only to say that they are not there.
const NAMED: usize = 14;

impl Report {
    fn new(account: Account) -> Self {
        let texts = account.texts;
        let mut rest = 0;
        let named = std::array::from_fn(|_| next(&texts, &mut rest).flatten());
        Self { texts, named, rest, attempts: account.attempts, client_port: account.client_port }
    }

    /// The request id: 32 hexadecimal digits.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, exchange::Parts, testing::{self, Exchange, Hook}};
    /// # let hook = Hook(|_: &Ended, _: &Response, _: &Request| {
    /// let report = exchange::report(Parts::default()).expect("in a log hook");
    /// assert_eq!(report.id().len(), 32);
    /// # });
    /// # Exchange::get("/a?b=c").over(&hook, testing::ended(200));
    /// ```
    pub fn id(&self) -> &str {
        self.text(0).unwrap_or_default()
    }

    /// The client's address, as text.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, exchange::Parts, testing::{self, Exchange, Hook}};
    /// # let hook = Hook(|_: &Ended, _: &Response, _: &Request| {
    /// let report = exchange::report(Parts::default()).expect("in a log hook");
    /// assert_eq!(report.client_ip(), "192.0.2.7");
    /// # });
    /// # Exchange::get("/a?b=c").client([192, 0, 2, 7].into(), 4321).over(&hook, testing::ended(200));
    /// ```
    pub fn client_ip(&self) -> &str {
        self.text(1).unwrap_or_default()
    }

    /// Its port; 0 if only a proxy knows it.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, exchange::Parts, testing::{self, Exchange, Hook}};
    /// # let hook = Hook(|_: &Ended, _: &Response, _: &Request| {
    /// let report = exchange::report(Parts::default()).expect("in a log hook");
    /// assert_eq!(report.client_port(), 4321);
    /// # });
    /// # Exchange::get("/a?b=c").client([192, 0, 2, 7].into(), 4321).over(&hook, testing::ended(200));
    /// ```
    pub fn client_port(&self) -> u16 {
        self.client_port
    }

    /// `http` or `https`.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, exchange::Parts, testing::{self, Exchange, Hook}};
    /// # let hook = Hook(|_: &Ended, _: &Response, _: &Request| {
    /// let report = exchange::report(Parts::default()).expect("in a log hook");
    /// assert_eq!(report.scheme(), "http");
    /// # });
    /// # Exchange::get("/a?b=c").over(&hook, testing::ended(200));
    /// ```
    pub fn scheme(&self) -> &str {
        self.text(2).unwrap_or_default()
    }

    /// `HTTP/1.1` and the like.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, exchange::Parts, testing::{self, Exchange, Hook}};
    /// # let hook = Hook(|_: &Ended, _: &Response, _: &Request| {
    /// let report = exchange::report(Parts::default()).expect("in a log hook");
    /// assert_eq!(report.protocol(), "HTTP/1.1");
    /// # });
    /// # Exchange::get("/a?b=c").over(&hook, testing::ended(200));
    /// ```
    pub fn protocol(&self) -> &str {
        self.text(3).unwrap_or_default()
    }

    /// `TLSv1.2` or `TLSv1.3`, if the client has come by TLS.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, exchange::Parts, testing::{self, Exchange, Hook}};
    /// # let hook = Hook(|_: &Ended, _: &Response, _: &Request| {
    /// let report = exchange::report(Parts::default()).expect("in a log hook");
    /// assert_eq!(report.tls_version(), None);
    /// # });
    /// # Exchange::get("/a?b=c").over(&hook, testing::ended(200));
    /// ```
    pub fn tls_version(&self) -> Option<&str> {
        self.text(4)
    }

    /// The method, as the client sent it.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, exchange::Parts, testing::{self, Exchange, Hook}};
    /// # let hook = Hook(|_: &Ended, _: &Response, _: &Request| {
    /// let report = exchange::report(Parts::default()).expect("in a log hook");
    /// assert_eq!(report.method(), "GET");
    /// # });
    /// # Exchange::get("/a?b=c").over(&hook, testing::ended(200));
    /// ```
    pub fn method(&self) -> &str {
        self.text(5).unwrap_or_default()
    }

    /// Path and query, as the client sent them.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, exchange::Parts, testing::{self, Exchange, Hook}};
    /// # let hook = Hook(|_: &Ended, _: &Response, _: &Request| {
    /// let report = exchange::report(Parts::default()).expect("in a log hook");
    /// assert_eq!(report.target(), "/a?b=c");
    /// # });
    /// # Exchange::get("/a?b=c").over(&hook, testing::ended(200));
    /// ```
    pub fn target(&self) -> &str {
        self.text(6).unwrap_or_default()
    }

    /// Host and port as the client named them; empty if it named none.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, exchange::Parts, testing::{self, Exchange, Hook}};
    /// # let hook = Hook(|_: &Ended, _: &Response, _: &Request| {
    /// let report = exchange::report(Parts::default()).expect("in a log hook");
    /// assert_eq!(report.host(), "shop.example.com:8443");
    /// # });
    /// # Exchange::get("/a?b=c").header("host", "shop.example.com:8443").over(&hook, testing::ended(200));
    /// ```
    pub fn host(&self) -> &str {
        self.text(7).unwrap_or_default()
    }

    /// Path and query as the upstream got them, if one was to be asked.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, exchange::Parts, testing::{self, Exchange, Hook}};
    /// # let hook = Hook(|_: &Ended, _: &Response, _: &Request| {
    /// let report = exchange::report(Parts::default()).expect("in a log hook");
    /// assert_eq!(report.upstream_target(), Some("/a?b=c"));
    /// # });
    /// # Exchange::get("/a?b=c").over(&hook, testing::ended(200));
    /// ```
    pub fn upstream_target(&self) -> Option<&str> {
        self.text(8)
    }

    /// The route's name, if the request had one.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, exchange::Parts, testing::{self, Exchange, Hook}};
    /// # let hook = Hook(|_: &Ended, _: &Response, _: &Request| {
    /// let report = exchange::report(Parts::default()).expect("in a log hook");
    /// assert_eq!(report.route(), Some("route"));
    /// # });
    /// # Exchange::get("/a?b=c").over(&hook, testing::ended(200));
    /// ```
    pub fn route(&self) -> Option<&str> {
        self.text(9)
    }

    /// The service's, likewise.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, exchange::Parts, testing::{self, Exchange, Hook}};
    /// # let hook = Hook(|_: &Ended, _: &Response, _: &Request| {
    /// let report = exchange::report(Parts::default()).expect("in a log hook");
    /// assert_eq!(report.service(), Some("service"));
    /// # });
    /// # Exchange::get("/a?b=c").over(&hook, testing::ended(200));
    /// ```
    pub fn service(&self) -> Option<&str> {
        self.text(10)
    }

    /// The consumer's username, if the request was authenticated.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, exchange::Parts, testing::{self, Exchange, Hook}};
    /// # let hook = Hook(|_: &Ended, _: &Response, _: &Request| {
    /// let report = exchange::report(Parts::default()).expect("in a log hook");
    /// assert_eq!(report.consumer(), None);
    /// # });
    /// # Exchange::get("/a?b=c").over(&hook, testing::ended(200));
    /// ```
    pub fn consumer(&self) -> Option<&str> {
        self.text(11)
    }

    /// The operator's own id for them.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, exchange::Parts, testing::{self, Exchange, Hook}};
    /// # let hook = Hook(|_: &Ended, _: &Response, _: &Request| {
    /// let report = exchange::report(Parts::default()).expect("in a log hook");
    /// assert_eq!(report.custom_id(), None);
    /// # });
    /// # Exchange::get("/a?b=c").over(&hook, testing::ended(200));
    /// ```
    pub fn custom_id(&self) -> Option<&str> {
        self.text(12)
    }

    /// What names the credential, without giving it away.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, exchange::Parts, testing::{self, Exchange, Hook}};
    /// # let hook = Hook(|_: &Ended, _: &Response, _: &Request| {
    /// let report = exchange::report(Parts::default()).expect("in a log hook");
    /// assert_eq!(report.credential(), None);
    /// # });
    /// # Exchange::get("/a?b=c").over(&hook, testing::ended(200));
    /// ```
    pub fn credential(&self) -> Option<&str> {
        self.text(13)
    }

    /// What was tried to reach the upstream, in order, if that was asked for.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, exchange::Parts, testing::{self, Exchange, Hook}};
    /// # let hook = Hook(|_: &Ended, _: &Response, _: &Request| {
    /// let report = exchange::report(Parts::default()).expect("in a log hook");
    /// // Natively, none is made.
    /// assert_eq!(report.attempts().count(), 0);
    /// # });
    /// # Exchange::get("/a?b=c").over(&hook, testing::ended(200));
    /// ```
    pub fn attempts(&self) -> impl Iterator<Item = Attempt<'_>> {
        let mut at = self.rest;
        self.attempts.iter().map(move |took| {
            let mut text = || self.text_at(next(&self.texts, &mut at).flatten()).unwrap_or_default();
            let (target, address, outcome) = (text(), text(), text());
            let time = |microseconds: Option<u64>| microseconds.map(Duration::from_micros);
            let (dns, connect, tls, wait) = (time(took.dns), time(took.connect), time(took.tls), time(took.wait));
            Attempt { target, address, outcome, dns, connect, tls, wait, reused: took.reused }
        })
    }

    /// Names, in lower case, and values of the request's header fields, as the plugins have left them, if that was asked
    /// for.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, exchange::Parts, testing::{self, Exchange, Hook}};
    /// # let hook = Hook(|_: &Ended, _: &Response, _: &Request| {
    /// let report = exchange::report(Parts { request_headers: true, ..Parts::default() }).expect("in a log hook");
    /// let found = report.request_headers().find(|(name, _)| *name == "x-a");
    /// assert_eq!(found, Some(("x-a", "1".as_bytes())));
    /// # });
    /// # Exchange::get("/a?b=c").header("x-a", "1").over(&hook, testing::ended(200));
    /// ```
    pub fn request_headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.fields(self.headers_at())
    }

    /// The response's, likewise.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, exchange::Parts, testing::{self, Exchange, Hook}};
    /// # let hook = Hook(|_: &Ended, _: &Response, _: &Request| {
    /// let report = exchange::report(Parts::default()).expect("in a log hook");
    /// assert_eq!(report.response_headers().count(), 0);
    /// # });
    /// # Exchange::get("/a?b=c").over(&hook, testing::ended(200));
    /// ```
    pub fn response_headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let mut at = self.headers_at();
        while let Some(Some(_)) = next(&self.texts, &mut at) {}
        self.fields(at)
    }

    fn headers_at(&self) -> usize {
        let mut at = self.rest;
        for _ in 0..3 * self.attempts.len() {
            next(&self.texts, &mut at);
        }
        at
    }

    fn fields(&self, mut at: usize) -> impl Iterator<Item = (&str, &[u8])> {
        std::iter::from_fn(move || {
            let name = self.text_at(next(&self.texts, &mut at)?)?;
            let value = next(&self.texts, &mut at)??;
            Some((name, self.texts.get(value).unwrap_or_default()))
        })
    }

    fn text(&self, index: usize) -> Option<&str> {
        self.text_at(self.named.get(index).cloned().flatten())
    }

    fn text_at(&self, text: Option<Text>) -> Option<&str> {
        // A target's bytes may be any.
        Some(str::from_utf8(self.texts.get(text?)?).unwrap_or_default())
    }
}

/// The text at `at`, which goes on to the next. The inner `None`: it is not there.
fn next(texts: &[u8], at: &mut usize) -> Option<Option<Text>> {
    let length = texts.get(*at..)?.first_chunk::<4>()?;
    *at += 4;
    match u32::from_le_bytes(*length) {
        u32::MAX => Some(None),
        length => {
            let text = *at..*at + length as usize;
            *at = text.end;
            Some(Some(text))
        }
    }
}

/// What was tried to reach the upstream.
///
/// ```
/// use tidegate_sdk::exchange::Report;
///
/// /// How long connecting has taken, all attempts together.
/// fn connecting(report: &Report) -> std::time::Duration {
///     report.attempts().filter_map(|attempt| attempt.connect).sum()
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt<'r> {
    /// The target's name, as configured.
    pub target: &'r str,
    /// The address it has: `10.0.0.1:8080`, or the path of a unix socket.
    pub address: &'r str,
    /// `ok`, or the code of what went wrong.
    pub outcome: &'r str,
    /// Waiting for the name's first addresses, if it had to.
    pub dns: Option<Duration>,
    /// Connecting, if it had to.
    pub connect: Option<Duration>,
    /// The TLS handshake, if there was one.
    pub tls: Option<Duration>,
    /// From the request's being sent to the response's head, or to the failure.
    pub wait: Option<Duration>,
    /// Whether the connection had been used before.
    pub reused: bool,
}
