//! Parameters in a query, as forms write them: `name=value` pairs joined by `&`, percent-encoded, with
//! `+` for a space (the WHATWG's URL standard, section 5.1).

use std::borrow::Cow;

/// The decoded values of the parameters of this name, in order.
pub(crate) fn values(query: &str, name: &str) -> impl Iterator<Item = String> {
    pairs(query).filter(move |pair| is_named(pair, name)).map(|pair| {
        let (_, value) = pair.split_once('=').unwrap_or((pair, ""));
        decode(value).into_owned()
    })
}

/// The query without the parameters of this name, the others untouched; `None` if none are left.
pub(crate) fn without(query: &str, name: &str) -> Option<String> {
    let kept: Vec<&str> = pairs(query).filter(|pair| !is_named(pair, name)).collect();
    (!kept.is_empty()).then(|| kept.join("&"))
}

fn pairs(query: &str) -> impl Iterator<Item = &str> {
    query.split('&').filter(|pair| !pair.is_empty())
}

fn is_named(pair: &str, name: &str) -> bool {
    let (raw, _) = pair.split_once('=').unwrap_or((pair, ""));
    decode(raw) == name
}

/// What is no UTF-8 after decoding is replaced by U+FFFD; a `%` without two digits stands for itself.
fn decode(raw: &str) -> Cow<'_, str> {
    if !raw.bytes().any(|byte| matches!(byte, b'%' | b'+')) {
        return Cow::Borrowed(raw);
    }
    let mut decoded = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let [byte, others @ ..] = rest {
        rest = others;
        decoded.push(match (byte, others) {
            (b'+', _) => b' ',
            (b'%', [high, low, after @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    rest = after;
                    high << 4 | low
                }
                _ => b'%',
            },
            (byte, _) => *byte,
        });
    }
    Cow::Owned(String::from_utf8_lossy(&decoded).into_owned())
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(query: &str, name: &str) -> Option<String> {
        values(query, name).next()
    }

    #[test]
    fn values_are_decoded() {
        assert_eq!(first("a=1&b=two+words%21&c", "b").as_deref(), Some("two words!"));
        assert_eq!(first("a=1&c", "c").as_deref(), Some(""));
        assert_eq!(first("a%20b=1", "a b").as_deref(), Some("1"));
        assert_eq!(first("a=%c3%bc%2", "a").as_deref(), Some("ü%2"));
        assert_eq!(first("a=%zz%ff%", "a").as_deref(), Some("%zz\u{fffd}%"));
        assert_eq!(first("a=b=c", "a").as_deref(), Some("b=c"));
        assert_eq!(first("", ""), None);
    }

    #[test]
    fn removing_leaves_the_rest_as_it_is() {
        assert_eq!(without("a=%7e&key=1&b=+&ke%79=2&c", "key").as_deref(), Some("a=%7e&b=+&c"));
        assert_eq!(without("key=1", "key"), None);
        assert_eq!(without("Key=1", "key").as_deref(), Some("Key=1"));
    }
}
