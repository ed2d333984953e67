//! A JSON document, or one after another, masked as it goes by: what has to be known of it is where in it a byte is, and
//! as much of what came last as decides what becomes of it.

use crate::action::REDACTED;
use crate::mask::Mask;
use crate::output::Output;
use crate::record::Texts;
use crate::text::Progress;

mod saved;
mod values;

/// Deepest nesting; a document that is nested deeper is taken for none.
const DEPTH_MAX: usize = 512;
/// Longest key, as it is written, that is waited for: no name that is looked for is as long.
const KEY_BYTES: usize = 1024;
/// Longest string, as it is written, that is waited for to keep its end or to hash it. Longer ones are redacted.
pub(crate) const VALUE_BYTES: usize = 4096;
/// Likewise of numbers.
const NUMBER_BYTES: usize = 64;
/// As much whitespace behind a comma stays there; more may come to stand before it.
const SPACE_BYTES: usize = 1024;
/// What some put before everything, in UTF-8.
pub(crate) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Where in a document the last byte was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Json {
    at: At,
    /// Objects and arrays around it.
    levels: Vec<Level>,
    /// What is known of the value that comes next.
    next: Next,
    /// The rule by which everything is masked, and how many levels there are in there at least.
    masked: Option<(usize, usize)>,
    /// Something is removed, and how many levels there are around it.
    removed: Option<usize>,
    /// A comma was left out, and belongs before what comes next and stays.
    owes_comma: bool,
    /// In a text that is looked through.
    progress: Progress,
    /// Another document may follow.
    many: bool,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Beginning,
    FirstKey,
    Key,
    Colon,
    FirstElement,
    Element,
    Value,
    After,
    /// More of a key, string or number that is not waited for.
    AmidKey,
    AmidString(Amid),
    AmidNumber(Amid),
}

/// What becomes of the rest of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Amid {
    /// It goes on.
    Plain,
    /// It goes on, but for what rules know by its looks.
    Searched,
    /// It stays behind.
    Masked,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Next {
    /// What masks it.
    rule: Option<usize>,
    /// Which segments of paths may be the next in there.
    active: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Level {
    is_object: bool,
    /// Something in it has gone on.
    has_members: bool,
    /// Of the next element.
    index: u32,
    /// Which segments of paths may be the next.
    active: u64,
}

/// It cannot be read from this place on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unreadable(pub(crate) usize);

/// Whether it goes on without more bytes.
enum Step {
    On,
    Wait,
}

impl Json {
    /// At the beginning of a document; of several, if there may be `many`.
    pub(crate) fn new(mask: &Mask, many: bool) -> Self {
        Self {
            at: At::Beginning,
            levels: Vec::new(),
            next: Next { rule: None, active: mask.paths().first },
            masked: None,
            removed: None,
            owes_comma: false,
            progress: Progress::BEGINNING,
            many,
        }
    }

    /// Whether what comes first does not go on.
    pub(crate) fn is_muted(&self) -> bool {
        self.removed.is_some()
    }

    /// Mask `output`'s source from `from` on; the last document `ends` with it. Where that begins which more bytes are
    /// needed for.
    ///
    /// # Errors
    /// It is no JSON.
    pub(crate) fn walk(
        &mut self,
        mask: &Mask,
        output: &mut Output<'_>,
        from: usize,
        ends: bool,
        texts: Texts,
    ) -> Result<usize, Unreadable> {
        let source = output.source();
        let mut walk = Walk { json: self, mask, output, source, place: from, ends, texts, comma: None };
        loop {
            match walk.step()? {
                Step::On => {}
                Step::Wait => return walk.wait(),
            }
        }
    }
}

/// One way through a part.
struct Walk<'w, 's, 'o> {
    json: &'w mut Json,
    mask: &'w Mask,
    output: &'w mut Output<'o>,
    source: &'s [u8],
    place: usize,
    ends: bool,
    texts: Texts,
    /// Where a comma is of which is not known yet whether it goes on.
    comma: Option<usize>,
}

impl Walk<'_, '_, '_> {
    fn step(&mut self) -> Result<Step, Unreadable> {
        match self.json.at {
            At::AmidKey => return self.amid_key(),
            At::AmidString(amid) => return self.amid_string(amid),
            At::AmidNumber(amid) => return self.amid_number(amid),
            At::Beginning => return Ok(self.byte_order_mark()),
            _ => {}
        }
        self.place = crate::bytes::past_whitespace(self.source, self.place);
        let Some(byte) = self.source.get(self.place).copied() else { return Ok(Step::Wait) };
        match (self.json.at, byte) {
            (At::FirstKey, b'}') | (At::FirstElement, b']') => self.close(),
            (At::FirstKey | At::Key, b'"') => return self.key(),
            (At::Colon, b':') => {
                self.place += 1;
                self.json.at = At::Value;
            }
            (At::FirstElement | At::Element, _) => self.element(),
            (At::Value, _) => return self.value(byte),
            (At::After, _) => return self.after(byte),
            _ => return Err(Unreadable(self.place)),
        }
        Ok(Step::On)
    }

    /// All there is has been looked at: where to go on.
    fn wait(mut self) -> Result<usize, Unreadable> {
        if self.ends {
            let is_whole = self.json.levels.is_empty() && matches!(self.json.at, At::Beginning | At::Value | At::After);
            return if is_whole { Ok(self.place) } else { Err(Unreadable(self.place)) };
        }
        self.settle_far_comma();
        match self.comma {
            None => Ok(self.place),
            Some(comma) => {
                self.json.at = At::After;
                Ok(comma)
            }
        }
    }

    fn byte_order_mark(&mut self) -> Step {
        let rest = self.source.get(self.place..).unwrap_or_default();
        if rest.starts_with(BYTE_ORDER_MARK) {
            self.place += BYTE_ORDER_MARK.len();
        } else if BYTE_ORDER_MARK.starts_with(rest) && !self.ends {
            return Step::Wait;
        }
        self.json.at = At::Value;
        Step::On
    }

    fn key(&mut self) -> Result<Step, Unreadable> {
        let start = self.place + 1;
        let Ok((end, is_escaped)) = values::string_end(self.source, start) else {
            if self.source.len() - start > KEY_BYTES {
                self.member(None);
                self.json.next = Next { rule: None, active: self.active_below(0).0 };
                self.json.at = At::AmidKey;
                self.place = start;
                return Ok(Step::On);
            }
            return if self.ends { Err(Unreadable(self.place)) } else { Ok(Step::Wait) };
        };
        let mut next = Next { rule: None, active: 0 };
        if self.is_looking() {
            let raw = self.source.get(start..end).unwrap_or_default();
            let (named, segments) = match is_escaped {
                false => self.mask.names().find(raw),
                true => self.mask.names().find(&crate::escape::decoded(raw)),
            };
            let (active, by_path) = self.active_below(segments);
            next = Next { rule: first(named, by_path), active };
        }
        self.member(next.rule);
        if self.texts == Texts::Request {
            self.search((start, end), is_escaped);
        }
        self.json.next = next;
        self.place = end + 1;
        // Mostly there is nothing between.
        self.json.at = match self.source.get(self.place) {
            Some(b':') => {
                self.place += 1;
                At::Value
            }
            _ => At::Colon,
        };
        Ok(Step::On)
    }

    fn amid_key(&mut self) -> Result<Step, Unreadable> {
        match values::string_end(self.source, self.place) {
            Ok((end, _)) => {
                self.place = end + 1;
                self.json.at = At::Colon;
                Ok(Step::On)
            }
            Err(stop) => self.more_of_a_string(stop),
        }
    }

    fn element(&mut self) {
        let mut next = Next { rule: None, active: 0 };
        let mut index = 0;
        if let Some(level) = self.json.levels.last_mut() {
            index = level.index;
            level.index = index.saturating_add(1);
        }
        if self.is_looking() && self.mask.paths().is_any() {
            let (active, rule) = self.active_below(self.mask.paths().at_index(index));
            next = Next { rule, active };
        }
        self.member(next.rule);
        self.json.next = next;
        self.json.at = At::Value;
    }

    /// Whether there are no rules but that of what is around.
    fn is_looking(&self) -> bool {
        self.json.masked.is_none() && self.json.removed.is_none()
    }

    fn active_below(&self, selecting: u64) -> (u64, Option<usize>) {
        match self.json.levels.last() {
            Some(level) if level.active != 0 && self.is_looking() => self.mask.paths().step(level.active, selecting),
            _ => (0, None),
        }
    }

    /// A member or element begins: it goes on with the comma before it, or neither does.
    fn member(&mut self, rule: Option<usize>) {
        if !self.mask.removes() || !self.is_looking() {
            return;
        }
        self.settle_far_comma();
        let (comma, owes_comma) = (self.comma.take(), std::mem::take(&mut self.json.owes_comma));
        let depth = self.json.levels.len();
        let Some(level) = self.json.levels.last_mut() else { return };
        if rule.and_then(|rule| self.mask.treatment(rule)).is_some_and(|treatment| treatment.is_removal()) {
            self.output.mute_from(comma.unwrap_or(self.place), true);
            self.json.removed = Some(depth);
            return;
        }
        match comma {
            _ if level.has_members && owes_comma => {
                self.output.copy_to(self.place);
                self.output.put(b",");
            }
            Some(comma) if !level.has_members => {
                self.output.copy_to(comma);
                self.output.skip_to(comma + 1);
            }
            _ => {}
        }
        level.has_members = true;
    }

    /// A comma that too much whitespace has followed is not waited with: it is left out, and owed.
    fn settle_far_comma(&mut self) {
        let space = |comma: usize| crate::bytes::past_whitespace(self.source, comma + 1) - comma - 1;
        if let Some(comma) = self.comma.filter(|comma| space(*comma) > SPACE_BYTES) {
            self.output.copy_to(comma);
            self.output.skip_to(comma + 1);
            self.json.owes_comma = true;
            self.comma = None;
        }
    }

    fn after(&mut self, byte: u8) -> Result<Step, Unreadable> {
        match (self.json.levels.last().map(|level| level.is_object), byte) {
            (None, _) if self.json.many => {
                self.json.next = Next { rule: None, active: self.mask.paths().first };
                self.json.at = At::Value;
            }
            (Some(is_object), b',') => {
                if self.mask.removes() && self.is_looking() {
                    self.comma = Some(self.place);
                }
                self.place += 1;
                self.json.at = if is_object { At::Key } else { At::Element };
            }
            (Some(true), b'}') | (Some(false), b']') => self.close(),
            _ => return Err(Unreadable(self.place)),
        }
        Ok(Step::On)
    }

    fn open(&mut self, is_object: bool, rule: Option<usize>) -> Result<Step, Unreadable> {
        if self.json.levels.len() >= DEPTH_MAX {
            return Err(Unreadable(self.place));
        }
        let active = if self.is_looking() { self.json.next.active } else { 0 };
        self.json.levels.push(Level { is_object, has_members: false, index: 0, active });
        if let (Some(rule), None) = (rule, self.json.masked) {
            self.json.masked = Some((rule, self.json.levels.len()));
        }
        self.json.at = if is_object { At::FirstKey } else { At::FirstElement };
        self.place += 1;
        Ok(Step::On)
    }

    fn close(&mut self) {
        self.json.levels.pop();
        let depth = self.json.levels.len();
        self.json.masked = self.json.masked.filter(|(_, least)| *least <= depth);
        self.end_value(self.place + 1);
    }

    /// A value ends before `place`.
    fn end_value(&mut self, place: usize) {
        self.place = place;
        self.json.at = At::After;
        if self.json.removed == Some(self.json.levels.len()) {
            self.json.removed = None;
            self.output.mute_from(place, false);
        }
    }

    /// What stands in place of a value.
    fn put_redacted(&mut self, quoted: bool) {
        self.output.put(if quoted { b"\"***\"" } else { REDACTED });
    }
}

/// The rule that was given first.
fn first(one: Option<usize>, other: Option<usize>) -> Option<usize> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
