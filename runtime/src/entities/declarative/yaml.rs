//! The text of a file: YAML, of which JSON is a part.

use serde_json::{Map, Value as Json};

use crate::limits;

/// What `text` says.
///
/// # Errors
/// It is no YAML, no object, or more than there may be.
pub fn read(text: &str) -> Result<Map<String, Json>, String> {
    if text.len() > limits::ADMIN_BODY_BYTES {
        return Err(format!("it is larger than {} bytes", limits::ADMIN_BODY_BYTES));
    }
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: limits::ADMIN_BODY_DEPTH,
            max_documents: 1,
            max_events: limits::DECLARATIVE_NODES,
            max_nodes: limits::DECLARATIVE_NODES,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: limits::DECLARATIVE_NODES,
        },
        with_snippet: false,
    };
    let read = serde_saphyr::from_str_with_options::<Json>(text, options);
    match read.map_err(|error| error.to_string())? {
        Json::Object(file) => Ok(file),
        _ => Err("it is not an object".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn yaml_and_json_are_read() {
        let yaml = "_format_version: \"3.0\"\nx: &a\n  port: 80\n  on: true\n  none: null\ny: *a\nkey: '0123'\n";
        let expected = json!({
            "_format_version": "3.0", "x": { "port": 80, "on": true, "none": null },
            "y": { "port": 80, "on": true, "none": null }, "key": "0123",
        });
        assert_eq!(read(yaml).map(Json::Object), Ok(expected.clone()));
        assert_eq!(read(&expected.to_string()).map(Json::Object), Ok(expected));
    }

    #[test]
    fn what_is_none_or_too_much_is_refused() {
        let bomb: String = (1..40).fold("a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned(), |text, level| {
            let before = format!("*a{}", level - 1);
            format!("{text}a{level}: &a{level} [{}]\n", vec![before; 9].join(", "))
        });
        let deep = format!("a: {}{}", "[".repeat(200), "]".repeat(200));
        for wrong in ["", "- a", "a: [", "a: 1\na: 2", "just words", &bomb, &deep] {
            assert!(read(wrong).is_err(), "{}", wrong.get(..20).unwrap_or(wrong));
        }
        assert!(read("a: 1\nb: [").unwrap_err().contains("line 2"), "{:?}", read("a: 1\nb: ["));
    }
}
