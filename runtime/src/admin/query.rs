//! Queries of the admin API.

use crate::limits;
use crate::observe::failures::Query;

/// Items of a list, unless the query says otherwise (Kong's default).
const SIZE: usize = 100;

/// `code=…&service=…&size=…`, each of them optional; what else there is does not count.
///
/// # Errors
/// What is wrong with it, in words for the client.
pub(super) fn failures(query: &str) -> Result<Query, String> {
    let mut asked = Query { size: SIZE, ..Query::default() };
    for pair in query.split('&') {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        match key {
            "code" => asked.code = Some(decoded(value)?),
            "service" => asked.service = Some(decoded(value)?),
            "size" => asked.size = size(value)?,
            _ => {}
        }
    }
    Ok(asked)
}

fn size(value: &str) -> Result<usize, String> {
    let size = value.parse().ok().filter(|size| (1..=limits::FAILURES_KEPT).contains(size));
    size.ok_or_else(|| format!("size must be an integer between 1 and {}", limits::FAILURES_KEPT))
}

/// As forms encode text.
fn decoded(value: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => (hexadecimal(rest.next())? << 4) | hexadecimal(rest.next())?,
            _ => byte,
        });
    }
    String::from_utf8(bytes).map_err(|_| "the query is not UTF-8".to_owned())
}

fn hexadecimal(digit: Option<u8>) -> Result<u8, String> {
    let value = digit.and_then(|digit| char::from(digit).to_digit(16)).and_then(|value| u8::try_from(value).ok());
    value.ok_or_else(|| "a % that is not followed by two hexadecimal digits".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_decoded_or_refused() {
        assert_eq!(failures("").unwrap(), Query { size: 100, ..Query::default() });
        let asked = failures("size=7&code=upstream_dns_failed&service=a%26b+c%C3%A9&x=%zz").unwrap();
        assert_eq!((asked.size, asked.code.as_deref()), (7, Some("upstream_dns_failed")));
        assert_eq!(asked.service.as_deref(), Some("a&b cé"));
        for wrong in ["size=0", "size=1001", "size=", "size=-1", "code=%f", "code=%", "service=%ff"] {
            assert!(failures(wrong).is_err(), "{wrong}");
        }
    }
}
