//! What is different between two configurations, as an operator would say it: which entity, which key, from what to what.
//! What may be a secret is not said.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use toml_edit::{DocumentMut, Item, TableLike, Value};

use crate::limits;

/// One place that is different.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Like `services.orders.routes.v1.paths`: elements of lists go by their names.
    pub path: String,
    /// What it was, as TOML; `None`: it was not there.
    pub before: Option<String>,
    /// What it is.
    pub after: Option<String>,
}

/// Keys by which elements of lists are told apart, in the order they are looked for.
const NAMES: [&str; 6] = ["name", "username", "use", "id", "address", "kind"];

/// Below these, everything may be a secret.
const SECRET_TABLES: [&str; 3] = ["credentials", "secrets", "tokens"];

/// Below these, numbers and switches are told only.
const MAYBE_SECRET_TABLES: [&str; 2] = ["config", "sinks"];

/// A key with any of these in its name is told nothing of.
const SECRET_KEYS: [&str; 6] = ["key", "secret", "password", "token", "authorization", "cookie"];

/// Everything that is different, as far as there is room for; the first that has none says so.
pub fn differences(before: &DocumentMut, after: &DocumentMut) -> Vec<Difference> {
    let mut comparison = Comparison { path: Vec::new(), found: Vec::new() };
    comparison.tables(before.as_table(), after.as_table());
    let Comparison { mut found, .. } = comparison;
    if found.len() > limits::DIFFERENCES_KEPT {
        let more = found.len() - limits::DIFFERENCES_KEPT;
        found.truncate(limits::DIFFERENCES_KEPT);
        found.push(Difference { path: format!("… and {more} more"), before: None, after: None });
    }
    found
}

struct Comparison {
    path: Vec<String>,
    found: Vec<Difference>,
}

/// Something in a document.
#[derive(Clone, Copy)]
enum Node<'d> {
    Table(&'d dyn TableLike),
    List(List<'d>),
    Plain(&'d Value),
}

/// A list, however it is written.
#[derive(Clone, Copy)]
enum List<'d> {
    OfTables(&'d toml_edit::ArrayOfTables),
    OfValues(&'d toml_edit::Array),
}

impl<'d> Node<'d> {
    fn of(item: &'d Item) -> Option<Self> {
        match item {
            Item::None => None,
            Item::Table(table) => Some(Self::Table(table)),
            Item::ArrayOfTables(tables) => Some(Self::List(List::OfTables(tables))),
            Item::Value(value) => Some(Self::of_value(value)),
        }
    }

    fn of_value(value: &'d Value) -> Self {
        match value {
            Value::InlineTable(table) => Self::Table(table),
            Value::Array(values) => Self::List(List::OfValues(values)),
            plain => Self::Plain(plain),
        }
    }
}

impl<'d> List<'d> {
    fn nodes(self) -> Vec<Node<'d>> {
        match self {
            Self::OfTables(tables) => tables.iter().map(|table| Node::Table(table)).collect(),
            Self::OfValues(values) => values.iter().map(Node::of_value).collect(),
        }
    }
}

impl Comparison {
    fn tables(&mut self, before: &dyn TableLike, after: &dyn TableLike) {
        for (key, old) in before.iter() {
            self.compare(key, Node::of(old), after.get(key).and_then(Node::of));
        }
        for (key, new) in after.iter().filter(|(key, _)| before.get(key).and_then(Node::of).is_none()) {
            self.compare(key, None, Node::of(new));
        }
    }

    fn compare(&mut self, key: &str, before: Option<Node<'_>>, after: Option<Node<'_>>) {
        self.path.push(key.to_owned());
        match (before, after) {
            (None, None) => {}
            (Some(Node::Table(old)), Some(Node::Table(new))) => self.tables(old, new),
            (Some(Node::List(old)), Some(Node::List(new))) => self.lists(&old.nodes(), &new.nodes()),
            (old, new) => {
                let (said_before, said_after) = (old.map(text), new.map(text));
                if said_before != said_after {
                    let path = self.path.join(".");
                    let [before, after] = [(old, said_before), (new, said_after)]
                        .map(|(node, said)| node.map(|node| self.told(node, said.unwrap_or_default())));
                    self.found.push(Difference { path, before, after });
                }
            }
        }
        self.path.pop();
    }

    /// Elements that have names are compared by them, so that one more at the top is one difference.
    fn lists(&mut self, before: &[Node<'_>], after: &[Node<'_>]) {
        let (Some(old), Some(new)) = (by_name(before), by_name(after)) else {
            let whole =
                |nodes: &[Node<'_>]| format!("[{}]", nodes.iter().map(|n| text(*n)).collect::<Vec<_>>().join(", "));
            let (was, is) = (whole(before), whole(after));
            if was != is {
                let told = |nodes: &[Node<'_>], said| self.told_list(nodes, said);
                let [before, after] = [told(before, was), told(after, is)].map(Some);
                self.found.push(Difference { path: self.path.join("."), before, after });
            }
            return;
        };
        let known: HashMap<&str, Node<'_>> = new.iter().copied().collect();
        for (name, node) in &old {
            self.compare(name, Some(*node), known.get(name).copied());
        }
        let known: HashMap<&str, Node<'_>> = old.iter().copied().collect();
        for (name, node) in new.iter().filter(|(name, _)| !known.contains_key(name)) {
            self.compare(name, None, Some(*node));
        }
        let order = |nodes: &[(&str, Node<'_>)], other: &HashMap<&str, Node<'_>>| {
            nodes.iter().filter(|(name, _)| other.contains_key(name)).map(|(name, _)| (*name).to_owned()).collect()
        };
        let now: HashMap<&str, Node<'_>> = new.iter().copied().collect();
        let (was, is): (Vec<String>, Vec<String>) = (order(&old, &now), order(&new, &known));
        if was != is {
            let path = format!("{} (order)", self.path.join("."));
            self.found.push(Difference { path, before: Some(was.join(", ")), after: Some(is.join(", ")) });
        }
    }

    fn told_list(&self, nodes: &[Node<'_>], said: String) -> String {
        let open = nodes.iter().all(|node| matches!(node, Node::Plain(value) if !self.conceals(value)));
        if open { shortened(said) } else { "***".to_owned() }
    }

    /// What may be said of `node`.
    fn told(&self, node: Node<'_>, said: String) -> String {
        match node {
            Node::Plain(value) if self.conceals(value) => "***".to_owned(),
            Node::Plain(_) => shortened(said),
            Node::List(list) => self.told_list(&list.nodes(), said),
            Node::Table(_) => "{ … }".to_owned(),
        }
    }

    fn conceals(&self, value: &Value) -> bool {
        let below = |tables: &[&str]| self.path.iter().any(|part| tables.contains(&part.as_str()));
        let last = self.path.last().map(|key| key.to_lowercase()).unwrap_or_default();
        below(&SECRET_TABLES)
            || SECRET_KEYS.iter().any(|word| last.contains(word))
            || (below(&MAYBE_SECRET_TABLES) && value.is_str())
    }
}

/// The elements by name; `None` if not all have one of their own.
fn by_name<'d>(nodes: &[Node<'d>]) -> Option<Vec<(&'d str, Node<'d>)>> {
    let mut named = Vec::with_capacity(nodes.len());
    let mut seen = std::collections::HashSet::new();
    for node in nodes {
        let Node::Table(table) = node else { return None };
        let name = NAMES.iter().find_map(|key| table.get(key)?.as_str())?;
        if !seen.insert(name) {
            return None;
        }
        named.push((name, *node));
    }
    Some(named)
}

fn shortened(said: String) -> String {
    match said.char_indices().nth(limits::DIFFERENCE_CHARS) {
        Some((end, _)) => format!("{}…", said.get(..end).unwrap_or_default()),
        None => said,
    }
}

/// The value as TOML, however it is laid out.
fn text(node: Node<'_>) -> String {
    match node {
        Node::Plain(Value::String(string)) => Value::from(string.value()).to_string(),
        Node::Plain(value) => value.to_string().trim().to_owned(),
        Node::List(list) => format!("[{}]", list.nodes().into_iter().map(text).collect::<Vec<_>>().join(", ")),
        Node::Table(table) => {
            let members = table.iter().filter_map(|(key, item)| Some(format!("{key} = {}", text(Node::of(item)?))));
            format!("{{ {} }}", members.collect::<Vec<_>>().join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn between(before: &str, after: &str) -> Vec<(String, Option<String>, Option<String>)> {
        let found = differences(&before.parse().unwrap(), &after.parse().unwrap());
        found.into_iter().map(|found| (found.path, found.before, found.after)).collect()
    }

    fn one(path: &str, before: Option<&str>, after: Option<&str>) -> Vec<(String, Option<String>, Option<String>)> {
        vec![(path.to_owned(), before.map(str::to_owned), after.map(str::to_owned))]
    }

    #[test]
    fn elements_go_by_their_names() {
        let before = "[[services]]\nname = \"a\"\nretries = 1\n[[services]]\nname = \"b\"\nretries = 2\n";
        let after = "[[services]]\nname = \"new\"\n[[services]]\nname = \"a\"\nretries = 1\n[[services]]\nname = \"b\"\nretries = 3\n";
        let mut found = one("services.b.retries", Some("2"), Some("3"));
        found.extend(one("services.new", None, Some("{ … }")));
        assert_eq!(between(before, after), found);
    }

    #[test]
    fn how_it_is_written_is_no_difference() {
        let before = "# a comment\n[[services]]\nname = \"a\"\n[services.timeouts]\nconnect = '2s' # short\n";
        let after = "services = [{ timeouts = { connect = \"2s\" }, name = \"a\" }]\n";
        assert_eq!(between(before, after), []);
    }

    #[test]
    fn order_counts() {
        let before = "plugins = [{ use = \"a\" }, { use = \"b\" }]";
        let after = "plugins = [{ use = \"b\" }, { use = \"a\" }]";
        assert_eq!(between(before, after), one("plugins (order)", Some("a, b"), Some("b, a")));
    }

    #[test]
    fn plain_lists_are_told_whole() {
        assert_eq!(
            between("paths = [\"/a\"]", "paths = [\"/a\", \"/b\"]"),
            one("paths", Some("[\"/a\"]"), Some("[\"/a\", \"/b\"]"))
        );
    }

    #[test]
    fn what_may_be_a_secret_is_not_told() {
        for (before, after) in [
            (
                "[[consumers]]\nusername = \"a\"\ncredentials = [{ kind = \"badge\", key = \"old\" }]",
                "[[consumers]]\nusername = \"a\"\ncredentials = [{ kind = \"badge\", key = \"new\" }]",
            ),
            ("[secrets]\nidp = \"old\"", "[secrets]\nidp = \"new\""),
            (
                "plugins = [{ use = \"x\", config = { header = \"old\" } }]",
                "plugins = [{ use = \"x\", config = { header = \"new\" } }]",
            ),
            (
                "plugins = [{ use = \"x\", config = { a = [{ b = \"old\" }] } }]",
                "plugins = [{ use = \"x\", config = { a = [{ b = \"new\" }] } }]",
            ),
            ("[tls]\nkey = \"old\"", "[tls]\nkey = \"new\""),
        ] {
            let found = between(before, after);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(!format!("{found:?}").contains("old") && !format!("{found:?}").contains("new"), "{found:?}");
        }
        let limit = between(
            "plugins = [{ use = \"x\", config = { minute = 1 } }]",
            "plugins = [{ use = \"x\", config = { minute = 2 } }]",
        );
        assert_eq!(limit, one("plugins.x.config.minute", Some("1"), Some("2")));
    }

    #[test]
    fn there_is_a_bound() {
        let list =
            |value: &str| (0..limits::DIFFERENCES_KEPT + 7).map(|n| format!("k{n} = {value}\n")).collect::<String>();
        let found = between(&list("1"), &list("2"));
        assert_eq!(found.len(), limits::DIFFERENCES_KEPT + 1);
        assert_eq!(found.last().unwrap().0, "… and 7 more");
    }
}
