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

    /// Mask the record that `written` has from `begin` on.
    ///
    /// # Errors
    /// It is none.
    pub(crate) fn mask(&self, written: &mut Vec<u8>, begin: usize) -> Result<(), Unparsable> {
        if let Cow::Owned(masked) = self.0.record(written.get(begin..).unwrap_or_default())? {
            written.truncate(begin);
            written.extend_from_slice(&masked);
        }
        Ok(())
    }
}
