//! Regexes of settings, all in one automaton: a text is read once, whatever they are.

use regex_automata::dfa::{StartKind, dense, regex};
use regex_automata::nfa::thompson;
use regex_automata::util::syntax;
use regex_automata::{Input, MatchKind};
use regex_syntax::hir::Look;

use super::{Found, LOOKBACK, Part, REACH, aligned};

/// Most bytes that one match may have.
const MATCH_BYTES: usize = 256;
/// Bytes that the automata may take, and the making of them: instances have 16 MiB.
const AUTOMATON_BYTES: usize = 2 << 20;

/// What they are together, and each one's rule.
pub(crate) struct Regexes {
    automaton: regex::Regex,
    rules: Vec<usize>,
}

impl Regexes {
    /// Of these, each with its rule.
    ///
    /// # Errors
    /// Which is wrong, and why.
    pub(crate) fn new(regexes: &[(&str, usize)]) -> Result<Self, String> {
        for (regex, rule) in regexes {
            check(regex).map_err(|why| format!("rules[{rule}].regexes: {regex:?} {why}"))?;
        }
        let size = Some(AUTOMATON_BYTES);
        let dense = dense::Config::new()
            .match_kind(MatchKind::LeftmostFirst)
            .start_kind(StartKind::Unanchored)
            .dfa_size_limit(size)
            .determinize_size_limit(size);
        let sources: Vec<&str> = regexes.iter().map(|(regex, _)| *regex).collect();
        let automaton = regex::Builder::new()
            .syntax(syntax())
            .thompson(thompson::Config::new().utf8(false).nfa_size_limit(size))
            .dense(dense)
            .build_many(&sources)
            .map_err(|error| format!("the regexes together cannot be made an automaton of: {error}"))?;
        Ok(Self { automaton, rules: regexes.iter().map(|(_, rule)| *rule).collect() })
    }

    /// The first match that can be told yet.
    pub(super) fn next(&self, part: Part<'_>) -> Found {
        let Part { text, from, is_last } = part;
        let decided = if is_last { text.len() } else { from.max(text.len().saturating_sub(REACH + LOOKBACK)) };
        // Automata with ASCII's word boundaries never give up.
        match self.automaton.try_search(&Input::new(text).span(from..text.len())) {
            Ok(Some(found)) if is_last || found.start() < decided => {
                let rule = self.rules.get(found.pattern().as_usize()).copied().unwrap_or_default();
                Found::Match(aligned(part, found.start(), found.end(), rule))
            }
            _ => Found::Nothing(decided),
        }
    }
}

/// Bytes, not characters: a text may be anything.
fn syntax() -> syntax::Config {
    syntax::Config::new().unicode(false).utf8(false)
}

/// # Errors
/// What is wrong with it, to follow the regex itself.
fn check(regex: &str) -> Result<(), String> {
    let parsed = regex_syntax::ParserBuilder::new().unicode(false).utf8(false).build().parse(regex);
    // What it says has the regex and a mark in lines of their own; the last one has the reason.
    let reason = |error: regex_syntax::Error| error.to_string().lines().last().unwrap_or_default().to_owned();
    let parsed = parsed.map_err(|error| format!("is no regex: {}", reason(error)))?;
    let properties = parsed.properties();
    if properties.minimum_len().is_none_or(|least| least == 0) {
        return Err("may match nothing at all".to_owned());
    }
    if properties.maximum_len().is_none_or(|most| most > MATCH_BYTES) {
        let instead = "write {1,64} in place of + and {0,64} in place of *";
        return Err(format!("may match more than {MATCH_BYTES} bytes: {instead}"));
    }
    let is_boundary = |look| matches!(look, Look::WordAscii | Look::WordAsciiNegate);
    if !properties.look_set().iter().all(is_boundary) {
        return Err("has an anchor: texts are looked through part by part, so there is \\b only".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::Match;
    use super::*;

    #[test]
    fn each_regex_has_its_rule_and_the_first_match_counts() {
        let regexes = Regexes::new(&[(r"\b\d{3}-\d{2}-\d{4}\b", 2), ("AKIA[0-9A-Z]{16}", 5)]).unwrap();
        let next = |text: &str, from| regexes.next(Part { text: text.as_bytes(), from, is_last: true });
        let text = "!1078-05-1120 078-05-1120 AKIAIOSFODNN7EXAMPLE";
        assert_eq!(next(text, 1), Found::Match(Match { start: 14, end: 25, rule: 2, needed: 14, goes_on: false }));
        assert_eq!(next(text, 25), Found::Match(Match { start: 26, end: 46, rule: 5, needed: 26, goes_on: false }));
        assert_eq!(next(text, 46), Found::Nothing(46));
        let amid = "!".repeat(20) + "078-05-1120";
        let part = Part { text: amid.as_bytes(), from: 1, is_last: false };
        assert_eq!(regexes.next(part), Found::Nothing(1), "it may go on");
    }

    #[test]
    fn what_is_not_bounded_is_refused() {
        let cases = [
            ("a+", "more than 256 bytes"),
            ("a{257}", "more than 256 bytes"),
            ("a?", "nothing at all"),
            ("^a", "has an anchor"),
            ("a$", "has an anchor"),
            ("(a", "is no regex: error: unclosed group"),
            (r"\p{L}", "is no regex"),
        ];
        for (regex, why) in cases {
            let error = Regexes::new(&[("ok", 0), (regex, 1)]).err().unwrap();
            assert!(error.starts_with(&format!("rules[1].regexes: {regex:?} ")) && error.contains(why), "{error}");
        }
        let error = Regexes::new(&[("[ab]{0,90}a[ab]{90}", 0)]).err().unwrap();
        assert!(error.starts_with("the regexes together cannot be made an automaton of"), "{error}");
    }
}
