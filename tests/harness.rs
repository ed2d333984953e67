//! What the tests stand on: a gateway process, upstreams of every kind, clients, certificates, a name server.

pub mod access;
pub mod admin;
pub mod certs;
pub mod client;
pub mod dns;
pub mod gateway;
pub mod nameserver;
pub mod origin;
pub mod program;
pub mod raw;
pub mod receiver;
pub mod session;
pub mod tls;
pub mod upstream;
pub mod wire;

use std::path::PathBuf;
use std::time::Duration;

pub use client::{Answer, Client};
pub use gateway::{Gateway, folder, one_route};
pub use origin::Origin;
pub use receiver::Receiver;
pub use session::Session;
pub use upstream::Upstream;

/// The executable.
pub const TIDEGATE: &str = match option_env!("CARGO_BIN_EXE_tidegate") {
    Some(path) => path,
    None => "tidegate",
};

/// Nothing here takes longer unless it hangs.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Where everything is built.
pub fn target() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file()).unwrap().to_owned()
}

/// A plugin that `cargo xtask plugins` built, like `examples/blue.wasm`.
pub fn built(path: &str) -> PathBuf {
    let wasm = target().join(path);
    assert!(wasm.is_file(), "{} is missing: run `cargo xtask plugins`", wasm.display());
    wasm
}

/// Wait for `condition`, which is asked again and again.
pub async fn until<T>(what: &str, condition: impl AsyncFnMut() -> Option<T>) -> T {
    within(PATIENCE, condition).await.unwrap_or_else(|| panic!("still waiting: {what}"))
}

/// As [`until`], for at most `limit`, and without a panic.
pub async fn within<T>(limit: Duration, mut condition: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let waiting = async {
        loop {
            if let Some(value) = condition().await {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(limit, waiting).await.ok()
}
