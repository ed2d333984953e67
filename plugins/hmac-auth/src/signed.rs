//! A signature that came with a request, whichever scheme it is of: who has signed what, and when.

use std::time::{Duration, SystemTime};

use super::Algorithm;

/// What a client claims to have signed.
#[derive(Debug, PartialEq)]
pub(crate) struct Signed {
    /// Whose secret it was.
    pub(crate) username: String,
    pub(crate) algorithm: Algorithm,
    /// The bytes that were signed.
    pub(crate) base: Vec<u8>,
    pub(crate) signature: Vec<u8>,
    /// What of the request is in them.
    pub(crate) covered: Covered,
    /// When that was.
    pub(crate) at: Moment,
}

/// What of the request was signed, by the names of the scheme in lower case.
#[derive(Debug, PartialEq)]
pub(crate) enum Covered {
    Cavage(Vec<String>),
    Rfc9421(Vec<String>),
}

/// What a signature says of its time.
#[derive(Debug, PartialEq)]
pub(crate) enum Moment {
    /// Dates that were signed, of which one has to be near.
    Dates(Vec<SystemTime>),
    /// When it was made, and when it ends, if it says so.
    Created { created: SystemTime, expires: Option<SystemTime> },
}

impl Covered {
    /// Whether this was signed, in the words of either scheme: an operator names it once for both.
    pub(crate) fn has(&self, name: &str) -> bool {
        match self {
            Self::Cavage(names) => {
                let has = |wanted: &str| names.iter().any(|name| name == wanted);
                match name {
                    "@method" | "@path" | "@query" => REQUEST_LINES.iter().any(|line| has(line)),
                    name if REQUEST_LINES.contains(&name) => REQUEST_LINES.iter().any(|line| has(line)),
                    "@authority" => has("host"),
                    "content-digest" => has(name) || has("digest"),
                    _ => has(name),
                }
            }
            Self::Rfc9421(names) => {
                let has = |wanted: &str| names.iter().any(|name| name == wanted);
                let has_target = || has("@target-uri") || has("@request-target") || has("@path") && has("@query");
                match name {
                    name if REQUEST_LINES.contains(&name) => has("@method") && has_target(),
                    "@path" | "@query" => has(name) || has_target(),
                    "host" | "@authority" => has("host") || has("@authority") || has("@target-uri"),
                    // `created` takes their place.
                    "date" | "x-date" => true,
                    "digest" => has(name) || has("content-digest"),
                    _ => has(name),
                }
            }
        }
    }

    /// Whether a header of this very name was signed.
    pub(crate) fn has_header(&self, name: &str) -> bool {
        let (Self::Cavage(names) | Self::Rfc9421(names)) = self;
        names.iter().any(|known| known == name)
    }
}

/// What the method and the target are called in the older scheme: by Kong, twice, and by its draft.
pub(crate) const REQUEST_LINES: [&str; 3] = ["request-line", "@request-target", "(request-target)"];

impl Moment {
    /// Whether `now` is at most `skew` from it.
    pub(crate) fn is_near(&self, now: SystemTime, skew: Duration) -> bool {
        let is_near = |date: &SystemTime| {
            let apart = now.duration_since(*date).or_else(|_| date.duration_since(now)).unwrap_or(Duration::MAX);
            apart <= skew
        };
        match self {
            Self::Dates(dates) => dates.iter().any(is_near),
            Self::Created { created, expires } => is_near(created) && expires.is_none_or(|expires| now < expires),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_moment_is_near_on_both_sides_of_now() {
        let skew = Duration::from_secs(300);
        for (seconds, near) in [(699, false), (700, true), (1_000, true), (1_300, true), (1_301, false)] {
            assert_eq!(Moment::Dates(vec![at(0), at(seconds)]).is_near(at(1_000), skew), near, "{seconds}");
            let created = Moment::Created { created: at(seconds), expires: None };
            assert_eq!(created.is_near(at(1_000), skew), near, "{seconds}");
        }
        assert!(!Moment::Dates(Vec::new()).is_near(at(1_000), skew));
        for (expires, near) in [(999, false), (1_000, false), (1_001, true)] {
            let moment = Moment::Created { created: at(1_000), expires: Some(at(expires)) };
            assert_eq!(moment.is_near(at(1_000), skew), near, "{expires}");
        }
        // Whoever signs does not choose for how long.
        assert!(!Moment::Created { created: at(0), expires: Some(at(9_000)) }.is_near(at(1_000), skew));
    }

    #[test]
    fn what_is_enforced_is_meant_in_the_words_of_either_scheme() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        for (signed, enforced, has) in [
            (&["date", "request-line"][..], "request-line", true),
            (&["(request-target)"], "request-line", true),
            (&["@request-target"], "@path", true),
            (&["date", "host"], "@authority", true),
            (&["digest"], "content-digest", true),
            (&["date"], "x-date", false),
            (&["date"], "@method", false),
            (&["x-a"], "x-b", false),
        ] {
            assert_eq!(Covered::Cavage(names(signed)).has(enforced), has, "{signed:?} {enforced}");
        }
        for (signed, enforced, has) in [
            (&["@method", "@target-uri"][..], "request-line", true),
            (&["@method", "@path", "@query"], "@request-target", true),
            (&["@method", "@path"], "request-line", false),
            (&["@request-target"], "@request-target", false),
            (&["@request-target"], "@query", true),
            (&["@target-uri"], "host", true),
            (&["@path"], "host", false),
            (&[], "date", true),
            (&["content-digest"], "digest", true),
            (&["digest"], "content-digest", false),
            (&["@method"], "@method", true),
        ] {
            assert_eq!(Covered::Rfc9421(names(signed)).has(enforced), has, "{signed:?} {enforced}");
        }
    }
}
