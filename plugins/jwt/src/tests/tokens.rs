//! Tokens of consumers' own keys: where they stand, what is verified, what comes of it.

use super::*;

#[test]
fn a_good_token_lets_in_whose_key_has_signed_it() {
    let exchange = let_in(&plugin(json!({})), bearing(&token()));
    assert_eq!(exchange.consumer(), Some("alice"));
    assert_eq!(exchange.upstream_headers().first("x-consumer-username"), Some("alice"));
    assert!(exchange.upstream_headers().first("authorization").is_some());
}

#[test]
fn a_token_is_found_wherever_it_may_stand() {
    let plugin = plugin(json!({ "header_names": ["authorization", "X-Token"], "cookie_names": ["session"] }));
    let token = token();
    let get = |target: &str| known(Exchange::get(target));
    for exchange in [
        get(&format!("/?a=b&jwt={token}")),
        get("/").header("x-token", format!("bearer  {token}")),
        get("/").header("authorization", "Basic YTpi").header("authorization", format!(" BEARER {token} ")),
        get("/").header("cookie", format!("a=b; session={token}; c")),
        get("/").header("cookie", "a=b").header("cookie", format!("session={token}")),
        get(&format!("/?jwt={token}&jwt=")).header("authorization", format!("Bearer {token}")),
    ] {
        assert_eq!(let_in(&plugin, exchange).consumer(), Some("alice"));
    }
    for exchange in [
        get("/"),
        get("/?jwt=&jwt"),
        get(&format!("/?JWT={token}")),
        get("/").header("authorization", token.as_str()),
        get("/").header("authorization", format!("Basic {token}")),
        get("/").header("authorization", "Bearer "),
        get("/").header("cookie", format!("Session={token}; sessions={token}; session")),
    ] {
        assert_eq!(refused(&plugin, exchange, "Unauthorized").headers.first("www-authenticate"), Some("Bearer"));
    }
    let nowhere = json!({ "header_names": [], "uri_param_names": [] });
    assert!(testing::configure::<Settings>(nowhere).err().unwrap().starts_with("one of header_names"));
}

#[test]
fn two_different_tokens_are_one_too_many() {
    let plugin = plugin(json!({ "realm": "shop" }));
    let (one, other) = (token(), token_with(json!({ "sub": "b" })));
    for exchange in [
        bearing(&one).header("authorization", format!("Bearer {other}")),
        known(Exchange::get(&format!("/?jwt={one}&jwt={other}"))),
        known(Exchange::get(&format!("/?jwt={one}")).header("authorization", format!("Bearer {other}"))),
    ] {
        let reply = refused(&plugin, exchange, "Multiple tokens provided");
        let challenge = "Bearer realm=\"shop\", error=\"invalid_token\"";
        assert_eq!(reply.headers.first("www-authenticate"), Some(challenge));
    }
}

#[test]
fn a_hidden_token_is_nowhere_in_what_the_upstream_gets() {
    let plugin = plugin(json!({ "hide_credentials": true, "cookie_names": ["session"] }));
    let token = token();
    let all = known(Exchange::get(&format!("/?x=%7e&jwt={token}&y")))
        .header("authorization", format!("Bearer {token}"))
        .header("cookie", format!("a=b;session={token}"))
        .header("cookie", "c=d; e");
    let exchange = let_in(&plugin, all);
    assert_eq!(exchange.upstream_query(), Some("x=%7e&y"));
    assert_eq!(exchange.upstream_headers().first("authorization"), None);
    assert_eq!(exchange.upstream_headers().first("cookie"), Some("a=b; c=d; e"));
    let cookie =
        known(Exchange::get("/")).header("authorization", "Basic YTpi").header("cookie", format!("session={token}"));
    let exchange = let_in(&plugin, cookie);
    assert_eq!(exchange.upstream_headers().first("cookie"), None);
    assert_eq!(exchange.upstream_headers().first("authorization"), Some("Basic YTpi"));
}

#[test]
fn the_claims_are_there_for_other_plugins() {
    let claims = json!({ "roles": ["a", "b"], "n": { "deep": 1 } });
    let shared = shared(let_in(&plugin(json!({})), bearing(&token_with(claims))));
    assert_eq!((&shared["roles"], &shared["n"]["deep"], &shared["sub"]), (&json!(["a", "b"]), &json!(1), &json!("a")));
}

#[test]
fn the_key_claim_may_have_another_name_or_stand_in_the_header() {
    let by_sub = plugin(json!({ "key_claim_name": "sub" }));
    assert_eq!(let_in(&by_sub, bearing(&token_with(json!({ "sub": "alice-key" })))).consumer(), Some("alice"));
    let by_kid = plugin(json!({ "key_claim_name": "kid" }));
    let header = r#"{"alg":"HS256","kid":"alice-key"}"#;
    let claims = format!("{{\"exp\":{LATE}}}");
    assert_eq!(let_in(&by_kid, bearing(&signed(header, &claims, "alice's secret"))).consumer(), Some("alice"));
    let plugin = plugin(json!({}));
    for (claim, message) in [
        (json!(null), "No mandatory 'iss' in claims"),
        (json!(""), "Invalid 'iss' in claims"),
        (json!(["alice-key"]), "Invalid 'iss' in claims"),
        (json!("nobody"), "No credentials found for given 'iss'"),
        (json!("other-key"), "No credentials found for given 'iss'"),
    ] {
        refused(&plugin, bearing(&token_with(json!({ "iss": claim }))), message);
    }
}

#[test]
fn times_are_verified_as_far_as_they_are_to_be() {
    let now = seconds_since_1970();
    let plain = plugin(json!({}));
    for (more, problems) in [
        (json!({ "exp": null }), json!({ "exp": "must be a number" })),
        (json!({ "exp": LATE.to_string() }), json!({ "exp": "must be a number" })),
        (json!({ "exp": [LATE] }), json!({ "exp": "must be a number" })),
        (json!({ "exp": now - 1 }), json!({ "exp": "token expired" })),
        (json!({ "exp": -1 }), json!({ "exp": "token expired" })),
        (json!({ "nbf": now + 60 }), json!({ "nbf": "token not valid yet" })),
        (json!({ "nbf": "0" }), json!({ "nbf": "must be a number" })),
        (json!({ "exp": 0, "nbf": LATE }), json!({ "exp": "token expired", "nbf": "token not valid yet" })),
    ] {
        bad_claims(&plain, &token_with(more), problems);
    }
    let_in(&plain, bearing(&token_with(json!({ "exp": LATE as f64 + 0.5, "nbf": now as f64 - 0.5 }))));
    let_in(&plain, bearing(&token_with(json!({ "exp": 1e300 }))));
    let careless = plugin(json!({ "claims_to_verify": [] }));
    let_in(&careless, bearing(&token_with(json!({ "exp": 1, "nbf": LATE }))));
    let lenient = plugin(json!({ "clock_skew": 120 }));
    let_in(&lenient, bearing(&token_with(json!({ "exp": now - 60, "nbf": now + 60 }))));
    bad_claims(&lenient, &token_with(json!({ "exp": now - 180 })), json!({ "exp": "token expired" }));
}

#[test]
fn a_token_that_ends_too_late_is_refused_where_there_is_a_maximum() {
    let now = seconds_since_1970();
    let strict = plugin(json!({ "maximum_expiration": 3_600 }));
    let_in(&strict, bearing(&token_with(json!({ "exp": now + 3_500 }))));
    let problems = json!({ "exp": "exceeds maximum allowed expiration" });
    bad_claims(&strict, &token_with(json!({ "exp": now + 4_000 })), problems);
    let error = testing::configure::<Settings>(json!({ "maximum_expiration": 1, "claims_to_verify": ["nbf"] }));
    assert!(error.err().unwrap().starts_with("maximum_expiration"));
}

#[test]
fn issuers_and_audiences_are_compared_as_a_whole() {
    let strict = plugin(json!({ "issuers": ["alice-key"], "audiences": ["shop", "store"], "key_claim_name": "azp" }));
    let with = |iss: Value, aud: Value| token_with(json!({ "azp": "alice-key", "iss": iss, "aud": aud }));
    for aud in [json!("shop"), json!(["x", "store"])] {
        let_in(&strict, bearing(&with(json!("alice-key"), aud)));
    }
    for aud in
        [json!(null), json!(""), json!([]), json!(["sho"]), json!("shops"), json!({ "shop": 1 }), json!([["shop"]])]
    {
        let problems = json!({ "aud": "token is not meant for here" });
        bad_claims(&strict, &with(json!("alice-key"), aud), problems);
    }
    for iss in [json!("alice"), json!("alice-key2"), json!(["alice-key"]), json!(null)] {
        let problems = json!({ "iss": "not an issuer that is trusted here" });
        bad_claims(&strict, &with(iss, json!("shop")), problems);
    }
}

#[test]
fn a_credential_that_cannot_verify_anything_is_told_to_the_operator_alone() {
    let plain = plugin(json!({}));
    let with = |fields: &[(&str, &str)]| {
        let mallory = Consumer { username: "mallory".to_owned(), ..Consumer::default() };
        let exchange = Exchange::get("/").header("authorization", format!("Bearer {}", token()));
        let exchange = exchange.credential("jwt", "alice-key", mallory);
        fields.iter().fold(exchange, |exchange, (name, value)| exchange.credential_field(name, value))
    };
    for (fields, told) in [
        (&[][..], "it has no secret"),
        (&[("secret", "")], "a secret cannot be empty"),
        (&[("secret", PUBLIC_KEY)], "a public key or certificate is no secret"),
        (&[("secret", "s"), ("algorithm", "none")], "its algorithm is none that is known here"),
        (&[("secret", "s"), ("algorithm", "")], "its algorithm is none that is known here"),
    ] {
        let mut exchange = with(fields);
        let reply = exchange.request(&plain).reply();
        assert_eq!((reply.status, reply.json()), (401, json!({ "message": "Invalid key/secret" })));
        let line = &exchange.log()[0].1;
        assert!(line.contains("mallory") && line.contains(told), "{line}");
    }
    refused(&plain, with(&[("secret", "s"), ("algorithm", "RS256")]), "Invalid algorithm");
}

#[test]
fn secrets_may_be_written_in_base64() {
    let encoded_too = plugin(json!({ "secret_is_base64": true }));
    let with = |secret: &str| {
        let exchange = Exchange::get("/").header("authorization", format!("Bearer {}", token()));
        exchange.credential("jwt", "alice-key", Consumer::default()).credential_field("secret", secret)
    };
    for secret in ["YWxpY2UncyBzZWNyZXQ=", "YWxpY2UncyBzZWNyZXQ"] {
        let_in(&encoded_too, with(secret));
        refused(&plugin(json!({})), with(secret), "Invalid signature");
    }
    refused(&encoded_too, with("alice's secret"), "Invalid key/secret");
}

#[test]
fn whoever_has_no_good_token_may_come_in_as_somebody_else() {
    let lenient = plugin(json!({ "anonymous": "guest" }));
    for exchange in [known(Exchange::get("/")), bearing("rubbish"), bearing(&token_with(json!({ "exp": 1 })))] {
        let exchange = let_in(&lenient, exchange);
        assert_eq!(exchange.consumer(), Some("guest"));
        assert_eq!(exchange.upstream_headers().first("x-anonymous-consumer"), Some("true"));
    }
    let exchange = let_in(&lenient, bearing(&token()));
    assert_eq!(exchange.consumer(), Some("alice"));
    let carol = Consumer { username: "carol".to_owned(), ..Consumer::default() };
    assert_eq!(let_in(&lenient, bearing(&token()).authenticated(carol)).consumer(), Some("carol"));
    let missing = plugin(json!({ "anonymous": "nobody" }));
    assert_eq!(bearing("x").request(&missing).failure(), "there is no consumer \"nobody\"");
}

#[test]
fn preflights_may_pass_without_a_token() {
    let lenient = plugin(json!({ "run_on_preflight": false }));
    let_in(&lenient, Exchange::new("OPTIONS", "/"));
    refused(&lenient, Exchange::get("/"), "Unauthorized");
    refused(&plugin(json!({})), Exchange::new("OPTIONS", "/"), "Unauthorized");
}

#[test]
fn a_token_that_was_good_is_not_when_its_credential_has_changed() {
    let plain = plugin(json!({}));
    let with = |secret: &str| {
        let exchange = Exchange::get("/").header("authorization", format!("Bearer {}", token()));
        exchange.credential("jwt", "alice-key", Consumer::default()).credential_field("secret", secret)
    };
    for _ in 0..2 {
        let_in(&plain, with("alice's secret"));
    }
    refused(&plain, with("another secret"), "Invalid signature");
    refused(
        &plain,
        Exchange::get("/").header("authorization", format!("Bearer {}", token())),
        "No credentials found for given 'iss'",
    );
}

#[test]
fn types_of_tokens_are_told_apart() {
    let with = |header: &str| signed(header, &format!("{{\"iss\":\"alice-key\",\"exp\":{LATE}}}"), "alice's secret");
    let plain = plugin(json!({}));
    for typ in [r#""typ":"jwt","#, r#""typ":"AT+JWT","#, r#""typ":"application/at+jwt","#, ""] {
        let_in(&plain, bearing(&with(&format!("{{{typ}\"alg\":\"HS256\"}}"))));
    }
    for typ in [r#""dpop+jwt""#, r#""logout+jwt""#, r#""""#, "null", "1", r#""application/""#] {
        refused(&plain, bearing(&with(&format!("{{\"typ\":{typ},\"alg\":\"HS256\"}}"))), "Bad token; invalid typ");
    }
    let access = plugin(json!({ "types": ["at+jwt"] }));
    let_in(&access, bearing(&with(r#"{"typ":"at+jwt","alg":"HS256"}"#)));
    refused(&access, bearing(&with(r#"{"alg":"HS256"}"#)), "Bad token; invalid typ");
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let url = "https://idp.example.com/keys";
    for (config, told) in [
        (json!({ "realm": "a\"b" }), "realm: "),
        (json!({ "consumer_claim": "sub" }), "consumer_claim: only with jwks_url"),
        (json!({ "jwks_url": url }), "issuers: "),
        (json!({ "jwks_url": "idp.example.com", "issuers": ["a"] }), "jwks_url: "),
        (
            json!({ "jwks_url": url, "issuers": ["a"], "algorithms": ["RS256", "HS256"] }),
            "algorithms: HS256 takes a secret",
        ),
        (json!({ "jwks_url": url, "issuers": ["a"], "jwks_max_age": 60 }), "jwks_max_age is less"),
        (json!({ "seen": null }), "unknown field `seen`"),
    ] {
        let error = testing::configure::<Settings>(config.clone()).err().unwrap();
        assert!(error.starts_with(told), "{config}: {error}");
    }
}

#[test]
fn the_schema_tells_the_defaults() {
    let schema = testing::schema::<Settings>();
    let settings = schema["properties"].as_object().unwrap();
    assert!(!settings.contains_key("seen") && !settings.contains_key("unpacked"));
    let optional = ["anonymous", "realm", "jwks_url", "consumer_claim"];
    let mut defaults = json!({});
    for (name, described) in settings.iter().filter(|(name, _)| !optional.contains(&name.as_str())) {
        assert!(described.get("default").is_some_and(|default| !default.is_null()), "{name}");
        defaults[name] = described["default"].clone();
    }
    assert_eq!(defaults["algorithms"].as_array().unwrap().len(), 10);
    let spelled_out = plugin(defaults);
    let_in(&spelled_out, bearing(&token()));
    assert_eq!(spelled_out.header_names, plugin(json!({})).header_names);
}
