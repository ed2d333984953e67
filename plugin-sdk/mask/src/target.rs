//! Texts that may be URLs or have some in them: parameters of their queries have names, and what rules know by its looks
//! may be percent-encoded.

use std::cmp::Reverse;

use tidegate_sdk::query;

use crate::action::{Form, REDACTED, Treatment};
use crate::detect::{Detectors, Match, Part, TOKEN_BYTES};
use crate::escape::Decoded;
use crate::json::VALUE_BYTES;
use crate::mask::Mask;
use crate::output::Output;

/// Whether there may be a URL in this text, as it stands within a JSON string, for which it has to be looked at closer.
pub(crate) fn may_have_one(text: &[u8]) -> bool {
    text.iter().any(|byte| matches!(byte, b'?' | b'#' | b'%'))
}

/// Mask the text within a JSON string that `output`'s source has from `from` up to `to`.
pub(crate) fn mask(mask: &Mask, output: &mut Output<'_>, (from, to): (usize, usize)) {
    let raw = output.source().get(from..to).unwrap_or_default();
    // With the quote before it, for what is looked for may depend on what is before it.
    let mut decoded = Decoded { text: vec![b'"'], sources: vec![0] };
    decoded.extend(raw, true);
    let place = |at: usize| from + decoded.source(at);
    for span in disjoint(spans(mask, &decoded.text)) {
        let (start, end) = (place(span.start), place(span.end));
        let value = output.source().get(start..end).unwrap_or_default();
        output.copy_to(start);
        match span.instead {
            Instead::Redacted => output.put(REDACTED),
            Instead::Written(treatment) => output.put_by(|written| treatment.write(value, Form::Escaped, written)),
            Instead::Encoded(treatment, value) => output.put_by(|written| {
                let mut plain = Vec::new();
                treatment.write(&value, Form::Plain, &mut plain);
                encode(&plain, written);
            }),
        }
        output.skip_to(end);
    }
}

/// A part of a text that something else takes the place of.
struct Span<'m> {
    start: usize,
    end: usize,
    is_named: bool,
    instead: Instead<'m>,
}

enum Instead<'m> {
    Redacted,
    /// What the rule makes of the text there.
    Written(&'m Treatment),
    /// What it makes of this, percent-encoded.
    Encoded(&'m Treatment, Vec<u8>),
}

/// All that rules are for in a text behind its first byte, once as it stands and once as it is meant, for a parameter may
/// be a URL again. Of two for the same place the first has its say: names come before looks, and of a match, what is meant.
fn spans<'m>(mask: &'m Mask, text: &[u8]) -> Vec<Span<'m>> {
    let decoded = percent_decoded(text);
    let mut spans = named(mask, text);
    if let Some(decoded) = &decoded {
        let source = |span: Span<'m>| Span { start: decoded.source(span.start), end: decoded.source(span.end), ..span };
        spans.extend(named(mask, &decoded.text).into_iter().map(source));
    }
    let Some(detectors) = mask.detectors() else { return spans };
    if let Some(decoded) = &decoded {
        each(detectors, &decoded.text, |found| {
            let value = decoded.text.get(found.start..found.end).unwrap_or_default();
            let (start, end) = (decoded.source(found.start), decoded.source(found.end));
            spans.extend(Span::of_match(mask, Match { start, end, ..found }, |treatment| {
                match text.get(start..end) == Some(value) {
                    // Nothing was encoded, so nothing has to be again.
                    true => Instead::Written(treatment),
                    false => Instead::Encoded(treatment, value.to_vec()),
                }
            }));
        });
    }
    each(detectors, text, |found| spans.extend(Span::of_match(mask, found, Instead::Written)));
    spans
}

fn each(detectors: &Detectors, text: &[u8], found: impl FnMut(Match)) {
    if detectors.may_match(text) {
        detectors.each(Part { text, from: 1, is_last: true }, found);
    }
}

/// The values of parameters that rules name.
fn named<'m>(mask: &'m Mask, text: &[u8]) -> Vec<Span<'m>> {
    let mut spans = Vec::new();
    let (mut in_query, mut at) = (false, 1);
    while let Some(byte) = text.get(at).copied() {
        in_query = is_in_query(in_query, byte);
        at += 1;
        if !in_query || !matches!(byte, b'?' | b'#' | b'&') {
            continue;
        }
        let name_end = until(text, at, |byte| matches!(byte, b'=' | b'&' | b'?'));
        let name = String::from_utf8_lossy(text.get(at..name_end).unwrap_or_default());
        let rule = mask.names().find(query::decode(&name).as_bytes()).0;
        let Some(treatment) = rule.and_then(|rule| mask.treatment(rule)) else { continue };
        let end = until(text, name_end, |byte| byte == b'&');
        if treatment.is_removal() {
            // One of the marks around it goes as well: the one before, unless others follow that need it.
            let follows_one = byte == b'&' && spans.last().is_none_or(|span: &Span<'_>| span.end != at);
            let (start, end) = match text.get(end) {
                Some(b'&') if !follows_one => (at, end + 1),
                _ => (at - 1, end),
            };
            spans.push(Span { start, end, is_named: true, instead: Instead::Written(treatment) });
        } else if text.get(name_end) == Some(&b'=') {
            let value = String::from_utf8_lossy(text.get(name_end + 1..end).unwrap_or_default());
            let instead = match value.len() > VALUE_BYTES {
                true => Instead::Redacted,
                false => Instead::Encoded(treatment, query::decode(&value).into_owned().into_bytes()),
            };
            spans.push(Span { start: name_end + 1, end, is_named: true, instead });
        }
        at = end;
    }
    spans
}

/// Whether what follows this byte is in a query or a fragment.
fn is_in_query(was: bool, byte: u8) -> bool {
    matches!(byte, b'?' | b'#') || (was && !ends_url(byte))
}

/// What no query has in it (the WHATWG's URL standard, section 1.3: the query percent-encode set), but for the `#` that
/// a fragment begins with.
fn ends_url(byte: u8) -> bool {
    matches!(byte, 0..=b' ' | b'"' | b'<' | b'>' | 0x7f)
}

/// Where the first byte from `from` on is that ends a parameter, or a part of one.
fn until(text: &[u8], from: usize, ends: impl Fn(u8) -> bool) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    let is_end = |byte: &u8| *byte == b'#' || ends_url(*byte) || ends(*byte);
    from + rest.iter().position(is_end).unwrap_or(rest.len())
}

/// What the text means where it is percent-encoded, and in queries as forms have it; `None`: what it says.
fn percent_decoded(text: &[u8]) -> Option<Decoded> {
    if !text.iter().any(|byte| matches!(byte, b'%' | b'+')) {
        return None;
    }
    let mut decoded = Decoded { text: Vec::with_capacity(text.len()), sources: Vec::with_capacity(text.len() + 1) };
    let (mut in_query, mut at) = (false, 0);
    while let Some(byte) = text.get(at).copied() {
        in_query = is_in_query(in_query, byte);
        let digit = |place: usize| text.get(place).and_then(|byte| char::from(*byte).to_digit(16));
        let escaped = match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => u8::try_from(high << 4 | low).ok(),
            _ => None,
        };
        decoded.sources.push(at);
        decoded.text.push(match (byte, escaped) {
            (_, Some(escaped)) => escaped,
            (b'+', None) if in_query => b' ',
            (byte, None) => byte,
        });
        at += if escaped.is_some() { 3 } else { 1 };
    }
    decoded.sources.push(text.len());
    Some(decoded)
}

/// What may stand in a query stays (RFC 3986, section 3.4), but for what ends a value.
fn encode(value: &[u8], out: &mut Vec<u8>) {
    for byte in value {
        if byte.is_ascii_alphanumeric() || b"-._~!$'()*,;:@/?".contains(byte) {
            out.push(*byte);
        } else {
            let digit = |digit: u8| if digit < 10 { b'0' + digit } else { b'A' - 10 + digit };
            out.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
}

/// In order, with those that overlap made one.
fn disjoint(mut spans: Vec<Span<'_>>) -> Vec<Span<'_>> {
    // Of those with the same place, what is more to the point stays first.
    spans.sort_by_key(|span| (span.start, Reverse(span.end)));
    let mut disjoint: Vec<Span<'_>> = Vec::with_capacity(spans.len());
    for span in spans {
        match disjoint.last_mut() {
            // An empty value is found as often as others.
            Some(last) if span.start < last.end || span.start == last.start => last.join(&span),
            _ => disjoint.push(span),
        }
    }
    disjoint
}

impl<'m> Span<'m> {
    fn of_match(mask: &'m Mask, found: Match, instead: impl FnOnce(&'m Treatment) -> Instead<'m>) -> Option<Self> {
        let treatment = mask.treatment(found.rule)?;
        let is_long = found.end - found.start > TOKEN_BYTES;
        let instead = if is_long { Instead::Redacted } else { instead(treatment) };
        Some(Self { start: found.start, end: found.end, is_named: false, instead })
    }

    /// Become one with another that begins in here. Where neither has its say of the whole, nothing of it is shown.
    fn join(&mut self, other: &Self) {
        let is_within = other.end <= self.end && (self.is_named || !other.is_named);
        let is_nothing = self.instead.is_nothing() && other.instead.is_nothing();
        if !is_within && !is_nothing {
            self.instead = Instead::Redacted;
        }
        self.end = self.end.max(other.end);
        self.is_named |= other.is_named;
    }
}

impl Instead<'_> {
    fn is_nothing(&self) -> bool {
        match self {
            Self::Redacted => false,
            Self::Written(treatment) | Self::Encoded(treatment, _) => treatment.is_removal(),
        }
    }
}
