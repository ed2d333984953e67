//! What every plugin uses: `use tidegate_sdk::prelude::*;`

#[doc(no_inline)]
pub use crate::{
    Config, Failure, Flow, HeaderName, HeaderValue, Reply, Request, RequestHook, Response, ResponseHook, Result,
    exchange, export, identity, json, log,
};
