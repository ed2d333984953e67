//! What texts may be.

use crate::config::values::{Id, Method, Name, PlainHost, Tag};

pub(super) fn any(_: &str) -> Result<(), String> {
    Ok(())
}

pub(super) fn uuid(text: &str) -> Result<(), String> {
    text.parse::<Id>().map(drop).map_err(|_| "expected a valid UUID".to_owned())
}

pub(super) fn tag(text: &str) -> Result<(), String> {
    text.parse::<Tag>().map(drop)
}

pub(super) fn name(text: &str) -> Result<(), String> {
    text.parse::<Name>().map(drop)
}

pub(super) fn host(text: &str) -> Result<(), String> {
    let plain = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    if text.starts_with("unix:") || plain.unwrap_or(text).parse::<std::net::IpAddr>().is_ok() {
        return Ok(());
    }
    text.parse::<PlainHost>().map(drop)
}

pub(super) fn method(text: &str) -> Result<(), String> {
    text.parse::<Method>().map(drop)
}

pub(super) fn path(text: &str) -> Result<(), String> {
    if text.starts_with('/') { Ok(()) } else { Err("should start with: /".to_owned()) }
}

/// Of a route: a prefix, or a regex behind "~".
pub(super) fn pattern(text: &str) -> Result<(), String> {
    if text.starts_with("~/") || text.starts_with("~^") {
        return Ok(());
    }
    path(text).map_err(|_| "should start with: / (fixed path) or ~/ (regex path)".to_owned())
}
