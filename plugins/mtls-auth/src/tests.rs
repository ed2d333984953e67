use tidegate_sdk::identity::Consumer;
use tidegate_sdk::testing::{self, Exchange, Outcome};

use super::*;

#[test]
fn the_schema_tells_the_defaults() {
    let told = &testing::schema::<Settings>()["properties"]["consumer_by"]["default"];
    let spelled_out: Settings = testing::configure(json!({ "consumer_by": told })).unwrap();
    assert!(matches!(spelled_out.consumer_by[..], [Property::Username, Property::CustomId]));
}

#[test]
fn its_cases_come_out_as_expected() {
    testing::cases::<Settings>("cases");
}

#[test]
fn a_certificate_is_whose_credential_names_it() {
    let plugin: Settings = testing::configure(json!({})).unwrap();
    for key in [
        "fingerprint:abababababababababababababababababababababababababababababababab",
        "subject:CN=billing,O=Example",
        "uri:spiffe://example.org/billing",
        "dns:billing.example.com",
        "email:Billing@example.com",
    ] {
        let mut exchange = get().credential(KIND, key, consumer("alice")).certificate(billing());
        assert_eq!(exchange.request(&plugin), Outcome::Next, "{key}");
        assert_eq!(exchange.consumer(), Some("alice"), "{key}");
    }
    for key in ["subject:CN=billing", "dns:example.com", "CN=billing,O=Example", "billing.example.com", "dns:", ""] {
        let exchange = get().credential(KIND, key, consumer("alice")).certificate(billing());
        refused(&plugin, exchange, FAILED);
    }
    let of_another_kind = get().credential("key-auth", "dns:billing.example.com", consumer("alice"));
    refused(&plugin, of_another_kind.certificate(billing()), FAILED);
}

#[test]
fn what_says_most_about_a_certificate_decides() {
    let plugin: Settings = testing::configure(json!({})).unwrap();
    let mut exchange = get()
        .credential(KIND, "dns:billing.example.com", consumer("alice"))
        .credential(KIND, "subject:CN=billing,O=Example", consumer("bob"))
        .known_consumer(consumer("billing"))
        .certificate(billing());
    assert_eq!(exchange.request(&plugin), Outcome::Next);
    assert_eq!(exchange.consumer(), Some("bob"));
}

#[test]
fn without_a_credential_it_is_whose_name_it_has() {
    for (consumer_by, found) in [
        (json!(["username", "custom_id"]), [Some("billing.example.com"), Some("bill"), Some("billing")]),
        (json!(["username"]), [Some("billing.example.com"), None, Some("billing")]),
        (json!(["custom_id"]), [None, Some("bill"), None]),
        (json!([]), [None, None, None]),
    ] {
        let plugin: Settings = testing::configure(json!({ "consumer_by": consumer_by })).unwrap();
        let custom = Consumer { custom_id: Some("Billing@example.com".into()), ..consumer("bill") };
        let known = [consumer("billing.example.com"), custom, consumer("billing")];
        for (known, found) in known.into_iter().zip(found) {
            let mut exchange = get().known_consumer(known).certificate(billing());
            match found {
                Some(username) => {
                    assert_eq!(exchange.request(&plugin), Outcome::Next);
                    assert_eq!(exchange.consumer(), Some(username));
                    assert_eq!(exchange.upstream_headers().first("x-credential-identifier"), None);
                }
                None => refused(&plugin, exchange, FAILED),
            }
        }
    }
    // The common name comes last.
    let plugin: Settings = testing::configure(json!({})).unwrap();
    let both = get().known_consumer(consumer("billing")).known_consumer(consumer("spiffe://example.org/billing"));
    let mut exchange = both.certificate(billing());
    assert_eq!(exchange.request(&plugin), Outcome::Next);
    assert_eq!(exchange.consumer(), Some("spiffe://example.org/billing"));
}

#[test]
fn a_certificate_that_names_nobody_is_nobodys() {
    let plugin: Settings = testing::configure(json!({})).unwrap();
    let certificate = ClientCertificate { not_after: u64::MAX, ..ClientCertificate::default() };
    refused(&plugin, get().known_consumer(consumer("")).certificate(certificate), FAILED);
}

#[test]
fn a_certificate_that_has_ended_is_nobodys() {
    let plugin: Settings = testing::configure(json!({})).unwrap();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let exchange =
        |not_after| get().known_consumer(consumer("billing")).certificate(ClientCertificate { not_after, ..billing() });
    refused(&plugin, exchange(now - 1), FAILED);
    refused(&plugin, exchange(0), FAILED);
    for not_after in [now + 60, u64::MAX] {
        assert_eq!(exchange(not_after).request(&plugin), Outcome::Next);
    }
}

#[test]
fn who_is_nobody_can_be_taken_for_somebody() {
    let plugin: Settings = testing::configure(json!({ "default_consumer": "guest" })).unwrap();
    let mut exchange = get().known_consumer(consumer("guest")).certificate(billing());
    assert_eq!(exchange.request(&plugin), Outcome::Next);
    assert_eq!(exchange.consumer(), Some("guest"));
    assert_eq!(exchange.upstream_headers().first("x-anonymous-consumer"), None);
    refused(&plugin, get().known_consumer(consumer("guest")), "No required TLS certificate was sent");
}

#[test]
fn nobody_needs_to_be_looked_up() {
    let plugin: Settings = testing::configure(json!({ "skip_consumer_lookup": true })).unwrap();
    let forged = || {
        get()
            .header("x-client-cert-dn", "CN=root")
            .header("x-client-cert-san", "DNS:root")
            .known_consumer(consumer("billing"))
    };
    let mut exchange = forged().certificate(billing());
    assert_eq!(exchange.request(&plugin), Outcome::Next);
    assert_eq!(exchange.consumer(), None);
    let headers = exchange.upstream_headers();
    assert_eq!(headers.first("x-client-cert-dn"), Some("CN=billing,O=Example"));
    let expected = "DNS:Billing.example.com, email:Billing@example.com, URI:spiffe://example.org/billing";
    assert_eq!(headers.first("x-client-cert-san"), Some(expected));

    // A name that looks like two is told as one.
    let dns_names = vec!["a, DNS:root".to_owned()];
    let odd = ClientCertificate { dns_names, not_after: u64::MAX, ..ClientCertificate::default() };
    let mut exchange = forged().certificate(odd);
    assert_eq!(exchange.request(&plugin), Outcome::Next);
    assert_eq!(exchange.upstream_headers().first("x-client-cert-san"), Some("DNS:\"a, DNS:root\""));

    refused(&plugin, forged(), "No required TLS certificate was sent");
    let lenient = json!({ "skip_consumer_lookup": true, "anonymous": "billing" });
    let lenient: Settings = testing::configure(lenient).unwrap();
    for mut exchange in [forged(), forged().authenticated(consumer("alice"))] {
        assert_eq!(exchange.request(&lenient), Outcome::Next);
        assert_eq!(exchange.upstream_headers().first("x-client-cert-dn"), None);
        assert_eq!(exchange.upstream_headers().first("x-client-cert-san"), None);
    }
}

#[test]
fn whoever_shows_nothing_can_be_let_through_as_somebody() {
    let plugin: Settings = testing::configure(json!({ "anonymous": "guest" })).unwrap();
    let with = || get().known_consumer(consumer("guest")).known_consumer(consumer("billing"));
    for (mut exchange, expected, anonymous) in [
        (with(), "guest", Some("true")),
        (with().certificate(ClientCertificate { not_after: 0, ..billing() }), "guest", Some("true")),
        (with().certificate(billing()), "billing", None),
        (with().certificate(billing()).authenticated(consumer("alice")), "alice", None),
    ] {
        assert_eq!(exchange.request(&plugin), Outcome::Next);
        assert_eq!(exchange.consumer(), Some(expected));
        assert_eq!(exchange.upstream_headers().first("x-anonymous-consumer"), anonymous);
    }
}

fn get() -> Exchange {
    Exchange::get("/").scheme("https")
}

fn consumer(username: &str) -> Consumer {
    Consumer { username: username.into(), ..Consumer::default() }
}

fn billing() -> ClientCertificate {
    ClientCertificate {
        subject: "CN=billing,O=Example".into(),
        common_name: Some("billing".into()),
        dns_names: vec!["Billing.example.com".into()],
        emails: vec!["Billing@example.com".into()],
        uris: vec!["spiffe://example.org/billing".into()],
        fingerprint: "ab".repeat(32),
        not_after: u64::MAX,
        ..ClientCertificate::default()
    }
}

#[track_caller]
fn refused(plugin: &Settings, mut exchange: Exchange, message: &str) {
    let reply = exchange.request(plugin).reply();
    assert_eq!((reply.status, reply.json()), (401, json!({ "message": message })));
    assert_eq!(exchange.consumer(), None);
}
