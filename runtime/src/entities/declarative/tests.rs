use serde_json::json;

use super::*;

/// As `deck gateway dump` writes them.
const DUMP: &str = r#"
_format_version: "3.0"
consumers:
- username: alice
  custom_id: a-1
  id: 0f1c6d3e-7f5d-4a07-8f5e-1d2b0a8c9e01
  tags: [people]
  acls:
  - group: gold
  keyauth_credentials:
  - key: open-sesame
    tags: [people]
  jwt_secrets:
  - algorithm: HS256
    key: alice-jwt
    secret: not-so-secret
  plugins:
  - name: any-limits
    route: orders-v1
    config: { minute: 5, policy: local, redis: null }
services:
- name: orders
  connect_timeout: 60000
  enabled: true
  host: orders-upstream
  port: 80
  protocol: http
  read_timeout: 60000
  retries: 5
  write_timeout: 60000
  client_certificate: null
  routes:
  - name: orders-v1
    https_redirect_status_code: 426
    path_handling: v0
    paths: [/orders, "~/o/[0-9]+$"]
    preserve_host: false
    protocols: [http, https]
    regex_priority: 0
    request_buffering: true
    response_buffering: true
    strip_path: true
    expression: null
    plugins:
    - name: key-auth
      instance_name: null
      config: { key_names: [apikey] }
  plugins:
  - name: acl
    config: { allow: [gold] }
routes:
- name: health
  service: orders
  methods: [GET]
  paths: [/health]
upstreams:
- name: orders-upstream
  algorithm: round-robin
  slots: 10000
  use_srv_name: false
  host_header: null
  targets:
  - target: 10.0.0.1:8080
    weight: 100
  - target: 10.0.0.2:8080
plugins:
- name: correlation-id
  config: { header_name: x-request-id }
"#;

fn loaded(text: &str, mode: Mode) -> (String, Loaded) {
    let mut document = "listeners = [{ address = \"127.0.0.1:0\" }]\n".parse().unwrap();
    let loaded = load(&mut document, &read(text).unwrap(), mode);
    (document.to_string(), loaded)
}

fn lines(loaded: &Loaded) -> Vec<String> {
    loaded.problems.iter().flat_map(Problem::lines).collect()
}

#[test]
fn a_dump_comes_to_the_same_each_time() {
    let (text, loaded_once) = loaded(DUMP, Mode::Strict);
    assert_eq!(lines(&loaded_once), Vec::<String>::new());
    assert_eq!(loaded_once.made.len(), 14);
    assert_eq!(text, loaded(DUMP, Mode::Strict).0);
    // Whether consumers may have uses is not this module's to say.
    let (before, after) = text.split_once("plugins = [\n  { use = \"any-limits\"").unwrap();
    let rest = after.split_once("]\n").unwrap().1;
    let (_, faults) = crate::config::parse(std::path::Path::new("gateway.toml"), &format!("{before}{rest}")).unwrap();
    assert!(faults.is_empty(), "{text}\n{}", faults.into_report());
    for expected in [
        "url = \"http://orders-upstream\"",
        "paths = [\"/orders\", \"~/o/[0-9]+$\"]",
        "id = \"0f1c6d3e-7f5d-4a07-8f5e-1d2b0a8c9e01\"",
        "address = \"10.0.0.2:8080\"",
        "route = \"orders-v1\"",
        "methods = [\"GET\"]",
    ] {
        assert!(text.contains(expected), "{expected} in\n{text}");
    }
    assert_eq!((text.matches("id = \"").count(), text.contains("created_at")), (2, false), "{text}");
}

#[test]
fn all_that_is_wrong_is_told_with_its_place() {
    let text = r#"
_format_version: "3.0"
certificates: [{ cert: x }]
services:
- name: a
  host: a
  colour: blue
  routes:
  - name: r
    paths: [no-slash]
- name: b
  host: b
  routes:
  - name: s
    paths: [/, nor-this]
    path_handling: v1
  - paths: [/x]
    service: nobody
- name: b
  host: c
routes:
- name: t
  paths: [/]
- name: u
  paths: [/]
  service: nobody
"#;
    let (_, loaded) = loaded(text, Mode::Strict);
    let mut told = lines(&loaded);
    told.sort();
    let expected = [
        "certificates: there is nothing like it here",
        "routes[0].service: required field missing",
        "routes[1].service: the foreign key '{name=\"nobody\"}' does not reference an existing 'services' entity.",
        "services[0].colour: unknown field",
        "services[0].routes[0].paths[0]: should start with: / (fixed path) or ~/ (regex path)",
        "services[1].routes[0].paths[1]: should start with: / (fixed path) or ~/ (regex path)",
        "services[1].routes[1].service: the foreign key '{name=\"nobody\"}' does not reference an existing 'services' entity.",
        "services[2]: UNIQUE violation detected on '{name=\"b\"}'",
    ];
    assert_eq!(told, expected);
}

#[test]
fn what_does_no_harm_is_left_out_and_the_rest_taken() {
    let text = r#"
_format_version: "3.0"
services:
- name: a
  host: a
  colour: blue
  routes:
  - { name: r, paths: [/r], path_handling: v1 }
  - { name: s, hosts: ["not a host"], paths: [/s] }
consumers:
- username: alice
  keyauth_credentials: [{ key: k, ttl: 60 }]
"#;
    let (text, loaded) = loaded(text, Mode::Lenient);
    let told = lines(&loaded);
    assert_eq!(told.len(), 4, "{told:?}");
    assert!(text.contains("name = \"r\"") && !text.contains("name = \"s\"") && !text.contains("key = \"k\""), "{text}");
}

#[test]
fn before_kong_3_regexes_went_without_a_sign() {
    let file = |version: &str| {
        format!(
            "_format_version: \"{version}\"\nservices:\n- {{ name: a, host: a, routes: [{{ name: r, paths: [/p, '/x/\\d+'] }}] }}\n"
        )
    };
    assert!(
        loaded(&file("2.1"), Mode::Strict).0.contains(r#"["/p", '~/x/\d+']"#),
        "{}",
        loaded(&file("2.1"), Mode::Strict).0
    );
    assert!(loaded(&file("3.0"), Mode::Strict).0.contains(r#"["/p", '/x/\d+']"#));
    assert_eq!(lines(&loaded("services: []", Mode::Strict).1).len(), 1);
}

#[test]
fn kongs_hashes_of_passwords_are_not_taken_for_passwords() {
    let file = "_format_version: \"3.0\"\n_transform: false\nconsumers:\n- username: alice\n  basicauth_credentials:\n  - { username: al, password: 5e884898da28047151d0e56f8dc62927 }\n";
    let told = lines(&loaded(file, Mode::Lenient).1);
    assert!(told.len() == 1 && told[0].starts_with("consumers[0].basicauth_credentials[0].password: "), "{told:?}");
}

#[test]
fn kong_says_what_is_wrong_in_two_ways() {
    let text =
        "_format_version: \"3.0\"\nservices:\n- { name: ok, host: a }\n- { name: a, host: a, tags: [t], port: x }\n";
    let (_, loaded) = loaded(text, Mode::Strict);
    let mut tree = json!({});
    loaded.problems.iter().for_each(|problem| problem.nest(&mut tree));
    assert_eq!(tree, json!({ "services": [null, { "port": "expected an integer" }] }));
    let expected = json!({
        "entity_type": "service", "entity_name": "a", "entity_tags": ["t"],
        "errors": [{ "type": "field", "field": "port", "message": "expected an integer" }],
    });
    assert_eq!(loaded.problems[0].flattened(), expected);
}
