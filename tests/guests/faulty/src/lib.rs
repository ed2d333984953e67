//! Misbehaves as the request asks: header `x-fault` for the request hook, `x-fault-response` for the
//! response hook. The upstream is always told by `x-calls` how many request hooks this instance has
//! run, and the client by the same, so that a test can tell a fresh instance from a used one.

use std::cell::Cell;
use std::hash::{BuildHasher, Hasher, RandomState};

use tidegate_sdk::prelude::*;

#[derive(Config)]
#[config(validate = Settings::check)]
struct Settings {
    /// Refuse this config, which satisfies the schema.
    #[config(default = false)]
    refuse: bool,
    /// Put into `x-mark` of requests and responses.
    mark: Option<String>,
    /// Trap in so many of a thousand requests, at random.
    #[config(default = 0)]
    traps_per_thousand: u64,
}

/// The values of `x-fault` and `x-fault-response`.
#[derive(Clone, Copy)]
enum Fault {
    /// Panic.
    Trap,
    /// Execute the instruction that only traps.
    Unreachable,
    /// Loop for ever.
    Spin,
    /// Take memory until there is none.
    Grow,
    /// Recurse until the stack is full.
    Overflow,
    /// Return an error.
    Fail,
    /// Answer 418.
    Reply,
    /// Answer with a status that there is not.
    BadStatus,
    /// Set a header that cannot be sent.
    BadHeader,
    /// Set a header that belongs to the gateway.
    HopByHop,
    /// Behave now, and answer "reused" to every later request to the same instance.
    Sticky,
}

thread_local! {
    static CALLS: Cell<u64> = const { Cell::new(0) };
    static STUCK: Cell<bool> = const { Cell::new(false) };
}

impl RequestHook<Result> for Settings {
    fn on_request(&self, request: &mut Request) -> Result {
        CALLS.set(CALLS.get() + 1);
        request.set_header("x-calls", CALLS.get().to_string());
        if let Some(mark) = &self.mark {
            request.set_header("x-mark", mark.as_str());
        }
        if STUCK.get() {
            return Ok(Flow::reply(200).header("x-calls", CALLS.get().to_string()).body("reused"));
        }
        if self.traps_per_thousand > 0 && random() % 1_000 < self.traps_per_thousand {
            return Fault::Unreachable.commit();
        }
        match Fault::named_by(request, "x-fault")? {
            None => Ok(Flow::Next),
            Some(Fault::BadHeader) => {
                request.set_header("x-bad", BAD_VALUE);
                Ok(Flow::Next)
            }
            Some(Fault::HopByHop) => {
                request.set_header("connection", "close");
                Ok(Flow::Next)
            }
            Some(fault) => fault.commit(),
        }
    }
}

impl ResponseHook<Result> for Settings {
    fn on_response(&self, response: &mut Response, request: &Request) -> Result {
        response.set_header("x-calls", CALLS.get().to_string());
        if let Some(mark) = &self.mark {
            response.set_header("x-mark", mark.as_str());
        }
        match Fault::named_by(request, "x-fault-response")? {
            None => Ok(Flow::Next),
            Some(Fault::BadHeader) => {
                response.set_header("x-bad", BAD_VALUE);
                Ok(Flow::Next)
            }
            Some(Fault::HopByHop) => {
                response.set_header("connection", "close");
                Ok(Flow::Next)
            }
            Some(fault) => fault.commit(),
        }
    }
}

export!(Settings: RequestHook, ResponseHook);

const BAD_VALUE: &str = "one\r\nx-injected: two";

impl Settings {
    fn check(&self) -> Result<(), &'static str> {
        if self.refuse { Err("refused on purpose") } else { Ok(()) }
    }
}

impl Fault {
    fn named_by(request: &Request, header: &str) -> Result<Option<Self>> {
        let Some(name) = request.header(header) else { return Ok(None) };
        Ok(Some(match name.to_str()? {
            "trap" => Self::Trap,
            "unreachable" => Self::Unreachable,
            "spin" => Self::Spin,
            "grow" => Self::Grow,
            "overflow" => Self::Overflow,
            "fail" => Self::Fail,
            "reply" => Self::Reply,
            "bad-status" => Self::BadStatus,
            "bad-header" => Self::BadHeader,
            "hop-by-hop" => Self::HopByHop,
            "sticky" => Self::Sticky,
            unknown => return Err(format!("there is no fault {unknown:?}").into()),
        }))
    }

    /// What needs neither request nor response.
    fn commit(self) -> Result {
        match self {
            Self::Trap => panic!("a panic on purpose"),
            Self::Unreachable => unreachable_instruction(),
            Self::Spin => spin(),
            Self::Grow => grow(),
            Self::Overflow => Err(format!("{} levels were not enough", overflow(0)).into()),
            Self::Fail => Err("failed on purpose".into()),
            Self::Reply => Ok(Flow::reply(418).header("x-fault", "reply").body("a reply on purpose")),
            Self::BadStatus => Ok(Flow::reply(999).empty()),
            Self::Sticky => {
                STUCK.set(true);
                Ok(Flow::Next)
            }
            Self::BadHeader | Self::HopByHop => Err("made by the hooks themselves".into()),
        }
    }
}

/// What std seeds its hash tables with is as good as any.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

fn unreachable_instruction() -> ! {
    #[cfg(target_family = "wasm")]
    core::arch::wasm32::unreachable();
    #[cfg(not(target_family = "wasm"))]
    std::process::abort();
}

fn spin() -> ! {
    let mut turns = 0_u64;
    loop {
        turns = std::hint::black_box(turns.wrapping_add(1));
    }
}

fn grow() -> ! {
    let mut hoard: Vec<Vec<u8>> = Vec::new();
    loop {
        // Filled, because untouched memory might be optimised away.
        hoard.push(std::hint::black_box(vec![1; 1 << 20]));
    }
}

#[expect(unconditional_recursion, reason = "on purpose")]
fn overflow(depth: u64) -> u64 {
    let frame = std::hint::black_box([depth; 32]);
    overflow(depth + 1) + std::hint::black_box(frame[0])
}

#[cfg(test)]
mod tests;
