//! Consumers and credentials, indexed by what a request shows. Part of a snapshot; plugins ask it through `identity`.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::config::checked;

/// Who may come in.
pub struct Consumer {
    /// Unique.
    pub username: Arc<str>,
    /// The operator's own id for them.
    pub custom_id: Option<String>,
    /// Groups they belong to.
    pub groups: Vec<String>,
}

/// What a consumer comes in with.
pub struct Credential {
    /// Names the credential by whose it is and which of theirs, so it tells nothing about the key: 32 hexadecimal
    /// digits.
    pub id: Arc<str>,
    /// Whose it is.
    pub consumer: Arc<Consumer>,
}

/// All credentials, found by what opens them. Keys are looked up by digest, so the time that takes tells nothing about
/// how much of a guessed key was right.
#[derive(Default)]
pub struct Identities {
    /// Credentials of different kinds never open one another's doors.
    kinds: HashMap<Box<str>, ByKey>,
    by_id: HashMap<Arc<str>, Arc<Credential>>,
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

    /// Index `consumers`.
    pub fn new(consumers: &[checked::Consumer]) -> Self {
        let mut identities = Self::default();
        for listed in consumers {
            let consumer = Arc::new(Consumer {
                username: listed.username.value.as_str().into(),
                custom_id: listed.custom_id.clone(),
                groups: listed.groups.clone(),
            });
            for (position, credential) in listed.credentials.iter().enumerate() {
                let (kind, key) = (credential.kind.as_str(), credential.digest);
                let id = id(kind, &consumer.username, position);
                let credential = Arc::new(Credential { id: Arc::clone(&id), consumer: Arc::clone(&consumer) });
                identities.kinds.entry(kind.into()).or_default().insert(key, Arc::clone(&credential));
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

/// Takes the first bytes of a digest for its hash. Only who writes the configuration could make them collide.
#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn write(&mut self, digest: &[u8]) {
        if let Some(first) = digest.first_chunk() {
            self.0 = u64::from_ne_bytes(*first);
        }
    }

    /// How long it is, which is always the same.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
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
            credentials: vec![checked::Credential { kind: kind.parse().unwrap(), digest, span: 0..0 }],
        }
    }

    #[test]
    fn a_key_opens_the_door_of_its_kind_only() {
        let identities = Identities::new(&[consumer("alice", "key-auth", "k1"), consumer("bob", "other", "k2")]);
        let alice = identities.find("key-auth", b"k1").unwrap();
        assert_eq!(&*alice.consumer.username, "alice");
        assert!(Arc::ptr_eq(alice, identities.by_id(&alice.id).unwrap()));
        for (kind, key) in [("other", "k1"), ("key-auth", "k2"), ("key-auth", ""), ("key-aut", "hk1")] {
            assert!(identities.find(kind, key.as_bytes()).is_none(), "{kind} {key}");
        }
        assert!(identities.by_id("").is_none());
        assert!(!alice.id.contains("k1"));
    }
}
