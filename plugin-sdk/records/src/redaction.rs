//! What records do not show: the values of headers and query parameters by their names, wherever they stand.

use std::borrow::Cow;

use tidegate_sdk::query;

use crate::json;

/// What stands in the place of a value.
pub(crate) const REDACTED: &[u8] = b"REDACTED";

/// Query parameters that a record has at most; the rest are left out of its `querystring`.
const PARAMS_MAX: usize = 100;

/// Names whose values are not shown.
#[derive(Default)]
pub(crate) struct Redaction {
    /// In lower case.
    names: Vec<String>,
    /// A bit for each length that a name has: most headers are told by theirs.
    lengths: u64,
}

impl Redaction {
    pub(crate) fn new(names: &[String]) -> Self {
        let names: Vec<String> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
        let lengths = names.iter().fold(0, |lengths, name| lengths | length_bit(name.len()));
        Self { names, lengths }
    }

    pub(crate) fn hides(&self, name: &str) -> bool {
        self.lengths & length_bit(name.len()) != 0 && self.names.iter().any(|hidden| hidden.eq_ignore_ascii_case(name))
    }

    /// The value of a header, within a JSON string. URLs that some have are shown without what their queries hide.
    pub(crate) fn header(&self, name: &str, value: &[u8], out: &mut Vec<u8>) {
        match name {
            name if self.hides(name) => out.extend_from_slice(REDACTED),
            "referer" | "location" | "content-location" if value.contains(&b'?') => {
                self.target(&String::from_utf8_lossy(value), out);
            }
            _ => json::text(value, out),
        }
    }

    /// A target or URL, likewise.
    pub(crate) fn target(&self, target: &str, out: &mut Vec<u8>) {
        let Some((path, query)) = target.split_once('?') else { return json::text(target.as_bytes(), out) };
        json::text(path.as_bytes(), out);
        let mut before = b'?';
        for pair in query.split('&') {
            out.push(before);
            before = b'&';
            match pair.split_once('=') {
                Some((name, _)) if self.hides(&query::decode(name)) => {
                    json::text(name.as_bytes(), out);
                    out.push(b'=');
                    out.extend_from_slice(REDACTED);
                }
                _ => json::text(pair.as_bytes(), out),
            }
        }
    }

    /// The parameters of `target`'s query as an object: one that comes several times has an array, one without a value is
    /// true, as Kong has it.
    pub(crate) fn querystring(&self, target: &str, out: &mut Vec<u8>) {
        let params = params(target);
        out.push(b'{');
        for (at, (name, _)) in params.iter().enumerate() {
            if params.iter().take(at).any(|(earlier, _)| earlier == name) {
                continue;
            }
            out.push(b'"');
            json::text(name.as_bytes(), out);
            out.extend_from_slice(b"\":");
            self.values(&params, name, out);
            out.push(b',');
        }
        json::close(b'}', out);
    }

    /// The parameter of this name: as in the object, or, in a text, its first value.
    pub(crate) fn param(&self, target: &str, wanted: &str, in_text: bool, out: &mut Vec<u8>) -> bool {
        let params = params(target);
        let Some((_, first)) = params.iter().find(|(name, _)| name == wanted) else { return false };
        match in_text {
            false => self.values(&params, wanted, out),
            true if self.hides(wanted) => out.extend_from_slice(REDACTED),
            true => json::text(first.as_deref().unwrap_or_default().as_bytes(), out),
        }
        true
    }

    fn values(&self, params: &[(Cow<'_, str>, Option<Cow<'_, str>>)], wanted: &str, out: &mut Vec<u8>) {
        let mut values = params.iter().filter(|(name, _)| name == wanted).map(|(_, value)| value).peekable();
        let first = values.next();
        let repeated = values.peek().is_some();
        if repeated {
            out.push(b'[');
        }
        for value in first.into_iter().chain(values) {
            match value {
                None => out.extend_from_slice(b"true"),
                Some(value) => {
                    out.push(b'"');
                    match self.hides(wanted) {
                        true => out.extend_from_slice(REDACTED),
                        false => json::text(value.as_bytes(), out),
                    }
                    out.push(b'"');
                }
            }
            if repeated {
                out.push(b',');
            }
        }
        if repeated {
            json::close(b']', out);
        }
    }
}

const fn length_bit(length: usize) -> u64 {
    // Long names share one.
    1 << (if length < 63 { length } else { 63 })
}

fn params(target: &str) -> Vec<(Cow<'_, str>, Option<Cow<'_, str>>)> {
    let Some((_, query)) = target.split_once('?') else { return Vec::new() };
    let pairs = query.split('&').filter(|pair| !pair.is_empty()).take(PARAMS_MAX);
    let param = |pair| match str::split_once(pair, '=') {
        Some((name, value)) => (query::decode(name), Some(query::decode(value))),
        None => (query::decode(pair), None),
    };
    pairs.map(param).collect()
}
