//! Each kind of entities, by each verb, in each encoding, and with each mistake: statuses, codes and bodies are Kong's.

pub mod rows;

use serde_json::{Map, Value, json};

use crate::harness::admin::Admin;
use crate::harness::{Answer, Gateway};
use rows::ROWS;

const UUID: &str = "11111111-2222-4333-8444-555555555555";

/// What others belong to.
const CONFIG: &str = "[admin]\naddress = \"127.0.0.1:0\"\n\
    [[services]]\nname = \"s\"\nurl = \"http://127.0.0.1:9\"\n\
    [[upstreams]]\nname = \"u\"\ntargets = [\"127.0.0.1:9\"]\n\
    [[consumers]]\nusername = \"c\"\n";

#[derive(Debug, Clone, Copy)]
enum Encoding {
    Json,
    Form,
    Multipart,
}

impl Encoding {
    const ALL: [Self; 3] = [Self::Json, Self::Form, Self::Multipart];

    async fn send(self, admin: &Admin, method: &str, path: &str, body: &Value) -> Answer {
        let mut fields = Vec::new();
        flatten("", body, &mut fields);
        let (content_type, body) = match self {
            Self::Json => ("application/json", body.to_string()),
            Self::Form => {
                let encoded = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
                ("application/x-www-form-urlencoded", encoded)
            }
            Self::Multipart => {
                let part = |(name, value): &(String, String)| {
                    format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
                };
                let parts: String = fields.iter().map(part).collect();
                ("multipart/form-data; boundary=b", format!("{parts}--b--\r\n"))
            }
        };
        admin.send(method, path, &[("content-type", content_type)], &body).await
    }
}

/// The fields of a form that say the same.
fn flatten(name: &str, value: &Value, fields: &mut Vec<(String, String)>) {
    let join = |key: &str| if name.is_empty() { key.to_owned() } else { format!("{name}.{key}") };
    match value {
        Value::Object(members) => members.iter().for_each(|(key, member)| flatten(&join(key), member, fields)),
        Value::Array(elements) => elements.iter().for_each(|one| flatten(&format!("{name}[]"), one, fields)),
        Value::String(text) => fields.push((name.to_owned(), text.clone())),
        other => fields.push((name.to_owned(), other.to_string())),
    }
}

async fn started() -> (Gateway, Admin) {
    let gateway = Gateway::start(CONFIG).await;
    let admin = Admin::of(&gateway).await;
    (gateway, admin)
}

/// The answer, which has this status.
fn with(status: u16, answer: &Answer, what: &str) -> Value {
    assert_eq!(answer.status, status, "{what}: {}", answer.text());
    if status == 204 { Value::Null } else { answer.json() }
}

/// But for when it was changed.
fn but_when(told: &Value) -> Map<String, Value> {
    let mut told = told.as_object().unwrap().clone();
    told.remove("updated_at");
    told
}

/// Method, path and body; then the status, Kong's code, the field that is told of, and what is said of it.
type Case<'c> = (&'c str, String, Value, u16, u8, &'c str, Option<&'c str>);

#[tokio::test]
async fn every_verb_does_what_kongs_does_with_every_kind_in_every_encoding() {
    let (_gateway, admin) = started().await;
    for row in &ROWS {
        for encoding in Encoding::ALL {
            let what = format!("{} {encoding:?}", row.list);
            // Where it belongs is said by the body or by the path.
            let path = if matches!(encoding, Encoding::Json) { row.list } else { row.below() };
            let made = with(201, &encoding.send(&admin, "POST", path, &row.whole()).await, &what);
            row.check_shown(&made, &what);
            assert_eq!(made, admin.get(&format!("{}/{}", row.list, made["id"].as_str().unwrap())).await, "{what}");
            let id = made["id"].as_str().unwrap().to_owned();
            let mut names = vec![format!("{}/{id}", row.list), format!("{}/{id}", row.below())];
            if let Some(label) = row.label {
                names.push(format!("{}/{}", row.below(), (row.said)()[label].as_str().unwrap()));
            }
            for name in &names {
                let shown = admin.get(name).await;
                row.check_shown(&shown, name);
                assert_eq!(but_when(&shown), but_when(&admin.get(&names[0]).await), "{name}");
            }
            for list in [row.list, row.below()] {
                let listed = admin.get(list).await;
                assert!(listed["data"].as_array().unwrap().iter().any(|one| one["id"] == id), "{list}: {listed}");
                assert_eq!((&listed["next"], listed.get("offset")), (&Value::Null, None));
            }
            let (field, value) = (row.change.0, (row.change.1)());
            let mut changed = admin.get(&names[0]).await;
            let patched = encoding.send(&admin, "PATCH", names.last().unwrap(), &json!({ field: value })).await;
            let patched = with(200, &patched, &format!("PATCH {what}"));
            changed[field] = value;
            assert_eq!(but_when(&patched), but_when(&changed), "PATCH {what}");
            for name in names.iter().take(2).chain(row.label.filter(|label| *label != field).and(names.get(2))) {
                let put = with(200, &encoding.send(&admin, "PUT", name, &row.whole()).await, &format!("PUT {name}"));
                row.check_shown(&put, name);
                assert_eq!((&put["id"], &put["created_at"]), (&json!(id), &made["created_at"]), "PUT {name}");
            }
            let again = with(409, &encoding.send(&admin, "POST", path, &row.whole()).await, &what);
            assert_eq!((&again["code"], &again["name"]), (&json!(5), &json!("unique constraint violation")), "{again}");
            assert!(again["message"].as_str().unwrap().starts_with("UNIQUE violation detected on '{"), "{again}");
            let fields: Vec<&str> = again["fields"].as_object().unwrap().keys().map(String::as_str).collect();
            let mut unique = row.unique.to_vec();
            unique.sort_unstable();
            assert_eq!(fields, unique, "{again}");
            for _ in 0..2 {
                with(204, &admin.ask("DELETE", &names[1], Value::Null).await, &format!("DELETE {what}"));
            }
            for method in ["GET", "PATCH"] {
                let gone = with(404, &admin.ask(method, &names[0], json!({})).await, &format!("{method} {what}"));
                assert_eq!(gone, json!({ "message": "Not found" }));
            }
            // With an id of the client's choice.
            let one = format!("{}/{UUID}", row.list);
            let put = with(200, &encoding.send(&admin, "PUT", &one, &row.whole()).await, &format!("PUT {one}"));
            row.check_shown(&put, &one);
            assert_eq!(put["id"], UUID);
            with(204, &admin.ask("DELETE", &one, Value::Null).await, &one);
        }
    }
}

#[tokio::test]
async fn every_mistake_is_told_as_kong_tells_it() {
    let (_gateway, admin) = started().await;
    for row in &ROWS {
        for encoding in Encoding::ALL {
            // Method, path, body; status, code, where it is told, and what.
            let mut cases: Vec<Case<'_>> = Vec::new();
            let list = row.below().to_owned();
            if let Some(field) = row.required {
                let mut said = row.whole();
                said.as_object_mut().unwrap().remove(field);
                let pointer = Box::leak(format!("/{field}").into_boxed_str());
                cases.push(("POST", list.clone(), said.clone(), 400, 2, pointer, Some("required field missing")));
                cases.push((
                    "PUT",
                    format!("{}/{UUID}", row.below()),
                    said,
                    400,
                    2,
                    pointer,
                    Some("required field missing"),
                ));
            }
            let mut unknown = row.whole();
            unknown["colour"] = json!("blue");
            for method in ["POST", "PUT", "PATCH"] {
                let path = if method == "POST" { list.clone() } else { format!("{list}/{UUID}") };
                // What there is none of cannot be changed, whatever is said.
                if method != "PATCH" {
                    cases.push((method, path.clone(), unknown.clone(), 400, 2, "/colour", Some("unknown field")));
                    let (said, pointer, problem) = ((row.wrong.0)(), row.wrong.1, row.wrong.2);
                    // Texts are all that forms have.
                    if matches!(encoding, Encoding::Json) {
                        cases.push((method, path, said, 400, 2, pointer, Some(problem)));
                    }
                }
            }
            let mut said = row.whole();
            said["id"] = json!("no-uuid");
            cases.push(("POST", list.clone(), said, 400, 2, "/id", None));
            let mut said = row.whole();
            said["tags"] = json!(["a,b"]);
            cases.push(("POST", list.clone(), said, 400, 2, "/tags", None));
            if let Some((owner, below)) = row.owner {
                for (key, value) in [("id", UUID), (if owner == "consumer" { "username" } else { "name" }, "nobody")] {
                    let mut said = row.whole();
                    said[owner] = json!({ key: value });
                    let pointer = Box::leak(format!("/{owner}").into_boxed_str());
                    cases.push(("POST", row.list.to_owned(), said, 400, 4, pointer, None));
                }
                let above = below.split('/').nth(1).unwrap();
                let elsewhere = format!("/{above}/nobody/{}", below.rsplit('/').next().unwrap());
                for (method, path) in [("POST", elsewhere.clone()), ("PUT", format!("{elsewhere}/{UUID}"))] {
                    let answer = encoding.send(&admin, method, &path, &row.whole()).await;
                    assert_eq!(with(404, &answer, &path), json!({ "message": "Not found" }));
                }
            }
            if row.label.is_none() {
                cases.push(("PUT", format!("{}/no-uuid", row.list), row.whole(), 400, 3, "/id", None));
            }
            for (method, path, body, status, code, pointer, problem) in cases {
                let what = format!("{method} {path} {encoding:?} {body}");
                let told = with(status, &encoding.send(&admin, method, &path, &body).await, &what);
                assert_eq!(told["code"], code, "{what}: {told}");
                assert!(told["name"].is_string() && told["message"].is_string(), "{what}: {told}");
                let told_there = told["fields"].pointer(pointer);
                assert!(told_there.is_some_and(|told| problem.is_none_or(|problem| told == problem)), "{what}: {told}");
            }
        }
    }
    assert_eq!(admin.get("/generations").await["data"].as_array().unwrap().len(), 1, "nothing was changed");
}

#[tokio::test]
async fn what_is_no_request_for_entities_is_told() {
    let (_gateway, admin) = started().await;
    for row in &ROWS {
        for list in [row.list, row.below()] {
            for (query, code) in
                [("size=0", 8), ("size=1001", 8), ("size=x", 8), ("offset=x", 7), ("size=5&offset=!", 7)]
            {
                let told = with(400, &admin.ask("GET", &format!("{list}?{query}"), Value::Null).await, query);
                assert_eq!(told["code"], code, "{list}?{query}: {told}");
            }
            for (path, methods) in
                [(list.to_owned(), &["PUT", "PATCH", "DELETE"][..]), (format!("{list}/{UUID}"), &["POST"])]
            {
                for method in methods {
                    let answer = admin.ask(method, &path, json!({})).await;
                    assert_eq!(with(405, &answer, &path)["message"], "Method not allowed");
                    assert!(answer.header("allow").unwrap().contains("GET"), "{method} {path}");
                }
                assert_eq!(admin.ask("OPTIONS", &path, Value::Null).await.status, 204, "{path}");
            }
            for (content_type, body, status, message) in [
                ("text/plain", "name=a", 415, "Unsupported media type"),
                ("application/xml", "<a/>", 415, "Unsupported media type"),
                ("application/json", "{\"name\": ", 400, "Cannot parse JSON body"),
                ("application/json", "[]", 400, "Cannot parse JSON body"),
                ("application/json", "\"a\"", 400, "Cannot parse JSON body"),
                ("application/x-www-form-urlencoded", "name=%zz", 400, "Cannot parse form body"),
                ("multipart/form-data; boundary=b", "--c--", 400, "Cannot parse form body"),
            ] {
                for (method, path) in
                    [("POST", list.to_owned()), ("PUT", format!("{list}/{UUID}")), ("PATCH", format!("{list}/{UUID}"))]
                {
                    let answer = admin.send(method, &path, &[("content-type", content_type)], body).await;
                    assert_eq!(with(status, &answer, &format!("{method} {path} {body}"))["message"], message);
                }
            }
            let answer = admin.ask("GET", &format!("{list}/nothing/at/all"), Value::Null).await;
            assert_eq!(with(404, &answer, list), json!({ "message": "Not found" }));
        }
    }
}
