//! Texts, looked through for what rules know by its looks: part by part, in bounded memory.

use crate::action::{Form, REDACTED};
use crate::detect::{Part, TOKEN_BYTES, goes_on_with};
use crate::escape::Decoded;
use crate::mask::Mask;
use crate::output::Output;

/// How far the looking has come in a text of which more is to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Progress {
    /// The last character's last byte.
    pub(crate) before: u8,
    /// It is that of a long token, all of which goes.
    pub(crate) in_token: bool,
}

impl Progress {
    /// At a text's beginning.
    pub(crate) const BEGINNING: Self = Self { before: b'"', in_token: false };
}

/// Mask the part of a text that `output`'s source has from `from` up to `to`; the text ends there if it `is_last`. Where
/// the part begins that has to be waited with for more.
pub(crate) fn mask(
    mask: &Mask,
    output: &mut Output<'_>,
    (from, to): (usize, usize),
    form: Form,
    is_last: bool,
    progress: &mut Progress,
) -> usize {
    let source = output.source();
    let raw = source.get(from..to).unwrap_or_default();
    let is_escaped = form == Form::Escaped && raw.contains(&b'\\');
    let begun = from.checked_sub(1).filter(|before| source.get(*before) == Some(&progress.before));
    match begun.and_then(|before| source.get(before..to)) {
        // What the text is, the source has: nothing has to be copied to be looked through.
        Some(text) if !is_escaped => {
            let place = |at: usize| from + at - 1;
            place(look_through(mask, output, text, form, is_last, progress, place))
        }
        _ if !is_escaped => {
            let text = [&[progress.before], raw].concat();
            let place = |at: usize| from + at - 1;
            place(look_through(mask, output, &text, form, is_last, progress, place))
        }
        _ => {
            let mut decoded = Decoded { text: vec![progress.before], sources: vec![0] };
            let end = decoded.extend(raw, is_last);
            let place = |at: usize| from + decoded.sources.get(at).copied().unwrap_or(end);
            place(look_through(mask, output, &decoded.text, form, is_last, progress, place))
        }
    }
}

/// As [`mask()`], of a text whose first byte is the one before; `place` says where in the source one of its bytes is.
fn look_through(
    mask: &Mask,
    output: &mut Output<'_>,
    text: &[u8],
    form: Form,
    is_last: bool,
    progress: &mut Progress,
    place: impl Fn(usize) -> usize,
) -> usize {
    let mut from = 1;
    if progress.in_token {
        from += text.iter().skip(1).take_while(|byte| goes_on_with(**byte)).count();
        output.skip_to(place(from));
        progress.in_token = from == text.len() && !is_last;
    }
    let mut in_token = progress.in_token;
    let until = mask.detectors().map_or(text.len(), |detectors| {
        detectors.each(Part { text, from, is_last }, |found| {
            let (start, end) = (place(found.start), place(found.end));
            let value = output.source().get(start..end).unwrap_or_default();
            output.copy_to(start);
            if found.end - found.start > TOKEN_BYTES {
                output.put(REDACTED);
            } else if let Some(treatment) = mask.treatment(found.rule) {
                output.put_by(|written| treatment.write(value, form, written));
            }
            output.skip_to(end);
            in_token = found.goes_on;
        })
    });
    progress.in_token = in_token;
    // A token that goes on has been left behind whole.
    let until = if in_token { text.len() } else { until.max(from) };
    if let Some(before) = until.checked_sub(1).and_then(|before| text.get(before)) {
        progress.before = *before;
    }
    until
}
