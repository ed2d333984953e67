//! E-mail addresses: RFC 5321, section 4.1.2, without quotes and address literals.

/// Longest local part and longest domain (section 4.5.3.1).
const LOCAL_BYTES: usize = 64;
const DOMAIN_BYTES: usize = 255;

/// The address whose `@` is at `at`.
pub(super) fn find(text: &[u8], from: usize, at: usize) -> Option<(usize, usize)> {
    let before = text.get(from..at)?;
    let local = before.iter().rev().take(LOCAL_BYTES).take_while(|byte| is_local(**byte)).count();
    if local == 0 {
        return None;
    }
    let after = text.get(at + 1..)?;
    let reach = after.iter().take(DOMAIN_BYTES).take_while(|byte| is_domain(**byte)).count();
    // A sentence may end right behind the address.
    let mut domain = after.get(..reach)?;
    while let [rest @ .., b'.' | b'-'] = domain {
        domain = rest;
    }
    let top = domain.iter().rposition(|byte| *byte == b'.')?;
    (top > 0 && domain.len() - top > 2).then_some((at - local, at + 1 + domain.len()))
}

/// What a local part is made of, but for what separates one from what is before it in forms, paths and code.
fn is_local(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b".!#$%'*+-^_~".contains(&byte) || !byte.is_ascii()
}

fn is_domain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-') || !byte.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<&str> {
        find(text.as_bytes(), 0, text.find('@').unwrap()).map(|(start, end)| &text[start..end])
    }

    #[test]
    fn addresses_are_found() {
        assert_eq!(found("<alice+news@mail.example.com>"), Some("alice+news@mail.example.com"));
        assert_eq!(found("to=o'neil_1@example.co.uk."), Some("o'neil_1@example.co.uk"));
        assert_eq!(found("müller@bücher.example"), Some("müller@bücher.example"));
        assert_eq!(found(&format!("{}@example.com", "a".repeat(70))).map(str::len), Some(64 + 12));
    }

    #[test]
    fn other_words_are_not() {
        for text in ["@example.com", "alice@", "alice@localhost", "alice@.com", "a = b @ c.d", "alice@example.c"] {
            assert_eq!(found(text), None, "{text}");
        }
        assert_eq!(find(b"alice@example.com", 5, 5), None);
    }
}
