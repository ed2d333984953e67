//! The kinds of entities, each with what is said of one, rightly and wrongly.

use serde_json::{Value, json};

/// A kind, as it is swept.
pub struct Row {
    pub list: &'static str,
    /// What it belongs to: the field, and the list below which it can be made, too.
    pub owner: Option<(&'static str, &'static str)>,
    /// One of them.
    pub said: fn() -> Value,
    /// The field by which it can be asked for.
    pub label: Option<&'static str>,
    /// Fields that are not shown as they were said.
    pub hidden: &'static [&'static str],
    /// A field that can be changed, to this.
    pub change: (&'static str, fn() -> Value),
    /// A field that it cannot be without.
    pub required: Option<&'static str>,
    /// Something of the wrong type, and where that is told.
    pub wrong: (fn() -> Value, &'static str, &'static str),
    /// The fields of which there cannot be two alike.
    pub unique: &'static [&'static str],
}

pub const ROWS: [Row; 11] = [
    Row {
        list: "/services",
        owner: None,
        said: || json!({ "name": "a", "host": "h.test", "port": 8080, "path": "/x", "retries": 3, "enabled": false }),
        label: Some("name"),
        hidden: &[],
        change: ("read_timeout", || json!(1500)),
        required: Some("host"),
        wrong: (|| json!({ "port": "x" }), "/port", "expected an integer"),
        unique: &["name"],
    },
    Row {
        list: "/routes",
        owner: Some(("service", "/services/s/routes")),
        said: || json!({ "name": "a", "paths": ["/a", "/b"], "strip_path": false, "headers": { "x-a": ["1", "2"] } }),
        label: Some("name"),
        hidden: &[],
        change: ("methods", || json!(["GET", "PUT"])),
        required: None,
        wrong: (|| json!({ "paths": "/a", "strip_path": 1 }), "/strip_path", "expected a boolean"),
        unique: &["name"],
    },
    Row {
        list: "/consumers",
        owner: None,
        said: || json!({ "username": "a", "custom_id": "one" }),
        label: Some("username"),
        hidden: &[],
        change: ("custom_id", || json!("two")),
        required: None,
        wrong: (|| json!({ "username": "a", "custom_id": { "x": 1 } }), "/custom_id", "expected a string"),
        unique: &["username"],
    },
    Row {
        list: "/plugins",
        owner: Some(("service", "/services/s/plugins")),
        said: || json!({ "name": "rate-limiting", "config": { "minute": 5, "limit_by": "ip" }, "enabled": false }),
        label: None,
        hidden: &[],
        change: ("enabled", || json!(true)),
        required: Some("name"),
        wrong: (|| json!({ "name": "cors", "config": 1 }), "/config", "expected a record"),
        unique: &["name", "consumer", "route", "service"],
    },
    Row {
        list: "/key-auths",
        owner: Some(("consumer", "/consumers/c/key-auth")),
        said: || json!({ "key": "opens" }),
        label: Some("key"),
        hidden: &["key"],
        change: ("tags", || json!(["x"])),
        required: None,
        wrong: (|| json!({ "key": ["x"] }), "/key", "expected a string"),
        unique: &["key"],
    },
    Row {
        list: "/basic-auths",
        owner: Some(("consumer", "/consumers/c/basic-auth")),
        said: || json!({ "username": "al", "password": "opens" }),
        label: Some("username"),
        hidden: &["password"],
        change: ("username", || json!("bo")),
        required: Some("password"),
        wrong: (|| json!({ "username": true, "password": "x" }), "/username", "expected a string"),
        unique: &["username"],
    },
    Row {
        list: "/jwts",
        owner: Some(("consumer", "/consumers/c/jwt")),
        said: || json!({ "key": "iss", "secret": "0123456789abcdef0123456789abcdef", "algorithm": "HS384" }),
        label: Some("key"),
        hidden: &["secret"],
        change: ("algorithm", || json!("HS256")),
        required: None,
        wrong: (|| json!({ "algorithm": 256 }), "/algorithm", "expected a string"),
        unique: &["key"],
    },
    Row {
        list: "/hmac-auths",
        owner: Some(("consumer", "/consumers/c/hmac-auth")),
        said: || json!({ "username": "al", "secret": "0123456789abcdef" }),
        label: Some("username"),
        hidden: &["secret"],
        change: ("username", || json!("bo")),
        required: Some("username"),
        wrong: (|| json!({ "username": {}, "secret": "x" }), "/username", "expected a string"),
        unique: &["username"],
    },
    Row {
        list: "/acls",
        owner: Some(("consumer", "/consumers/c/acls")),
        said: || json!({ "group": "gold" }),
        label: None,
        hidden: &[],
        change: ("group", || json!("silver")),
        required: Some("group"),
        wrong: (|| json!({ "group": 1 }), "/group", "expected a string"),
        unique: &["group", "consumer"],
    },
    Row {
        list: "/upstreams",
        owner: None,
        said: || {
            json!({
                "name": "a", "algorithm": "least-connections",
                "healthchecks": { "active": { "http_path": "/up", "healthy": { "interval": 5, "successes": 2 } } },
            })
        },
        label: Some("name"),
        hidden: &[],
        change: ("algorithm", || json!("round-robin")),
        required: Some("name"),
        wrong: (
            || json!({ "name": "a", "healthchecks": { "active": { "healthy": { "interval": "often" } } } }),
            "/healthchecks/active/healthy/interval",
            "expected a number",
        ),
        unique: &["name"],
    },
    Row {
        list: "/targets",
        owner: Some(("upstream", "/upstreams/u/targets")),
        said: || json!({ "target": "10.0.0.1:80", "weight": 7 }),
        label: Some("target"),
        hidden: &[],
        change: ("weight", || json!(0)),
        required: Some("target"),
        wrong: (|| json!({ "target": "10.0.0.1:80", "weight": 1.5 }), "/weight", "expected an integer"),
        unique: &["target", "upstream"],
    },
];

impl Row {
    /// The list below what it belongs to, or the one of all.
    pub fn below(&self) -> &'static str {
        self.owner.map_or(self.list, |(_, below)| below)
    }

    /// One of them with tags, and whom it belongs to by its name.
    pub fn whole(&self) -> Value {
        let mut said = (self.said)();
        said["tags"] = json!(["one", "two"]);
        if let Some((field, below)) = self.owner {
            let name = below.split('/').nth(2).unwrap();
            let called = if field == "consumer" { "username" } else { "name" };
            said[field] = json!({ called: name });
        }
        said
    }

    pub fn check_shown(&self, told: &Value, what: &str) {
        let said = self.whole();
        for (field, said) in said.as_object().unwrap() {
            match told.get(field) {
                _ if self.owner.is_some_and(|(owner, _)| owner == field) => {
                    assert!(told[field]["id"].is_string(), "{what}: {field}: {told}");
                }
                Some(shown) if self.hidden.contains(&field.as_str()) => assert_eq!(shown, "***", "{what}: {told}"),
                shown => {
                    assert!(shown.is_some_and(|shown| says(shown, said)), "{what}: {field} is {shown:?}, not {said}");
                }
            }
        }
        assert_eq!(told["id"].as_str().map(str::len), Some(36), "{what}: {told}");
        assert!(told["created_at"].is_u64() && told["updated_at"].is_u64(), "{what}: {told}");
    }
}

/// Whether `shown` says all that was said, whatever else.
pub fn says(shown: &Value, said: &Value) -> bool {
    match (shown, said) {
        (Value::Object(shown), Value::Object(said)) => {
            said.iter().all(|(name, said)| shown.get(name).is_some_and(|shown| says(shown, said)))
        }
        _ => shown == said,
    }
}
