//! The one reading of a path: routes, plugins and upstreams all see what comes out of here, so that nobody gets past a
//! route's plugins by writing its path in another way.

use std::borrow::Cow;

use bytes::Bytes;
use http::uri::PathAndQuery;

/// `target` with its path normalised. The query stays as it is.
///
/// # Errors
/// A "%" that encodes nothing: the next reader may make something else of it.
pub(super) fn normalised(target: &PathAndQuery) -> Result<PathAndQuery, String> {
    match normalise(target.path())? {
        // An authority with nothing but a query behind it is asked for its root (RFC 9112, section 3.2.1).
        Cow::Borrowed(normal) if target.as_str().starts_with('?') => join(normal, target.query()),
        Cow::Borrowed(_) => Ok(target.clone()),
        Cow::Owned(normal) => join(&normal, target.query()),
    }
}

/// A path and what comes behind it.
///
/// # Errors
/// They are none together.
pub(crate) fn join(path: &str, query: Option<&str>) -> Result<PathAndQuery, String> {
    let whole = match query {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    PathAndQuery::from_maybe_shared(Bytes::from(whole)).map_err(|error| error.to_string())
}

/// `path` in its normal form, as Kong has it: percent-encodings of unreserved characters decoded, the others in upper
/// case, what no path may have encoded (RFC 3986, section 6.2.2), slashes in a row made one, dot segments removed
/// (section 5.2.4). Borrowed if it is in that form already.
///
/// # Errors
/// A "%" that encodes nothing.
pub(crate) fn normalise(path: &str) -> Result<Cow<'_, str>, String> {
    // "*" of OPTIONS is the one target that is no path.
    if !path.starts_with('/') || !needs_work(path.as_bytes()) {
        return Ok(Cow::Borrowed(path));
    }
    let recoded = recode(path)?;
    let mut segments: Vec<&str> = Vec::new();
    let mut last = "";
    for segment in recoded.split('/') {
        last = segment;
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            _ => segments.push(segment),
        }
    }
    let mut normal = String::with_capacity(recoded.len());
    for segment in &segments {
        normal.push('/');
        normal.push_str(segment);
    }
    if normal.is_empty() || matches!(last, "" | "." | "..") {
        normal.push('/');
    }
    Ok(Cow::Owned(normal))
}

/// Nearly no path does, so this is all that most requests pay.
fn needs_work(path: &[u8]) -> bool {
    path.iter().any(|byte| *byte == b'%' || !may_stand(*byte))
        || path.windows(2).any(|pair| pair == b"//" || pair == b"/.")
}

/// What can stand in a path as it is (RFC 3986, section 3.3). Parsers let more pass, and some take "\\" for "/".
fn may_stand(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@".contains(&byte)
}

/// One way to write each byte: `%41` is `A`, `%2f` is `%2F`; what is reserved stays encoded, for it means something
/// else in the clear.
fn recode(path: &str) -> Result<String, String> {
    let mut recoded = String::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        if may_stand(byte) {
            recoded.push(char::from(byte));
            continue;
        }
        let byte = if byte == b'%' { (hex(bytes.next())? << 4) | hex(bytes.next())? } else { byte };
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            recoded.push(char::from(byte));
        } else {
            recoded.push_str(&format!("%{byte:02X}"));
        }
    }
    Ok(recoded)
}

fn hex(digit: Option<u8>) -> Result<u8, String> {
    let value = digit.and_then(|digit| char::from(digit).to_digit(16)).and_then(|value| u8::try_from(value).ok());
    value.ok_or_else(|| "a % that is not followed by two hexadecimal digits".to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_query_alone_is_the_roots() {
        let target: http::Uri = "http://a?b=c".parse().unwrap();
        assert_eq!(normalised(target.path_and_query().unwrap()).unwrap().as_str(), "/?b=c");
    }

    #[test]
    fn one_path_has_one_form() {
        for (path, expected) in [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a/b/", "/a/b/"),
            ("//a", "/a"),
            ("/a///b//", "/a/b/"),
            ("/x/../a", "/a"),
            ("/./a", "/a"),
            ("/a/.", "/a/"),
            ("/a/b/..", "/a/"),
            ("/../../a", "/a"),
            ("/..", "/"),
            ("/%61dmin", "/admin"),
            ("/%2e%2E/a", "/a"),
            ("/a%2Fb", "/a%2Fb"),
            ("/a%2fb%20c", "/a%2Fb%20c"),
            ("/caf%c3%a9", "/caf%C3%A9"),
            ("/caf\u{e9}", "/caf%C3%A9"),
            ("/b../x", "/b../x"),
            ("/%2561", "/%2561"),
            ("/.hidden/..x/...", "/.hidden/..x/..."),
            ("/a\\b", "/a%5Cb"),
            ("/a\"b|c", "/a%22b%7Cc"),
            ("*", "*"),
        ] {
            assert_eq!(normalise(path).unwrap(), expected, "{path}");
        }
        for path in ["/100%", "/%4", "/%zz", "/%%361", "/%é", "/%+f"] {
            assert!(normalise(path).is_err(), "{path}");
        }
    }

    proptest! {
        /// Whatever a client writes, there is one reading, and reading it again changes nothing.
        #[test]
        fn a_normal_path_stays_as_it_is_and_queries_always_do(text in r"[/.%2eEfF0-9aA\\\\;:@~é?&=-]{0,16}") {
            let Ok(target) = format!("/{text}").parse::<PathAndQuery>() else { return Ok(()) };
            let Ok(once) = normalised(&target) else { return Ok(()) };
            prop_assert_eq!(&normalised(&once).unwrap(), &once);
            prop_assert_eq!(once.query(), target.query());
            let path = once.path();
            prop_assert!(path.starts_with('/') && !path.contains("//"));
            prop_assert!(!path.split('/').any(|segment| segment == "." || segment == ".."));
            let mut bytes = path.bytes();
            while let Some(byte) = bytes.next() {
                if byte == b'%' {
                    let digits: String = bytes.by_ref().take(2).map(char::from).collect();
                    let encoded = u8::from_str_radix(&digits, 16).unwrap();
                    prop_assert_eq!(&digits.to_uppercase(), &digits);
                    prop_assert!(!encoded.is_ascii_alphanumeric() && !b"-._~".contains(&encoded));
                } else {
                    prop_assert!(may_stand(byte));
                }
            }
        }
    }
}
