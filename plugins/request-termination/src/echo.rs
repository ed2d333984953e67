//! A request as JSON: what the plugins before this one have made of it, for whoever wants to see it.

use serde_json::{Map, Value};
use tidegate_sdk::prelude::*;

/// `request`, and where it would have gone.
pub(crate) fn of(request: &Request, message: Option<&str>) -> Value {
    let fields = request.headers();
    let headers = fields.iter().map(|(name, value)| (name.as_str().into(), lossy(value.as_bytes())));
    let query = request.query().unwrap_or_default();
    let params = form_urlencoded::parse(query.as_bytes()).map(|(name, value)| (name, value.into_owned()));
    let named = |name: Option<String>| name.map(|name| json!({ "name": name }));
    json!({
        "message": message,
        "request_id": exchange::id(),
        "request": {
            "scheme": request.scheme(),
            "host": request.host(),
            "method": request.method(),
            "path": request.path(),
            "query": grouped(params),
            "headers": grouped(headers),
            "raw_body": request.body().map(|body| lossy(&body)),
        },
        "matched_route": named(exchange::route()),
        "matched_service": named(exchange::service()),
    })
}

/// One value for each name, or a list where there are several.
fn grouped<'n>(pairs: impl Iterator<Item = (std::borrow::Cow<'n, str>, String)>) -> Value {
    let mut grouped = Map::new();
    for (name, value) in pairs {
        match grouped.get_mut(name.as_ref()) {
            None => drop(grouped.insert(name.into_owned(), value.into())),
            Some(Value::Array(values)) => values.push(value.into()),
            Some(first) => *first = json!([first.take(), value]),
        }
    }
    Value::Object(grouped)
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
