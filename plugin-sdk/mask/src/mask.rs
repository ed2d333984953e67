//! Rules, compiled, and what they make of single values.

use std::borrow::Cow;

use tidegate_sdk::secrets;

use crate::action::{self, Form, Treatment};
use crate::detect::Detectors;
use crate::names::{Meaning, NAME_BYTES, Names};
use crate::output::Output;
use crate::path::{self, Selector};
use crate::text::{self, Progress};
use crate::{Action, Rule};

/// Most segments of all paths together: a document's place among them is a number of as many bits.
const SEGMENTS_MAX: usize = 64;

/// What rules come to: made once, when a plugin is configured.
///
/// ```
/// use tidegate_mask::{Mask, Rule};
/// use tidegate_sdk::json;
/// use tidegate_sdk::testing::configure;
///
/// let rules: [Rule; 2] = [
///     configure(json!({ "names": ["authorization", "api_key"] }))?,
///     configure(json!({ "patterns": ["email"], "action": "keep_last", "keep": 3 }))?,
/// ];
/// let mask = Mask::new(&rules, None)?;
/// assert_eq!(mask.named("Authorization", b"Basic c2VjcmV0").as_deref(), Some(b"***".as_slice()));
/// assert_eq!(mask.named("User-Agent", b"curl/8.5").as_deref(), Some(b"curl/8.5".as_slice()));
/// let record = br#"{"uri":"/?page=2&api%5Fkey=k1&to=alice%40example.com"}"#;
/// assert_eq!(mask.record(record).unwrap(), br#"{"uri":"/?page=2&api%5Fkey=***&to=***com"}"#.as_slice());
/// # Ok::<(), String>(())
/// ```
pub struct Mask {
    treatments: Vec<Treatment>,
    names: Names,
    detectors: Option<Detectors>,
    paths: Paths,
    removes: bool,
}

/// All paths together, a bit for each segment: which of them may be the next, at some place in a document.
#[derive(Default)]
pub(crate) struct Paths {
    /// At the root.
    pub(crate) first: u64,
    /// Segments that stay where they are below.
    descending: u64,
    any: u64,
    last: u64,
    /// Those that name an element.
    indexes: Vec<(u32, u64)>,
    /// The rule of each path, by its last segment.
    rules: Vec<(u64, usize)>,
}

impl Mask {
    /// Of these rules; `hash_key` is what hashes are made with.
    ///
    /// # Errors
    /// What is wrong with which rule.
    pub fn new(rules: &[Rule], hash_key: Option<&[u8]>) -> Result<Self, String> {
        let mut names = Vec::new();
        let (mut patterns, mut regexes) = (Vec::new(), Vec::new());
        let mut paths = Paths::default();
        let mut treatments = Vec::new();
        for (number, rule) in rules.iter().enumerate() {
            if rule.names.is_empty() && rule.paths.is_empty() && rule.patterns.is_empty() && rule.regexes.is_empty() {
                return Err(format!("rules[{number}]: say what to mask by names, paths, patterns or regexes"));
            }
            for name in &rule.names {
                if name.is_empty() || name.len() > NAME_BYTES {
                    return Err(format!("rules[{number}].names: {name:?} has no bytes, or more than {NAME_BYTES}"));
                }
                names.push((name.clone(), Meaning::Rule(number)));
            }
            for path in &rule.paths {
                paths.add(path, number, &mut names).map_err(|why| format!("rules[{number}].paths: {why}"))?;
            }
            patterns.extend(rule.patterns.iter().map(|pattern| (*pattern, number)));
            regexes.extend(rule.regexes.iter().map(|regex| (regex.as_str(), number)));
            treatments.push(treatment(rule, hash_key).map_err(|why| format!("rules[{number}].{why}"))?);
        }
        let removes = treatments.iter().any(|treatment| matches!(treatment, Treatment::Remove));
        let detectors = Detectors::new(&patterns, &regexes)?;
        Ok(Self { treatments, names: Names::new(names), detectors, paths, removes })
    }

    /// As [`Mask::new`], with the gateway's secret of this name for a key: settings call it `hash_secret`.
    ///
    /// ```
    /// use tidegate_mask::{Mask, Rule};
    /// use tidegate_sdk::{json, prelude::*, testing::Exchange};
    ///
    /// #[derive(Config)]
    /// #[config(validate = Settings::check)]
    /// struct Settings {
    ///     /// What to mask.
    ///     rules: Vec<Rule>,
    ///     /// The secret that `hash` uses.
    ///     hash_secret: Option<String>,
    /// }
    ///
    /// impl Settings {
    ///     fn check(&self) -> Result<(), String> {
    ///         Mask::with_secret(&self.rules, self.hash_secret.as_deref()).map(drop)
    ///     }
    /// }
    ///
    /// let settings = json!({ "rules": [{ "names": ["card"], "action": "hash" }], "hash_secret": "mask-key" });
    /// Exchange::get("/").secret("mask-key", "s3cret").configure::<Settings>(settings.clone())?;
    /// let error = Exchange::get("/").configure::<Settings>(settings).err().unwrap();
    /// assert!(error.starts_with("hash_secret: there is no secret \"mask-key\", or it is not granted"), "{error}");
    /// # Ok::<(), String>(())
    /// ```
    ///
    /// # Errors
    /// There is no such secret, or it is not granted; what is wrong with which rule.
    pub fn with_secret(rules: &[Rule], secret: Option<&str>) -> Result<Self, String> {
        let key = match secret {
            None => None,
            Some(name) => Some(secrets::get(name).ok_or_else(|| {
                format!("hash_secret: there is no secret {name:?}, or it is not granted: grants = {{ secrets = [{name:?}] }}")
            })?),
        };
        Self::new(rules, key.as_deref())
    }

    /// What stands for the value of this name, a header's for example: by the rule of that name, or else by what the
    /// value has in it. `None`: it is removed.
    pub fn named<'v>(&self, name: &str, value: &'v [u8]) -> Option<Cow<'v, [u8]>> {
        match self.names.find(name.as_bytes()).0.and_then(|rule| self.treatments.get(rule)) {
            Some(Treatment::Remove) => None,
            Some(treatment) => {
                let mut instead = Vec::new();
                treatment.write(value, Form::Plain, &mut instead);
                Some(Cow::Owned(instead))
            }
            None => Some(self.text(value)),
        }
    }

    /// A text, without what rules know by its looks.
    pub fn text<'v>(&self, text: &'v [u8]) -> Cow<'v, [u8]> {
        if !self.detectors.as_ref().is_some_and(|detectors| detectors.may_match(text)) {
            return Cow::Borrowed(text);
        }
        let mut output = Output::new(text, false);
        let mut progress = Progress::BEGINNING;
        text::mask(self, &mut output, (0, text.len()), Form::Plain, true, &mut progress);
        output.finish(text.len()).map_or(Cow::Borrowed(text), Cow::Owned)
    }

    pub(crate) fn names(&self) -> &Names {
        &self.names
    }

    pub(crate) fn paths(&self) -> &Paths {
        &self.paths
    }

    pub(crate) fn detectors(&self) -> Option<&Detectors> {
        self.detectors.as_ref()
    }

    pub(crate) fn treatment(&self, rule: usize) -> Option<&Treatment> {
        self.treatments.get(rule)
    }

    /// Whether any rule does.
    pub(crate) fn removes(&self) -> bool {
        self.removes
    }
}

fn treatment(rule: &Rule, hash_key: Option<&[u8]>) -> Result<Treatment, String> {
    match (rule.action, hash_key) {
        (Action::Redact, _) => Ok(Treatment::Redact),
        (Action::Remove, _) => Ok(Treatment::Remove),
        (Action::KeepLast, _) if rule.keep == 0 => Err("keep: keeping 0 characters is what redact does".to_owned()),
        (Action::KeepLast, _) => Ok(Treatment::KeepLast(usize::from(rule.keep))),
        (Action::Hash, Some(key)) if !key.is_empty() => Ok(Treatment::Hash(Box::new(action::hash_key(key)))),
        (Action::Hash, _) => {
            Err("action: hash needs a key, `hash_secret`, without which everybody could try values out".to_owned())
        }
    }
}

impl Paths {
    fn add(&mut self, path: &str, rule: usize, names: &mut Vec<(String, Meaning)>) -> Result<(), String> {
        let segments = path::parse(path)?;
        let first = self.last.checked_ilog2().map_or(0, |last| last + 1);
        if first as usize + segments.len() > SEGMENTS_MAX {
            return Err(format!("all paths together have more than {SEGMENTS_MAX} segments"));
        }
        self.first |= 1 << first;
        let mut bit = 0;
        for (number, segment) in (first..).zip(segments) {
            bit = 1 << number;
            if segment.descends {
                self.descending |= bit;
            }
            match segment.selector {
                Selector::Any => self.any |= bit,
                Selector::Index(index) => self.indexes.push((index, bit)),
                Selector::Name(name) => names.push((name, Meaning::Segments(bit))),
            }
        }
        self.last |= bit;
        self.rules.push((bit, rule));
        Ok(())
    }

    /// Whether there are any.
    pub(crate) fn is_any(&self) -> bool {
        self.first != 0
    }

    /// Segments that select the element with this index.
    pub(crate) fn at_index(&self, index: u32) -> u64 {
        self.indexes.iter().filter(|(wanted, _)| *wanted == index).fold(0, |bits, (_, bit)| bits | bit)
    }

    /// One step down, from where `active` may be the next segments to a child that `selecting` select: which may be the
    /// next there, and the first rule whose path ends there.
    pub(crate) fn step(&self, active: u64, selecting: u64) -> (u64, Option<usize>) {
        let selected = active & (selecting | self.any);
        let ended = selected & self.last;
        let rule = match ended {
            0 => None,
            _ => self.rules.iter().filter(|(last, _)| ended & last != 0).map(|(_, rule)| *rule).min(),
        };
        ((active & self.descending) | ((selected & !self.last) << 1), rule)
    }
}

#[cfg(test)]
mod tests;
