//! Kong's scheme, after draft-cavage-http-signatures: `hmac username="…", algorithm="…", headers="…",
//! signature="…"` in Authorization or Proxy-Authorization. In: a request. Out: what was signed by whom.

use base64::Engine;
use httpdate::parse_http_date;
use tidegate_sdk::prelude::*;

use super::signed::{Covered, Moment, REQUEST_LINES, Signed};
use super::{Algorithm, BASE64, Unverifiable};

/// The headers that have such a signature, in Kong's order.
const HEADERS: [&str; 2] = ["proxy-authorization", "authorization"];

/// The signature that came with `request`, and in which header; `None` if there is none of this scheme.
pub(crate) fn read(request: &Request) -> Option<(&'static str, Result<Signed, Unverifiable>)> {
    HEADERS.into_iter().find_map(|header| {
        let values = request.header_all(header);
        let parameters = values.iter().find_map(|value| of_scheme(value.as_bytes()))?;
        // Of two, others may take the other one.
        let signed = if values.len() > 1 { Err(Unverifiable) } else { signed(request, parameters) };
        Some((header, signed))
    })
}

/// What stands behind the scheme's name.
fn of_scheme(value: &[u8]) -> Option<&[u8]> {
    let (scheme, parameters) = value.split_at_checked(SCHEME.len())?;
    (scheme.eq_ignore_ascii_case(SCHEME) && parameters.first() == Some(&b' ')).then_some(parameters)
}

const SCHEME: &[u8] = b"hmac";

fn signed(request: &Request, parameters: &[u8]) -> Result<Signed, Unverifiable> {
    let parameters = str::from_utf8(parameters).map_err(|_| Unverifiable)?;
    let Parameters { username, algorithm, headers, signature } = Parameters::parse(parameters).ok_or(Unverifiable)?;
    let mut base = Vec::new();
    let mut covered = Vec::new();
    let mut dates = Vec::new();
    for name in headers.split_ascii_whitespace() {
        if !covered.is_empty() {
            base.push(b'\n');
        }
        let lower = name.to_ascii_lowercase();
        if REQUEST_LINES.contains(&lower.as_str()) {
            push_line(&mut base, name, request);
        } else {
            let value = super::field(request, name).ok_or(Unverifiable)?;
            if matches!(lower.as_str(), "date" | "x-date") {
                dates.extend(str::from_utf8(&value).ok().and_then(|date| parse_http_date(date).ok()));
            }
            base.extend_from_slice(name.as_bytes());
            base.extend_from_slice(b": ");
            base.extend_from_slice(&value);
        }
        covered.push(lower);
    }
    Ok(Signed {
        username: username.to_owned(),
        algorithm: Algorithm::named(algorithm).ok_or(Unverifiable)?,
        base,
        signature: BASE64.decode(signature).map_err(|_| Unverifiable)?,
        covered: Covered::Cavage(covered),
        at: Moment::Dates(dates),
    })
}

/// The method and the target, by whichever name.
fn push_line(base: &mut Vec<u8>, name: &str, request: &Request) {
    let (method, target) = (request.method(), super::target(request));
    let line = if name.eq_ignore_ascii_case("request-line") {
        // As Kong writes the version.
        let version = request.version();
        let version = if version == "HTTP/2" { "HTTP/2.0" } else { &version };
        format!("{method} {target} {version}")
    } else {
        format!("{name}: {} {target}", method.to_ascii_lowercase())
    };
    base.extend_from_slice(line.as_bytes());
}

/// What the header says, none of it twice.
struct Parameters<'h> {
    username: &'h str,
    algorithm: &'h str,
    headers: &'h str,
    signature: &'h str,
}

impl<'h> Parameters<'h> {
    /// In any order; what else there is does not matter. As in Kong, nothing is escaped in quotes.
    fn parse(text: &'h str) -> Option<Self> {
        let (mut username, mut algorithm, mut headers, mut signature) = (None, None, None, None);
        let mut rest = text.trim_ascii();
        while !rest.is_empty() {
            let (name, behind) = rest.split_once('=')?;
            let (value, behind) = behind.trim_ascii_start().strip_prefix('"')?.split_once('"')?;
            let slot = match name.trim_ascii() {
                "username" => Some(&mut username),
                "algorithm" => Some(&mut algorithm),
                "headers" => Some(&mut headers),
                "signature" => Some(&mut signature),
                _ => None,
            };
            if slot.is_some_and(|slot| slot.replace(value).is_some()) {
                return None;
            }
            let behind = behind.trim_ascii_start();
            rest = match behind.strip_prefix(',') {
                Some(more) => more.trim_ascii_start(),
                None if behind.is_empty() => behind,
                None => return None,
            };
        }
        Some(Self { username: username?, algorithm: algorithm?, headers: headers?, signature: signature? })
    }
}

#[cfg(test)]
mod tests;
