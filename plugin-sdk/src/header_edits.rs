//! Edits of a header section that lie ready: put together when a plugin is configured, and known to the gateway by a
//! number from their second use on. The first time they go as a list: it may be the only one for this instance.

use std::cell::Cell;
use std::fmt;

use crate::edits::{Way, field, renaming};
use crate::host;
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
    edits: Vec<Edit>,
    /// The values that differ from exchange to exchange, by the place of their edit among those, in ascending order.
    filled: Vec<(u32, Filling)>,
    known: Cell<Known>,
}

/// What a value is filled by.
#[derive(Debug)]
enum Filling {
    Template(Template),
    /// What the hook says.
    Open,
}

/// How the gateway knows the edits.
#[derive(Debug, Clone, Copy, Default)]
enum Known {
    #[default]
    Unused,
    Used,
    Number(u32),
    /// It has no room for them.
    Never,
}

/// A value that [`HeaderEdits`] have left open.
///
/// ```
/// # use tidegate_sdk::{HeaderEdits, OpenValue, prelude::*, testing::{Exchange, Hook, Outcome}};
/// let mut edits = HeaderEdits::default();
/// edits.set_open(&"x-served".parse()?)?;
/// edits.set_open(&"x-by".parse()?)?;
/// let tell = Hook(move |request: &mut Request| {
///     let (served, by): (u64, String) = (7, request.host());
///     request.edit_answer(&edits, &[OpenValue::from(served), OpenValue::from(by.as_str())]);
///     Flow::Next
/// });
/// let mut exchange = Exchange::get("/");
/// assert_eq!(exchange.request(&tell), Outcome::Next);
/// assert_eq!(exchange.client_headers().first("x-served"), Some("7"));
/// assert_eq!(exchange.client_headers().first("x-by"), Some("example.com"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct OpenValue<'v>(Open<'v>);

#[derive(Debug, Clone, Copy)]
enum Open<'v> {
    Number(u64),
    Bytes(&'v [u8]),
}

impl fmt::Display for OpenValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Open::Number(number) => number.fmt(f),
            Open::Bytes(bytes) => String::from_utf8_lossy(bytes).fmt(f),
        }
    }
}

impl From<u64> for OpenValue<'_> {
    fn from(number: u64) -> Self {
        Self(Open::Number(number))
    }
}

impl<'v> From<&'v str> for OpenValue<'v> {
    fn from(text: &'v str) -> Self {
        Self(Open::Bytes(text.as_bytes()))
    }
}

impl<'v> From<&'v HeaderValue> for OpenValue<'v> {
    fn from(value: &'v HeaderValue) -> Self {
        Self(Open::Bytes(value.as_bytes()))
    }
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

    /// As [`set`](Self::set), with a value that each exchange says for itself: it goes with [`Request::edit_answer`] and
    /// [`Request::edit_headers_with`].
    ///
    /// [`Request::edit_answer`]: crate::Request::edit_answer
    /// [`Request::edit_headers_with`]: crate::Request::edit_headers_with
    ///
    /// ```
    /// # use tidegate_sdk::{HeaderEdits, prelude::*, testing::{Exchange, Hook}};
    /// let mut edits = HeaderEdits::default();
    /// edits.set_open(&"x-left".parse()?)?;
    /// let silent = Hook(move |request: &mut Request| {
    ///     request.edit_answer(&edits, &[]);
    ///     Flow::Next
    /// });
    /// assert_eq!(Exchange::get("/").request(&silent).failure(), "of the header edits, 1 leave their value open, not 0");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The field is one of the gateway's.
    pub fn set_open(&mut self, name: &HeaderName) -> Result<(), String> {
        editable(name)?;
        self.push_filled(name, Filling::Open, Edit::Set);
        Ok(())
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
        self.push(Edit::Remove(name.as_str().to_owned()));
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
        self.push(Edit::Rename(renaming(old.as_str(), new.as_str())));
        Ok(())
    }

    /// Whether there is nothing to edit.
    ///
    /// ```
    /// # use tidegate_sdk::HeaderEdits;
    /// assert!(HeaderEdits::default().is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// Send them, with the values that this exchange has for them.
    pub(crate) fn send(&self, way: Way, values: &Values<'_>, open: &[OpenValue<'_>]) -> Result<(), String> {
        if self.edits.is_empty() {
            return Ok(());
        }
        let text = self.fill(values, open)?;
        match self.number() {
            Some(number) => (way.ready)(number, &text),
            None => (way.list)(&self.with(&text)),
        }
    }

    /// The values of this exchange, each ended by a line feed.
    fn fill(&self, values: &Values<'_>, open: &[OpenValue<'_>]) -> Result<Vec<u8>, String> {
        // None without values; with some, room at once for what they usually are.
        let mut text = Vec::with_capacity(self.filled.len() * 24);
        let mut said = open.iter();
        for (_, filling) in &self.filled {
            match filling {
                Filling::Template(template) => text.extend(template.to_header_value(values).as_bytes()),
                Filling::Open => match said.next() {
                    Some(OpenValue(Open::Number(number))) => push_decimal(&mut text, *number),
                    Some(OpenValue(Open::Bytes(bytes))) if !bytes.contains(&b'\n') => text.extend_from_slice(bytes),
                    Some(OpenValue(Open::Bytes(_))) => return Err("a header value has no line feed".to_owned()),
                    None => return Err(self.miscounted(open)),
                },
            }
            text.push(b'\n');
        }
        if said.next().is_some() { Err(self.miscounted(open)) } else { Ok(text) }
    }

    fn miscounted(&self, open: &[OpenValue<'_>]) -> String {
        let left = self.filled.iter().filter(|(_, filling)| matches!(filling, Filling::Open)).count();
        format!("of the header edits, {left} leave their value open, not {}", open.len())
    }

    /// By which the gateway knows them, if it does.
    fn number(&self) -> Option<u32> {
        match self.known.get() {
            Known::Unused => self.known.set(Known::Used),
            Known::Used => {
                let open: Vec<u32> = self.filled.iter().map(|(place, _)| *place).collect();
                let prepared = host::ready_edits::prepare(&self.edits, &open);
                self.known.set(prepared.map_or(Known::Never, Known::Number));
            }
            Known::Number(_) | Known::Never => {}
        }
        if let Known::Number(number) = self.known.get() { Some(number) } else { None }
    }

    /// All of them, with their values from `text`.
    fn with(&self, text: &[u8]) -> Vec<Edit> {
        let mut edits = self.edits.clone();
        for ((place, _), value) in self.filled.iter().zip(text.split(|byte| *byte == b'\n')) {
            match edits.get_mut(*place as usize) {
                Some(Edit::Set(field) | Edit::Append(field) | Edit::Replace(field) | Edit::Add(field)) => {
                    field.value = value.to_vec();
                }
                Some(Edit::Remove(_) | Edit::Rename(_)) | None => {}
            }
        }
        edits
    }

    fn push_field(&mut self, name: &HeaderName, value: Template, edit: fn(Header) -> Edit) -> Result<(), String> {
        editable(name)?;
        value.check_header_value()?;
        match value.as_text() {
            Some(text) => self.push(edit(field(name.as_str(), HeaderValue::from(text)))),
            None => self.push_filled(name, Filling::Template(value), edit),
        }
        Ok(())
    }

    fn push_filled(&mut self, name: &HeaderName, filling: Filling, edit: fn(Header) -> Edit) {
        self.filled.push((self.edits.len() as u32, filling));
        self.push(edit(field(name.as_str(), HeaderValue::from(Vec::new()))));
    }

    fn push(&mut self, edit: Edit) {
        // What the gateway knows of them is true no more.
        self.known.set(Known::Unused);
        self.edits.push(edit);
    }
}

/// Formatting by `std` takes several times as long.
fn push_decimal(text: &mut Vec<u8>, mut number: u64) {
    let first = text.len();
    loop {
        text.push(b'0' + (number % 10) as u8);
        number /= 10;
        if number == 0 {
            break;
        }
    }
    if let Some(digits) = text.get_mut(first..) {
        digits.reverse();
    }
}

fn editable(name: &HeaderName) -> Result<(), String> {
    if name.is_gateways() {
        return Err(format!("{name} belongs to the gateway, plugins cannot edit it"));
    }
    Ok(())
}
