//! What there is to say of an exchange that is over, in one call.

use std::time::Duration;

use crate::bindings::imports::tidegate::plugin::exchange::Parts as Asked;
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
    /// As the gateway has packed it.
    account: Vec<u8>,
    named: [Place; NAMED],
    client_port: u16,
    attempts: u32,
    /// Where these begin.
    rest: usize,
}

/// A text of every [`Report`], if only to say that it is not there.
///
/// ```
/// # use tidegate_sdk::{prelude::*, exchange::{Parts, Text}, testing::{self, Exchange, Hook}};
/// # let hook = Hook(|_: &Ended, _: &Response, _: &Request| {
/// let report = exchange::report(Parts::default()).expect("in a log hook");
/// let texts = [Text::Method, Text::Target, Text::Consumer].map(|text| report.bytes(text));
/// assert_eq!(texts, [Some("GET".as_bytes()), Some(b"/a?b=c"), None]);
/// # });
/// # Exchange::get("/a?b=c").over(&hook, testing::ended(200));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Text {
    /// See [`Report::id`], and so on.
    Id,
    /// See [`Report::client_ip`].
    ClientIp,
    /// See [`Report::scheme`].
    Scheme,
    /// See [`Report::protocol`].
    Protocol,
    /// See [`Report::tls_version`].
    TlsVersion,
    /// See [`Report::method`].
    Method,
    /// See [`Report::target`].
    Target,
    /// See [`Report::host`].
    Host,
    /// See [`Report::upstream_target`].
    UpstreamTarget,
    /// See [`Report::route`].
    Route,
    /// See [`Report::service`].
    Service,
    /// See [`Report::consumer`].
    Consumer,
    /// See [`Report::custom_id`].
    CustomId,
    /// See [`Report::credential`].
    Credential,
}

/// How many of them there are.
const NAMED: usize = 14;

/// Where a text is.
#[derive(Debug, Clone, Copy)]
struct Place {
    begin: usize,
    /// [`NONE`] if it is not there.
    length: u32,
}

/// The length of a text that is not there.
const NONE: u32 = u32::MAX;

/// The time of what an attempt did not come to.
const NO_TIME: u64 = u64::MAX;

impl Report {
    fn new(account: Vec<u8>) -> Self {
        let mut rest = 0;
        let client_port = number(&account, &mut rest).unwrap_or_default() as u16;
        let attempts = number(&account, &mut rest).unwrap_or_default();
        let named = std::array::from_fn(|_| Place::next(&account, &mut rest).unwrap_or(Place::NONE));
        Self { account, named, client_port, attempts, rest }
    }

    /// A text as it is, whether it is UTF-8 or not: what a client sends may be any bytes.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, exchange::{Parts, Text}, testing::{self, Exchange, Hook}};
    /// # let hook = Hook(|_: &Ended, _: &Response, _: &Request| {
    /// let report = exchange::report(Parts::default()).expect("in a log hook");
    /// assert_eq!(report.bytes(Text::Route), report.route().map(str::as_bytes));
    /// # });
    /// # Exchange::get("/a?b=c").over(&hook, testing::ended(200));
    /// ```
    pub fn bytes(&self, text: Text) -> Option<&[u8]> {
        self.named.get(text as usize)?.of(&self.account)
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
        self.text(Text::Id).unwrap_or_default()
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
        self.text(Text::ClientIp).unwrap_or_default()
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
        self.text(Text::Scheme).unwrap_or_default()
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
        self.text(Text::Protocol).unwrap_or_default()
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
        self.text(Text::TlsVersion)
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
        self.text(Text::Method).unwrap_or_default()
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
        self.text(Text::Target).unwrap_or_default()
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
        self.text(Text::Host).unwrap_or_default()
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
        self.text(Text::UpstreamTarget)
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
        self.text(Text::Route)
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
        self.text(Text::Service)
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
        self.text(Text::Consumer)
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
        self.text(Text::CustomId)
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
        self.text(Text::Credential)
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
        (0..self.attempts).map_while(move |_| self.attempt(&mut at))
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
        self.request_fields().map(named)
    }

    /// The same, with names as bytes, which costs less.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, exchange::Parts, testing::{self, Exchange, Hook}};
    /// # let hook = Hook(|_: &Ended, _: &Response, _: &Request| {
    /// let report = exchange::report(Parts { request_headers: true, ..Parts::default() }).expect("in a log hook");
    /// assert!(report.request_fields().any(|(name, value)| name == b"x-a" && value == b"1"));
    /// # });
    /// # Exchange::get("/a?b=c").header("x-a", "1").over(&hook, testing::ended(200));
    /// ```
    pub fn request_fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
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
        self.response_fields().map(named)
    }

    /// The same, with names as bytes, which costs less.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, exchange::Parts, testing::{self, Exchange, Hook}};
    /// # let hook = Hook(|_: &Ended, _: &Response, _: &Request| {
    /// let report = exchange::report(Parts { response_headers: true, ..Parts::default() }).expect("in a log hook");
    /// assert_eq!(report.response_fields().count(), report.response_headers().count());
    /// # });
    /// # Exchange::get("/a?b=c").over(&hook, testing::ended(200));
    /// ```
    pub fn response_fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut at = self.headers_at();
        while Place::next(&self.account, &mut at).is_some_and(|name| name.length != NONE) {}
        self.fields(at)
    }

    fn headers_at(&self) -> usize {
        let mut at = self.rest;
        (0..self.attempts).map_while(|_| self.attempt(&mut at)).count();
        at
    }

    fn attempt(&self, at: &mut usize) -> Option<Attempt<'_>> {
        let mut time = || {
            let bytes = self.account.get(*at..)?.first_chunk()?;
            *at += bytes.len();
            Some(Some(u64::from_le_bytes(*bytes)).filter(|time| *time != NO_TIME).map(Duration::from_micros))
        };
        let (dns, connect, tls, wait) = (time()?, time()?, time()?, time()?);
        let reused = *self.account.get(*at)? == 1;
        *at += 1;
        let mut text = || Some(str::from_utf8(Place::next(&self.account, at)?.of(&self.account)?).unwrap_or_default());
        Some(Attempt { target: text()?, address: text()?, outcome: text()?, dns, connect, tls, wait, reused })
    }

    fn fields(&self, mut at: usize) -> impl Iterator<Item = (&[u8], &[u8])> {
        std::iter::from_fn(move || {
            let name = Place::next(&self.account, &mut at)?.of(&self.account)?;
            let value = Place::next(&self.account, &mut at)?.of(&self.account)?;
            Some((name, value))
        })
    }

    fn text(&self, text: Text) -> Option<&str> {
        Some(str::from_utf8(self.bytes(text)?).unwrap_or_default())
    }
}

fn named<'h>((name, value): (&'h [u8], &'h [u8])) -> (&'h str, &'h [u8]) {
    (str::from_utf8(name).unwrap_or_default(), value)
}

impl Place {
    const NONE: Self = Self { begin: 0, length: NONE };

    /// The one at `at`, which goes on to the next.
    fn next(account: &[u8], at: &mut usize) -> Option<Self> {
        let length = number(account, at)?;
        let begin = *at;
        if length != NONE {
            *at = begin + length as usize;
        }
        Some(Self { begin, length })
    }

    fn of(self, account: &[u8]) -> Option<&[u8]> {
        // What is not there is longer than any account.
        account.get(self.begin..)?.get(..self.length as usize)
    }
}

/// The number at `at`, which goes on to what follows.
fn number(account: &[u8], at: &mut usize) -> Option<u32> {
    let bytes = account.get(*at..)?.first_chunk()?;
    *at += bytes.len();
    Some(u32::from_le_bytes(*bytes))
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
