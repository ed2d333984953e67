//! Edits of a header section that lie ready: made when a plugin is configured, sent by the hook as they are.

use std::cell::RefCell;

use crate::edits::{field, renaming};
use crate::host::types::{Edit, Header};
use crate::template::{Template, Values};
use crate::{HeaderName, HeaderValue};

/// Edits of a header section, made when the plugin is configured, for [`Request::edit_headers`] and
/// [`Response::edit_headers`]: what hooks make one by one is put together for every exchange, and these are not. They
/// are made in the order they were added in.
///
/// [`Request::edit_headers`]: crate::Request::edit_headers
/// [`Response::edit_headers`]: crate::Response::edit_headers
///
/// ```
/// use tidegate_sdk::prelude::*;
/// use tidegate_sdk::testing::{Exchange, Hook, Outcome};
/// use tidegate_sdk::HeaderEdits;
///
/// let mut edits = HeaderEdits::default();
/// edits.remove(&"x-debug".parse()?)?;
/// edits.set(&"x-user".parse()?, "$(consumer.username or 'nobody')".parse()?)?;
///
/// let plugin = Hook(move |request: &mut Request| {
///     request.edit_headers(&edits);
///     Flow::Next
/// });
/// let mut exchange = Exchange::get("/").header("x-debug", "1");
/// assert_eq!(exchange.request(&plugin), Outcome::Next);
/// assert_eq!(exchange.upstream_headers().first("x-debug"), None);
/// assert_eq!(exchange.upstream_headers().first("x-user"), Some("nobody"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct HeaderEdits {
    ready: RefCell<Vec<Edit>>,
    /// The values that differ from exchange to exchange, by the place of their edit among those.
    filled: Vec<(usize, Template)>,
}

impl HeaderEdits {
    /// Replaces all header fields of this name by one, or adds it.
    ///
    /// ```
    /// # use tidegate_sdk::{HeaderEdits, prelude::*, testing::{Exchange, Hook, Outcome}};
    /// let mut edits = HeaderEdits::default();
    /// edits.set(&"x-via".parse()?, "edge $(headers.x-zone or 'a')".parse()?)?;
    /// let refused = edits.set(&"content-length".parse()?, "0".parse()?).unwrap_err();
    /// assert_eq!(refused, "content-length belongs to the gateway, plugins cannot edit it");
    ///
    /// let mark = Hook(move |request: &mut Request| {
    ///     request.edit_headers(&edits);
    ///     Flow::Next
    /// });
    /// let mut exchange = Exchange::get("/").header("x-zone", "b").header("x-via", "?");
    /// assert_eq!(exchange.request(&mark), Outcome::Next);
    /// assert_eq!(exchange.upstream_headers().all("x-via"), ["edge b"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The field is one of the gateway's, or the value has a character that no header value may have.
    pub fn set(&mut self, name: &HeaderName, value: Template) -> Result<(), String> {
        self.push_field(name, value, Edit::Set)
    }

    /// Adds a header field beside those of the same name.
    ///
    /// ```
    /// # use tidegate_sdk::{HeaderEdits, prelude::*, testing::{Exchange, Hook, Outcome}};
    /// # let mut edits = HeaderEdits::default();
    /// edits.append(&"x-via".parse()?, "edge".parse()?)?;
    /// # let mark = Hook(move |request: &mut Request| {
    /// #     request.edit_headers(&edits);
    /// #     Flow::Next
    /// # });
    /// # let mut exchange = Exchange::get("/").header("x-via", "a");
    /// # assert_eq!(exchange.request(&mark), Outcome::Next);
    /// # assert_eq!(exchange.upstream_headers().all("x-via"), ["a", "edge"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub fn append(&mut self, name: &HeaderName, value: Template) -> Result<(), String> {
        self.push_field(name, value, Edit::Append)
    }

    /// Replaces all header fields of this name by one, but adds none where there is none.
    ///
    /// ```
    /// # use tidegate_sdk::{HeaderEdits, prelude::*, testing::{Exchange, Hook, Outcome}};
    /// # let mut edits = HeaderEdits::default();
    /// edits.replace(&"x-via".parse()?, "edge".parse()?)?;
    /// # let mark = Hook(move |request: &mut Request| {
    /// #     request.edit_headers(&edits);
    /// #     Flow::Next
    /// # });
    /// # let mut exchange = Exchange::get("/");
    /// # assert_eq!(exchange.request(&mark), Outcome::Next);
    /// # assert_eq!(exchange.upstream_headers().first("x-via"), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub fn replace(&mut self, name: &HeaderName, value: Template) -> Result<(), String> {
        self.push_field(name, value, Edit::Replace)
    }

    /// Adds a header field, but only where there is none of this name.
    ///
    /// ```
    /// # use tidegate_sdk::{HeaderEdits, prelude::*, testing::{Exchange, Hook, Outcome}};
    /// # let mut edits = HeaderEdits::default();
    /// edits.add(&"x-via".parse()?, "edge".parse()?)?;
    /// # let mark = Hook(move |request: &mut Request| {
    /// #     request.edit_headers(&edits);
    /// #     Flow::Next
    /// # });
    /// # let mut exchange = Exchange::get("/").header("x-via", "a");
    /// # assert_eq!(exchange.request(&mark), Outcome::Next);
    /// # assert_eq!(exchange.upstream_headers().all("x-via"), ["a"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub fn add(&mut self, name: &HeaderName, value: Template) -> Result<(), String> {
        self.push_field(name, value, Edit::Add)
    }

    /// Removes all header fields of this name.
    ///
    /// ```
    /// # use tidegate_sdk::{HeaderEdits, prelude::*, testing::{Exchange, Hook, Outcome}};
    /// # let mut edits = HeaderEdits::default();
    /// edits.remove(&"x-via".parse()?)?;
    /// # let hide = Hook(move |request: &mut Request| {
    /// #     request.edit_headers(&edits);
    /// #     Flow::Next
    /// # });
    /// # let mut exchange = Exchange::get("/").header("x-via", "a");
    /// # assert_eq!(exchange.request(&hide), Outcome::Next);
    /// # assert_eq!(exchange.upstream_headers().first("x-via"), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The field is one of the gateway's.
    pub fn remove(&mut self, name: &HeaderName) -> Result<(), String> {
        editable(name)?;
        self.ready.get_mut().push(Edit::Remove(name.as_str().to_owned()));
        Ok(())
    }

    /// Gives all header fields of one name another one, in place of those that have it already; does nothing where
    /// there are none.
    ///
    /// ```
    /// # use tidegate_sdk::{HeaderEdits, prelude::*, testing::{Exchange, Hook, Outcome}};
    /// # let mut edits = HeaderEdits::default();
    /// edits.rename(&"x-via".parse()?, &"x-way".parse()?)?;
    /// # let rename = Hook(move |request: &mut Request| {
    /// #     request.edit_headers(&edits);
    /// #     Flow::Next
    /// # });
    /// # let mut exchange = Exchange::get("/").header("x-via", "a");
    /// # assert_eq!(exchange.request(&rename), Outcome::Next);
    /// # assert_eq!(exchange.upstream_headers().first("x-way"), Some("a"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// One of the fields is one of the gateway's.
    pub fn rename(&mut self, old: &HeaderName, new: &HeaderName) -> Result<(), String> {
        editable(old)?;
        editable(new)?;
        self.ready.get_mut().push(Edit::Rename(renaming(old.as_str(), new.as_str())));
        Ok(())
    }

    /// Whether there is nothing to edit.
    ///
    /// ```
    /// # use tidegate_sdk::HeaderEdits;
    /// assert!(HeaderEdits::default().is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.ready.borrow().is_empty()
    }

    /// Have them sent, with the values that this exchange has for them.
    pub(crate) fn send(&self, values: &Values<'_>, send: impl FnOnce(&[Edit])) {
        if self.filled.is_empty() {
            return match self.ready.borrow().as_slice() {
                [] => {}
                ready => send(ready),
            };
        }
        let filled: Vec<HeaderValue> =
            self.filled.iter().map(|(_, template)| template.to_header_value(values)).collect();
        let mut ready = self.ready.borrow_mut();
        for ((place, _), value) in self.filled.iter().zip(filled) {
            set_value(&mut ready, *place, value.into_bytes());
        }
        send(&ready);
        // The next exchange's memory is no place for what this one has brought.
        for (place, _) in &self.filled {
            set_value(&mut ready, *place, Vec::new());
        }
    }

    fn push_field(&mut self, name: &HeaderName, value: Template, edit: fn(Header) -> Edit) -> Result<(), String> {
        editable(name)?;
        value.check_header_value()?;
        let ready = self.ready.get_mut();
        match value.as_text() {
            Some(text) => ready.push(edit(field(name.as_str(), HeaderValue::from(text)))),
            None => {
                self.filled.push((ready.len(), value));
                ready.push(edit(field(name.as_str(), HeaderValue::from(Vec::new()))));
            }
        }
        Ok(())
    }
}

fn editable(name: &HeaderName) -> Result<(), String> {
    if name.is_gateways() {
        return Err(format!("{name} belongs to the gateway, plugins cannot edit it"));
    }
    Ok(())
}

fn set_value(edits: &mut [Edit], place: usize, value: Vec<u8>) {
    match edits.get_mut(place) {
        Some(Edit::Set(field) | Edit::Append(field) | Edit::Replace(field) | Edit::Add(field)) => field.value = value,
        Some(Edit::Remove(_) | Edit::Rename(_)) | None => {}
    }
}
