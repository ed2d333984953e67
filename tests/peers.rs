//! Programs that others wrote, on either side of the gateway.

mod curl;
mod grpc;
mod nginx;
mod rsyslog;
mod websocket;
