//! Which responses something is for, by their status.

/// Ranges of statuses, or all.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Statuses(Vec<(u16, u16)>);

impl Statuses {
    /// Of entries like `404` and `500-599`. None are all.
    ///
    /// # Errors
    /// Which entry is wrong, and how.
    pub(crate) fn parse(entries: &[String]) -> Result<Self, String> {
        let range = |(number, entry): (usize, &String)| {
            let (first, last) = entry.split_once('-').unwrap_or((entry, entry));
            match (status(first), status(last)) {
                (Some(first), Some(last)) if first <= last => Ok((first, last)),
                _ => Err(format!("[{number}]: {entry:?} is neither a status nor a range like \"500-599\"")),
            }
        };
        entries.iter().enumerate().map(range).collect::<Result<_, _>>().map(Self)
    }

    pub(crate) fn have(&self, status: u16) -> bool {
        self.are_all() || self.0.iter().any(|(first, last)| (*first..=*last).contains(&status))
    }

    pub(crate) fn are_all(&self) -> bool {
        self.0.is_empty()
    }
}

/// What a response that plugins see can have.
fn status(text: &str) -> Option<u16> {
    text.trim().parse().ok().filter(|status| (200..=599).contains(status))
}
