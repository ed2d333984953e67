//! What an exchange is like before plugins see it, and what stands around it.

use std::net::IpAddr;

use super::state::{self, State};
use super::{Exchange, Headers};
use crate::exchange::ClientCertificate;

impl Exchange {
    /// A GET request from 192.0.2.1 for `target`, a path with or without a query, on `example.com`. As on the
    /// gateway, the path is brought into its normal form, which everybody sees.
    ///
    /// ```
    /// # use tidegate_sdk::testing::Exchange;
    /// let exchange = Exchange::get("/orders?page=2");
    /// assert_eq!((exchange.upstream_path(), exchange.upstream_query()), ("/orders", Some("page=2")));
    /// assert_eq!(exchange.upstream_headers().first("host"), Some("example.com"));
    /// assert_eq!(Exchange::get("/shop/../%61dmin").upstream_path(), "/admin");
    /// ```
    ///
    /// # Panics
    /// If no client could send it.
    #[track_caller]
    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// The same with another method.
    ///
    /// ```
    /// # use tidegate_sdk::testing::Exchange;
    /// assert_eq!(Exchange::new("DELETE", "/orders/7").upstream_method(), "DELETE");
    /// ```
    ///
    /// # Panics
    /// As for a GET request.
    #[track_caller]
    pub fn new(method: &str, target: &str) -> Self {
        Self { state: State::new(method, target) }
    }

    /// Adds a field to the request. Those by which the gateway tells the upstream who the consumer
    /// is are dropped, as the gateway drops a client's.
    ///
    /// ```
    /// # use tidegate_sdk::testing::Exchange;
    /// let exchange = Exchange::get("/").header("X-Tenant", "t1").header("X-Consumer-Username", "forged");
    /// assert_eq!(exchange.upstream_headers().first("x-tenant"), Some("t1"));
    /// assert_eq!(exchange.upstream_headers().first("x-consumer-username"), None);
    /// ```
    ///
    /// # Panics
    /// If no client could send it.
    #[must_use]
    #[track_caller]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let name = name.to_ascii_lowercase();
        if name == "host" {
            self.state.request.headers.remove(&name);
        }
        if !state::TOLD_BY_GATEWAY.contains(&name.as_str()) {
            self.state.request.headers.add(&name, value.as_ref()).expect("a field that can be sent");
        }
        self
    }

    /// The request's body: none unless told otherwise.
    ///
    /// ```
    /// # use tidegate_sdk::testing::Exchange;
    /// assert_eq!(Exchange::new("POST", "/").body("a=1").upstream_body(), b"a=1");
    /// ```
    #[must_use]
    pub fn body(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.state.request_body.bytes = bytes.as_ref().to_vec();
        self
    }

    /// Has the request's body come without its length said beforehand: in chunks, over HTTP/1.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
    /// let measured = Hook(|request: &mut Request| match request.body_length() {
    ///     Some(_) => Flow::Next,
    ///     None => Flow::reply(411).empty(),
    /// });
    /// let upload = Exchange::new("POST", "/").body("a=1");
    /// assert_eq!(upload.clone().request(&measured), Outcome::Next);
    /// assert_eq!(upload.unannounced().request(&measured).reply().status, 411);
    /// ```
    #[must_use]
    pub fn unannounced(mut self) -> Self {
        self.state.unannounced = true;
        self
    }

    /// How the client reached the gateway: `http` unless told otherwise.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook}};
    /// let told = Hook(|request: &mut Request| Flow::reply(200).body(request.scheme()));
    /// assert_eq!(Exchange::get("/").request(&told).reply().text(), "http");
    /// assert_eq!(Exchange::get("/").scheme("https").request(&told).reply().text(), "https");
    /// ```
    #[must_use]
    pub fn scheme(mut self, scheme: &str) -> Self {
        scheme.clone_into(&mut self.state.request.scheme);
        self
    }

    /// What the client speaks: `HTTP/1.1` unless told otherwise.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook}};
    /// let told = Hook(|request: &mut Request| Flow::reply(200).body(request.version()));
    /// assert_eq!(Exchange::get("/").version("HTTP/1.0").request(&told).reply().text(), "HTTP/1.0");
    /// ```
    #[must_use]
    pub fn version(mut self, version: &str) -> Self {
        version.clone_into(&mut self.state.request.version);
        self
    }

    /// Where the client is: at 192.0.2.1, port 40000, unless told otherwise.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook}};
    /// let told = Hook(|_: &mut Request| Flow::reply(200).body(exchange::client_ip().to_string()));
    /// let mut exchange = Exchange::get("/").client("2001:db8::1".parse()?, 443);
    /// assert_eq!(exchange.request(&told).reply().text(), "2001:db8::1");
    /// # Ok::<(), std::net::AddrParseError>(())
    /// ```
    #[must_use]
    pub fn client(mut self, address: IpAddr, port: u16) -> Self {
        self.state.client = (address, port).into();
        self
    }

    /// What the client has connected to: 127.0.0.1, port 80, unless told otherwise.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook}};
    /// let told = Hook(|_: &mut Request| Flow::reply(200).body(exchange::local_ip().to_string()));
    /// assert_eq!(Exchange::get("/").request(&told).reply().text(), "127.0.0.1");
    /// assert_eq!(Exchange::get("/").local([192, 0, 2, 9].into(), 443).request(&told).reply().text(), "192.0.2.9");
    /// ```
    #[must_use]
    pub fn local(mut self, address: IpAddr, port: u16) -> Self {
        self.state.local = (address, port).into();
        self
    }

    /// What the client has shown in its TLS handshake: nothing unless told otherwise.
    ///
    /// ```
    /// # use tidegate_sdk::{exchange::ClientCertificate, prelude::*, testing::{Exchange, Hook}};
    /// let told = Hook(|_: &mut Request| {
    ///     let name = exchange::client_certificate().and_then(|shown| shown.common_name);
    ///     Flow::reply(200).body(name.unwrap_or_default())
    /// });
    /// let billing = ClientCertificate { common_name: Some("billing".to_owned()), ..ClientCertificate::default() };
    /// assert_eq!(Exchange::get("/").certificate(billing).request(&told).reply().text(), "billing");
    /// ```
    #[must_use]
    pub fn certificate(mut self, certificate: ClientCertificate) -> Self {
        self.state.certificate = Some(certificate);
        self
    }

    /// What a named group of the route's path found.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook}};
    /// let told = Hook(|request: &mut Request| Flow::reply(200).body(request.capture("id").unwrap_or_default()));
    /// assert_eq!(Exchange::get("/orders/7").capture("id", "7").request(&told).reply().text(), "7");
    /// ```
    #[must_use]
    pub fn capture(mut self, name: &str, found: &str) -> Self {
        self.state.captures.insert(name.to_owned(), found.to_owned());
        self
    }

    /// The route and the service that the request is for: `route` and `service` unless told otherwise.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook}};
    /// let told = Hook(|_: &mut Request| Flow::reply(200).json(&(exchange::route(), exchange::service())));
    /// let mut exchange = Exchange::get("/").route("orders-v1", "orders");
    /// assert_eq!(exchange.request(&told).reply().json(), json!(["orders-v1", "orders"]));
    /// ```
    #[must_use]
    pub fn route(mut self, route: &str, service: &str) -> Self {
        self.state.route = Some((route.to_owned(), service.to_owned()));
        self
    }

    /// Adds an upstream to the gateway's configuration, for [`set_upstream`](crate::Request::set_upstream).
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
    /// let canary = Hook(|request: &mut Request| -> Result {
    ///     request.set_upstream("green")?;
    ///     Ok(Flow::Next)
    /// });
    /// assert_eq!(Exchange::get("/").upstream("green").request(&canary), Outcome::Next);
    /// assert_eq!(Exchange::get("/").request(&canary).failure(), "there is no upstream \"green\"");
    /// ```
    #[must_use]
    pub fn upstream(mut self, name: &str) -> Self {
        self.state.upstreams.push(name.to_owned());
        self
    }

    /// Has counters counted by all gateways that share a Redis, as [`counters::shared`](crate::counters::shared) tells.
    ///
    /// ```
    /// # use tidegate_sdk::{counters, prelude::*, testing::{Exchange, Hook}};
    /// let told = Hook(|_: &mut Request| Flow::reply(200).body(counters::shared().to_string()));
    /// assert_eq!(Exchange::get("/").request(&told).reply().text(), "false");
    /// assert_eq!(Exchange::get("/").shared_counters().request(&told).reply().text(), "true");
    /// ```
    #[must_use]
    pub fn shared_counters(mut self) -> Self {
        self.state.counters = state::Counters::Shared;
        self
    }

    /// The same, in a Redis that is not to be had, and the gateway's `counters.on_failure` is "closed".
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidegate_sdk::{counters::{self, Algorithm, Limit}, prelude::*, testing::{Exchange, Hook}};
    /// let limited = Hook(|_: &mut Request| -> Result {
    ///     let limit = Limit { max: 1, window: Duration::from_secs(1), algorithm: Algorithm::Gcra };
    ///     Ok(if counters::hit("all", 1, &[limit])?.allowed { Flow::Next } else { Flow::reply(429).empty() })
    /// });
    /// assert!(Exchange::get("/").counters_away().request(&limited).failure().starts_with("Redis cannot be reached"));
    /// ```
    #[must_use]
    pub fn counters_away(mut self) -> Self {
        self.state.counters = state::Counters::Away;
        self
    }

    /// Has other exchanges hold so many places under `key`, and keep them.
    ///
    /// ```
    /// # use tidegate_sdk::{places, prelude::*, testing::{Exchange, Hook}};
    /// let told = Hook(|_: &mut Request| -> Result { Ok(Flow::reply(200).body(places::take("all", 2)?.to_string())) });
    /// assert_eq!(Exchange::get("/").others_hold("all", 1).request(&told).reply().text(), "true");
    /// assert_eq!(Exchange::get("/").others_hold("all", 2).request(&told).reply().text(), "false");
    /// ```
    #[must_use]
    pub fn others_hold(mut self, key: &str, places: u32) -> Self {
        self.state.held.insert(key.to_owned(), places);
        self
    }

    /// Says which signatures are right, of those that only the gateway can compute: called with message
    /// and signature. Without it, none is.
    ///
    /// ```
    /// # use tidegate_sdk::{crypto::{self, Algorithm, Key}, prelude::*, testing::{Exchange, Hook}};
    /// let told = Hook(|_: &mut Request| -> Result {
    ///     let right = crypto::verify(Algorithm::Es256, Key::Pem("a public key"), "message", "signature")?;
    ///     Ok(Flow::reply(200).body(right.to_string()))
    /// });
    /// assert_eq!(Exchange::get("/").request(&told).reply().text(), "false");
    /// let mut exchange = Exchange::get("/").signatures(|message, _| message == b"message");
    /// assert_eq!(exchange.request(&told).reply().text(), "true");
    /// ```
    #[must_use]
    pub fn signatures(mut self, judge: fn(&[u8], &[u8]) -> bool) -> Self {
        self.state.signatures = Some(judge);
        self
    }

    /// Grants a secret.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook}};
    /// let told = Hook(|_: &mut Request| Flow::reply(200).body(secrets::get("pin").unwrap_or_default()));
    /// assert_eq!(Exchange::get("/").secret("pin", "1234").request(&told).reply().text(), "1234");
    /// ```
    #[must_use]
    pub fn secret(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.state.secrets.insert(name.to_owned(), value.as_ref().to_vec());
        self
    }

    /// Grants a sink, which takes records of any number, each of up to almost 16 MiB.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
    /// let tell = Hook(|_: &mut Request| -> Result {
    ///     sink::emit("audit", "someone is here")?;
    ///     Ok(Flow::Next)
    /// });
    /// assert!(Exchange::get("/").request(&tell).failure().contains("`grants.sinks`"));
    /// let mut exchange = Exchange::get("/").sink("audit");
    /// assert_eq!(exchange.request(&tell), Outcome::Next);
    /// assert_eq!(exchange.delivered("audit"), [b"someone is here"]);
    /// ```
    #[must_use]
    pub fn sink(mut self, name: &str) -> Self {
        self.state.sinks.entry(name.to_owned()).or_default();
        self
    }

    /// Has another server answer this to requests of the plugin's; `asked` is like
    /// `GET https://idp.example.com/keys`. Whatever else it asks for is not granted.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook}};
    /// let ask = Hook(|_: &mut Request| -> Result {
    ///     let answer = http::get("https://idp.example.com/keys").send()?;
    ///     Ok(Flow::reply(answer.status).body(answer.body))
    /// });
    /// let mut exchange = Exchange::get("/").server("GET https://idp.example.com/keys", 200, "[]");
    /// assert_eq!(exchange.request(&ask).reply().text(), "[]");
    /// assert!(Exchange::get("/").request(&ask).failure().contains("`grants.http`"));
    /// ```
    #[must_use]
    pub fn server(mut self, asked: &str, status: u16, body: impl AsRef<[u8]>) -> Self {
        let head = state::ResponseHead { status, headers: Headers::default() };
        self.state.servers.push((asked.to_owned(), head, body.as_ref().to_vec()));
        self
    }

    /// What the upstream answers: 200 without headers unless told otherwise.
    ///
    /// ```
    /// # use tidegate_sdk::testing::Exchange;
    /// let exchange = Exchange::get("/").answer(503, &[("retry-after", "5")]);
    /// assert_eq!(exchange.client_status(), 503);
    /// assert_eq!(exchange.client_headers().first("retry-after"), Some("5"));
    /// ```
    ///
    /// # Panics
    /// If no upstream could send it.
    #[must_use]
    #[track_caller]
    pub fn answer(mut self, status: u16, headers: &[(&str, &str)]) -> Self {
        self.state.answer =
            state::ResponseHead::new(status, Headers::default()).expect("a status that ends an exchange");
        for (name, value) in headers {
            self.state.answer.headers.add(name, value.as_bytes()).expect("a field that can be sent");
        }
        self
    }

    /// The body of the upstream's answer: empty unless told otherwise.
    ///
    /// ```
    /// # use tidegate_sdk::testing::Exchange;
    /// assert_eq!(Exchange::get("/").answer_body("hello").client_body(), b"hello");
    /// ```
    #[must_use]
    pub fn answer_body(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.state.response_body.bytes = bytes.as_ref().to_vec();
        self
    }
}
