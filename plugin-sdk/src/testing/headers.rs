//! A header section under the contract's rules.

use std::fmt;

use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::limits;
use crate::header::OWNED_BY_GATEWAY;
use crate::host::types::{Edit, Header};

/// A header section: names in lower case, in the order that the gateway has them in.
///
/// ```
/// use tidegate_sdk::testing::Exchange;
///
/// let headers = Exchange::get("/").header("X-Tenant", "t1").upstream_headers();
/// assert_eq!(headers.first("x-tenant"), Some("t1"));
/// assert_eq!(format!("{headers:?}"), r#"{"host": "example.com", "x-tenant": "t1"}"#);
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(HeaderMap);

impl Headers {
    /// The first value of this name.
    ///
    /// ```
    /// # use tidegate_sdk::testing::Exchange;
    /// let headers = Exchange::get("/").header("via", "a").header("via", "b").upstream_headers();
    /// assert_eq!((headers.first("Via"), headers.first("cookie")), (Some("a"), None));
    /// ```
    ///
    /// # Panics
    /// If it is not UTF-8.
    #[track_caller]
    pub fn first(&self, name: &str) -> Option<&str> {
        self.all(name).into_iter().next()
    }

    /// Every value of this name, in order.
    ///
    /// ```
    /// # use tidegate_sdk::testing::Exchange;
    /// let headers = Exchange::get("/").header("via", "a").header("via", "b").upstream_headers();
    /// assert_eq!(headers.all("via"), ["a", "b"]);
    /// ```
    ///
    /// # Panics
    /// If one is not UTF-8.
    #[track_caller]
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.named(name).map(|value| str::from_utf8(value).expect("the value is UTF-8")).collect()
    }

    /// Every field, in order.
    ///
    /// ```
    /// # use tidegate_sdk::testing::Exchange;
    /// let headers = Exchange::get("/").header("Via", "a").upstream_headers();
    /// let fields: Vec<_> = headers.iter().collect();
    /// assert_eq!(fields, [("host", b"example.com".as_slice()), ("via", b"a")]);
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_bytes()))
    }

    pub(super) fn named(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.0.get_all(name).iter().map(HeaderValue::as_bytes)
    }

    /// The first value of this name, if it is in visible ASCII.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(|value| value.to_str().ok())
    }

    /// What a client or an upstream sent.
    pub(super) fn add(&mut self, name: &str, value: &[u8]) -> Result<(), String> {
        let name = parse(name)?;
        let value = checked(&name, value)?;
        self.0.append(name, value);
        Ok(())
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    pub(in crate::testing) fn to_wire(&self) -> Vec<Header> {
        self.iter().map(|(name, value)| Header { name: name.to_owned(), value: value.to_vec() }).collect()
    }

    /// What a plugin sends in a message of its own: an answer, or a request to another server.
    pub(super) fn of_message(fields: &[Header]) -> Result<Self, String> {
        if fields.len() > limits::HEADER_FIELDS {
            return Err(format!("{} header fields are more than {}", fields.len(), limits::HEADER_FIELDS));
        }
        let mut headers = HeaderMap::new();
        for field in fields {
            let (name, value) = editable_field(field)?;
            headers.append(name, value);
        }
        Ok(Self(headers))
    }

    /// All edits, or none.
    pub(super) fn edit(&mut self, edits: &[Edit]) -> Result<(), String> {
        let mut edited = self.0.clone();
        // All are looked at before any is made, as in the gateway.
        check(edits)?;
        for edit in edits {
            make(&mut edited, edit)?;
            if edited.len() > limits::HEADER_FIELDS {
                return Err(format!("a header section holds at most {} fields here", limits::HEADER_FIELDS));
            }
        }
        self.0 = edited;
        Ok(())
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|(name, value)| (name, value.escape_ascii().to_string()))).finish()
    }
}

/// Whether all of them are edits that a plugin may make; the first that is none is the reason.
pub(in crate::testing) fn check(edits: &[Edit]) -> Result<(), String> {
    edits.iter().try_for_each(possible)
}

/// The field that an edit brings, if it brings one.
pub(in crate::testing) fn field(edit: &mut Edit) -> Option<&mut Header> {
    match edit {
        Edit::Set(field) | Edit::Append(field) | Edit::Replace(field) | Edit::Add(field) => Some(field),
        Edit::Remove(_) | Edit::Rename(_) => None,
    }
}

pub(in crate::testing) fn has_value(edit: &Edit) -> bool {
    !matches!(edit, Edit::Remove(_) | Edit::Rename(_))
}

/// Of its names and its value.
pub(in crate::testing) fn bytes(edit: &Edit) -> usize {
    match edit {
        Edit::Set(field) | Edit::Append(field) | Edit::Replace(field) | Edit::Add(field) => {
            field.name.len() + field.value.len()
        }
        Edit::Remove(name) => name.len(),
        Edit::Rename(renaming) => renaming.old.len() + renaming.new.len(),
    }
}

fn possible(edit: &Edit) -> Result<(), String> {
    match edit {
        Edit::Set(field) | Edit::Append(field) | Edit::Replace(field) | Edit::Add(field) => {
            editable_field(field).map(drop)
        }
        Edit::Remove(name) => editable(name).map(drop),
        Edit::Rename(renaming) => editable(&renaming.old).and(editable(&renaming.new)).map(drop),
    }
}

fn make(headers: &mut HeaderMap, edit: &Edit) -> Result<(), String> {
    match edit {
        Edit::Set(field) => {
            let (name, value) = editable_field(field)?;
            headers.insert(name, value);
        }
        Edit::Append(field) => {
            let (name, value) = editable_field(field)?;
            headers.append(name, value);
        }
        Edit::Remove(name) => drop(headers.remove(editable(name)?)),
        Edit::Replace(field) => {
            let (name, value) = editable_field(field)?;
            if headers.contains_key(&name) {
                headers.insert(name, value);
            }
        }
        Edit::Add(field) => {
            let (name, value) = editable_field(field)?;
            headers.entry(name).or_insert(value);
        }
        Edit::Rename(renaming) => {
            let (old, new) = (editable(&renaming.old)?, editable(&renaming.new)?);
            let values: Vec<HeaderValue> = headers.get_all(&old).iter().cloned().collect();
            if !values.is_empty() {
                headers.remove(&old);
                headers.remove(&new);
                for value in values {
                    headers.append(new.clone(), value);
                }
            }
        }
    }
    Ok(())
}

fn editable_field(field: &Header) -> Result<(HeaderName, HeaderValue), String> {
    let name = editable(&field.name)?;
    let value = checked(&name, &field.value)?;
    Ok((name, value))
}

fn editable(name: &str) -> Result<HeaderName, String> {
    let name = parse(name)?;
    if OWNED_BY_GATEWAY.contains(&name.as_str()) {
        return Err(format!("{name} belongs to the gateway, plugins cannot edit it"));
    }
    Ok(name)
}

fn parse(name: &str) -> Result<HeaderName, String> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("{name:?} is no header name"))
}

fn checked(name: &HeaderName, value: &[u8]) -> Result<HeaderValue, String> {
    HeaderValue::from_bytes(value).map_err(|_| format!("the value of {name} has a byte that no header value may have"))
}
