//! Changes responses on their way to the client: headers, the members of JSON bodies, whole bodies. Settings are those of
//! Kong's plugin of this name, and `if_status` of its bigger sister; the rules themselves are in `transformer-rules`.

mod settings;
mod status;

use std::borrow::Cow;

use tidegate_sdk::template::Values;
use tidegate_sdk::{HeaderEdits, prelude::*, schemars, serde};
use transformer_rules::{Document, Kind, NotJson, Operation, Rules, kind_of};

use crate::settings::{Settings, Unreadable};
use crate::status::Statuses;

/// The settings, as far as they can be worked out before there is a response.
#[derive(Debug)]
struct Plan {
    /// In their order. Neighbours that are for the same statuses are sent together.
    headers: Vec<(Statuses, HeaderEdits)>,
    json: Rules,
    /// Which responses each operation is for.
    applies: Applies,
    /// What bodies are replaced by.
    body: Option<String>,
    unreadable: Unreadable,
    most: u64,
}

#[derive(Debug, Default)]
struct Applies {
    remove: Statuses,
    rename: Statuses,
    replace: Statuses,
    add: Statuses,
    append: Statuses,
}

impl ResponseHook for Plan {
    fn on_response(&self, response: &mut Response, request: &Request) -> Flow {
        // Asking costs a call, which most configs can do without.
        let status = if self.asks_for_status() { response.status() } else { 200 };
        let body = match self.edited_body(response, request, status) {
            Ok(body) => body,
            Err(NotJson) => {
                let message = "An invalid response was received from the upstream server";
                return Flow::reply(502).json(&json!({ "message": message }));
            }
        };
        for (statuses, edits) in &self.headers {
            if statuses.have(status) {
                response.edit_headers(edits, request);
            }
        }
        if let Some(body) = body {
            // The one that it replaces may have been compressed.
            response.remove_header("content-encoding");
            response.set_body(&*body);
        }
        Flow::Next
    }

    fn needed(&self) -> bool {
        !self.headers.is_empty() || !self.json.is_empty() || self.body.is_some()
    }

    fn body_limit(&self) -> Option<u64> {
        (!self.json.is_empty()).then_some(self.most)
    }
}

export!(Plan: ResponseHook, priority = 800);

impl Plan {
    fn asks_for_status(&self) -> bool {
        let edits_body = !self.json.is_empty() || self.body.is_some();
        edits_body || self.headers.iter().any(|(statuses, _)| !statuses.are_all())
    }

    /// The body that is to go on, if it is another one.
    fn edited_body(
        &self,
        response: &Response,
        request: &Request,
        status: u16,
    ) -> std::result::Result<Option<Cow<'_, str>>, NotJson> {
        // These have none (RFC 9110, section 6.4.1).
        if matches!(status, 204 | 205 | 304) {
            return Ok(None);
        }
        if let Some(body) = self.body.as_deref().filter(|_| self.applies.replace.have(status)) {
            return Ok(Some(Cow::Borrowed(body)));
        }
        if self.json.is_empty() || !self.applies.to_any(status) {
            return Ok(None);
        }
        if !response.header("content-type").is_some_and(|kind| kind_of(kind.as_bytes()) == Kind::Json) {
            return Ok(None);
        }
        match self.edited_json(&response.body().unwrap_or_default(), request, status) {
            Err(NotJson) if self.unreadable == Unreadable::Pass => Ok(None),
            edited => edited.map(|edited| edited.map(Cow::Owned)),
        }
    }

    fn edited_json(&self, body: &[u8], request: &Request, status: u16) -> std::result::Result<Option<String>, NotJson> {
        // Answers to HEAD have the type of a body that they do not have.
        if body.is_empty() {
            return Ok(None);
        }
        let mut document = Document::parse(body)?;
        let applies = |operation| self.applies.of(operation).have(status);
        self.json.edit_json(&mut document, &Values::of(request), applies)?;
        Ok(document.edited())
    }
}

impl Applies {
    fn of(&self, operation: Operation) -> &Statuses {
        match operation {
            Operation::Remove => &self.remove,
            Operation::Rename => &self.rename,
            Operation::Replace => &self.replace,
            Operation::Add => &self.add,
            Operation::Append => &self.append,
        }
    }

    fn to_any(&self, status: u16) -> bool {
        let Self { remove, rename, replace, add, append } = self;
        [remove, rename, replace, add, append].into_iter().any(|statuses| statuses.have(status))
    }
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
