//! What is masked in records once they are written, by the rules of the plugin `mask`: the names and paths in them are
//! those that the record has.

use std::borrow::Cow;

use tidegate_mask::{Mask, Rule, Unparsable};

/// Rules, compiled.
pub(crate) struct Masking(Mask);

impl Masking {
    /// `None`: there are no rules.
    ///
    /// # Errors
    /// What is wrong with which rule, or that there is no such secret.
    pub(crate) fn new(rules: &[Rule], hash_secret: Option<&str>) -> Result<Option<Self>, String> {
        let mask = Mask::with_secret(rules, hash_secret).map_err(|error| match error.strip_prefix("rules[") {
            // As the setting is called here.
            Some(place) => format!("mask[{place}"),
            None => error,
        })?;
        Ok((!rules.is_empty()).then_some(Self(mask)))
    }

    /// The record with what is to be masked, if there is anything in it.
    ///
    /// # Errors
    /// It is none.
    pub(crate) fn masked(&self, record: &[u8]) -> Result<Option<Vec<u8>>, Unparsable> {
        Ok(match self.0.record(record)? {
            Cow::Owned(masked) => Some(masked),
            Cow::Borrowed(_) => None,
        })
    }
}
