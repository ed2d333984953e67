//! `http-client`: requests to servers that the test has put there, checked as the gateway checks them.

use http::header::HOST;
use http::uri::Scheme;
use http::{HeaderValue, Method, Uri};

use super::{gateway_once_loaded, limits};
pub(crate) use crate::bindings::imports::tidegate::plugin::http_client::{Error, Incoming, Outgoing};
use crate::testing::Headers;

/// What the test has said that the server answers.
pub(crate) fn fetch(request: &Outgoing) -> Result<Incoming, Error> {
    gateway_once_loaded("no server can be asked", |state| {
        check(request).map_err(Error::Invalid)?;
        let asked = format!("{} {}", request.method, request.url);
        let answer = state.servers.iter().find(|(known, ..)| *known == asked);
        state.asked.push((asked, request.body.clone()));
        let (_, head, body) = answer.ok_or(Error::NotGranted)?;
        if body.len() > limits::FETCH_BODY_BYTES {
            return Err(Error::TooLarge);
        }
        Ok(Incoming { status: head.status, headers: head.headers.to_wire(), body: body.clone() })
    })
}

/// Each one is sent, so that a test sees how often the plugin asks.
pub(crate) fn fetch_shared(request: &Outgoing, _: u32) -> Result<Incoming, Error> {
    fetch(request)
}

/// In the order that the gateway checks in, so that the same is wrong first.
fn check(outgoing: &Outgoing) -> Result<(), String> {
    let url: Uri = outgoing.url.parse().map_err(|error| format!("{:?} is no URL: {error}", outgoing.url))?;
    let authority = match (url.scheme(), url.authority()) {
        (Some(scheme), Some(authority)) if [&Scheme::HTTP, &Scheme::HTTPS].contains(&scheme) => authority.as_str(),
        _ => return Err(format!("{:?} is no absolute http or https URL", outgoing.url)),
    };
    if authority.contains('@') {
        return Err("a URL has no user in it".to_owned());
    }
    if outgoing.headers.len() > limits::HEADER_FIELDS {
        return Err(format!("{} header fields are more than {}", outgoing.headers.len(), limits::HEADER_FIELDS));
    }
    if !Method::from_bytes(outgoing.method.as_bytes()).is_ok_and(|method| method != Method::CONNECT) {
        return Err(format!("{:?} is no method that can be sent", outgoing.method));
    }
    for field in &outgoing.headers {
        Headers::of_message(std::slice::from_ref(field))?;
        if field.name.eq_ignore_ascii_case(HOST.as_str()) {
            return Err("the host is what the URL says".to_owned());
        }
    }
    authority.parse::<HeaderValue>().map(|_| ()).map_err(|_| format!("{authority:?} is no host"))
}
