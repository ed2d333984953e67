//! Reads one table of a TOML document: asks for the keys it knows, and notes every key that is missing, of the
//! wrong type, out of bounds or unknown. serde stops at the first fault; an operator wants to see them all.

use std::cell::RefCell;
use std::fmt::Display;
use std::str::FromStr;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::faults::{Faults, Span, suggest};

/// A value and where it stands in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Its place in the file.
    pub span: Span,
}

impl<T> Located<T> {
    /// The same place with another value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Located<U> {
        Located { value: f(self.value), span: self.span }
    }
}

/// A value of the document with its place.
pub type Value<'d> = Spanned<DeValue<'d>>;

/// A table being read. Dropping it without [`Fields::finish`] would let unknown keys pass, so readers end with that.
pub struct Fields<'d> {
    table: &'d DeTable<'d>,
    span: Span,
    faults: &'d Faults,
    asked: RefCell<Vec<&'static str>>,
}

impl<'d> Fields<'d> {
    /// Start reading `table`, which stands at `span`.
    pub fn new(table: &'d DeTable<'d>, span: Span, faults: &'d Faults) -> Self {
        Self { table, span, faults, asked: RefCell::default() }
    }

    /// Start reading `value`, which must be a table; `what` it describes goes into the message if it is not.
    pub fn of(value: &'d Value<'d>, what: &str, faults: &'d Faults) -> Option<Self> {
        match value.get_ref() {
            DeValue::Table(table) => Some(Self::new(table, value.span(), faults)),
            other => {
                faults.at(&value.span(), format!("{what} must be a table, not {}", kind(other)));
                None
            }
        }
    }

    /// Where this table stands.
    pub fn span(&self) -> &Span {
        &self.span
    }

    /// Where the faults go.
    pub fn faults(&self) -> &'d Faults {
        self.faults
    }

    /// The value of `key`, whatever its type.
    pub fn value(&self, key: &'static str) -> Option<&'d Value<'d>> {
        self.asked.borrow_mut().push(key);
        self.table.get(key)
    }

    /// A string that parses into `T`.
    pub fn parse<T>(&self, key: &'static str) -> Option<Located<T>>
    where
        T: FromStr,
        T::Err: Display,
    {
        parse(self.value(key)?, &format!("`{key}`"), self.faults)
    }

    /// As [`Fields::parse`], for a key that has to be there; `help` says what belongs in it.
    pub fn require<T>(&self, key: &'static str, help: &str) -> Option<Located<T>>
    where
        T: FromStr,
        T::Err: Display,
    {
        let Some(value) = self.value(key) else {
            self.faults.at_with_help(&self.span, format!("`{key}` is missing"), help);
            return None;
        };
        parse_with_help(value, &format!("`{key}`"), Some(help), self.faults)
    }

    /// `true` or `false`.
    pub fn boolean(&self, key: &'static str) -> Option<bool> {
        let value = self.value(key)?;
        match value.get_ref() {
            DeValue::Boolean(boolean) => Some(*boolean),
            other => {
                self.wrong_type(key, value, "true or false", other);
                None
            }
        }
    }

    /// A whole number within `bounds`.
    pub fn integer(&self, key: &'static str, bounds: std::ops::RangeInclusive<i64>) -> Option<i64> {
        let value = self.value(key)?;
        let DeValue::Integer(integer) = value.get_ref() else {
            self.wrong_type(key, value, "a whole number", value.get_ref());
            return None;
        };
        let digits = integer.as_str();
        match i64::from_str_radix(digits, integer.radix()) {
            Ok(number) if bounds.contains(&number) => Some(number),
            _ => {
                let (low, high) = (bounds.start(), bounds.end());
                self.faults.at(&value.span(), format!("`{key}` must be from {low} to {high}, not {digits}"));
                None
            }
        }
    }

    /// An array of whole numbers within `bounds`, if it is there.
    pub fn integers(&self, key: &'static str, bounds: std::ops::RangeInclusive<i64>) -> Option<Vec<i64>> {
        self.value(key)?;
        let number = |value: &Value<'_>| match value.get_ref() {
            DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix()).ok(),
            _ => None,
        };
        let mut numbers = Vec::new();
        for value in self.array(key) {
            match number(value).filter(|number| bounds.contains(number)) {
                Some(number) => numbers.push(number),
                None => {
                    let (low, high) = (bounds.start(), bounds.end());
                    self.faults.at(&value.span(), format!("each of `{key}` is a whole number from {low} to {high}"));
                }
            }
        }
        Some(numbers)
    }

    /// The elements of an array; empty if the key is not there.
    pub fn array(&self, key: &'static str) -> impl Iterator<Item = &'d Value<'d>> + use<'d> {
        let array: Option<&'d DeArray<'d>> = self.value(key).and_then(|value| match value.get_ref() {
            DeValue::Array(array) => Some(array),
            other => {
                let help = match other {
                    DeValue::Table(_) => format!("write [[{key}]], or {key} = [{{ … }}]"),
                    _ => format!("write {key} = [ … ]"),
                };
                let message = format!("`{key}` must be an array, not {}", kind(other));
                self.faults.at_with_help(&value.span(), message, help);
                None
            }
        });
        array.into_iter().flat_map(|array| array.iter())
    }

    /// An array of strings that parse into `T`.
    pub fn parse_all<T>(&self, key: &'static str) -> Vec<Located<T>>
    where
        T: FromStr,
        T::Err: Display,
    {
        let what = format!("each of `{key}`");
        self.array(key).filter_map(|value| parse(value, &what, self.faults)).collect()
    }

    /// A table's entries by name, for tables whose keys the operator chooses.
    pub fn entries(&self, key: &'static str) -> Vec<(Located<String>, &'d Value<'d>)> {
        let Some(value) = self.value(key) else { return Vec::new() };
        match value.get_ref() {
            DeValue::Table(table) => table
                .iter()
                .map(|(name, entry)| (Located { value: name.get_ref().to_string(), span: name.span() }, entry))
                .collect(),
            other => {
                self.wrong_type(key, value, "a table", other);
                Vec::new()
            }
        }
    }

    /// Note every key that nobody asked for.
    pub fn finish(self) {
        let asked = self.asked.into_inner();
        for key in self.table.keys() {
            let name: &str = key.get_ref();
            if asked.contains(&name) {
                continue;
            }
            let help = suggest(name, asked.iter().copied()).unwrap_or_else(|| {
                let mut known = asked.clone();
                known.sort_unstable();
                known.dedup();
                format!("known here: {}", known.join(", "))
            });
            self.faults.at_with_help(&key.span(), format!("unknown key `{name}`"), help);
        }
    }

    fn wrong_type(&self, key: &str, value: &Value<'_>, expected: &str, found: &DeValue<'_>) {
        self.faults.at(&value.span(), format!("`{key}` must be {expected}, not {}", kind(found)));
    }
}

/// `value` as a string that parses into `T`.
pub fn parse<T>(value: &Value<'_>, what: &str, faults: &Faults) -> Option<Located<T>>
where
    T: FromStr,
    T::Err: Display,
{
    parse_with_help(value, what, None, faults)
}

fn parse_with_help<T>(value: &Value<'_>, what: &str, help: Option<&str>, faults: &Faults) -> Option<Located<T>>
where
    T: FromStr,
    T::Err: Display,
{
    let span = value.span();
    match value.get_ref() {
        DeValue::String(text) => match text.parse() {
            Ok(value) => Some(Located { value, span }),
            Err(error) => {
                let message = format!("{what}: {error}");
                match help {
                    Some(help) => faults.at_with_help(&span, message, format!("expected: {help}")),
                    None => faults.at(&span, message),
                }
                None
            }
        },
        other => {
            faults.at(&span, format!("{what} must be a string, not {}", kind(other)));
            None
        }
    }
}

/// What a person calls this type of value.
pub fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}
