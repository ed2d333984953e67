//! JSON whose parts have places in gateway.toml, as the document that readers ask: the way back from a plugin's config to
//! what its settings stand for.

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use crate::config::checked::PluginConfig;
use crate::config::faults::Faults;
use crate::config::reader::Value;

/// What `read` makes of `located` as a document. `None`: it has something that TOML has not, which has been noted.
pub(super) fn with_document<T>(
    located: &PluginConfig,
    faults: &Faults,
    read: impl FnOnce(&Value<'_>) -> T,
) -> Option<T> {
    // Values of a document borrow from its text, so there has to be one.
    let text = toml::to_string(&located.json).map_err(|error| faults.at(&located.span, error.to_string())).ok()?;
    let parsed = DeTable::parse(&text).map_err(|error| faults.at(&located.span, error.to_string())).ok()?;
    let document = Spanned::new(0..0, DeValue::Table(parsed.into_inner()));
    Some(read(&at_its_place(document, "", located)))
}

/// `value`, whose pointer this is, where it stands in gateway.toml, or where the whole does.
fn at_its_place<'t>(value: Value<'t>, pointer: &str, located: &PluginConfig) -> Value<'t> {
    let span = located.places.get(pointer).map_or(&located.span, |place| &place.value);
    let placed = match value.into_inner() {
        DeValue::Array(array) => {
            let mut placed = DeArray::new();
            for (index, element) in array.into_iter().enumerate() {
                placed.push(at_its_place(element, &format!("{pointer}/{index}"), located));
            }
            DeValue::Array(placed)
        }
        DeValue::Table(table) => {
            let mut placed = DeTable::new();
            for (key, member) in table {
                let name = key.into_inner();
                let pointer = format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
                let said = located.places.get(&pointer).and_then(|place| place.key.as_ref());
                placed
                    .insert(Spanned::new(said.unwrap_or(span).clone(), name), at_its_place(member, &pointer, located));
            }
            DeValue::Table(placed)
        }
        plain => plain,
    };
    Spanned::new(span.clone(), placed)
}
