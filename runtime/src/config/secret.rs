//! A secret in gateway.toml: itself, or where it is. What is compared leaves this file as a digest, what is sent as text.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use sha2::{Digest, Sha256};

use super::file;
use crate::limits;

/// How gateway.toml gives a secret. Not `Debug`: it must not reach a log.
pub(crate) enum Secret {
    Plain(String),
    /// `env:NAME`, read when the configuration is loaded.
    Environment(String),
    /// `file:PATH`, without the newline at its end; watched.
    File(PathBuf),
    /// `sha256:HEX`: only the digest is known.
    Digest([u8; 32]),
}

impl FromStr for Secret {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("env", name)) => Ok(Self::Environment(name.to_owned())),
            Some(("file", path)) => Ok(Self::File(path.into())),
            Some(("sha256", hex)) => digest_from_hex(hex)
                .map(Self::Digest)
                .ok_or_else(|| "`sha256:` is followed by 64 hexadecimal digits".to_owned()),
            Some((scheme, _)) if ["env", "file", "sha256"].contains(&&*scheme.to_ascii_lowercase()) => {
                Err(format!("`{scheme}:` is written in lower case"))
            }
            _ if text.trim().is_empty() => Err("a secret cannot be empty".to_owned()),
            _ => Ok(Self::Plain(text.to_owned())),
        }
    }
}

impl Secret {
    /// The file to watch, if the secret is in one.
    pub(super) fn file(&self, folder: &Path) -> Option<PathBuf> {
        match self {
            Self::File(path) => Some(folder.join(path)),
            _ => None,
        }
    }

    /// SHA-256 of the secret; the error says what is missing, not what was found.
    pub(super) fn digest(&self, folder: &Path) -> Result<[u8; 32], String> {
        match self {
            Self::Digest(digest) => Ok(*digest),
            secret => Ok(Sha256::digest(secret.reveal(folder)?).into()),
        }
    }

    /// The secret itself, likewise.
    pub(crate) fn reveal(&self, folder: &Path) -> Result<String, String> {
        let text = match self {
            Self::Plain(text) => text.clone(),
            Self::Digest(_) => return Err("the secret itself is needed here, not its digest".to_owned()),
            Self::Environment(name) => match std::env::var(name) {
                Ok(text) => text,
                Err(std::env::VarError::NotPresent) => {
                    return Err(format!("the environment variable `{name}` is not set"));
                }
                Err(std::env::VarError::NotUnicode(_)) => {
                    return Err(format!("the environment variable `{name}` is not UTF-8"));
                }
            },
            Self::File(path) => {
                let path = folder.join(path);
                let bytes = file::read(&path, limits::SECRET_BYTES)
                    .map_err(|problem| format!("{} {problem}", path.display()))?;
                let text = str::from_utf8(&bytes).map_err(|_| format!("{} is not UTF-8", path.display()))?;
                text.trim_end_matches(['\r', '\n']).to_owned()
            }
        };
        if text.is_empty() { Err("a secret cannot be empty".to_owned()) } else { Ok(text) }
    }
}

fn digest_from_hex(hex: &str) -> Option<[u8; 32]> {
    if hex.len() != 64 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let mut digest = [0; 32];
    for (byte, pair) in digest.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(digest)
}
