//! Certificates, their names, and authorities. Nothing reads the PEM here, so that some words will do for it.

use super::*;

const PEM: &str = "-----BEGIN CERTIFICATE-----\nAAECAw==\n-----END CERTIFICATE-----\n";
const KEY: &str = "-----BEGIN PRIVATE KEY-----\nAAECAw==\n-----END PRIVATE KEY-----\n";
const BY_HAND: &str = "\
[[certificates]]
name = \"shop\"
cert = \"shop.pem\"
key = \"shop.key\"
snis = [\"shop.com\", \"*.shop.com\"] # ours

[[certificates]]
cert = \"other.pem\"
key = \"file:other.key\"
";

fn gateway() -> Edited {
    edited(&format!("{TEXT}\n{BY_HAND}"))
}

#[test]
fn a_certificate_is_made_with_its_names() {
    let mut gateway = edited(TEXT);
    let made =
        gateway.create(Kind::Certificate, json!({ "cert": PEM, "key": KEY, "snis": ["a.com", "b.com"] })).unwrap();
    assert_eq!((&made["key"], &made["snis"], &made["cert"]), (&json!("***"), &json!(["a.com", "b.com"]), &json!(PEM)));
    let id = made["id"].as_str().unwrap();
    assert_eq!(gateway.read(Kind::Sni, "b.com")["certificate"]["id"], id);
    // By one of its names, as in Kong; written back, stars mean what they stand for.
    let changed =
        gateway.update(Kind::Certificate, "a.com", json!({ "key": "***", "snis": ["b.com", "c.com"] })).unwrap();
    assert_eq!((&changed["id"], &changed["snis"]), (&json!(id), &json!(["b.com", "c.com"])));
    assert_eq!(gateway.read(Kind::Certificate, id)["key"], KEY);
    let written = gateway.put(Kind::Certificate, id, json!({ "cert": PEM, "key": KEY })).unwrap();
    assert_eq!(written["snis"], json!(["b.com", "c.com"]));
    assert_eq!(gateway.remove(Kind::Certificate, "c.com").unwrap(), true);
    assert_eq!(gateway.text(), TEXT);
    // Nobody is shown what was made without names, as in Kong.
    let made = gateway.create(Kind::Certificate, json!({ "cert": PEM, "key": KEY })).unwrap();
    assert_eq!(made["snis"], json!([]));
    assert!(gateway.text().contains("snis = []"), "{}", gateway.text());
}

#[test]
fn names_are_entities_of_their_own() {
    let mut gateway = gateway();
    let shop = gateway.read(Kind::Certificate, "shop")["id"].clone();
    let sni = gateway.read(Kind::Sni, "shop.com");
    assert_eq!(sni["certificate"]["id"], shop);
    let body = json!({ "name": "new.com", "tags": ["n"], "certificate": { "id": shop } });
    let made = gateway.create(Kind::Sni, body).unwrap();
    assert_eq!(made["tags"], json!(["n"]));
    assert!(gateway.text().contains("snis = [\"shop.com\", \"*.shop.com\", { "), "{}", gateway.text());
    assert!(gateway.text().contains("}] # ours\n"), "{}", gateway.text());
    // What is said of the name outlives another list of names.
    gateway.update(Kind::Certificate, "shop", json!({ "snis": ["new.com", "x.com"] })).unwrap();
    assert_eq!(gateway.read(Kind::Sni, "new.com")["id"], made["id"]);
    let other = gateway.read(Kind::Certificate, "shop").get("id").cloned();
    assert_eq!(other, Some(shop));
    let id = gateway.create(Kind::Certificate, json!({ "cert": PEM, "key": KEY })).unwrap()["id"].clone();
    gateway.update(Kind::Sni, "new.com", json!({ "certificate": { "id": id } })).unwrap();
    assert_eq!(gateway.read(Kind::Certificate, "shop")["snis"], json!(["x.com"]));
    assert_eq!(gateway.read(Kind::Certificate, "new.com")["id"], id);
    gateway.remove(Kind::Sni, "new.com").unwrap();
    assert_eq!(gateway.read(Kind::Certificate, id.as_str().unwrap())["snis"], json!([]));
}

#[test]
fn names_in_a_certificate_are_left_to_it() {
    let mut gateway = gateway();
    let without = |gateway: &Edited| {
        let index = Index::of(&gateway.document);
        let entry = index.of_kind(Kind::Certificate).nth(1).unwrap();
        index.read(&gateway.document, entry)
    };
    assert_eq!(without(&gateway)["snis"], Json::Null);
    let id = without(&gateway)["id"].clone();
    gateway.update(Kind::Certificate, id.as_str().unwrap(), json!({ "tags": ["t"] })).unwrap();
    assert_eq!((&without(&gateway)["snis"], &without(&gateway)["id"]), (&Json::Null, &id));
    assert_eq!(hidden(Kind::Certificate, without(&gateway))["key"], "file:other.key");
    gateway.create(Kind::Sni, json!({ "name": "new.com", "certificate": { "id": id } })).unwrap();
    gateway.remove(Kind::Sni, "new.com").unwrap();
    assert_eq!(without(&gateway)["snis"], json!([]));
}

#[test]
fn a_last_name_with_lines_of_its_own_leaves_an_empty_list() {
    let text = "[[certificates]]\ncert = \"c.pem\"\nkey = \"c.key\"\n[[certificates.snis]]\nname = \"a.com\"\n";
    let mut gateway = edited(&format!("{TEXT}\n{text}"));
    gateway.update(Kind::Certificate, "a.com", json!({ "snis": ["a.com", "b.com"] })).unwrap();
    gateway.remove(Kind::Sni, "a.com").unwrap();
    assert_eq!(gateway.read(Kind::Certificate, "b.com")["snis"], json!(["b.com"]));
    gateway.remove(Kind::Sni, "b.com").unwrap();
    assert!(gateway.text().contains("snis = []"), "{}", gateway.text());
}

#[test]
fn services_refer_to_certificates_which_stay_while_they_do() {
    let mut gateway = gateway();
    let shop = gateway.read(Kind::Certificate, "shop")["id"].clone();
    let ca = gateway.create(Kind::CaCertificate, json!({ "cert": PEM })).unwrap()["id"].clone();
    let body = json!({ "protocol": "https", "client_certificate": { "id": shop }, "ca_certificates": [ca] });
    let changed = gateway.update(Kind::Service, "a", body).unwrap();
    assert_eq!((&changed["client_certificate"]["id"], &changed["ca_certificates"]), (&shop, &json!([ca])));
    assert!(gateway.text().contains(&format!("snis = [\"shop.com\", \"*.shop.com\"] # ours\nid = {shop}")));
    for (kind, id, by) in [(Kind::Certificate, &shop, "services"), (Kind::CaCertificate, &ca, "services")] {
        let refused = gateway.remove(kind, id.as_str().unwrap()).unwrap_err();
        assert_eq!((&refused["code"], &refused["fields"]["@referenced_by"]), (&json!(4), &json!(by)));
    }
    let body = json!({ "protocol": "http", "client_certificate": null, "ca_certificates": null });
    gateway.update(Kind::Service, "a", body).unwrap();
    assert_eq!(gateway.remove(Kind::Certificate, "shop").unwrap(), true);
    assert_eq!(gateway.remove(Kind::CaCertificate, ca.as_str().unwrap()).unwrap(), true);
    let text = gateway.text();
    assert!(!text.contains("tls") && !text.contains("shop") && !text.contains("ca_certificates"), "{text}");
}

#[test]
fn names_that_a_service_has_for_certificates_are_ids_here() {
    let refers = "tls = { certificate = \"shop\", ca_certificates = [\"internal\"] }";
    let text = TEXT.replace("url = \"http://a:81\"", &format!("url = \"https://a:81\"\n{refers}"));
    let mut gateway =
        edited(&format!("{text}\n{BY_HAND}\n[[ca_certificates]]\nname = \"internal\"\ncert = \"ca.pem\"\n"));
    let service = gateway.read(Kind::Service, "a");
    assert_eq!(service["client_certificate"]["id"], gateway.read(Kind::Certificate, "shop")["id"]);
    assert_eq!(service["ca_certificates"][0], gateway.read(Kind::CaCertificate, "internal")["id"]);
    gateway.update(Kind::Service, "a", json!({ "retries": 1 })).unwrap();
    assert!(gateway.text().contains(refers), "{}", gateway.text());
    assert_eq!(gateway.remove(Kind::Certificate, "shop").unwrap_err()["code"], 4);
}

#[test]
fn the_digest_of_an_authority_is_its_own() {
    let mut gateway = edited(TEXT);
    let made = gateway.create(Kind::CaCertificate, json!({ "cert": PEM, "cert_digest": "whatever" })).unwrap();
    // Of the four bytes 0, 1, 2, 3.
    let digest = "054edec1d0211f624fed0cbca9d4f9400b0e491c43742af2c5b0abebf0c990d8";
    assert_eq!(
        (&made["cert_digest"], &Json::Object(gateway.read(Kind::CaCertificate, made["id"].as_str().unwrap()))),
        (&json!(digest), &made)
    );
    assert_eq!(gateway.create(Kind::CaCertificate, json!({ "cert": PEM })).unwrap_err()["code"], 5);
    assert!(!gateway.text().contains("digest"), "{}", gateway.text());
}

#[test]
fn what_cannot_be_is_said_by_field() {
    let mut gateway = gateway();
    let before = gateway.text();
    let shop = json!({ "id": gateway.read(Kind::Certificate, "shop")["id"] });
    let nobody = "6b1f8c5e-8f0e-4a7a-9a51-0d6f5f3c9f10";
    let service = |field: &str, value: Json| json!({ "host": "x", field: value });
    for (kind, body, code, field) in [
        (Kind::Certificate, json!({ "cert": PEM }), 2, "key"),
        (Kind::Certificate, json!({ "cert": PEM, "key": "***" }), 2, "key"),
        (Kind::Certificate, json!({ "cert": PEM, "key": KEY, "snis": ["shop.com"] }), 2, "snis"),
        (Kind::Certificate, json!({ "cert": PEM, "key": KEY, "snis": ["a b"] }), 2, "snis"),
        (Kind::Sni, json!({ "name": "shop.com", "certificate": shop }), 5, "name"),
        (Kind::Sni, json!({ "name": "a.com" }), 2, "certificate"),
        (Kind::Sni, json!({ "name": "a.com", "certificate": { "id": nobody } }), 4, "certificate"),
        (Kind::Service, service("client_certificate", json!({ "id": nobody })), 4, "client_certificate"),
        (Kind::Service, service("ca_certificates", json!([nobody])), 4, "ca_certificates"),
    ] {
        let refused = gateway.create(kind, body.clone()).unwrap_err();
        assert_eq!(refused["code"], code, "{body}: {refused}");
        assert!(refused["fields"].get(field).is_some(), "{body}: {refused}");
    }
    assert_eq!(gateway.text(), before);
}
