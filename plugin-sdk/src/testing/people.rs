//! Who the gateway's configuration knows, and who has been let in before plugins see an exchange.

use std::collections::BTreeMap;

use super::Exchange;
use super::state::Credential;
use crate::identity::{Caller, Consumer};

impl Exchange {
    /// Adds a credential to the gateway's configuration. Its id is `KIND-NUMBER`, counted from 1.
    ///
    /// ```
    /// # use tidegate_sdk::{identity::Consumer, prelude::*, testing::{Exchange, Hook}};
    /// let told = Hook(|_: &mut Request| match identity::find("key-auth", "k") {
    ///     Some(found) => Flow::reply(200).body(format!("{} of {}", found.id(), found.consumer().username)),
    ///     None => Flow::reply(401).empty(),
    /// });
    /// let alice = Consumer { username: "alice".to_owned(), ..Consumer::default() };
    /// let mut exchange = Exchange::get("/").credential("key-auth", "k", alice);
    /// assert_eq!(exchange.request(&told).reply().text(), "key-auth-1 of alice");
    /// ```
    #[must_use]
    pub fn credential(mut self, kind: &str, key: &str, consumer: Consumer) -> Self {
        let id = format!("{kind}-{}", self.state.credentials.len() + 1);
        let (kind, key) = (kind.to_owned(), key.to_owned());
        self.state.credentials.push(Credential { kind, key, id, consumer, fields: BTreeMap::new() });
        self
    }

    /// Keeps this with the [credential](Self::credential) added last: its `password`, say.
    ///
    /// ```
    /// # use tidegate_sdk::{identity::Consumer, prelude::*, testing::{Exchange, Hook}};
    /// let told = Hook(|_: &mut Request| match identity::find("badge", "b").and_then(|badge| badge.field("secret")) {
    ///     Some(secret) => Flow::reply(200).body(secret),
    ///     None => Flow::reply(404).empty(),
    /// });
    /// let mut exchange = Exchange::get("/").credential("badge", "b", Consumer::default()).credential_field("secret", "s");
    /// assert_eq!(exchange.request(&told).reply().text(), "s");
    /// ```
    ///
    /// # Panics
    /// There is no credential yet.
    #[must_use]
    pub fn credential_field(mut self, name: &str, value: &str) -> Self {
        let credential = self.state.credentials.last_mut().expect("a credential to keep it with");
        credential.fields.insert(name.to_owned(), value.as_bytes().to_vec());
        self
    }

    /// Adds a consumer to the gateway's configuration. Those that credentials belong to are there already.
    ///
    /// ```
    /// # use tidegate_sdk::{identity::Consumer, prelude::*, testing::{Exchange, Hook, Outcome}};
    /// let known = Hook(|_: &mut Request| match identity::consumer("alice") {
    ///     Some(_) => Flow::Next,
    ///     None => Flow::reply(401).empty(),
    /// });
    /// let alice = Consumer { username: "alice".to_owned(), ..Consumer::default() };
    /// assert_eq!(Exchange::get("/").known_consumer(alice).request(&known), Outcome::Next);
    /// ```
    #[must_use]
    pub fn known_consumer(mut self, consumer: Consumer) -> Self {
        self.state.consumers.push(consumer);
        self
    }

    /// Lets a plugin before the one under test have found out that the request comes from `consumer`: by the first of
    /// its credentials, if it has any.
    ///
    /// ```
    /// # use tidegate_sdk::{identity::Consumer, prelude::*, testing::{Exchange, Hook}};
    /// let greeting = Hook(|_: &mut Request| match tidegate_sdk::exchange::consumer() {
    ///     Some(name) => Flow::reply(200).body(format!("Hello, {name}!")),
    ///     None => Flow::reply(200).body("Hello!"),
    /// });
    /// let alice = Consumer { username: "alice".to_owned(), ..Consumer::default() };
    /// assert_eq!(Exchange::get("/").authenticated(alice).request(&greeting).reply().text(), "Hello, alice!");
    /// ```
    #[must_use]
    pub fn authenticated(mut self, consumer: Consumer) -> Self {
        let theirs = self.state.credentials.iter().find(|known| known.consumer.username == consumer.username);
        self.state.caller = Some(match theirs {
            Some(credential) => credential.caller(),
            None => Caller { consumer: consumer.clone(), credential: None, anonymous: false },
        });
        self.known_consumer(consumer)
    }
}
