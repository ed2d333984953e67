//! What an exchange is like before plugins see it, and what stands around it.

use std::net::IpAddr;

use super::state::{self, Credential, State};
use super::{Exchange, Headers};
use crate::exchange::ClientCertificate;
use crate::identity::Consumer;

impl Exchange {
    /// A GET request from 192.0.2.1 for `target`, a path with or without a query, on `example.com`.
    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// The same with another method.
    pub fn new(method: &str, target: &str) -> Self {
        Self { state: State::new(method, target) }
    }

    /// Adds a field to the request. Those by which the gateway tells the upstream who the consumer
    /// is are dropped, as the gateway drops a client's.
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
    #[must_use]
    pub fn body(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.state.request_body.bytes = bytes.as_ref().to_vec();
        self
    }

    /// How the client reached the gateway: `http` unless told otherwise.
    #[must_use]
    pub fn scheme(mut self, scheme: &str) -> Self {
        scheme.clone_into(&mut self.state.request.scheme);
        self
    }

    /// Where the client is.
    #[must_use]
    pub fn client(mut self, address: IpAddr, port: u16) -> Self {
        self.state.client = (address, port).into();
        self
    }

    /// What the client has shown in its TLS handshake: nothing unless told otherwise.
    #[must_use]
    pub fn certificate(mut self, certificate: ClientCertificate) -> Self {
        self.state.certificate = Some(certificate);
        self
    }

    /// What a named group of the route's path found.
    #[must_use]
    pub fn capture(mut self, name: &str, found: &str) -> Self {
        self.state.captures.insert(name.to_owned(), found.to_owned());
        self
    }

    /// The route and the service that the request is for: `route` and `service` unless told otherwise.
    #[must_use]
    pub fn route(mut self, route: &str, service: &str) -> Self {
        self.state.route = Some((route.to_owned(), service.to_owned()));
        self
    }

    /// Adds a credential to the gateway's configuration. Its id is `KIND-NUMBER`, counted from 1.
    #[must_use]
    pub fn credential(mut self, kind: &str, key: &str, consumer: Consumer) -> Self {
        let id = format!("{kind}-{}", self.state.credentials.len() + 1);
        self.state.credentials.push(Credential { kind: kind.to_owned(), key: key.to_owned(), id, consumer });
        self
    }

    /// Says which signatures are right, of those that only the gateway can compute: called with message
    /// and signature. Without it, none is.
    #[must_use]
    pub fn signatures(mut self, judge: fn(&[u8], &[u8]) -> bool) -> Self {
        self.state.signatures = Some(judge);
        self
    }

    /// Grants a secret.
    #[must_use]
    pub fn secret(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.state.secrets.insert(name.to_owned(), value.as_ref().to_vec());
        self
    }

    /// Grants a sink, which takes everything.
    #[must_use]
    pub fn sink(mut self, name: &str) -> Self {
        self.state.sinks.entry(name.to_owned()).or_default();
        self
    }

    /// Has another server answer this to requests of the plugin's; `asked` is like
    /// `GET https://idp.example.com/keys`. Whatever else it asks for is not granted.
    #[must_use]
    pub fn server(mut self, asked: &str, status: u16, body: impl AsRef<[u8]>) -> Self {
        self.state.servers.push((asked.to_owned(), status, body.as_ref().to_vec()));
        self
    }

    /// What the upstream answers: 200 without headers unless told otherwise.
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
    #[must_use]
    pub fn answer_body(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.state.response_body.bytes = bytes.as_ref().to_vec();
        self
    }
}
