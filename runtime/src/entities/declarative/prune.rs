//! What of an entity can be left out so that the rest may be taken: settings that this gateway has not, but nothing that
//! says who may come in, or which requests are meant.

use serde_json::{Map, Value as Json};

use super::plan::Planned;
use super::problem::Problem;
use crate::entities::error::Error;
use crate::entities::kinds::{Entity, Kind};

/// What a route would take more requests without.
const CRITERIA: [&str; 8] = ["methods", "hosts", "paths", "headers", "snis", "sources", "destinations", "protocols"];

/// Leave out of `body` what `error` finds fault with; says what. `None`: it has to go as a whole.
pub(super) fn prune(planned: &Planned, body: &mut Entity, error: &Error) -> Option<Problem> {
    if error.body.get("code").and_then(Json::as_u64) != Some(2) {
        return None;
    }
    let fields = error.body.get("fields")?.as_object()?;
    let may_go = |name: &String| match planned.kind {
        Kind::Service | Kind::Upstream => true,
        Kind::Route => !CRITERIA.contains(&name.as_str()),
        // Without what says for whom it is, it would be for all.
        Kind::Plugin => {
            !["consumer", "route", "service", "consumer_group", "config", "enabled"].contains(&name.as_str())
        }
        _ => false,
    };
    if !fields.keys().all(may_go) {
        return None;
    }
    let mut without = body.clone();
    if !take_out(&mut without, fields) {
        return None;
    }
    *body = without;
    Some(Problem::of(planned, error))
}

/// Whether all that `problems` are about was there, and is no more.
fn take_out(body: &mut Map<String, Json>, problems: &Map<String, Json>) -> bool {
    problems.iter().all(|(name, problem)| match (problem, body.get_mut(name)) {
        (Json::Object(inner), Some(Json::Object(members))) => take_out(members, inner),
        (_, Some(Json::Null)) | (_, None) => false,
        (_, Some(_)) => body.remove(name).is_some(),
    })
}
