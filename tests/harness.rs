//! What the tests stand on: a gateway process, upstreams of every kind, a client.

pub mod client;
pub mod gateway;
pub mod upstream;

use std::path::PathBuf;
use std::time::Duration;

pub use client::{Answer, Client};
pub use gateway::{Gateway, one_route};
pub use upstream::Upstream;

/// Nothing here takes longer unless it hangs.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A plugin that `cargo xtask plugins` built, like `examples/blue.wasm`.
pub fn built(path: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let target = test.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file()).unwrap();
    let wasm = target.join(path);
    assert!(wasm.is_file(), "{} is missing: run `cargo xtask plugins`", wasm.display());
    wasm
}

/// Wait for `condition`, which is asked again and again.
pub async fn until<T>(what: &str, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let waiting = async {
        loop {
            if let Some(value) = condition().await {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("still waiting: {what}"))
}
