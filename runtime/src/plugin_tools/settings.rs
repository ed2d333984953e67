//! A plugin's settings as a table for people, from the JSON Schema that it describes them by.

use std::fmt::Write;

use serde_json::Value;

/// A line for each setting: its name, type, default and description.
pub(super) fn table(schema: &Value) -> String {
    let mut rows = Vec::new();
    collect(schema, schema, "", DEPTH, &mut rows);
    if rows.is_empty() {
        return "  none\n".to_owned();
    }
    let width = |column: fn(&Row) -> &str| rows.iter().map(|row| column(row).chars().count()).max().unwrap_or(0);
    let (name, kind, default) = (width(|row| &row.name), width(|row| &row.kind), width(|row| &row.default));
    let mut table = String::new();
    for row in &rows {
        let line = format!("  {:name$}  {:kind$}  {:default$}  {}", row.name, row.kind, row.default, row.description);
        // A string takes everything.
        _ = writeln!(table, "{}", line.trim_end());
    }
    table
}

/// Tables within tables that are shown. A schema may refer to itself.
const DEPTH: usize = 4;

struct Row {
    name: String,
    kind: String,
    default: String,
    description: String,
}

/// Add the settings of `schema`, a table, whose names begin with `prefix`; `root` has what it refers to.
fn collect(schema: &Value, root: &Value, prefix: &str, depth: usize, rows: &mut Vec<Row>) {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
    let required = |name: &str| {
        let required = schema.get("required").and_then(Value::as_array);
        required.is_some_and(|required| required.iter().any(|one| one == name))
    };
    for (name, setting) in properties {
        let full = format!("{prefix}{name}");
        let resolved = resolve(setting, root);
        let text = |key| setting.get(key).or_else(|| resolved.get(key)).and_then(Value::as_str).unwrap_or_default();
        let default = match setting.get("default") {
            Some(default) => default.to_string(),
            None if required(name) => "required".to_owned(),
            None => "-".to_owned(),
        };
        let description = text("description").split_whitespace().collect::<Vec<_>>().join(" ");
        rows.push(Row { name: full.clone(), kind: kind(setting, root, depth), default, description });
        if depth > 0 {
            collect(resolved, root, &format!("{full}."), depth - 1, rows);
        }
    }
}

/// What a setting may be, in words.
fn kind(schema: &Value, root: &Value, depth: usize) -> String {
    let schema = resolve(schema, root);
    let Some(depth) = depth.checked_sub(1) else { return "…".to_owned() };
    if let Some(value) = schema.get("const") {
        return value.to_string();
    }
    for (key, each) in [("enum", false), ("oneOf", true), ("anyOf", true)] {
        if let Some(choices) = schema.get(key).and_then(Value::as_array) {
            let choices = choices.iter().filter(|choice| !is_null(choice));
            let shown = choices.map(|choice| if each { kind(choice, root, depth) } else { choice.to_string() });
            return shown.collect::<Vec<_>>().join(" | ");
        }
    }
    let types: Vec<&str> = match schema.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).filter(|one| *one != "null").collect(),
        _ => return "anything".to_owned(),
    };
    let shown = types.iter().map(|one| match *one {
        "array" => match schema.get("items") {
            Some(items) => format!("list of {}", kind(items, root, depth)),
            None => "list".to_owned(),
        },
        "object" => match schema.get("additionalProperties") {
            Some(values) if values.is_object() => format!("table of {}", kind(values, root, depth)),
            _ => "table".to_owned(),
        },
        "integer" | "number" => format!("{one}{}", bounds(schema)),
        other => other.to_owned(),
    });
    shown.collect::<Vec<_>>().join(" | ")
}

fn bounds(schema: &Value) -> String {
    // That an unsigned number is not negative goes without saying.
    let least = schema.get("minimum").filter(|least| least.as_f64() != Some(0.0));
    match (least, schema.get("maximum")) {
        (Some(least), Some(most)) => format!(", {least} to {most}"),
        (Some(least), None) => format!(", {least} or more"),
        (None, Some(most)) => format!(", {most} or less"),
        (None, None) => String::new(),
    }
}

fn is_null(schema: &Value) -> bool {
    schema.is_null() || schema.get("type").is_some_and(|one| one == "null")
}

/// What `schema` refers to, if it refers to anything (JSON Schema, section 8.2.3.1).
fn resolve<'s>(schema: &'s Value, root: &'s Value) -> &'s Value {
    let place = schema.get("$ref").and_then(Value::as_str).and_then(|place| place.strip_prefix('#'));
    place.and_then(|place| root.pointer(place)).unwrap_or(schema)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_setting_has_a_line_with_what_it_may_be() {
        let schema = json!({
            "properties": {
                "a": { "type": "string", "description": "Is\nthere." },
                "b": { "type": ["integer", "null"], "minimum": 1, "maximum": 9 },
                "c": { "$ref": "#/$defs/How", "default": "fast" },
                "d": { "anyOf": [{ "type": "array", "items": { "type": "string" } }, { "type": "null" }] },
                "e": { "type": "object", "description": "More.", "properties": { "f": { "type": "boolean" } } },
                "g": { "type": "object", "additionalProperties": { "type": "number", "minimum": 0 } },
                "h": { "$ref": "#" },
            },
            "required": ["a"],
            "$defs": { "How": { "oneOf": [{ "const": "fast" }, { "enum": ["slow", "late"] }], "description": "How." } },
        });
        let table = table(&schema);
        let lines: Vec<Vec<&str>> = table
            .lines()
            .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect())
            .collect();
        let first = [
            &["a", "string", "required", "Is there."][..],
            &["b", "integer, 1 to 9", "-"],
            &["c", "\"fast\" | \"slow\" | \"late\"", "\"fast\"", "How."],
            &["d", "list of string", "-"],
            &["e", "table", "-", "More."],
            &["e.f", "boolean", "-"],
            &["g", "table of number", "-"],
            &["h", "anything", "-"],
            &["h.a", "string", "required", "Is there."],
        ];
        assert_eq!(&lines[..first.len()], first, "{table}");
        assert!(lines.len() < 100, "a schema that refers to itself has an end");
        assert_eq!(super::table(&json!({ "type": "null" })), "  none\n");
    }
}
