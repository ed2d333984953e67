//! Hooks made of closures.

use crate::exchange::Ended;
use crate::{
    Chunk, IntoChunkFlow, IntoFlow, LogHook, Request, RequestBodyHook, RequestHook, Response, ResponseBodyHook,
    ResponseHook,
};

/// A closure that takes what a hook takes, in place of a plugin: to test functions that hooks call,
/// and to do what another plugin of the chain would do before the one that is tested. The types of
/// its parameters say which hook it is.
///
/// ```
/// use tidegate_sdk::prelude::*;
/// use tidegate_sdk::testing::{Exchange, Hook};
///
/// fn bearer(request: &Request) -> Option<String> {
///     let value = request.header("authorization")?;
///     Some(value.to_str().ok()?.strip_prefix("Bearer ")?.to_owned())
/// }
///
/// let told = Hook(|request: &mut Request| Flow::reply(200).body(bearer(request).unwrap_or_default()));
/// let mut exchange = Exchange::get("/").header("authorization", "Bearer t");
/// assert_eq!(exchange.request(&told).reply().text(), "t");
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Hook<F>(pub F);

impl<F: Fn(&mut Request) -> R, R: IntoFlow> RequestHook<R> for Hook<F> {
    fn on_request(&self, request: &mut Request) -> R {
        (self.0)(request)
    }
}

impl<F: Fn(Chunk, &Request) -> R, R: IntoChunkFlow> RequestBodyHook<R> for Hook<F> {
    fn on_request_body(&self, chunk: Chunk, request: &Request) -> R {
        (self.0)(chunk, request)
    }
}

impl<F: Fn(&mut Response, &Request) -> R, R: IntoFlow> ResponseHook<R> for Hook<F> {
    fn on_response(&self, response: &mut Response, request: &Request) -> R {
        (self.0)(response, request)
    }
}

impl<F: Fn(Chunk, &Response, &Request) -> R, R: IntoChunkFlow> ResponseBodyHook<R> for Hook<F> {
    fn on_response_body(&self, chunk: Chunk, response: &Response, request: &Request) -> R {
        (self.0)(chunk, response, request)
    }
}

impl<F: Fn(&Ended, &Response, &Request)> LogHook for Hook<F> {
    fn on_log(&self, ended: &Ended, response: &Response, request: &Request) {
        (self.0)(ended, response, request);
    }
}
