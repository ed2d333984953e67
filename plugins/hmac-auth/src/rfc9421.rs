//! HTTP message signatures (RFC 9421) with `hmac-sha256`: Signature-Input says what was signed, Signature
//! has the result. In: a request. Out: what was signed by whom, once per signature.

use std::fmt::Write;
use std::time::{Duration, SystemTime};

use tidegate_sdk::prelude::*;

use super::signed::{Covered, Moment, Signed};
use super::structured::{Bare, Dictionary, InnerList, Item, Member};
use super::{Algorithm, Unverifiable};

/// The headers that have it.
pub(crate) const HEADERS: [&str; 2] = ["signature-input", "signature"];

/// More signatures than proxies on the way would add; each one looked at costs time.
const SIGNATURES: usize = 4;

/// The signatures that came with `request`; `None` if none did.
pub(crate) fn read(request: &Request) -> Option<Result<Vec<Signed>, Unverifiable>> {
    let [input, signatures] = HEADERS.map(|header| super::field(request, header));
    let (input, signatures) = match (input, signatures) {
        (Some(input), Some(signatures)) => (input, signatures),
        (None, _) => return None,
        (Some(_), None) => return Some(Err(Unverifiable)),
    };
    Some(all(request, &input, &signatures).ok_or(Unverifiable))
}

fn all(request: &Request, input: &[u8], signatures: &[u8]) -> Option<Vec<Signed>> {
    let signatures = Dictionary::parse(signatures)?;
    let members = Dictionary::parse(input)?.into_members();
    if members.is_empty() || members.len() > SIGNATURES {
        return None;
    }
    // One that this plugin can do nothing with may be meant for others.
    let lists = members.into_iter().filter_map(|(label, member)| match member {
        Member::List(list) => Some((label, list)),
        Member::Item(_) => None,
    });
    Some(lists.filter_map(|(label, list)| signed(request, &list, signatures.bytes(&label)?)).collect())
}

fn signed(request: &Request, list: &InnerList, signature: &[u8]) -> Option<Signed> {
    let time = |name| match list.parameters.find(name) {
        Some(Bare::Integer(seconds)) => {
            let since = Duration::from_secs(u64::try_from(*seconds).ok()?);
            Some(Some(SystemTime::UNIX_EPOCH + since))
        }
        None => Some(None),
        Some(_) => None,
    };
    match list.parameters.find("alg") {
        None => {}
        Some(Bare::Text(algorithm)) if algorithm == "hmac-sha256" => {}
        Some(_) => return None,
    }
    let Some(Bare::Text(username)) = list.parameters.find("keyid") else { return None };
    Some(Signed {
        username: username.clone(),
        algorithm: Algorithm::HmacSha256,
        at: Moment::Created { created: time("created")??, expires: time("expires")? },
        base: base(request, list)?,
        signature: signature.to_vec(),
        covered: Covered::Rfc9421(list.items.iter().filter_map(|item| component(item).map(str::to_owned)).collect()),
    })
}

/// The signature base (section 2.5); `None` if a component is not there, or not known here.
fn base(request: &Request, list: &InnerList) -> Option<Vec<u8>> {
    let mut base = Vec::new();
    for (position, item) in list.items.iter().enumerate() {
        let name = component(item)?;
        let before = list.items.get(..position)?;
        if before.contains(item) {
            return None;
        }
        base.push(b'"');
        base.extend_from_slice(name.as_bytes());
        base.extend_from_slice(b"\": ");
        base.extend_from_slice(&value(request, name)?);
        base.push(b'\n');
    }
    let mut last = "\"@signature-params\": ".to_owned();
    write!(last, "{list}").ok()?;
    base.extend_from_slice(last.as_bytes());
    Some(base)
}

/// A component's name. One with parameters (`sf`, `key`, `bs`, `tr`, `req`) is not known here, and then its
/// signature must not be believed.
fn component(item: &Item) -> Option<&str> {
    match &item.value {
        Bare::Text(name) if item.parameters.is_empty() => Some(name),
        _ => None,
    }
}

/// A component's value: derived from the request (section 2.2), or of its fields of this name (2.1).
fn value(request: &Request, name: &str) -> Option<Vec<u8>> {
    let value = match name {
        "@method" => request.method(),
        "@scheme" => request.scheme(),
        "@authority" => authority(request),
        "@path" => request.path(),
        "@query" => format!("?{}", request.query().unwrap_or_default()),
        "@request-target" => super::target(request),
        "@target-uri" => format!("{}://{}{}", request.scheme(), authority(request), super::target(request)),
        field if field.bytes().any(|byte| byte.is_ascii_uppercase()) => return None,
        field => return super::field(request, field),
    };
    Some(value.into_bytes())
}

/// In lower case, and without the scheme's own port (section 2.2.3).
fn authority(request: &Request) -> String {
    let host = request.host().to_ascii_lowercase();
    let port = if request.scheme() == "https" { ":443" } else { ":80" };
    match host.strip_suffix(port) {
        Some(name) => name.to_owned(),
        None => host,
    }
}

#[cfg(test)]
mod tests;
