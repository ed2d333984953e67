//! Certificates as Kong's clients bring them: what listeners show, and what is shown to services, from the answer on.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;

use crate::harness::admin::Admin;
use crate::harness::certs::{Authority, Leaf, Role, Validity};
use crate::harness::gateway::folder;
use crate::harness::program::curl;
use crate::harness::tls::{Connector, Hello};
use crate::harness::upstream::Tls;
use crate::harness::{Gateway, Upstream, one_route};

const ADMIN: &str = "[admin]\naddress = \"127.0.0.1:0\"\n";
const LISTENER: &str = "[[listeners]]\naddress = \"127.0.0.1:0\"\n\
    tls = { certificates = [{ cert = \"own.pem\", key = \"own.key\" }] }\n";

/// A gateway with a TLS listener that has a certificate of its own, issued by the authority.
async fn started() -> (Gateway, Admin, Authority, Leaf) {
    let authority = Authority::new("ours");
    let own = authority.server(&["own.example.com"]);
    let upstream = Upstream::echo("u").await;
    let folder = folder(&[LISTENER, &one_route(upstream.address, ""), ADMIN].concat(), &[]);
    own.write(folder.path(), "own");
    let gateway = Gateway::start_in(folder).await;
    let admin = Admin::of(&gateway).await;
    (gateway, admin, authority, own)
}

/// Whose certificate a client gets that asks for `name`.
async fn shown(gateway: &Gateway, authority: &Authority, name: &str) -> Vec<u8> {
    let stream = TcpStream::connect(gateway.addresses[0]).await.unwrap();
    let connector = Connector::new(Hello::default(), authority);
    let stream = connector.handshake_as_anybody(stream, name).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

fn der(leaf: &Leaf) -> Vec<u8> {
    leaf.chain().0[0].to_vec()
}

async fn made(admin: &Admin, path: &str, body: Value) -> Value {
    let answer = admin.ask("POST", path, body).await;
    assert_eq!(answer.status, 201, "{path}: {}", answer.text());
    answer.json()
}

/// The commands of Kong's documentation.
#[tokio::test]
async fn what_curl_uploads_is_shown_to_clients_right_after_the_answer() {
    let (gateway, admin, authority, own) = started().await;
    let leaf = authority.server(&["a.com"]);
    leaf.write(gateway.folder.path(), "new");
    let url = |path: &str| format!("http://localhost:{}{path}", admin.address.port());
    let run = async |arguments: &[&str]| {
        let ran = curl(gateway.folder.path(), arguments).await;
        assert_eq!(ran.status, Some(0), "{arguments:?}: {}", ran.stderr);
        ran.stdout
    };
    let files = ["-F", "cert=@new.pem", "-F", "key=@new.key"];
    let certificates = url("/certificates");
    let arguments = [&["-s", "-X", "POST", &certificates], &files[..], &["-F", "snis[]=a.com"]].concat();
    let certificate: Value = serde_json::from_str(&run(&arguments).await).unwrap();
    assert_eq!((&certificate["snis"], &certificate["key"]), (&json!(["a.com"]), &json!("***")), "{certificate}");
    assert_eq!(shown(&gateway, &authority, "a.com").await, der(&leaf));
    let id = certificate["id"].as_str().unwrap();
    let name = format!("certificate.id={id}");
    run(&["-s", "-f", "-X", "POST", &url("/snis"), "--data", "name=*.a.com", "--data", &name]).await;
    assert_eq!(shown(&gateway, &authority, "www.a.com").await, der(&leaf));
    // Another certificate for the same names, with a key of another type.
    let rsa = authority.rsa_server(&["a.com"]);
    rsa.write(gateway.folder.path(), "rsa");
    let files = ["-F", "cert=@rsa.pem", "-F", "key=@rsa.key"];
    run(&[&["-s", "-f", "-X", "PATCH", &url(&format!("/certificates/{id}"))], &files[..]].concat()).await;
    assert_eq!(shown(&gateway, &authority, "a.com").await, der(&rsa));
    let snis = admin.get(&format!("/certificates/{id}/snis")).await;
    let names: Vec<_> = snis["data"].as_array().unwrap().iter().map(|sni| sni["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["a.com", "*.a.com"]);
    assert_eq!(admin.get("/snis/a.com/certificate").await["id"], id);
    assert_eq!(admin.ask("DELETE", "/snis/a.com", Value::Null).await.status, 204);
    assert_eq!(shown(&gateway, &authority, "a.com").await, der(&own));
    assert_eq!(admin.ask("DELETE", &format!("/certificates/{id}"), Value::Null).await.status, 204);
    assert_eq!(shown(&gateway, &authority, "www.a.com").await, der(&own));
}

#[tokio::test]
async fn keys_are_never_shown_and_stars_mean_the_one_that_is_there() {
    let (gateway, admin, authority, _) = started().await;
    let leaf = authority.server(&["a.com"]);
    let body = json!({ "cert": leaf.cert_pem, "key": leaf.key_pem, "snis": ["a.com"] });
    let certificate = made(&admin, "/certificates", body).await;
    let path = format!("/certificates/{}", certificate["id"].as_str().unwrap());
    let mut back = admin.get(&path).await;
    back["snis"] = json!(["b.com"]);
    let written = admin.ask("PUT", &path, back).await;
    assert_eq!((written.status, &written.json()["snis"]), (200, &json!(["b.com"])), "{}", written.text());
    assert_eq!(shown(&gateway, &authority, "b.com").await, der(&leaf));
    let secret = leaf.key_pem.lines().nth(1).unwrap();
    for path in ["/certificates", path.as_str(), "/generations", "/generations/2", "/generations/3"] {
        let answer = admin.ask("GET", path, Value::Null).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(!answer.text().contains(secret), "{path}");
    }
    for line in gateway.log_lines() {
        assert!(!line.to_string().contains(secret), "{line}");
    }
}

#[tokio::test]
async fn what_is_no_certificate_is_told_by_field() {
    let (gateway, admin, authority, _) = started().await;
    let (leaf, other) = (authority.server(&["a.com"]), authority.server(&["b.com"]));
    made(&admin, "/certificates", json!({ "cert": leaf.cert_pem, "key": leaf.key_pem, "snis": ["a.com"] })).await;
    let text = std::fs::read_to_string(gateway.path("gateway.toml")).unwrap();
    let broken = "-----BEGIN CERTIFICATE-----\nAAECAw==\n-----END CERTIFICATE-----\n";
    for (path, body, field) in [
        ("/certificates", json!({ "cert": leaf.cert_pem, "key": other.key_pem }), "cert"),
        ("/certificates", json!({ "cert": broken, "key": other.key_pem }), "cert"),
        ("/certificates", json!({ "cert": "words\nand more", "key": other.key_pem }), "cert"),
        ("/certificates", json!({ "cert": leaf.cert_pem, "key": "nowhere.key" }), "key"),
        ("/certificates", json!({ "cert": leaf.cert_pem }), "key"),
        ("/certificates", json!({ "cert": other.cert_pem, "key": other.key_pem, "snis": ["a.com"] }), "snis"),
        ("/ca_certificates", json!({ "cert": leaf.cert_pem }), "cert"),
    ] {
        let answer = admin.ask("POST", path, body).await;
        let refused = answer.json();
        assert_eq!((answer.status, &refused["code"]), (400, &json!(2)), "{field}: {refused}");
        assert!(refused["fields"].get(field).is_some(), "{field}: {refused}");
        assert!(!answer.text().contains(other.key_pem.lines().nth(1).unwrap()), "{refused}");
    }
    assert_eq!(std::fs::read_to_string(gateway.path("gateway.toml")).unwrap(), text);
}

#[tokio::test]
async fn services_show_a_certificate_and_trust_an_authority_by_their_ids() {
    let (gateway, admin, authority, _) = started().await;
    let server = authority.server(&["127.0.0.1"]);
    let clients = Authority::new("clients");
    let origin = Upstream::tls(Tls { leaf: &server, clients: Some(&clients), alpn: &[] }).await;
    let client = clients.leaf(&["gateway"], Validity::Now, Role::Client);
    let certificate = made(&admin, "/certificates", json!({ "cert": client.cert_pem, "key": client.key_pem })).await;
    let ca = made(&admin, "/ca_certificates", json!({ "cert": authority.pem() })).await;
    let digest: String = Sha256::digest(authority.der()).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(ca["cert_digest"], digest);
    let body = json!({
        "url": format!("https://{}", origin.address),
        "client_certificate": { "id": certificate["id"] }, "ca_certificates": [ca["id"]],
    });
    let changed = admin.ask("PATCH", "/services/s", body).await;
    assert_eq!(changed.status, 200, "{}", changed.text());
    let url = format!("https://{}/", gateway.addresses[0]);
    let curled = curl(gateway.folder.path(), &["-s", "-k", "-o", "got", "-w", "%{http_code}", &url]).await;
    assert_eq!(curled.stdout, "200", "{curled:#?}");
    for (path, kind) in [("certificates", &certificate), ("ca_certificates", &ca)] {
        let path = format!("/{path}/{}", kind["id"].as_str().unwrap());
        let refused = admin.ask("DELETE", &path, Value::Null).await;
        assert_eq!((refused.status, &refused.json()["code"]), (400, &json!(4)), "{path}: {}", refused.text());
    }
    let body = json!({ "url": "http://127.0.0.1:1", "client_certificate": null, "ca_certificates": null });
    assert_eq!(admin.ask("PATCH", "/services/s", body).await.status, 200);
    let path = format!("/certificates/{}", certificate["id"].as_str().unwrap());
    assert_eq!(admin.ask("DELETE", &path, Value::Null).await.status, 204);
}
