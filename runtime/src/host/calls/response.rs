//! `response`: the response's head, read and edited.

use http::StatusCode;

use super::{all, first, values};
use crate::host::bindings::tidegate::plugin::response::Host;
use crate::host::bindings::tidegate::plugin::types::{Edit, Header};
use crate::host::edits::edit;
use crate::host::exchange::Content;
use crate::host::state::State;

impl Host for State {
    fn status(&mut self) -> wasmtime::Result<u16> {
        Ok(self.response()?.status.as_u16())
    }

    fn header(&mut self, name: String) -> wasmtime::Result<Option<Vec<u8>>> {
        Ok(first(&self.response()?.headers, &name))
    }

    fn header_values(&mut self, name: String) -> wasmtime::Result<Vec<Vec<u8>>> {
        Ok(values(&self.response()?.headers, &name))
    }

    fn headers(&mut self) -> wasmtime::Result<Vec<Header>> {
        Ok(all(&self.response()?.headers))
    }

    fn edit(&mut self, edits: Vec<Edit>) -> wasmtime::Result<Result<(), String>> {
        Ok(self.response_head_to_change()?.and_then(|response| edit(&mut response.headers, edits)))
    }

    fn set_status(&mut self, status: u16) -> wasmtime::Result<Result<(), String>> {
        let response = self.response_head_to_change()?;
        Ok(response.and_then(|response| final_status(status).map(|status| response.status = status)))
    }

    fn body(&mut self) -> wasmtime::Result<Option<Vec<u8>>> {
        self.response()?;
        Ok(self.exchange()?.response_body.bytes().map(|body| body.to_vec()))
    }

    fn set_body(&mut self, body: Vec<u8>) -> wasmtime::Result<Result<(), String>> {
        Ok(self.response_to_change()?.map(|exchange| exchange.response_body = Content::Replaced(body.into())))
    }
}

/// A status that ends an exchange; 1xx do not (RFC 9110, section 15).
pub(in crate::host) fn final_status(status: u16) -> Result<StatusCode, String> {
    match StatusCode::from_u16(status) {
        Ok(parsed) if (200..=599).contains(&status) => Ok(parsed),
        _ => Err(format!("{status} is no final status: expected 200 to 599")),
    }
}
