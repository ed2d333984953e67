//! Parameters in a query or in the body of a form: `name=value` pairs joined by `&`, percent-encoded, with
//! `+` for a space (the WHATWG's URL standard, section 5.1).

use std::borrow::Cow;
use std::fmt::{self, Write};

/// The parameters of a query, or of a form's body (`application/x-www-form-urlencoded`). Names are told apart by case.
/// What is not edited stays as the client wrote it, byte by byte.
///
/// ```
/// # use tidegate_sdk::{prelude::*, query::Params, testing::{Exchange, Hook, Outcome}};
/// let first_page = Hook(|request: &mut Request| {
///     let query = request.query().unwrap_or_default();
///     let mut params = Params::of(&query);
///     params.add("page", "1");
///     params.rename("q", "search");
///     request.set_query(params.to_query().as_deref());
///     Flow::Next
/// });
/// let mut exchange = Exchange::get("/?sort=%6eame&q=two+words&");
/// assert_eq!(exchange.request(&first_page), Outcome::Next);
/// assert_eq!(exchange.upstream_query(), Some("sort=%6eame&search=two+words&&page=1"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Params<'q>(Vec<Cow<'q, str>>);

impl<'q> Params<'q> {
    /// Those of this query or body.
    ///
    /// ```
    /// # use tidegate_sdk::query::Params;
    /// assert_eq!(Params::of("a=1&b").all("b"), [""]);
    /// ```
    pub fn of(query: &'q str) -> Self {
        // Of nothing there is no pair, not an empty one.
        Self(if query.is_empty() { Vec::new() } else { query.split('&').map(Cow::Borrowed).collect() })
    }

    /// The values of the parameters of this name, decoded, in order.
    ///
    /// ```
    /// # use tidegate_sdk::query::Params;
    /// assert_eq!(Params::of("id=7&x=1&id=%38&id").all("id"), ["7", "8", ""]);
    /// ```
    pub fn all(&self, name: &str) -> Vec<String> {
        self.0.iter().filter(|pair| is_named(pair, name)).map(|pair| value(pair)).collect()
    }

    /// Whether there is a parameter of this name.
    ///
    /// ```
    /// # use tidegate_sdk::query::Params;
    /// let params = Params::of("a=1&%62");
    /// assert!(params.contains("b") && !params.contains("A"));
    /// ```
    pub fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|pair| is_named(pair, name))
    }

    /// Removes all parameters of this name.
    ///
    /// ```
    /// # use tidegate_sdk::query::Params;
    /// let mut params = Params::of("a=%7e&key=1&b=+&ke%79=2&c");
    /// params.remove("key");
    /// assert_eq!(params.to_string(), "a=%7e&b=+&c");
    /// ```
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|pair| !is_named(pair, name));
    }

    /// Gives all parameters of one name another one, in place of those that have it already; does nothing where there
    /// are none. Their values stay as they are written.
    ///
    /// ```
    /// # use tidegate_sdk::query::Params;
    /// let mut params = Params::of("q=a+b&search=old&q");
    /// params.rename("q", "search");
    /// assert_eq!(params.to_string(), "search=a+b&search");
    /// params.rename("nothing", "search");
    /// assert_eq!(params.to_string(), "search=a+b&search");
    /// ```
    pub fn rename(&mut self, old: &str, new: &str) {
        if old == new || !self.contains(old) {
            return;
        }
        self.remove(new);
        let new = encode(new.as_bytes());
        for pair in self.0.iter_mut().filter(|pair| is_named(pair, old)) {
            *pair = Cow::Owned(match pair.split_once('=') {
                Some((_, value)) => [&new, "=", value].concat(),
                None => new.clone(),
            });
        }
    }

    /// Replaces all parameters of this name by one, where the first of them is; does nothing where there are none.
    ///
    /// ```
    /// # use tidegate_sdk::query::Params;
    /// let mut params = Params::of("a=1&b=2&a=3");
    /// params.replace("a", "x&y");
    /// params.replace("c", "4");
    /// assert_eq!(params.to_string(), "a=x%26y&b=2");
    /// ```
    pub fn replace(&mut self, name: &str, value: impl AsRef<[u8]>) {
        let Some(first) = self.0.iter().position(|pair| is_named(pair, name)) else { return };
        let mut place = 0;
        self.0.retain(|pair| {
            place += 1;
            place <= first + 1 || !is_named(pair, name)
        });
        if let Some(pair) = self.0.get_mut(first) {
            *pair = Cow::Owned(written(name, value.as_ref()));
        }
    }

    /// Adds a parameter, but only where there is none of this name.
    ///
    /// ```
    /// # use tidegate_sdk::query::Params;
    /// let mut params = Params::of("a=1");
    /// params.add("a", "2");
    /// params.add("b", "3");
    /// assert_eq!(params.to_string(), "a=1&b=3");
    /// ```
    pub fn add(&mut self, name: &str, value: impl AsRef<[u8]>) {
        if !self.contains(name) {
            self.append(name, value);
        }
    }

    /// Adds a parameter beside those of the same name.
    ///
    /// ```
    /// # use tidegate_sdk::query::Params;
    /// let mut params = Params::of("a=1");
    /// params.append("a", "two words");
    /// assert_eq!(params.to_string(), "a=1&a=two%20words");
    /// ```
    pub fn append(&mut self, name: &str, value: impl AsRef<[u8]>) {
        self.0.push(Cow::Owned(written(name, value.as_ref())));
    }

    /// For [`Request::set_query`](crate::Request::set_query): `None` if there is no parameter.
    ///
    /// ```
    /// # use tidegate_sdk::query::Params;
    /// let mut params = Params::of("key=1");
    /// assert_eq!(params.to_query().as_deref(), Some("key=1"));
    /// params.remove("key");
    /// assert_eq!(params.to_query(), None);
    /// ```
    pub fn to_query(&self) -> Option<String> {
        (!self.0.is_empty()).then(|| self.to_string())
    }
}

impl fmt::Display for Params<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, pair) in self.0.iter().enumerate() {
            if number > 0 {
                f.write_char('&')?;
            }
            f.write_str(pair)?;
        }
        Ok(())
    }
}

fn written(name: &str, value: &[u8]) -> String {
    [&encode(name.as_bytes()), "=", &encode(value)].concat()
}

/// A part of a pair: nothing in it can end it.
fn encode(part: &[u8]) -> String {
    let mut encoded = String::with_capacity(part.len());
    for byte in part {
        if is_unreserved(*byte) {
            encoded.push(char::from(*byte));
        } else {
            push_percent(&mut encoded, *byte);
        }
    }
    encoded
}

/// RFC 3986, section 2.3: what means the same everywhere.
pub(crate) fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

pub(crate) fn push_percent(text: &mut String, byte: u8) {
    text.push('%');
    for digit in [byte >> 4, byte & 0xf] {
        text.extend(char::from_digit(digit.into(), 16).map(|digit| digit.to_ascii_uppercase()));
    }
}

/// The decoded values of the parameters of this name, in order.
pub(crate) fn values(query: &str, name: &str) -> impl Iterator<Item = String> {
    pairs(query).filter(move |pair| is_named(pair, name)).map(value)
}

fn value(pair: &str) -> String {
    decode(pair.split_once('=').map_or("", |(_, value)| value)).into_owned()
}

/// The query without the parameters of this name, the others untouched; `None` if none are left.
pub(crate) fn without(query: &str, name: &str) -> Option<String> {
    let kept: Vec<&str> = pairs(query).filter(|pair| !is_named(pair, name)).collect();
    (!kept.is_empty()).then(|| kept.join("&"))
}

fn pairs(query: &str) -> impl Iterator<Item = &str> {
    query.split('&').filter(|pair| !pair.is_empty())
}

/// An empty pair is the parameter of no name, not even of the empty one.
fn is_named(pair: &str, name: &str) -> bool {
    let (raw, _) = pair.split_once('=').unwrap_or((pair, ""));
    !pair.is_empty() && decode(raw) == name
}

/// A name or value as it is meant. What is no UTF-8 after decoding is replaced by U+FFFD; a `%` without two digits stands
/// for itself.
///
/// ```
/// use tidegate_sdk::query::decode;
///
/// assert_eq!(decode("a+b%2fc%"), "a b/c%");
/// ```
pub fn decode(raw: &str) -> Cow<'_, str> {
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
