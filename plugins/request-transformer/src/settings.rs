//! What a config may say, and the plan that is made of it.

use tidegate_sdk::HeaderEdits;
use tidegate_sdk::prelude::*;
use tidegate_sdk::template::PathTemplate;
use transformer_rules::{Dots, JsonType, Operation, Rules, Written, header_edits};

use crate::Plan;
use crate::body::{Bodies, Unreadable};

/// What to change, in this order: remove, rename, replace, add, append. Values may have places to fill, like
/// `$(headers.x-user)`.
#[derive(Config)]
pub(crate) struct Settings {
    /// The method that the upstream gets.
    #[schemars(regex(pattern = "^[A-Z]+$"))]
    http_method: Option<String>,
    /// What to take out, by name.
    #[config(default = Remove::default())]
    #[schemars(extend("default" = {}))]
    remove: Remove,
    /// What to give another name: `old:new`.
    #[config(default = Rename::default())]
    #[schemars(extend("default" = {}))]
    rename: Rename,
    /// What to give another value where it is there: `name:value`.
    #[config(default = Replace::default())]
    #[schemars(extend("default" = {}))]
    replace: Replace,
    /// What to add where it is not there: `name:value`.
    #[config(default = Add::default())]
    #[schemars(extend("default" = {}))]
    add: Add,
    /// What to add beside what is there: `name:value`.
    #[config(default = Append::default())]
    #[schemars(extend("default" = {}))]
    append: Append,
    /// Whether dots are part of the names in a JSON body; if not, `a.b` is the member `b` of the member `a`.
    #[config(default = true)]
    dots_in_keys: bool,
    /// What becomes of a request whose body should be changed, and cannot be read.
    #[config(default = Unreadable::Refuse)]
    #[schemars(extend("default" = "refuse"))]
    malformed_body: Unreadable,
    /// The most bytes of a body, if a rule needs bodies: larger ones are refused with a 413. `limits.body` bounds it.
    #[config(default = 1 << 20)]
    #[schemars(range(min = 1))]
    max_body_size: u64,
}

/// What to take out, by name.
#[derive(Config, Default)]
#[serde(default)]
struct Remove {
    /// Of the header fields.
    headers: Vec<String>,
    /// Of the parameters in the query.
    querystring: Vec<String>,
    /// Of the members of a JSON body, or the parameters of a form.
    body: Vec<String>,
}

/// What to give another name.
#[derive(Config, Default)]
#[serde(default)]
struct Rename {
    /// Of the header fields.
    headers: Vec<String>,
    /// Of the parameters in the query.
    querystring: Vec<String>,
    /// Of the members of a JSON body, or the parameters of a form.
    body: Vec<String>,
}

/// What to give another value.
#[derive(Config, Default)]
#[serde(default)]
struct Replace {
    /// The path that the upstream gets.
    uri: Option<String>,
    /// Of the header fields.
    headers: Vec<String>,
    /// Of the parameters in the query.
    querystring: Vec<String>,
    /// Of the members of a JSON body, or the parameters of a form.
    body: Vec<String>,
    /// The types of the values in a JSON body, in their order; strings where there are no more.
    #[schemars(extend("default" = []))]
    json_types: Vec<JsonType>,
}

/// What to add where it is not there.
#[derive(Config, Default)]
#[serde(default)]
struct Add {
    /// To the header fields.
    headers: Vec<String>,
    /// To the parameters in the query.
    querystring: Vec<String>,
    /// To the members of a JSON body, or the parameters of a form.
    body: Vec<String>,
    /// The types of the values in a JSON body, in their order; strings where there are no more.
    #[schemars(extend("default" = []))]
    json_types: Vec<JsonType>,
}

/// What to add beside what is there.
#[derive(Config, Default)]
#[serde(default)]
struct Append {
    /// To the header fields.
    headers: Vec<String>,
    /// To the parameters in the query.
    querystring: Vec<String>,
    /// To the members of a JSON body, which become lists, or the parameters of a form.
    body: Vec<String>,
    /// The types of the values in a JSON body, in their order; strings where there are no more.
    #[schemars(extend("default" = []))]
    json_types: Vec<JsonType>,
}

impl Settings {
    pub(crate) fn plan(self) -> std::result::Result<Plan, String> {
        let Self { remove, rename, replace, add, append, .. } = &self;
        let (mut headers, mut query, mut body) = (HeaderEdits::default(), Rules::default(), Rules::default());
        let dots = if self.dots_in_keys { Dots::InNames } else { Dots::Descend };
        for (operation, header_lines, query_lines, body_lines, types) in [
            (Operation::Remove, &remove.headers, &remove.querystring, &remove.body, &[][..]),
            (Operation::Rename, &rename.headers, &rename.querystring, &rename.body, &[]),
            (Operation::Replace, &replace.headers, &replace.querystring, &replace.body, &replace.json_types),
            (Operation::Add, &add.headers, &add.querystring, &add.body, &add.json_types),
            (Operation::Append, &append.headers, &append.querystring, &append.body, &append.json_types),
        ] {
            header_edits(&mut headers, &Written { operation, of: "headers", lines: header_lines, types: &[] })?;
            let written = Written { operation, of: "querystring", lines: query_lines, types: &[] };
            query.take(&written, Dots::InNames)?;
            body.take(&Written { operation, of: "body", lines: body_lines, types }, dots)?;
        }
        let path = replace.uri.as_deref().map(str::parse::<PathTemplate>).transpose();
        let path = path.map_err(|problem| format!("replace.uri: {problem}"))?;
        if self.http_method.as_deref() == Some("CONNECT") {
            return Err("http_method: what follows a CONNECT is no HTTP, so that none can be made".to_owned());
        }
        // These have no body by their meaning (RFC 9110, sections 9.3.1, 9.3.2, 9.3.8).
        let has_no_body = |method: &str| ["GET", "HEAD", "TRACE"].contains(&method);
        let forms_into_query = self.http_method.as_deref().is_some_and(has_no_body);
        let bodies =
            Bodies { rules: body, forms_into_query, unreadable: self.malformed_body, most: self.max_body_size };
        Ok(Plan { method: self.http_method, path, headers, query, bodies })
    }
}
