//! What the named groups of a route's regex find in a path. Few plugins ask, so it is found out when the first one does.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use regex::bytes::Regex;

/// What the named groups of a route's regex found in a path.
#[derive(Debug, Default, Clone)]
pub struct Captures(Option<Box<Matched>>);

#[derive(Debug, Clone)]
struct Matched {
    groups: Arc<Groups>,
    path: Box<str>,
    /// Where each group's text is in the path.
    texts: OnceLock<Box<[Option<Range<usize>>]>>,
}

/// The named groups of a regex.
#[derive(Debug)]
pub(super) struct Groups {
    regex: Regex,
    /// With their numbers, in the pattern's order.
    names: Box<[(usize, Box<str>)]>,
}

impl Captures {
    /// Of a path that the regex takes.
    pub(super) fn new(groups: &Arc<Groups>, path: &str) -> Self {
        Self(Some(Box::new(Matched { groups: Arc::clone(groups), path: path.into(), texts: OnceLock::new() })))
    }

    /// What the group `name` found; `None` if there is no such group, or it took no part in the match.
    pub fn named(&self, name: &str) -> Option<&str> {
        self.iter().find(|(group, _)| *group == name).map(|(_, text)| text)
    }

    /// Names and what was found, in the pattern's order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().flat_map(|matched| {
            let names = matched.groups.names.iter().map(|(_, name)| &**name);
            let texts = matched.texts().iter().map(|text| matched.path.get(text.clone()?));
            names.zip(texts).filter_map(|(name, text)| Some((name, text?)))
        })
    }
}

impl Matched {
    fn texts(&self) -> &[Option<Range<usize>>] {
        self.texts.get_or_init(|| {
            let found = self.groups.regex.captures(self.path.as_bytes());
            let text = |nth: usize| found.as_ref()?.get(nth).map(|text| text.range());
            self.groups.names.iter().map(|(nth, _)| text(*nth)).collect()
        })
    }
}

impl Groups {
    /// `None`: it has none.
    pub(super) fn new(regex: &Regex) -> Option<Arc<Self>> {
        let names = regex.capture_names().enumerate().filter_map(|(nth, name)| Some((nth, name?.into())));
        let names: Box<[_]> = names.collect();
        (!names.is_empty()).then(|| Arc::new(Self { regex: regex.clone(), names }))
    }
}
