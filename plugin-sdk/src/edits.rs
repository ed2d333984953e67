//! Edits on their way to the gateway. A call across the boundary costs more than the edit itself, so
//! they are collected, and sent together: before the next read of what they change, or when the hook
//! is done. An edit that the gateway refuses is the plugin's fault and becomes the hook's failure.

use std::cell::{Cell, RefCell};

use crate::HeaderValue;
use crate::host::types::{Edit, Header, Renaming};

/// Where edits go: a list of them, or those that lie ready under a number, with the values that these leave open. It is
/// named where it is used, so that a plugin which has no such edits does not import what makes them.
#[derive(Clone, Copy)]
pub(crate) struct Way {
    pub(crate) list: fn(&[Edit]) -> Result<(), String>,
    pub(crate) ready: fn(u32, &[u8]) -> Result<(), String>,
}

pub(crate) struct Edits {
    send: fn(&[Edit]) -> Result<(), String>,
    pending: RefCell<Vec<Edit>>,
    refusal: Cell<Option<String>>,
}

impl Edits {
    pub(crate) fn new(send: fn(&[Edit]) -> Result<(), String>) -> Self {
        Self { send, pending: RefCell::default(), refusal: Cell::default() }
    }

    pub(crate) fn set(&mut self, name: &str, value: HeaderValue) {
        self.push(Edit::Set(field(name, value)));
    }

    pub(crate) fn append(&mut self, name: &str, value: HeaderValue) {
        self.push(Edit::Append(field(name, value)));
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.push(Edit::Remove(name.to_owned()));
    }

    pub(crate) fn replace(&mut self, name: &str, value: HeaderValue) {
        self.push(Edit::Replace(field(name, value)));
    }

    pub(crate) fn add(&mut self, name: &str, value: HeaderValue) {
        self.push(Edit::Add(field(name, value)));
    }

    pub(crate) fn rename(&mut self, old: &str, new: &str) {
        self.push(Edit::Rename(renaming(old, new)));
    }

    /// Send what is pending, so that a read sees it.
    pub(crate) fn settle(&self) {
        let mut pending = self.pending.borrow_mut();
        if !pending.is_empty() {
            self.note((self.send)(&pending));
            pending.clear();
        }
    }

    /// Remember the first refusal.
    pub(crate) fn note(&self, result: Result<(), String>) {
        let first = self.refusal.take();
        self.refusal.set(first.or(result.err()));
    }

    /// Send what is pending and say whether all edits were accepted.
    pub(crate) fn finish(self) -> Result<(), String> {
        self.settle();
        self.refusal.into_inner().map_or(Ok(()), Err)
    }

    fn push(&mut self, edit: Edit) {
        self.pending.get_mut().push(edit);
    }
}

pub(crate) fn field(name: &str, value: HeaderValue) -> Header {
    Header { name: name.to_owned(), value: value.into_bytes() }
}

pub(crate) fn renaming(old: &str, new: &str) -> Renaming {
    Renaming { old: old.to_owned(), new: new.to_owned() }
}
