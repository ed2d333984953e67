//! The consumers and credentials of the gateway's configuration. To be called in hooks.

use crate::crypto::PasswordError;
use crate::{Flow, Reply, host};

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

    /// What gateway.toml keeps with the credential's key: its `password`, `secret`, `algorithm` or
    /// `public_key`. `None` if it keeps no such thing, or if the credential's kind is neither called
    /// like the plugin nor granted to it: `grants = { credentials = ["badge"] }`.
    ///
    /// ```
    /// # use tidegate_sdk::{identity::Consumer, prelude::*, testing::{Exchange, Hook, Outcome}};
    /// let enter = Hook(|request: &mut Request| {
    ///     let pin = identity::find("badge", "b-17").and_then(|badge| badge.field("password"));
    ///     match (pin, request.header("x-pin")) {
    ///         (Some(pin), Some(told)) if tidegate_sdk::crypto::equal(&pin, told.as_bytes()) => Flow::Next,
    ///         _ => Flow::reply(401).empty(),
    ///     }
    /// });
    /// let badge = || Exchange::get("/").credential("badge", "b-17", Consumer::default()).credential_field("password", "1234");
    /// assert_eq!(badge().header("x-pin", "1234").request(&enter), Outcome::Next);
    /// assert_eq!(badge().header("x-pin", "4321").request(&enter).reply().status, 401);
    /// ```
    pub fn field(&self, name: &str) -> Option<Vec<u8>> {
        host::identity::field(&self.id, name)
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
    host::identity::find(kind, key).map(|found| Credential { id: found.id, consumer: found.consumer.into() })
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

/// Lets the request in as whoever the credential of this kind belongs to that `key` opens, if `password` has
/// been found to be its `password` within the last five minutes: whether it has. If not, nothing has
/// changed, and [`verify_password`] finds out.
///
/// The kind has to be called like the plugin or granted to it: `grants = { credentials = ["door"] }`.
///
/// ```
/// # use tidegate_sdk::{identity::{Consumer, Stranger}, prelude::*, testing::{Exchange, Hook, Outcome}};
/// let known = Hook(|request: &mut Request| match request.header("x-password") {
///     Some(password) if identity::authenticate_by_password("door", "alice", &password) => Flow::Next,
///     _ => Flow::reply(401).empty(),
/// });
/// let verified = Hook(|request: &mut Request| -> Result {
///     let password = request.header("x-password").ok_or("no password")?;
///     identity::verify_password("door", "alice", &password, Stranger::Refused(Flow::reply(401).empty()))?;
///     Ok(Flow::Next)
/// });
/// let alice = Consumer { username: "alice".to_owned(), ..Consumer::default() };
/// let mut exchange = Exchange::get("/")
///     .credential("door", "alice", alice)
///     .credential_field("password", "plain:open sesame")
///     .header("x-password", "open sesame");
/// assert_eq!(exchange.request(&verified), Outcome::Next);
/// assert_eq!(exchange.request(&known), Outcome::Next);
/// assert_eq!(exchange.credential_field("password", "plain:shut sesame").request(&known).reply().status, 401);
/// ```
pub fn authenticate_by_password(kind: &str, key: &str, password: impl AsRef<[u8]>) -> bool {
    host::identity::authenticate_by_password(kind, key, password.as_ref())
}

/// What becomes of a request whose password is not the right one.
///
/// ```
/// use tidegate_sdk::identity::Stranger;
/// use tidegate_sdk::prelude::*;
///
/// fn strangers(guest: Option<&str>) -> Stranger {
///     match guest {
///         Some(username) => Stranger::Anonymous(username.to_owned()),
///         None => Stranger::Refused(Flow::reply(401).empty()),
///     }
/// }
/// assert!(matches!(strangers(Some("guest")), Stranger::Anonymous(_)));
/// ```
#[derive(Debug)]
pub enum Stranger {
    /// This becomes of it. With [`Flow::Next`], it goes on as nobody's.
    Refused(Flow),
    /// It is that of this consumer, who stands for all whom nobody knows.
    Anonymous(String),
}

/// Has a password verified, for whom [`authenticate_by_password`] does not let in: against what gateway.toml
/// keeps as the credential's `password`, which is argon2id or argon2i in PHC's form, or bcrypt. That is slow
/// on purpose, so it is waited for once the hook is done, if it decides [`Flow::Next`]. Then the request is
/// let in, or becomes what `otherwise` says, as it does, after just as long, if `key` opens nothing.
///
/// Nothing of the plugin is occupied meanwhile; it serves others.
///
/// ```
/// # use tidegate_sdk::{identity::{Consumer, Stranger}, prelude::*, testing::{Exchange, Hook, Outcome}};
/// let enter = Hook(|request: &mut Request| -> Result {
///     let password = request.header("x-password").ok_or("no password")?;
///     identity::verify_password("door", "alice", &password, Stranger::Refused(Flow::reply(401).empty()))?;
///     Ok(Flow::Next)
/// });
/// let alice = || Consumer { username: "alice".to_owned(), ..Consumer::default() };
/// let door = || Exchange::get("/").credential("door", "alice", alice()).credential_field("password", "plain:sesame");
/// let mut exchange = door().header("x-password", "sesame");
/// assert_eq!(exchange.request(&enter), Outcome::Next);
/// assert_eq!(exchange.consumer(), Some("alice"));
/// assert_eq!(door().header("x-password", "sesam").request(&enter).reply().status, 401);
/// ```
///
/// # Errors
/// What is kept is no hash, or nothing is, or too many others are being verified.
pub fn verify_password(
    kind: &str,
    key: &str,
    password: impl AsRef<[u8]>,
    otherwise: Stranger,
) -> Result<(), PasswordError> {
    use crate::host::identity::{PasswordError as HostError, Stranger as HostStranger};
    let otherwise = match otherwise {
        Stranger::Refused(Flow::Reply(Reply(reply))) => HostStranger::Refused(reply),
        Stranger::Refused(Flow::Next) => HostStranger::Nobody,
        Stranger::Anonymous(username) => HostStranger::Anonymous(username),
    };
    host::identity::verify_password(kind, key, password.as_ref(), &otherwise).map_err(|error| match error {
        HostError::Invalid(problem) => PasswordError::Invalid(problem),
        HostError::Busy => PasswordError::Busy,
    })
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

/// As whom the plugins before this one have let the request in.
///
/// ```
/// # use tidegate_sdk::{identity::Consumer, prelude::*, testing::{Exchange, Hook, Outcome}};
/// let members = Hook(|_: &mut Request| match identity::authenticated() {
///     Some(caller) if caller.consumer.groups.iter().any(|group| group == "members") => Flow::Next,
///     Some(_) => Flow::reply(403).empty(),
///     None => Flow::reply(401).empty(),
/// });
/// let alice = Consumer { username: "alice".to_owned(), groups: vec!["members".to_owned()], ..Consumer::default() };
/// assert_eq!(Exchange::get("/").authenticated(alice).request(&members), Outcome::Next);
/// assert_eq!(Exchange::get("/").request(&members).reply().status, 401);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Who it is.
    pub consumer: Consumer,
    /// The [id](Credential::id) of the credential that has shown it, if one has.
    pub credential: Option<String>,
    /// Whether nobody knows who it really is, and `consumer` stands for all such.
    pub anonymous: bool,
}

/// As whom the request has been let in so far, if it has been.
///
/// ```
/// # use tidegate_sdk::{identity::Consumer, prelude::*, testing::{Exchange, Hook}};
/// let told = Hook(|_: &mut Request| {
///     identity::authenticate_by_key("badge", "b-17");
///     let caller = identity::authenticated().expect("the badge is known");
///     Flow::reply(200).body(format!("{} by {:?}", caller.consumer.username, caller.credential))
/// });
/// let alice = Consumer { username: "alice".to_owned(), ..Consumer::default() };
/// let mut exchange = Exchange::get("/").credential("badge", "b-17", alice);
/// assert_eq!(exchange.request(&told).reply().text(), "alice by Some(\"badge-1\")");
/// ```
pub fn authenticated() -> Option<Caller> {
    host::identity::authenticated().map(|caller| Caller {
        consumer: caller.consumer.into(),
        credential: caller.credential,
        anonymous: caller.way == host::identity::Way::Anonymous,
    })
}

/// Whether a plugin before this one knows who sent the request. Where several plugins may each let
/// a request in, those behind the one that did have nothing left to ask.
///
/// ```
/// # use tidegate_sdk::{identity::Consumer, prelude::*, testing::{Exchange, Hook, Outcome}};
/// let guests_too = Hook(|_: &mut Request| -> Result {
///     if !identity::settled() {
///         identity::authenticate_anonymously("guest")?;
///     }
///     Ok(Flow::Next)
/// });
/// let named = |username: &str| Consumer { username: username.to_owned(), ..Consumer::default() };
/// let mut exchange = Exchange::get("/").known_consumer(named("guest"));
/// assert_eq!(exchange.request(&guests_too), Outcome::Next);
/// assert_eq!(exchange.consumer(), Some("guest"));
/// let mut exchange = Exchange::get("/").known_consumer(named("guest")).authenticated(named("alice"));
/// assert_eq!(exchange.request(&guests_too), Outcome::Next);
/// assert_eq!(exchange.consumer(), Some("alice"));
/// ```
pub fn settled() -> bool {
    authenticated().is_some_and(|caller| !caller.anonymous)
}

/// A number for as whom the request has been let in so far, and whether by a credential or as an anonymous one:
/// always the same for the same as long as [`version`] is, and never one that stands, or stood, for anything
/// else. It costs a tenth of [`authenticated`], so what is found out about a caller can be kept under it.
///
/// ```
/// # use tidegate_sdk::{identity::Consumer, prelude::*, testing::{Exchange, Hook}};
/// let told = Hook(|_: &mut Request| Flow::reply(200).json(&identity::caller_number().is_some()));
/// let alice = Consumer { username: "alice".to_owned(), ..Consumer::default() };
/// assert_eq!(Exchange::get("/").authenticated(alice).request(&told).reply().json(), json!(true));
/// assert_eq!(Exchange::get("/").request(&told).reply().json(), json!(false));
/// ```
pub fn caller_number() -> Option<u64> {
    host::identity::caller_number()
}

/// Leaves X-Consumer-Groups out of what the upstream is told about who was authenticated.
///
/// ```
/// # use tidegate_sdk::{identity::Consumer, prelude::*, testing::{Exchange, Hook, Outcome}};
/// let discreet = Hook(|_: &mut Request| {
///     identity::hide_groups();
///     Flow::Next
/// });
/// let alice = Consumer { username: "alice".to_owned(), groups: vec!["staff".to_owned()], ..Consumer::default() };
/// let mut exchange = Exchange::get("/").authenticated(alice);
/// assert_eq!(exchange.upstream_headers().first("x-consumer-groups"), Some("staff"));
/// assert_eq!(exchange.request(&discreet), Outcome::Next);
/// assert_eq!(exchange.upstream_headers().first("x-consumer-groups"), None);
/// ```
pub fn hide_groups() {
    host::identity::hide_groups();
}

/// A number that is another one whenever consumers or credentials may have changed. What a plugin has found
/// out about them, it may keep as long as the number stays the same.
///
/// ```
/// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook}};
/// use std::cell::Cell;
///
/// thread_local! {
///     /// The number, and how many groups alice had then.
///     static KNOWN: Cell<Option<(u64, usize)>> = const { Cell::new(None) };
/// }
///
/// let told = Hook(|_: &mut Request| {
///     let version = identity::version();
///     let count = || identity::consumer("alice").map_or(0, |alice| alice.groups.len());
///     let (_, groups) = KNOWN.get().filter(|(known, _)| *known == version).unwrap_or_else(|| (version, count()));
///     KNOWN.set(Some((version, groups)));
///     Flow::reply(200).body(groups.to_string())
/// });
/// assert_eq!(Exchange::get("/").request(&told).reply().text(), "0");
/// ```
pub fn version() -> u64 {
    host::identity::version()
}

/// The consumer of this name.
///
/// ```
/// # use tidegate_sdk::{identity::Consumer, prelude::*, testing::{Exchange, Hook}};
/// let told = Hook(|_: &mut Request| match identity::consumer("alice") {
///     Some(alice) => Flow::reply(200).body(alice.groups.join(" ")),
///     None => Flow::reply(404).empty(),
/// });
/// let alice = Consumer { username: "alice".to_owned(), groups: vec!["staff".to_owned()], ..Consumer::default() };
/// assert_eq!(Exchange::get("/").known_consumer(alice).request(&told).reply().text(), "staff");
/// assert_eq!(Exchange::get("/").request(&told).reply().status, 404);
/// ```
pub fn consumer(username: &str) -> Option<Consumer> {
    host::identity::find_consumer(host::identity::ConsumerBy::Username, username).map(Consumer::from)
}

/// The consumer whom another system calls so: its [`custom_id`](Consumer::custom_id).
///
/// ```
/// # use tidegate_sdk::{identity::Consumer, prelude::*, testing::{Exchange, Hook}};
/// let told = Hook(|_: &mut Request| match identity::consumer_by_custom_id("4711") {
///     Some(known) => Flow::reply(200).body(known.username),
///     None => Flow::reply(404).empty(),
/// });
/// let alice = Consumer { username: "alice".to_owned(), custom_id: Some("4711".to_owned()), ..Consumer::default() };
/// assert_eq!(Exchange::get("/").known_consumer(alice).request(&told).reply().text(), "alice");
/// ```
pub fn consumer_by_custom_id(custom_id: &str) -> Option<Consumer> {
    host::identity::find_consumer(host::identity::ConsumerBy::CustomId, custom_id).map(Consumer::from)
}

/// Declares that the request comes from this consumer, whom the plugin knows by other means than a
/// credential of the configuration. The upstream is told as by [`authenticate`], but for
/// X-Credential-Identifier.
///
/// ```
/// # use tidegate_sdk::{identity::Consumer, prelude::*, testing::{Exchange, Hook, Outcome}};
/// let enter = Hook(|_: &mut Request| -> Result {
///     identity::authenticate_as("alice")?;
///     Ok(Flow::Next)
/// });
/// let alice = Consumer { username: "alice".to_owned(), ..Consumer::default() };
/// let mut exchange = Exchange::get("/").known_consumer(alice);
/// assert_eq!(exchange.request(&enter), Outcome::Next);
/// assert_eq!(exchange.upstream_headers().first("x-consumer-username"), Some("alice"));
/// assert_eq!(Exchange::get("/").request(&enter).failure(), "there is no consumer \"alice\"");
/// ```
///
/// # Errors
/// There is no such consumer.
pub fn authenticate_as(username: &str) -> Result<(), String> {
    host::identity::authenticate_as(username, host::identity::Way::Known)
}

/// Declares that nobody knows who sent the request, and takes it for this consumer's. The upstream is
/// told by X-Anonymous-Consumer, too.
///
/// ```
/// # use tidegate_sdk::{identity::Consumer, prelude::*, testing::{Exchange, Hook, Outcome}};
/// let guests = Hook(|_: &mut Request| -> Result {
///     identity::authenticate_anonymously("guest")?;
///     Ok(Flow::Next)
/// });
/// let guest = Consumer { username: "guest".to_owned(), ..Consumer::default() };
/// let mut exchange = Exchange::get("/").known_consumer(guest);
/// assert_eq!(exchange.request(&guests), Outcome::Next);
/// assert_eq!(exchange.upstream_headers().first("x-anonymous-consumer"), Some("true"));
/// ```
///
/// # Errors
/// There is no such consumer.
pub fn authenticate_anonymously(username: &str) -> Result<(), String> {
    host::identity::authenticate_as(username, host::identity::Way::Anonymous)
}

impl From<host::identity::Consumer> for Consumer {
    fn from(told: host::identity::Consumer) -> Self {
        Self { username: told.username, custom_id: told.custom_id, groups: told.groups }
    }
}
