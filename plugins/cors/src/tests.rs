use tidegate_sdk::testing::{self, Exchange, Headers, Outcome};

use super::*;

#[test]
fn an_origin_is_never_allowed_by_a_star_with_credentials() {
    for config in [json!({ "credentials": true }), json!({ "credentials": true, "origins": ["*"] })] {
        let plugin: Settings = testing::configure(config).unwrap();
        let headers = answered(&plugin, Exchange::get("/").header("origin", "https://any.example"), &[]);
        assert_eq!(headers.first("access-control-allow-origin"), Some("https://any.example"));
        assert_eq!(headers.first("access-control-allow-credentials"), Some("true"));
        let headers = answered(&plugin, Exchange::get("/"), &[]);
        assert_eq!(headers.first("access-control-allow-origin"), Some("*"));
        assert_eq!(headers.first("access-control-allow-credentials"), None);
    }
}

#[test]
fn caches_are_told_where_the_origin_matters_and_once() {
    let listed: Settings = testing::configure(json!({ "origins": ["https://a.example"] })).unwrap();
    let vary = |plugin: &Settings, upstreams: &[(&str, &str)]| {
        let headers = answered(plugin, Exchange::get("/"), upstreams);
        headers.all("vary").iter().map(|value| (*value).to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(vary(&listed, &[]), ["Origin"]);
    assert_eq!(vary(&listed, &[("vary", "Accept-Encoding")]), ["Accept-Encoding", "Origin"]);
    for theirs in ["origin", "Accept , ORIGIN", "*"] {
        assert_eq!(vary(&listed, &[("vary", theirs)]), [theirs]);
    }
    assert_eq!(vary(&listed, &[("vary", "Original")]), ["Original", "Origin"]);
    for depends in [json!({ "credentials": true }), json!({ "allow_origin_absent": false })] {
        assert_eq!(vary(&testing::configure(depends).unwrap(), &[]), ["Origin"]);
    }
    assert!(vary(&testing::configure(json!({})).unwrap(), &[]).is_empty());
}

#[test]
fn only_what_browsers_mean_as_a_preflight_is_answered() {
    let plugin: Settings = testing::configure(json!({})).unwrap();
    let preflight = |method| {
        Exchange::new(method, "/").header("origin", "https://a.example").header("access-control-request-method", "PUT")
    };
    assert_eq!(preflight("OPTIONS").request(&plugin).reply().status, 200);
    assert_eq!(preflight("POST").request(&plugin), Outcome::Next);
    let without = |name: &str| {
        let fields = [("origin", "https://a.example"), ("access-control-request-method", "PUT")];
        let mut fields = fields.iter().filter(|(field, _)| *field != name);
        fields.try_fold(Exchange::new("OPTIONS", "/"), |exchange, (name, value)| Some(exchange.header(name, value)))
    };
    for name in ["origin", "access-control-request-method"] {
        assert_eq!(without(name).unwrap().request(&plugin), Outcome::Next, "without {name}");
    }
}

#[test]
fn the_schema_tells_the_defaults() {
    let schema = testing::schema::<Settings>();
    let default = |setting: &str| schema["properties"][setting]["default"].clone();
    let methods = default("methods");
    let spelled_out: Settings =
        testing::configure(json!({ "origins": default("origins"), "methods": methods })).unwrap();
    let left_out: Settings = testing::configure(json!({})).unwrap();
    assert!(matches!((&spelled_out.origins, &left_out.origins), (Origins::Any, Origins::Any)));
    assert_eq!(spelled_out.methods.list(), left_out.methods.list());
}

#[test]
fn its_cases_come_out_as_expected() {
    testing::cases::<Settings>("cases");
}

/// What a client gets for this request, whose upstream has answered these headers.
fn answered(plugin: &Settings, exchange: Exchange, upstreams: &[(&str, &str)]) -> Headers {
    let mut exchange = exchange.answer(200, upstreams);
    assert_eq!(exchange.request(plugin), Outcome::Next);
    assert_eq!(exchange.response(plugin), Outcome::Next);
    exchange.client_headers()
}
