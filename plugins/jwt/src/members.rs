//! Some members of a JSON object, the others passed over: a token has many claims, of which few decide.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

/// The values of the members of these names, in their order; `None` stands for a name that is not asked for.
///
/// # Errors
/// It is no object, or one of them is there twice: others may take the other one (RFC 7519, section 4).
pub(crate) fn members<const N: usize>(json: &str, wanted: [Option<&str>; N]) -> serde_json::Result<[Option<Value>; N]> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let found = deserializer.deserialize_map(Members(wanted))?;
    deserializer.end()?;
    Ok(found)
}

struct Members<'w, const N: usize>([Option<&'w str>; N]);

impl<'de, const N: usize> Visitor<'de> for Members<'_, N> {
    type Value = [Option<Value>; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = [const { None }; N];
        while let Some(is_wanted) = map.next_key_seed(Name(&self.0))? {
            if !is_wanted.contains(&true) {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let value: Value = map.next_value()?;
            for (place, _) in found.iter_mut().zip(is_wanted).filter(|(_, is_wanted)| *is_wanted) {
                if place.replace(value.clone()).is_some() {
                    return Err(A::Error::custom("a member is there twice"));
                }
            }
        }
        Ok(found)
    }
}

/// Which of the wanted names a member has; no copy is made of it.
struct Name<'w, const N: usize>(&'w [Option<&'w str>; N]);

impl<'de, const N: usize> DeserializeSeed<'de> for Name<'_, N> {
    type Value = [bool; N];

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl<const N: usize> Visitor<'_> for Name<'_, N> {
    type Value = [bool; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.map(|wanted| wanted == Some(name)))
    }
}
