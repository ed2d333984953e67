//! Where a new plugin's SDK comes from: the copy that is named, the repository that the plugin is made in, or the copy
//! that this executable carries.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use toml::{Table, Value};

include!(concat!(env!("OUT_DIR"), "/sdk.rs"));

/// The SDK of a new plugin.
pub(super) enum Sdk {
    /// Somewhere: an absolute path.
    Given(PathBuf),
    /// Of the repository around the plugin: the way there from the plugin's folder.
    Repository {
        path: PathBuf,
        /// Whether the repository's workspace takes the plugin for one of its own.
        member: bool,
        /// The way to the repository from the plugin's folder.
        root: PathBuf,
    },
    /// In the plugin's own folder.
    Carried,
}

impl Sdk {
    /// The one to use for a plugin made in `here`.
    pub(super) fn choose(given: Option<&Path>, here: &Path) -> anyhow::Result<Self> {
        if let Some(given) = given {
            if !is_sdk(given) {
                bail!("{} is no copy of the SDK: it has no Cargo.toml of tidegate-sdk", given.display());
            }
            return Ok(Self::Given(given.canonicalize()?));
        }
        let Some(root) = here.ancestors().find(|folder| is_sdk(&folder.join("plugin-sdk"))) else {
            return Ok(Self::Carried);
        };
        let below = here.strip_prefix(root)?;
        // One step more than `here` is deep: the plugin's own folder.
        let up: PathBuf = std::iter::repeat_n("..", below.components().count() + 1).collect();
        let member = takes(root, below)?;
        Ok(Self::Repository { path: up.join("plugin-sdk"), member, root: up })
    }

    /// As the dependency has it.
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Given(path) | Self::Repository { path, .. } => path,
            Self::Carried => Path::new("sdk/plugin-sdk"),
        }
    }

    /// For whoever has just made a plugin.
    pub(super) fn description(&self) -> String {
        match self {
            Self::Given(path) => format!("the SDK at {}", path.display()),
            Self::Repository { .. } => "this repository's SDK".to_owned(),
            Self::Carried => "this gateway's own SDK, unpacked into sdk/".to_owned(),
        }
    }

    /// For whoever reads the manifest.
    pub(super) fn note(&self) -> String {
        match self {
            Self::Given(_) => "The SDK that `tidegate plugin new --sdk` was given.".to_owned(),
            Self::Repository { .. } => "The SDK of this repository.".to_owned(),
            Self::Carried => format!(
                "The SDK of the gateway that made this crate, {}, whose executable carries it. Keep it with the plugin.",
                env!("CARGO_PKG_VERSION")
            ),
        }
    }

    /// Why the plugin is a workspace of its own, and what it leaves out; `None` if it is a member of another.
    pub(super) fn own_workspace(&self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Given(_) => Some(("A workspace of its own, so that cargo looks for none above this folder.", "")),
            Self::Repository { member: true, .. } => None,
            Self::Repository { .. } => {
                Some(("A workspace of its own: the repository's takes crates in its own folders only.", ""))
            }
            Self::Carried => {
                Some(("A workspace of its own, of which the SDK is none of the members.", "exclude = [\"sdk\"]\n"))
            }
        }
    }

    /// Where cargo puts the plugin, seen from its folder.
    pub(super) fn output(&self) -> String {
        let target = match self {
            Self::Repository { member: true, root, .. } => root.join("target"),
            _ => PathBuf::from("target"),
        };
        target.join("wasm32-wasip2/release").display().to_string()
    }

    /// Put the SDK into the plugin's `folder`, if that is where it belongs.
    pub(super) fn unpack(&self, folder: &Path) -> io::Result<()> {
        if !matches!(self, Self::Carried) {
            return Ok(());
        }
        for (path, text) in CARRIED {
            let file = folder.join("sdk").join(path);
            if let Some(folder) = file.parent() {
                fs::create_dir_all(folder)?;
            }
            match *path {
                "Cargo.toml" => fs::write(file, workspace(text).map_err(io::Error::other)?)?,
                _ => fs::write(file, text)?,
            }
        }
        Ok(())
    }
}

fn is_sdk(folder: &Path) -> bool {
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).ok().and_then(|text| text.parse::<Table>().ok());
    let name = manifest.as_ref().and_then(|manifest| manifest.get("package")?.get("name")?.as_str());
    name == Some("tidegate-sdk")
}

/// Whether the workspace at `root` has crates in its folder `below` for members.
fn takes(root: &Path, below: &Path) -> anyhow::Result<bool> {
    let manifest = root.join("Cargo.toml");
    let unreadable = || format!("{} cannot be read", manifest.display());
    let text = fs::read_to_string(&manifest).with_context(unreadable)?;
    let manifest: Table = text.parse().with_context(unreadable)?;
    let members = manifest.get("workspace").and_then(|workspace| workspace.get("members")?.as_array());
    let mut folders = members.into_iter().flatten().filter_map(|member| member.as_str()?.strip_suffix("/*"));
    Ok(folders.any(|folder| Path::new(folder) == below))
}

/// The workspace of the SDK's crates alone, from the manifest of the one that they come from.
fn workspace(manifest: &str) -> Result<String, String> {
    let manifest: Table = manifest.parse().map_err(|error| format!("{error}"))?;
    let mut workspace = manifest.get("workspace").and_then(Value::as_table).cloned().unwrap_or_default();
    let members = CARRIED.iter().filter_map(|(path, _)| path.strip_suffix("/Cargo.toml"));
    let members: Vec<Value> = members.map(|member| member.to_owned().into()).collect();
    workspace.insert("members".to_owned(), members.into());
    let mut own = Table::new();
    own.insert("workspace".to_owned(), workspace.into());
    toml::to_string(&own).map_err(|error| error.to_string())
}
