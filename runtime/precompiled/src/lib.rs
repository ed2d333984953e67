//! Compiled components on disk: a gateway that starts again does not compile again. An entry is found by what was
//! compiled, by what compiled it and for which machine; what is not exactly as it was written is compiled anew.
//!
//! Loading compiled code is the one thing in the gateway that Rust cannot vouch for. It is in this crate, with the reason
//! why it is sound, and nothing else is.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest, Sha256};
use thiserror::Error;
use wasmtime::Engine;
use wasmtime::component::Component;

/// A folder of compiled components. Everything that is wrong with one of them is as if it were not there.
#[derive(Debug)]
pub struct Cache {
    folder: PathBuf,
    most_bytes: u64,
}

/// Why a folder is none for compiled code.
#[derive(Debug, Error)]
pub enum Unusable {
    /// It is not there and cannot be made, or it cannot be looked at.
    #[error("{0}: {1}")]
    Io(PathBuf, io::Error),
    /// Whoever else can write there could have us run anything.
    #[error("{0} must belong to the user that the gateway runs as, and nobody else may be able to write to it")]
    NotOurs(PathBuf),
}

/// How an entry's name ends.
const EXTENSION: &str = "compiled";
/// A SHA-256.
const DIGEST_BYTES: usize = 32;
/// The largest entry that is read; a plugin of 64 MiB, which is the largest, makes less.
const ENTRY_BYTES: u64 = 1 << 30;

impl Cache {
    /// The cache in `folder`, which is made if it is not there. All entries together keep below `most_bytes`; those that
    /// were not used for the longest time go first.
    ///
    /// # Errors
    /// Whatever [`Unusable`] names.
    pub fn open(folder: &Path, most_bytes: u64) -> Result<Self, Unusable> {
        let failed = |error| Unusable::Io(folder.to_owned(), error);
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        let metadata = fs::metadata(folder).map_err(failed)?;
        if !metadata.is_dir() || !is_ours(&metadata) {
            return Err(Unusable::NotOurs(folder.to_owned()));
        }
        Ok(Self { folder: folder.to_owned(), most_bytes })
    }

    /// `wasm` as `engine` has compiled it before; `None` if it has not, or what is left of that is not what it was.
    pub fn load(&self, engine: &Engine, wasm: &[u8]) -> Option<Component> {
        let path = self.entry(engine, wasm);
        let file = File::open(&path).ok()?;
        let metadata = file.metadata().ok()?;
        if !metadata.is_file() || !is_ours(&metadata) || metadata.len() > ENTRY_BYTES {
            return None;
        }
        // The oldest go first, so it is young again; if that cannot be said, it goes sooner.
        let _ = file.set_modified(SystemTime::now());
        let mut entry = Vec::new();
        (&file).take(ENTRY_BYTES).read_to_end(&mut entry).ok()?;
        let (digest, compiled) = entry.split_at_checked(DIGEST_BYTES)?;
        if Sha256::digest(compiled).as_slice() != digest {
            let _ = fs::remove_file(&path);
            return None;
        }
        // SAFETY: `Component::deserialize` must be given what `Component::serialize` has made. `compiled` is that: its
        // digest is the one that `keep` wrote in front of it, over all of its bytes, so it is neither cut nor changed
        // by accident; and nobody else can have put a file with a digest of their own here, since file and folder
        // belong to the user we run as and only that user can write to them (looked at on the open file, so that it
        // cannot be another one by now). Whoever acts as that user can replace this program as well. An artifact of
        // another version of wasmtime, of other settings or for other processors has another name, and wasmtime
        // refuses it besides.
        #[expect(unsafe_code, reason = "compiled code has to be believed; see above")]
        unsafe { Component::deserialize(engine, compiled) }.ok()
    }

    /// Keep `component`, which `engine` has made of `wasm`, for the next time.
    ///
    /// # Errors
    /// It could not be written; the cache is as it was.
    pub fn keep(&self, engine: &Engine, wasm: &[u8], component: &Component) -> io::Result<()> {
        let compiled = component.serialize().map_err(|error| io::Error::other(error.to_string()))?;
        let path = self.entry(engine, wasm);
        // Whole or not at all, whoever else writes the same meanwhile.
        let partial = path.with_extension(format!("{}.partial", std::process::id()));
        let written = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial).and_then(
            |mut file| {
                file.write_all(&Sha256::digest(&compiled))?;
                file.write_all(&compiled)
            },
        );
        let kept = written.and_then(|()| fs::rename(&partial, &path));
        if kept.is_err() {
            let _ = fs::remove_file(&partial);
        }
        self.make_room(&path);
        kept
    }

    /// Where `wasm` is kept, compiled by `engine`: by the version of wasmtime, its settings and the processor's features.
    fn entry(&self, engine: &Engine, wasm: &[u8]) -> PathBuf {
        let mut key = Key(Sha256::new());
        engine.precompile_compatibility_hash().hash(&mut key);
        key.0.update(Sha256::digest(wasm));
        let name: String = key.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        self.folder.join(name).with_extension(EXTENSION)
    }

    /// Remove the oldest entries until the rest is small enough; `newest` stays in any case.
    fn make_room(&self, newest: &Path) {
        let Ok(listing) = fs::read_dir(&self.folder) else { return };
        let mut entries: Vec<_> = listing
            .filter_map(|entry| {
                let path = entry.ok()?.path();
                let metadata = fs::symlink_metadata(&path).ok()?;
                let ours = path.extension().is_some_and(|extension| extension == EXTENSION);
                ours.then(|| (metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH), metadata.len(), path))
            })
            .collect();
        entries.sort();
        let mut bytes: u64 = entries.iter().map(|(_, length, _)| length).sum();
        for (_, length, path) in entries {
            if bytes <= self.most_bytes {
                break;
            }
            if path != newest && fs::remove_file(&path).is_ok() {
                bytes -= length;
            }
        }
    }
}

/// Whether only the user we run as can write to it.
fn is_ours(metadata: &Metadata) -> bool {
    metadata.uid() == rustix::process::geteuid().as_raw() && metadata.mode() & 0o022 == 0
}

/// A hash of which no two are alike, which std's are not made for.
struct Key(Sha256);

impl Hasher for Key {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let digest = self.0.clone().finalize();
        digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn component(engine: &Engine, name: &str) -> (Vec<u8>, Component) {
        let wasm = wat::parse_str(format!("(component (core module ${name}))")).unwrap();
        let compiled = Component::new(engine, &wasm).unwrap();
        (wasm, compiled)
    }

    #[test]
    fn what_was_kept_is_found_by_what_was_compiled_and_how() {
        let (folder, engine) = (tempfile::tempdir().unwrap(), Engine::default());
        let cache = Cache::open(&folder.path().join("a/b"), 1 << 20).unwrap();
        let ((one, compiled), (other, _)) = (component(&engine, "one"), component(&engine, "other"));
        assert!(cache.load(&engine, &one).is_none());
        cache.keep(&engine, &one, &compiled).unwrap();
        assert!(cache.load(&engine, &one).is_some());
        assert!(cache.load(&engine, &other).is_none());
        let mut settings = wasmtime::Config::new();
        let otherwise = Engine::new(settings.epoch_interruption(true)).unwrap();
        assert!(cache.load(&otherwise, &one).is_none());
    }

    #[test]
    fn what_is_not_as_it_was_is_not_loaded() {
        let (folder, engine) = (tempfile::tempdir().unwrap(), Engine::default());
        let cache = Cache::open(folder.path(), 1 << 20).unwrap();
        let (wasm, compiled) = component(&engine, "one");
        cache.keep(&engine, &wasm, &compiled).unwrap();
        let path = cache.entry(&engine, &wasm);
        let whole = fs::read(&path).unwrap();
        let changed = |at: usize| {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            bytes
        };
        let broken =
            [vec![], whole[..20].to_vec(), whole[..whole.len() - 1].to_vec(), changed(0), changed(whole.len() / 2)];
        for bytes in broken {
            fs::write(&path, bytes).unwrap();
            assert!(cache.load(&engine, &wasm).is_none());
        }
        // Another user could have written it, digest and all.
        fs::write(&path, &whole).unwrap();
        assert!(cache.load(&engine, &wasm).is_some());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o660)).unwrap();
        assert!(cache.load(&engine, &wasm).is_none());
    }

    #[test]
    fn a_folder_that_others_can_write_to_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let error = Cache::open(folder.path(), 1).unwrap_err();
        assert!(matches!(error, Unusable::NotOurs(_)), "{error}");
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(matches!(Cache::open(&file, 1), Err(Unusable::Io(..))));
    }

    #[test]
    fn the_oldest_make_room() {
        let (folder, engine) = (tempfile::tempdir().unwrap(), Engine::default());
        let cache = |most| Cache::open(folder.path(), most).unwrap();
        let kept: Vec<_> = ["a", "b", "c"].iter().map(|name| component(&engine, name)).collect();
        let now = SystemTime::now();
        for (age, (wasm, compiled)) in kept.iter().enumerate().take(2) {
            cache(1 << 20).keep(&engine, wasm, compiled).unwrap();
            let entry = File::open(cache(0).entry(&engine, wasm)).unwrap();
            entry.set_modified(now - std::time::Duration::from_secs(100 - 10 * age as u64)).unwrap();
        }
        let each = fs::metadata(cache(0).entry(&engine, &kept[0].0)).unwrap().len();
        // Used a moment ago, it is the younger one.
        assert!(cache(0).load(&engine, &kept[0].0).is_some());
        cache(2 * each + each / 2).keep(&engine, &kept[2].0, &kept[2].1).unwrap();
        let there: Vec<_> = kept.iter().map(|(wasm, _)| cache(0).load(&engine, wasm).is_some()).collect();
        assert_eq!(there, [true, false, true]);
    }
}
