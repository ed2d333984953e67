//! Passwords against what is kept of them: Argon2 in PHC's form, and bcrypt. Both are slow on purpose, so a few threads
//! do it (`password/pool.rs`), and what would take too much memory or time is refused before it begins.

mod pool;
mod recent;

use argon2::{Algorithm as Variant, Argon2, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

pub use self::pool::{Passwords, Verification};
pub use self::recent::{Known, Recent};

use super::equal;
use crate::limits;

/// Whether a password is the right one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is.
    Match,
    /// It is not.
    Mismatch,
}

/// Why a password could not be verified. Neither it nor its hash is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// What is kept is no hash of a known kind.
    #[error("this is no hash of a password: argon2id, argon2i and bcrypt ($2a$, $2b$, $2y$) are known")]
    Form,
    /// To verify it would take more than is sane.
    #[error("this hash takes too much to verify: {0}")]
    TooCostly(String),
    /// Above [`limits::PASSWORD_BYTES`].
    #[error("a password has up to {most} bytes, not {0}", most = limits::PASSWORD_BYTES)]
    TooLong(usize),
    /// Too many others wait already.
    #[error("too many passwords are being verified")]
    Busy,
}

/// See whether `password` is the one of `stored`, here and now: it blocks the thread for up to a second or so.
///
/// bcrypt hears the first 72 bytes of a password only, as everywhere.
///
/// # Errors
/// What is kept is no hash that can be verified, or the password is too long.
pub fn verify(stored: &str, password: &[u8]) -> Result<Verdict, PasswordError> {
    check_password(password)?;
    Stored::parse(stored)?.verify(password)
}

/// What to keep of a new password: Argon2id, as OWASP advises. It blocks the thread for some ten milliseconds.
///
/// # Errors
/// The password is too long.
pub fn hash(password: &[u8]) -> Result<String, PasswordError> {
    const MEMORY_KIB: u32 = 19_456;
    const PASSES: u32 = 2;
    check_password(password)?;
    let mut salt = [0; 16];
    let mut output = [0; 32];
    let params = Params::new(MEMORY_KIB, PASSES, 1, Some(output.len())).map_err(|_| PasswordError::Form)?;
    // Without randomness from the system there is no keeping of passwords.
    getrandom::fill(&mut salt).map_err(|_| PasswordError::Busy)?;
    let argon2 = Argon2::new(Variant::Argon2id, Version::V0x13, params);
    argon2.hash_password_into(password, &salt, &mut output).map_err(|_| PasswordError::Form)?;
    let [salt, output] = [salt.as_slice(), output.as_slice()].map(|bytes| STANDARD_NO_PAD.encode(bytes));
    Ok(format!("$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p=1${salt}${output}"))
}

/// Whether `text` is what is kept of a password already.
pub fn is_hash(text: &str) -> bool {
    Stored::parse(text).is_ok()
}

fn check_password(password: &[u8]) -> Result<(), PasswordError> {
    if password.len() > limits::PASSWORD_BYTES { Err(PasswordError::TooLong(password.len())) } else { Ok(()) }
}

/// What is kept of a password, within bounds.
enum Stored {
    Argon2 {
        variant: Variant,
        version: Version,
        params: Params,
        salt: Vec<u8>,
        output: Vec<u8>,
    },
    /// As text, which the crate parses again.
    Bcrypt(String),
}

impl Stored {
    fn parse(text: &str) -> Result<Self, PasswordError> {
        if text.len() > limits::PASSWORD_HASH_BYTES {
            return Err(PasswordError::Form);
        }
        let (kind, rest) = text.strip_prefix('$').and_then(|text| text.split_once('$')).ok_or(PasswordError::Form)?;
        match kind {
            "argon2id" => argon2(Variant::Argon2id, rest),
            "argon2i" => argon2(Variant::Argon2i, rest),
            "2a" | "2b" | "2y" => bcrypt(text),
            _ => Err(PasswordError::Form),
        }
    }

    fn verify(&self, password: &[u8]) -> Result<Verdict, PasswordError> {
        let matches = match self {
            Self::Argon2 { variant, version, params, salt, output } => {
                let mut found = vec![0; output.len()];
                let argon2 = Argon2::new(*variant, *version, params.clone());
                argon2.hash_password_into(password, salt, &mut found).map_err(|_| PasswordError::Form)?;
                equal(&found, output)
            }
            Self::Bcrypt(text) => bcrypt::verify(password, text).map_err(|_| PasswordError::Form)?,
        };
        Ok(if matches { Verdict::Match } else { Verdict::Mismatch })
    }
}

/// `[v=VERSION$]m=MEMORY,t=PASSES,p=LANES$SALT$OUTPUT`, as the reference program writes it; without a version it is the
/// older one.
fn argon2(variant: Variant, text: &str) -> Result<Stored, PasswordError> {
    let (version, text) = match text.strip_prefix("v=").and_then(|text| text.split_once('$')) {
        Some(("19", rest)) => (Version::V0x13, rest),
        Some(("16", rest)) => (Version::V0x10, rest),
        Some(_) => return Err(PasswordError::Form),
        None => (Version::V0x10, text),
    };
    let parts: Vec<&str> = text.split('$').collect();
    let &[costs, salt, output] = parts.as_slice() else { return Err(PasswordError::Form) };
    let costs: Vec<&str> = costs.split(',').collect();
    let &[memory, passes, lanes] = costs.as_slice() else { return Err(PasswordError::Form) };
    let (memory, passes, lanes) = (number("m=", memory)?, number("t=", passes)?, number("p=", lanes)?);
    let (salt, output) = (field(salt)?, field(output)?);
    let refuse = |what: String| Err(PasswordError::TooCostly(what));
    if memory > limits::ARGON2_MEMORY_KIB {
        return refuse(format!("{memory} KiB of memory, of {}", limits::ARGON2_MEMORY_KIB));
    }
    let work = u64::from(memory) * u64::from(passes);
    if work > limits::ARGON2_WORK_KIB {
        return refuse(format!("{passes} passes over {memory} KiB, of {} KiB in all", limits::ARGON2_WORK_KIB));
    }
    if lanes > limits::ARGON2_LANES {
        return refuse(format!("{lanes} lanes, of {}", limits::ARGON2_LANES));
    }
    let params = Params::new(memory, passes, lanes, Some(output.len())).map_err(|_| PasswordError::Form)?;
    Ok(Stored::Argon2 { variant, version, params, salt, output })
}

fn number(name: &str, text: &str) -> Result<u32, PasswordError> {
    let digits = text.strip_prefix(name).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    digits.and_then(|digits| digits.parse().ok()).ok_or(PasswordError::Form)
}

fn field(text: &str) -> Result<Vec<u8>, PasswordError> {
    let bytes = STANDARD_NO_PAD.decode(text).map_err(|_| PasswordError::Form)?;
    if bytes.len() > limits::ARGON2_FIELD_BYTES { Err(PasswordError::Form) } else { Ok(bytes) }
}

fn bcrypt(text: &str) -> Result<Stored, PasswordError> {
    let parts: bcrypt::HashParts = text.parse().map_err(|_| PasswordError::Form)?;
    if parts.get_cost() > limits::BCRYPT_COST {
        return Err(PasswordError::TooCostly(format!(
            "bcrypt's cost {}, of {}",
            parts.get_cost(),
            limits::BCRYPT_COST
        )));
    }
    Ok(Stored::Bcrypt(text.to_owned()))
}

#[cfg(test)]
mod tests;
