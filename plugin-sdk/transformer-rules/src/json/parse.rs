//! JSON text, taken apart one level at a time.

use std::borrow::Cow;
use std::fmt;

use serde_json::value::RawValue;
use tidegate_sdk::json;
use tidegate_sdk::serde::de::{MapAccess, SeqAccess, Visitor};
use tidegate_sdk::serde::{Deserialize, Deserializer};

use super::{Member, Node, NotJson};

/// The text without the spaces around it, if it is JSON down to its last level.
pub(super) fn checked(text: &str) -> Result<&str, NotJson> {
    serde_json::from_str::<&RawValue>(text).map(RawValue::get).map_err(|_| NotJson)
}

/// The members of an object.
pub(super) fn members(text: &str) -> Result<Vec<Member<'_>>, NotJson> {
    serde_json::from_str::<Members<'_>>(text).map(|members| members.0).map_err(|_| NotJson)
}

/// The elements of an array.
pub(super) fn elements(text: &str) -> Result<Vec<Node<'_>>, NotJson> {
    serde_json::from_str::<Elements<'_>>(text).map(|elements| elements.0).map_err(|_| NotJson)
}

pub(super) fn quoted(text: &str) -> String {
    json!(text).to_string()
}

struct Members<'t>(Vec<Member<'t>>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some((Name(name), value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
                    members.push(Member { name, value: Node::Text(Cow::Borrowed(value.get())) });
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

struct Elements<'t>(Vec<Node<'t>>);

impl<'de> Deserialize<'de> for Elements<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Array;

        impl<'de> Visitor<'de> for Array {
            type Value = Elements<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Elements<'de>, A::Error> {
                let mut elements = Vec::new();
                while let Some(element) = list.next_element::<&'de RawValue>()? {
                    elements.push(Node::Text(Cow::Borrowed(element.get())));
                }
                Ok(Elements(elements))
            }
        }

        deserializer.deserialize_seq(Array)
    }
}

/// A member's name, borrowed if it has no escapes: `Cow` alone is read as owned.
struct Name<'t>(Cow<'t, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(Text)
    }
}
