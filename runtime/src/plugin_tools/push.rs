//! `tidegate plugin push`: a plugin's file to a gateway that runs, which checks it and puts it in place, or says why not.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use bytes::Bytes;
use clap::Args;
use http::Method;

use super::size;
use crate::admin_client::{Access, AdminClient, field, segment};
use crate::config::file;
use crate::config::values::Name;
use crate::generations::sha256;
use crate::limits;

/// What is pushed, where to, and as whom.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The plugin.
    #[arg(value_name = "FILE.wasm")]
    plugin: PathBuf,
    /// The gateway's admin API: http://HOST:PORT, https://HOST:PORT or unix:/PATH.
    #[arg(long, value_name = "URL")]
    to: String,
    /// What gateway.toml's `[components]`, and the uses of it, call the plugin. Without it, the file's own name without
    /// its ending.
    #[arg(long = "as", value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    access: Access,
}

/// Push it.
pub(super) fn run(Arguments { plugin, to, name, access }: &Arguments) -> anyhow::Result<()> {
    let wasm =
        file::read(plugin, limits::COMPONENT_BYTES).map_err(|problem| anyhow!("{} {problem}", plugin.display()))?;
    let name = match name {
        Some(name) => name.clone(),
        None => own_name(plugin).with_context(|| format!("{} has no name: --as NAME", plugin.display()))?,
    };
    name.parse::<Name>().map_err(|problem| anyhow!("\"{name}\": {problem}: --as NAME says another one"))?;
    let client = AdminClient::new(to, access)?;
    let path = format!("/components/{}", segment(&name));
    // Whoever may not come in learns that before all of a large file is under way.
    let before = client.look(&path)?;
    let (bytes, digest) = (wasm.len(), sha256(&wasm));
    let made = client.order(Method::PUT, &format!("{path}?sha256={digest}"), Bytes::from(wasm))?;
    let after = client.look(&path)?.unwrap_or_default();
    let version =
        |component: &serde_json::Value| format!("{} {}", field(component, "plugin"), field(component, "version"));
    println!("component   {name}, of {}, sha256 {digest}", size(bytes));
    let digest_is = |found: &serde_json::Value| found.get("sha256").is_some_and(|sha256| *sha256 == *digest);
    if digest_is(&after) {
        println!("plugin      {}", version(&after));
    }
    match before {
        Some(before) if digest_is(&before) => println!("before      the same"),
        Some(before) => println!("before      {}, sha256 {}", version(&before), field(&before, "sha256")),
        None => println!("before      none: a use of it in gateway.toml, or POST /plugins, puts it to work"),
    }
    if let Some(generation) = made.generation {
        println!("generation  {generation} serves it");
    }
    Ok(())
}

fn own_name(plugin: &Path) -> Option<String> {
    Some(plugin.file_stem()?.to_str()?.to_owned())
}
