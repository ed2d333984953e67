//! All settings of all bundled plugins: each makes a difference, and none takes what it does not know. Whatever is new
//! among them is looked at without a word here.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tidegate::config::checked;
use tidegate::host::engine::Engine;
use tidegate::host::library::{Library, bundled};
use tidegate::host::services::Services;
use tidegate::observe::metrics::Metrics;
use tidegate::store::counters::Counters;

use crate::harness::built;
use crate::harness::gateway::run_for;

/// For some hundred cases.
const PATIENCE: Duration = Duration::from_secs(300);

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Each bundled plugin with its schema.
fn schemas() -> Vec<(&'static str, Value)> {
    let counters = Counters::new(&checked::Counters::Memory, 1).unwrap();
    let services = Services::new(counters, Arc::new(Metrics::new(1)), 1);
    let mut library = Library::new(Engine::new(1).unwrap(), services, 1, None, None);
    let schema =
        |(name, wasm): &(&'static str, &[u8])| (*name, Value::clone(&library.component(wasm).unwrap().schema.json));
    bundled().iter().map(schema).collect()
}

/// Where a setting is: names, and `*` for each element of a list or each member of a table.
type Place = Vec<String>;

/// The places of all settings below `schema`, which stands at `place` in `root`.
fn settings(root: &Value, schema: &Value, place: &Place, found: &mut BTreeSet<Place>) {
    // None has settings within settings within settings within settings.
    if place.len() > 4 {
        return;
    }
    if let Some(reference) = schema["$ref"].as_str() {
        settings(root, root.pointer(reference.trim_start_matches('#')).unwrap(), place, found);
    }
    for either in ["anyOf", "oneOf", "allOf"] {
        for schema in schema[either].as_array().into_iter().flatten() {
            settings(root, schema, place, found);
        }
    }
    for every in ["items", "additionalProperties"] {
        if schema[every].is_object() {
            settings(root, &schema[every], &[&place[..], &["*".to_owned()]].concat(), found);
        }
    }
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        let place = [&place[..], std::slice::from_ref(name)].concat();
        settings(root, schema, &place, found);
        found.insert(place);
    }
}

/// Take the setting out of `config`; whether it was there.
fn take(config: &mut Value, place: &[String]) -> bool {
    match (place, config) {
        ([all, rest @ ..], Value::Array(elements)) if all == "*" => {
            elements.iter_mut().fold(false, |taken, element| take(element, rest) | taken)
        }
        ([all, rest @ ..], Value::Object(members)) if all == "*" => {
            members.values_mut().fold(false, |taken, member| take(member, rest) | taken)
        }
        ([name], Value::Object(members)) => members.remove(name).is_some(),
        ([name, rest @ ..], Value::Object(members)) => members.get_mut(name).is_some_and(|member| take(member, rest)),
        _ => false,
    }
}

/// The cases of a file, each once for every setting that it has, without that setting: `SETTING without: NAME`.
fn without(file: &Path, settings: &BTreeSet<Place>) -> Value {
    let mut file: Value = toml::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let common = file.as_object_mut().unwrap().remove("config").unwrap_or_else(|| json!({}));
    let cases = file["case"].take();
    let mut all = Vec::new();
    for case in cases.as_array().unwrap() {
        for place in settings {
            let mut case = case.clone();
            let mut config = case.get("config").unwrap_or(&common).clone();
            // What is expected to be refused says nothing about what a setting does.
            if take(&mut config, place) && case["expect"].get("refused").is_none() {
                case["config"] = config;
                case["name"] = format!("{} without: {}", place.join("."), case["name"].as_str().unwrap()).into();
                all.push(case);
            }
        }
    }
    file["case"] = all.into();
    file
}

#[test]
fn every_setting_has_a_case_that_comes_out_otherwise_without_it() {
    let mut missing = Vec::new();
    for (name, schema) in schemas() {
        let mut places = BTreeSet::new();
        settings(&schema, &schema, &Vec::new(), &mut places);
        let folder = tempfile::tempdir().unwrap();
        let mut arguments = vec!["plugin".to_owned(), "test".to_owned()];
        arguments.push(built(&format!("plugins/{name}.wasm")).to_str().unwrap().to_owned());
        for (number, file) in fs::read_dir(repository().join("plugins").join(name).join("cases")).unwrap().enumerate() {
            let cases = without(&file.unwrap().path(), &places);
            if !cases["case"].as_array().unwrap().is_empty() {
                let path = folder.path().join(format!("{number}.toml"));
                fs::write(&path, toml::to_string(&cases).unwrap()).unwrap();
                arguments.extend(["--case".to_owned(), path.to_str().unwrap().to_owned()]);
            }
        }
        let said = run_for(PATIENCE, folder.path(), &arguments.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(said.stdout.contains(" failed, in "), "{name}: {}{}", said.stdout, said.stderr);
        let failed: BTreeSet<&str> = said.stdout.lines().filter(|line| line.ends_with("... FAILED")).collect();
        for place in places {
            let setting = format!("  {} without: ", place.join("."));
            if !failed.iter().any(|line| line.starts_with(&setting)) {
                missing.push(format!("{name}: {}", place.join(".")));
            }
        }
    }
    assert!(missing.is_empty(), "no case comes out otherwise without\n  {}", missing.join("\n  "));
}

#[test]
fn every_schema_says_what_each_setting_is_for_and_refuses_what_it_cannot_be() {
    for (name, schema) in schemas() {
        let validator = jsonschema::validator_for(&schema).unwrap();
        assert!(!validator.is_valid(&json!({ "no such setting": 1 })), "{name} takes settings that it does not know");
        assert!(!validator.is_valid(&json!([])), "{name} takes what is no table");
        for (setting, described) in schema["properties"].as_object().into_iter().flatten() {
            assert!(described["description"].is_string(), "{name}: `{setting}` is not described");
            // Nothing takes all of these.
            let takes = [json!({ "a": { "b": [] } }), json!([[[0]]]), json!(true), json!(-1.5), json!("\u{0}")];
            let taken = takes.iter().filter(|value| {
                let config = json!({ setting: value });
                let place = format!("/{setting}");
                !validator.iter_errors(&config).any(|error| error.instance_path().as_str().starts_with(&place))
            });
            assert!(taken.count() < 3, "{name}: `{setting}` takes nearly everything");
        }
    }
}

#[test]
fn the_gateway_knows_no_bundled_plugin_by_its_name() {
    // A word that is a sink's kind as well.
    let words = ["syslog"];
    let mut sources = vec![repository().join("runtime/src"), repository().join("runtime/precompiled")];
    while let Some(path) = sources.pop() {
        if path.is_dir() {
            sources.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap().replace("\\\"", "\"");
            for (name, _) in bundled().iter().filter(|(name, _)| !words.contains(name)) {
                assert!(!text.contains(&format!("\"{name}\"")), "{} names the plugin {name}", path.display());
            }
        }
    }
}
