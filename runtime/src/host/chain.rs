//! The plugin uses of one route, in order, and how they are run on an exchange.

use std::sync::Arc;

use super::bindings::tidegate::plugin::types::{Flow, Reply as GuestReply};
use super::calls::{field, final_status};
use super::exchange::{Exchange, ResponseHead};
use super::instance::CallError;
use super::plugin::{Hook, Plugin};
use crate::error::{Cause, Failure};
use crate::limits;
use bytes::Bytes;
use http::HeaderMap;

/// What a request passes on its way: requests from first to last, responses from last to first.
#[derive(Default)]
pub struct Chain {
    uses: Box<[Use]>,
}

/// One plugin in a chain.
#[derive(Clone)]
pub struct Use {
    /// The name it is used by.
    pub name: Arc<str>,
    /// Higher runs earlier.
    pub priority: i32,
    /// What is called.
    pub plugin: Arc<Plugin>,
}

/// An answer in place of the upstream's.
pub struct Reply {
    /// Status and header section.
    pub head: ResponseHead,
    /// The whole body.
    pub body: Bytes,
}

/// How the request hooks ended.
pub struct Passage {
    /// How many uses were entered: their response hooks are due.
    pub entered: usize,
    /// What now.
    pub outcome: Outcome,
}

/// What a chain's request hooks decided together.
pub enum Outcome {
    /// On to the upstream.
    Forward,
    /// A plugin answers.
    Reply(Reply),
    /// A plugin failed; nobody else was asked.
    Failed(Failure),
}

impl Chain {
    /// A chain in the order of priority; uses of the same priority stay as listed.
    pub fn new(mut uses: Vec<Use>) -> Self {
        uses.sort_by_key(|plugin_use| std::cmp::Reverse(plugin_use.priority));
        Self { uses: uses.into() }
    }

    /// The uses, in the order requests meet them.
    pub fn uses(&self) -> &[Use] {
        &self.uses
    }

    /// Run the request hooks until one replies or fails.
    pub fn on_request(&self, worker: usize, exchange: &mut Box<Exchange>) -> Passage {
        for (index, plugin_use) in self.uses.iter().enumerate() {
            if !plugin_use.plugin.activation.on_request {
                continue;
            }
            match plugin_use.call(Hook::Request, worker, index, exchange) {
                Ok(None) => {}
                Ok(Some(reply)) => return Passage { entered: index + 1, outcome: Outcome::Reply(reply) },
                // Whoever failed does not get to answer for it.
                Err(failure) => return Passage { entered: index, outcome: Outcome::Failed(failure) },
            }
        }
        Passage { entered: self.uses.len(), outcome: Outcome::Forward }
    }

    /// Run the response hooks of the first `entered` uses, the last of them first. They see and edit
    /// `exchange.response`; a reply replaces it together with `body`, and so does the answer to a failure, which
    /// `answer_failure` gives. The hooks that are left then run on that.
    pub fn on_response<B: From<Bytes>>(
        &self,
        worker: usize,
        entered: usize,
        exchange: &mut Box<Exchange>,
        body: &mut B,
        mut answer_failure: impl FnMut(&Exchange, Failure) -> Reply,
    ) {
        for (index, plugin_use) in self.uses.iter().enumerate().take(entered).rev() {
            if !plugin_use.plugin.activation.on_response {
                continue;
            }
            let reply = match plugin_use.call(Hook::Response, worker, index, exchange) {
                Ok(None) => continue,
                Ok(Some(reply)) => reply,
                Err(failure) => answer_failure(exchange, failure),
            };
            exchange.response = Some(reply.head);
            *body = B::from(reply.body);
        }
    }
}

impl Use {
    fn call(
        &self,
        hook: Hook,
        worker: usize,
        index: usize,
        exchange: &mut Box<Exchange>,
    ) -> Result<Option<Reply>, Failure> {
        let flow = self.plugin.call(hook, worker, index, exchange).map_err(|error| self.failure(hook, &error))?;
        match flow {
            Flow::Next => Ok(None),
            Flow::Reply(reply) => parse_reply(reply).map(Some).map_err(|problem| {
                self.failure(hook, &CallError::Failed(format!("its reply cannot be sent: {problem}")))
            }),
        }
    }

    fn failure(&self, hook: Hook, error: &CallError) -> Failure {
        let cause = match error {
            CallError::Failed(_) | CallError::Trapped(_) => Cause::PluginFailed,
            CallError::TimedOut => Cause::PluginTimedOut,
            CallError::OutOfMemory => Cause::PluginMemory,
        };
        let hook = match hook {
            Hook::Request => "on-request",
            Hook::Response => "on-response",
        };
        Failure::new(cause, format!("plugin {}, {hook}: {error}", self.name))
    }
}

fn parse_reply(reply: GuestReply) -> Result<Reply, String> {
    if reply.headers.len() > limits::HEADER_FIELDS {
        return Err(format!("{} header fields are more than {}", reply.headers.len(), limits::HEADER_FIELDS));
    }
    let mut headers = HeaderMap::with_capacity(reply.headers.len() + 2);
    for header in reply.headers {
        let (name, value) = field(header)?;
        headers.append(name, value);
    }
    Ok(Reply { head: ResponseHead { status: final_status(reply.status)?, headers }, body: reply.body.into() })
}
