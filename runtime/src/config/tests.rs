use super::*;

mod admin;
mod certificates;
mod sinks;

fn faults(text: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.toml");
    std::fs::write(&path, text).unwrap();
    let report = match load(&path) {
        Ok((_, faults)) => faults.into_report(),
        Err(report) => report,
    };
    report.faults().iter().map(|fault| fault.message.clone()).collect()
}

const LISTENER: &str = "listeners = [{ address = \"127.0.0.1:8000\" }]\n";

#[test]
fn an_empty_file_lacks_a_listener() {
    assert_eq!(faults(""), ["no listener: nobody could connect"]);
    assert_eq!(faults(LISTENER), [""; 0]);
}

#[test]
fn a_document_that_is_not_toml_is_not_read_further() {
    let found = faults("a = \nunknown = 1\n[b\n");
    assert!(found.len() >= 2 && found.iter().all(|fault| fault.starts_with("not TOML")), "{found:?}");
}

#[test]
fn every_kind_of_table_names_what_is_missing() {
    let text = "upstreams = [{}]\nservices = [{ routes = [{}] }]\nconsumers = [{ credentials = [{}] }]\n\
                plugins = [{}]\n[components.a]\n";
    let found = faults(&format!("{LISTENER}{text}"));
    for key in ["name", "url", "username", "kind", "key", "use", "path"] {
        assert!(found.contains(&format!("`{key}` is missing")), "{key}: {found:?}");
    }
    assert!(found.contains(&"an upstream needs targets".to_owned()), "{found:?}");
    assert!(found.contains(&"a route needs something to match".to_owned()), "{found:?}");
}

#[test]
fn values_are_held_to_their_types_and_bounds() {
    for (text, expected) in [
        ("workers = 0", "`workers` must be from 1 to 1024, not 0"),
        ("workers = 99999999999999999999", "`workers` must be from 1 to 1024, not 99999999999999999999"),
        ("workers = \"2\"", "`workers` must be a whole number, not a string"),
        ("services = {}", "`services` must be an array, not a table"),
        ("services = [1]", "a service must be a table, not a whole number"),
        ("plugins = [{ use = \"a\", limits = { time = \"2s\" } }]", "`time` is at most 1s"),
        ("plugins = [{ use = \"a\", limits = { memory = \"1B\" } }]", "`memory` is from 64KiB to 4GiB"),
        ("plugins = [{ use = \"a\" }, { use = \"a\" }]", "\"a\" is used twice in one list"),
        (
            "plugins = [{ use = \"a\", config = { x = nan } }]",
            "JSON, which plugins are configured in, has no such number",
        ),
        ("counters = 1", "`counters` must be a table, not a whole number"),
        ("counters = { kind = \"redis\" }", "`url` is missing"),
        ("counters = { kind = \"postgres\", url = \"x\" }", "`kind` is \"memory\" or \"redis\", not \"postgres\""),
        ("counters = { on_failure = \"open\" }", "`on_failure` goes unheard without Redis"),
        (
            "counters = { kind = \"redis\", url = \"redis://h\", on_failure = \"never\" }",
            "`on_failure` is \"local\", \"open\" or \"closed\", not \"never\"",
        ),
        ("counters = { kind = \"redis\", url = \"redis://h\", timeout = \"11s\" }", "`timeout` is at most 10s"),
        (
            "counters = { kind = \"redis\", url = \"sha256:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b\" }",
            "the secret itself is needed here, not its digest",
        ),
        (
            "counters = { kind = \"redis\", url = \"env:TIDEGATE_NO_SUCH_VARIABLE\" }",
            "the environment variable `TIDEGATE_NO_SUCH_VARIABLE` is not set",
        ),
        (
            "upstreams = [{ name = \"u\", targets = [{ address = \"a:1\", weight = 65536 }] }]",
            "`weight` must be from 0 to 65535, not 65536",
        ),
    ] {
        assert_eq!(faults(&format!("{LISTENER}{text}")), [expected], "{text}");
    }
}

#[test]
fn a_key_belongs_to_one_consumer_however_it_is_written() {
    let text = "consumers = [\n\
        { username = \"a\", credentials = [{ kind = \"badge\", key = \"secret\" }] },\n\
        { username = \"b\", credentials = [{ kind = \"badge\", key = \
        \"sha256:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b\" }] },\n\
        { username = \"c\", credentials = [{ kind = \"other\", key = \"secret\" }] },\n]";
    let found = faults(&format!("{LISTENER}{text}"));
    assert_eq!(found, ["this badge key belongs to \"a\" already"]);
}

#[test]
fn a_consumer_is_told_from_every_other_and_a_credential_has_one_key() {
    let text = "consumers = [\n\
        { username = \"a\", custom_id = \"1\", credentials = [{ kind = \"k\", key = \"x\", username = \"y\" }] },\n\
        { username = \"b\", custom_id = \"1\", credentials = [{ kind = \"k\", username = \"u\", secret = \"sha256:00\" }] },\n\
        { username = \"c\", credentials = [{ kind = \"k\", key = \"z\", sercet = \"s\" }, { kind = \"k\" }] },\n]";
    let found = faults(&format!("{LISTENER}{text}"));
    assert_eq!(
        found,
        [
            "a credential has a `key` or a `username`, not both",
            "there is another custom_id named \"1\"",
            "`secret`: `sha256:` is followed by 64 hexadecimal digits",
            "unknown key `sercet`",
            "`key` is missing",
        ]
    );
}

#[test]
fn a_use_is_narrowed_to_what_there_is_and_once_for_each() {
    let services = "services = [\n\
        { name = \"shop\", url = \"http://h\", routes = [\n\
          { name = \"orders\", paths = [\"/o\"], plugins = [{ use = \"a\" }, { use = \"a\", service = \"shop\" }] },\n\
          { name = \"off\", paths = [\"/off\"], enabled = false }] },\n\
        { name = \"blog\", url = \"http://h\", enabled = false }]\n";
    let consumer =
        |uses: &str| faults(&format!("{LISTENER}{services}consumers = [{{ username = \"a\", plugins = [{uses}] }}]"));
    let fine = "{ use = \"a\" }, { use = \"a\", route = \"orders\" }, { use = \"a\", service = \"shop\" }, \
                { use = \"a\", route = \"orders\", service = \"shop\" }, { use = \"b\", route = \"off\" }, \
                { use = \"b\", service = \"blog\" }, { use = \"b\", service = \"blog\", enabled = false }";
    assert_eq!(consumer(fine), [""; 0]);
    for (uses, expected) in [
        ("{ use = \"a\", route = \"order\" }", "there is no route \"order\""),
        ("{ use = \"a\", service = \"orders\" }", "there is no service \"orders\""),
        ("{ use = \"a\", route = \"orders\", service = \"blog\" }", "route \"orders\" belongs to service \"shop\""),
        ("{ use = \"a\" }, { use = \"a\" }", "\"a\" is used twice in one list"),
        ("{ use = \"a\", route = \"orders\" }, { use = \"a\", route = \"orders\" }", "\"a\" is used twice in one list"),
        ("{ use = \"a\", consumer = \"b\" }", "unknown key `consumer`"),
    ] {
        assert_eq!(consumer(uses), [expected], "{uses}");
    }
    for (text, expected) in [
        ("plugins = [{ use = \"a\", route = \"r\" }]", "unknown key `route`"),
        (
            "services = [{ name = \"s\", url = \"http://h\", routes = [\
             { name = \"r\", paths = [\"/\"], plugins = [{ use = \"a\", service = \"t\" }] }] }]",
            "this route belongs to service \"s\"",
        ),
    ] {
        assert_eq!(faults(&format!("{LISTENER}{text}")), [expected], "{text}");
    }
}

#[test]
fn no_report_shows_a_secret() {
    for text in [
        "consumers = [{ username = \"a\", nickname = 1, credentials = [{ kind = \"k\", key = \"sesame\", color = 1 }] }]",
        "consumers = [{ username = \"a\", credentials = [{ kind = \"k\", username = \"u\", password = \"sesame\", secret = [\"sesame\"] }] }]",
        "consumers = [{ username = \"a\", credentials = [{ kind = \"k\", key = \"sesame\" }, { kind = \"k\", key = \"sesame\" }] }]",
        "consumers = [{ username = \"a\", credentials = [{ kind = \"k\", key = \"sesame\", }] }] x",
        "consumers = [{ credentials = [{ key = \"sesame",
        "counters = { kind = \"redis\", url = \"redis://:sesame@h/db\" }",
        "counters = { kind = \"redis\", url = \"http://sesame\" }",
        "counters = { kind = \"redis\", url = \"redis://:sesame@h\", urn = 1 }",
        "counters = { kind = \"radish\", url = \"redis://:sesame@h\" }",
        "counters = { url = \"redis://:sesame@h\" }",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateway.toml");
        std::fs::write(&path, format!("{LISTENER}{text}")).unwrap();
        let report = match load(&path) {
            Ok((_, faults)) => faults.into_report(),
            Err(report) => report,
        };
        let shown = report.to_string();
        assert!(!report.faults().is_empty() && !shown.contains("sesame"), "{shown}");
    }
}

#[test]
fn secrets_come_from_files_without_their_last_newline_and_those_are_watched() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("key"), "secret\n").unwrap();
    let credential = "consumers = [{ username = \"a\", credentials = [{ kind = \"badge\", key = \"file:key\" }] }]";
    let path = folder.path().join("gateway.toml");
    std::fs::write(&path, format!("{LISTENER}{credential}")).unwrap();
    let (config, faults) = load(&path).unwrap();
    assert!(faults.is_empty());
    assert_eq!(config.watched, [folder.path().join("key")]);
    use sha2::{Digest, Sha256};
    assert_eq!(config.consumers[0].credentials[0].digest, <[u8; 32]>::from(Sha256::digest("secret")));
}

#[test]
fn counters_are_in_memory_unless_redis_is_named() {
    use super::checked::{Counters, OnOutage};
    let folder = tempfile::tempdir().unwrap();
    let read = |text: &str| {
        let path = folder.path().join("gateway.toml");
        std::fs::write(&path, format!("{LISTENER}{text}")).unwrap();
        let (config, faults) = load(&path).unwrap();
        assert_eq!(faults.into_result(()).map_err(|report| report.to_string()), Ok(()));
        config
    };
    for text in ["", "[counters]", "[counters]\nkind = \"memory\""] {
        assert_eq!(read(text).counters, Counters::Memory);
    }
    std::fs::write(folder.path().join("redis"), "redis://:sesame@redis.example.com:7000/2\n").unwrap();
    let config = read("[counters]\nkind = \"redis\"\nurl = \"file:redis\"");
    assert_eq!(config.watched, [folder.path().join("redis")]);
    let Counters::Redis { url, timeout, on_failure } = &config.counters else { panic!("{:?}", config.counters) };
    assert_eq!(url.connection().addr().to_string(), "redis.example.com:7000");
    assert_eq!((*timeout, *on_failure), (crate::limits::COUNTERS_TIMEOUT, OnOutage::Local));
    assert!(!format!("{config:?}").contains("sesame"));
    let text = "counters = { kind = \"redis\", url = \"redis://h\", timeout = \"1s\", on_failure = \"closed\" }";
    let Counters::Redis { timeout, on_failure, .. } = read(text).counters else { panic!("{text}") };
    assert_eq!((timeout, on_failure), (std::time::Duration::from_secs(1), OnOutage::Closed));
}

#[test]
fn plugin_config_becomes_json_with_places() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.toml");
    let text = format!(
        "{LISTENER}plugins = [{{ use = \"a\", config = {{ \"x/y\" = [1, {{ z = 0x10 }}], d = 2020-01-01 }} }}]"
    );
    std::fs::write(&path, &text).unwrap();
    let (config, faults) = load(&path).unwrap();
    assert!(faults.is_empty());
    let config = &config.plugins[0].config;
    assert_eq!(config.json, serde_json::json!({ "x/y": [1, { "z": 16 }], "d": "2020-01-01" }));
    let place = &config.places["/x~1y/1/z"];
    assert_eq!(&text[place.value.clone()], "0x10");
}

#[test]
fn a_relative_path_starts_at_the_files_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.toml");
    std::fs::write(&path, format!("{LISTENER}[components.a]\npath = \"x/a.wasm\"\n")).unwrap();
    let (config, _) = load(&path).unwrap();
    let super::checked::WasmFile::At(found) = &config.components[0].file else { panic!("{config:?}") };
    assert_eq!(found.value, folder.path().join("x/a.wasm"));
    assert_eq!(Path::new("gateway.toml").parent(), Some(Path::new("")), "and without one, where the gateway runs");
}
