//! What a config may say, and the plan that is made of it.

use tidegate_sdk::HeaderEdits;
use tidegate_sdk::prelude::*;
use transformer_rules::{Dots, JsonType, Operation, Rules, Written, header_edits};

use crate::status::Statuses;
use crate::{Applies, Plan};

/// What to change, in this order: remove, rename, replace, add, append. Values may have places to fill from the request,
/// like `$(headers.x-user)`.
#[derive(Config)]
pub(crate) struct Settings {
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
    /// What becomes of a response whose JSON body should be changed, and cannot be read.
    #[config(default = Unreadable::Refuse)]
    #[schemars(extend("default" = "refuse"))]
    malformed_body: Unreadable,
    /// The most bytes of a body, if a rule needs bodies: larger ones are answered with a 502. `limits.body` bounds it.
    #[config(default = 1 << 20)]
    #[schemars(range(min = 1))]
    max_body_size: u64,
}

/// What becomes of a response whose JSON body should be changed, and cannot be read.
#[derive(Config, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Unreadable {
    /// The client gets a 502 in its place.
    Refuse,
    /// It goes on as it is.
    Pass,
}

/// What to take out, by name.
#[derive(Config, Default)]
#[serde(default)]
struct Remove {
    /// Of the header fields.
    headers: Vec<String>,
    /// Of the members of a JSON body.
    json: Vec<String>,
    /// Only of responses with these statuses: `404`, `500-599`.
    if_status: Vec<String>,
}

/// What to give another name.
#[derive(Config, Default)]
#[serde(default)]
struct Rename {
    /// Of the header fields.
    headers: Vec<String>,
    /// Of the members of a JSON body.
    json: Vec<String>,
    /// Only in responses with these statuses: `404`, `500-599`.
    if_status: Vec<String>,
}

/// What to give another value.
#[derive(Config, Default)]
#[serde(default)]
struct Replace {
    /// Of the header fields.
    headers: Vec<String>,
    /// Of the members of a JSON body.
    json: Vec<String>,
    /// The types of the values in a JSON body, in their order; strings where there are no more.
    #[schemars(extend("default" = []))]
    json_types: Vec<JsonType>,
    /// What the whole body is replaced by, as it stands here; no other rule is applied to it.
    body: Option<String>,
    /// Only in responses with these statuses: `404`, `500-599`.
    if_status: Vec<String>,
}

/// What to add where it is not there.
#[derive(Config, Default)]
#[serde(default)]
struct Add {
    /// To the header fields.
    headers: Vec<String>,
    /// To the members of a JSON body.
    json: Vec<String>,
    /// The types of the values in a JSON body, in their order; strings where there are no more.
    #[schemars(extend("default" = []))]
    json_types: Vec<JsonType>,
    /// Only to responses with these statuses: `404`, `500-599`.
    if_status: Vec<String>,
}

/// What to add beside what is there.
#[derive(Config, Default)]
#[serde(default)]
struct Append {
    /// To the header fields.
    headers: Vec<String>,
    /// To the members of a JSON body, which become lists.
    json: Vec<String>,
    /// The types of the values in a JSON body, in their order; strings where there are no more.
    #[schemars(extend("default" = []))]
    json_types: Vec<JsonType>,
    /// Only to responses with these statuses: `404`, `500-599`.
    if_status: Vec<String>,
}

impl Settings {
    pub(crate) fn plan(self) -> std::result::Result<Plan, String> {
        let Self { remove, rename, replace, add, append, .. } = self;
        let statuses = |operation: Operation, entries: &[String]| {
            Statuses::parse(entries).map_err(|problem| format!("{}.if_status{problem}", operation.name()))
        };
        let applies = Applies {
            remove: statuses(Operation::Remove, &remove.if_status)?,
            rename: statuses(Operation::Rename, &rename.if_status)?,
            replace: statuses(Operation::Replace, &replace.if_status)?,
            add: statuses(Operation::Add, &add.if_status)?,
            append: statuses(Operation::Append, &append.if_status)?,
        };
        let dots = if self.dots_in_keys { Dots::InNames } else { Dots::Descend };
        let (mut headers, mut json): (Vec<(Statuses, HeaderEdits)>, _) = (Vec::new(), Rules::default());
        for (operation, header_lines, json_lines, types) in [
            (Operation::Remove, &remove.headers, &remove.json, &[][..]),
            (Operation::Rename, &rename.headers, &rename.json, &[]),
            (Operation::Replace, &replace.headers, &replace.json, &replace.json_types),
            (Operation::Add, &add.headers, &add.json, &add.json_types),
            (Operation::Append, &append.headers, &append.json, &append.json_types),
        ] {
            json.take(&Written { operation, of: "json", lines: json_lines, types }, dots)?;
            if header_lines.is_empty() {
                continue;
            }
            let written = Written { operation, of: "headers", lines: header_lines, types: &[] };
            let statuses = applies.of(operation);
            match headers.last_mut() {
                Some((last, edits)) if last == statuses => header_edits(edits, &written)?,
                _ => {
                    let mut edits = HeaderEdits::default();
                    header_edits(&mut edits, &written)?;
                    headers.push((statuses.clone(), edits));
                }
            }
        }
        Ok(Plan {
            headers,
            json,
            applies,
            body: replace.body,
            unreadable: self.malformed_body,
            most: self.max_body_size,
        })
    }
}
