//! What every plugin uses: `use tidegate_sdk::prelude::*;`

#[doc(no_inline)]
pub use crate::{
    Chunk, ChunkFlow, Config, Failure, Flow, HeaderName, HeaderValue, LogHook, Reply, Request, RequestBodyHook,
    RequestHook, Response, ResponseBodyHook, ResponseHook, Result, TimerHook, exchange, exchange::Ended, export, http,
    identity, json, kv, log, metrics, secrets, sink,
};
