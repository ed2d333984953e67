//! Lets so many requests through per second, minute or any other time, and tells clients how many they
//! have left. Settings, headers and answers are those of Kong's plugin of this name, and some more.

mod limiter;
mod settings;
mod told;
mod window;

use tidegate_sdk::counters;
use tidegate_sdk::prelude::*;

use limiter::{Asked, Limiter};

impl RequestHook<Result> for Limiter {
    fn on_request(&self, request: &mut Request) -> Result {
        let cost = match self.cost.of(request) {
            Asked::Cost(cost) => cost,
            Asked::Nonsense(message) => return Ok(message_only(400, &message)),
        };
        let hit = match self.hit(request, cost) {
            Ok(hit) => hit,
            Err(counters::Error::Unavailable(_)) if self.passes_uncounted => return Ok(Flow::Next),
            Err(counters::Error::Unavailable(_)) => return Ok(message_only(503, "Requests cannot be counted")),
            Err(error) => return Err(error.into()),
        };
        if hit.allowed {
            if let Some(headers) = &self.headers {
                headers.tell(request, &hit);
            }
            return Ok(Flow::Next);
        }
        let mut reply = Flow::reply(self.refusal.status);
        if let Some(headers) = &self.headers {
            for (name, value) in headers.of_refusal(&hit) {
                reply = reply.header(name, value);
            }
        }
        Ok(reply.header("content-type", "application/json").body(self.refusal.body.as_slice()))
    }
}

export!(Limiter: RequestHook, priority = 910);

fn message_only(status: u16, message: &str) -> Flow {
    Flow::reply(status).json(&json!({ "message": message }))
}

#[cfg(test)]
mod tests;
