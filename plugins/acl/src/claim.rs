//! Groups in a claim that may be deep within others. The rest of the claims is passed over.

use std::fmt;

use serde_json::Value;
use tidegate_sdk::serde::Deserialize;
use tidegate_sdk::serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

/// The groups at `path`: names of members, each within the one before, joined by dots. `None`: `claims` have no such
/// member. What is no group is not among them.
pub(crate) fn groups(path: &str, claims: &str) -> Option<Vec<String>> {
    // A name may have dots of its own, as those have that are URLs.
    let found = find(claims, &[path]).or_else(|| {
        let names: Vec<&str> = path.split('.').collect();
        find(claims, &names).filter(|_| names.len() > 1)
    })?;
    Some(match found {
        Value::Array(items) => items.into_iter().filter_map(text).collect(),
        Value::String(listed) => listed.split_whitespace().map(str::to_owned).collect(),
        _ => Vec::new(),
    })
}

fn text(item: Value) -> Option<String> {
    match item {
        Value::String(group) => Some(group),
        _ => None,
    }
}

fn find(claims: &str, names: &[&str]) -> Option<Value> {
    Within(names).deserialize(&mut serde_json::Deserializer::from_str(claims)).ok()?
}

/// The value at the end of these names.
struct Within<'n>(&'n [&'n str]);

impl<'de> DeserializeSeed<'de> for Within<'_> {
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        match self.0 {
            [] => Value::deserialize(deserializer).map(Some),
            // What is no object has no members, and makes an error, which comes to the same.
            _ => deserializer.deserialize_map(self),
        }
    }
}

impl<'de> Visitor<'de> for Within<'_> {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let [name, rest @ ..] = self.0 else { return Ok(None) };
        let mut found = None;
        while let Some(is_meant) = map.next_key_seed(Name(name))? {
            match is_meant {
                false => drop(map.next_value::<IgnoredAny>()?),
                true if found.is_some() => return Err(A::Error::custom("a member is there twice")),
                true => found = Some(map.next_value_seed(Within(rest))?),
            }
        }
        Ok(found.flatten())
    }
}

/// Whether a member has this name; no copy is made of what it has.
struct Name<'n>(&'n str);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<bool, E> {
        Ok(name == self.0)
    }
}

#[cfg(test)]
mod tests {
    use tidegate_sdk::json;

    use super::*;

    #[test]
    fn groups_are_found_however_deep_they_are() {
        let claims = json!({
            "roles": ["a", "b"],
            "scope": "read  write",
            "realm_access": { "roles": ["c"], "other": { "roles": ["d"] } },
            "https://example.com/groups": ["e"],
            "a.b": ["whole"], "a": { "b": ["parts"] },
            "mixed": ["f", 1, null, ["g"], { "h": 1 }],
            "number": 7,
        });
        for (path, expected) in [
            ("roles", Some(vec!["a", "b"])),
            ("scope", Some(vec!["read", "write"])),
            ("realm_access.roles", Some(vec!["c"])),
            ("realm_access.other.roles", Some(vec!["d"])),
            ("https://example.com/groups", Some(vec!["e"])),
            ("a.b", Some(vec!["whole"])),
            ("mixed", Some(vec!["f"])),
            ("number", Some(vec![])),
            ("realm_access", Some(vec![])),
            ("role", None),
            ("roles.a", None),
            ("realm_access.", None),
            (".roles", None),
            ("number.a", None),
        ] {
            let expected = expected.map(|groups| groups.into_iter().map(str::to_owned).collect());
            assert_eq!(groups(path, &claims.to_string()), expected, "{path}");
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_not_read() {
        for claims in [r#"{"a":{"b":["x"],"b":["y"]}}"#, r#"{"a":{"b":["x"]},"a":{"b":["y"]}}"#, "[]", "", "{", "7"] {
            assert_eq!(groups("a.b", claims), None, "{claims}");
        }
    }
}
