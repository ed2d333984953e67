use super::*;

const ID: &str = "4e3ad2e4-0bc4-4638-8e34-c84a417ba39b";

fn certificate(rest: &str) -> String {
    format!("[[certificates]]\ncert = \"a.pem\"\nkey = \"a.key\"\n{rest}\n")
}

#[test]
fn faults_of_certificates_name_both_places_and_what_was_meant() {
    let service = |tls: &str| format!("[[services]]\nname = \"s\"\nurl = \"https://x\"\ntls = {{ {tls} }}\n");
    let (shop, authority) = (certificate("name = \"shop\""), "[[ca_certificates]]\nname = \"ca\"\ncert = \"a.pem\"\n");
    for (text, expected) in [
        (
            certificate("snis = [\"a.com\"]") + &certificate("snis = [\"A.com\"]"),
            vec!["\"a.com\" is listed already, on line 5"],
        ),
        (certificate("snis = [\"a.com\", \"a.com.\"]"), vec!["\"a.com\" is listed already, on line 5"]),
        (
            certificate("snis = [\"10.0.0.1\", \"a.*.com\"]"),
            vec![
                "each of `snis`: \"10.0.0.1\" is no server name: expected api.example.com, *.example.com, example.* or *",
                "each of `snis`: \"a.*.com\" is no server name: expected api.example.com, *.example.com, example.* or *",
            ],
        ),
        (certificate("snis = [\"*\", \"*.a.com\", \"a.*\", \"a.com\"]\ntags = [\"x y\"]"), vec![]),
        (shop.repeat(2), vec!["there is another certificate named \"shop\""]),
        (
            certificate(&format!("id = \"{ID}\""))
                + authority
                + &authority.replace("name = \"ca\"", &format!("id = \"{ID}\"")),
            vec![],
        ),
        (
            certificate("id = \"shop\""),
            vec!["`id`: \"shop\" is no UUID: expected one like \"4e3ad2e4-0bc4-4638-8e34-c84a417ba39b\""],
        ),
        (certificate("cert_alt = \"b.pem\""), vec!["`key_alt` is missing"]),
        ("[[certificates]]\ncert = \"a.pem\"\n".to_owned(), vec!["`key` is missing"]),
        (
            certificate("").replace("a.key", "env:NOT_SET_ANYWHERE"),
            vec!["`key`: the environment variable `NOT_SET_ANYWHERE` is not set"],
        ),
        (certificate("").replace("a.key", "file:a.key"), vec![]),
        (shop.clone() + &service("certificate = \"shop\""), vec![]),
        (
            certificate(&format!("id = \"{ID}\"")) + &service(&format!("certificate = \"{}\"", ID.to_uppercase())),
            vec![],
        ),
        (shop.clone() + &service("certificate = \"shopp\""), vec!["there is no certificate \"shopp\""]),
        (
            authority.to_owned() + &service("ca_certificates = [\"ca\", \"cb\"]"),
            vec!["there is no CA certificate \"cb\""],
        ),
        // What has faults of its own is there all the same.
        (
            "[[certificates]]\nname = \"a\"\nkey = \"b\"\n".to_owned() + &service("certificate = \"a\""),
            vec!["`cert` is missing"],
        ),
    ] {
        assert_eq!(faults(&format!("{LISTENER}{text}")), expected, "{text}");
    }
}

#[test]
fn a_listener_needs_certificates_of_its_own_or_shared_ones() {
    let listener = |tls: &str| format!("listeners = [{{ address = \"127.0.0.1:1\", tls = {{ {tls} }} }}]\n");
    let authority = "[[ca_certificates]]\nname = \"ca\"\ncert = \"a.pem\"\n";
    for (tls, rest, expected) in [
        ("", "", Some("`tls` needs certificates")),
        ("certificates = []", "", Some("`tls` needs certificates")),
        ("", &*certificate(""), None),
        ("client_ca_certificates = [\"ca\"]", &(certificate("") + authority), None),
        ("client_ca_certificates = [\"ca\"], client_auth = \"optional\"", &(certificate("") + authority), None),
        (
            "client_ca_certificates = [\"no\"]",
            &(certificate("") + authority),
            Some("there is no CA certificate \"no\""),
        ),
        ("client_auth = \"required\"", &certificate(""), Some("`client_auth` needs `client_ca`")),
    ] {
        assert_eq!(faults(&(listener(tls) + rest)).first().map(String::as_str), expected, "{tls}");
    }
}

/// What is shown of a file with these keys of a certificate, and a fault in each line of it.
fn shown(keys: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.toml");
    std::fs::write(&path, format!("{LISTENER}[[certificates]]\n{keys}")).unwrap();
    match load(&path) {
        Ok((config, faults)) => {
            let spans =
                config.certificates.iter().flat_map(|certificate| [&certificate.pair.cert, &certificate.pair.key]);
            spans.for_each(|source| faults.at(&source.span, format!("looked at {:?}", source.value)));
            faults.into_report().to_string()
        }
        Err(report) => report.to_string(),
    }
}

#[test]
fn keys_are_shown_to_nobody() {
    let body = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgSECRETSECRETSECRETSECRETSECRETSECRETSECRETSECRETS";
    let key = format!("-----BEGIN PRIVATE KEY-----\\n{body}\\n-----END PRIVATE KEY-----");
    for keys in [
        format!("cert = \"a.pem\"\nkey = \"{key}\""),
        // Mixed up.
        format!("cert = \"{key}\"\nkey = \"a.pem\""),
        // Without the lines that say what it is, in one line or more.
        format!("cert = \"a.pem\"\nkey = \"{body}\""),
        format!("cert = \"a.pem\"\nkey = \"x\\n{body}\""),
        format!("cert = \"a.pem\"\nkey_alt = \"{key}\"\nkey = \"b\""),
        // Not even TOML, with the fault in the very line.
        format!(
            "cert = \"a.pem\"\nkey = \"\"\"\n-----BEGIN PRIVATE KEY-----\n{body}\\q\n-----END PRIVATE KEY-----\n\"\"\"\n"
        ),
        format!("cert = \"a\\\" {body} = \\q\"\n"),
    ] {
        let shown = shown(&keys);
        assert!(!shown.contains("SECRET"), "{shown}");
    }
    // Paths are no secrets.
    assert!(shown("cert = \"a.pem\"\nkey = \"certs/a.key\"\nx = 1").contains("key = \"certs/a.key\""));
}
