//! What is known by its looks, in a text or a part of one. Where a match begins is decided by the [`LOOKBACK`] bytes
//! before whatever gives it away and the [`REACH`] bytes after, so that a text can be looked through part by part.

use self::glance::Glance;
use self::regexes::Regexes;
use crate::bytes::is_continuation;
use crate::rule::Pattern;

mod card;
mod email;
mod glance;
mod iban;
pub(crate) mod regexes;
mod token;

/// As far before the byte that gives a match away it may begin: a mail address's local part (RFC 5321, section
/// 4.5.3.1.1), and what a character of UTF-8 has before its last byte.
pub(crate) const LOOKBACK: usize = 64 + 4;
/// As far after that byte everything but a token ends.
pub(crate) const REACH: usize = 512;
/// Longest token that is not just redacted: a larger one is not waited for.
pub(crate) const TOKEN_BYTES: usize = 2048;

/// A part of a text: from `from` on, which has one byte before it at least.
#[derive(Clone, Copy)]
pub(crate) struct Part<'t> {
    pub(crate) text: &'t [u8],
    pub(crate) from: usize,
    /// The text ends with it.
    pub(crate) is_last: bool,
}

/// What is in a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    Match(Match),
    /// Nothing that begins before this place.
    Nothing(usize),
}

/// What a rule is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Match {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) rule: usize,
    /// Nothing before this place is needed to find it again.
    pub(crate) needed: usize,
    /// It is a token that is not waited for: what follows of it belongs to it.
    pub(crate) goes_on: bool,
}

/// What all patterns and regexes of the rules look for.
pub(crate) struct Detectors {
    builtin: Builtin,
    regexes: Option<Regexes>,
}

impl Detectors {
    /// Of these patterns and regexes, each with its rule.
    ///
    /// # Errors
    /// What is wrong with a regex.
    pub(crate) fn new(patterns: &[(Pattern, usize)], regexes: &[(&str, usize)]) -> Result<Option<Self>, String> {
        if patterns.is_empty() && regexes.is_empty() {
            return Ok(None);
        }
        let regexes = if regexes.is_empty() { None } else { Some(Regexes::new(regexes)?) };
        Ok(Some(Self { builtin: Builtin::new(patterns), regexes }))
    }

    /// Whether there may be a match in this text, which is whole: a look at each byte, after which most need no other.
    pub(crate) fn may_match(&self, text: &[u8]) -> bool {
        self.regexes.is_some() || self.builtin.glance().may_match(text)
    }

    /// All matches of the part that can be told yet, in order, and how far that is.
    pub(crate) fn each(&self, mut part: Part<'_>, mut found: impl FnMut(Match)) -> usize {
        let mut builtin = self.builtin.next(part);
        let Some(regexes) = &self.regexes else {
            loop {
                match builtin {
                    Found::Match(one) => {
                        found(one);
                        part.from = one.end;
                    }
                    Found::Nothing(until) => return until,
                }
                builtin = self.builtin.next(part);
            }
        };
        let mut regex = regexes.next(part);
        loop {
            let one = match (builtin, regex) {
                (Found::Match(one), Found::Match(other)) if (other.start, other.rule) < (one.start, one.rule) => other,
                (Found::Match(one), Found::Match(_)) => one,
                (Found::Match(one), Found::Nothing(until)) | (Found::Nothing(until), Found::Match(one)) => {
                    if one.start >= until && !part.is_last {
                        return until.min(one.needed);
                    }
                    one
                }
                (Found::Nothing(one), Found::Nothing(other)) => return one.min(other),
            };
            found(one);
            part.from = one.end;
            if begins_before(builtin, one.end) {
                builtin = self.builtin.next(part);
            }
            if begins_before(regex, one.end) {
                regex = regexes.next(part);
            }
        }
    }
}

fn begins_before(found: Found, place: usize) -> bool {
    match found {
        Found::Match(one) => one.start < place,
        Found::Nothing(until) => until < place,
    }
}

/// Where that begins and ends which the byte at a place gives away, in a text from a place on.
type Find = fn(&[u8], usize, usize) -> Option<(usize, usize)>;

/// The patterns that need no regex.
struct Builtin {
    card: Option<usize>,
    email: Option<usize>,
    token: Option<usize>,
    iban: Option<usize>,
    /// Whether a byte may give something away: a digit, the `@` of a mail address, the `J` of `eyJ`, the `B` of `Bearer`.
    triggers: [bool; 256],
}

impl Builtin {
    fn new(patterns: &[(Pattern, usize)]) -> Self {
        let rule = |wanted| patterns.iter().find(|(pattern, _)| *pattern == wanted).map(|(_, rule)| *rule);
        let (card, email, token, iban) =
            (rule(Pattern::Card), rule(Pattern::Email), rule(Pattern::Token), rule(Pattern::Iban));
        let triggers = std::array::from_fn(|byte| match u8::try_from(byte).unwrap_or_default() {
            b'0'..=b'9' => card.is_some() || iban.is_some(),
            b'@' => email.is_some(),
            b'J' | b'b' | b'B' => token.is_some(),
            _ => false,
        });
        Self { card, email, token, iban, triggers }
    }

    fn glance(&self) -> Glance {
        Glance {
            card: self.card.is_some(),
            email: self.email.is_some(),
            token: self.token.is_some(),
            iban: self.iban.is_some(),
        }
    }

    fn next(&self, part: Part<'_>) -> Found {
        let Part { text, from, is_last } = part;
        let mut at = from;
        while let Some(skipped) = text.get(at..).and_then(|rest| rest.iter().position(|byte| self.is_trigger(*byte))) {
            at += skipped;
            if !is_last && at + REACH > text.len() {
                return Found::Nothing(from.max(at.saturating_sub(LOOKBACK)));
            }
            if let Some((start, end, rule)) = self.at_trigger(part, at) {
                // A token is the only thing that may reach further.
                if end - start > TOKEN_BYTES {
                    let goes_on = end == text.len() && !is_last;
                    return Found::Match(Match { start, end, rule, needed: start.min(at), goes_on });
                }
                if end == text.len() && !is_last {
                    return Found::Nothing(start.min(at));
                }
                return Found::Match(Match { needed: start.min(at), ..aligned(part, start, end, rule) });
            }
            at += 1;
            // A number is looked at from its first digit only.
            if text.get(at - 1).is_some_and(u8::is_ascii_digit) {
                at += text.get(at..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_digit()).count();
            }
        }
        Found::Nothing(if is_last { text.len() } else { from.max(text.len().saturating_sub(LOOKBACK)) })
    }

    #[inline]
    fn is_trigger(&self, byte: u8) -> bool {
        self.triggers.get(usize::from(byte)).copied().unwrap_or_default()
    }

    /// Where what the byte at `at` gives away begins and ends, and its rule.
    fn at_trigger(&self, part: Part<'_>, at: usize) -> Option<(usize, usize, usize)> {
        let with = |rule: Option<usize>, find: Find| {
            let rule = rule?;
            find(part.text, part.from, at).map(|(start, end)| (start, end, rule))
        };
        match part.text.get(at)? {
            b'@' => with(self.email, email::find),
            b'0'..=b'9' => with(self.iban, iban::find).or_else(|| with(self.card, card::find)),
            _ => with(self.token, token::find),
        }
    }
}

/// The match, widened to whole characters: the rest of one would be none.
fn aligned(part: Part<'_>, mut start: usize, mut end: usize, rule: usize) -> Match {
    let amid = |place: usize| part.text.get(place).is_some_and(|byte| is_continuation(*byte));
    for _ in 0..3 {
        if start > part.from && amid(start) {
            start -= 1;
        }
        if amid(end) {
            end += 1;
        }
    }
    Match { start, end, rule, needed: start, goes_on: false }
}

/// Whether more of the token follows.
pub(crate) use token::goes_on_with;
