//! `request`: the request's head, read and edited.

use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use http::header::HOST;
use http::uri::PathAndQuery;

use super::{all, first, sole, values};
use crate::host::bindings::tidegate::plugin::request::Host;
use crate::host::bindings::tidegate::plugin::types::{Edit, Header};
use crate::host::edits::edit;
use crate::host::exchange::Content;
use crate::host::state::State;
use crate::proxy::path;

impl Host for State {
    fn method(&mut self) -> wasmtime::Result<String> {
        Ok(self.request()?.method.as_str().to_owned())
    }

    fn scheme(&mut self) -> wasmtime::Result<String> {
        Ok(self.exchange()?.scheme.name().to_owned())
    }

    fn version(&mut self) -> wasmtime::Result<String> {
        Ok(self.request()?.protocol().to_owned())
    }

    fn host(&mut self) -> wasmtime::Result<String> {
        let host = self.request()?.headers.get(HOST);
        Ok(host.and_then(|host| host.to_str().ok()).unwrap_or_default().to_owned())
    }

    fn path(&mut self) -> wasmtime::Result<String> {
        Ok(self.request()?.target.path().to_owned())
    }

    fn query(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.request()?.target.query().map(str::to_owned))
    }

    fn capture(&mut self, name: String) -> wasmtime::Result<Option<String>> {
        Ok(self.exchange()?.captures.named(&name).map(str::to_owned))
    }

    fn header(&mut self, name: String) -> wasmtime::Result<Option<Vec<u8>>> {
        Ok(first(&self.request()?.headers, &name))
    }

    fn header_values(&mut self, name: String) -> wasmtime::Result<Vec<Vec<u8>>> {
        Ok(values(&self.request()?.headers, &name))
    }

    fn sole_header(&mut self, name: String) -> wasmtime::Result<Option<Vec<u8>>> {
        Ok(sole(&self.request()?.headers, &name))
    }

    fn headers(&mut self) -> wasmtime::Result<Vec<Header>> {
        Ok(all(&self.request()?.headers))
    }

    fn edit(&mut self, edits: Vec<Edit>) -> wasmtime::Result<Result<(), String>> {
        Ok(self.request_to_change()?.and_then(|exchange| edit(&mut exchange.request.headers, edits)))
    }

    fn set_path(&mut self, path: String) -> wasmtime::Result<Result<(), String>> {
        Ok(self.request_to_change()?.and_then(|exchange| {
            let request = &mut exchange.request;
            if !path.starts_with('/') || path.contains(['?', '#']) {
                return Err("a path begins with \"/\", and has no \"?\" and no \"#\"".to_owned());
            }
            // One reading for everybody, the upstream included (see `proxy/path.rs`).
            request.target = path::join(&path::normalise(&path)?, request.target.query())?;
            request.is_final = true;
            Ok(())
        }))
    }

    fn set_query(&mut self, query: Option<String>) -> wasmtime::Result<Result<(), String>> {
        Ok(self.request_to_change()?.and_then(|exchange| {
            let request = &mut exchange.request;
            let path = request.target.path();
            let target = match &query {
                Some(query) => format!("{path}?{query}"),
                None => path.to_owned(),
            };
            match PathAndQuery::from_maybe_shared(Bytes::from(target)) {
                // A "#" would end the query early, and with it what routing and upstream agree on.
                Ok(target) if target.query() == query.as_deref() => {
                    request.target = target;
                    Ok(())
                }
                _ => Err("the query has a character that must be percent-encoded".to_owned()),
            }
        }))
    }

    fn set_method(&mut self, method: String) -> wasmtime::Result<Result<(), String>> {
        Ok(self.request_to_change()?.and_then(|exchange| match Method::from_bytes(method.as_bytes()) {
            // The bytes behind a CONNECT are no HTTP any more.
            Ok(method) if method != Method::CONNECT => {
                exchange.request.method = method;
                Ok(())
            }
            _ => Err(format!("{method:?} is no method that can be forwarded")),
        }))
    }

    fn body(&mut self) -> wasmtime::Result<Option<Vec<u8>>> {
        Ok(self.exchange()?.request_body.bytes().map(|body| body.to_vec()))
    }

    fn set_body(&mut self, body: Vec<u8>) -> wasmtime::Result<Result<(), String>> {
        Ok(self.request_to_change()?.map(|exchange| exchange.request_body = Content::Replaced(body.into())))
    }

    fn body_length(&mut self) -> wasmtime::Result<Option<u64>> {
        Ok(self.exchange()?.body_length())
    }

    fn limit_body(&mut self, bytes: u64) -> wasmtime::Result<Result<(), String>> {
        Ok(self.request_to_change()?.map(|exchange| {
            let before = exchange.body_limit.unwrap_or(u64::MAX);
            exchange.body_limit = Some(bytes.min(before));
        }))
    }

    fn set_upstream(&mut self, name: String) -> wasmtime::Result<Result<(), String>> {
        Ok(self.request_to_change()?.and_then(|exchange| {
            let upstreams = exchange.generation.as_ref().map(|generation| &generation.upstreams);
            let chosen = upstreams.and_then(|upstreams| upstreams.get(name.to_ascii_lowercase().as_str()));
            let chosen = chosen.ok_or_else(|| format!("there is no upstream {name:?}"))?;
            exchange.upstream = Some(Arc::clone(chosen));
            Ok(())
        }))
    }
}
