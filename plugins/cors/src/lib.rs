//! Tells browsers which other origins may read answers (CORS, in the Fetch standard), and answers their
//! preflights itself. Settings are those of Kong's plugin of this name.

use tidegate_sdk::prelude::*;

use self::origins::Origins;
use self::tokens::Tokens;

mod origins;
mod tokens;

/// Who may read answers, and what they may ask for.
#[derive(Config)]
#[config(validate = Settings::check)]
struct Settings {
    /// Origins that may: `https://shop.example.com`, a host alone (with any scheme and port), regexes for
    /// the whole of either, or "*". All, if it is left out.
    #[config(default = Origins::Any)]
    #[schemars(extend("default" = ["*"]))]
    origins: Origins,
    /// Methods that they may use.
    #[config(default = Tokens::of(&METHODS))]
    #[schemars(extend("default" = METHODS))]
    methods: Tokens,
    /// Request headers that they may send. Left out, those that they ask for.
    headers: Option<Tokens>,
    /// Response headers that they may read, besides those that they may anyway.
    exposed_headers: Option<Tokens>,
    /// For how many seconds browsers may keep the answer to a preflight.
    max_age: Option<u32>,
    /// Let them send cookies and other credentials.
    #[config(default = false)]
    credentials: bool,
    /// Leave preflights to the upstream, and its answers to them as they are.
    #[config(default = false)]
    preflight_continue: bool,
    /// Let pages from public addresses ask this gateway though it is at a private one.
    #[config(default = false)]
    private_network: bool,
    /// Say the same to requests that name no origin.
    #[config(default = true)]
    allow_origin_absent: bool,
}

/// Whether the other origin may read the answer.
enum Verdict {
    /// Whoever it is, by "*".
    Anybody,
    /// This one, by name.
    Named(HeaderValue),
    No,
}

impl RequestHook for Settings {
    fn on_request(&self, request: &mut Request) -> Flow {
        if request.method() != "OPTIONS" || request.header(REQUEST_METHOD).is_none() {
            return Flow::Next;
        }
        let Some(origin) = request.header(ORIGIN) else { return Flow::Next };
        if self.preflight_continue {
            exchange::set(LEFT_TO_UPSTREAM, b"");
            return Flow::Next;
        }
        // Who may read the answer is said by the response hook, as of all answers.
        let reply = Flow::reply(200);
        match self.judge(Some(origin)) {
            Verdict::No => reply.empty(),
            Verdict::Anybody | Verdict::Named(_) => self.permit(request, reply).empty(),
        }
    }
}

impl ResponseHook for Settings {
    fn on_response(&self, response: &mut Response, request: &Request) -> Flow {
        if self.preflight_continue && exchange::get(LEFT_TO_UPSTREAM).is_some() {
            return Flow::Next;
        }
        if self.varies() && !response.header_all(VARY).iter().any(names_origin) {
            response.append_header(VARY, "Origin");
        }
        let verdict = if self.varies() { self.judge(request.header(ORIGIN)) } else { Verdict::Anybody };
        let exposed = self.exposed_headers.as_ref().filter(|_| !matches!(verdict, Verdict::No));
        let credentials = self.credentials && matches!(verdict, Verdict::Named(_));
        // Whatever the upstream says of this is replaced.
        match verdict {
            Verdict::Anybody => response.set_header(ALLOW_ORIGIN, "*"),
            Verdict::Named(origin) => response.set_header(ALLOW_ORIGIN, origin),
            Verdict::No => response.remove_header(ALLOW_ORIGIN),
        }
        match credentials {
            true => response.set_header(ALLOW_CREDENTIALS, "true"),
            false => response.remove_header(ALLOW_CREDENTIALS),
        }
        match exposed {
            Some(exposed) => response.set_header(EXPOSE_HEADERS, exposed.list()),
            None => response.remove_header(EXPOSE_HEADERS),
        }
        Flow::Next
    }
}

export!(Settings: RequestHook, ResponseHook, priority = 2000);

const METHODS: [&str; 9] = ["GET", "HEAD", "PUT", "PATCH", "POST", "DELETE", "OPTIONS", "TRACE", "CONNECT"];
const ORIGIN: &str = "origin";
const VARY: &str = "vary";
const REQUEST_METHOD: &str = "access-control-request-method";
const REQUEST_HEADERS: &str = "access-control-request-headers";
const REQUEST_PRIVATE_NETWORK: &str = "access-control-request-private-network";
const ALLOW_ORIGIN: &str = "access-control-allow-origin";
const ALLOW_CREDENTIALS: &str = "access-control-allow-credentials";
const ALLOW_METHODS: &str = "access-control-allow-methods";
const ALLOW_HEADERS: &str = "access-control-allow-headers";
const ALLOW_PRIVATE_NETWORK: &str = "access-control-allow-private-network";
const EXPOSE_HEADERS: &str = "access-control-expose-headers";
const MAX_AGE: &str = "access-control-max-age";

/// Where the request hook leaves word for the response hook.
const LEFT_TO_UPSTREAM: &str = "preflight";

impl Settings {
    fn check(&self) -> Result<(), &'static str> {
        // To requests with credentials, "*" is a name like others.
        if self.credentials && self.exposed_headers.as_ref().is_some_and(Tokens::has_any) {
            return Err("exposed_headers: \"*\" means nothing to requests with credentials: name the headers");
        }
        if self.credentials && self.methods.has_any() {
            return Err("methods: \"*\" means nothing to requests with credentials: name the methods");
        }
        Ok(())
    }

    /// Whether what is said to one origin may be wrong for another one, which caches have to know, too.
    fn varies(&self) -> bool {
        self.credentials || !self.allow_origin_absent || matches!(self.origins, Origins::Listed(_))
    }

    fn judge(&self, origin: Option<HeaderValue>) -> Verdict {
        match (&self.origins, origin) {
            (Origins::Any, None) if self.allow_origin_absent => Verdict::Anybody,
            (Origins::Any, Some(_)) if !self.credentials => Verdict::Anybody,
            // "*" would not do for credentials.
            (Origins::Any, Some(origin)) => Verdict::Named(origin),
            (Origins::Listed(listed), Some(origin)) if listed.have(&origin) => Verdict::Named(origin),
            _ => Verdict::No,
        }
    }

    /// What the other origin may ask for.
    fn permit(&self, request: &Request, mut reply: Reply) -> Reply {
        reply = reply.header(ALLOW_METHODS, self.methods.list());
        match &self.headers {
            Some(headers) if !(self.credentials && headers.has_any()) => {
                reply = reply.header(ALLOW_HEADERS, headers.list());
            }
            _ => {
                if let Some(asked) = request.header(REQUEST_HEADERS) {
                    reply = reply.header(ALLOW_HEADERS, asked);
                }
            }
        }
        if let Some(seconds) = self.max_age {
            reply = reply.header(MAX_AGE, seconds.to_string());
        }
        if self.private_network && request.header(REQUEST_PRIVATE_NETWORK).is_some_and(|asked| asked == "true") {
            reply = reply.header(ALLOW_PRIVATE_NETWORK, "true");
        }
        reply
    }
}

fn names_origin(vary: &HeaderValue) -> bool {
    let is_origin = |name: &[u8]| name == b"*" || name.eq_ignore_ascii_case(b"origin");
    vary.as_bytes().split(|byte| *byte == b',').any(|name| is_origin(name.trim_ascii()))
}

#[cfg(test)]
mod tests;
