//! Records of requests: one JSON object, all of it there, whose keys and texts come from clients and upstreams.

use std::borrow::Cow;

use crate::json::{Json, Unreadable};
use crate::mask::Mask;
use crate::output::Output;
use crate::stream::Unparsable;

/// Whose the texts of a document are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Texts {
    /// An application's: all there is to a string is what it says, and keys are its own.
    Application,
    /// A request's: strings may be URLs or have some in them, keys are names of parameters and headers that somebody has
    /// made up, and numbers are what the gateway has counted and measured.
    Request,
}

impl Mask {
    /// A record of a request, which is a JSON object, masked. Besides what holds for all JSON, names are looked for in the
    /// queries and fragments of URLs that its strings have, patterns and regexes in what is percent-encoded there and in
    /// keys, but not in numbers.
    ///
    /// ```
    /// use tidegate_mask::{Mask, Rule};
    /// use tidegate_sdk::{json, testing::configure};
    ///
    /// let rules: [Rule; 2] = [configure(json!({ "names": ["pin"] }))?, configure(json!({ "patterns": ["email"] }))?];
    /// let mask = Mask::new(&rules, None)?;
    /// let record = br#"{"uri":"/a%40example.com?x=1&pin=2","query":{"x":"1","pin":"2"},"status":200}"#;
    /// let masked = br#"{"uri":"/***?x=1&pin=***","query":{"x":"1","pin":"***"},"status":200}"#;
    /// assert_eq!(mask.record(record)?, masked.as_slice());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// It is no JSON.
    pub fn record<'r>(&self, record: &'r [u8]) -> Result<Cow<'r, [u8]>, Unparsable> {
        let mut output = Output::new(record, false);
        match Json::new(self, false).walk(self, &mut output, 0, true, Texts::Request) {
            Ok(end) => Ok(output.finish(end).map_or(Cow::Borrowed(record), Cow::Owned)),
            Err(Unreadable(at)) => Err(Unparsable { at: at as u64 }),
        }
    }
}

#[cfg(test)]
mod tests;
