//! How ids are made.

use std::cell::{Cell, OnceCell};
use std::time::{SystemTime, UNIX_EPOCH};

use tidegate_sdk::Config;
use tidegate_sdk::exchange;

use crate::uuid::{self, Text};

#[derive(Config)]
pub(crate) enum Generator {
    /// A random UUID (version 4) for each request.
    #[serde(rename = "uuid")]
    Uuid,
    /// A UUID that begins with the time (version 7).
    #[serde(rename = "uuid-v7")]
    UuidV7,
    /// A random UUID for each instance of the plugin, and the number of the request there.
    #[serde(rename = "uuid#counter")]
    UuidCounter,
    /// Where the client connected to, and when: `ADDRESS-PORT-INSTANCE-CLIENTPORT-NUMBER-SECONDS`.
    #[serde(rename = "tracker")]
    Tracker,
}

thread_local! {
    /// Drawn by the first request and not when the plugin is configured: instances may be copies of one that was
    /// configured, and must not share it. As text, which takes longer than all the rest.
    static INSTANCE: OnceCell<Text> = const { OnceCell::new() };
    static NUMBER: Cell<u64> = const { Cell::new(0) };
}

impl Generator {
    pub(crate) fn make(&self) -> Result<Vec<u8>, getrandom::Error> {
        match self {
            Self::Uuid => uuid::v4().map(Vec::from),
            Self::UuidV7 => uuid::v7().map(Vec::from),
            Self::UuidCounter => {
                let (instance, number) = (instance()?, next_number());
                Ok([&instance[..], b"#", itoa::Buffer::new().format(number).as_bytes()].concat())
            }
            Self::Tracker => {
                let instance = instance()?;
                let instance = instance.split(|byte| *byte == b'-').next().unwrap_or_default();
                Ok(tracker(&String::from_utf8_lossy(instance), next_number()).into_bytes())
            }
        }
    }
}

fn tracker(instance: &str, number: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let (seconds, millis) = (now.as_secs(), now.subsec_millis());
    let (address, port, client_port) = (exchange::local_ip(), exchange::local_port(), exchange::client_port());
    format!("{address}-{port}-{instance}-{client_port}-{number}-{seconds}.{millis:03}")
}

/// What this instance is called.
fn instance() -> Result<Text, getrandom::Error> {
    INSTANCE.with(|known| match known.get() {
        Some(instance) => Ok(*instance),
        None => uuid::v4().map(|drawn| *known.get_or_init(|| drawn)),
    })
}

fn next_number() -> u64 {
    NUMBER.set(NUMBER.get() + 1);
    NUMBER.get()
}
