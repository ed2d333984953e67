//! Those of changes of the configuration, and of the admin API.

use std::time::Duration;

/// Generations that are kept to go back to, and as many of those that were refused.
pub const GENERATIONS_KEPT: usize = 100;
/// Changes that wait for the one before: each takes milliseconds.
pub const PROPOSALS: usize = 64;
/// How long a plugin file that no generation has may wait for one.
pub const COMPONENT_GRACE: Duration = Duration::from_secs(3600);
/// Differences that are told of one generation.
pub const DIFFERENCES_KEPT: usize = 200;
/// Characters that are told of one value.
pub const DIFFERENCE_CHARS: usize = 200;
/// Connections that the admin API serves at a time: people and a scraper or two.
pub const ADMIN_CONNECTIONS: usize = 64;
/// An admin client has this long to send a request's head; it also ends idle keepalive connections.
pub const ADMIN_HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// Read buffer of an admin connection, which bounds the request's head.
pub const ADMIN_HEAD_BYTES: usize = 16 << 10;
/// The age at which an admin connection takes no more requests.
pub const ADMIN_CONNECTION_TIME: Duration = Duration::from_secs(60);
/// How long its last answer may then take, or at the gateway's end; this also bounds a client that reads nothing.
pub const ADMIN_LAST_ANSWER: Duration = Duration::from_secs(5);
/// Largest body of a request to the admin API, in bytes; plugins that are uploaded have a bound of their own
/// ([`super::COMPONENT_BYTES`]). A declarative configuration of a thousand services takes one of them.
pub const ADMIN_BODY_BYTES: usize = 16 << 20;
/// Such bodies that are in memory at a time, in KiB; further ones wait.
pub const ADMIN_BODIES_KIB: u32 = 256 << 10;
/// The longest pause between two pieces of one.
pub const ADMIN_BODY_IDLE: Duration = Duration::from_secs(10);
/// The whole of it must be there after this.
pub const ADMIN_BODY_TIMEOUT: Duration = Duration::from_secs(60);
/// Objects and arrays in one another of such a body.
pub const ADMIN_BODY_DEPTH: usize = 32;
/// Fields of a form in it, and parameters of a query (Kong: 100, and leaves out the rest).
pub const ADMIN_FORM_FIELDS: usize = 1_000;
/// Shortest token for the admin API, in bytes: what has as many random ones, nobody guesses.
pub const ADMIN_TOKEN_BYTES: usize = 16;
/// Requests to the admin API from one peer that are answered in a row,
pub const ADMIN_REQUESTS: u32 = 500;
/// and per second after that.
pub const ADMIN_REQUESTS_PER_SECOND: u32 = 200;
/// Wrong tokens from one peer in a row; then none of its tokens is looked at,
pub const ADMIN_GUESSES: u32 = 20;
/// but so many per second.
pub const ADMIN_GUESSES_PER_SECOND: u32 = 1;
/// Peers of the admin API whose requests are counted; the one that has been quiet for the longest makes room.
pub const ADMIN_PEERS: usize = 1_024;
/// Bytes of a path that the log shows; the rest is cut.
pub const ADMIN_LOGGED_PATH: usize = 512;
/// Header fields of a part of a multipart form: browsers and curl send two.
pub const ADMIN_PART_HEADERS: usize = 16;
/// Bytes of them.
pub const ADMIN_PART_HEAD_BYTES: usize = 4 << 10;
/// Settings within settings of a plugin that it tells of; a schema may refer to itself.
pub const PLUGIN_SETTINGS_DEPTH: usize = 16;
/// Settings of one plugin that it tells of.
pub const PLUGIN_SETTINGS_TOLD: usize = 2_000;
/// Modules with a log level of their own: each is looked at by whatever may log, once per change.
pub const LOG_MODULES: usize = 64;
/// Bytes of the name of one.
pub const LOG_MODULE_BYTES: usize = 128;
/// The longest that a log level can be set for, short of for good.
pub const LOG_LEVEL_TIME: Duration = Duration::from_secs(7 * 86_400);

/// The command line gives up on reaching an admin API after this, at each of its addresses;
pub const ADMIN_CLIENT_CONNECT: Duration = Duration::from_secs(10);
/// waits this long to be asked for a body before it sends it unasked (RFC 9110, section 10.1.1),
pub const ADMIN_CLIENT_CONTINUE: Duration = Duration::from_secs(1);
/// and gives up on the answer after this: a large plugin on a slow way takes a minute to come, and some time to be compiled.
pub const ADMIN_CLIENT_ANSWER: Duration = Duration::from_secs(180);
/// Largest answer that it reads, in bytes.
pub const ADMIN_CLIENT_ANSWER_BYTES: usize = 64 << 20;
/// Values of a declarative file, with those that its aliases stand for.
pub const DECLARATIVE_NODES: usize = 2_000_000;
/// How often what is at fault is left out of what is imported, before it is given up.
pub const IMPORT_ROUNDS: usize = 16;
/// Faults that are told of a declarative file.
pub const DECLARATIVE_FAULTS: usize = 1_000;
