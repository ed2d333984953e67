//! Bounds on what plugins keep in counters and kv, and on cryptography for them.

use std::time::Duration;

/// Parts that counters, and likewise kv, are divided in, each with a lock: with 64 workers at it, one in about a
/// hundred accesses finds its part taken. A power of two.
pub const STORE_SHARDS: usize = 256;
/// Entries whose expiry is looked at whenever one is added: more than one, so that the expired are freed faster than
/// new ones come.
pub const STORE_FREED_PER_INSERT: usize = 3;
/// How often what has expired is freed.
pub const STORE_SWEEP: std::time::Duration = std::time::Duration::from_secs(10);
/// Entries that a sweep looks at before it lets go of a part's lock: some ten microseconds.
pub const STORE_SWEEP_STEP: usize = 1 << 10;
/// Entries that the one to be evicted is chosen among (Redis: 5).
pub const STORE_EVICTION_SAMPLES: usize = 8;
/// Entries that a part keeps room for, even if it has none.
pub const STORE_SHARD_ROOM: usize = 16;

/// Limits that one hit counts in: Kong's rate-limiting has six, from second to year.
pub const COUNTER_LIMITS: usize = 8;
/// Counters of one key: those of one hit, and as many that others, or an older configuration, have left.
pub const COUNTER_CELLS: usize = 2 * COUNTER_LIMITS;
/// The largest maximum of a limit. Redis counts in doubles, which are exact up to twice this.
pub const COUNTER_MAX: u64 = 1 << 52;
/// Shortest window: below it, clocks of several gateways do not agree.
pub const COUNTER_WINDOW_MIN: Duration = Duration::from_millis(1);
/// Longest window: a leap year, with some room.
pub const COUNTER_WINDOW_MAX: Duration = Duration::from_secs(400 * 24 * 60 * 60);
/// The latest moment that counters know, in microseconds since 1970: in the year 2112. With any window added it is still
/// exact as a double.
pub const COUNTER_TIME_MAX: u64 = 1 << 52;
/// Longest key of a counter, in bytes; plugins hash what may be longer.
pub const COUNTER_KEY_BYTES: usize = 1 << 10;
/// Keys with counters in memory. One takes some 180 bytes with up to two limits, and 50 more for each further one, so all
/// of them 200 to 400 MB, however long the keys are.
pub const COUNTER_KEYS: usize = 1 << 20;
/// The longest that a hit waits for Redis, unless gateway.toml says otherwise.
pub const COUNTERS_TIMEOUT: Duration = Duration::from_millis(100);
/// The most that gateway.toml may say: requests wait meanwhile.
pub const COUNTERS_TIMEOUT_MAX: Duration = Duration::from_secs(10);
/// Time to connect to Redis, TLS, password and a first answer included.
pub const REDIS_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Pause before Redis is connected to again, half of it at least; it doubles with each failure,
pub const REDIS_RETRY_FIRST: Duration = Duration::from_millis(100);
/// up to this.
pub const REDIS_RETRY_MAX: Duration = Duration::from_secs(5);
/// One that is lost sooner than this after it was made is not made again before: it may lead to a replica.
pub const REDIS_CONNECTION_TIME: Duration = Duration::from_secs(1);
/// How often the log hears at most that Redis answers but does not count.
pub const REDIS_COMPLAINTS: Duration = Duration::from_secs(10);

/// Longest key that places are held under, in bytes; plugins hash what may be longer.
pub const PLACE_KEY_BYTES: usize = 1 << 10;
/// Places that one exchange may hold: several plugins with several keys.
pub const EXCHANGE_PLACES: usize = 16;
/// Exchanges that may wait for a place under one key; each is a request in memory.
pub const PLACE_QUEUE: u32 = 10_000;
/// How long each of them may.
pub const PLACE_WAIT: Duration = Duration::from_secs(600);

/// Longest key of a value that plugins keep, in bytes.
pub const KV_KEY_BYTES: usize = 1 << 10;
/// Longest such value, in bytes: a token, a set of keys, some answer of another service.
pub const KV_VALUE_BYTES: usize = 64 << 10;
/// What an entry takes besides its value, in bytes.
pub const KV_ENTRY_BYTES: usize = 160;
/// All entries together, in bytes; the least recently used of a few makes room.
pub const KV_BYTES: usize = 64 << 20;

/// Largest text of a key or certificate that plugins hand over, in bytes; RSA of 8192 bits takes some 6 KiB.
pub const KEY_BYTES: usize = 64 << 10;
/// Shortest and longest RSA modulus, in bits. Shorter ones can be factored; longer ones take milliseconds to verify.
pub const RSA_BITS_MIN: u32 = 2_048;
/// See [`RSA_BITS_MIN`].
pub const RSA_BITS_MAX: u32 = 8_192;
/// Longest password, in bytes; bcrypt hears the first 72 only.
pub const PASSWORD_BYTES: usize = 4 << 10;
/// Longest hash of a password as text, in bytes: twice what the longest salt and output below make.
pub const PASSWORD_HASH_BYTES: usize = 512;
/// Memory that verifying one password may take, in KiB (RFC 9106, second recommended option: 64 MiB).
pub const ARGON2_MEMORY_KIB: u32 = 64 << 10;
/// Memory times passes, in KiB: half a second of one core or so, however it is divided.
pub const ARGON2_WORK_KIB: u64 = 512 << 10;
/// Lanes; they are filled one after the other here.
pub const ARGON2_LANES: u32 = 16;
/// Longest salt and output of Argon2, in bytes.
pub const ARGON2_FIELD_BYTES: usize = 64;
/// Largest cost of bcrypt, of which each step doubles the time: a second of one core or so.
pub const BCRYPT_COST: u32 = 14;
/// Threads that verify passwords, if there are as many cores: each may take [`ARGON2_MEMORY_KIB`].
pub const PASSWORD_THREADS: usize = 4;
/// Passwords that were right and are known to be for a while, in all.
pub const PASSWORDS_KNOWN: usize = 1 << 16;
/// For so long: hashing is a small part of the work for whoever comes often.
pub const PASSWORD_KNOWN_FOR: Duration = Duration::from_secs(300);
/// Passwords that wait for one of those threads; who comes on top is told that it is busy. Each may hold an instance of a
/// plugin meanwhile, and a flood of them must leave some for who does not have to wait.
pub const PASSWORDS_WAITING: usize = 32;
const _: () = assert!(PASSWORD_THREADS + PASSWORDS_WAITING < super::PLUGIN_INSTANCES, "a flood takes all instances");
