use std::sync::Mutex;

use tidegate_sdk::testing::{Exchange, Hook};

use super::*;

/// What is read of a request, and with it the signed bytes as text.
fn read_of(mut exchange: Exchange) -> Option<Result<Vec<(Signed, String)>, Unverifiable>> {
    let found = Mutex::new(None);
    let reads = Hook(|request: &mut Request| {
        *found.lock().unwrap() = read(request);
        Flow::Next
    });
    let _ = exchange.request(&reads);
    let all = found.into_inner().unwrap()?;
    Some(all.map(|all| {
        let with_text = all.into_iter().map(|signed| {
            let base = String::from_utf8(signed.base.clone()).unwrap();
            (signed, base)
        });
        with_text.collect()
    }))
}

/// The request of the RFC's appendix B.2.
fn example() -> Exchange {
    Exchange::new("POST", "/foo?param=Value&Pet=dog")
        .header("date", "Tue, 20 Apr 2021 02:07:55 GMT")
        .header("content-type", "application/json")
        .header("content-digest", CONTENT_DIGEST)
        .header("content-length", "18")
        .body("{\"hello\": \"world\"}")
}

const CONTENT_DIGEST: &str =
    "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:";

/// The one signature of the components and parameters behind `sig=`.
fn base_of(exchange: Exchange, input: &str) -> Option<String> {
    let exchange = exchange.header("signature-input", format!("sig={input}")).header("signature", "sig=:AQI=:");
    let mut all = read_of(exchange)?.ok()?;
    assert!(all.len() < 2);
    all.pop().map(|(_, base)| base)
}

/// Appendix B.2.3, where all of the request is signed; by RSA, which does not change what is signed.
#[test]
fn a_signature_base_is_the_published_one() {
    let input = "(\"date\" \"@method\" \"@path\" \"@query\" \"@authority\" \"content-type\" \"content-digest\" \
                 \"content-length\");created=1618884473;keyid=\"test-key-rsa-pss\"";
    let expected = format!(
        "\"date\": Tue, 20 Apr 2021 02:07:55 GMT\n\"@method\": POST\n\"@path\": /foo\n\
         \"@query\": ?param=Value&Pet=dog\n\"@authority\": example.com\n\"content-type\": application/json\n\
         \"content-digest\": {CONTENT_DIGEST}\n\"content-length\": 18\n\"@signature-params\": {input}"
    );
    assert_eq!(base_of(example(), input), Some(expected));
}

/// Appendix B.2.5.
#[test]
fn the_published_hmac_signature_is_read_as_it_was_signed() {
    let input = "(\"date\" \"@authority\" \"content-type\");created=1618884473;keyid=\"test-shared-secret\"";
    let exchange = example()
        .header("signature-input", format!("sig-b25={input}"))
        .header("signature", "sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:");
    let (signed, base) = read_of(exchange).unwrap().unwrap().pop().unwrap();
    assert_eq!(
        base,
        format!(
            "\"date\": Tue, 20 Apr 2021 02:07:55 GMT\n\"@authority\": example.com\n\
             \"content-type\": application/json\n\"@signature-params\": {input}"
        )
    );
    assert_eq!((signed.username.as_str(), signed.algorithm), ("test-shared-secret", Algorithm::HmacSha256));
    let created = SystemTime::UNIX_EPOCH + Duration::from_secs(1_618_884_473);
    assert_eq!(signed.at, Moment::Created { created, expires: None });
    let covered = ["date", "@authority", "content-type"].map(str::to_owned).to_vec();
    assert_eq!((signed.covered, signed.signature.len()), (Covered::Rfc9421(covered), 32));
}

/// The examples of section 2.2.
#[test]
fn components_are_derived_as_published() {
    let at = |target: &str| Exchange::new("POST", target).header("host", "www.example.com").scheme("https");
    for (exchange, component, expected) in [
        (at("/path?param=value"), "@method", "POST"),
        (at("/path?param=value"), "@target-uri", "https://www.example.com/path?param=value"),
        (at("/path?param=value"), "@authority", "www.example.com"),
        (at("/path?param=value").header("host", "WWW.Example.COM:443"), "@authority", "www.example.com"),
        (at("/").header("host", "example.com:8443"), "@authority", "example.com:8443"),
        (at("/").scheme("http").header("host", "example.com:80"), "@authority", "example.com"),
        (at("/path?param=value"), "@scheme", "https"),
        (at("/path?param=value"), "@request-target", "/path?param=value"),
        (at("/path?param=value"), "@path", "/path"),
        (at("/path?param=value&foo=bar&baz=bat%2Dman"), "@query", "?param=value&foo=bar&baz=bat%2Dman"),
        (at("/path?queryString"), "@query", "?queryString"),
        (at("/path"), "@query", "?"),
    ] {
        let input = format!("(\"{component}\");created=1;keyid=\"k\"");
        let expected = format!("\"{component}\": {expected}\n\"@signature-params\": {input}");
        assert_eq!(base_of(exchange, &input), Some(expected));
    }
}

/// The examples of section 2.1.
#[test]
fn fields_are_trimmed_and_joined() {
    let exchange = Exchange::get("/")
        .header("x-ows-header", "   Leading and trailing whitespace.   ")
        .header("cache-control", "max-age=60")
        .header("cache-control", "    must-revalidate")
        .header("example-dict", " a=1,    b=2;x=1;y=2,   c=(a   b   c)")
        .header("x-empty-header", "");
    let input = "(\"x-ows-header\" \"cache-control\" \"example-dict\" \"x-empty-header\");created=1;keyid=\"k\"";
    let expected = format!(
        "\"x-ows-header\": Leading and trailing whitespace.\n\"cache-control\": max-age=60, must-revalidate\n\
         \"example-dict\": a=1,    b=2;x=1;y=2,   c=(a   b   c)\n\"x-empty-header\": \n\"@signature-params\": {input}"
    );
    assert_eq!(base_of(exchange, input), Some(expected));
}

#[test]
fn parameters_are_signed_in_their_one_form() {
    let written = "(  \"@method\"  );  keyid=\"a\\\"b\";created=007;x;y=?0;expires=9;nonce=\"n\";tag=\"t\"";
    let signed = "(\"@method\");keyid=\"a\\\"b\";created=7;x;y=?0;expires=9;nonce=\"n\";tag=\"t\"";
    let expected = format!("\"@method\": GET\n\"@signature-params\": {signed}");
    assert_eq!(base_of(Exchange::get("/"), written), Some(expected));
}

#[test]
fn a_signature_that_is_not_for_here_is_passed_over() {
    for input in [
        // Who, and when, has to be said.
        "(\"@method\");created=1",
        "(\"@method\");keyid=\"k\"",
        "(\"@method\");created=1;keyid=k",
        "(\"@method\");created=\"1\";keyid=\"k\"",
        "(\"@method\");created=-1;keyid=\"k\"",
        "(\"@method\");created=1;expires=?1;keyid=\"k\"",
        "(\"@method\");created=1;keyid=\"k\";alg=\"ed25519\"",
        "(\"@method\");created=1;keyid=\"k\";alg=hmac-sha256",
        // What is signed has to be there, once, and be known.
        "(\"x-missing\");created=1;keyid=\"k\"",
        "(\"@method\" \"@method\");created=1;keyid=\"k\"",
        "(\"@status\");created=1;keyid=\"k\"",
        "(\"@query-param\";name=\"param\");created=1;keyid=\"k\"",
        "(\"date\";sf);created=1;keyid=\"k\"",
        "(\"Date\");created=1;keyid=\"k\"",
        "(date);created=1;keyid=\"k\"",
        "?1;created=1;keyid=\"k\"",
    ] {
        assert_eq!(base_of(example(), input), None, "{input}");
    }
    let with_algorithm = "(\"@method\");created=1;keyid=\"k\";alg=\"hmac-sha256\"";
    assert!(base_of(example(), with_algorithm).is_some());
}

#[test]
fn several_signatures_are_read_and_too_many_are_not() {
    let fields = |count: usize| {
        let numbers = || 1..=count;
        let input: Vec<String> = numbers().map(|n| format!("s{n}=();created={n};keyid=\"k{n}\"")).collect();
        let signatures: Vec<String> = numbers().map(|n| format!("s{n}=:AQI=:")).collect();
        Exchange::get("/").header("signature-input", input.join(", ")).header("signature", signatures.join(", "))
    };
    let names = |all: Vec<(Signed, String)>| all.into_iter().map(|(signed, _)| signed.username).collect::<Vec<_>>();
    assert_eq!(read_of(fields(4)).unwrap().map(names), Ok(["k1", "k2", "k3", "k4"].map(str::to_owned).to_vec()));
    assert_eq!(read_of(fields(5)).unwrap().map(names), Err(Unverifiable));
    // In fields of their own, too.
    let apart = fields(1).header("signature-input", "o=();created=2;keyid=\"o\"").header("signature", "o=:AQI=:");
    assert_eq!(read_of(apart).unwrap().map(names), Ok(["k1", "o"].map(str::to_owned).to_vec()));
}

#[test]
fn what_is_no_signature_cannot_be_verified() {
    let input = "s=();created=1;keyid=\"k\"";
    for (input, signature) in [
        (input, "s=:AQI"),
        (input, "s=:AQI=:, s=:AQI=:"),
        ("", "s=:AQI=:"),
        ("s=(", "s=:AQI=:"),
        ("s=();created=1;keyid=\"k\", s=();created=1;keyid=\"k\"", "s=:AQI=:"),
    ] {
        let exchange = Exchange::get("/").header("signature-input", input).header("signature", signature);
        assert_eq!(read_of(exchange), Some(Err(Unverifiable)), "{input} {signature}");
    }
    for signature in ["", "other=:AQI=:", "s=AQI", "s=(:AQI=:)"] {
        let exchange = Exchange::get("/").header("signature-input", input).header("signature", signature);
        assert_eq!(read_of(exchange), Some(Ok(Vec::new())), "{signature}");
    }
    assert_eq!(read_of(Exchange::get("/").header("signature-input", input)), Some(Err(Unverifiable)));
    // Of the draft's other form.
    assert_eq!(read_of(Exchange::get("/").header("signature", "keyId=\"k\"")), None);
}
