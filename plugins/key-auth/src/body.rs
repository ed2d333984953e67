//! A key in a body: a parameter of a form, or a member of a JSON object.

use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use tidegate_sdk::prelude::*;
use tidegate_sdk::query::Params;

/// A body that may have a key in it.
pub(crate) enum Body {
    Form(String),
    Json(Members),
}

/// The members of an object as they are written: what is not taken out stays so, and one that is there twice is seen twice.
pub(crate) struct Members(Vec<(String, Box<RawValue>)>);

impl Body {
    /// What the request brings, if it can be read.
    pub(crate) fn of(request: &Request) -> Option<Self> {
        let kind = request.header("content-type")?;
        let kind = kind.to_str().ok()?.split(';').next()?.trim().to_ascii_lowercase();
        let body = || String::from_utf8(request.body()?).ok();
        match kind.as_str() {
            "application/x-www-form-urlencoded" => body().map(Self::Form),
            "application/json" => Members::read(&body()?).map(Self::Json),
            _ => None,
        }
    }

    /// All that is there under this name.
    pub(crate) fn all(&self, name: &str) -> Vec<String> {
        match self {
            Self::Form(form) => Params::of(form).all(name),
            Self::Json(Members(members)) => {
                let named = members.iter().filter(|(member, _)| member == name);
                // What is no string is nobody's key, and nonetheless there.
                named.map(|(_, value)| serde_json::from_str(value.get()).unwrap_or_default()).collect()
            }
        }
    }

    /// The same without what is under this name.
    pub(crate) fn without(self, name: &str) -> String {
        match self {
            Self::Form(form) => {
                let mut params = Params::of(&form);
                params.remove(name);
                params.to_query().unwrap_or_default()
            }
            Self::Json(Members(members)) => {
                let kept = members.iter().filter(|(member, _)| member != name);
                let kept: Vec<String> = kept.map(|(member, value)| format!("{}:{value}", json!(member))).collect();
                format!("{{{}}}", kept.join(","))
            }
        }
    }
}

impl Members {
    fn read(body: &str) -> Option<Self> {
        struct Every;

        impl<'de> Visitor<'de> for Every {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        let mut document = serde_json::Deserializer::from_str(body);
        let members = document.deserialize_map(Every).ok()?;
        document.end().ok().map(|()| members)
    }
}
