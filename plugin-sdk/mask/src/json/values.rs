//! Strings, numbers and words.

use super::{Amid, At, NUMBER_BYTES, Step, Unreadable, VALUE_BYTES, Walk};
use crate::action::{Form, Treatment};
use crate::bytes::quote_or_backslash;
use crate::record::Texts;
use crate::target;
use crate::text::{self, Progress};

/// Where the string ends that `from` is in, and whether it has escapes; an error if it does not end, with the place up to
/// which all is known.
#[inline]
pub(super) fn string_end(source: &[u8], from: usize) -> Result<(usize, bool), usize> {
    let mut place = from;
    let mut is_escaped = false;
    loop {
        place = quote_or_backslash(source, place);
        match source.get(place) {
            Some(b'"') => return Ok((place, is_escaped)),
            Some(_) if place + 1 < source.len() => {
                is_escaped = true;
                place += 2;
            }
            Some(_) => return Err(place),
            // An escape is whole, but the last thing there is.
            None => return Err(source.len()),
        }
    }
}

impl Walk<'_, '_, '_> {
    pub(super) fn value(&mut self, byte: u8) -> Result<Step, Unreadable> {
        let rule = match (self.json.masked, self.json.removed) {
            (Some((rule, _)), _) => Some(rule),
            (None, Some(_)) => None,
            (None, None) => self.json.next.rule,
        };
        match byte {
            b'"' => Ok(self.string(rule)),
            b'{' => self.open(true, rule),
            b'[' => self.open(false, rule),
            b'-' | b'0'..=b'9' => Ok(self.number(rule)),
            b't' => self.word(b"true", rule),
            b'f' => self.word(b"false", rule),
            // There is nothing to be masked in it.
            b'n' => self.word(b"null", None),
            _ => Err(Unreadable(self.place)),
        }
    }

    fn string(&mut self, rule: Option<usize>) -> Step {
        let start = self.place + 1;
        let Some(treatment) = rule.and_then(|rule| self.mask.treatment(rule)) else {
            return self.plain_string(start);
        };
        match string_end(self.source, start) {
            Ok((end, _)) if end - start <= VALUE_BYTES => {
                let value = self.source.get(start..end).unwrap_or_default();
                self.output.copy_to(start);
                self.output.put_by(|written| treatment.write(value, Form::Escaped, written));
                self.output.skip_to(end);
                self.end_value(end + 1);
                Step::On
            }
            Err(_) if !treatment.is_redaction() && !self.ends && self.source.len() - start <= VALUE_BYTES => Step::Wait,
            _ => {
                self.output.copy_to(start);
                self.put_redacted(false);
                self.place = start;
                self.json.at = At::AmidString(Amid::Masked);
                Step::On
            }
        }
    }

    fn plain_string(&mut self, start: usize) -> Step {
        let Ok((end, is_escaped)) = string_end(self.source, start) else {
            self.json.progress = Progress::BEGINNING;
            self.place = start;
            self.json.at = At::AmidString(if self.is_searched() { Amid::Searched } else { Amid::Plain });
            return Step::On;
        };
        match self.texts {
            Texts::Request if target::may_have_one(self.source.get(start..end).unwrap_or_default()) => {
                if self.json.removed.is_none() {
                    target::mask(self.mask, self.output, (start, end));
                }
            }
            _ => self.search((start, end), is_escaped),
        }
        self.end_value(end + 1);
        Step::On
    }

    /// Look for what rules know by its looks in a string or key that is whole.
    pub(super) fn search(&mut self, (start, end): (usize, usize), is_escaped: bool) {
        let text = self.source.get(start..end).unwrap_or_default();
        let may_match = || is_escaped || self.mask.detectors().is_some_and(|detectors| detectors.may_match(text));
        if self.is_searched() && may_match() {
            let mut progress = Progress::BEGINNING;
            text::mask(self.mask, self.output, (start, end), Form::Escaped, true, &mut progress);
        }
    }

    /// Whether what is named by no rule may be known by its looks.
    fn is_searched(&self) -> bool {
        self.mask.detectors().is_some() && self.json.removed.is_none()
    }

    pub(super) fn amid_string(&mut self, amid: Amid) -> Result<Step, Unreadable> {
        let found = string_end(self.source, self.place);
        let to = match found {
            Ok((end, _)) => end,
            Err(_) => self.source.len(),
        };
        let is_last = found.is_ok() || self.ends;
        let known = match amid {
            Amid::Plain => found.map_or_else(|stop| stop, |(end, _)| end),
            Amid::Masked => {
                let known = found.map_or_else(|stop| stop, |(end, _)| end);
                self.output.skip_to(if is_last { to } else { known });
                known
            }
            Amid::Searched => {
                let part = (self.place, to);
                let progress = &mut self.json.progress;
                text::mask(self.mask, self.output, part, Form::Escaped, is_last, progress)
            }
        };
        match found {
            Ok((end, _)) => {
                self.end_value(end + 1);
                Ok(Step::On)
            }
            Err(_) => self.more_of_a_string(known),
        }
    }

    /// A string has not ended: it is known up to `place`.
    pub(super) fn more_of_a_string(&mut self, place: usize) -> Result<Step, Unreadable> {
        if self.ends {
            return Err(Unreadable(self.source.len()));
        }
        self.place = place;
        Ok(Step::Wait)
    }

    fn number(&mut self, rule: Option<usize>) -> Step {
        let (start, end) = (self.place, self.number_end());
        let is_whole = end < self.source.len() || self.ends;
        let treatment = rule.and_then(|rule| self.mask.treatment(rule));
        let is_looked_at = treatment.is_some() || (self.is_searched() && self.texts == Texts::Application);
        if is_looked_at && !is_whole && end - start <= NUMBER_BYTES {
            return Step::Wait;
        }
        let is_long = end - start > NUMBER_BYTES;
        let raw = self.source.get(start..end).unwrap_or_default();
        match treatment {
            Some(_) if is_long => {
                self.output.copy_to(start);
                self.put_redacted(true);
            }
            Some(treatment) => self.put_in_quotes(start, |instead| treatment.write(raw, Form::Plain, instead)),
            None if is_looked_at && !is_long => {
                if let std::borrow::Cow::Owned(masked) = self.mask.text(raw) {
                    self.put_in_quotes(start, |instead| instead.extend_from_slice(&masked));
                    self.output.skip_to(end);
                }
            }
            None => {}
        }
        self.json.at = At::AmidNumber(if treatment.is_some() { Amid::Masked } else { Amid::Plain });
        Step::On
    }

    fn put_in_quotes(&mut self, start: usize, write: impl FnOnce(&mut Vec<u8>)) {
        let mut instead = vec![b'"'];
        write(&mut instead);
        instead.push(b'"');
        self.output.copy_to(start);
        self.output.put(&instead);
    }

    pub(super) fn amid_number(&mut self, amid: Amid) -> Result<Step, Unreadable> {
        let end = self.number_end();
        if amid == Amid::Masked {
            self.output.skip_to(end);
        }
        self.place = end;
        if end == self.source.len() && !self.ends {
            return Ok(Step::Wait);
        }
        self.end_value(end);
        Ok(Step::On)
    }

    fn number_end(&self) -> usize {
        let rest = self.source.get(self.place..).unwrap_or_default();
        let is_part = |byte: &u8| byte.is_ascii_digit() || b"-+.eE".contains(byte);
        self.place + rest.iter().take_while(|byte| is_part(byte)).count()
    }

    fn word(&mut self, word: &[u8], rule: Option<usize>) -> Result<Step, Unreadable> {
        let rest = self.source.get(self.place..).unwrap_or_default();
        if !rest.starts_with(word) {
            let may_come = word.starts_with(rest) && !self.ends;
            return if may_come { Ok(Step::Wait) } else { Err(Unreadable(self.place)) };
        }
        let end = self.place + word.len();
        if rule.is_some() {
            self.output.copy_to(self.place);
            self.put_redacted(true);
            self.output.skip_to(end);
        }
        self.end_value(end);
        Ok(Step::On)
    }
}

impl Treatment {
    /// Whether nothing of the value has to be known.
    fn is_redaction(&self) -> bool {
        matches!(self, Self::Redact)
    }

    /// Whether nothing stands in its place.
    pub(crate) fn is_removal(&self) -> bool {
        matches!(self, Self::Remove)
    }
}
