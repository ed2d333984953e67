//! JSON as TOML, and back.

use serde_json::{Map, Value as Json};
use toml_edit::{Array, InlineTable, Item, TableLike, Value};

/// `json` as a value; `None` for null, which TOML has not. Of lists and tables, what is null is left out.
pub(super) fn to_toml(json: &Json) -> Option<Value> {
    Some(match json {
        Json::Null => return None,
        Json::Bool(switch) => Value::from(*switch),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Value::from(whole),
            None => Value::from(number.as_f64()?),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(elements) => Value::Array(elements.iter().filter_map(to_toml).collect::<Array>()),
        Json::Object(members) => {
            let mut table = InlineTable::new();
            for (key, member) in members {
                if let Some(value) = to_toml(member) {
                    table.insert(key, value);
                }
            }
            Value::InlineTable(table)
        }
    })
}

/// What `item` says as JSON; null if it is nothing.
pub(super) fn of_item(item: &Item) -> Json {
    match item {
        Item::None => Json::Null,
        Item::Value(value) => of_value(value),
        Item::Table(table) => Json::Object(of_table(table)),
        Item::ArrayOfTables(tables) => tables.iter().map(|table| Json::Object(of_table(table))).collect(),
    }
}

/// What `table` says as JSON.
pub(super) fn of_table(table: &dyn TableLike) -> Map<String, Json> {
    table.iter().map(|(key, item)| (key.to_owned(), of_item(item))).collect()
}

/// What `value` says as JSON.
pub(super) fn of_value(value: &Value) -> Json {
    match value {
        Value::String(text) => Json::String(text.value().clone()),
        Value::Integer(number) => Json::from(*number.value()),
        Value::Float(number) => Json::from(*number.value()),
        Value::Boolean(switch) => Json::from(*switch.value()),
        Value::Datetime(date) => Json::String(date.value().to_string()),
        Value::Array(elements) => elements.iter().map(of_value).collect(),
        Value::InlineTable(table) => Json::Object(of_table(table)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn there_and_back() {
        let json = json!({ "a": [1, 2.5, "x", true, { "b": {} }], "c": -7 });
        assert_eq!(of_value(&to_toml(&json).unwrap()), json);
        assert_eq!(
            to_toml(&json!({ "a": null, "b": [null, 1] })).map(|value| of_value(&value)),
            Some(json!({ "b": [1] }))
        );
        assert!(to_toml(&Json::Null).is_none());
    }
}
