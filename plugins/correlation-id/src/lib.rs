//! Gives every request an id that upstreams and logs can follow it by, unless it brings one. Settings
//! are those of Kong's plugin of this name.

use std::cell::OnceCell;

use tidegate_sdk::prelude::*;
use tidegate_sdk::{HeaderEdits, OpenValue};

use self::generator::Generator;

mod generator;
mod trace;
mod uuid;

/// Which header carries the id, and how ids are made.
#[derive(Config)]
#[config(validate = Settings::check)]
struct Settings {
    /// Header that carries the id.
    #[config(default = HeaderName::from_static("kong-request-id"))]
    header_name: HeaderName,
    /// How ids are made.
    #[config(default = Generator::UuidCounter)]
    #[schemars(extend("default" = "uuid#counter"))]
    generator: Generator,
    /// Take the trace's id of W3C Trace Context (`traceparent`) for the id of requests that are part of a trace.
    #[config(default = false)]
    traceparent: bool,
    /// Tell the client the id, too.
    #[config(default = false)]
    echo_downstream: bool,
    /// Sets the header, on the request and, if it is echoed, on the answer.
    #[serde(skip)]
    edits: OnceCell<HeaderEdits>,
}

impl RequestHook<Result> for Settings {
    fn on_request(&self, request: &mut Request) -> Result {
        if let Some(theirs) = self.brought(request) {
            self.echo(request, &theirs);
            return Ok(Flow::Next);
        }
        let id = match self.of_trace(request) {
            Some(id) => id,
            None => self.generator.make()?,
        };
        let id = HeaderValue::from(id);
        request.edit_headers_with(self.edits(), &[OpenValue::from(&id)]);
        self.echo(request, &id);
        Ok(Flow::Next)
    }
}

export!(Settings: RequestHook, priority = 100_001);

/// Longer ids are not kept: they go into every line of every log on the way.
const LONGEST: usize = 128;

/// Whether an id of a client's own making may go where ids go.
fn is_sane(id: &[u8]) -> bool {
    (1..=LONGEST).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic)
}

impl Settings {
    fn check(&self) -> Result<(), String> {
        // `host` would never be given an id, as there always is one.
        if self.header_name.is_gateways() || self.header_name.as_str() == "host" {
            return Err(format!("header_name: {} is taken by HTTP itself", self.header_name));
        }
        Ok(())
    }

    /// The one id that the request brings, if it may stay. Most bring none, which costs less to find out.
    fn brought(&self, request: &Request) -> Option<HeaderValue> {
        let id = request.header(&self.header_name).filter(|id| is_sane(id.as_bytes()))?;
        (request.header_all(&self.header_name).len() == 1).then_some(id)
    }

    fn echo(&self, request: &mut Request, id: &HeaderValue) {
        if self.echo_downstream {
            request.edit_answer(self.edits(), &[OpenValue::from(id)]);
        }
    }

    fn edits(&self) -> &HeaderEdits {
        self.edits.get_or_init(|| {
            let mut edits = HeaderEdits::default();
            // What cannot be set was refused as a setting.
            let _ = edits.set_open(&self.header_name);
            edits
        })
    }

    fn of_trace(&self, request: &Request) -> Option<Vec<u8>> {
        if !self.traceparent {
            return None;
        }
        match request.header_all("traceparent").as_slice() {
            [traceparent] => trace::id(traceparent.as_bytes()).map(<[u8]>::to_vec),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
