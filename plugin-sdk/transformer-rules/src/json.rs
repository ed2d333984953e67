//! A JSON object whose members are edited by name. Only the objects that a name leads through are taken apart; their
//! members keep their order, and values that are not edited every byte: the digits of numbers, escapes, spaces.

mod parse;

use std::borrow::Cow;

/// A JSON object, or another value, which has no members to edit.
#[derive(Debug)]
pub struct Document<'t> {
    root: Node<'t>,
    is_changed: bool,
}

/// It cannot be read as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotJson;

/// A value, taken apart as far as was necessary.
#[derive(Debug)]
enum Node<'t> {
    Text(Cow<'t, str>),
    Object(Vec<Member<'t>>),
    Array(Vec<Node<'t>>),
}

#[derive(Debug)]
struct Member<'t> {
    name: Cow<'t, str>,
    value: Node<'t>,
}

impl<'t> Document<'t> {
    /// What this text has.
    ///
    /// # Errors
    /// It is no JSON.
    pub fn parse(text: &'t [u8]) -> Result<Self, NotJson> {
        let text = str::from_utf8(text).map_err(|_| NotJson)?;
        Ok(Self { root: Node::Text(Cow::Borrowed(parse::checked(text)?)), is_changed: false })
    }

    /// One with no members.
    pub fn empty() -> Self {
        Self { root: Node::Object(Vec::new()), is_changed: false }
    }

    /// The text, if it is another one by now.
    pub fn edited(&self) -> Option<String> {
        self.is_changed.then(|| {
            let mut text = String::new();
            self.root.write(&mut text);
            text
        })
    }

    /// Removes every member of this name.
    ///
    /// # Errors
    /// What the name leads to cannot be read.
    pub fn remove(&mut self, path: &[String]) -> Result<(), NotJson> {
        self.is_changed |= self.root.take(path)?.is_some();
        Ok(())
    }

    /// Gives a member another name, in place of one that has it already; nothing, where there is none. Of several of
    /// one name the last is the one that counts, as it is for most readers.
    ///
    /// # Errors
    /// As [`remove`](Self::remove).
    pub fn rename(&mut self, old: &[String], new: &[String]) -> Result<(), NotJson> {
        if old == new || !self.root.can_hold(new)? {
            return Ok(());
        }
        let Some(value) = self.root.take(old)? else { return Ok(()) };
        self.is_changed = true;
        self.root.take(new)?;
        self.root.put(new, value)
    }

    /// Replaces a member's value by this JSON, where there is one.
    ///
    /// # Errors
    /// As [`remove`](Self::remove).
    pub fn replace(&mut self, path: &[String], json: String) -> Result<(), NotJson> {
        if self.root.find(path)?.is_some() {
            self.set(path, Node::Text(Cow::Owned(json)))?;
        }
        Ok(())
    }

    /// Adds a member with this JSON for a value, where there is none.
    ///
    /// # Errors
    /// As [`remove`](Self::remove).
    pub fn add(&mut self, path: &[String], json: String) -> Result<(), NotJson> {
        if self.root.find(path)?.is_none() {
            self.set(path, Node::Text(Cow::Owned(json)))?;
        }
        Ok(())
    }

    /// Adds this JSON to the end of a list: the member's if it has one, else one that is made of its value, if there
    /// is any.
    ///
    /// # Errors
    /// As [`remove`](Self::remove).
    pub fn append(&mut self, path: &[String], json: String) -> Result<(), NotJson> {
        let added = Node::Text(Cow::Owned(json));
        let Some(present) = self.root.find(path)? else { return self.set(path, Node::Array(vec![added])) };
        self.is_changed = true;
        match present.elements()? {
            Some(elements) => elements.push(added),
            None => {
                let value = std::mem::replace(present, Node::Array(Vec::new()));
                *present = Node::Array(vec![value, added]);
            }
        }
        Ok(())
    }

    fn set(&mut self, path: &[String], value: Node<'t>) -> Result<(), NotJson> {
        self.is_changed |= self.root.can_hold(path)?;
        self.root.put(path, value)
    }
}

impl<'t> Node<'t> {
    /// The members, if it is an object.
    fn members(&mut self) -> Result<Option<&mut Vec<Member<'t>>>, NotJson> {
        // What the rules have made themselves is never taken apart.
        if let Self::Text(Cow::Borrowed(text)) = self
            && text.starts_with('{')
        {
            *self = Self::Object(parse::members(text)?);
        }
        Ok(match self {
            Self::Object(members) => Some(members),
            Self::Text(_) | Self::Array(_) => None,
        })
    }

    /// The elements, if it is an array.
    fn elements(&mut self) -> Result<Option<&mut Vec<Node<'t>>>, NotJson> {
        if let Self::Text(Cow::Borrowed(text)) = self
            && text.starts_with('[')
        {
            *self = Self::Array(parse::elements(text)?);
        }
        Ok(match self {
            Self::Array(elements) => Some(elements),
            Self::Text(_) | Self::Object(_) => None,
        })
    }

    /// Take out every member that the path leads to, and return the last one's value.
    fn take(&mut self, path: &[String]) -> Result<Option<Self>, NotJson> {
        let ([name, rest @ ..], Some(members)) = (path, self.members()?) else { return Ok(None) };
        let mut taken = None;
        if rest.is_empty() {
            let named = members.extract_if(.., |member| member.name == *name);
            taken = named.last().map(|member| member.value);
        } else {
            for member in members.iter_mut().filter(|member| member.name == *name) {
                taken = member.value.take(rest)?.or(taken);
            }
        }
        Ok(taken)
    }

    /// The last value that the path leads to.
    fn find(&mut self, path: &[String]) -> Result<Option<&mut Self>, NotJson> {
        let [name, rest @ ..] = path else { return Ok(Some(self)) };
        let Some(members) = self.members()? else { return Ok(None) };
        for member in members.iter_mut().rev().filter(|member| member.name == *name) {
            if let Some(found) = member.value.find(rest)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Whether there can be a member where the path leads: on the way are objects, or nothing.
    fn can_hold(&mut self, path: &[String]) -> Result<bool, NotJson> {
        let [name, rest @ ..] = path else { return Ok(true) };
        let Some(members) = self.members()? else { return Ok(false) };
        match members.iter_mut().rfind(|member| member.name == *name) {
            Some(member) => member.value.can_hold(rest),
            None => Ok(true),
        }
    }

    /// Make it the one value that the path leads to, with objects around it as far as there are none. Nothing, where
    /// something else is in their place.
    fn put(&mut self, path: &[String], value: Self) -> Result<(), NotJson> {
        let [name, rest @ ..] = path else {
            *self = value;
            return Ok(());
        };
        let Some(members) = self.members()? else { return Ok(()) };
        let Some(last) = members.iter().rposition(|member| member.name == *name) else {
            let mut around = Node::Object(Vec::new());
            around.put(rest, value)?;
            members.push(Member { name: Cow::Owned(name.clone()), value: around });
            return Ok(());
        };
        if let Some(member) = members.get_mut(last) {
            member.value.put(rest, value)?;
        }
        let mut place = 0;
        members.retain(|member| {
            place += 1;
            place > last || member.name != *name
        });
        Ok(())
    }

    fn write(&self, text: &mut String) {
        match self {
            Self::Text(written) => text.push_str(written),
            Self::Object(members) => {
                text.push('{');
                for (number, member) in members.iter().enumerate() {
                    text.push_str(if number == 0 { "" } else { "," });
                    text.push_str(&parse::quoted(&member.name));
                    text.push(':');
                    member.value.write(text);
                }
                text.push('}');
            }
            Self::Array(elements) => {
                text.push('[');
                for (number, element) in elements.iter().enumerate() {
                    text.push_str(if number == 0 { "" } else { "," });
                    element.write(text);
                }
                text.push(']');
            }
        }
    }
}

#[cfg(test)]
mod tests;
