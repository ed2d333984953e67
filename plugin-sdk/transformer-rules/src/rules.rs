//! Rules for headers, parameters and JSON, from the lists of a config. Whatever they are for, they are applied in Kong's
//! order: remove, rename, replace, add, append; and each sees what those before it have left.

mod values;

use tidegate_sdk::query::Params;
use tidegate_sdk::template::Values;
use tidegate_sdk::{HeaderEdits, HeaderName};

pub use values::JsonType;
use values::Value;

use crate::json::{Document, NotJson};
use crate::lines::{Place, halves, value};

/// What is done, in the order in which it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// Take it out.
    Remove,
    /// Give it another name.
    Rename,
    /// Give it another value, where it is.
    Replace,
    /// Put it where it is not.
    Add,
    /// Put it beside what is there.
    Append,
}

/// Whether dots in the names of JSON members lead into objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dots {
    /// `a.b` is a name.
    InNames,
    /// `a.b` is the member `b` of the member `a`.
    Descend,
}

/// The lists of one operation, as a config has them.
#[derive(Debug, Clone, Copy)]
pub struct Written<'c> {
    /// What is done.
    pub operation: Operation,
    /// What the config calls that of which the lines speak: `headers`, `body`.
    pub of: &'c str,
    /// `name`, `name:value` or `old:new`, by the operation.
    pub lines: &'c [String],
    /// Which types the values have in JSON, in the order of the lines; strings where there are no more.
    pub types: &'c [JsonType],
}

/// Rules for parameters or the members of a JSON object, parsed.
#[derive(Debug, Default)]
pub struct Rules {
    remove: Vec<Name>,
    rename: Vec<(Name, Name)>,
    replace: Vec<(Name, Value)>,
    add: Vec<(Name, Value)>,
    append: Vec<(Name, Value)>,
}

/// The name of a parameter or a JSON member, as it is written and as it leads into objects.
#[derive(Debug)]
struct Name {
    text: String,
    path: Vec<String>,
}

impl Operation {
    /// As a config calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Remove => "remove",
            Self::Rename => "rename",
            Self::Replace => "replace",
            Self::Add => "add",
            Self::Append => "append",
        }
    }
}

impl Written<'_> {
    fn place(&self, number: usize) -> Place<'_> {
        Place { operation: self.operation.name(), of: self.of, number }
    }
}

/// Adds what the config says of headers to edits that lie ready.
///
/// # Errors
/// Which line is wrong, and how.
pub fn header_edits(edits: &mut HeaderEdits, written: &Written<'_>) -> Result<(), String> {
    for (number, line) in written.lines.iter().enumerate() {
        let place = written.place(number);
        let name = |text: &str| match text.trim_ascii().parse::<HeaderName>() {
            Ok(name) if name.as_str() == "host" && written.operation != Operation::Replace => {
                Err(place.fault("every request has one host, which can be replaced only"))
            }
            Ok(name) => Ok(name),
            Err(_) => Err(place.fault(format!("'{text}' is not a valid header"))),
        };
        let made = if written.operation == Operation::Remove {
            edits.remove(&name(line)?)
        } else {
            let (first, second) = halves(line, place)?;
            let first = name(first)?;
            let value = || value(second.trim_ascii(), place);
            match written.operation {
                Operation::Remove | Operation::Rename => edits.rename(&first, &name(second)?),
                Operation::Replace => edits.replace(&first, value()?),
                Operation::Add => edits.add(&first, value()?),
                Operation::Append => edits.append(&first, value()?),
            }
        };
        made.map_err(|problem| place.fault(problem))?;
    }
    Ok(())
}

impl Rules {
    /// Takes in what the config says.
    ///
    /// # Errors
    /// Which line is wrong, and how.
    pub fn take(&mut self, written: &Written<'_>, dots: Dots) -> Result<(), String> {
        let operation = written.operation;
        if let Some(excess) = written.types.len().checked_sub(written.lines.len() + 1) {
            let (name, of) = (operation.name(), written.of);
            return Err(format!("{name}.json_types: there are {} more of them than in {name}.{of}", excess + 1));
        }
        for (number, line) in written.lines.iter().enumerate() {
            let place = written.place(number);
            let name = |text: &str| Name::parse(text, dots).map_err(|problem| place.fault(problem));
            if operation == Operation::Remove {
                self.remove.push(name(line)?);
                continue;
            }
            let (first, second) = halves(line, place)?;
            let first = name(first)?;
            let kind = written.types.get(number).copied().unwrap_or_default();
            let value = || Value::parse(value(second, place)?, kind).map_err(|problem| place.fault(problem));
            match operation {
                Operation::Remove | Operation::Rename => self.rename.push((first, name(second)?)),
                Operation::Replace => self.replace.push((first, value()?)),
                Operation::Add => self.add.push((first, value()?)),
                Operation::Append => self.append.push((first, value()?)),
            }
        }
        Ok(())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        let Self { remove, rename, replace, add, append } = self;
        remove.is_empty() && rename.is_empty() && replace.is_empty() && add.is_empty() && append.is_empty()
    }

    /// Applies them to the parameters of a query or a form.
    pub fn edit_params(&self, params: &mut Params<'_>, values: &Values<'_>) {
        for name in &self.remove {
            params.remove(&name.text);
        }
        for (old, new) in &self.rename {
            params.rename(&old.text, &new.text);
        }
        for (name, value) in &self.replace {
            if params.contains(&name.text) {
                params.replace(&name.text, value.to_bytes(values));
            }
        }
        for (name, value) in &self.add {
            if !params.contains(&name.text) {
                params.append(&name.text, value.to_bytes(values));
            }
        }
        for (name, value) in &self.append {
            params.append(&name.text, value.to_bytes(values));
        }
    }

    /// Applies those whose operation `applies` to a JSON object. A value that is not of its type for this exchange is
    /// left out.
    ///
    /// # Errors
    /// A part that the rules lead to cannot be read.
    pub fn edit_json(
        &self,
        document: &mut Document<'_>,
        values: &Values<'_>,
        applies: impl Fn(Operation) -> bool,
    ) -> Result<(), NotJson> {
        if applies(Operation::Remove) {
            self.remove.iter().try_for_each(|name| document.remove(&name.path))?;
        }
        if applies(Operation::Rename) {
            self.rename.iter().try_for_each(|(old, new)| document.rename(&old.path, &new.path))?;
        }
        for (operation, rules, edit) in [
            (Operation::Replace, &self.replace, Document::replace as fn(&mut _, &[String], String) -> _),
            (Operation::Add, &self.add, Document::add),
            (Operation::Append, &self.append, Document::append),
        ] {
            if !applies(operation) {
                continue;
            }
            for (name, value) in rules {
                if let Some(value) = value.to_json(values) {
                    edit(document, &name.path, value)?;
                }
            }
        }
        Ok(())
    }
}

impl Name {
    fn parse(text: &str, dots: Dots) -> Result<Self, String> {
        let path: Vec<String> = match dots {
            Dots::InNames => vec![text.to_owned()],
            Dots::Descend => text.split('.').map(str::to_owned).collect(),
        };
        if path.iter().any(String::is_empty) {
            return Err(format!("{text:?} is no name"));
        }
        Ok(Self { text: text.to_owned(), path })
    }
}

#[cfg(test)]
mod tests;
