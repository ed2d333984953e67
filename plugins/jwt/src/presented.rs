//! Where a request has its token, and how it is taken out of it.

use tidegate_sdk::prelude::*;

use crate::refusal::Refusal;
use crate::settings::Settings;

/// The token that was found so far.
#[derive(Default)]
struct Found(Option<String>);

impl Found {
    /// The same token may stand in several places; two different ones cannot both decide.
    fn add(&mut self, token: &str) -> Result<(), Refusal> {
        match &self.0 {
            _ if token.is_empty() => Ok(()),
            Some(known) if known == token => Ok(()),
            Some(_) => Err("Multiple tokens provided".into()),
            None => {
                self.0 = Some(token.to_owned());
                Ok(())
            }
        }
    }
}

impl Settings {
    /// The one token that came with `request`.
    pub(crate) fn presented(&self, request: &Request) -> Result<String, Refusal> {
        let mut found = Found::default();
        for name in &self.header_names {
            for value in request.header_all(name) {
                if let Some(token) = bearer(&String::from_utf8_lossy(value.as_bytes())) {
                    found.add(token)?;
                }
            }
        }
        for name in &self.uri_param_names {
            for token in request.query_param_all(name) {
                found.add(&token)?;
            }
        }
        if !self.cookie_names.is_empty() {
            let cookies = cookies(request);
            for (_, token) in pairs(&cookies).filter(|(name, _)| self.is_cookie(name)) {
                found.add(token)?;
            }
        }
        found.0.ok_or(Refusal::NoToken)
    }

    /// Leave nothing of the token to the upstream.
    pub(crate) fn hide(&self, request: &mut Request) {
        for name in &self.header_names {
            let has_token = |value: &HeaderValue| bearer(&String::from_utf8_lossy(value.as_bytes())).is_some();
            if request.header_all(name).iter().any(has_token) {
                request.remove_header(name);
            }
        }
        for name in &self.uri_param_names {
            request.remove_query_param(name);
        }
        if self.cookie_names.is_empty() {
            return;
        }
        let cookies = cookies(request);
        if pairs(&cookies).any(|(name, _)| self.is_cookie(name)) {
            let others = cookies.split(';').map(str::trim).filter(|pair| !self.is_cookie(name_of(pair)));
            let others: Vec<&str> = others.filter(|pair| !pair.is_empty()).collect();
            match others.is_empty() {
                true => request.remove_header("cookie"),
                false => request.set_header("cookie", others.join("; ")),
            }
        }
    }

    fn is_cookie(&self, name: &str) -> bool {
        self.cookie_names.iter().any(|known| known == name)
    }
}

/// What stands behind the word (RFC 6750, section 2.1), which has no case (RFC 9110, section 11.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.trim_start().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// All cookies in a line: HTTP/2 may have them in several (RFC 9113, section 8.2.3).
fn cookies(request: &Request) -> String {
    let fields = request.header_all("cookie");
    let lines: Vec<_> = fields.iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    lines.join(";")
}

fn pairs(cookies: &str) -> impl Iterator<Item = (&str, &str)> {
    cookies.split(';').filter_map(|pair| pair.trim().split_once('='))
}

fn name_of(pair: &str) -> &str {
    pair.split_once('=').map_or("", |(name, _)| name)
}
