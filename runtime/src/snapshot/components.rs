//! The plugin files that a configuration lists, loaded: from where they are, or, if it says which one it has to be, from
//! wherever that one is.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::component_files::ComponentFiles;
use crate::config::checked::{Config, WasmFile};
use crate::config::faults::Faults;
use crate::config::file;
use crate::config::reader::Located;
use crate::config::values::Checksum;
use crate::host::component::Component;
use crate::host::library::{Library, bundled};
use crate::{generations, limits};

/// Every plugin that a configuration can name: `None` where loading failed, which is a fault already.
pub(super) type Components = HashMap<String, Option<Arc<Component>>>;

/// Load those that `config` lists.
pub(super) fn load(config: &Config, faults: &Faults, library: &mut Library) -> Components {
    let files = ComponentFiles::of(&config.state_dir);
    let mut components = Components::new();
    for listed in &config.components {
        let name = listed.name.value.as_str();
        if bundled().iter().any(|(bundled, _)| *bundled == name) {
            faults.at(&listed.name.span, format!("\"{name}\" is the name of a bundled plugin: choose another"));
        }
        components.insert(name.to_owned(), component(&listed.file, &files, faults, library));
    }
    components
}

fn component(
    file: &WasmFile,
    files: &ComponentFiles,
    faults: &Faults,
    library: &mut Library,
) -> Option<Arc<Component>> {
    let (wasm, path, span) = match file {
        WasmFile::At(path) => {
            let help = "build the plugin, or correct the path; a relative one starts at this file's folder";
            let refuse = |problem| faults.at_with_help(&path.span, format!("{} {problem}", path.value.display()), help);
            let wasm = file::read(&path.value, limits::COMPONENT_BYTES).map_err(refuse).ok()?;
            (wasm, path.value.clone(), &path.span)
        }
        WasmFile::Pinned { sha256, path } => {
            let (wasm, found) = pinned(sha256, path.as_ref(), files, faults)?;
            (wasm, found, &sha256.span)
        }
    };
    let loaded = library.component(&wasm);
    loaded.map_err(|error| faults.at_with_help(span, format!("{} {error}", path.display()), error.help())).ok()
}

/// The file with this SHA-256, and where it is.
fn pinned(
    sha256: &Located<Checksum>,
    path: Option<&Located<PathBuf>>,
    files: &ComponentFiles,
    faults: &Faults,
) -> Option<(Vec<u8>, PathBuf)> {
    let wanted = &sha256.value.0;
    let kept = files.path(wanted);
    let at_path = path.map(|path| (path, file::read(&path.value, limits::COMPONENT_BYTES)));
    let other = match at_path {
        Some((path, Ok(wasm))) => match generations::sha256(&wasm) {
            found if found == *wanted => return Some((wasm, path.value.clone())),
            found => format!("{} is another one, {found}, and ", path.value.display()),
        },
        Some((path, Err(problem))) => format!("{} {problem}, and ", path.value.display()),
        None => String::new(),
    };
    match files.read(wanted) {
        Ok(wasm) => Some((wasm, kept)),
        Err(problem) => {
            let help = "upload that plugin again, or leave `sha256` out to take whatever is at `path`";
            faults.at_with_help(&sha256.span, format!("{other}{} {problem}", kept.display()), help);
            None
        }
    }
}
