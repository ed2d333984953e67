use super::*;

mod certificates;

/// A document that is edited as the admin API does, and has to stay a configuration.
struct Edited {
    document: DocumentMut,
}

const TEXT: &str = "\
# The gateway.
listeners = [{ address = \"127.0.0.1:0\" }]

[[services]]
name = \"a\" # the first
url = \"http://a:81\"

  [[services.routes]]
  name = \"r\"
  paths = [\"/r\"]
";

fn edited(text: &str) -> Edited {
    Edited { document: text.parse().unwrap() }
}

fn wish(kind: Kind, body: Json) -> Wish {
    let Json::Object(body) = body else { panic!("{body}") };
    Wish { kind, body, notation: Notation::Typed, owner: None, now: 1000 }
}

impl Edited {
    fn edit(
        &mut self,
        edit: impl FnOnce(&mut DocumentMut, &Index) -> Result<crate::proposal::Edited, Error>,
    ) -> Result<Json, Json> {
        let mut next = self.document.clone();
        let made = edit(&mut next, &Index::of(&self.document)).map_err(|error| error.body)?;
        let path = std::path::Path::new("gateway.toml");
        let (_, faults) = crate::config::parse(path, &next.to_string()).unwrap();
        assert!(faults.is_empty(), "{}\n{next}", faults.into_report());
        self.document = next;
        Ok(made.value)
    }

    fn create(&mut self, kind: Kind, body: Json) -> Result<Json, Json> {
        self.edit(|document, index| create(document, index, &wish(kind, body)))
    }

    fn put(&mut self, kind: Kind, key: &str, body: Json) -> Result<Json, Json> {
        self.edit(|document, index| put(document, index, &wish(kind, body), key))
    }

    fn update(&mut self, kind: Kind, key: &str, body: Json) -> Result<Json, Json> {
        self.edit(|document, index| update(document, index, &wish(kind, body), key))
    }

    fn remove(&mut self, kind: Kind, key: &str) -> Result<Json, Json> {
        self.edit(|document, index| remove(document, index, kind, None, key))
    }

    fn read(&self, kind: Kind, key: &str) -> Entity {
        let index = Index::of(&self.document);
        index.read(&self.document, index.find(kind, key).unwrap())
    }

    fn text(&self) -> String {
        self.document.to_string()
    }
}

#[test]
fn a_service_is_made_and_found_as_it_was_said() {
    let mut gateway = edited(TEXT);
    let made = gateway.create(Kind::Service, json!({ "name": "b", "url": "http://b.internal:8080/base" })).unwrap();
    for (field, value) in [
        ("host", json!("b.internal")),
        ("port", json!(8080)),
        ("path", json!("/base")),
        ("protocol", json!("http")),
        ("retries", json!(5)),
        ("created_at", json!(1000)),
        ("enabled", json!(true)),
    ] {
        assert_eq!(made[field], value, "{field}");
    }
    assert_eq!(Json::Object(gateway.read(Kind::Service, "b")), made);
    assert!(gateway.text().starts_with(TEXT), "{}", gateway.text());
}

#[test]
fn a_route_without_a_name_is_found_by_its_id() {
    let mut gateway = edited(TEXT);
    let made = gateway.create(Kind::Route, json!({ "paths": ["/api"], "service": { "name": "a" } })).unwrap();
    let found = gateway.read(Kind::Route, made["id"].as_str().unwrap());
    assert_eq!(Json::Object(found), made);
    assert!(gateway.text().contains("[[services.routes]]\nid = "), "{}", gateway.text());
}

#[test]
fn a_change_leaves_all_else_as_it_is_written() {
    let mut gateway = edited(TEXT);
    let id = gateway.read(Kind::Service, "a")["id"].clone();
    let changed = gateway.update(Kind::Service, "a", json!({ "retries": 2, "read_timeout": 1500 })).unwrap();
    assert_eq!((&changed["retries"], &changed["host"], &changed["id"]), (&json!(2), &json!("a"), &id));
    let text = gateway.text();
    assert!(text.contains("name = \"a\" # the first\nurl = \"http://a:81\"\n"), "{text}");
    assert!(text.contains("timeouts = { response = \"1500ms\" }"), "{text}");
    // Null is as if nothing was said.
    gateway.update(Kind::Service, "a", json!({ "retries": null, "read_timeout": null })).unwrap();
    assert!(!gateway.text().contains("retries") && !gateway.text().contains("1500ms"), "{}", gateway.text());
}

#[test]
fn an_id_outlives_a_name() {
    let mut gateway = edited(TEXT);
    let id = gateway.read(Kind::Service, "a")["id"].clone();
    gateway.update(Kind::Service, "a", json!({ "name": "z" })).unwrap();
    assert_eq!(gateway.read(Kind::Service, id.as_str().unwrap())["name"], "z");
}

#[test]
fn what_changes_nothing_writes_nothing() {
    let mut gateway = edited(TEXT);
    gateway.update(Kind::Service, "a", json!({ "retries": 5, "host": "a" })).unwrap();
    assert_eq!(gateway.text(), TEXT);
}

#[test]
fn what_cannot_be_kept_makes_no_difference_later() {
    let mut gateway = edited(TEXT);
    let body = json!({ "name": "anything", "protocols": ["https", "http"] });
    let id = gateway.create(Kind::Plugin, body.clone()).unwrap()["id"].as_str().unwrap().to_owned();
    let text = gateway.text();
    let later = Wish { now: 2000, ..wish(Kind::Plugin, body) };
    gateway.edit(|document, index| put(document, index, &later, &id)).unwrap();
    assert_eq!(gateway.text(), text);
    let other = Wish { now: 2000, ..wish(Kind::Plugin, json!({ "priority": 5 })) };
    let changed = gateway.edit(|document, index| update(document, index, &other, &id)).unwrap();
    assert_eq!((&changed["updated_at"], &changed["created_at"]), (&json!(2000), &json!(1000)));
}

#[test]
fn put_makes_or_replaces() {
    let mut gateway = edited(TEXT);
    let made = gateway.put(Kind::Service, "b", json!({ "host": "b", "retries": 1 })).unwrap();
    assert_eq!(made["name"], "b");
    let again = gateway.put(Kind::Service, "b", json!({ "host": "c" })).unwrap();
    assert_eq!((&again["id"], &again["host"], &again["retries"]), (&made["id"], &json!("c"), &json!(5)));
    let id = "6b1f8c5e-8f0e-4a7a-9a51-0d6f5f3c9f10";
    let by_id = gateway.put(Kind::Service, id, json!({ "host": "d" })).unwrap();
    assert_eq!(by_id["id"], id);
    assert_eq!(gateway.put(Kind::Plugin, "anything", json!({ "name": "anything" })).unwrap_err()["code"], 3);
}

#[test]
fn a_route_moves_to_another_service() {
    let mut gateway = edited(TEXT);
    let id = gateway.read(Kind::Route, "r")["id"].clone();
    gateway.create(Kind::Service, json!({ "name": "b", "host": "b" })).unwrap();
    gateway.update(Kind::Route, "r", json!({ "service": { "name": "b" } })).unwrap();
    let moved = gateway.read(Kind::Route, "r");
    assert_eq!((&moved["id"], &moved["service"]), (&id, &json!({ "id": gateway.read(Kind::Service, "b")["id"] })));
    assert_eq!(moved["paths"], json!(["/r"]));
}

#[test]
fn plugins_stand_where_they_belong() {
    let mut gateway = edited(TEXT);
    gateway.create(Kind::Consumer, json!({ "username": "alice" })).unwrap();
    for (body, place) in [
        (json!({ "name": "anything" }), "plugins = ["),
        (json!({ "name": "anything", "service": { "name": "a" } }), "\nplugins = ["),
        (json!({ "name": "gate", "route": { "name": "r" }, "config": { "key_names": ["k"] } }), "key_names = [\"k\"]"),
    ] {
        gateway.create(Kind::Plugin, body).unwrap();
        assert!(gateway.text().contains(place), "{}", gateway.text());
    }
    let again = gateway.create(Kind::Plugin, json!({ "name": "anything" })).unwrap_err();
    assert_eq!((&again["code"], &again["fields"]["name"]), (&json!(5), &json!("anything")));
    let of_route = gateway.read(Kind::Route, "r")["id"].clone();
    let index = Index::of(&gateway.document);
    let use_of_route =
        index.of_kind(Kind::Plugin).find(|entry| entry.owners.first().is_some_and(|(_, id)| *id == of_route));
    let id = use_of_route.unwrap().id.clone();
    let changed = gateway.update(Kind::Plugin, &id, json!({ "config": { "hide_credentials": true } })).unwrap();
    assert_eq!(changed["config"], json!({ "key_names": ["k"], "hide_credentials": true }));
    let moved = gateway.update(Kind::Plugin, &id, json!({ "route": null, "service": { "name": "a" } })).unwrap();
    assert_eq!((&moved["route"], &moved["id"]), (&Json::Null, &json!(id)));
}

#[test]
fn secrets_are_written_and_not_shown() {
    let mut gateway = edited(TEXT);
    gateway.create(Kind::Consumer, json!({ "username": "alice" })).unwrap();
    let alice = json!({ "username": "alice" });
    let key = gateway.create(Kind::KeyAuth, json!({ "consumer": alice, "key": "k1" })).unwrap();
    assert_eq!(key["key"], "***");
    let made_up = gateway.create(Kind::KeyAuth, json!({ "consumer": alice })).unwrap();
    assert_eq!(made_up["key"].as_str().unwrap().len(), 32);
    gateway.create(Kind::BasicAuth, json!({ "consumer": alice, "username": "al", "password": "open" })).unwrap();
    let text = gateway.text();
    assert!(text.contains("key = \"k1\"") && text.contains("$argon2id$") && !text.contains("\"open\""), "{text}");
    // Stars change nothing.
    let id = key["id"].as_str().unwrap().to_owned();
    gateway.update(Kind::KeyAuth, &id, json!({ "key": "***", "tags": ["t"] })).unwrap();
    assert!(gateway.text().contains("key = \"k1\""), "{}", gateway.text());
    assert_eq!(gateway.create(Kind::KeyAuth, json!({ "consumer": alice, "key": "k1" })).unwrap_err()["code"], 5);
}

#[test]
fn groups_and_targets_are_entities() {
    let mut gateway = edited(TEXT);
    gateway.create(Kind::Consumer, json!({ "username": "alice" })).unwrap();
    let alice = json!({ "username": "alice" });
    let group = gateway.create(Kind::Acl, json!({ "consumer": alice, "group": "gold" })).unwrap();
    assert_eq!(gateway.create(Kind::Acl, json!({ "consumer": alice, "group": "gold" })).unwrap_err()["code"], 5);
    gateway.update(Kind::Acl, group["id"].as_str().unwrap(), json!({ "group": "silver" })).unwrap();
    assert!(gateway.text().contains("name = \"silver\""), "{}", gateway.text());
    gateway.create(Kind::Upstream, json!({ "name": "u", "algorithm": "least-connections" })).unwrap();
    let target = json!({ "upstream": { "name": "u" }, "target": "10.0.0.1:80", "weight": 5 });
    let target = gateway.create(Kind::Target, target).unwrap();
    assert_eq!(target["weight"], 5);
    assert_eq!(gateway.remove(Kind::Target, target["id"].as_str().unwrap()).unwrap(), true);
    assert!(gateway.text().contains("balance = \"least-connections\""), "{}", gateway.text());
}

#[test]
fn health_checks_are_said_in_both_languages() {
    let mut gateway = edited(TEXT);
    let checks = json!({
        "active": { "http_path": "/up", "healthy": { "interval": 2, "successes": 3 }, "unhealthy": { "http_failures": 4 } },
        "passive": { "unhealthy": { "http_failures": 7, "http_statuses": [500] } },
        "threshold": 50
    });
    gateway.create(Kind::Upstream, json!({ "name": "u", "healthchecks": checks })).unwrap();
    let read = gateway.read(Kind::Upstream, "u");
    let at = |pointer: &str| read["healthchecks"].pointer(pointer).cloned().unwrap();
    assert_eq!(at("/active/http_path"), "/up");
    assert_eq!(at("/active/healthy/interval"), 2);
    assert_eq!(at("/active/healthy/successes"), 3);
    assert_eq!(at("/active/unhealthy/http_failures"), 4);
    assert_eq!(at("/passive/unhealthy/http_failures"), 7);
    assert_eq!(at("/passive/unhealthy/http_statuses"), json!([500]));
    assert_eq!(at("/threshold"), 50);
}

#[test]
fn what_is_needed_stays_and_what_is_gone_is_gone() {
    let mut gateway = edited(TEXT);
    assert_eq!(gateway.remove(Kind::Service, "a").unwrap_err()["code"], 4);
    assert_eq!(gateway.remove(Kind::Route, "r").unwrap(), true);
    assert_eq!(gateway.remove(Kind::Service, "a").unwrap(), true);
    assert_eq!(gateway.remove(Kind::Service, "a").unwrap(), false);
    assert_eq!(gateway.text(), "# The gateway.\nlisteners = [{ address = \"127.0.0.1:0\" }]\n");
}

#[test]
fn what_is_wrong_is_said_by_field() {
    let mut gateway = edited(TEXT);
    let uuid = "6b1f8c5e-8f0e-4a7a-9a51-0d6f5f3c9f10";
    for (kind, body, code, field) in [
        (Kind::Service, json!({}), 2, "host"),
        (Kind::Service, json!({ "url": "nonsense" }), 2, "url"),
        (Kind::Service, json!({ "host": "x", "colour": 1 }), 2, "colour"),
        (Kind::Service, json!({ "host": "x", "name": "a" }), 5, "name"),
        (Kind::Service, json!({ "host": "x", "id": "y" }), 2, "id"),
        (Kind::Route, json!({ "paths": ["/"] }), 2, "service"),
        (Kind::Route, json!({ "paths": ["/"], "service": { "id": uuid } }), 4, "service"),
        (Kind::Route, json!({ "paths": ["x"], "service": { "name": "a" } }), 2, "paths"),
        (Kind::Route, json!({ "paths": ["/"], "service": { "name": "a" }, "path_handling": "v1" }), 2, "path_handling"),
        (Kind::Consumer, json!({}), 2, "@entity"),
        (Kind::Plugin, json!({}), 2, "name"),
        (Kind::Acl, json!({ "group": "g" }), 2, "consumer"),
    ] {
        let refused = gateway.create(kind, body.clone()).unwrap_err();
        assert_eq!(refused["code"], code, "{body}: {refused}");
        assert!(refused["fields"].get(field).is_some(), "{body}: {refused}");
    }
    assert_eq!(gateway.text(), TEXT);
}
