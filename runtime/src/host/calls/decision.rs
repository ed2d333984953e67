//! `decision`: what goes with a hook's verdict.

use http::HeaderMap;

use super::final_status;
use crate::host::bindings::tidegate::plugin::decision::{Answer, Host};
use crate::host::edits::field;
use crate::host::exchange::{Given, ResponseHead};
use crate::host::plugin_use::Reply;
use crate::host::state::State;
use crate::limits;

impl Host for State {
    fn reply(&mut self, answer: Answer) -> wasmtime::Result<()> {
        self.exchange()?.given = Some(parse(answer).map_or_else(Given::NoReply, Given::Reply));
        Ok(())
    }

    fn fail(&mut self, reason: String) -> wasmtime::Result<()> {
        self.exchange()?.given = Some(Given::Failure(reason));
        Ok(())
    }
}

/// In memory of its own: most calls bring none, and hand on nothing that is large.
pub(in crate::host) fn parse(reply: Answer) -> Result<Box<Reply>, String> {
    let refused = |problem| format!("its reply cannot be sent: {problem}");
    if reply.headers.len() > limits::HEADER_FIELDS {
        let problem = format!("{} header fields are more than {}", reply.headers.len(), limits::HEADER_FIELDS);
        return Err(refused(problem));
    }
    let mut headers = HeaderMap::with_capacity(reply.headers.len() + 2);
    for header in reply.headers {
        let (name, value) = field(header).map_err(refused)?;
        headers.append(name, value);
    }
    let status = final_status(reply.status).map_err(refused)?;
    Ok(Box::new(Reply { head: ResponseHead { status, headers }, body: reply.body.into() }))
}
