//! Records inside of JSON: as the JSON that they are, or as text.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// What a record is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An object, and whether this is among its keys: `@timestamp`.
    Object { has_time: bool },
    /// Some other JSON.
    Value,
    /// No JSON.
    Text,
}

/// What `record` is.
pub(super) fn kind(record: &[u8]) -> Kind {
    match serde_json::from_slice::<Look>(record) {
        Ok(Look { object: Some(has_time) }) => Kind::Object { has_time },
        Ok(_) => Kind::Value,
        Err(_) => Kind::Text,
    }
}

/// Append JSON without the newlines in it: outside of strings, where they may be, spaces say the same.
pub(super) fn on_one_line(body: &mut Vec<u8>, json: &[u8]) {
    let from = body.len();
    body.extend_from_slice(json.trim_ascii());
    body.iter_mut().skip(from).filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
}

/// Append a string. What is no UTF-8 is replaced.
pub(super) fn string(body: &mut Vec<u8>, text: &[u8]) {
    // A Vec takes everything, and so does a string, so there is nothing that could fail.
    let _ = serde_json::to_writer(body, &String::from_utf8_lossy(text));
}

struct Look {
    object: Option<bool>,
}

impl<'de> Deserialize<'de> for Look {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Looking)
    }
}

struct Looking;

impl<'de> Visitor<'de> for Looking {
    type Value = Look;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Look, A::Error> {
        let mut has_time = false;
        while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            has_time |= key == "@timestamp";
            map.next_value::<IgnoredAny>()?;
        }
        Ok(Look { object: Some(has_time) })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Look, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Look { object: None })
    }

    fn visit_bool<E>(self, _: bool) -> Result<Look, E> {
        Ok(Look { object: None })
    }

    fn visit_i64<E>(self, _: i64) -> Result<Look, E> {
        Ok(Look { object: None })
    }

    fn visit_u64<E>(self, _: u64) -> Result<Look, E> {
        Ok(Look { object: None })
    }

    fn visit_f64<E>(self, _: f64) -> Result<Look, E> {
        Ok(Look { object: None })
    }

    fn visit_str<E>(self, _: &str) -> Result<Look, E> {
        Ok(Look { object: None })
    }

    fn visit_unit<E>(self) -> Result<Look, E> {
        Ok(Look { object: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_record_is() {
        for (record, expected) in [
            ("{}", Kind::Object { has_time: false }),
            (" {\"a\": [1, {\"@timestamp\": 2}]}\n", Kind::Object { has_time: false }),
            ("{\"a\": 1, \"\\u0040timestamp\": \"x\"}", Kind::Object { has_time: true }),
            ("[1, -2, 3.5, null, true, \"x\"]", Kind::Value),
            ("\"x\"", Kind::Value),
            ("-1", Kind::Value),
            ("null", Kind::Value),
            ("", Kind::Text),
            ("{\"a\": 1} {}", Kind::Text),
            ("{\"a\": 1", Kind::Text),
            ("GET / 200", Kind::Text),
        ] {
            assert_eq!(kind(record.as_bytes()), expected, "{record}");
        }
        assert_eq!(kind(b"\xff"), Kind::Text);
    }
}
