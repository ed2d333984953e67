//! What becomes of one value.

use std::borrow::Cow;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::bytes::is_continuation;
use crate::escape;

/// What stands where something was.
pub(crate) const REDACTED: &[u8] = b"***";

/// Digits of a hash that are shown: 64 bits, with which a million values are all different ones.
const HASH_DIGITS: usize = 16;

/// What becomes of a value, with what it takes.
#[derive(Debug, Clone)]
pub(crate) enum Treatment {
    Redact,
    KeepLast(usize),
    Hash(Box<Hmac<Sha256>>),
    Remove,
}

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Plain,
    /// As within the quotes of a JSON string.
    Escaped,
}

/// What hashes are made with.
pub(crate) fn hash_key(key: &[u8]) -> Hmac<Sha256> {
    // HMAC takes keys of every length.
    Hmac::new_from_slice(key).unwrap_or_else(|_| Hmac::new(&Default::default()))
}

impl Treatment {
    /// Write what stands for `value`, in the same form.
    pub(crate) fn write(&self, value: &[u8], form: Form, out: &mut Vec<u8>) {
        match self {
            Self::Remove => {}
            Self::Redact => out.extend_from_slice(REDACTED),
            Self::KeepLast(most) => {
                out.extend_from_slice(REDACTED);
                out.extend_from_slice(last(value, *most, form));
            }
            Self::Hash(key) => {
                let plain = match form {
                    Form::Plain => Cow::Borrowed(value),
                    Form::Escaped => escape::decoded(value),
                };
                let hash = Hmac::clone(key).chain_update(&plain).finalize().into_bytes();
                out.extend_from_slice(b"sha256:");
                let digits = hash.iter().flat_map(|byte| [byte >> 4, byte & 15]).take(HASH_DIGITS);
                out.extend(digits.map(|digit| if digit < 10 { b'0' + digit } else { b'a' - 10 + digit }));
            }
        }
    }
}

/// The last `most` characters, or nothing if that would be more than half of them.
fn last(value: &[u8], most: usize, form: Form) -> &[u8] {
    let mut starts = Vec::with_capacity(value.len().min(4096));
    let mut at = 0;
    while at < value.len() {
        starts.push(at);
        at += match form {
            Form::Escaped => escape::character(value.get(at..).unwrap_or_default()),
            Form::Plain => {
                let rest = value.get(at + 1..).unwrap_or_default();
                1 + rest.iter().take(3).take_while(|byte| is_continuation(**byte)).count()
            }
        };
    }
    if starts.len() < 2 * most {
        return &[];
    }
    starts.get(starts.len() - most).and_then(|at| value.get(*at..)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(treatment: &Treatment, value: &str, form: Form) -> String {
        let mut out = Vec::new();
        treatment.write(value.as_bytes(), form, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_last_characters_stay_of_what_is_twice_as_long() {
        let keep = Treatment::KeepLast(3);
        assert_eq!(written(&keep, "abcdef", Form::Plain), "***def");
        assert_eq!(written(&keep, "abcde", Form::Plain), "***");
        assert_eq!(written(&keep, "abcdéü€", Form::Plain), "***éü€");
        assert_eq!(written(&keep, "", Form::Plain), "***");
    }

    #[test]
    fn an_escape_is_one_character() {
        let keep = Treatment::KeepLast(2);
        assert_eq!(written(&keep, r"abc\u0064\n", Form::Escaped), r"***\u0064\n");
        assert_eq!(written(&keep, r"abc\ud83d\ude00x", Form::Escaped), r"***\ud83d\ude00x");
        assert_eq!(written(&keep, r#"a\"\\"#, Form::Escaped), "***");
        assert_eq!(written(&keep, r#"ab\"\\"#, Form::Escaped), r#"***\"\\"#);
    }

    #[test]
    fn a_hash_is_that_of_what_is_meant_however_it_is_written() {
        let hash = Treatment::Hash(Box::new(hash_key(b"key")));
        // printf abc | openssl dgst -sha256 -hmac key
        assert_eq!(written(&hash, "abc", Form::Plain), "sha256:9c196e32dc0175f8");
        assert_eq!(written(&hash, r"a\u0062c", Form::Escaped), written(&hash, "abc", Form::Plain));
        let other = Treatment::Hash(Box::new(hash_key(b"other")));
        assert_ne!(written(&other, "abc", Form::Plain), written(&hash, "abc", Form::Plain));
    }
}
