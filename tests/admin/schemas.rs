//! Kong's schema endpoints: what may be in entities and plugins' configs, and whether a body would do.

use serde_json::{Value, json};

use crate::harness::admin::Admin;
use crate::harness::{Gateway, Upstream, one_route};

const ADMIN: &str = "[admin]\naddress = \"127.0.0.1:0\"\n";

async fn started(config: &str) -> (Gateway, Admin) {
    let gateway = Gateway::start(&format!("{config}{ADMIN}")).await;
    let admin = Admin::of(&gateway).await;
    (gateway, admin)
}

/// What a record's schema says of this field.
fn field<'s>(record: &'s Value, name: &str) -> &'s Value {
    let fields = record["fields"].as_array().unwrap();
    fields.iter().find_map(|field| field.get(name)).unwrap_or_else(|| panic!("no {name}: {record}"))
}

#[tokio::test]
async fn entities_tell_their_fields_by_our_names_and_kongs() {
    let (_gateway, admin) = started("").await;
    let service = admin.get("/schemas/services").await;
    assert_eq!(field(&service, "retries")["default"], 5);
    assert_eq!(field(&service, "host")["required"], true);
    for (name, shown) in
        [("keyauth_credentials", "key"), ("key-auths", "key"), ("jwt_secrets", "algorithm"), ("acls", "group")]
    {
        let schema = admin.get(&format!("/schemas/{name}")).await;
        assert_eq!(field(&schema, shown)["type"], "string", "{name}");
        assert_eq!(field(&schema, "consumer")["reference"], "consumers", "{name}");
    }
    let missing = admin.ask("GET", "/schemas/gateways", Value::Null).await;
    assert_eq!((missing.status, &missing.json()["message"]), (404, &json!("No entity named 'gateways'")));
}

#[tokio::test]
async fn plugins_tell_their_settings_whether_they_are_in_use_or_not() {
    let (_gateway, admin) = started("").await;
    let cors = admin.get("/schemas/plugins/cors").await;
    assert_eq!(field(&cors, "route")["reference"], "routes");
    assert_eq!(field(&cors, "protocols")["type"], "set");
    let config = field(&cors, "config");
    assert_eq!(field(config, "credentials"), &{
        let about = "Let them send cookies and other credentials.";
        json!({ "type": "boolean", "default": false, "description": about })
    });
    assert_eq!(field(config, "origins")["default"], json!(["*"]));
    let own = admin.ask("GET", "/schemas/plugins/cors?format=json-schema", Value::Null).await;
    assert_eq!(own.header("content-type"), Some("application/schema+json"));
    assert_eq!(own.json()["properties"]["credentials"]["default"], false);
    for (path, status) in [("/schemas/plugins/nobody", 404), ("/schemas/plugins/cors?format=yaml", 400)] {
        assert_eq!(admin.ask("GET", path, Value::Null).await.status, status, "{path}");
    }
    // Those that were asked about say where they stand; asking all of them would take too long.
    let root = admin.get("/").await;
    let available = &root["plugins"]["available_on_server"];
    assert_eq!((&available["cors"]["priority"], &available["acl"]["priority"]), (&json!(2000), &Value::Null));
}

#[tokio::test]
async fn answers_say_what_settings_are_and_the_file_only_what_was_said() {
    let upstream = Upstream::echo("u").await;
    let (gateway, admin) = started(&one_route(upstream.address, "")).await;
    let body = json!({ "name": "cors", "config": { "max_age": 7 } });
    let made = admin.ask("POST", "/routes/r/plugins", body).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let made = made.json();
    let path = format!("/plugins/{}", made["id"].as_str().unwrap());
    let patched = admin.ask("PATCH", &path, json!({ "config": { "credentials": false } })).await.json();
    let (shown, listed) = (admin.get(&path).await, admin.get("/plugins").await["data"][0].clone());
    for told in [made, patched, shown, listed] {
        let config = &told["config"];
        assert_eq!((&config["max_age"], &config["preflight_continue"]), (&json!(7), &json!(false)), "{told}");
        assert_eq!((&config["origins"], config.get("headers")), (&json!(["*"]), Some(&Value::Null)), "{told}");
    }
    let text = std::fs::read_to_string(gateway.path("gateway.toml")).unwrap();
    assert!(text.contains("max_age = 7") && !text.contains("preflight_continue"), "{text}");
}

#[tokio::test]
async fn bodies_are_validated_without_anything_coming_of_it() {
    let upstream = Upstream::echo("u").await;
    let (gateway, admin) = started(&one_route(upstream.address, "")).await;
    let before = std::fs::read_to_string(gateway.path("gateway.toml")).unwrap();
    let nowhere = json!({ "id": "c0ffee00-0000-4000-8000-000000000001" });
    for (entity, body) in [
        // There is one of this name already.
        ("services", json!({ "name": "s", "host": "a" })),
        ("routes", json!({ "paths": ["/"], "service": nowhere })),
        ("plugins", json!({ "name": "rate-limiting", "config": { "minute": 5 }, "route": nowhere })),
        ("keyauth_credentials", json!({ "key": "k", "consumer": nowhere })),
    ] {
        let answer = admin.ask("POST", &format!("/schemas/{entity}/validate"), body.clone()).await;
        let expected = json!({ "message": "schema validation successful" });
        assert_eq!((answer.status, answer.json()), (200, expected), "{entity} {body}");
    }
    for (entity, body, wrong) in [
        ("services", json!({ "name": "s" }), "/host"),
        ("routes", json!({ "paths": ["~/("], "service": nowhere }), "/paths"),
        ("plugins", json!({ "name": "rate-limiting", "config": { "minute": "many" } }), "/config/minute"),
        ("plugins", json!({ "name": "nobody" }), "/name"),
    ] {
        let answer = admin.ask("POST", &format!("/schemas/{entity}/validate"), body.clone()).await;
        assert_eq!((answer.status, &answer.json()["code"]), (400, &json!(2)), "{entity} {body}: {}", answer.text());
        assert!(answer.json()["fields"].pointer(wrong).is_some(), "{entity} {body}: {}", answer.text());
    }
    assert_eq!(std::fs::read_to_string(gateway.path("gateway.toml")).unwrap(), before);
    assert_eq!(admin.get("/generations").await["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn all_paths_are_listed() {
    let (_gateway, admin) = started("").await;
    let paths = admin.get("/endpoints").await;
    for path in ["/", "/services/{services}/routes/{routes}", "/schemas/{entity}/validate", "/key-auths/{key-auths}"] {
        assert!(paths["data"].as_array().unwrap().contains(&json!(path)), "{path}: {paths}");
    }
}
