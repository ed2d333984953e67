//! Ways through a document: to a table, to the elements of a list, however either is written. What is changed leaves the
//! rest as its author has laid it out, comments and all.

use serde_json::{Map, Value as Json};
use toml_edit::{Array, ArrayOfTables, DocumentMut, InlineTable, Item, Table, TableLike, Value};

use super::json::{of_item, to_toml};
use crate::proposal::Step;

/// An element of a list.
#[derive(Clone, Copy)]
pub enum Element<'d> {
    /// A table.
    Table(&'d dyn TableLike),
    /// A text that stands for one.
    Text(&'d str),
}

impl<'d> Element<'d> {
    /// The text of this key, or the element itself, if it is one.
    pub fn text(self, key: &str) -> Option<&'d str> {
        match self {
            Self::Table(table) => table.get(key)?.as_str(),
            Self::Text(text) => Some(text),
        }
    }

    /// What is said of this key, if the element can say anything.
    pub fn get(self, key: &str) -> Json {
        match self {
            Self::Table(table) => table.get(key).map_or(Json::Null, of_item),
            Self::Text(_) => Json::Null,
        }
    }

    fn of_value(value: &'d Value) -> Option<Self> {
        match value {
            Value::InlineTable(table) => Some(Self::Table(table)),
            Value::String(text) => Some(Self::Text(text.value())),
            _ => None,
        }
    }
}

/// The elements of the list under `key`, with their positions.
pub(super) fn elements<'d>(table: &'d dyn TableLike, key: &str) -> Vec<(usize, Element<'d>)> {
    let elements: Vec<Option<Element<'d>>> = match table.get(key) {
        Some(Item::ArrayOfTables(tables)) => tables.iter().map(|table| Some(Element::Table(table))).collect(),
        Some(Item::Value(Value::Array(values))) => values.iter().map(Element::of_value).collect(),
        _ => Vec::new(),
    };
    elements.into_iter().enumerate().filter_map(|(position, element)| Some((position, element?))).collect()
}

/// The element at `place`.
pub(super) fn element<'d>(document: &'d DocumentMut, place: &[Step]) -> Option<Element<'d>> {
    let mut at = Element::Table(document.as_table());
    let mut steps = place.iter();
    while let Some(step) = steps.next() {
        let (Step::Key(key), Element::Table(table)) = (step, at) else { return None };
        at = match (table.get(key)?, steps.next()) {
            (Item::ArrayOfTables(tables), Some(Step::Element(position))) => Element::Table(tables.get(*position)?),
            (Item::Value(Value::Array(values)), Some(Step::Element(position))) => {
                Element::of_value(values.get(*position)?)?
            }
            (item, None) => Element::Table(item.as_table_like()?),
            _ => return None,
        };
    }
    Some(at)
}

/// The table at `place`; a text there that stands for one becomes one, which says it under `key`.
pub(super) fn table_mut<'d>(document: &'d mut DocumentMut, place: &[Step], key: &str) -> Option<&'d mut dyn TableLike> {
    let mut at: &mut dyn TableLike = document.as_table_mut();
    let mut steps = place.iter();
    while let Some(step) = steps.next() {
        let Step::Key(name) = step else { return None };
        at = match (at.get_mut(name)?, steps.next()) {
            (Item::ArrayOfTables(tables), Some(Step::Element(position))) => tables.get_mut(*position)?,
            (Item::Value(Value::Array(values)), Some(Step::Element(position))) => {
                let value = values.get_mut(*position)?;
                if let Value::String(text) = value {
                    let table = InlineTable::from_iter([(key, Value::from(text.value().as_str()))]);
                    replace_value(value, Value::InlineTable(table));
                }
                value.as_inline_table_mut()?
            }
            (item, None) => item.as_table_like_mut()?,
            _ => return None,
        };
    }
    Some(at)
}

/// Put one more element at the end of the list under `key`, which is made if it is not there: `[[key]]` in a table that
/// has lines of its own, if that is how such lists are written, or else between brackets. Gives its position.
pub(super) fn push(table: &mut dyn TableLike, key: &str, element: Map<String, Json>, as_tables: bool) -> Option<usize> {
    let Value::InlineTable(inline) = to_toml(&Json::Object(element))? else { return None };
    if table.get(key).is_none_or(Item::is_none) {
        let new = if as_tables { Item::ArrayOfTables(ArrayOfTables::new()) } else { Item::Value(Array::new().into()) };
        table.insert(key, new);
    }
    match table.get_mut(key)? {
        Item::ArrayOfTables(tables) => {
            tables.push(with_lines(inline));
            Some(tables.len() - 1)
        }
        Item::Value(Value::Array(values)) => {
            push_value(values, Value::InlineTable(inline));
            Some(values.len() - 1)
        }
        _ => None,
    }
}

/// Put one more element at the end of the list under `key`: this text, or, among tables with lines of their own, one that
/// says it under `label`.
pub(super) fn push_text(table: &mut dyn TableLike, key: &str, label: &str, text: &str) {
    match table.get_mut(key) {
        Some(Item::ArrayOfTables(tables)) => {
            tables.push(with_lines(InlineTable::from_iter([(label, Value::from(text))])));
        }
        Some(Item::Value(Value::Array(values))) => push_value(values, Value::from(text)),
        _ => {}
    }
}

/// Put one more element into an array, on a line of its own if there is none yet or the others have theirs.
pub(super) fn push_value(values: &mut Array, mut value: Value) {
    let laid_out = values.iter().last().map(|last| text(last.decor().prefix()).to_owned());
    match laid_out {
        Some(prefix) => {
            // A comment behind the last one stays there.
            let comment = text(Some(values.trailing())).trim_end().to_owned();
            if comment.contains('#') {
                value.decor_mut().set_prefix(format!("{comment}{prefix}"));
                let end = text(Some(values.trailing())).get(comment.len()..).unwrap_or_default().to_owned();
                values.set_trailing(end);
            } else {
                value.decor_mut().set_prefix(prefix);
            }
        }
        None if value.is_inline_table() => {
            value.decor_mut().set_prefix("\n  ");
            values.set_trailing("\n");
            values.set_trailing_comma(true);
        }
        None => {}
    }
    if values.len() == 1 && text(value.decor().prefix()).is_empty() {
        value.decor_mut().set_prefix(" ");
    }
    values.push_formatted(value);
}

/// Take out the element at `place`; whether there was one.
pub(super) fn remove(document: &mut DocumentMut, place: &[Step]) -> bool {
    let [above @ .., Step::Key(key), Step::Element(position)] = place else { return false };
    table_mut(document, above, "").is_some_and(|table| remove_at(table, key, *position))
}

/// Take an element out of the list under `key`; whether there was one.
pub(super) fn remove_at(table: &mut dyn TableLike, key: &str, position: usize) -> bool {
    match table.get_mut(key) {
        Some(Item::ArrayOfTables(tables)) if position < tables.len() => {
            tables.remove(position);
            if tables.is_empty() {
                table.remove(key);
            }
            true
        }
        Some(Item::Value(Value::Array(values))) if position < values.len() => {
            values.remove(position);
            true
        }
        _ => false,
    }
}

/// Have `key` say `value`, or nothing for null. What it says already stays as it is written.
pub(super) fn set(table: &mut dyn TableLike, key: &str, value: &Json) {
    match (value, table.get_mut(key)) {
        (Json::Null, _) => drop(table.remove(key)),
        (Json::Object(members), Some(item)) if item.is_table_like() => {
            let Some(inner) = item.as_table_like_mut() else { return };
            let gone: Vec<String> =
                inner.iter().map(|(name, _)| name.to_owned()).filter(|name| !members.contains_key(name)).collect();
            gone.iter().for_each(|name| drop(inner.remove(name)));
            members.iter().for_each(|(name, member)| set(inner, name, member));
        }
        (_, Some(item)) if of_item(item) == *value => {}
        (_, Some(Item::Value(old))) => {
            if let Some(new) = to_toml(value) {
                replace_value(old, new);
            }
        }
        (_, _) => {
            if let Some(mut new) = to_toml(value) {
                // The space before the brace that closes a table is behind its last value.
                let last = table.iter_mut().last().and_then(|(_, item)| item.as_value_mut().map(Value::decor_mut));
                if let Some(last) = last
                    && text(last.suffix()) == " "
                {
                    new.decor_mut().set_suffix(text(last.suffix()).to_owned());
                    new.decor_mut().set_prefix(" ");
                    last.set_suffix("");
                }
                table.insert(key, Item::Value(new));
            }
        }
    }
}

/// What is written between values.
fn text(raw: Option<&toml_edit::RawString>) -> &str {
    raw.and_then(toml_edit::RawString::as_str).unwrap_or_default()
}

/// As [`set`], in the table under `within`, which is made if it is needed and removed if nothing is left in it.
pub(super) fn set_in(table: &mut dyn TableLike, within: &str, key: &str, value: &Json) {
    if table.get(within).is_none_or(Item::is_none) {
        if value.is_null() {
            return;
        }
        table.insert(within, Item::Value(InlineTable::new().into()));
    }
    let Some(inner) = table.get_mut(within).and_then(Item::as_table_like_mut) else { return };
    set(inner, key, value);
    if inner.is_empty() {
        table.remove(within);
    }
}

fn replace_value(old: &mut Value, mut new: Value) {
    *new.decor_mut() = old.decor().clone();
    *old = new;
}

/// A table with lines of its own, after an empty one.
fn with_lines(inline: InlineTable) -> Table {
    let mut table = inline.into_table();
    table.decor_mut().set_prefix("\n");
    table
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TEXT: &str = "\
# The gateway.
[[services]]
name = \"a\" # first
timeouts = { connect = \"2s\" } # patient

  # Where orders go.
  [[services.routes]]
  name = \"r\"
  plugins = [
    { use = \"x\", config = { n = 1 } }, # why
  ]

[[upstreams]]
name = \"u\"
targets = [\"10.0.0.1:80\", \"10.0.0.2:80\"]
";

    fn edited(edit: impl FnOnce(&mut DocumentMut)) -> String {
        let mut document = TEXT.parse().unwrap();
        edit(&mut document);
        document.to_string()
    }

    fn place(steps: &[(&str, usize)]) -> Vec<Step> {
        steps.iter().flat_map(|(key, position)| [Step::Key((*key).to_owned()), Step::Element(*position)]).collect()
    }

    fn object(json: Json) -> Map<String, Json> {
        let Json::Object(map) = json else { panic!("{json}") };
        map
    }

    #[test]
    fn what_is_not_meant_stays_as_it_is_written() {
        let text = edited(|document| {
            let table = table_mut(document, &place(&[("services", 0)]), "").unwrap();
            set(table, "name", &json!("b"));
            set_in(table, "timeouts", "connect", &json!("3s"));
            set_in(table, "timeouts", "idle", &Json::Null);
        });
        assert_eq!(text, TEXT.replace("name = \"a\"", "name = \"b\"").replace("\"2s\"", "\"3s\""));
        let text = edited(|document| {
            let table = table_mut(document, &place(&[("services", 0), ("routes", 0), ("plugins", 0)]), "").unwrap();
            set(table, "config", &json!({ "n": 2, "m": ["x"] }));
        });
        assert_eq!(text, TEXT.replace("{ n = 1 }", "{ n = 2 , m = [\"x\"] }").replace("2 ,", "2,"));
    }

    #[test]
    fn a_new_table_goes_behind_its_like() {
        let text = edited(|document| {
            let table = table_mut(document, &place(&[("services", 0)]), "").unwrap();
            assert_eq!(push(table, "routes", object(json!({ "name": "s", "paths": ["/"] })), true), Some(1));
        });
        let new = "\n[[services.routes]]\nname = \"s\"\npaths = [\"/\"]\n";
        assert_eq!(text, TEXT.replace("\n[[upstreams]]", &format!("{new}\n[[upstreams]]")));
    }

    #[test]
    fn a_new_element_is_laid_out_as_the_others() {
        let text = edited(|document| {
            let route = table_mut(document, &place(&[("services", 0), ("routes", 0)]), "").unwrap();
            assert_eq!(push(route, "plugins", object(json!({ "use": "y" })), false), Some(1));
        });
        assert_eq!(text, TEXT.replace("# why\n  ]", "# why\n    { use = \"y\" },\n  ]"));
        let text = edited(|document| {
            let upstream = table_mut(document, &place(&[("upstreams", 0)]), "").unwrap();
            assert_eq!(push(upstream, "targets", object(json!({ "address": "10.0.0.3:80" })), false), Some(2));
        });
        assert_eq!(text, TEXT.replace("2:80\"]", "2:80\", { address = \"10.0.0.3:80\" }]"));
    }

    #[test]
    fn a_text_becomes_a_table_when_more_is_to_be_said_of_it() {
        let text = edited(|document| {
            let target = table_mut(document, &place(&[("upstreams", 0), ("targets", 0)]), "address").unwrap();
            set(target, "weight", &json!(5));
        });
        assert_eq!(text, TEXT.replace("[\"10.0.0.1:80\"", "[{ address = \"10.0.0.1:80\", weight = 5 }"));
    }

    #[test]
    fn what_is_removed_takes_its_comments_along() {
        let text = edited(|document| assert!(remove(document, &place(&[("services", 0), ("routes", 0)]))));
        assert!(!text.contains("orders go") && text.contains("# patient"), "{text}");
        let text = edited(|document| assert!(remove(document, &place(&[("upstreams", 0), ("targets", 0)]))));
        assert!(
            text.contains("targets = [ \"10.0.0.2:80\"]") || text.contains("targets = [\"10.0.0.2:80\"]"),
            "{text}"
        );
        edited(|document| assert!(!remove(document, &place(&[("upstreams", 0), ("targets", 2)]))));
    }
}
