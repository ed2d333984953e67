//! Has every hook, and does in each what its config says. What it saw it tells upstream and client by `x-…`, and in the
//! end the log.

use std::cell::{Cell, OnceCell};

use tidegate_sdk::prelude::*;
use tidegate_sdk::{HeaderEdits, OpenValue};

#[derive(Config)]
struct Settings {
    /// Who it is, where several are used: in `x-order`, in the log.
    #[config(default = "it".to_owned())]
    name: String,
    /// Have the request's whole body, up to so many bytes.
    whole_request: Option<u64>,
    /// Have the response's whole body, up to so many bytes.
    whole_response: Option<u64>,
    /// Let no more of the request's body come.
    most: Option<u64>,
    /// What to do with each piece of the request's body.
    request_pieces: Option<Pieces>,
    /// What to do with each piece of the response's body.
    response_pieces: Option<Pieces>,
    /// Send this method on.
    method: Option<String>,
    /// Send this path on.
    path: Option<String>,
    /// Have this upstream answer, or the one that a request names by `x-upstream`.
    upstream: Option<String>,
    /// Send this body on.
    body: Option<String>,
    /// Answer this body.
    response_body: Option<String>,
    /// Answer at once, with this status.
    reply: Option<u16>,
    /// Have the answer say in advance who it is, in `x-advance`, and for how long its name is.
    #[config(default = false)]
    advance: bool,
    #[serde(skip)]
    in_advance: OnceCell<HeaderEdits>,
    /// Have no response hook.
    #[config(default = false)]
    silent: bool,
    /// Edit the request, then fail.
    #[config(default = false)]
    fail: bool,
    /// Write a line when an exchange is over.
    #[config(default = false)]
    log: bool,
}

#[derive(Config, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
enum Pieces {
    /// Pass them on.
    Pass,
    /// Pass them on in capitals, and "!" behind the last.
    Shout,
    /// Let nothing of them through.
    Swallow,
    /// Answer 403 at the first.
    Refuse,
    /// Answer 403 at the last.
    RefuseLate,
    /// Fail at the first.
    Fail,
    /// Trap at the first.
    Trap,
}

thread_local! {
    static TICKS: Cell<u32> = const { Cell::new(0) };
}

impl RequestHook<Result> for Settings {
    fn on_request(&self, request: &mut Request) -> Result {
        let order = exchange::get_shared("order").map(|order| String::from_utf8_lossy(&order).into_owned());
        let order = format!("{}{}", order.unwrap_or_default(), self.name);
        exchange::set_shared("order", &order);
        exchange::set("mine", &self.name);
        request.set_header("x-order", order);
        if let Some(body) = request.body() {
            request.set_header("x-whole", String::from_utf8_lossy(&body).into_owned());
        }
        if let Some(length) = request.body_length() {
            request.set_header("x-length", length.to_string());
        }
        if let Some(most) = self.most {
            request.limit_body(most);
        }
        if let Some(method) = &self.method {
            request.set_method(method);
        }
        if let Some(path) = &self.path {
            request.set_path(path);
        }
        let named = request.header("x-upstream").map(|name| name.to_str().unwrap_or_default().to_owned());
        if let Some(name) = named.as_ref().or(self.upstream.as_ref())
            && let Err(refused) = request.set_upstream(name)
        {
            request.set_header("x-refused", refused);
        }
        if let Some(body) = &self.body {
            request.set_body(body);
        }
        if self.advance {
            self.edit_in_advance(request)?;
        }
        if self.fail {
            // Makes the gateway take the edits before the hook fails.
            let _ = request.header("x-order");
            return Err("failed as it was told".into());
        }
        Ok(match self.reply {
            Some(status) => Flow::reply(status).header("x-by", self.name.as_str()).body("a plugin's own"),
            None => Flow::Next,
        })
    }

    fn body_limit(&self) -> Option<u64> {
        self.whole_request
    }
}

impl RequestBodyHook<Result<ChunkFlow>> for Settings {
    fn on_request_body(&self, chunk: Chunk, request: &Request) -> Result<ChunkFlow> {
        // It can still be read.
        assert!(request.path().starts_with('/'));
        self.request_pieces.unwrap_or(Pieces::Pass).take(&chunk)
    }

    fn needed(&self) -> bool {
        self.request_pieces.is_some()
    }
}

impl ResponseHook for Settings {
    fn on_response(&self, response: &mut Response, _: &Request) -> Flow {
        let order = response.header("x-order").map(|order| order.to_str().unwrap_or_default().to_owned());
        response.set_header("x-order", format!("{}{}", order.unwrap_or_default(), self.name));
        if let Some(body) = response.body() {
            response.set_header("x-whole", String::from_utf8_lossy(&body).into_owned());
        }
        let advance: Vec<String> =
            response.header_all("x-advance").iter().map(|by| by.to_str().unwrap_or_default().to_owned()).collect();
        if !advance.is_empty() {
            response.append_header("x-saw-advance", format!("{}: {}", self.name, advance.join(" ")));
        }
        let mine = exchange::get("mine").unwrap_or_default();
        response.append_header("x-mine", String::from_utf8_lossy(&mine).into_owned());
        if let Some(body) = &self.response_body {
            response.set_body(body);
        }
        Flow::Next
    }

    fn needed(&self) -> bool {
        !self.silent
    }

    fn body_limit(&self) -> Option<u64> {
        self.whole_response
    }
}

impl ResponseBodyHook<Result<ChunkFlow>> for Settings {
    fn on_response_body(&self, chunk: Chunk, response: &Response, _: &Request) -> Result<ChunkFlow> {
        assert!(response.status() >= 200);
        self.response_pieces.unwrap_or(Pieces::Pass).take(&chunk)
    }

    fn needed(&self) -> bool {
        self.response_pieces.is_some()
    }
}

impl LogHook for Settings {
    fn on_log(&self, ended: &Ended, response: &Response, request: &Request) {
        let order = exchange::get_shared("order").unwrap_or_default();
        log::info!(
            "over: {} {} {} {} {} {} failure={} received={} sent={} order={}",
            self.name,
            request.method(),
            request.path(),
            ended.status,
            response.status(),
            response.header("x-order").is_some(),
            ended.failure.as_deref().unwrap_or("none"),
            ended.received,
            ended.sent,
            String::from_utf8_lossy(&order)
        );
    }

    fn needed(&self) -> bool {
        self.log
    }
}

impl TimerHook for Settings {
    fn on_timer(&self) -> Result<()> {
        TICKS.set(TICKS.get() + 1);
        log::info!("tick {} of {}", TICKS.get(), self.name);
        if self.fail { Err("a tick failed as it was told".into()) } else { Ok(()) }
    }
}

export!(Settings: RequestHook, RequestBodyHook, ResponseHook, ResponseBodyHook, LogHook, TimerHook);

impl Settings {
    fn edit_in_advance(&self, request: &mut Request) -> Result<()> {
        let edits = match self.in_advance.get() {
            Some(edits) => edits,
            None => {
                let mut edits = HeaderEdits::default();
                edits.append(&"x-advance".parse()?, self.name.parse()?)?;
                edits.set_open(&format!("x-length-of-{}", self.name).parse()?)?;
                self.in_advance.get_or_init(|| edits)
            }
        };
        request.edit_answer(edits, &[OpenValue::from(self.name.len() as u64)]);
        Ok(())
    }
}

impl Pieces {
    fn take(self, chunk: &Chunk) -> Result<ChunkFlow> {
        Ok(match self {
            Self::Pass => ChunkFlow::Pass,
            Self::Shout => {
                let mut bytes = chunk.bytes.to_ascii_uppercase();
                if chunk.end {
                    bytes.push(b'!');
                }
                ChunkFlow::Replace(bytes)
            }
            Self::Swallow => ChunkFlow::Replace(Vec::new()),
            Self::Refuse => Flow::reply(403).body("refused").into(),
            Self::RefuseLate if chunk.end => Flow::reply(403).body("refused late").into(),
            Self::RefuseLate => ChunkFlow::Pass,
            Self::Fail => return Err("a piece failed as it was told".into()),
            Self::Trap => panic!("a piece trapped as it was told"),
        })
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn its_cases_come_out_as_expected() {
        tidegate_sdk::testing::cases::<super::Settings>("cases");
    }
}
