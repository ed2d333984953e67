//! What a use of a plugin is granted beyond what every plugin has: origins that it may ask, secrets that it may
//! know, sinks that it may write to, peers that it may connect to, folders that it may look into.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use wasmtime_wasi::filesystem::Dir;
use wasmtime_wasi::{FsPerms, OpenMode};

use super::fetch::Fetcher;
use crate::config::checked::SecretValue;
use crate::config::values::{Origin, Peer};
use crate::dns::Resolver;
use crate::observe::sinks::Sink;

/// One use's grants.
#[derive(Default)]
pub struct Grants {
    /// Servers that it may ask.
    pub origins: Vec<Origin>,
    /// Secrets that it may know, by name.
    pub secrets: BTreeMap<String, SecretValue>,
    /// Sinks that it may write to, by name.
    pub sinks: BTreeMap<String, Arc<Sink>>,
    /// Kinds of credentials whose fields it may know.
    pub credentials: Vec<String>,
    /// Whom its sockets may reach.
    pub sockets: Arc<[Peer]>,
    /// Folders whose files it may open.
    pub folders: Vec<Folder>,
    /// Who asks the origins; `None`: there are none, or plugins are only checked.
    pub fetcher: Option<Fetcher>,
    /// Who resolves names of peers; `None`: likewise.
    pub resolver: Option<Resolver>,
}

/// A folder that a plugin finds among its own.
pub struct Folder {
    /// Where it is.
    path: PathBuf,
    /// Where the plugin finds it.
    pub(super) at: String,
    /// Whether the plugin may change what is in it.
    write: bool,
    /// The folder itself, whatever takes its place.
    pub(super) opened: Dir,
    /// Its device's number and its own, which tell it from one that has taken its place.
    identity: (u64, u64),
}

impl Folder {
    /// Open the folder at `path`.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub fn open(path: PathBuf, at: String, write: bool) -> io::Result<Self> {
        fs::read_dir(&path)?;
        let folder = File::open(&path)?;
        let metadata = folder.metadata()?;
        let (permissions, mode) = match write {
            true => (FsPerms::ReadWrite, OpenMode::READ | OpenMode::WRITE),
            false => (FsPerms::ReadOnly, OpenMode::READ),
        };
        let opened = Dir::new(folder, permissions, mode, false);
        Ok(Self { path, at, write, opened, identity: (metadata.dev(), metadata.ino()) })
    }
}

impl Grants {
    /// Whether any origin is granted.
    pub fn has_origins(&self) -> bool {
        !self.origins.is_empty()
    }

    /// Whether any secret is granted.
    pub fn has_secrets(&self) -> bool {
        !self.secrets.is_empty()
    }

    /// Whether any sink is granted.
    pub fn has_sinks(&self) -> bool {
        !self.sinks.is_empty()
    }

    /// Whether anything is granted that only wasmtime-wasi has: sockets or files.
    pub(super) fn has_wasi(&self) -> bool {
        !self.sockets.is_empty() || !self.folders.is_empty()
    }

    /// What makes one use's grants differ from another's.
    pub(super) fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        for origin in &self.origins {
            digest.update(origin.to_string().as_bytes());
            digest.update([0]);
        }
        digest.update([1]);
        for (name, secret) in &self.secrets {
            digest.update(name.as_bytes());
            digest.update([0]);
            digest.update(Sha256::digest(secret.reveal()));
        }
        digest.update([2]);
        for (name, sink) in &self.sinks {
            digest.update(name.as_bytes());
            // A sink whose settings have changed is another one, and the plugin has to let go of the old one.
            digest.update((Arc::as_ptr(sink) as usize).to_ne_bytes());
        }
        digest.update([3]);
        for peer in &*self.sockets {
            digest.update(peer.to_string().as_bytes());
            digest.update([0]);
        }
        digest.update([4]);
        for Folder { path, at, write, identity: (device, number), .. } in &self.folders {
            for part in [path.as_os_str().as_encoded_bytes(), at.as_bytes(), &[u8::from(*write)]] {
                digest.update(part);
                digest.update([0]);
            }
            digest.update(device.to_ne_bytes());
            digest.update(number.to_ne_bytes());
        }
        digest.update([5]);
        for kind in &self.credentials {
            digest.update(kind.as_bytes());
            digest.update([0]);
        }
        if let Some(resolver) = &self.resolver {
            // As with sinks: one with other settings is another one.
            digest.update([6]);
            digest.update(resolver.id().to_ne_bytes());
        }
        digest.finalize().into()
    }

    pub(super) fn sink(&self, name: &str) -> Option<&Sink> {
        self.sinks.get(name).map(|sink| &**sink)
    }

    /// Whether it may know what is kept with credentials of this kind.
    pub(super) fn knows(&self, kind: &str) -> bool {
        self.credentials.iter().any(|granted| granted == kind)
    }

    pub(super) fn secret(&self, name: &str) -> Option<&[u8]> {
        self.secrets.get(name).map(SecretValue::reveal)
    }

    /// Who asks `origin`, if that is granted.
    pub(super) fn fetcher(&self, origin: &Origin) -> Option<&Fetcher> {
        self.fetcher.as_ref().filter(|_| self.origins.contains(origin))
    }
}
