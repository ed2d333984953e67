//! A header section under the contract's rules.

use std::fmt;

use crate::HeaderName;
use crate::host::types::{Edit, Header};

/// A header section: fields in order, names in lower case.
///
/// ```
/// use tidegate_sdk::testing::Exchange;
///
/// let headers = Exchange::get("/").header("X-Tenant", "t1").upstream_headers();
/// assert_eq!(headers.first("x-tenant"), Some("t1"));
/// assert_eq!(format!("{headers:?}"), r#"{"host": "example.com", "x-tenant": "t1"}"#);
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, Vec<u8>)>);

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
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    pub(super) fn named(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.iter().filter(move |(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// What a client or an upstream sent.
    pub(super) fn add(&mut self, name: &str, value: &[u8]) -> Result<(), String> {
        let name: HeaderName = name.parse().map_err(|error| format!("{error}"))?;
        check_value(&name, value)?;
        self.0.push((name.as_str().to_owned(), value.to_vec()));
        Ok(())
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.0.retain(|(own, _)| own != name);
    }

    pub(in crate::testing) fn to_wire(&self) -> Vec<Header> {
        self.iter().map(|(name, value)| Header { name: name.to_owned(), value: value.to_vec() }).collect()
    }

    /// What a plugin answers.
    pub(super) fn of_reply(fields: Vec<Header>) -> Result<Self, String> {
        let mut headers = Self::default();
        for Header { name, value } in fields {
            let name = editable(&name)?;
            check_value(&name, &value)?;
            headers.0.push((name.as_str().to_owned(), value));
        }
        Ok(headers)
    }

    /// All edits, or none.
    pub(super) fn edit(&mut self, edits: &[Edit]) -> Result<(), String> {
        let mut edited = self.clone();
        for edit in edits {
            let (name, value) = match edit {
                Edit::Set(field) | Edit::Append(field) => (editable(&field.name)?, field.value.as_slice()),
                Edit::Remove(name) => (editable(name)?, &[][..]),
            };
            check_value(&name, value)?;
            if !matches!(edit, Edit::Append(_)) {
                edited.remove(name.as_str());
            }
            if !matches!(edit, Edit::Remove(_)) {
                edited.0.push((name.as_str().to_owned(), value.to_vec()));
            }
        }
        *self = edited;
        Ok(())
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|(name, value)| (name, value.escape_ascii().to_string()))).finish()
    }
}

fn editable(name: &str) -> Result<HeaderName, String> {
    let name: HeaderName = name.parse().map_err(|error| format!("{error}"))?;
    if name.is_gateways() {
        return Err(format!("{name} belongs to the gateway, plugins cannot edit it"));
    }
    Ok(name)
}

/// RFC 9110, section 5.5: visible characters, spaces, tabs, and what is beyond ASCII.
fn check_value(name: &HeaderName, value: &[u8]) -> Result<(), String> {
    if value.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
        return Err(format!("the value of {name} has a byte that no header value may have"));
    }
    Ok(())
}
