//! What a file wants made: its entities, taken out of one another, each with what it stands in.

use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use super::problem::Problem;
use crate::entities::kinds::{COMMON, Entity, Kind};
use crate::entities::schema::Type;
use crate::proposal::{Place, Step};

/// An entity to be made.
pub(super) struct Planned {
    /// Where the file has it.
    pub(super) place: Place,
    /// What it is.
    pub(super) kind: Kind,
    /// What the file says of it, without what stands in it.
    pub(super) body: Entity,
    /// What it stands in: the field that is said by that, and which of the planned ones.
    pub(super) owner: Option<(&'static str, usize)>,
}

/// The lists of a file, in the order in which they are made.
const COLLECTIONS: [(&str, Kind); 11] = [
    ("services", Kind::Service),
    ("routes", Kind::Route),
    ("upstreams", Kind::Upstream),
    ("targets", Kind::Target),
    ("consumers", Kind::Consumer),
    ("keyauth_credentials", Kind::KeyAuth),
    ("basicauth_credentials", Kind::BasicAuth),
    ("jwt_secrets", Kind::Jwt),
    ("hmacauth_credentials", Kind::HmacAuth),
    ("acls", Kind::Acl),
    ("plugins", Kind::Plugin),
];

/// What may stand in what, and the field that is said by that.
const INSIDE: [(Kind, &str, &[Kind]); 4] = [
    (Kind::Service, "service", &[Kind::Route, Kind::Plugin]),
    (Kind::Route, "route", &[Kind::Plugin]),
    (Kind::Consumer, "consumer", &[Kind::KeyAuth, Kind::BasicAuth, Kind::Jwt, Kind::HmacAuth, Kind::Acl, Kind::Plugin]),
    (Kind::Upstream, "upstream", &[Kind::Target]),
];

/// What is said of the file itself.
const ABOUT: [&str; 5] = ["_format_version", "_transform", "_comment", "_info", "_ignore"];

/// What Kong's exports say of everything, which comes to the same here.
const UNHEARD: [(Kind, &str, Json); 4] = [
    (Kind::Upstream, "use_srv_name", Json::Bool(false)),
    (Kind::Service, "_comment", Json::Null),
    (Kind::Route, "_comment", Json::Null),
    (Kind::Consumer, "_comment", Json::Null),
];

/// What Kong calls a list of these in a file.
pub fn collection(kind: Kind) -> &'static str {
    COLLECTIONS.iter().find(|(_, known)| *known == kind).map_or("", |(name, _)| name)
}

/// Which are made before which.
pub(super) fn rank(kind: Kind) -> usize {
    COLLECTIONS.iter().position(|(_, known)| *known == kind).unwrap_or_default()
}

/// The entities of `file`, and what else is wrong with it.
pub(super) fn plan(file: &Map<String, Json>, problems: &mut Vec<Problem>) -> Vec<Planned> {
    let version = match file.get("_format_version") {
        Some(Json::String(version)) => version.clone(),
        // `3.0` without quotes is a number.
        Some(Json::Number(version)) => version.to_string(),
        _ => String::new(),
    };
    let dialect = Dialect {
        old_paths: matches!(version.as_str(), "1.1" | "2.1"),
        hashed: file.get("_transform") == Some(&Json::Bool(false)),
    };
    if !["1.1", "2.1", "3.0", "3", "3.1"].contains(&version.as_str()) {
        let message = "expected \"3.0\", \"2.1\" or \"1.1\"";
        problems.push(Problem::at(vec![Step::Key("_format_version".to_owned())], message));
    }
    let mut planned = Vec::new();
    for (name, list) in file {
        let place = vec![Step::Key(name.clone())];
        match COLLECTIONS.iter().find(|(known, _)| known == name) {
            Some((_, kind)) => take(*kind, list, &place, None, dialect, &mut planned, problems),
            None if ABOUT.contains(&name.as_str()) || is_empty(list) => {}
            None => problems.push(Problem::at(place, "there is nothing like it here")),
        }
    }
    planned
}

/// How a file means what it says.
#[derive(Clone, Copy)]
struct Dialect {
    /// Paths that look like regexes are some, without "~" (before Kong 3.0).
    old_paths: bool,
    /// Passwords are hashes of Kong's already.
    hashed: bool,
}

fn take(
    kind: Kind,
    list: &Json,
    place: &Place,
    owner: Option<(&'static str, usize)>,
    dialect: Dialect,
    planned: &mut Vec<Planned>,
    problems: &mut Vec<Problem>,
) {
    let Json::Array(elements) = list else {
        if !is_empty(list) {
            problems.push(Problem::at(place.clone(), "expected an array"));
        }
        return;
    };
    for (position, element) in elements.iter().enumerate() {
        let mut place = place.clone();
        place.push(Step::Element(position));
        let Json::Object(said) = element else {
            problems.push(Problem::at(place, "expected a record"));
            continue;
        };
        let at = planned.len();
        let mut body = said.clone();
        let inside = INSIDE.iter().find(|(above, ..)| *above == kind);
        let lists = inside.map_or(&[][..], |(_, _, below)| below).iter();
        let lists: Vec<(Kind, Json)> =
            lists.filter_map(|below| Some((*below, body.remove(collection(*below))?))).collect();
        adapt(kind, &mut body, dialect);
        if kind == Kind::BasicAuth && dialect.hashed {
            let password = body.get("password").and_then(Json::as_str).unwrap_or_default();
            if !password.starts_with("env:") && !crate::crypto::password::is_hash(password) {
                place.push(Step::Key("password".to_owned()));
                problems.push(Problem::at(place, "Kong's hash of a password is of no use here: give it a new one"));
                continue;
            }
        }
        planned.push(Planned { place: place.clone(), kind, body, owner });
        for (below, list) in lists {
            let mut place = place.clone();
            place.push(Step::Key(collection(below).to_owned()));
            let field = inside.map_or("", |(_, field, _)| field);
            take(below, &list, &place, Some((field, at)), dialect, planned, problems);
        }
    }
}

/// Have `body` say what it says as the admin API has it.
fn adapt(kind: Kind, body: &mut Entity, dialect: Dialect) {
    let fields = kind.spec().fields;
    let known = |name: &str| COMMON.iter().chain(fields).any(|field| field.name == name);
    body.retain(|name, value| {
        let unheard = UNHEARD.iter().any(|(of, field, otherwise)| *of == kind && field == name && otherwise == value);
        known(name) || !(unheard || value.is_null())
    });
    let foreign = fields.iter().filter(|field| matches!(field.takes, Type::Foreign(_))).map(|field| field.name);
    for field in foreign.chain(kind.spec().owners.iter().map(|(field, _)| *field)) {
        if let Some(named) = body.get_mut(field)
            && let Some(text) = named.as_str()
        {
            let key = if Uuid::try_parse(text).is_ok() { "id" } else { "name" };
            *named = json!({ key: text });
        }
    }
    if kind == Kind::Route && dialect.old_paths {
        let paths = body.get_mut("paths").and_then(Json::as_array_mut);
        for path in paths.into_iter().flatten() {
            if let Some(text) = path.as_str().filter(|text| is_old_regex(text)) {
                *path = Json::String(format!("~{text}"));
            }
        }
    }
}

/// Whether Kong took this for a regex before it had "~": what is in it is no plain path.
fn is_old_regex(path: &str) -> bool {
    path.starts_with('/') && !path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~/%".contains(&byte))
}

fn is_empty(value: &Json) -> bool {
    match value {
        Json::Null => true,
        Json::Array(elements) => elements.is_empty(),
        Json::Object(members) => members.is_empty(),
        _ => false,
    }
}
