//! Automata against the regexes that they are made of.

use regex::bytes::Regex;

use super::*;

/// As `PathRegex` makes it.
fn regex(pattern: &str) -> Regex {
    regex::bytes::RegexBuilder::new(&format!("^(?:{pattern})")).unicode(false).build().unwrap()
}

/// Pieces of patterns, and of the texts that they are tried on.
const PIECES: [&str; 26] = [
    "a",
    "b",
    "/",
    "ab",
    "/a/",
    "aab/",
    "[ab]",
    "[^/]",
    "a+",
    "a*?",
    "[ab]+",
    "(?:ab)+",
    "(?:a|ab)",
    "(?:ab|a)",
    "(?:aab|a|ab)",
    "(?:a|b|aa|)",
    ".*",
    ".*?",
    "b?",
    "b??",
    "(?i)A",
    "[ab]{2,3}",
    "(a)",
    "$",
    "^",
    "(?:/b|$)",
];
const TEXTS: [&str; 6] = ["a", "b", "/", "A", "ab", "aab/"];

fn some(random: &mut fastrand::Rng, from: &[&str], most: usize) -> String {
    (0..random.usize(0..=most)).map(|_| *random.choice(from).unwrap()).collect()
}

/// All that an automaton reports.
fn reports(automata: &Automata, start: Start, text: &str) -> Vec<(u32, usize)> {
    let mut reports = Vec::new();
    automata.walk(start, text.as_bytes(), |number, position| reports.push((number, position)));
    reports
}

#[test]
fn a_match_ends_where_the_regex_says() {
    let mut random = fastrand::Rng::with_seed(11);
    let (mut built, mut matched, mut missed) = (0, 0, 0);
    for _ in 0..1500 {
        let literal = some(&mut random, &TEXTS, 2);
        let regex = regex(&format!("{literal}{}", some(&mut random, &PIECES, 5)));
        let program = Program::new(&regex).unwrap();
        let mut automata = Automata::default();
        let Some(start) = compile(&mut automata, &[&program], literal.as_bytes(), Purpose::End) else { continue };
        built += 1;
        for _ in 0..20 {
            let behind = some(&mut random, &TEXTS, 6);
            let text = format!("{literal}{behind}");
            let expected = regex.find(text.as_bytes()).map(|found| found.end());
            let end = automata.last_report(start, behind.as_bytes()).map(|end| literal.len() + end);
            assert_eq!(end, expected, "{regex} on {text}");
            *(if expected.is_some() { &mut matched } else { &mut missed }) += 1;
        }
    }
    assert!(built > 1400 && matched > 5_000 && missed > 5_000, "{built} built, {matched} matched, {missed} missed");
}

#[test]
fn whatever_matches_is_among_the_candidates_and_each_is_so_once() {
    let mut random = fastrand::Rng::with_seed(12);
    let (mut built, mut matched, mut candidates) = (0, 0, 0);
    for _ in 0..600 {
        let literal = some(&mut random, &TEXTS, 1);
        let count = random.usize(1..12);
        let patterns: Vec<String> = (0..count).map(|_| format!("{literal}{}", some(&mut random, &PIECES, 5))).collect();
        let regexes: Vec<Regex> = patterns.iter().map(|pattern| regex(pattern)).collect();
        let programs: Vec<Program> = regexes.iter().map(|regex| Program::new(regex).unwrap()).collect();
        let programs: Vec<&Program> = programs.iter().collect();
        let mut automata = Automata::default();
        let Some(start) = compile(&mut automata, &programs, literal.as_bytes(), Purpose::Candidates) else { continue };
        built += 1;
        for _ in 0..20 {
            let behind = some(&mut random, &TEXTS, 6);
            let mut met: Vec<u32> = reports(&automata, start, &behind).into_iter().map(|(number, _)| number).collect();
            candidates += met.len();
            met.sort_unstable();
            assert!(met.windows(2).all(|pair| pair[0] != pair[1]), "{met:?} of {patterns:?} on {literal}{behind}");
            for (regex, number) in regexes.iter().zip(0..) {
                if regex.is_match(format!("{literal}{behind}").as_bytes()) {
                    matched += 1;
                    assert!(met.contains(&number), "{regex} of {patterns:?} on {literal}{behind}");
                }
            }
        }
    }
    assert!(built > 400 && matched > 5_000, "{built} built, {matched} matched");
    assert!(candidates < matched * 5 / 4, "{candidates} candidates for {matched} matches");
}

#[test]
fn many_automata_share_their_memory() {
    let mut automata = Automata::default();
    let texts = ["/a/items/", "/bc/items/", "/[a-z]/items/", "/d/items/[0-9]+"];
    let starts = texts.map(|text| {
        let program = Program::new(&regex(text)).unwrap();
        compile(&mut automata, &[&program], b"/", Purpose::End).unwrap()
    });
    let automata = automata.finished();
    let ends = |behind: &str| starts.map(|start| automata.last_report(start, behind.as_bytes()));
    assert_eq!(ends("a/items/7"), [Some(8), None, Some(8), None]);
    assert_eq!(ends("bc/items/7"), [None, Some(9), None, None]);
    assert_eq!(ends("d/items/77"), [None, None, Some(8), Some(10)]);
    assert_eq!(ends("d/items"), [None; 4]);
    assert_eq!(automata.reports, [1, 0, 0], "what a match reports stands there once");
    assert_eq!(automata.texts.len(), "a/items/bc/items//items/d/items/".len());
}

#[test]
fn regexes_that_end_alike_are_one_automaton() {
    let mut automata = Automata::default();
    let mut compiled = |literal: &str, end: &str| {
        let program = Program::new(&regex(&format!("{literal}{end}"))).unwrap();
        compile(&mut automata, &[&program], literal.as_bytes(), Purpose::End).unwrap()
    };
    let first = compiled("/v1/area1/", "(?:orders|items)/[0-9]+$");
    assert_ne!(compiled("/v1/area1/", "(?:orders|items)/[0-9]*$"), first);
    assert_eq!(compiled("/v1/area22/", "(?:orders|items)/[0-9]+$"), first);
}

#[test]
fn what_only_the_regex_can_judge_gets_no_automaton_of_its_own_but_is_a_candidate() {
    let program = |pattern| Program::new(&regex(pattern)).unwrap();
    let (bounded, other) = (program(r"a\b"), program("b"));
    let mut automata = Automata::default();
    assert_eq!(compile(&mut automata, &[&bounded], b"", Purpose::End), None);
    let start = compile(&mut automata, &[&bounded, &other], b"", Purpose::Candidates).unwrap();
    assert_eq!(reports(&automata, start, "a/"), [(0, 1)]);
    assert_eq!(reports(&automata, start, "b"), [(1, 1)]);
}

#[test]
fn what_would_take_too_long_is_given_up() {
    let programs: Vec<Program> = (0..20).map(|nth| Program::new(&regex(&format!("/.*/{nth}/"))).unwrap()).collect();
    let programs: Vec<&Program> = programs.iter().collect();
    let mut automata = Automata::default();
    assert_eq!(compile(&mut automata, &programs, b"/", Purpose::Candidates), None);
    assert!(automata.words.is_empty(), "nothing is left of it");
    let long = Program::new(&regex(".{1,1000}")).unwrap();
    assert_eq!(compile(&mut automata, &[&long], b"", Purpose::End), None);
}
