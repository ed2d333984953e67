//! Lets requests through that carry a known key, in a header, in the query or in the body, and tells the upstream whose
//! it is. Settings and answers are those of Kong's plugin of this name.

mod body;

use tidegate_sdk::prelude::*;

use crate::body::Body;

/// Where to look for the key, and what to do with it.
#[derive(Config)]
#[config(validate = Settings::check)]
struct Settings {
    /// Names to look for the key under: of headers, in any case, and of query parameters, exactly.
    #[config(default = vec!["apikey".to_owned()])]
    #[schemars(length(min = 1))]
    key_names: Vec<String>,
    /// Look for the key in the headers.
    #[config(default = true)]
    key_in_header: bool,
    /// Look for the key in the query.
    #[config(default = true)]
    key_in_query: bool,
    /// Look for the key in the body: a form's parameters, or the members of a JSON object.
    #[config(default = false)]
    key_in_body: bool,
    /// How large such a body may be, in bytes: a larger one is refused with 413.
    #[config(default = 65_536)]
    #[schemars(range(min = 1))]
    max_body_bytes: u64,
    /// Remove the key from what the upstream gets.
    #[config(default = false)]
    hide_credentials: bool,
    /// Ask for a key in OPTIONS requests as well, which browsers send without one before those of
    /// other origins.
    #[config(default = true)]
    run_on_preflight: bool,
    /// The realm that WWW-Authenticate names.
    realm: Option<String>,
    /// Username of the consumer that requests without a valid key are taken for, instead of being
    /// refused. Requests that another plugin has let in already are not asked for a key.
    anonymous: Option<String>,
}

impl RequestHook<Result> for Settings {
    fn on_request(&self, request: &mut Request) -> Result {
        if !self.run_on_preflight && request.method() == "OPTIONS" {
            return Ok(Flow::Next);
        }
        let Some(anonymous) = &self.anonymous else { return Ok(self.authenticate(request)) };
        if !identity::settled() && !matches!(self.authenticate(request), Flow::Next) {
            identity::authenticate_anonymously(anonymous)?;
        }
        Ok(Flow::Next)
    }

    fn body_limit(&self) -> Option<u64> {
        self.key_in_body.then_some(self.max_body_bytes)
    }
}

export!(Settings: RequestHook, priority = 1250);

/// The key that came with a request, and under which name.
enum Presented<'n> {
    Once { name: &'n str, key: HeaderValue },
    Not,
    Repeatedly,
}

impl Settings {
    fn authenticate(&self, request: &mut Request) -> Flow {
        let body = if self.key_in_body { Body::of(request) } else { None };
        let (name, key) = match self.presented(request, body.as_ref()) {
            Presented::Once { name, key } => (name, key),
            Presented::Not => return self.refuse("No API key found in request"),
            Presented::Repeatedly => return self.refuse("Duplicate API key found"),
        };
        // What is no UTF-8 is nobody's key: the configuration's are.
        if !key.to_str().is_ok_and(|key| identity::authenticate_by_key("key-auth", key)) {
            return self.refuse("Unauthorized");
        }
        if self.hide_credentials {
            request.remove_header(name);
            request.remove_query_param(name);
            if let Some(body) = body.filter(|body| !body.all(name).is_empty()) {
                request.set_body(body.without(name));
            }
        }
        Flow::Next
    }

    fn check(&self) -> Result<(), String> {
        for name in &self.key_names {
            name.parse::<HeaderName>().map_err(|error| format!("key_names: {error}"))?;
        }
        let quotable = |c: char| !c.is_control() && !['"', '\\'].contains(&c);
        if self.realm.as_ref().is_some_and(|realm| !realm.chars().all(quotable)) {
            return Err("realm: no quotes, backslashes or control characters".to_owned());
        }
        match self.key_in_header || self.key_in_query || self.key_in_body {
            true => Ok(()),
            false => Err("one of key_in_header, key_in_query and key_in_body must be true".to_owned()),
        }
    }

    /// The first name under which there is something decides; for each, headers come before the query, and that before
    /// the body.
    fn presented(&self, request: &Request, body: Option<&Body>) -> Presented<'_> {
        for name in &self.key_names {
            let mut keys = if self.key_in_header { request.header_all(name) } else { Vec::new() };
            if keys.is_empty() && self.key_in_query {
                keys.extend(request.query_param_all(name).into_iter().map(HeaderValue::from));
            }
            if keys.is_empty()
                && let Some(body) = body
            {
                keys.extend(body.all(name).into_iter().map(HeaderValue::from));
            }
            match keys.pop() {
                Some(_) if !keys.is_empty() => return Presented::Repeatedly,
                Some(key) if !key.is_empty() => return Presented::Once { name, key },
                _ => {}
            }
        }
        Presented::Not
    }

    fn refuse(&self, message: &str) -> Flow {
        let challenge = match &self.realm {
            Some(realm) => format!("Key realm=\"{realm}\""),
            None => "Key".to_owned(),
        };
        Flow::reply(401).header("www-authenticate", challenge).json(&json!({ "message": message }))
    }
}

#[cfg(test)]
mod tests;
