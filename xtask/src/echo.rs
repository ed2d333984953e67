//! The service behind the gateway: answers every request with what it received.

use std::convert::Infallible;

use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    header::{CONTENT_TYPE, HeaderValue},
};
use serde_json::{Map, Value, json};

/// The request's head as JSON.
pub(crate) async fn echo(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    // Read to its end, so that the connection can be used again.
    let _ = body.collect().await;
    let mut headers = Map::new();
    for name in head.headers.keys() {
        let values = head.headers.get_all(name).iter();
        let values: Vec<_> = values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        headers.insert(name.to_string(), Value::String(values.join(", ")));
    }
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let seen = json!({ "method": head.method.as_str(), "path": path, "headers": headers });
    let mut response = Response::new(Full::new(Bytes::from(format!("{seen:#}\n"))));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}
