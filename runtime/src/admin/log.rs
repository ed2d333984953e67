//! How much the log says, and by which modules: looked at and changed as the gateway runs, for good or for a while.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Map, Value as Json, json};
use tracing_subscriber::filter::LevelFilter;

use super::answer::Answer;
use super::body;
use super::change;
use super::request::{Request, Role};
use super::router::Router;
use super::{Handler, handler};
use crate::entities::Error;
use crate::limits;
use crate::logging::{self, Levels, Log, Now};

/// How long a level holds that is set Kong's way, unless the query says otherwise (Kong: 60 s).
const KONG_TIMEOUT: Duration = Duration::from_secs(60);

/// Adds its endpoints.
pub(super) fn add(endpoints: &mut Router<Handler>) {
    let show = handler(|_, _| async { with_log(show) });
    endpoints.add(Method::GET, "/log", Role::Read, show);
    let put = handler(|_, request| async move { with_log(|log| put(log, &request)) });
    endpoints.add(Method::PUT, "/log", Role::Write, put);
    let show = handler(|_, _| async move { with_log(kong_show) });
    endpoints.add(Method::GET, "/debug/node/log-level", Role::Read, show);
    let put = handler(|_, request| async move { with_log(|log| kong_put(log, &request)) });
    endpoints.add(Method::PUT, "/debug/node/log-level/{level}", Role::Write, put);
}

fn with_log(ask: impl FnOnce(&'static Log) -> Answer) -> Answer {
    logging::log().map_or_else(Answer::not_found, ask)
}

fn show(log: &'static Log) -> Answer {
    let Now { levels, then } = log.now();
    let mut told = told(&levels);
    // Rounded up: what is shown as 0 is over.
    let left = then.as_ref().map(|(left, _)| left.as_millis().div_ceil(1_000));
    told.insert("timeout".to_owned(), json!(left));
    told.insert("then".to_owned(), then.map_or(Json::Null, |(_, then)| Json::Object(self::told(&then))));
    Answer::json(StatusCode::OK, &Json::Object(told))
}

fn told(levels: &Levels) -> Map<String, Json> {
    let modules: Map<String, Json> =
        levels.modules.iter().map(|(module, level)| (module.clone(), json!(level.to_string()))).collect();
    let fields = [("level", json!(levels.level.to_string())), ("modules", Json::Object(modules))];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn put(log: &'static Log, request: &Request) -> Answer {
    let asked = body::fields(request.content_type.as_ref(), &request.body)
        .and_then(|fields| levels(&fields.object).map_err(|error| change::refused(&error)))
        .and_then(|levels| Ok((levels, timeout(request, None)?)));
    match asked {
        Ok((levels, timeout)) => {
            set(log, request, levels, timeout);
            show(log)
        }
        Err(refusal) => refusal,
    }
}

/// What a body says is to be logged.
fn levels(fields: &Map<String, Json>) -> Result<Levels, Error> {
    if let Some(unknown) = fields.keys().find(|name| !["level", "modules"].contains(&name.as_str())) {
        return Err(Error::field(unknown, "unknown field: `level` and `modules` are known"));
    }
    let said = |value: &Json| match value {
        Json::String(text) => logging::level(text),
        _ => Err("expected error, warn, info, debug, trace or off".to_owned()),
    };
    let level = fields.get("level").ok_or_else(|| Error::field("level", "required field missing"))?;
    let mut levels = Levels::of(said(level).map_err(|problem| Error::field("level", problem))?);
    let modules = match fields.get("modules") {
        None | Some(Json::Null) => return Ok(levels),
        Some(Json::Object(modules)) => modules,
        Some(_) => {
            return Err(Error::field("modules", "expected levels by modules, like {\"tidegate::host\": \"debug\"}"));
        }
    };
    for (module, level) in modules {
        let added = said(level).and_then(|level| levels.add(module, level));
        added.map_err(|problem| Error::field("modules", format!("{module}: {problem}")))?;
    }
    Ok(levels)
}

/// For how long, as the query has it; 0 is for good.
fn timeout(request: &Request, otherwise: Option<Duration>) -> Result<Option<Duration>, Answer> {
    let Some(text) = request.query.value("timeout") else { return Ok(otherwise) };
    let most = limits::LOG_LEVEL_TIME.as_secs();
    match text.parse() {
        Ok(0) => Ok(None),
        Ok(seconds) if seconds <= most => Ok(Some(Duration::from_secs(seconds))),
        _ => {
            let message = format!("timeout must be a number of seconds from 0, which is for good, to {most}");
            Err(Answer::message(StatusCode::BAD_REQUEST, &message))
        }
    }
}

/// Whoever silences the log is the last of what it says, and whoever has it speak is the first.
fn set(log: &'static Log, request: &Request, levels: Levels, timeout: Option<Duration>) {
    let before = log.now().levels;
    let (who, to, seconds) = (request.author.who.to_string(), levels.to_string(), timeout.map(|time| time.as_secs()));
    let say = || tracing::info!(who, %before, to, seconds, "log level changed");
    if tracing::enabled!(tracing::Level::INFO) {
        say();
        log.set(levels, timeout);
    } else {
        log.set(levels, timeout);
        say();
    }
}

fn kong_show(log: &'static Log) -> Answer {
    let level = match log.now().levels.level {
        LevelFilter::OFF => "emerg",
        LevelFilter::ERROR => "error",
        LevelFilter::WARN => "warn",
        LevelFilter::INFO => "info",
        // Kong knows none that says more.
        _ => "debug",
    };
    Answer::message(StatusCode::OK, &format!("log level: {level}"))
}

/// Kong's levels, which are those of syslog, for everything.
fn kong_put(log: &'static Log, request: &Request) -> Answer {
    let said = request.segment(3);
    let level = match said {
        "debug" => LevelFilter::DEBUG,
        "info" | "notice" => LevelFilter::INFO,
        "warn" => LevelFilter::WARN,
        "error" | "crit" | "alert" | "emerg" => LevelFilter::ERROR,
        _ => {
            let message = format!("unknown log level: {said}");
            return Answer::message(StatusCode::BAD_REQUEST, &message);
        }
    };
    let timeout = match timeout(request, Some(KONG_TIMEOUT)) {
        Ok(timeout) => timeout,
        Err(refusal) => return refusal,
    };
    let levels = Levels::of(level);
    if log.now().levels == levels {
        return Answer::message(StatusCode::OK, &format!("log level is already {said}"));
    }
    set(log, request, levels, timeout);
    Answer::message(StatusCode::OK, "log level changed")
}
