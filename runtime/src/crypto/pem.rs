//! The one section of a PEM text (RFC 7468) that holds a key or certificate.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::KeyError;

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// Label and content of the first section. What follows, as the rest of a certificate's chain, is not looked at.
pub(super) fn section(text: &str) -> Result<(&str, Vec<u8>), KeyError> {
    let (_, rest) = text.split_once(BEGIN).ok_or(KeyError::Pem)?;
    let (label, rest) = rest.split_once(DASHES).ok_or(KeyError::Pem)?;
    let (encoded, rest) = rest.split_once(END).ok_or(KeyError::Pem)?;
    let end = rest.split_once(DASHES).ok_or(KeyError::Pem)?.0;
    if end != label || label.contains(['\r', '\n']) {
        return Err(KeyError::Pem);
    }
    let encoded: String = encoded.split_ascii_whitespace().collect();
    let content = STANDARD.decode(encoded).map_err(|_| KeyError::Pem)?;
    Ok((label, content))
}

/// Whether there may be a section in it.
pub(super) fn is_pem(bytes: &[u8]) -> bool {
    bytes.windows(BEGIN.len()).any(|window| window == BEGIN.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_found_whatever_is_around_it() {
        let text = "subject: me\r\n-----BEGIN PUBLIC KEY-----\r\nYWJj\r\n ZGVm\r\n-----END PUBLIC KEY-----\nmore";
        assert_eq!(section(text), Ok(("PUBLIC KEY", b"abcdef".to_vec())));
    }

    #[test]
    fn what_is_damaged_is_refused() {
        for text in [
            "",
            "-----BEGIN ",
            "-----BEGIN A-----",
            "-----BEGIN A-----\nYWJj\n-----END B-----",
            "-----BEGIN A-----\nYWJj\n-----END A",
            "-----BEGIN A-----\nYW*j\n-----END A-----",
            "-----BEGIN A-----\nYWJ\n-----END A-----",
            "-----BEGIN A\nB-----\nYWJj\n-----END A\nB-----",
        ] {
            assert_eq!(section(text), Err(KeyError::Pem), "{text}");
        }
    }
}
