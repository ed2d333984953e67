//! Changes requests on their way to the upstream: method, path, headers, query, JSON and form bodies. Settings are those
//! of Kong's plugin of this name; the rules themselves are in `transformer-rules`.

mod body;
mod settings;

use std::borrow::Cow;

use tidegate_sdk::query::Params;
use tidegate_sdk::template::{PathTemplate, Values};
use tidegate_sdk::{HeaderEdits, prelude::*, schemars, serde};
use transformer_rules::Rules;

use crate::body::{Bodies, Edited};
use crate::settings::Settings;

/// The settings, as far as they can be worked out before there is a request.
#[derive(Debug)]
struct Plan {
    method: Option<String>,
    path: Option<PathTemplate>,
    headers: HeaderEdits,
    query: Rules,
    bodies: Bodies,
}

impl RequestHook for Plan {
    /// All is worked out before anything is changed: templates see the request as it came.
    fn on_request(&self, request: &mut Request) -> Flow {
        let values = Values::of(request);
        let path = match self.path.as_ref().map(|path| path.to_path(&values)).transpose() {
            Ok(path) => path,
            Err(refusal) => return refuse(400, &refusal.to_string()),
        };
        let body = match self.bodies.edited(request, &values) {
            Ok(body) => body,
            Err(message) => return refuse(400, message),
        };
        let query = self.edited_query(request, &values, &body);

        request.edit_headers(&self.headers);
        if let Some(method) = &self.method {
            request.set_method(method);
        }
        if let Some(path) = path {
            request.set_path(&path);
        }
        if let Some(query) = query {
            request.set_query(query.as_deref());
        }
        match body {
            Edited::Not => {}
            Edited::To(body) => request.set_body(body),
            Edited::IntoQuery(_) => {
                request.set_body("");
                request.remove_header("content-type");
            }
        }
        Flow::Next
    }

    fn needed(&self) -> bool {
        self.method.is_some()
            || self.path.is_some()
            || !self.query.is_empty()
            || !self.headers.is_empty()
            || self.bodies.limit().is_some()
    }

    fn body_limit(&self) -> Option<u64> {
        self.bodies.limit()
    }
}

export!(Plan: RequestHook, priority = 801);

impl Plan {
    /// The query that is to go on, if it is another one.
    fn edited_query(&self, request: &Request, values: &Values<'_>, body: &Edited) -> Option<Option<String>> {
        let moved = match body {
            Edited::IntoQuery(form) => form.as_str(),
            Edited::Not | Edited::To(_) => "",
        };
        if self.query.is_empty() && moved.is_empty() {
            return None;
        }
        let present = request.query();
        let whole = match present.as_deref() {
            None | Some("") => Cow::Borrowed(moved),
            Some(query) if moved.is_empty() => Cow::Borrowed(query),
            Some(query) => Cow::Owned([query, "&", moved].concat()),
        };
        let mut params = Params::of(&whole);
        self.query.edit_params(&mut params, values);
        let edited = params.to_query();
        (edited.as_deref().unwrap_or_default() != present.as_deref().unwrap_or_default()).then_some(edited)
    }
}

fn refuse(status: u16, message: &str) -> Flow {
    Flow::reply(status).json(&json!({ "message": message }))
}

impl Config for Plan {}

impl<'de> serde::Deserialize<'de> for Plan {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        Settings::deserialize(deserializer)?.plan().map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Plan {
    fn schema_name() -> Cow<'static, str> {
        Settings::schema_name()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Settings::json_schema(generator)
    }
}

#[cfg(test)]
mod tests;
