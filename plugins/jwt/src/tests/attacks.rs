//! Attacks that were published: RFC 8725, and what libraries for these tokens have let through.

use super::*;

fn claims() -> String {
    json!({ "iss": "alice-key", "exp": LATE }).to_string()
}

fn bobs() -> String {
    json!({ "iss": "bob-key", "exp": LATE }).to_string()
}

/// RFC 8725, section 2.1 and 3.1; CVE-2015-2951 (F21 JWT), CVE-2018-1000531 (prime-jwt), CVE-2021-22160 (Pulsar),
/// CVE-2022-23540 (jsonwebtoken): a token that says it needs no signature.
#[test]
fn none_is_no_algorithm_however_it_is_written() {
    let plain = plugin(json!({}));
    for algorithm in ["none", "None", "NONE", "nOnE", "none ", ""] {
        let unsigned = format!("{}.{}.", encoded(format!("{{\"alg\":\"{algorithm}\"}}")), encoded(claims()));
        refused(&plain, bearing(&unsigned), "Bad token; invalid alg");
        refused(&plain, bearing(&format!("{unsigned}AA")), "Bad token; invalid alg");
    }
    for header in ["{}", r#"{"alg":null}"#, r#"{"alg":["HS256"]}"#, r#"{"alg":{"alg":"HS256"}}"#, r#"{"ALG":"HS256"}"#]
    {
        refused(&plain, bearing(&signed(header, &claims(), "alice's secret")), "Bad token; invalid alg");
    }
    for algorithm in ["hs256", "HS256 ", "HS1", "HS", "RS1", "ES256K", "A128KW", "dir"] {
        let header = format!("{{\"alg\":\"{algorithm}\"}}");
        refused(&plain, bearing(&signed(&header, &claims(), "alice's secret")), "Bad token; invalid alg");
    }
}

/// CVE-2020-28042 (ServiceStack): no signature where one is needed; and parts of one.
#[test]
fn an_empty_or_shortened_signature_is_none() {
    let plain = plugin(json!({}));
    let token = token();
    let (message, signature) = token.rsplit_once('.').unwrap();
    refused(&plain, bearing(&format!("{message}.")), "Bad token; invalid signature");
    for length in [2, 4, 22, 42] {
        let short = &signature[..length];
        let mut exchange = bearing(&format!("{message}.{short}"));
        assert_eq!(exchange.request(&plain).reply().status, 401, "{short}");
    }
    refused(&plain, bearing(&format!("{message}.{}", encoded([0; 32]))), "Invalid signature");
    refused(&plain, bearing(message), "Bad token; invalid JSON");
}

/// RFC 8725, section 2.1; CVE-2015-9235 (jsonwebtoken), CVE-2016-5431 (Gree JOSE), CVE-2016-10555 (jwt-simple),
/// CVE-2017-11424 and CVE-2022-29217 (PyJWT), CVE-2023-48223 (fast-jwt), CVE-2023-48238 (json-web-token), CVE-2024-33663
/// (python-jose), CVE-2024-54150 (cjwt): a public key that is taken for the secret of HS256.
#[test]
fn a_public_key_is_never_a_secret() {
    let plain = plugin(json!({}));
    for secret in [PUBLIC_KEY, PUBLIC_KEY.trim(), "MIIB"] {
        let message = format!("{}.{}", encoded(r#"{"alg":"HS256"}"#), encoded(bobs()));
        let signature = hmac(secret, &message);
        refused(&plain, bearing(&format!("{message}.{}", encoded(signature))), "Invalid algorithm");
    }
}

/// As the gateway would not do it: it has no public key for a secret.
fn hmac(secret: &str, message: &str) -> Vec<u8> {
    crypto::sign(Algorithm::Hs256, SigningKey::Secret(secret.as_bytes()), message).unwrap_or_else(|_| vec![7; 32])
}

/// CVE-2022-23541 (jsonwebtoken), CVE-2021-46743 (Firebase PHP-JWT): among keys of several kinds, one is used as another.
#[test]
fn the_credential_says_which_algorithm_it_is_for() {
    let plain = plugin(json!({}));
    for algorithm in ["HS384", "HS512", "RS256", "PS256", "ES256", "EdDSA"] {
        let header = format!("{{\"alg\":\"{algorithm}\"}}");
        let forged = bearing(&signed(&header, &claims(), "alice's secret")).signatures(|_, _| true);
        refused(&plain, forged, "Invalid algorithm");
    }
    for algorithm in ["RS384", "PS256", "ES256", "EdDSA", "HS256"] {
        let header = format!("{{\"alg\":\"{algorithm}\"}}");
        let forged = bearing(&signed(&header, &bobs(), "x")).signatures(|_, _| true);
        refused(&plain, forged, "Invalid algorithm");
    }
}

/// CVE-2018-0114 (node-jose): a key that the token brings along; and addresses of keys (RFC 8725, section 3.10).
#[test]
fn keys_that_a_token_brings_are_not_used() {
    let plain = plugin(json!({}));
    for member in [
        r#""jwk":{"kty":"oct","k":"bWFsbG9yeQ"}"#,
        r#""jku":"http://127.0.0.1/keys""#,
        r#""x5u":"http://127.0.0.1/keys""#,
        r#""x5c":["MIIB"]"#,
    ] {
        let header = format!("{{\"alg\":\"HS256\",{member}}}");
        let mut exchange = bearing(&signed(&header, &claims(), "mallory"));
        let reply = exchange.request(&plain).reply();
        assert_eq!(reply.json(), json!({ "message": "Invalid signature" }));
        assert!(exchange.asked().is_empty());
    }
}

/// RFC 8725, section 3.10: ids that are meant for a database, a shell or a file system.
#[test]
fn a_key_id_is_looked_up_and_nothing_else() {
    let by_kid = plugin(json!({ "key_claim_name": "kid" }));
    for kid in ["../../dev/null", "' OR '1'='1", "alice-key'; --", "alice-key\\u0000", "|whoami", "alice-key\\n"] {
        let token = signed(&format!("{{\"alg\":\"HS256\",\"kid\":\"{kid}\"}}"), &format!("{{\"exp\":{LATE}}}"), "x");
        refused(&by_kid, bearing(&token), "No credentials found for given 'kid'");
    }
    for kid in ["1", "null", "[\"alice-key\"]", "{}"] {
        let token = signed(&format!("{{\"alg\":\"HS256\",\"kid\":{kid}}}"), &format!("{{\"exp\":{LATE}}}"), "x");
        refused(&by_kid, bearing(&token), "Bad token; invalid kid");
    }
    let long = signed(&format!("{{\"alg\":\"HS256\",\"kid\":\"{}\"}}", "k".repeat(2_000)), &claims(), "x");
    refused(&by_kid, bearing(&long), "Bad token; invalid kid");
}

/// RFC 7515, section 4.1.11; CVE-2025-59420 (Authlib): extensions that must be understood, and are not.
#[test]
fn what_is_critical_and_not_understood_is_refused() {
    let plain = plugin(json!({}));
    for crit in [r#"["b64"],"b64":false"#, r#"["exp"],"exp":1"#, "[]", "null", r#""b64""#] {
        let header = format!("{{\"alg\":\"HS256\",\"crit\":{crit}}}");
        refused(&plain, bearing(&signed(&header, &claims(), "alice's secret")), "Bad token; invalid crit");
    }
}

/// CVE-2022-39227 (python-jwt): other serialisations. CVE-2023-51774 (json-jwt): an encrypted token in place of a signed one.
#[test]
fn only_the_compact_form_of_a_signed_token_is_one() {
    let plain = plugin(json!({}));
    let token = token();
    let [header, claims, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!("{token}") };
    for text in [
        format!("{token}.a.b"),
        format!("{token}."),
        format!(".{token}"),
        format!("{header}.{claims}"),
        format!("{{\"payload\":\"{claims}\",\"protected\":\"{header}\",\"signature\":\"{signature}\"}}"),
        format!("{{\"{header}.{claims}.\":\"\",\"signature\":\"{signature}\"}}"),
        "..".to_owned(),
        "a.b.c".to_owned(),
        format!(".{claims}.{signature}"),
    ] {
        refused(&plain, bearing(&text), "Bad token; invalid JSON");
    }
    refused(&plain, bearing(&format!("{header}..{signature}")), "Bad token; invalid claims");
}

/// RFC 7515, section 2: another text for the same bytes would be another token to whoever compares texts.
#[test]
fn other_kinds_of_base64_are_refused() {
    let plain = plugin(json!({}));
    let token = token();
    let [header, claims, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!("{token}") };
    for text in [
        format!("{header}=.{claims}.{signature}"),
        format!("{header}.{claims}==.{signature}"),
        format!("{header} .{claims}.{signature}"),
        format!("{header}.{claims}\u{fffd}.{signature}"),
        format!("{header}.{}.{signature}", claims.replace('e', "%65")),
    ] {
        refused(&plain, bearing(&text), "Bad token; invalid JSON");
    }
    for other in [format!("{signature}="), format!("{signature}+/"), format!("+{}", &signature[1..])] {
        refused(&plain, bearing(&format!("{header}.{claims}.{other}")), "Bad token; invalid signature");
    }
    // The last letter has two bits of nothing: three more letters would stand for the same bytes.
    let last = signature.chars().last().unwrap();
    let next = char::from(u8::try_from(last).unwrap() + 1);
    let other = format!("{header}.{claims}.{}{next}", &signature[..signature.len() - 1]);
    assert_eq!(bearing(&other).request(&plain).reply().status, 401);
}

/// RFC 8259, section 4: of two members of a name, others may take the other one.
#[test]
fn members_that_are_there_twice_are_refused() {
    let plain = plugin(json!({ "audiences": ["shop"] }));
    let rest = format!("\"aud\":\"shop\",\"exp\":{LATE}");
    let header = r#"{"alg":"HS256"}"#;
    for claims in [
        format!("{{\"iss\":\"mallory\",\"iss\":\"alice-key\",{rest}}}"),
        format!("{{\"iss\":\"alice-key\",\"is\\u0073\":\"mallory\",{rest}}}"),
        format!("{{\"iss\":\"alice-key\",\"exp\":1,{rest}}}"),
    ] {
        refused(&plain, bearing(&signed(header, &claims, "alice's secret")), "Bad token; invalid claims");
    }
    let twice = r#"{"alg":"none","alg":"HS256"}"#;
    refused(&plain, bearing(&signed(twice, &claims(), "alice's secret")), "Bad token; invalid JSON");
}

/// What is no JSON, or another one than it should be.
#[test]
fn rubbish_is_refused_whatever_it_is_made_of() {
    let plain = plugin(json!({}));
    let header = r#"{"alg":"HS256"}"#;
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(4_000), "]".repeat(4_000));
    for claims in ["", "1", "null", "[]", "\"iss\"", "{", "{}}", "{\"iss\":\"alice-key\"}x", "{'iss':'alice-key'}"] {
        refused(&plain, bearing(&signed(header, claims, "alice's secret")), "Bad token; invalid claims");
    }
    let mut exchange = bearing(&signed(header, &deep, "alice's secret"));
    assert_eq!(exchange.request(&plain).reply().status, 401);
    for header in ["", "1", "[]", "{", r#"{"alg":"HS256"}x"#] {
        refused(&plain, bearing(&signed(header, &claims(), "alice's secret")), "Bad token; invalid JSON");
    }
    let message = format!("{}.{}", encoded(header), encoded(b"{\"iss\":\"\xff\"}"));
    refused(&plain, bearing(&format!("{message}.AA")), "Bad token; invalid JSON");
    refused(&plain, known(Exchange::get("/").header("authorization", b"Bearer \xff\xfe")), "Bad token; invalid JSON");
}

/// CVE-2025-30204 (golang-jwt): texts that are made to be taken apart for long.
#[test]
fn oversized_tokens_are_not_looked_at() {
    let plain = plugin(json!({}));
    for text in [".".repeat(20_000), "a".repeat(20_000), token_with(json!({ "more": "x".repeat(16_000) }))] {
        refused(&plain, bearing(&text), "Bad token; too long");
    }
    refused(&plain, bearing(&".".repeat(10_000)), "Bad token; invalid JSON");
    let_in(&plain, bearing(&token_with(json!({ "more": "x".repeat(10_000) }))));
}

/// CVE-2024-51744 (golang-jwt): what is wrong with the claims hides what is wrong with the signature.
/// CVE-2019-7644 (Auth0-WCF): the right signature is told in the refusal.
#[test]
fn a_wrong_signature_is_said_first_and_no_more_than_that() {
    let plain = plugin(json!({}));
    let forged = signed(r#"{"alg":"HS256"}"#, r#"{"iss":"alice-key","exp":1}"#, "guessed");
    let reply = refused(&plain, bearing(&forged), "Invalid signature");
    assert_eq!(reply.text(), r#"{"message":"Invalid signature"}"#);
}

/// CVE-2020-26160 (jwt-go): an empty list of audiences. CVE-2024-53861 (PyJWT): a part of an issuer.
/// CVE-2025-30144 (fast-jwt): a list of issuers, one of which is right.
#[test]
fn issuers_and_audiences_cannot_be_talked_around() {
    let strict =
        plugin(json!({ "issuers": ["https://idp.example.com"], "audiences": ["shop"], "key_claim_name": "sub" }));
    let with = |iss: Value, aud: Value| token_with(json!({ "sub": "alice-key", "iss": iss, "aud": aud }));
    let good = json!("https://idp.example.com");
    bad_claims(&strict, &with(good.clone(), json!([])), json!({ "aud": "token is not meant for here" }));
    for iss in
        [json!("idp.example.com"), json!(""), json!([good, "https://evil.example"]), json!("https://idp.example.com/")]
    {
        bad_claims(&strict, &with(iss, json!("shop")), json!({ "iss": "not an issuer that is trusted here" }));
    }
    let_in(&strict, bearing(&with(good, json!(["shop"]))));
}
