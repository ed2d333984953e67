//! What records do not show: the values of headers and query parameters by their names, wherever they stand.

use std::borrow::Cow;

use tidegate_sdk::query;

use crate::json::{self, Out};

/// What stands in the place of a value.
pub(crate) const REDACTED: &[u8] = b"REDACTED";

/// Query parameters that a record has at most; the rest are left out of its `querystring`.
const PARAMS_MAX: usize = 100;

/// Headers whose values are URLs.
const URL_HEADERS: [&str; 3] = ["referer", "location", "content-location"];

/// Names whose values are not shown.
pub(crate) struct Redaction {
    /// In lower case.
    names: Vec<String>,
    /// A bit for each length that one of them has, or a header with a URL: most headers are told by theirs.
    lengths: u64,
}

impl Default for Redaction {
    fn default() -> Self {
        Self::new(&[])
    }
}

impl Redaction {
    pub(crate) fn new(names: &[String]) -> Self {
        let names: Vec<String> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
        let lengths = names.iter().map(String::len).chain(URL_HEADERS.map(str::len));
        let lengths = lengths.fold(0, |lengths, length| lengths | length_bit(length));
        Self { names, lengths }
    }

    fn hides(&self, name: &[u8]) -> bool {
        let is_hidden = |hidden: &String| hidden.as_bytes().eq_ignore_ascii_case(name);
        self.lengths & length_bit(name.len()) != 0 && self.names.iter().any(is_hidden)
    }

    /// The value of a header, within a JSON string. URLs that some have are shown without what their queries hide.
    pub(crate) fn header(&self, name: &[u8], value: &[u8], out: &mut Out) {
        if self.lengths & length_bit(name.len()) == 0 {
            return out.text(value);
        }
        match name {
            name if self.hides(name) => out.raw(REDACTED),
            name if URL_HEADERS.iter().any(|header| header.as_bytes() == name) => self.target(value, out),
            _ => out.text(value),
        }
    }

    /// A target or URL, likewise.
    pub(crate) fn target(&self, target: &[u8], out: &mut Out) {
        let Some((path, query)) = split(target, b'?') else { return out.text(target) };
        out.text(path);
        let mut before = b'?';
        for pair in query.split(|byte| *byte == b'&') {
            out.push(before);
            before = b'&';
            match split(pair, b'=') {
                Some((name, _)) if self.hides(decode(name).as_bytes()) => {
                    out.text(name);
                    out.push(b'=');
                    out.raw(REDACTED);
                }
                _ => out.text(pair),
            }
        }
    }

    /// The parameters of `target`'s query as an object: one that comes several times has an array, one without a value is
    /// true, as Kong has it.
    pub(crate) fn querystring(&self, target: &[u8], out: &mut Out) {
        let params = params(target);
        out.push(b'{');
        for (at, (name, _)) in params.iter().enumerate() {
            if params.iter().take(at).any(|(earlier, _)| earlier == name) {
                continue;
            }
            out.push(b'"');
            out.text(name.as_bytes());
            out.raw(b"\":");
            self.values(&params, name, out);
            out.push(b',');
        }
        out.close(b'}');
    }

    /// The parameter of this name: as in the object, or, in a text, its first value.
    pub(crate) fn param(&self, target: &[u8], wanted: &str, in_text: bool, out: &mut Out) -> bool {
        let params = params(target);
        let Some((_, first)) = params.iter().find(|(name, _)| name == wanted) else { return false };
        match in_text {
            false => self.values(&params, wanted, out),
            true if self.hides(wanted.as_bytes()) => out.raw(REDACTED),
            true => out.text(first.as_deref().unwrap_or_default().as_bytes()),
        }
        true
    }

    fn values(&self, params: &[(Cow<'_, str>, Option<Cow<'_, str>>)], wanted: &str, out: &mut Out) {
        let mut values = params.iter().filter(|(name, _)| name == wanted).map(|(_, value)| value).peekable();
        let first = values.next();
        let repeated = values.peek().is_some();
        if repeated {
            out.push(b'[');
        }
        for value in first.into_iter().chain(values) {
            match value {
                None => out.raw(b"true"),
                Some(value) => {
                    out.push(b'"');
                    match self.hides(wanted.as_bytes()) {
                        true => out.raw(REDACTED),
                        false => out.text(value.as_bytes()),
                    }
                    out.push(b'"');
                }
            }
            if repeated {
                out.push(b',');
            }
        }
        if repeated {
            out.close(b']');
        }
    }
}

const fn length_bit(length: usize) -> u64 {
    // Long names share one.
    1 << (if length < 63 { length } else { 63 })
}

fn params(target: &[u8]) -> Vec<(Cow<'_, str>, Option<Cow<'_, str>>)> {
    let Some((_, query)) = split(target, b'?') else { return Vec::new() };
    let pairs = query.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()).take(PARAMS_MAX);
    let param = |pair| match split(pair, b'=') {
        Some((name, value)) => (decode(name), Some(decode(value))),
        None => (decode(pair), None),
    };
    pairs.map(param).collect()
}

fn split(bytes: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let at = json::position(bytes, at)?;
    Some((bytes.get(..at)?, bytes.get(at + 1..)?))
}

fn decode(text: &[u8]) -> Cow<'_, str> {
    match String::from_utf8_lossy(text) {
        Cow::Borrowed(text) => query::decode(text),
        Cow::Owned(text) => Cow::Owned(query::decode(&text).into_owned()),
    }
}
