//! The hooks of an exported plugin: what [`export!`](crate::export!) implements for it, and how the
//! gateway's calls get there.

use super::Exported;
use crate::bindings::imports::tidegate::plugin::{decision, exchange::Outcome, types::Verdict};
use crate::bindings::plugin::exports::tidegate::plugin::lifecycle::{Activation, BodyMode};
use crate::bindings::{on_log, on_request, on_request_body, on_response, on_response_body, on_timer};
use crate::hook::{Chunk, Decision};
use crate::{
    Flow, IntoChunkFlow, IntoFlow, LogHook, Reply, RequestBodyHook, RequestHook, ResponseBodyHook, ResponseHook,
    TimerHook,
};

/// What the hooks return to the gateway.
pub mod returned {
    use crate::hook::{ChunkDecision, Decision};

    /// A request hook.
    pub type OnRequest = Decision;
    /// A hook for pieces of a request's body.
    pub type OnRequestBody = ChunkDecision;
    /// A response hook.
    pub type OnResponse = Decision;
    /// A hook for pieces of a response's body.
    pub type OnResponseBody = ChunkDecision;
    /// A log hook.
    pub type OnLog = ();
    /// A timer hook.
    pub type OnTimer = Result<(), String>;
}

/// Which hooks a config needs, and what of bodies.
#[derive(Debug, Default)]
pub struct Wants {
    request: bool,
    response: bool,
    log: bool,
    whole_request: Option<u64>,
    whole_response: Option<u64>,
    request_pieces: bool,
    response_pieces: bool,
}

impl Wants {
    pub(super) fn activation(&self) -> Result<Activation, String> {
        let mode = |pieces, whole: Option<u64>, of| match (pieces, whole) {
            (true, Some(_)) => Err(format!("the {of}'s body is asked for both whole and in pieces: choose one")),
            (true, None) => Ok(BodyMode::Chunked),
            (false, Some(most)) => Ok(BodyMode::Buffered(most)),
            (false, None) => Ok(BodyMode::None),
        };
        Ok(Activation {
            on_request: self.request,
            on_response: self.response,
            on_log: self.log,
            request_body: mode(self.request_pieces, self.whole_request, "request")?,
            response_body: mode(self.response_pieces, self.whole_response, "response")?,
        })
    }
}

/// What a request hook needs, whatever it returns.
pub fn wants_request<Returned: IntoFlow>(hook: &impl RequestHook<Returned>, wants: &mut Wants) {
    wants.request = hook.needed();
    wants.whole_request = hook.body_limit().filter(|_| wants.request);
}

/// What a hook for pieces of a request's body needs.
pub fn wants_request_body<Returned: IntoChunkFlow>(hook: &impl RequestBodyHook<Returned>, wants: &mut Wants) {
    wants.request_pieces = hook.needed();
}

/// What a response hook needs.
pub fn wants_response<Returned: IntoFlow>(hook: &impl ResponseHook<Returned>, wants: &mut Wants) {
    wants.response = hook.needed();
    wants.whole_response = hook.body_limit().filter(|_| wants.response);
}

/// What a hook for pieces of a response's body needs.
pub fn wants_response_body<Returned: IntoChunkFlow>(hook: &impl ResponseBodyHook<Returned>, wants: &mut Wants) {
    wants.response_pieces = hook.needed();
}

/// What a log hook needs.
pub fn wants_log(hook: &impl LogHook, wants: &mut Wants) {
    wants.log = hook.needed();
}

/// What a timer hook needs: nothing but an interval, which the gateway's operator gives.
pub fn wants_timer(_: &impl TimerHook, _: &mut Wants) {}

/// An exported plugin with this hook, and the component's function that runs it.
macro_rules! exported {
    ($trait:ident, $hook:ident, $guest:path $(, $chunk:ident)?) => {
        exported!($trait, $hook, $guest $(, $chunk)? => returned::$trait, std::convert::identity);
    };
    ($trait:ident, $hook:ident, $guest:path $(, $chunk:ident)? => $told:ty, $tell:path) => {
        /// An exported plugin with a hook of this kind.
        pub trait $trait: Exported {
            /// Run it.
            fn $hook(config: &Self::Config $(, $chunk: Chunk)?) -> returned::$trait;
        }

        impl<P: $trait> $guest for P {
            fn $hook($($chunk: Vec<u8>, end: bool)?) -> $told {
                $tell(P::$hook(configured::<P>() $(, Chunk { bytes: $chunk, end })?))
            }
        }
    };
}

exported!(OnRequest, on_request, on_request::exports::tidegate::plugin::request_hook::Guest => Verdict, verdict);
exported!(OnRequestBody, on_request_body, on_request_body::exports::tidegate::plugin::request_body_hook::Guest, chunk);
exported!(OnResponse, on_response, on_response::exports::tidegate::plugin::response_hook::Guest => Verdict, verdict);
exported!(
    OnResponseBody,
    on_response_body,
    on_response_body::exports::tidegate::plugin::response_body_hook::Guest,
    chunk
);
exported!(OnTimer, on_timer, on_timer::exports::tidegate::plugin::timer_hook::Guest);

/// An exported plugin with a hook of this kind.
pub trait OnLog: Exported {
    /// Run it.
    fn on_log(config: &Self::Config, ended: Outcome) -> returned::OnLog;
}

impl<P: OnLog> on_log::exports::tidegate::plugin::log_hook::Guest for P {
    fn on_log(ended: Outcome) {
        P::on_log(configured::<P>(), ended);
    }
}

/// # Panics
/// If the gateway calls a hook before `configure`, which its contract rules out.
fn configured<P: Exported>() -> &'static P::Config {
    P::settings().get().unwrap_or_else(|| panic!("a hook was called before `configure`"))
}

/// Says in one word what was decided, after what goes with it.
fn verdict(decision: Decision) -> Verdict {
    match decision {
        Ok(Flow::Next) => Verdict::Next,
        Ok(Flow::Reply(Reply(reply))) => {
            decision::reply(&reply);
            Verdict::Reply
        }
        Err(reason) => {
            decision::fail(&reason);
            Verdict::Failed
        }
    }
}
