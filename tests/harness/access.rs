//! The names that the access log uses, in one place for all tests.

/// Keys of a line.
pub mod key {
    pub const REQUEST_ID: &str = "request_id";
    pub const PATH: &str = "path";
    pub const STATUS: &str = "status";
    pub const ERROR: &str = "error";
    pub const DETAIL: &str = "error_detail";
    pub const PHASE: &str = "error_phase";
    pub const ATTEMPTS: &str = "attempts";
    pub const DURATION: &str = "duration_ms";
}

/// Keys of an attempt.
pub mod attempt {
    pub const ADDRESS: &str = "address";
    pub const CONNECTION: &str = "connection";
    pub const OUTCOME: &str = "outcome";
    /// At least one of them is there for whatever was tried.
    pub const TIMINGS: [&str; 4] = ["dns_ms", "connect_ms", "tls_ms", "wait_ms"];
}

/// Where an exchange failed.
pub mod phase {
    pub const REQUEST: &str = "request";
    pub const ROUTE: &str = "route";
    pub const PLUGIN: &str = "plugin";
    pub const BALANCE: &str = "balance";
    pub const DNS: &str = "dns";
    pub const CONNECT: &str = "connect";
    pub const TLS: &str = "tls";
    pub const RESPONSE: &str = "response";
    pub const BODY: &str = "body";
    /// A body that is refused for what it says may be refused with its head.
    pub const BODY_OR_REQUEST: &str = "body|request";
}
