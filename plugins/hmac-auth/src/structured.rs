//! Structured fields (RFC 9651), as far as signatures and digests are written in them: dictionaries of items
//! and of inner lists. What they say is written again in the one form that gets signed.

use std::fmt::{self, Write};

use super::BASE64;
use base64::Engine;

/// A dictionary's members by their names, of which there is each one once.
#[derive(Debug)]
pub(crate) struct Dictionary(Vec<(String, Member)>);

/// What stands behind a name: a single item, or several in parentheses.
#[derive(Debug)]
pub(crate) enum Member {
    Item(Item),
    List(InnerList),
}

/// Items in parentheses, and what is said of all of them.
#[derive(Debug)]
pub(crate) struct InnerList {
    pub(crate) items: Vec<Item>,
    pub(crate) parameters: Parameters,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Item {
    pub(crate) value: Bare,
    pub(crate) parameters: Parameters,
}

/// Parameters by their names, of which there is each one once.
#[derive(Debug, PartialEq)]
pub(crate) struct Parameters(Vec<(String, Bare)>);

/// A value. Decimals, dates and display strings are not known here: no signature has them.
#[derive(Debug, PartialEq)]
pub(crate) enum Bare {
    Integer(i64),
    Text(String),
    Token(String),
    Bytes(Vec<u8>),
    Boolean(bool),
}

impl Dictionary {
    /// `None` if it is none. A name that is there twice is refused, though the last one should count: who
    /// comes next may read it otherwise.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let mut reader = Reader(text.trim_ascii());
        let mut members = Vec::new();
        while !reader.0.is_empty() {
            let name = reader.key()?;
            if members.iter().any(|(known, _)| *known == name) {
                return None;
            }
            members.push((name, reader.member()?));
            reader.skip(b" \t");
            if reader.0.is_empty() {
                break;
            }
            reader.expect(b',')?;
            reader.skip(b" \t");
            // A comma is followed by something.
            reader.0.first()?;
        }
        Some(Self(members))
    }

    pub(crate) fn into_members(self) -> Vec<(String, Member)> {
        self.0
    }

    /// The bytes that this name stands for.
    pub(crate) fn bytes(&self, name: &str) -> Option<&[u8]> {
        match self.0.iter().find(|(known, _)| known == name) {
            Some((_, Member::Item(Item { value: Bare::Bytes(bytes), .. }))) => Some(bytes),
            _ => None,
        }
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }
}

impl Parameters {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Bare> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }
}

/// What is left to be read. Every method takes away what it has found, and gives `None` for what is wrong.
struct Reader<'t>(&'t [u8]);

impl<'t> Reader<'t> {
    fn member(&mut self) -> Option<Member> {
        if !self.takes(b'=') {
            let parameters = self.parameters()?;
            return Some(Member::Item(Item { value: Bare::Boolean(true), parameters }));
        }
        if !self.takes(b'(') {
            return self.item().map(Member::Item);
        }
        let mut items = Vec::new();
        loop {
            self.skip(b" ");
            if self.takes(b')') {
                return Some(Member::List(InnerList { items, parameters: self.parameters()? }));
            }
            items.push(self.item()?);
            if !matches!(self.0.first()?, b' ' | b')') {
                return None;
            }
        }
    }

    fn item(&mut self) -> Option<Item> {
        Some(Item { value: self.bare()?, parameters: self.parameters()? })
    }

    fn parameters(&mut self) -> Option<Parameters> {
        let mut parameters: Vec<(String, Bare)> = Vec::new();
        while self.takes(b';') {
            self.skip(b" ");
            let name = self.key()?;
            if parameters.iter().any(|(known, _)| *known == name) {
                return None;
            }
            let value = if self.takes(b'=') { self.bare()? } else { Bare::Boolean(true) };
            parameters.push((name, value));
        }
        Some(Parameters(parameters))
    }

    fn key(&mut self) -> Option<String> {
        let key = self.leading(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-.*".contains(&byte));
        let begins = key.first().is_some_and(|byte| byte.is_ascii_lowercase() || *byte == b'*');
        begins.then(|| text(key))?
    }

    fn bare(&mut self) -> Option<Bare> {
        match self.0.first()? {
            b'"' => self.quoted().map(Bare::Text),
            b':' => self.bytes().map(Bare::Bytes),
            b'?' => self.boolean().map(Bare::Boolean),
            b'-' | b'0'..=b'9' => self.integer().map(Bare::Integer),
            b'*' | b'A'..=b'Z' | b'a'..=b'z' => {
                let token = self.leading(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&byte));
                text(token).map(Bare::Token)
            }
            _ => None,
        }
    }

    fn quoted(&mut self) -> Option<String> {
        self.expect(b'"')?;
        let mut value = String::new();
        loop {
            let byte = match self.next()? {
                b'"' => return Some(value),
                b'\\' => self.next().filter(|escaped| matches!(escaped, b'"' | b'\\'))?,
                byte @ b' '..=b'~' => byte,
                _ => return None,
            };
            value.push(char::from(byte));
        }
    }

    fn bytes(&mut self) -> Option<Vec<u8>> {
        self.expect(b':')?;
        let encoded = self.leading(|byte| byte != b':');
        self.expect(b':')?;
        BASE64.decode(encoded).ok()
    }

    fn boolean(&mut self) -> Option<bool> {
        self.expect(b'?')?;
        match self.next()? {
            b'0' => Some(false),
            b'1' => Some(true),
            _ => None,
        }
    }

    fn integer(&mut self) -> Option<i64> {
        let is_negative = self.takes(b'-');
        let digits = self.leading(|byte| byte.is_ascii_digit());
        if digits.len() > 15 || self.0.first() == Some(&b'.') {
            return None;
        }
        let number: i64 = text(digits)?.parse().ok()?;
        Some(if is_negative { -number } else { number })
    }

    /// The bytes at the beginning that are as wanted.
    fn leading(&mut self, wanted: impl Fn(u8) -> bool) -> &'t [u8] {
        let end = self.0.iter().position(|byte| !wanted(*byte)).unwrap_or(self.0.len());
        let (leading, rest) = self.0.split_at(end);
        self.0 = rest;
        leading
    }

    fn skip(&mut self, bytes: &[u8]) {
        self.leading(|byte| bytes.contains(&byte));
    }

    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn takes(&mut self, byte: u8) -> bool {
        let is_there = self.0.first() == Some(&byte);
        if is_there {
            self.next();
        }
        is_there
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.takes(byte).then_some(())
    }
}

fn text(bytes: &[u8]) -> Option<String> {
    str::from_utf8(bytes).ok().map(str::to_owned)
}

impl fmt::Display for InnerList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('(')?;
        for (position, item) in self.items.iter().enumerate() {
            if position > 0 {
                f.write_char(' ')?;
            }
            write!(f, "{item}")?;
        }
        write!(f, "){}", self.parameters)
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.value, self.parameters)
    }
}

impl fmt::Display for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(name, value)| match value {
            Bare::Boolean(true) => write!(f, ";{name}"),
            value => write!(f, ";{name}={value}"),
        })
    }
}

impl fmt::Display for Bare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(number) => write!(f, "{number}"),
            Self::Text(text) => {
                f.write_char('"')?;
                for character in text.chars() {
                    if matches!(character, '"' | '\\') {
                        f.write_char('\\')?;
                    }
                    f.write_char(character)?;
                }
                f.write_char('"')
            }
            Self::Token(token) => f.write_str(token),
            Self::Bytes(bytes) => write!(f, ":{}:", BASE64.encode(bytes)),
            Self::Boolean(value) => f.write_str(if *value { "?1" } else { "?0" }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_is_none_and_what_is_written_is_read_again(
            text in "[a-b*=;,() \\t\"\\\\:?01.-]{0,40}", bytes in any::<Vec<u8>>(),
        ) {
            Dictionary::parse(&bytes);
            if let Some(first) = written(&text) {
                prop_assert_eq!(written(&first.join(", ")), Some(first));
            }
        }
    }

    fn written(text: &str) -> Option<Vec<String>> {
        let members = Dictionary::parse(text.as_bytes())?.into_members();
        let written = members.into_iter().map(|(name, member)| match member {
            Member::Item(item) => format!("{name}={item}"),
            Member::List(list) => format!("{name}={list}"),
        });
        Some(written.collect())
    }

    #[test]
    fn a_dictionary_is_written_in_its_one_form() {
        for (text, expected) in [
            ("", vec![]),
            (" a=1 ,\tb ", vec!["a=1", "b=?1"]),
            ("a=(  \"x\"   \"y\";k );created=007; z", vec!["a=(\"x\" \"y\";k);created=7;z"]),
            ("a=();n=-0;q=\"\\\"\\\\\"", vec!["a=();n=0;q=\"\\\"\\\\\""]),
            ("sig-1.a_*=:AQI:, t=Tok/en:*;f=?0;g=?1", vec!["sig-1.a_*=:AQI=:", "t=Tok/en:*;f=?0;g"]),
            ("n=999999999999999", vec!["n=999999999999999"]),
        ] {
            assert_eq!(written(text).unwrap_or_else(|| panic!("{text}")), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_dictionary_is_none() {
        for text in [
            "a,",
            "a=",
            "=1",
            "A=1",
            "1=1",
            "a=1 b=2",
            "a=(\"x\"",
            "a=(\"x\"\"y\")",
            "a=(\"x\")b",
            "a=\"x",
            "a=\"\\n\"",
            "a=\"\u{fc}\"",
            "a=:A:",
            "a=:AQ",
            "a=?2",
            "a=-",
            "a=1.5",
            "a=1000000000000000",
            "a=@1",
            "a=%\"x\"",
            "a=1;B",
            "a=1;",
            "a=1, a=2",
            "a=1;b;b",
            "a=(\t\"x\")",
            ",a=1",
            "a=1,,b=2",
            "a=((x))",
        ] {
            assert_eq!(written(text), None, "{text}");
        }
    }
}
