//! Compiled plugins are kept from start to start, and what is kept is never believed if it is not what it was.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::harness::gateway::run;
use crate::harness::{Upstream, built, folder, one_route};

fn entries(folder: &Path) -> Vec<PathBuf> {
    let listing = std::fs::read_dir(folder.join("kept/plugins")).unwrap();
    let mut entries: Vec<_> = listing.map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries
}

#[tokio::test]
async fn a_plugin_is_compiled_once_and_what_was_kept_is_made_anew_if_it_is_broken() {
    let upstream = Upstream::echo("u").await;
    let config = format!(
        "plugin_cache = \"kept\"\nplugins = [{{ use = \"key-auth\" }}]\n{}\n[components.w]\npath = \"w.wasm\"\n",
        one_route(upstream.address, "plugins = [{ use = \"w\" }]")
    );
    let folder = folder(&config, &[("w.wasm", &built("guests/witness.wasm"))]);
    let check = || {
        let outcome = run(folder.path(), &["check"]);
        assert_eq!(outcome.status.code(), Some(0), "{}", outcome.stderr);
        outcome.stderr
    };
    check();
    let first = entries(folder.path());
    assert_eq!(first.len(), 2, "one for each plugin");
    let kept: Vec<_> = first.iter().map(|path| std::fs::read(path).unwrap()).collect();
    check();
    assert_eq!(entries(folder.path()), first);

    let mut broken = kept[0].clone();
    let middle = broken.len() / 2;
    broken[middle] ^= 1;
    std::fs::write(&first[0], broken).unwrap();
    std::fs::write(&first[1], &kept[1][..100]).unwrap();
    check();
    let again: Vec<_> = first.iter().map(|path| std::fs::read(path).unwrap().len()).collect();
    assert_eq!(again, [kept[0].len(), kept[1].len()]);

    // Where others could put something to run, nothing is read.
    std::fs::set_permissions(folder.path().join("kept/plugins"), std::fs::Permissions::from_mode(0o777)).unwrap();
    assert!(check().contains("nobody else may be able to write to it"));
}
