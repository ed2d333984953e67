//! Names that rules and paths look for, found in no more time however many they are.

const BUCKETS: usize = 256;
/// Longest name that can be looked for.
pub(crate) const NAME_BYTES: usize = 128;

/// All names.
pub(crate) struct Names {
    buckets: Vec<Vec<Entry>>,
    /// Lengths that there are.
    lengths: [bool; NAME_BYTES + 1],
}

struct Entry {
    name: String,
    meaning: Meaning,
}

/// What a name is to who looks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// A rule's, in any case.
    Rule(usize),
    /// Some segments' of paths, in this case only.
    Segments(u64),
}

impl Names {
    pub(crate) fn new(names: impl IntoIterator<Item = (String, Meaning)>) -> Self {
        let mut made = Self { buckets: (0..BUCKETS).map(|_| Vec::new()).collect(), lengths: [false; NAME_BYTES + 1] };
        for (name, meaning) in names {
            if let Some(known) = made.lengths.get_mut(name.len()) {
                *known = true;
            }
            if let Some(bucket) = made.buckets.get_mut(bucket(name.as_bytes())) {
                bucket.push(Entry { name, meaning });
            }
        }
        made
    }

    /// The first rule that this is a name of, and the segments.
    #[inline]
    pub(crate) fn find(&self, name: &[u8]) -> (Option<usize>, u64) {
        let mut found = (None, 0);
        if !self.lengths.get(name.len()).copied().unwrap_or_default() {
            return found;
        }
        for entry in self.buckets.get(bucket(name)).into_iter().flatten() {
            match entry.meaning {
                Meaning::Rule(rule) if name.eq_ignore_ascii_case(entry.name.as_bytes()) => {
                    found.0 = Some(found.0.map_or(rule, |other: usize| other.min(rule)));
                }
                Meaning::Segments(segments) if name == entry.name.as_bytes() => found.1 |= segments,
                _ => {}
            }
        }
        found
    }
}

/// By length, and first, middle and last byte, in any case.
#[inline]
fn bucket(name: &[u8]) -> usize {
    let byte = |at: usize| usize::from(name.get(at).copied().unwrap_or_default() | 0x20);
    let length = name.len();
    (length * 31 + byte(0) * 7 + byte(length / 2) * 3 + byte(length.saturating_sub(1))) % BUCKETS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_rules_are_found_in_any_case_and_those_of_segments_in_theirs() {
        let rule = |name: &str, rule| (name.to_owned(), Meaning::Rule(rule));
        let many = (0..1000).map(|number| (format!("n{number}"), Meaning::Rule(number)));
        let segments = [("Password".to_owned(), Meaning::Segments(4)), ("Password".to_owned(), Meaning::Segments(1))];
        let names = Names::new(many.chain([rule("Password", 7), rule("passWord", 5), rule("", 9)]).chain(segments));
        assert_eq!(names.find(b"PASSWORD"), (Some(5), 0));
        assert_eq!(names.find(b"Password"), (Some(5), 5));
        assert_eq!(names.find(b"N731"), (Some(731), 0));
        assert_eq!(names.find(b""), (Some(9), 0));
        assert_eq!(names.find(b"passw0rd"), (None, 0));
        assert_eq!(names.find(&[b'n'; 300]), (None, 0));
    }
}
