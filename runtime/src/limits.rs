//! Every bound, with its unit and the reason for its size; the defaults of those in gateway.toml, too.

mod sinks;
mod stores;

use std::time::Duration;

pub use sinks::*;
pub use stores::*;

/// Largest gateway.toml: far above a million credentials, far below what would exhaust memory.
pub const CONFIG_BYTES: u64 = 256 << 20;
/// Faults that are shown with their lines; the rest is counted. Nobody mends more at a time.
pub const FAULTS_SHOWN: usize = 50;
/// Largest file that a `file:` secret may name.
pub const SECRET_BYTES: u64 = 64 << 10;
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
/// Longest path of a file (PATH_MAX of Linux).
pub const PATH_BYTES: usize = 4 << 10;
/// Largest plugin file.
pub const COMPONENT_BYTES: u64 = 64 << 20;

/// Compiled plugins that are kept on disk, in bytes: some hundreds.
pub const PLUGIN_CACHE_BYTES: u64 = 512 << 20;

/// Guest time of one plugin call, unless the use says otherwise.
pub const PLUGIN_TIME: Duration = Duration::from_millis(10);
/// The most a use may allow: a worker serves nobody else meanwhile.
pub const PLUGIN_TIME_MAX: Duration = Duration::from_secs(1);
/// How long one call may take with all that it waits for, unless the use says otherwise.
pub const PLUGIN_WAIT: Duration = Duration::from_secs(60);
/// The most a use may allow: a request, and an instance, hang on it.
pub const PLUGIN_WAIT_MAX: Duration = Duration::from_secs(600);
/// Time for `describe` and `configure`, which run while loading. After a trap, the next request on that worker waits
/// for a fresh instance to be configured.
pub const PLUGIN_LOAD_TIME: Duration = Duration::from_secs(2);
/// How many times `limits.time` all turns of a call may take together, if it waits in between.
pub const PLUGIN_TURNS: u32 = 10;
/// All of the loading of a plugin that may wait for granted files; changes of the configuration wait for it.
pub const PLUGIN_LOAD_WAIT: Duration = Duration::from_secs(10);
/// One case of `tidegate plugin test`, from its first request to its last answer's last byte.
pub const CASE_TIME: Duration = Duration::from_secs(10);
/// How often running guests look at the clock.
pub const EPOCH_TICK: Duration = Duration::from_millis(1);
/// Ticks without any guest being called after which the clock sleeps.
pub const CLOCK_QUIET_TICKS: u32 = 20;
/// How often it looks by itself then; whoever calls wakes it.
pub const CLOCK_NAP: Duration = Duration::from_millis(100);
/// Linear memory of one plugin instance, unless the use says otherwise.
pub const PLUGIN_MEMORY_BYTES: usize = 16 << 20;
/// One page: no component runs on less.
pub const PLUGIN_MEMORY_MIN: usize = 64 << 10;
/// All that a 32-bit guest can address.
pub const PLUGIN_MEMORY_MAX: usize = 4 << 30;
/// Stack of a guest; far below a worker thread's own.
pub const PLUGIN_STACK_BYTES: usize = 512 << 10;
/// Table elements of one instance; a plugin of this project's size has some hundreds.
pub const PLUGIN_TABLE_ELEMENTS: usize = 20_000;
/// Instances of all plugins on all workers together. Each has 4 GiB of the address space set aside; where that is
/// limited, one of the smaller pools has to do.
pub const PLUGIN_SLOTS: [u32; 4] = [4_096, 1_024, 256, 64];
/// Address space that a pool has for an instance's memory: all that 32 bits reach.
pub const PLUGIN_ADDRESSES_IN_POOL: u64 = 4 << 30;
/// The same where there is too little of it for any pool.
pub const PLUGIN_ADDRESSES: u64 = 16 << 20;
/// What is left unused behind each of those, so that the code checks fewer of a guest's accesses.
pub const PLUGIN_GUARD_ADDRESSES: u64 = 64 << 10;
/// Slots that are in no use and keep their memory for the next instance of the same component: those that are taken and
/// given back all the time, as by `isolation = "request"`, are few, and the rest would only hold memory.
pub const PLUGIN_WARM_SLOTS: u32 = 16;
/// Stacks of calls that wait, of all plugins on all workers together.
pub const PLUGIN_STACKS: u32 = 1_024;
/// Core instances and tables of one component, on the average: a plugin of the SDK's has three instances, two tables.
pub const CORE_INSTANCES: u32 = 4;
/// See [`CORE_INSTANCES`].
pub const CORE_TABLES: u32 = 3;
/// Core instances, and tables, that one component may have.
pub const CORE_INSTANCES_MAX: u32 = 16;
/// Bytes of each of an instance's tables that stay with its slot: overwriting them costs less than giving them back to
/// the kernel and asking for them again, which every core that runs a worker is interrupted for.
pub const PLUGIN_TABLE_RESIDENT_BYTES: usize = 16 << 10;
/// Bytes of an instance's memory that stay with its slot for the next one, if the kernel says which were touched.
pub const PLUGIN_RESIDENT_BYTES: usize = 1 << 20;
/// Bytes of scratch that the plugins of one exchange may keep together.
pub const SCRATCH_BYTES: usize = 64 << 10;
/// Values of it; they are looked for one by one.
pub const SCRATCH_VALUES: usize = 256;
/// Bytes of a body that a plugin may have whole, unless the use says otherwise.
pub const PLUGIN_BODY_BYTES: u64 = 1 << 20;
/// The most that a use may allow: each request in flight holds so much, and its plugins as much again.
pub const PLUGIN_BODY_BYTES_MAX: u64 = 64 << 20;
/// Bytes that one host call, or the end of one, may carry into the gateway beyond a body: the rest of a reply.
pub const PLUGIN_CALL_BYTES: usize = 1 << 20;
/// Host calls that one hook may make: a body's pieces and all header fields one by one are far below.
pub const PLUGIN_HOST_CALLS: u32 = 10_000;
/// Instances of one plugin on one worker that may be in calls that wait, unless the use says otherwise.
pub const PLUGIN_INSTANCES: usize = 64;
/// The most that a use may ask for.
pub const PLUGIN_INSTANCES_MAX: usize = 1_000;
/// How long a call waits for an instance while all of them are in calls that wait.
pub const PLUGIN_PLACE_TIME: Duration = Duration::from_secs(1);
/// How long a plugin's request to another server may take, unless the plugin says otherwise,
pub const FETCH_TIME: Duration = Duration::from_secs(5);
/// and at most.
pub const FETCH_TIME_MAX: Duration = Duration::from_secs(30);
/// The largest body of an answer to it.
pub const FETCH_BODY_BYTES: usize = 4 << 20;
/// Idle connections that are kept per origin and thread for plugins' requests.
pub const FETCH_IDLE: usize = 32;
/// Origins that have idle connections at a time, per thread.
pub const FETCH_ORIGINS: usize = 64;
/// Answers to plugins' requests that are shared, kept at a time.
pub const FETCH_SHARED: usize = 64;
/// Origins, peers or folders that one use may be granted; they are looked through for each request.
pub const GRANTS: usize = 64;
/// Sockets, files, streams and what else an instance that is granted them may hold at a time.
pub const PLUGIN_HANDLES: usize = 256;
/// Random bytes that a plugin may draw at a time: nothing interrupts that.
pub const PLUGIN_RANDOM_BYTES: u64 = 64 << 10;
/// Threads of a worker that wait for files on behalf of plugins.
pub const WORKER_FILE_THREADS: usize = 8;
/// A plugin's timer comes no more often than this.
pub const PLUGIN_TIMER_MIN: Duration = Duration::from_millis(100);
/// A plugin use with a `trip` is stopped after so many failures, unless it says otherwise,
pub const TRIP_FAILURES: u32 = 10;
/// (and at most, since each is remembered)
pub const TRIP_FAILURES_MAX: u32 = 10_000;
/// within this time,
pub const TRIP_WITHIN: Duration = Duration::from_secs(10);
/// for so long.
pub const TRIP_COOLDOWN: Duration = Duration::from_secs(30);
/// Functions of a guest that are named when it trapped, the innermost first.
pub const TRAP_FRAMES: usize = 8;
/// Longest line that a plugin may log; the rest is cut.
pub const PLUGIN_LOG_BYTES: usize = 4 << 10;

/// Stack of a worker thread: room for the guest's and for the gateway's own depth.
pub const WORKER_STACK_BYTES: usize = 4 << 20;
/// Pending connections that the kernel keeps per listener and worker.
pub const LISTEN_BACKLOG: i32 = 1024;
/// A listener that closes waits this long for clients that are in the middle of connecting, after each that came.
pub const LISTEN_LINGER: Duration = Duration::from_millis(100);
/// Connections that one worker serves at a time.
pub const CONNECTIONS_PER_WORKER: usize = 16_384;
/// Files that the gateway has open besides its clients' and their upstreams' connections: listeners, logs, event loops.
pub const OWN_FILES: u64 = 256;
/// Pause after a failed accept (out of file descriptors, mostly), so that the loop does not spin.
pub const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);
/// Smallest and largest limit on a head, in bytes: below, browsers' heads would not fit; above, nobody's head is.
pub const HEAD_BYTES_MIN: usize = 8 << 10;
/// See [`HEAD_BYTES_MIN`].
pub const HEAD_BYTES_MAX: usize = 1 << 20;
/// Largest head of a request or a response, unless gateway.toml says otherwise (nginx: 4 buffers of 8 KiB).
pub const HEAD_BYTES: usize = 64 << 10;
/// Most header fields of a request, unless gateway.toml says otherwise (nginx: no limit; Envoy: 100).
pub const HEADERS: usize = 100;
/// The most that can be asked for: room for as many is made for each head.
pub const HEADERS_MAX: i64 = 1000;
/// Longest target of a request, unless gateway.toml says otherwise (nginx: 8 KiB).
pub const URI_BYTES: usize = 16 << 10;
/// From a request's first byte to the end of its head (nginx: 60 s).
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(60);
/// A connection without a request is closed after this (nginx: 75 s).
pub const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(75);
/// The longest pause between two pieces of a request's body (nginx: 60 s).
pub const BODY_IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// The whole of a request's body must be there after this.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(3600);
/// A client has this long for its TLS handshake, and for the header of the PROXY protocol.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// A peer that takes no byte for this long is given up, whatever it still acknowledges.
pub const PEER_STALL: Duration = Duration::from_secs(60);
/// How long a client whose request was refused may take to read the answer; what it still sends is thrown away.
pub const REFUSAL_LINGER: Duration = Duration::from_secs(2);
/// Most that is thrown away of what it still sends, in bytes.
pub const REFUSAL_DISCARD: usize = 1 << 20;
/// Most that is read of a request's body that nobody wants, so that its connection may be kept, in bytes: what comes
/// along with the head, mostly.
pub const UNREAD_BYTES: usize = 64 << 10;
/// Streams that one HTTP/2 connection of a client may have open (nginx: 128).
pub const H2_STREAMS: u32 = 128;
/// What a client may send on one HTTP/2 stream before the upstream takes it, in bytes.
pub const H2_STREAM_WINDOW: u32 = 256 << 10;
/// The same for all streams of a connection together.
pub const H2_CONNECTION_WINDOW: u32 = 1 << 20;
/// Bytes of a response that wait for one HTTP/2 stream's window.
pub const H2_SEND_BUFFER: usize = 64 << 10;
/// How often an HTTP/2 connection is asked whether it is still there, and how long it may take to say so.
pub const H2_PING: Duration = Duration::from_secs(30);
/// A client that was told of the end of its HTTP/2 connection, and has nothing on its way, is given twice this.
pub const H2_GOODBYE: Duration = Duration::from_secs(1);
/// How often an HTTP/2 connection of a client is looked at for being idle.
pub const H2_IDLE_LOOK: Duration = Duration::from_secs(5);
/// Most header fields that plugins may make of a head; 100 is what is taken from a peer.
pub const HEADER_FIELDS: usize = 200;

/// Idle connections kept per target and worker (Kong: 512 in all).
pub const IDLE_CONNECTIONS: usize = 256;
/// How long one stays idle before it is closed (Kong: 60 s).
pub const IDLE_CONNECTION_TIME: Duration = Duration::from_secs(60);
/// How often a worker looks for those.
pub const IDLE_SWEEP: Duration = Duration::from_secs(5);
/// Requests that share one HTTP/2 connection to a target before another is made.
pub const H2_SHARING: usize = 100;
/// HTTP/2 connections per target and worker.
pub const H2_CONNECTIONS: usize = 16;
/// Attempts after a failed one, unless the service says otherwise (Kong: 5).
pub const RETRIES: u32 = 5;
/// Share of the requests of a worker to an upstream that may be retried, in percent, so that a failing upstream does
/// not get many times its load on top (Finagle, Envoy: 20).
pub const RETRY_BUDGET_PERCENT: u32 = 20;
/// Retries per second that are had in any case, however few the requests are (Finagle: 10).
pub const RETRY_BUDGET_RESERVE: u32 = 10;
/// A request's body up to this size is kept to be sent again, unless the service says otherwise, in bytes.
pub const RETRY_BUFFER: usize = 64 << 10;
/// The most that a service may ask for.
pub const RETRY_BUFFER_MAX: usize = 16 << 20;
/// Time for one name's lookup, unless gateway.toml says otherwise.
pub const DNS_TIMEOUT: Duration = Duration::from_secs(5);
/// How long addresses are used beyond their TTL while their name cannot be resolved, unless gateway.toml says otherwise.
pub const DNS_STALE: Duration = Duration::from_secs(3600);
/// Bytes read from a peer at a time; a large body is read in larger pieces, up to the second.
pub const READ_BYTES_MIN: usize = 8 << 10;
/// See [`READ_BYTES_MIN`].
pub const READ_BYTES_MAX: usize = 64 << 10;
/// Most interim answers (1xx) before a target's final one.
pub const INTERIM_ANSWERS: usize = 32;
/// Longest line with a chunk's size, extensions included, in bytes.
pub const CHUNK_LINE_BYTES: usize = 1 << 10;
/// Most bytes of extensions of one chunked body together: nobody means anything by them (hyper: as many).
pub const CHUNK_EXTENSION_BYTES: usize = 16 << 10;
/// Most trailers behind a body.
pub const TRAILERS: usize = 64;
/// Most bytes of them.
pub const TRAILER_BYTES: usize = 16 << 10;

/// Bytes of an upgraded connection on their way, for each direction.
pub const TUNNEL_BUFFER: usize = 16 << 10;
/// After the drain's end, what is in flight has this long to take its 503.
pub const DRAIN_GRACE: Duration = Duration::from_secs(1);

/// Lines that wait to be written to the log; what comes on top is dropped.
pub const LOG_LINES: usize = 8_192;
/// How often the configuration's files are looked at.
pub const WATCH_INTERVAL: Duration = Duration::from_millis(200);
/// How many times in a row they may have changed again before what they say is taken all the same.
pub const WATCH_PATIENCE: u32 = 10;
/// How often it is looked whether an old generation is still in use.
pub const RETIRE_INTERVAL: Duration = Duration::from_millis(500);
/// Requests in flight have this long to end when the gateway stops.
pub const DRAIN_TIME: Duration = Duration::from_secs(30);

/// Entries of a round-robin sequence; weights are scaled to fit.
pub const BALANCE_SLOTS: usize = 10_000;
/// Endpoints of one upstream; what a name resolves to beyond that is left out. A DNS answer over TCP holds no more.
pub const ENDPOINTS: usize = 4_096;
/// Turns that one pick may skip, because the endpoint is unhealthy or was tried, before it looks at all endpoints.
pub const TURNS_SKIPPED: usize = 64;
/// Slots that consistent hashing spreads keys over. It must never depend on the endpoints, or their change would move
/// every key; 10 endpoints get their share within some 2%, 100 within 8%.
pub const HASH_SLOTS: usize = 1 << 14;
/// Slots that one key is looked up in, because their endpoints are unhealthy or were tried, before all are ranked.
pub const HASH_TRIES: usize = 16;
/// Endpoints among which least-connections finds the very least; a bit each of one word.
pub const LEAST_SCANNED: usize = 64;
/// With more endpoints than that, it takes the best of this many random ones.
pub const LEAST_SAMPLES: usize = 4;
/// Random draws that one pick may make until it has the samples it wants.
pub const SAMPLE_DRAWS: usize = 16;
/// How long until an endpoint's latency has forgotten two thirds of what it knew (Finagle's peak EWMA: 10 s).
pub const LATENCY_DECAY: Duration = Duration::from_secs(10);
/// A latency older than this says nothing any more: the endpoint counts as fast as the one it is compared with.
pub const LATENCY_STALE: Duration = Duration::from_secs(30);
/// What a failure counts as, at least, so that a target that refuses at once does not look fast.
pub const LATENCY_OF_FAILURE: Duration = Duration::from_secs(1);
/// The worst latency that is told apart; failures in a row double it up to here.
pub const LATENCY_MAX: Duration = Duration::from_secs(60);
/// Failures of one endpoint that are remembered; the most that `passive.failures` can ask for.
pub const PASSIVE_FAILURES: u32 = 1_000;
/// How many times `passive.recover` the pause before the next trial grows to, however often it failed.
pub const EJECTION_PAUSES: u32 = 10;
/// Probes come no more often than this, whatever the configuration says.
pub const PROBE_INTERVAL_MIN: Duration = Duration::from_millis(10);

/// Shortest time a resolved name is believed: records of TTL 0 must not turn into a query per request.
pub const DNS_TTL_MIN: Duration = Duration::from_secs(1);
/// Longest time: what somebody put into the DNS by mistake is mended within the hour.
pub const DNS_TTL_MAX: Duration = Duration::from_secs(60 * 60);
/// How long an answer with a part missing is believed (one address family or some targets could not be resolved).
pub const DNS_PARTIAL_TTL: Duration = Duration::from_secs(30);
/// How long an answer of the hosts file is believed; then the file's date is looked at again.
pub const DNS_HOSTS_TTL: Duration = Duration::from_secs(5);
/// How long a failed lookup is the answer to whoever asks next, so that a crowd does not become a crowd of queries.
pub const DNS_NEGATIVE_TTL: Duration = Duration::from_secs(1);
/// Once there are addresses of one family, the other has this long: servers that drop AAAA queries are common.
pub const DNS_FAMILY_GRACE: Duration = Duration::from_secs(1);
/// Pause before a name that failed is tried again; it doubles with each failure,
pub const DNS_RETRY_FIRST: Duration = Duration::from_secs(1);
/// up to this.
pub const DNS_RETRY_MAX: Duration = Duration::from_secs(30);
/// Queries under way at a time, each with a socket per server asked.
pub const DNS_QUERIES: usize = 64;
/// Names with an answer in memory; far above what one configuration names. The first to expire makes room.
pub const DNS_NAMES: usize = 4_096;
/// Addresses of one name; the rest is left out.
pub const DNS_ADDRESSES: usize = 256;
/// Targets of one SRV name; the rest is left out. Each costs two queries.
pub const DNS_SERVICE_TARGETS: usize = 64;
/// Aliases (CNAME) in a row; a loop has no end.
pub const DNS_ALIASES: usize = 8;
/// Largest hosts file; lists that block advertisers reach some megabytes.
pub const DNS_HOSTS_BYTES: u64 = 16 << 20;

/// Largest PEM text, in bytes: the public CAs of the world are a quarter of that.
pub const PEM_BYTES: u64 = 1 << 20;
/// Upstream servers whose TLS sessions one client configuration remembers, so that new connections resume them.
pub const TLS_CLIENT_SESSIONS: usize = 1_024;
/// Errors that may stand behind one another before the search for TLS's own word ends: hyper, io and rustls are three.
pub const ERROR_DEPTH: usize = 8;
/// Longest PROXY protocol header, in bytes: addresses and what load balancers add to them fill some hundreds.
pub const PROXY_HEADER_BYTES: usize = 4 << 10;

/// Bytes of one field of the access log; the rest is cut. A URI of the usual limit fits.
pub const ACCESS_LOG_FIELD_BYTES: usize = 8 << 10;
/// Attempts of one exchange that a log line or a remembered failure lists; the last ones are kept.
pub const ATTEMPTS_LISTED: usize = 8;
/// A worker hands its lines over once they are this many bytes: some hundred lines, one write to the file.
pub const ACCESS_LOG_BATCH_BYTES: usize = 32 << 10;
/// How often a worker hands over what it has, however little it is.
pub const ACCESS_LOG_INTERVAL: Duration = Duration::from_millis(100);
/// Bytes that wait to be written to the access log; what comes on top is dropped.
pub const ACCESS_LOG_QUEUE_BYTES: usize = 16 << 20;
/// Batches that wait: those of some seconds, from many workers with little to say each.
pub const ACCESS_LOG_QUEUE_BATCHES: usize = 1024;
/// Written buffers that wait for their worker to use them again.
pub const ACCESS_LOG_SPARES: usize = 4;
/// How often it is looked whether the access log's file was renamed or removed.
pub const ACCESS_LOG_FILE_CHECK: Duration = Duration::from_secs(1);
/// How long an access log that takes nothing for now (a terminal in non-blocking mode) is tried before lines are lost.
pub const ACCESS_LOG_STALL: Duration = Duration::from_secs(1);
/// When the gateway stops, lines that were handed over have this long to be written.
pub const ACCESS_LOG_END: Duration = Duration::from_secs(3);

/// Failed exchanges that are remembered.
pub const FAILURES_KEPT: usize = 1_000;
/// Bytes of one field of a remembered failure; the rest is cut. All of them together stay below some 20 MB.
pub const FAILURE_FIELD_BYTES: usize = 1 << 10;

/// Pairs of a route and a service that have metrics of their own: those of the largest configuration, and of routes
/// that are no more. The rest share one.
pub const METRIC_ROUTES: usize = 20_000;
/// Series that plugins define themselves, all plugins together.
pub const METRIC_PLUGIN_SERIES: usize = 10_000;
/// Bytes of the name of such a metric, or of a label.
pub const METRIC_NAME_BYTES: usize = 64;
/// Labels that one has.
pub const METRIC_LABELS: usize = 8;
/// Bytes of a label's value.
pub const METRIC_VALUE_BYTES: usize = 128;
/// Plugins, by the names they are used by, that have metrics of their own.
pub const METRIC_PLUGINS: usize = 1_000;
/// Pairs of a cause and a service whose failures are counted apart; the rest are counted without their service.
pub const METRIC_FAILURES: usize = 4_096;

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
/// ([`COMPONENT_BYTES`]). A declarative configuration of a thousand services takes one of them.
pub const ADMIN_BODY_BYTES: usize = 16 << 20;
/// Such bodies that are in memory at a time, in KiB; further ones wait.
pub const ADMIN_BODIES_KIB: u32 = 256 << 10;
/// The longest pause between two pieces of one.
pub const ADMIN_BODY_IDLE: Duration = Duration::from_secs(10);
/// The whole of it must be there after this.
pub const ADMIN_BODY_TIMEOUT: Duration = Duration::from_secs(60);
/// Objects and arrays in one another of such a body.
pub const ADMIN_BODY_DEPTH: usize = 32;
/// Values of a declarative file, with those that its aliases stand for.
pub const DECLARATIVE_NODES: usize = 2_000_000;
/// How often what is at fault is left out of what is imported, before it is given up.
pub const IMPORT_ROUNDS: usize = 16;
/// Faults that are told of a declarative file.
pub const DECLARATIVE_FAULTS: usize = 1_000;
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

/// Longest host name or server name, with some room (RFC 1035: 253); a longer one in a request is nobody's.
pub const HOST_BYTES: usize = 255;
/// Longest path criterion, prefix or regex: far above any that a person writes.
pub const ROUTE_PATH_BYTES: usize = 4 << 10;
/// Longest value of a header criterion; it is compared in a buffer on the stack.
pub const ROUTE_HEADER_BYTES: usize = 255;
/// One compiled regex of a route; a UUID takes about 5 KiB, `.{1,1000}` about 50.
pub const ROUTE_REGEX_BYTES: usize = 256 << 10;
/// What one regex's lazy automaton may cache per worker; beyond, it matches without one, slower.
pub const ROUTE_REGEX_CACHE_BYTES: usize = 256 << 10;
/// States of regexes that are looked at for each of them while they become automata: a UUID takes 350 among ten thousand
/// alike, `{1,63}` of something 1,400. It bounds what the automata take of memory, too. Ten thousand regexes behind one
/// literal beginning take three seconds at worst.
pub const ROUTE_REGEX_WORK: usize = 1 << 11;
/// All regexes of a generation in the form that automata are built from; what is more goes without. They are freed
/// once the automata are built.
pub const ROUTE_PROGRAM_BYTES: usize = 64 << 20;
/// Regexes behind one host and one literal beginning that no automaton could be built of, compiled together; more go
/// into several such sets.
pub const ROUTE_REGEX_SET_BYTES: usize = 8 << 20;
/// What one set's lazy automaton may cache per worker.
pub const ROUTE_REGEX_SET_CACHE_BYTES: usize = 4 << 20;
/// Routes that are looked at to say why none took a request: 404s must stay cheap under a scan.
pub const NEAR_MISS_ROUTES: usize = 1_000;
