//! The consumers and credentials of the gateway's configuration. To be called in hooks.

use crate::host;

/// A credential, and whom it belongs to.
///
/// ```
/// use tidegate_sdk::identity::{Consumer, Credential};
/// use tidegate_sdk::prelude::*;
/// use tidegate_sdk::testing::{Exchange, Hook, Outcome};
///
/// /// Of what a client brings, the credential that it opens.
/// fn credential(request: &Request) -> Option<Credential> {
///     identity::find("badge", request.header("x-badge")?.to_str().ok()?)
/// }
///
/// let badge = Hook(|request: &mut Request| -> Result {
///     let Some(known) = credential(request) else { return Ok(Flow::reply(401).empty()) };
///     identity::authenticate(&known)?;
///     Ok(Flow::Next)
/// });
/// let alice = Consumer { username: "alice".to_owned(), ..Consumer::default() };
/// let mut exchange = Exchange::get("/").credential("badge", "b-17", alice).header("x-badge", "b-17");
/// assert_eq!(exchange.request(&badge), Outcome::Next);
/// assert_eq!(exchange.consumer(), Some("alice"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    id: String,
    consumer: Consumer,
}

impl Credential {
    /// Names the credential without giving it away.
    ///
    /// ```
    /// # use tidegate_sdk::{identity::Consumer, prelude::*, testing::{Exchange, Hook}};
    /// let told = Hook(|_: &mut Request| match identity::find("badge", "b-17") {
    ///     Some(credential) => Flow::reply(200).body(credential.id()),
    ///     None => Flow::reply(404).empty(),
    /// });
    /// let mut exchange = Exchange::get("/").credential("badge", "b-17", Consumer::default());
    /// assert_eq!(exchange.request(&told).reply().text(), "badge-1");
    /// ```
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whom it belongs to.
    ///
    /// ```
    /// # use tidegate_sdk::{identity::Consumer, prelude::*, testing::{Exchange, Hook}};
    /// let told = Hook(|_: &mut Request| match identity::find("badge", "b-17") {
    ///     Some(credential) => Flow::reply(200).body(credential.consumer().username.as_str()),
    ///     None => Flow::reply(404).empty(),
    /// });
    /// let alice = Consumer { username: "alice".to_owned(), ..Consumer::default() };
    /// let mut exchange = Exchange::get("/").credential("badge", "b-17", alice);
    /// assert_eq!(exchange.request(&told).reply().text(), "alice");
    /// ```
    pub fn consumer(&self) -> &Consumer {
        &self.consumer
    }
}

/// Someone who uses the upstreams through the gateway.
///
/// ```
/// # use tidegate_sdk::{identity::Consumer, prelude::*, testing::{Exchange, Hook, Outcome}};
/// let staff_only = Hook(|_: &mut Request| match identity::find("badge", "b-17") {
///     Some(badge) if badge.consumer().groups.iter().any(|group| group == "staff") => Flow::Next,
///     _ => Flow::reply(403).empty(),
/// });
/// let alice = Consumer { username: "alice".to_owned(), groups: vec!["staff".to_owned()], ..Consumer::default() };
/// let bob = Consumer { username: "bob".to_owned(), ..Consumer::default() };
/// assert_eq!(Exchange::get("/").credential("badge", "b-17", alice).request(&staff_only), Outcome::Next);
/// assert_eq!(Exchange::get("/").credential("badge", "b-17", bob).request(&staff_only).reply().status, 403);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Consumer {
    /// Unique among the consumers.
    pub username: String,
    /// What another system calls them.
    pub custom_id: Option<String>,
    /// The groups they are in.
    pub groups: Vec<String>,
}

/// The credential of this kind (`key-auth`, say) that `key` opens. The kinds are yours to name: whatever
/// a consumer's `credentials` say in gateway.toml.
///
/// ```
/// # use tidegate_sdk::{identity::Consumer, prelude::*, testing::{Exchange, Hook, Outcome}};
/// let known = Hook(|request: &mut Request| {
///     match request.query_param("badge").and_then(|badge| identity::find("badge", &badge)) {
///         Some(_) => Flow::Next,
///         None => Flow::reply(401).empty(),
///     }
/// });
/// let with = |target| Exchange::get(target).credential("badge", "b-17", Consumer::default());
/// assert_eq!(with("/?badge=b-17").request(&known), Outcome::Next);
/// assert_eq!(with("/?badge=b-18").request(&known).reply().status, 401);
/// ```
pub fn find(kind: &str, key: &str) -> Option<Credential> {
    host::identity::find(kind, key).map(|found| Credential {
        id: found.id,
        consumer: Consumer {
            username: found.consumer.username,
            custom_id: found.consumer.custom_id,
            groups: found.consumer.groups,
        },
    })
}

/// [`find`] and [`authenticate`] at once, for who needs to know no more, at half the price: whether there
/// is a credential of this kind that `key` opens. If not, nothing has changed.
///
/// ```
/// # use tidegate_sdk::{identity::Consumer, prelude::*, testing::{Exchange, Hook, Outcome}};
/// let enter = Hook(|request: &mut Request| match request.query_param("badge") {
///     Some(badge) if identity::authenticate_by_key("badge", &badge) => Flow::Next,
///     _ => Flow::reply(401).empty(),
/// });
/// let alice = Consumer { username: "alice".to_owned(), ..Consumer::default() };
/// let mut exchange = Exchange::get("/?badge=b-17").credential("badge", "b-17", alice);
/// assert_eq!(exchange.request(&enter), Outcome::Next);
/// assert_eq!(exchange.consumer(), Some("alice"));
/// assert_eq!(Exchange::get("/?badge=b-18").request(&enter).reply().status, 401);
/// ```
pub fn authenticate_by_key(kind: &str, key: &str) -> bool {
    host::identity::authenticate_by_key(kind, key)
}

/// Declares that the request comes from whoever `credential` belongs to. The upstream is told by
/// X-Consumer-Username, X-Consumer-Custom-ID, X-Consumer-Groups and X-Credential-Identifier, none
/// of which a client can send by itself.
///
/// ```
/// # use tidegate_sdk::{identity::Consumer, prelude::*, testing::{Exchange, Hook, Outcome}};
/// let enter = Hook(|_: &mut Request| -> Result {
///     let credential = identity::find("badge", "b-17").ok_or("the badge is gone")?;
///     identity::authenticate(&credential)?;
///     Ok(Flow::Next)
/// });
/// let alice = Consumer { username: "alice".to_owned(), ..Consumer::default() };
/// let mut exchange = Exchange::get("/").credential("badge", "b-17", alice);
/// assert_eq!(exchange.request(&enter), Outcome::Next);
/// assert_eq!(exchange.upstream_headers().first("x-consumer-username"), Some("alice"));
/// ```
///
/// # Errors
/// There is no such credential.
pub fn authenticate(credential: &Credential) -> Result<(), String> {
    host::identity::authenticate(&credential.id)
}
