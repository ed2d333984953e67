//! Consumers and credentials, indexed by what a request shows. Part of a snapshot; plugins ask it through `identity`.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::config::checked::{self, SecretValue};
use crate::crypto::Hashed;
use crate::tls::session::Session;

/// Who may come in.
pub struct Consumer {
    number: u64,
    /// Unique.
    pub username: Arc<str>,
    /// The operator's own id for them.
    pub custom_id: Option<String>,
    /// Groups they belong to.
    pub groups: Vec<String>,
    /// Whether there are plugin uses of theirs alone.
    pub has_uses: bool,
}

impl Consumer {
    /// Tells this one from all others, in whichever generation; never 0.
    pub fn number(&self) -> u64 {
        self.number
    }
}

/// What a consumer comes in with.
pub struct Credential {
    /// Names the credential by whose it is and which of theirs, so it tells nothing about the key: 32 hexadecimal
    /// digits.
    pub id: Arc<str>,
    /// Whose it is.
    pub consumer: Arc<Consumer>,
    /// Which plugin asks for it.
    pub kind: Arc<str>,
    fields: Box<[(&'static str, SecretValue)]>,
    /// SHA-256 of what is kept as its password, if anything is.
    pub password: Option<[u8; 32]>,
}

impl Credential {
    /// What is kept with the key under this name: a password's hash, say.
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        self.fields.iter().find(|(known, _)| *known == name).map(|(_, value)| value.reveal())
    }
}

/// As whom a request has been let in, and how.
#[derive(Clone)]
pub enum Authenticated {
    /// By what it has shown.
    By(Arc<Credential>),
    /// By the word of a plugin that knows them by other means.
    As(Arc<Consumer>),
    /// As the one whom a plugin takes everybody for that it does not know.
    Anonymously(Arc<Consumer>),
}

impl Authenticated {
    /// Who it is.
    pub fn consumer(&self) -> &Arc<Consumer> {
        match self {
            Self::By(credential) => &credential.consumer,
            Self::As(consumer) | Self::Anonymously(consumer) => consumer,
        }
    }

    /// What it has shown.
    pub fn credential(&self) -> Option<&Credential> {
        match self {
            Self::By(credential) => Some(credential),
            Self::As(_) | Self::Anonymously(_) => None,
        }
    }

    /// A number that stands for nothing else: neither for another consumer, in whichever generation, nor for another way
    /// to be let in.
    pub fn number(&self) -> u64 {
        let (consumer, way) = match self {
            Self::By(credential) => (&credential.consumer, 0),
            Self::As(consumer) => (consumer, 1),
            Self::Anonymously(consumer) => (consumer, 2),
        };
        consumer.number << 2 | way
    }

    /// Whether it is unknown who it really is.
    pub fn is_anonymous(&self) -> bool {
        matches!(self, Self::Anonymously(_))
    }
}

/// All credentials, found by what opens them. Keys are looked up by digest, so the time that takes tells nothing about
/// how much of a guessed key was right.
pub struct Identities {
    /// Another one in every generation.
    pub version: u64,
    /// Credentials of different kinds never open one another's doors.
    kinds: HashMap<Arc<str>, ByKey>,
    by_id: HashMap<Arc<str>, Arc<Credential>>,
    by_username: HashMap<Arc<str>, Arc<Consumer>>,
    by_custom_id: HashMap<String, Arc<Consumer>>,
    /// As whom requests have been let in before any plugin sees them: in rehearsals only.
    pub presumed: Option<Authenticated>,
    /// What plugins have left for others before any has been called: likewise.
    pub presumed_words: Vec<(String, Bytes)>,
    /// What clients have shown in a handshake, though they come without TLS: likewise.
    pub presumed_session: Option<Arc<Session>>,
}

/// The next one that nothing has had yet.
static NUMBERS: AtomicU64 = AtomicU64::new(1);

impl Default for Identities {
    fn default() -> Self {
        Self::new(&[])
    }
}

/// By the SHA-256 of their keys, which needs no hashing any more.
type ByKey = HashMap<[u8; 32], Arc<Credential>, BuildHasherDefault<Hashed>>;

impl Identities {
    /// The credential of this kind that `key` opens.
    pub fn find(&self, kind: &str, key: &[u8]) -> Option<&Arc<Credential>> {
        self.kinds.get(kind)?.get::<[u8; 32]>(&Sha256::digest(key).into())
    }

    /// The credential with this id.
    pub fn by_id(&self, id: &str) -> Option<&Arc<Credential>> {
        self.by_id.get(id)
    }

    /// The consumer of this name.
    pub fn by_username(&self, username: &str) -> Option<&Arc<Consumer>> {
        self.by_username.get(username)
    }

    /// The consumer whom another system calls so.
    pub fn by_custom_id(&self, custom_id: &str) -> Option<&Arc<Consumer>> {
        self.by_custom_id.get(custom_id)
    }

    /// Let requests be of whoever this key belongs to, before any plugin sees them.
    pub fn presume(&mut self, kind: &str, key: &[u8]) {
        self.presumed = self.find(kind, key).cloned().map(Authenticated::By);
    }

    /// Index `consumers`.
    pub fn new(consumers: &[checked::Consumer]) -> Self {
        let mut identities = Self {
            version: NUMBERS.fetch_add(1, Ordering::Relaxed),
            kinds: HashMap::new(),
            by_id: HashMap::new(),
            by_username: HashMap::new(),
            by_custom_id: HashMap::new(),
            presumed: None,
            presumed_words: Vec::new(),
            presumed_session: None,
        };
        for listed in consumers {
            let consumer = Arc::new(Consumer {
                number: NUMBERS.fetch_add(1, Ordering::Relaxed),
                username: listed.username.value.as_str().into(),
                custom_id: listed.custom_id.clone(),
                groups: listed.groups.clone(),
                has_uses: !listed.plugins.is_empty(),
            });
            identities.by_username.insert(Arc::clone(&consumer.username), Arc::clone(&consumer));
            if let Some(custom_id) = &consumer.custom_id {
                identities.by_custom_id.insert(custom_id.clone(), Arc::clone(&consumer));
            }
            for (position, credential) in listed.credentials.iter().enumerate() {
                let (kind, key) = (credential.kind.as_str(), credential.digest);
                let id = id(kind, &consumer.username, position);
                let kind =
                    identities.kinds.get_key_value(kind).map_or_else(|| kind.into(), |(known, _)| Arc::clone(known));
                let credential = Arc::new(Credential {
                    id: Arc::clone(&id),
                    consumer: Arc::clone(&consumer),
                    kind: Arc::clone(&kind),
                    password: credential
                        .fields
                        .iter()
                        .find_map(|(name, value)| (*name == "password").then(|| Sha256::digest(value.reveal()).into())),
                    fields: credential.fields.iter().map(|(name, value)| (*name, value.clone())).collect(),
                });
                identities.kinds.entry(kind).or_default().insert(key, Arc::clone(&credential));
                identities.by_id.insert(id, credential);
            }
        }
        identities
    }
}

fn id(kind: &str, username: &str, position: usize) -> Arc<str> {
    let digest = Sha256::digest(format!("{kind} {username} {position}"));
    digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::reader::Located;

    fn consumer(username: &str, kind: &str, key: &str) -> checked::Consumer {
        let digest = Sha256::digest(key).into();
        checked::Consumer {
            username: Located { value: username.parse().unwrap(), span: 0..0 },
            custom_id: None,
            groups: Vec::new(),
            plugins: Vec::new(),
            credentials: vec![checked::Credential {
                kind: kind.parse().unwrap(),
                digest,
                fields: Vec::new(),
                span: 0..0,
            }],
        }
    }

    #[test]
    fn a_number_stands_for_one_consumer_and_one_way_to_be_let_in() {
        let listed = [consumer("alice", "badge", "k1"), consumer("bob", "badge", "k2")];
        let mut numbers = std::collections::HashSet::new();
        for identities in [Identities::new(&listed), Identities::new(&listed)] {
            for (username, key) in [("alice", b"k1"), ("bob", b"k2")] {
                let consumer = || Arc::clone(identities.by_username(username).unwrap());
                let by = || Authenticated::By(Arc::clone(identities.find("badge", key).unwrap()));
                assert_eq!(by().number(), by().number());
                numbers.extend(
                    [by(), Authenticated::As(consumer()), Authenticated::Anonymously(consumer())].map(|a| a.number()),
                );
            }
        }
        assert_eq!(numbers.len(), 12);
    }

    #[test]
    fn each_generation_has_a_version_of_its_own() {
        let alice = [consumer("alice", "badge", "k1")];
        assert_ne!(Identities::new(&alice).version, Identities::new(&alice).version);
    }

    #[test]
    fn a_key_opens_the_door_of_its_kind_only() {
        let identities = Identities::new(&[consumer("alice", "badge", "k1"), consumer("bob", "other", "k2")]);
        let alice = identities.find("badge", b"k1").unwrap();
        assert_eq!(&*alice.consumer.username, "alice");
        assert!(Arc::ptr_eq(alice, identities.by_id(&alice.id).unwrap()));
        for (kind, key) in [("other", "k1"), ("badge", "k2"), ("badge", ""), ("badg", "ek1")] {
            assert!(identities.find(kind, key.as_bytes()).is_none(), "{kind} {key}");
        }
        assert!(identities.by_id("").is_none());
        assert!(!alice.id.contains("k1"));
    }
}
