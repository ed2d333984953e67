//! `tidegate plugin inspect`: what a plugin is, as its file says.

use std::path::Path;

use super::{Loaded, load, settings, size};
use crate::host::component::{Component, Need, contract};

/// Load the plugin at `path`, and say what it is.
pub(super) fn run(path: &Path) -> anyhow::Result<()> {
    let Loaded { bytes, component } = load(path, None)?;
    let Component { name, version, priority, .. } = &*component;
    println!("{name} {version}, priority {priority}\n");
    println!("file       {}: {}, compiled {}", path.display(), size(bytes), size(component.compiled_bytes()));
    println!("contract   {}", contract());
    println!("hooks      {}", component.hooks().collect::<Vec<_>>().join(", "));
    let imports = component.imports();
    println!("imports    {}", imports.iter().filter_map(|name| own(name)).collect::<Vec<_>>().join(", "));

    // A sink of its own is granted by the settings that make it up.
    let has_to = |need: &&&Need| need.interface != "sink" || component.own_sink.is_none();
    let needs = component.needs.iter().filter(has_to).map(|need| (need.interface, need.key)).collect();
    list("has to be granted, where gateway.toml uses it:", needs);
    let uses = |package: &str| imports.iter().any(|import| import.starts_with(package));
    let wants = WASI.into_iter().filter(|(package, ..)| uses(package)).map(|(_, name, key)| (name, key)).collect();
    list("may be granted there, and is told \"not permitted\" otherwise:", wants);
    if let Some(own) = &component.own_sink {
        let instead = own.instead.as_ref().map(|setting| format!("; `{setting}` names one of [[sinks]] instead"));
        let kind = own.kind().unwrap_or("any");
        println!("\nits settings make up a sink of its own, of kind {kind}{}", instead.unwrap_or_default());
    }
    println!("\nsettings:");
    print!("{}", settings::table(&component.schema.json));
    Ok(())
}

/// What WASI has that can be granted: by package, in words, and the key that grants it.
const WASI: [(&str, &str, &str); 2] = [
    ("wasi:sockets/", "sockets", "grants = { sockets = [\"tcp://…:…\"] }"),
    ("wasi:filesystem/", "files", "grants = { files = [{ path = \"…\", at = \"/…\" }] }"),
];

fn list(title: &str, grants: Vec<(&str, &str)>) {
    if grants.is_empty() {
        return;
    }
    println!("\n{title}");
    let longest = grants.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, key) in grants {
        println!("  {name:longest$}  {key}");
    }
}

/// The name of one of the gateway's interfaces. What is WASI's, Rust's own library imports without being asked.
fn own(import: &str) -> Option<&str> {
    import.strip_prefix("tidegate:plugin/")?.split('@').next()
}
