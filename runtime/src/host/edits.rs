//! Edits of header sections, as plugins ask for them: parsed before any is made, and made all together or not at all.
//! Some lie ready, to be made for one exchange after another; some are handed over in a request hook, for the answer.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{Entry, HeaderMap, HeaderName, HeaderValue};
use smallvec::SmallVec;

use super::bindings::tidegate::plugin::types::{Edit, Header};
use crate::store::Space;
use crate::{hop_by_hop, limits};

/// Make all edits, or none if one of them is impossible.
pub(super) fn edit(headers: &mut HeaderMap, edits: Vec<Edit>) -> Result<(), String> {
    let changes = edits.into_iter().map(Change::try_from).collect::<Result<Vec<_>, _>>()?;
    make(headers, changes.into_iter(), Values::new())
}

/// A field a plugin may set, parsed.
pub(super) fn field(header: Header) -> Result<(HeaderName, HeaderValue), String> {
    let name = editable(&header.name)?;
    let value = HeaderValue::from_maybe_shared(Bytes::from(header.value)).map_err(|_| no_value(&name))?;
    Ok((name, value))
}

/// What a list of edits has left open, in the order of the edits.
pub(super) type Values = SmallVec<[HeaderValue; 4]>;

/// Edits that are made for more than one exchange, some with values of its own.
#[derive(Debug)]
pub(super) struct Ready {
    changes: Box<[Change]>,
    /// Of names and values.
    bytes: usize,
}

impl Ready {
    /// `open` are the places of those whose values are left open.
    pub(super) fn new(edits: Vec<Edit>, open: &[u32]) -> Result<Arc<Self>, String> {
        if edits.len() > limits::HEADER_FIELDS {
            return Err(format!("up to {} edits lie ready together, not {}", limits::HEADER_FIELDS, edits.len()));
        }
        let mut changes = edits.into_iter().map(Change::try_from).collect::<Result<Box<[_]>, _>>()?;
        let mut before = None;
        for &place in open {
            let left = usize::try_from(place).ok().filter(|_| before < Some(place));
            match left.and_then(|place| changes.get_mut(place)) {
                Some(Change::Field(_, _, value)) => *value = None,
                _ => return Err(format!("there is no value to be left open at {place}")),
            }
            before = Some(place);
        }
        let bytes = changes.iter().map(Change::bytes).sum();
        Ok(Arc::new(Self { changes, bytes }))
    }

    /// What was left open, of `text`: each value ends with a line feed.
    pub(super) fn values(&self, mut text: &[u8]) -> Result<Values, String> {
        let mut values = Values::new();
        for name in self.changes.iter().filter_map(Change::left_open) {
            let end = memchr::memchr(b'\n', text);
            let Some((value, rest)) = end.and_then(|end| text.split_at_checked(end)) else {
                return Err(format!("there is no value for {name} that ends with a line feed"));
            };
            values.push(HeaderValue::from_bytes(value).map_err(|_| no_value(name))?);
            text = rest.strip_prefix(b"\n").unwrap_or_default();
        }
        if text.is_empty() {
            Ok(values)
        } else {
            Err(format!("there are more values than the {} left open", values.len()))
        }
    }

    pub(super) fn make(&self, headers: &mut HeaderMap, values: Values) -> Result<(), String> {
        make(headers, self.changes.iter().cloned(), values)
    }
}

/// What lies ready for one instance: by number, in memory that its own limit does not count.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    ready: Vec<Arc<Ready>>,
    bytes: usize,
}

impl Shelf {
    /// Keep these. Their number.
    pub(super) fn keep(&mut self, ready: Arc<Ready>) -> Result<u32, String> {
        let (lists, bytes) = (limits::READY_EDITS, limits::EDIT_BYTES);
        let number = self.ready.len();
        if number >= lists || self.bytes + ready.bytes > bytes {
            return Err(format!("an instance has at most {lists} lists of edits ready, of {bytes} bytes together"));
        }
        self.bytes += ready.bytes;
        self.ready.push(ready);
        Ok(u32::try_from(number).unwrap_or(u32::MAX))
    }

    pub(super) fn list(&self, number: u32) -> wasmtime::Result<&Arc<Ready>> {
        let ready = usize::try_from(number).ok().and_then(|number| self.ready.get(number));
        ready.ok_or_else(|| wasmtime::format_err!("no edits lie ready under the number {number}"))
    }
}

/// Edits of the answer that request hooks have handed over, each for its use.
#[derive(Default)]
pub(super) struct InAdvance(Vec<Handed>);

struct Handed {
    space: Space,
    edits: Arc<Ready>,
    values: Values,
}

impl Handed {
    fn bytes(&self) -> usize {
        self.edits.bytes + self.values.iter().map(HeaderValue::len).sum::<usize>()
    }
}

impl InAdvance {
    pub(super) fn hand_over(&mut self, space: Space, edits: Arc<Ready>, values: Values) -> Result<(), String> {
        let handed = Handed { space, edits, values };
        let (edits, bytes) = (limits::HEADER_FIELDS, limits::EDIT_BYTES);
        let all = || self.0.iter().chain([&handed]);
        if all().map(|handed| handed.edits.changes.len()).sum::<usize>() > edits
            || all().map(Handed::bytes).sum::<usize>() > bytes
        {
            return Err(format!("an answer is edited in advance by at most {edits} edits, of {bytes} bytes together"));
        }
        // Few exchanges have more than one.
        self.0.reserve_exact(1);
        self.0.push(handed);
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Make those of this use.
    pub(super) fn make(&mut self, space: Space, headers: &mut HeaderMap) -> Result<(), String> {
        let mut own = self.0.iter_mut().filter(|handed| handed.space == space);
        own.try_for_each(|handed| handed.edits.make(headers, std::mem::take(&mut handed.values)))
    }

    /// Forget those of this use, which has failed.
    pub(super) fn forget(&mut self, space: Space) {
        self.0.retain(|handed| handed.space != space);
    }
}

/// An edit that a plugin may make, parsed.
#[derive(Debug, Clone)]
enum Change {
    /// Without a value, that is left open.
    Field(Means, HeaderName, Option<HeaderValue>),
    Remove(HeaderName),
    Rename(HeaderName, HeaderName),
}

/// How a field comes to be there.
#[derive(Debug, Clone, Copy)]
enum Means {
    Set,
    Append,
    Replace,
    Add,
}

impl TryFrom<Edit> for Change {
    type Error = String;

    fn try_from(edit: Edit) -> Result<Self, String> {
        let (means, header) = match edit {
            Edit::Set(header) => (Means::Set, header),
            Edit::Append(header) => (Means::Append, header),
            Edit::Replace(header) => (Means::Replace, header),
            Edit::Add(header) => (Means::Add, header),
            Edit::Remove(name) => return Ok(Self::Remove(editable(&name)?)),
            Edit::Rename(renaming) => return Ok(Self::Rename(editable(&renaming.old)?, editable(&renaming.new)?)),
        };
        field(header).map(|(name, value)| Self::Field(means, name, Some(value)))
    }
}

impl Change {
    fn make(self, headers: &mut HeaderMap, values: &mut impl Iterator<Item = HeaderValue>) {
        match self {
            Self::Field(means, name, value) => {
                if let Some(value) = value.or_else(|| values.next()) {
                    means.put(headers, name, value);
                }
            }
            Self::Remove(name) => drop(headers.remove(name)),
            Self::Rename(old, new) => rename(headers, old, new),
        }
    }

    fn left_open(&self) -> Option<&HeaderName> {
        match self {
            Self::Field(_, name, None) => Some(name),
            _ => None,
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Field(_, name, value) => name.as_str().len() + value.as_ref().map_or(0, HeaderValue::len),
            Self::Remove(name) => name.as_str().len(),
            Self::Rename(old, new) => old.as_str().len() + new.as_str().len(),
        }
    }
}

impl Means {
    fn put(self, headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
        match self {
            Self::Set => drop(headers.insert(name, value)),
            Self::Append => drop(headers.append(name, value)),
            Self::Replace => {
                if let Entry::Occupied(mut fields) = headers.entry(name) {
                    fields.insert(value);
                }
            }
            Self::Add => {
                headers.entry(name).or_insert(value);
            }
        }
    }
}

fn make(headers: &mut HeaderMap, changes: impl ExactSizeIterator<Item = Change>, values: Values) -> Result<(), String> {
    let mut values = values.into_iter();
    // No edit makes more than one field, so that as a rule there is nothing to undo.
    if headers.len() + changes.len() <= limits::HEADER_FIELDS {
        changes.for_each(|change| change.make(headers, &mut values));
        return Ok(());
    }
    let mut edited = headers.clone();
    for change in changes {
        change.make(&mut edited, &mut values);
        if edited.len() > limits::HEADER_FIELDS {
            return Err(format!("a header section holds at most {} fields here", limits::HEADER_FIELDS));
        }
    }
    *headers = edited;
    Ok(())
}

fn rename(headers: &mut HeaderMap, old: HeaderName, new: HeaderName) {
    let Entry::Occupied(fields) = headers.entry(old) else { return };
    let mut values = fields.remove_entry_mult().1;
    let (first, others) = (values.next(), values.collect::<Vec<_>>());
    let Some(first) = first else { return };
    // As a rule there is one, for which the name needs no copy.
    if others.is_empty() {
        headers.insert(new, first);
        return;
    }
    headers.insert(new.clone(), first);
    for other in others {
        headers.append(new.clone(), other);
    }
}

fn editable(name: &str) -> Result<HeaderName, String> {
    let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("{name:?} is no header name"))?;
    if hop_by_hop::is_gateways(&parsed) {
        return Err(format!("{parsed} belongs to the gateway, plugins cannot edit it"));
    }
    Ok(parsed)
}

fn no_value(name: &HeaderName) -> String {
    format!("the value of {name} has a byte that no header value may have")
}

#[cfg(test)]
mod tests;
