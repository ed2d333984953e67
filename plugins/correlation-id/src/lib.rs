//! Gives every request an id that upstreams and logs can follow it by, unless it brings one. Settings
//! are those of Kong's plugin of this name.

use std::cell::{Cell, OnceCell};
use std::fmt;

use tidegate_sdk::prelude::*;

/// Which header carries the id, and how ids are made.
#[derive(Config)]
#[config(validate = Settings::check)]
struct Settings {
    /// Header that carries the id.
    #[config(default = HeaderName::from_static("kong-request-id"))]
    header_name: HeaderName,
    /// How ids are made.
    #[config(default = Generator::UuidCounter)]
    generator: Generator,
    /// Tell the client the id, too.
    #[config(default = false)]
    echo_downstream: bool,
}

#[derive(Config)]
enum Generator {
    /// A random UUID for each request.
    #[serde(rename = "uuid")]
    Uuid,
    /// A random UUID for each instance of the plugin, and the number of the request there.
    #[serde(rename = "uuid#counter")]
    UuidCounter,
}

impl RequestHook<Result> for Settings {
    fn on_request(&self, request: &mut Request) -> Result {
        let brought = request.header(&self.header_name).filter(|id| !id.is_empty());
        let id = match brought {
            Some(id) => id,
            None => {
                let id = HeaderValue::from(self.generator.make()?);
                request.set_header(&self.header_name, &id);
                id
            }
        };
        if self.echo_downstream {
            exchange::set(SCRATCH_KEY, &id);
        }
        Ok(Flow::Next)
    }
}

impl ResponseHook for Settings {
    fn on_response(&self, response: &mut Response, _: &Request) -> Flow {
        if let Some(id) = exchange::get(SCRATCH_KEY) {
            response.set_header(&self.header_name, id);
        }
        Flow::Next
    }

    fn needed(&self) -> bool {
        self.echo_downstream
    }
}

export!(Settings: RequestHook, ResponseHook, priority = 100_001);

impl Settings {
    fn check(&self) -> Result<(), String> {
        // `host` would never be given an id, as there always is one.
        if self.header_name.is_gateways() || self.header_name.as_str() == "host" {
            return Err(format!("header_name: {} is taken by HTTP itself", self.header_name));
        }
        Ok(())
    }
}

/// Where the request hook leaves the id for the response hook.
const SCRATCH_KEY: &str = "id";

thread_local! {
    /// Drawn by the first request and not when the plugin is configured: instances may be copies of
    /// one that was configured, and must not share it. As text, which takes longer than all the rest.
    static OF_INSTANCE: OnceCell<String> = const { OnceCell::new() };
    static COUNTER: Cell<u64> = const { Cell::new(0) };
}

impl Generator {
    fn make(&self) -> Result<String, getrandom::Error> {
        match self {
            Self::Uuid => Ok(Uuid::random()?.to_string()),
            Self::UuidCounter => OF_INSTANCE.with(|uuid| {
                let uuid = match uuid.get() {
                    Some(uuid) => uuid,
                    None => {
                        let drawn = Uuid::random()?.to_string();
                        uuid.get_or_init(|| drawn)
                    }
                };
                COUNTER.set(COUNTER.get() + 1);
                Ok([uuid, "#", &COUNTER.get().to_string()].concat())
            }),
        }
    }
}

/// A UUID of version 4 (RFC 9562, section 5.4).
struct Uuid(u128);

impl Uuid {
    fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)?;
        let version = 0xf << 76;
        let variant = 0b11 << 62;
        let random = u128::from_be_bytes(bytes) & !(version | variant);
        Ok(Self(random | 4 << 76 | 0b10 << 62))
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (high, low) = (self.0 >> 64, self.0 & u128::from(u64::MAX));
        let (time_low, time_mid, time_high) = (high >> 32, high >> 16 & 0xffff, high & 0xffff);
        write!(f, "{time_low:08x}-{time_mid:04x}-{time_high:04x}-{:04x}-{:012x}", low >> 48, low & 0xffff_ffff_ffff)
    }
}

#[cfg(test)]
mod tests;
