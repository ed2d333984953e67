//! Forms as Kong's admin API takes them: `paths[]=/a&paths[]=/b`, `paths[1]=/a`, the same key again, `config.minute=5`,
//! `config.headers[x-a]=b`. What comes out is the object that the same request would have sent as JSON, but that its
//! values are text.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::limits;

/// What a "+" stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plus {
    /// In queries and forms.
    Space,
    /// In paths.
    Itself,
}

/// The fields of a form in a body, as an object.
///
/// # Errors
/// What is wrong with it, in words for the client.
pub fn object(body: &[u8]) -> Result<Map<String, Value>, String> {
    let fields = pairs(body)?.into_iter().map(|(name, value)| {
        let value = match value {
            Some(text) => value_of(text),
            // Kong takes a name without "=" for a true one.
            None => Value::Bool(true),
        };
        (name, value)
    });
    assemble(fields)
}

/// A field's value: nothing is null, as Kong has it.
pub(super) fn value_of(text: String) -> Value {
    if text.is_empty() { Value::Null } else { Value::String(text) }
}

/// `a=1&b=2`, decoded; a name without "=" has no value.
///
/// # Errors
/// What is wrong with it, in words for the client.
pub fn pairs(text: &[u8]) -> Result<Vec<(String, Option<String>)>, String> {
    let mut pairs = Vec::new();
    for pair in text.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
        if pairs.len() == limits::ADMIN_FORM_FIELDS {
            return Err(too_many());
        }
        let mut halves = pair.splitn(2, |byte| *byte == b'=');
        let name = decoded(halves.next().unwrap_or_default(), Plus::Space)?;
        let value = halves.next().map(|value| decoded(value, Plus::Space)).transpose();
        pairs.push((name.clone(), value.map_err(|problem| format!("\"{name}\": {problem}"))?));
    }
    Ok(pairs)
}

pub(super) fn too_many() -> String {
    format!("more than {} fields", limits::ADMIN_FORM_FIELDS)
}

/// `text` with its percent-encodings decoded.
///
/// # Errors
/// What is wrong with it, in words for the client.
pub fn decoded(text: &[u8], plus: Plus) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' if plus == Plus::Space => b' ',
            b'%' => (hexadecimal(rest.next())? << 4) | hexadecimal(rest.next())?,
            _ => *byte,
        });
    }
    String::from_utf8(bytes).map_err(|_| "not UTF-8".to_owned())
}

fn hexadecimal(digit: Option<&u8>) -> Result<u8, String> {
    let value = digit.and_then(|digit| char::from(*digit).to_digit(16)).and_then(|value| u8::try_from(value).ok());
    value.ok_or_else(|| "a % that is not followed by two hexadecimal digits".to_owned())
}

/// Fields with names like `config.add.headers[1]` as the object that they describe.
///
/// # Errors
/// A name is none, or two of them contradict each other; in words for the client.
pub(super) fn assemble(fields: impl Iterator<Item = (String, Value)>) -> Result<Map<String, Value>, String> {
    let mut whole = BTreeMap::new();
    for (name, value) in fields {
        let (first, steps) = parts(&name).map_err(|problem| format!("the name \"{name}\": {problem}"))?;
        let node: &mut Node = whole.entry(first.to_owned()).or_default();
        node.put(&steps, value).map_err(|clash| format!("\"{name}\" {}", clash.words()))?;
    }
    Ok(whole.into_iter().map(|(name, node)| (name, node.into_value())).collect())
}

/// What follows the first part of a name.
#[derive(Debug, PartialEq, Eq)]
enum Step<'n> {
    /// `.name` or `[name]`
    Key(&'n str),
    /// `[2]`
    Index(u32),
    /// `[]`
    Next,
}

fn parts(name: &str) -> Result<(&str, Vec<Step<'_>>), String> {
    let (first, mut rest) = name.split_at(name.find(['.', '[']).unwrap_or(name.len()));
    if first.is_empty() {
        return Err("it begins with nothing".to_owned());
    }
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if steps.len() + 1 == limits::ADMIN_BODY_DEPTH {
            return Err(format!("more than {} levels", limits::ADMIN_BODY_DEPTH));
        }
        let step;
        if let Some(bracketed) = rest.strip_prefix('[') {
            let (inside, behind) = bracketed.split_once(']').ok_or("\"[\" without \"]\"")?;
            rest = behind;
            step = match inside {
                "" => Step::Next,
                digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                    Step::Index(digits.parse().map_err(|_| format!("{digits} is too large"))?)
                }
                key => Step::Key(key),
            };
        } else {
            let dotted = rest.strip_prefix('.').ok_or("behind \"]\" comes \".\" or \"[\"")?;
            let (key, behind) = dotted.split_at(dotted.find(['.', '[']).unwrap_or(dotted.len()));
            if key.is_empty() {
                return Err("nothing behind a \".\"".to_owned());
            }
            rest = behind;
            step = Step::Key(key);
        }
        steps.push(step);
    }
    Ok((first, steps))
}

/// A part of the object on its way.
#[derive(Debug, Default)]
enum Node {
    #[default]
    Nothing,
    Value(Value),
    Map(BTreeMap<String, Node>),
    List(List),
}

/// Those with a number come first, by number, whichever they begin with and whatever is missing between them.
#[derive(Debug, Default)]
struct List {
    numbered: BTreeMap<u32, Node>,
    others: Vec<Node>,
}

/// How two fields contradict each other.
enum Clash {
    Twice,
    List,
    Map,
}

impl Clash {
    fn words(&self) -> &'static str {
        match self {
            Self::Twice => "is there twice",
            Self::List => "would be a list, and something else by another field",
            Self::Map => "would have names in it, and something else by another field",
        }
    }
}

impl Node {
    fn put(&mut self, steps: &[Step<'_>], value: Value) -> Result<(), Clash> {
        let Some((step, rest)) = steps.split_first() else { return self.put_here(value) };
        match step {
            Step::Key(key) => self.map()?.entry((*key).to_owned()).or_default().put(rest, value),
            Step::Next if rest.is_empty() => {
                self.list()?.others.push(Self::Value(value));
                Ok(())
            }
            // As Kong does: what is said of `targets[].weight` is said of the first.
            Step::Next => self.list()?.numbered.entry(1).or_default().put(rest, value),
            Step::Index(index) => {
                let element = self.list()?.numbered.entry(*index).or_default();
                if rest.is_empty() && !matches!(element, Self::Nothing) {
                    return Err(Clash::Twice);
                }
                element.put(rest, value)
            }
        }
    }

    /// The same name again makes a list of both.
    fn put_here(&mut self, value: Value) -> Result<(), Clash> {
        match self {
            Self::Nothing => *self = Self::Value(value),
            Self::Map(_) => return Err(Clash::Map),
            Self::Value(_) | Self::List(_) => self.list()?.others.push(Self::Value(value)),
        }
        Ok(())
    }

    fn list(&mut self) -> Result<&mut List, Clash> {
        match std::mem::take(self) {
            Self::Nothing => *self = Self::List(List::default()),
            Self::Value(first) => {
                *self = Self::List(List { others: vec![Self::Value(first)], ..List::default() });
            }
            other => *self = other,
        }
        if let Self::List(list) = self { Ok(list) } else { Err(Clash::List) }
    }

    fn map(&mut self) -> Result<&mut BTreeMap<String, Self>, Clash> {
        if matches!(self, Self::Nothing) {
            *self = Self::Map(BTreeMap::new());
        }
        if let Self::Map(map) = self { Ok(map) } else { Err(Clash::Map) }
    }

    fn into_value(self) -> Value {
        match self {
            Self::Nothing => Value::Null,
            Self::Value(value) => value,
            Self::Map(map) => map.into_iter().map(|(name, node)| (name, node.into_value())).collect(),
            Self::List(list) => list.numbered.into_values().chain(list.others).map(Self::into_value).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
