//! What plugins keep for an exchange from hook to hook: each use its own, and what all of them share. Instances serve
//! many exchanges, so what belongs to one of them lives here.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::limits;
use crate::store::Space;

/// Values kept for one exchange. Nothing is taken from the heap until there is one.
#[derive(Default)]
pub struct Scratch(Option<Arc<Mutex<Entries>>>);

/// Whose a value is: that of a use, by whose its counters are, or everybody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// The use that has this space.
    Use(Space),
    /// All plugins of the exchange.
    All,
}

#[derive(Default)]
struct Entries {
    values: Vec<(Owner, String, Bytes)>,
    bytes: usize,
}

impl Scratch {
    /// With what plugins before those that are called have left for all of them.
    pub fn of(words: &[(String, Bytes)]) -> Self {
        let mut scratch = Self::default();
        for (key, value) in words {
            // What would not fit is not there, as if the plugin had failed.
            let _ = scratch.keep(Owner::All, key.clone(), value.clone());
        }
        scratch
    }

    /// What `owner` keeps under `key`.
    pub fn value(&self, owner: Owner, key: &str) -> Option<Bytes> {
        let entries = self.0.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
        entries.values.iter().find(|(o, k, _)| *o == owner && k == key).map(|(_, _, value)| value.clone())
    }

    /// Keep `value`.
    ///
    /// # Errors
    /// The exchange would hold more than [`limits::SCRATCH_BYTES`].
    pub fn keep(&mut self, owner: Owner, key: String, value: Bytes) -> Result<(), String> {
        let entries = self.0.get_or_insert_default();
        entries.lock().unwrap_or_else(PoisonError::into_inner).keep(owner, key, value)
    }

    /// The same scratch, for hooks that run beside the exchange.
    pub fn share(&mut self) -> Self {
        Self(Some(Arc::clone(self.0.get_or_insert_default())))
    }
}

impl Entries {
    fn keep(&mut self, owner: Owner, key: String, value: Bytes) -> Result<(), String> {
        let added = key.len() + value.len();
        let old = self.values.iter().position(|(o, k, _)| *o == owner && *k == key);
        let freed = old.and_then(|at| self.values.get(at)).map_or(0, |(_, k, v)| k.len() + v.len());
        let is_full = old.is_none() && self.values.len() >= limits::SCRATCH_VALUES;
        if self.bytes - freed + added > limits::SCRATCH_BYTES || is_full {
            let (bytes, values) = (limits::SCRATCH_BYTES, limits::SCRATCH_VALUES);
            return Err(format!("the scratch of one exchange holds at most {bytes} bytes and {values} values"));
        }
        self.bytes = self.bytes - freed + added;
        match old.and_then(|at| self.values.get_mut(at)) {
            Some(entry) => entry.2 = value,
            None => self.values.push((owner, key, value)),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_replaced_however_many_there_are() {
        let mut scratch = Scratch::default();
        let mut keep = |number: usize| scratch.keep(Owner::All, number.to_string(), Bytes::from_static(b"v"));
        (0..limits::SCRATCH_VALUES).for_each(|number| keep(number).unwrap());
        keep(0).unwrap();
        keep(limits::SCRATCH_VALUES).unwrap_err();
    }

    #[test]
    fn everybody_sees_their_own_and_what_is_shared() {
        let mut scratch = Scratch::default();
        let value = |text: &'static str| Bytes::from_static(text.as_bytes());
        scratch.keep(Owner::Use(Space(0)), "k".into(), value("first's")).unwrap();
        scratch.keep(Owner::Use(Space(1)), "k".into(), value("second's")).unwrap();
        let mut beside = scratch.share();
        beside.keep(Owner::All, "k".into(), value("everybody's")).unwrap();
        beside.keep(Owner::Use(Space(0)), "k".into(), value("changed")).unwrap();
        for (owner, expected) in
            [(Owner::Use(Space(0)), "changed"), (Owner::Use(Space(1)), "second's"), (Owner::All, "everybody's")]
        {
            assert_eq!(scratch.value(owner, "k"), Some(value(expected)));
        }
        assert_eq!(scratch.value(Owner::Use(Space(2)), "k"), None);
    }

    #[test]
    fn it_is_bounded_in_bytes_and_in_values_and_replacing_frees() {
        let mut scratch = Scratch::default();
        let most = Bytes::from(vec![0; limits::SCRATCH_BYTES - 1]);
        scratch.keep(Owner::All, "a".into(), most).unwrap();
        scratch.keep(Owner::All, "b".into(), Bytes::new()).unwrap_err();
        scratch.keep(Owner::All, "a".into(), Bytes::new()).unwrap();
        for number in 1..limits::SCRATCH_VALUES {
            scratch.keep(Owner::All, number.to_string(), Bytes::new()).unwrap();
        }
        scratch.keep(Owner::All, "one more".into(), Bytes::new()).unwrap_err();
    }
}
