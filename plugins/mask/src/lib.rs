//! Masks sensitive data in the bodies of responses, and of requests if asked to: what rules name by
//! name, JSON path or looks is redacted, cut down, hashed or removed as the body streams by.

use std::cell::OnceCell;

use tidegate_mask::{Mask, Masked, Rule, Stream, WhenUnparsable};
use tidegate_sdk::prelude::*;

use crate::head::{Body, Head};
use crate::media::MediaTypes;

mod head;
mod media;

/// What to mask, and where.
#[derive(Config)]
#[config(validate = Settings::check)]
struct Settings {
    /// What to mask, and how. Where several rules are for the same value, the first one decides.
    #[schemars(length(min = 1))]
    rules: Vec<Rule>,
    /// Mask what clients get.
    #[config(default = true)]
    responses: bool,
    /// Mask what the upstream gets.
    #[config(default = false)]
    requests: bool,
    /// Media types of JSON; `*` stands for anything.
    #[config(default = media::list(&["application/json", "application/*+json", "text/json"]))]
    json_types: Vec<String>,
    /// Media types of JSON in lines.
    #[config(default = media::list(&["application/x-ndjson", "application/ndjson", "application/jsonl"]))]
    ndjson_types: Vec<String>,
    /// Media types of text, in which patterns and regexes are looked for.
    #[config(default = media::list(&["text/*"]))]
    text_types: Vec<String>,
    /// What to do with a body of these types that cannot be read: let what is left of it pass as text, or block it.
    #[config(default = OnUnparsable::Block)]
    #[schemars(extend("default" = "block"))]
    on_unparsable: OnUnparsable,
    /// The secret that `hash` uses, which the use has to be granted: `grants = { secrets = ["…"] }`.
    #[schemars(extend("x-grant" = "secrets"))]
    hash_secret: Option<String>,
    #[serde(skip)]
    compiled: OnceCell<Compiled>,
}

#[derive(Config, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum OnUnparsable {
    /// It goes on as text.
    Pass,
    /// It goes no further.
    Block,
}

/// What the settings come to.
struct Compiled {
    mask: Mask,
    types: MediaTypes,
}

/// An encoded or partial body is known for what it is from its head, and an answer can take its place.
impl ResponseHook for Settings {
    fn on_response(&self, response: &mut Response, request: &Request) -> Flow {
        match self.body(&Head::of_response(response)) {
            Body::Unreadable(why) if !has_no_body(response, request) => {
                log::warn!("the response is blocked: {why}");
                bad_gateway()
            }
            _ => Flow::Next,
        }
    }

    fn needed(&self) -> bool {
        self.responses && self.on_unparsable == OnUnparsable::Block
    }
}

impl ResponseBodyHook<Result<ChunkFlow>> for Settings {
    fn on_response_body(&self, chunk: Chunk, response: &Response, _: &Request) -> Result<ChunkFlow> {
        self.piece("response", &chunk, || Head::of_response(response), |_| bad_gateway())
    }

    fn needed(&self) -> bool {
        self.responses
    }
}

impl RequestBodyHook<Result<ChunkFlow>> for Settings {
    fn on_request_body(&self, chunk: Chunk, request: &Request) -> Result<ChunkFlow> {
        self.piece(
            "request",
            &chunk,
            || Head::of_request(request),
            |why| {
                let status = match why {
                    Blocked::Unreadable => 415,
                    Blocked::Unparsable => 400,
                };
                Flow::reply(status).json(&json!({ "message": "The request's body cannot be read" }))
            },
        )
    }

    fn needed(&self) -> bool {
        self.requests
    }
}

export!(Settings: ResponseHook, ResponseBodyHook, RequestBodyHook, priority = 810);

/// Why a body goes no further.
enum Blocked {
    /// It says so itself: it is encoded, or a part.
    Unreadable,
    /// It is not what it says.
    Unparsable,
}

impl Settings {
    fn check(&self) -> Result<(), String> {
        if !self.responses && !self.requests {
            return Err("one of responses and requests must be true".to_owned());
        }
        let mask = Mask::with_secret(&self.rules, self.hash_secret.as_deref())?;
        let types = MediaTypes::new(&self.json_types, &self.ndjson_types, &self.text_types)?;
        // A config is checked once.
        let _ = self.compiled.set(Compiled { mask, types });
        Ok(())
    }

    /// What kind of body this head is for.
    fn body(&self, head: &Head) -> Body {
        self.compiled.get().map_or(Body::Other, |compiled| head.body(&compiled.types))
    }

    /// Mask a piece of the body that has this name, with `head` if it is the first. What has to be known for the next one
    /// is kept in the scratch of the exchange: instances serve others meanwhile.
    fn piece(
        &self,
        whose: &str,
        chunk: &Chunk,
        head: impl FnOnce() -> Head,
        refusal: impl FnOnce(Blocked) -> Flow,
    ) -> Result<ChunkFlow> {
        let Some(Compiled { mask, .. }) = self.compiled.get() else { return Err("it was not configured".into()) };
        let mut stream = match exchange::get(whose) {
            Some(kept) if kept.as_slice() == UNTOUCHED => return Ok(ChunkFlow::Pass),
            Some(kept) => Stream::restore(&kept).ok_or("what was kept of the body cannot be read")?,
            None => match (self.body(&head()), self.on_unparsable) {
                (Body::Readable(format), OnUnparsable::Pass) => Stream::new(mask, format, WhenUnparsable::Pass),
                (Body::Readable(format), OnUnparsable::Block) => Stream::new(mask, format, WhenUnparsable::Stop),
                (Body::Unreadable(why), OnUnparsable::Block) => {
                    log::warn!("the {whose}'s body is blocked: {why}");
                    return Ok(refusal(Blocked::Unreadable).into());
                }
                (Body::Other | Body::Unreadable(_), _) => {
                    exchange::set(whose, UNTOUCHED);
                    return Ok(ChunkFlow::Pass);
                }
            },
        };
        match stream.push(mask, &chunk.bytes, chunk.end) {
            Ok(masked) => {
                if !chunk.end {
                    exchange::set(whose, stream.save());
                }
                Ok(match masked {
                    Masked::Same => ChunkFlow::Pass,
                    Masked::Replaced(bytes) => ChunkFlow::Replace(bytes),
                })
            }
            Err(unparsable) => {
                log::warn!("the {whose}'s body is blocked: {unparsable}");
                // Not a failure, which `on_failure = "open"` would let pass.
                Ok(refusal(Blocked::Unparsable).into())
            }
        }
    }
}

/// What is kept of a body that is left alone.
const UNTOUCHED: &[u8] = b"-";

/// Whether there is none whatever the head says of one (RFC 9110, section 6.4.1).
fn has_no_body(response: &Response, request: &Request) -> bool {
    matches!(response.status(), 204 | 304)
        || request.method() == "HEAD"
        || response.header("content-length").is_some_and(|length| length == "0")
}

fn bad_gateway() -> Flow {
    let message = "An invalid response was received from the upstream server";
    Flow::reply(502).json(&json!({ "message": message }))
}

#[cfg(test)]
mod tests;
