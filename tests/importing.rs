//! `tidegate import`, over the real executable: what it writes passes `tidegate check`, and what it leaves out is told.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

const FILE: &str = r#"
_format_version: "3.0"
services:
- name: orders
  url: http://10.0.0.1:8080/base
  routes:
  - name: orders
    paths: [/orders]
    plugins:
    - name: key-auth
      config: { key_names: [apikey], identity_realms: [{ scope: cp }] }
  - name: legacy
    paths: [/legacy, "~/x(?=y)"]
  - name: old
    paths: [/old]
    path_handling: v1
consumers:
- username: alice
  keyauth_credentials:
  - key: open-sesame
plugins:
- name: datadog
  config: { host: localhost }
routes:
- name: nowhere
  paths: [/nowhere]
"#;

fn tidegate(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tidegate")).current_dir(folder).args(arguments).output().unwrap()
}

#[test]
fn what_is_written_passes_the_check_and_the_rest_is_told() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("kong.yml"), FILE).unwrap();
    let refused = tidegate(folder.path(), &["import", "kong.yml", "--strict"]);
    assert_eq!((refused.status.code(), folder.path().join("gateway.toml").exists()), (Some(1), false));
    let imported = tidegate(folder.path(), &["import", "kong.yml"]);
    let told = String::from_utf8(imported.stderr).unwrap();
    assert_eq!(imported.status.code(), Some(0), "{told}");
    for place in [
        "services[0].routes[0].plugins[0].config.identity_realms: ",
        "services[0].routes[1]",
        "services[0].routes[2].path_handling: ",
        "plugins[0].name: there is no plugin \"datadog\"",
        "routes[0].service: ",
    ] {
        assert!(told.lines().any(|line| line.starts_with(place)), "{place} in\n{told}");
    }
    let checked = tidegate(folder.path(), &["check"]);
    assert_eq!(checked.status.code(), Some(0), "{}", String::from_utf8_lossy(&checked.stderr));
    let path = folder.path().join("gateway.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("key_names = [\"apikey\"]") && !text.contains("identity_realms"), "{text}");
    assert!(!text.contains("legacy") && text.contains("name = \"old\""), "{text}");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let again = tidegate(folder.path(), &["import", "kong.yml"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("gateway.toml is there already"));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn what_is_no_file_of_kongs_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("kong.yml"), "services: [").unwrap();
    for (file, expected) in [("kong.yml", "no declarative configuration"), ("none.yml", "none.yml")] {
        let refused = tidegate(folder.path(), &["import", file]);
        assert_eq!(refused.status.code(), Some(1));
        let told = String::from_utf8_lossy(&refused.stderr);
        assert!(told.contains(expected), "{told}");
        assert!(!folder.path().join("gateway.toml").exists());
    }
}
