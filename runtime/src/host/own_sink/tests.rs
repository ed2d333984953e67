use std::collections::HashMap;

use serde_json::json;

use super::*;

fn schema(annotation: &Json) -> Json {
    json!({
        "type": "object",
        "properties": {
            "host": { "type": "string" },
            "port": { "type": "integer", "default": 514 },
            "delay": { "type": "number" },
            "headers": { "type": "object" },
            "queue": { "anyOf": [{ "$ref": "#/$defs/Queue" }, { "type": "null" }] },
            "sink": { "type": "string" },
            "socket": { "type": "string" },
            "elsewhere": { "type": "string", "default": "/elsewhere" },
        },
        "$defs": { "Queue": { "properties": { "size": { "type": "integer", "default": 7 } } } },
        "x-sink": annotation,
    })
}

/// A config whose every setting stands at the byte that its index says.
fn config(json: Json) -> PluginConfig {
    let places = json.as_object().into_iter().flatten().enumerate();
    let place = |at: usize| Place { key: Some(at..at), value: at..at + 1 };
    let places = places.map(|(at, (name, _))| (format!("/{name}"), place(at)));
    let places: HashMap<_, _> = places.chain([("/headers/a".to_owned(), place(77))]).collect();
    PluginConfig { json, span: 99..99, places }
}

fn own(definition: &Json) -> OwnSink {
    OwnSink::of(&schema(&json!({ "instead": "sink", "definition": definition }))).unwrap().unwrap()
}

#[test]
fn settings_take_the_place_of_their_names() {
    let own = own(&json!({
        "kind": "tcp", "address": "{host}:{port}", "headers": "{headers}", "retry": { "max_wait": "{delay*1000}ms" },
        "batch": { "max_records": "{queue.size}" }, "tls": true,
    }));
    assert_eq!(own.kind(), Some("tcp"));
    let made = own.definition(&config(json!({ "delay": 0.25, "headers": { "a": "b" }, "host": "logs" })));
    let expected = json!({
        "kind": "tcp", "address": "logs:514", "headers": { "a": "b" }, "retry": { "max_wait": "250ms" },
        "batch": { "max_records": 7 }, "tls": true,
    });
    assert_eq!(made.json, expected);
    let at = |pointer: &str| made.places[pointer].value.start;
    assert_eq!((at("/address"), at("/headers"), at("/headers/a"), at("/retry/max_wait")), (2, 1, 77, 0));
    assert_eq!(made.places.get("/kind"), None);
}

#[test]
fn what_is_left_out_is_left_out_of_the_sink() {
    let own = own(&json!({ "kind": "tcp", "address": "{host}:{port}", "retry": { "max_wait": "{delay*1000}ms" } }));
    assert_eq!(own.definition(&config(json!({ "host": null }))).json, json!({ "kind": "tcp" }));
}

#[test]
fn another_sink_can_be_named_in_its_place() {
    let own = own(&json!({ "kind": "tcp", "address": "{host}:{port}" }));
    let named = config(json!({ "port": 1, "sink": "elastic" }));
    assert_eq!(own.named(&named), Some(("elastic", &(1..2))));
    assert_eq!(own.settings(&named), [("port".to_owned(), &(0..0))]);
    assert_eq!(own.named(&config(json!({ "host": "logs" }))), None);
}

#[test]
fn faults_speak_of_the_settings() {
    let own = own(&json!({ "kind": "tcp", "address": "{host}:{port}", "batch": { "max_records": "{queue.size}" } }));
    let nothing = config(json!({}));
    assert_eq!(own.reworded("`address` is missing", &nothing), "`host` is missing");
    let words = own.reworded("`max_records` must be from 1 to 5, not 0", &nothing);
    assert_eq!(words, "`queue.size` must be from 1 to 5, not 0");
}

#[test]
fn the_first_of_several_whose_settings_are_there_counts() {
    let own = own(&json!({ "kind": "udp", "address": ["unix:{socket}", "{host}:{port}"] }));
    let address = |json: Json| own.definition(&config(json)).json.get("address").cloned();
    assert_eq!(address(json!({ "host": "logs" })), Some(json!("logs:514")));
    assert_eq!(address(json!({ "socket": "/dev/log" })), Some(json!("unix:/dev/log")));
    assert_eq!(address(json!({})), None);
    // What is said besides goes unheard, and faults speak of what counts.
    let both = config(json!({ "a": 0, "host": "logs", "port": 1, "socket": "/dev/log" }));
    assert_eq!(own.definition(&both).places["/address"].value, 3..4);
    let instead = "`socket`".to_owned();
    let expected = [("host".to_owned(), &(1..1), instead.clone()), ("port".to_owned(), &(2..2), instead)];
    assert_eq!(own.unheard(&both), expected);
    assert_eq!(own.unheard(&config(json!({ "host": "logs", "port": 1 }))), []);
    assert_eq!(own.reworded("`address` is bad", &both), "`socket` is bad");
    assert_eq!(own.reworded("`address` is bad", &config(json!({ "host": "a b" }))), "`host` is bad");
    assert_eq!(own.reworded("`address` is missing", &config(json!({}))), "`socket`, or `host` is missing");
    assert_eq!(own.settings(&both).len(), 3);
}

#[test]
fn an_annotation_that_leads_nowhere_is_refused() {
    let wrong = [
        (json!(3), "a table `definition`"),
        (json!({ "definition": "file" }), "a table `definition`"),
        (json!({ "definition": {}, "instead": "none" }), "a setting `none` that there is not"),
        (json!({ "definition": { "path": "{pth}" } }), "a setting `pth` that there is not"),
        (json!({ "definition": { "path": "{queue.sze}" } }), "a setting `queue.sze` that there is not"),
        (json!({ "definition": { "path": "{host" } }), "a `{` without its `}`"),
        (json!({ "definition": { "path": "{delay*ms}" } }), "multiplies by no number"),
        (json!({ "definition": { "a": { "b": { "c": {} } } } }), "more tables within tables"),
        (json!({ "definition": { "path": "/etc/cron.d/x" } }), "says `path` itself"),
        (json!({ "definition": { "path": "/var/log/{host}" } }), "says `path` itself"),
        (json!({ "definition": { "path": "{elsewhere}" } }), "says `path` itself"),
        (json!({ "definition": { "url": "https://example.com/" } }), "says `url` itself"),
        (json!({ "definition": { "headers": { "x": "env:TOKEN" } } }), "says `headers` itself"),
        (json!({ "definition": { "ca": "file.pem" } }), "says `ca` itself"),
        (json!({ "definition": { "address": "example.com:{port}" } }), "says `address` itself"),
        (json!({ "definition": { "address": "{elsewhere}:{port}" } }), "says `address` itself"),
        (json!({ "definition": { "address": "{host}.example.com:{port}" } }), "says `address` itself"),
        (json!({ "definition": { "address": "unix:/dev/log" } }), "says `address` itself"),
        (json!({ "definition": { "address": "unix:{elsewhere}" } }), "says `address` itself"),
        (json!({ "definition": { "address": "unix:/dev/{host}" } }), "says `address` itself"),
        (json!({ "definition": { "address": "unix:{host}{port}" } }), "says `address` itself"),
        (json!({ "definition": { "address": ["unix:{socket}", "unix:/dev/log"] } }), "says `address` itself"),
        (json!({ "definition": { "path": ["{host}", "{socket}"] } }), "says `path` itself"),
        (json!({ "definition": { "address": [[["{host}"]]] } }), "more tables within tables"),
    ];
    for (annotation, words) in wrong {
        let error = OwnSink::of(&schema(&annotation)).unwrap_err();
        assert!(error.contains(words), "{annotation}: {error}");
    }
    assert_eq!(OwnSink::of(&json!({ "properties": {} })), Ok(None));
}
