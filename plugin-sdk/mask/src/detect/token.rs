//! Tokens: JWTs (RFC 7519) and what follows `Bearer` (RFC 6750, section 2.1).

/// How the first part of a JWT begins: `{"` in base64url.
const JWT: &[u8] = b"eyJ";
/// Fewest characters after that: `{"alg":1}` has 9.
const JWT_BYTES: usize = 8;
const BEARER: &[u8] = b"bearer";

/// The token that the byte at `at` is part of the beginning of: the `J` of `eyJ`, the `B` of `Bearer`.
pub(super) fn find(text: &[u8], from: usize, at: usize) -> Option<(usize, usize)> {
    let length =
        |start: usize| text.get(start..).map(|rest| rest.iter().take_while(|byte| goes_on_with(**byte)).count());
    if text.get(at) == Some(&b'J') {
        let start = at.checked_sub(2).filter(|start| *start >= from)?;
        if !text.get(start..)?.starts_with(JWT) {
            return None;
        }
        return length(start).filter(|length| *length >= JWT.len() + JWT_BYTES).map(|length| (start, start + length));
    }
    let spaced = at + BEARER.len();
    let is_amid = at.checked_sub(1).and_then(|before| text.get(before)).is_some_and(u8::is_ascii_alphanumeric);
    if is_amid || !text.get(at..spaced)?.eq_ignore_ascii_case(BEARER) {
        return None;
    }
    let spaces = text.get(spaced..)?.iter().take(SPACES).take_while(|byte| **byte == b' ').count();
    let start = spaced + spaces;
    length(start).filter(|length| spaces > 0 && *length > 0).map(|length| (start, start + length))
}

/// One is what is right.
const SPACES: usize = 8;

/// Whether this byte belongs to a token that has begun.
pub(crate) fn goes_on_with(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, trigger: char) -> Option<&str> {
        find(text.as_bytes(), 0, text.find(trigger).unwrap()).map(|(start, end)| &text[start..end])
    }

    #[test]
    fn tokens_are_found() {
        assert_eq!(found("Bearer mF_9.B5f-4.1JqM==,", 'B'), Some("mF_9.B5f-4.1JqM=="));
        assert_eq!(found("authorization: bearer   x", 'b'), Some("x"));
        assert_eq!(
            found("jwt=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln;", 'J'),
            Some("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln")
        );
    }

    #[test]
    fn other_words_are_not() {
        assert_eq!(found("Bearer", 'B'), None);
        assert_eq!(found("Bearers x", 'B'), None);
        assert_eq!(found("aBearer x", 'B'), None);
        assert_eq!(found("eyJump", 'J'), None);
        assert_eq!(found("Jack", 'J'), None);
    }
}
