//! The bundled plugins over the real gateway: what their case files cannot show.

mod acl;
mod basic_auth;
mod concurrency_limiting;
mod consumers;
mod correlation_id;
mod cors;
mod hmac_auth;
mod ip_restriction;
mod jwt;
mod logs;
mod mask;
mod masked_logs;
mod mtls_auth;
mod own_sinks;
mod rate_limiting;
mod request_size_limiting;
mod settings;
mod transformers;
