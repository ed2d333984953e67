//! The moments at which a plugin is asked, a trait for each, and how they are run: the same way for
//! the gateway (through [`export`](crate::export)) and for tests (through [`testing`](crate::testing)).

use crate::host::types;
use crate::{Flow, IntoFlow, Request, Response};

/// Asked when a request's head has arrived; nothing has been sent to the upstream.
///
/// `Returned` is what [`on_request`](Self::on_request) returns: [`Flow`] unless you say otherwise,
/// or a `Result` of it for a hook that can fail: `impl RequestHook<Result> for …`.
#[diagnostic::on_unimplemented(message = "`{Self}` has no request hook", note = "implement `RequestHook` for it")]
pub trait RequestHook<Returned: IntoFlow = Flow> {
    /// Decides what becomes of this request.
    fn on_request(&self, request: &mut Request) -> Returned;

    /// Whether this config needs the hook; if not, the gateway never calls it.
    fn needed(&self) -> bool {
        true
    }
}

/// Asked when a response's head has arrived, from the upstream or as an answer of the gateway's own;
/// nothing has been sent to the client.
///
/// `Returned` is as in [`RequestHook`].
///
/// ```
/// use tidegate_sdk::prelude::*;
///
/// #[derive(Config)]
/// struct Quiet;
///
/// impl ResponseHook for Quiet {
///     fn on_response(&self, response: &mut Response, request: &Request) -> Flow {
///         response.remove_header("server");
///         response.set_header("x-path", request.path());
///         Flow::Next
///     }
/// }
///
/// export!(Quiet: ResponseHook);
/// # fn main() {}
/// ```
#[diagnostic::on_unimplemented(message = "`{Self}` has no response hook", note = "implement `ResponseHook` for it")]
pub trait ResponseHook<Returned: IntoFlow = Flow> {
    /// Decides what becomes of this response. The request, past changing, is there to be read.
    fn on_response(&self, response: &mut Response, request: &Request) -> Returned;

    /// Whether this config needs the hook; if not, the gateway never calls it.
    fn needed(&self) -> bool {
        true
    }
}

/// What the gateway is told.
pub(crate) type Decision = Result<types::Flow, types::Failure>;

/// Run a request hook on the current exchange.
///
/// # Errors
/// The hook failed, or made an edit that the gateway refused.
pub fn run_on_request<Returned: IntoFlow>(hook: &impl RequestHook<Returned>) -> Decision {
    let mut request = Request::current();
    let flow = hook.on_request(&mut request).into_flow()?;
    request.finish()?;
    Ok(flow.into())
}

/// Run a response hook on the current exchange.
///
/// # Errors
/// The hook failed, or made an edit that the gateway refused.
pub fn run_on_response<Returned: IntoFlow>(hook: &impl ResponseHook<Returned>) -> Decision {
    let mut response = Response::current();
    let flow = hook.on_response(&mut response, &Request::past_changing()).into_flow()?;
    response.finish()?;
    Ok(flow.into())
}
