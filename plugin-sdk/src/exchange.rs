//! The exchange itself: its names, the client, and scratch that lasts from hook to hook.
//!
//! To be called in hooks: outside of one there is no exchange, and these functions trap.

use std::net::IpAddr;

use crate::host;

/// The request id: 32 hexadecimal digits, the same in logs and in answers.
pub fn id() -> String {
    host::exchange::id()
}

/// The route's name, once the request has one.
pub fn route() -> Option<String> {
    host::exchange::route()
}

/// The service's name, once the request has a route to it.
pub fn service() -> Option<String> {
    host::exchange::service()
}

/// The consumer's username, once a plugin has authenticated the request.
pub fn consumer() -> Option<String> {
    host::exchange::consumer()
}

/// The address at the other end of the client's connection.
///
/// # Panics
/// If the gateway's answer is no address, which its contract rules out.
pub fn client_ip() -> IpAddr {
    let address = host::client::address();
    address.parse().unwrap_or_else(|_| panic!("the gateway says that the client's address is {address:?}"))
}

/// The port at the other end of the client's connection.
pub fn client_port() -> u16 {
    host::client::port()
}

/// What this use of the plugin has [`set`] under `key` earlier in the exchange.
pub fn get(key: &str) -> Option<Vec<u8>> {
    host::exchange::get(key)
}

/// Remembers `value` under `key` until the exchange ends, for this use of the plugin alone. An
/// instance serves many exchanges, so this is where a request hook leaves word for the response hook.
pub fn set(key: &str, value: impl AsRef<[u8]>) {
    host::exchange::set(key, value.as_ref());
}
