//! The body of a request, edited by its kind, or moved into the query.

use tidegate_sdk::prelude::*;
use tidegate_sdk::query::Params;
use tidegate_sdk::template::Values;
use transformer_rules::{Document, Kind, Rules, kind_of};

/// What becomes of a request whose body should be changed, and cannot be read.
#[derive(Config, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Unreadable {
    /// It is refused with a 400.
    Refuse,
    /// It goes on, and its body as it is.
    Pass,
}

#[derive(Debug)]
pub(crate) struct Bodies {
    pub(crate) rules: Rules,
    /// The new method has no body, so that the parameters of a form go into the query.
    pub(crate) forms_into_query: bool,
    pub(crate) unreadable: Unreadable,
    pub(crate) most: u64,
}

/// What has become of a body.
pub(crate) enum Edited {
    Not,
    To(String),
    /// The parameters of a form, as they can stand in a query.
    IntoQuery(String),
}

impl Bodies {
    /// How many bytes, if bodies are needed at all.
    pub(crate) fn limit(&self) -> Option<u64> {
        (self.forms_into_query || !self.rules.is_empty()).then_some(self.most)
    }

    /// # Errors
    /// Why the request is refused.
    pub(crate) fn edited(&self, request: &Request, values: &Values<'_>) -> std::result::Result<Edited, &'static str> {
        if self.limit().is_none() {
            return Ok(Edited::Not);
        }
        let kind = request.header("content-type").map_or(Kind::Other, |kind| kind_of(kind.as_bytes()));
        let is_concerned = match kind {
            Kind::Json => !self.rules.is_empty(),
            Kind::Form => true,
            Kind::Other => false,
        };
        if !is_concerned {
            return Ok(Edited::Not);
        }
        let body = request.body().unwrap_or_default();
        let edited = match kind {
            _ if !body.is_empty() && is_encoded(request) => None,
            Kind::Json => self.edited_json(&body, values),
            Kind::Form | Kind::Other => self.edited_form(&body, values),
        };
        match (edited, self.unreadable) {
            (Some(edited), _) => Ok(edited),
            (None, Unreadable::Pass) => Ok(Edited::Not),
            (None, Unreadable::Refuse) if kind == Kind::Json => Err("the body is no JSON"),
            (None, Unreadable::Refuse) => Err("the body is no form"),
        }
    }

    fn edited_json(&self, body: &[u8], values: &Values<'_>) -> Option<Edited> {
        // Of a request that brings no body, one can be made of what is added.
        let mut document = if body.is_empty() { Document::empty() } else { Document::parse(body).ok()? };
        self.rules.edit_json(&mut document, values, |_| true).ok()?;
        Some(document.edited().map_or(Edited::Not, Edited::To))
    }

    fn edited_form(&self, body: &[u8], values: &Values<'_>) -> Option<Edited> {
        let form = str::from_utf8(body).ok()?;
        if self.forms_into_query {
            return Some(Edited::IntoQuery(query_of(form)));
        }
        let mut params = Params::of(form);
        self.rules.edit_params(&mut params, values);
        let edited = params.to_string();
        Some(if edited == form { Edited::Not } else { Edited::To(edited) })
    }
}

/// Compressed bodies are no text that could be edited.
fn is_encoded(request: &Request) -> bool {
    let encoding = request.header("content-encoding");
    encoding.is_some_and(|encoding| !encoding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity"))
}

/// A form as a query: what no query may have in the clear is percent-encoded, and all else is as the client wrote it.
fn query_of(form: &str) -> String {
    let mut query = String::with_capacity(form.len());
    for byte in form.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?%".contains(&byte) {
            query.push(char::from(byte));
        } else {
            query.push_str(&format!("%{byte:02X}"));
        }
    }
    query
}
