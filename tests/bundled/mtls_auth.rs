//! mtls-auth: certificates that clients have shown in real handshakes.

use std::time::Duration;

use hyper::Version;
use rcgen::{DnType, SanType};
use rustls::version::{TLS12, TLS13};

use crate::harness::certs::{Authority, Leaf};
use crate::harness::gateway::folder;
use crate::harness::tls::Hello;
use crate::harness::{Answer, Gateway, Session, Upstream, one_route, until};

const YEAR: Duration = Duration::from_secs(31_536_000);

/// Clients, the authority that they trust, and the one that the gateway trusts.
struct Parties {
    gateway: Gateway,
    ours: Authority,
    clients: Authority,
}

impl Parties {
    /// With this config of the plugin, and credentials of Alice's.
    async fn new(upstream: &Upstream, config: &str, clients: Authority, credentials: &[String]) -> Self {
        let uses = format!("plugins = [{{ use = \"mtls-auth\", config = {{ {config} }} }}]");
        let keys: Vec<String> =
            credentials.iter().map(|key| format!("{{ kind = \"mtls-auth\", key = \"{key}\" }}")).collect();
        let config = format!(
            "[[consumers]]\nusername = \"alice\"\ncredentials = [{}]\n\
             [[consumers]]\nusername = \"bob\"\ncustom_id = \"b-1\"\n[[consumers]]\nusername = \"guest\"\n\
             [[listeners]]\naddress = \"127.0.0.1:0\"\n[listeners.tls]\n\
             certificates = [{{ cert = \"server.pem\", key = \"server.key\" }}]\n\
             client_ca = \"clients.pem\"\nclient_auth = \"optional\"\n{}",
            keys.join(", "),
            one_route(upstream.address, &uses)
        );
        let (folder, ours) = (folder(&config, &[]), Authority::new("ours"));
        ours.server(&["localhost"]).write(folder.path(), "server");
        clients.write(folder.path(), "clients");
        Self { gateway: Gateway::start_in(folder).await, ours, clients }
    }

    async fn connect(&self, hello: Hello<'_>) -> Session {
        let stream = hello.connect(self.gateway.addresses[0], "localhost", &self.ours).await.unwrap();
        Session::over(stream, Version::HTTP_11).await
    }

    /// What somebody is answered who shows this, by either version of TLS alike.
    async fn ask(&self, shows: Option<&Leaf>) -> Answer {
        let mut answers = Vec::new();
        for version in [&TLS12, &TLS13] {
            let hello = Hello { version: Some(version), shows, ..Hello::default() };
            answers.push(self.connect(hello).await.get("/").await);
        }
        let [first, second] = <[Answer; 2]>::try_from(answers).unwrap();
        assert_eq!(first.status, second.status);
        second
    }
}

fn subject(name: &str) -> [(DnType, &str); 2] {
    [(DnType::OrganizationName, "Example, Inc."), (DnType::CommonName, name)]
}

fn refused(answer: &Answer, message: &str) {
    assert_eq!((answer.status, answer.json()["message"].as_str()), (401, Some(message)), "{answer:?}");
}

#[tokio::test]
async fn a_certificate_is_whose_credential_names_it() {
    let upstream = Upstream::echo("u").await;
    let clients = Authority::new("clients");
    let issue =
        |subject: &[(DnType, &str)], name: Option<SanType>| clients.client(subject, name.into_iter().collect(), YEAR);
    let by_subject = issue(&subject("billing"), None);
    let by_dns = issue(&subject("x"), Some(SanType::DnsName("Billing.Example.com".try_into().unwrap())));
    let by_email = issue(&subject("x"), Some(SanType::Rfc822Name("billing@example.com".try_into().unwrap())));
    let by_uri = issue(&[], Some(SanType::URI("spiffe://example.org/billing".try_into().unwrap())));
    let by_fingerprint = issue(&subject("x"), None);
    let nobodys = issue(&subject("x"), Some(SanType::DnsName("shop.example.com".try_into().unwrap())));
    let fingerprint = sha256(&by_fingerprint.chain().0[0]);
    let credentials = [
        r"subject:CN=billing,O=Example\\, Inc.".to_owned(),
        "dns:billing.example.com".to_owned(),
        "email:billing@example.com".to_owned(),
        "uri:spiffe://example.org/billing".to_owned(),
        format!("fingerprint:{fingerprint}"),
    ];
    let parties = Parties::new(&upstream, "", clients, &credentials).await;
    for shown in [&by_subject, &by_dns, &by_email, &by_uri, &by_fingerprint] {
        let answer = parties.ask(Some(shown)).await;
        assert_eq!(answer.upstream_got("x-consumer-username").as_deref(), Some("alice"));
        assert!(answer.upstream_got("x-credential-identifier").is_some());
    }
    refused(&parties.ask(Some(&nobodys)).await, "TLS certificate failed verification");
    refused(&parties.ask(None).await, "No required TLS certificate was sent");
}

#[tokio::test]
async fn a_certificate_without_a_credential_is_whose_name_it_has() {
    let upstream = Upstream::echo("u").await;
    let parties = Parties::new(&upstream, "anonymous = \"guest\"", Authority::new("clients"), &[]).await;
    let issue = |name: &str, alternative: &[&str]| {
        let names = alternative.iter().map(|name| SanType::DnsName((*name).try_into().unwrap())).collect();
        parties.clients.client(&subject(name), names, YEAR)
    };
    for (shown, consumer, anonymous) in [
        (Some(issue("alice", &[])), "alice", None),
        (Some(issue("b-1", &[])), "bob", None),
        (Some(issue("alice", &["bob"])), "bob", None),
        (Some(issue("carol", &["carol.example.com"])), "guest", Some("true")),
        (None, "guest", Some("true")),
    ] {
        let answer = parties.ask(shown.as_ref()).await;
        assert_eq!(answer.upstream_got("x-consumer-username").as_deref(), Some(consumer));
        assert_eq!(answer.upstream_got("x-anonymous-consumer").as_deref(), anonymous);
    }
}

#[tokio::test]
async fn names_count_as_what_is_set_and_whoever_has_none_may_be_somebody_by_default() {
    let upstream = Upstream::echo("u").await;
    let config = "consumer_by = [\"custom_id\"], default_consumer = \"guest\"";
    let parties = Parties::new(&upstream, config, Authority::new("clients"), &[]).await;
    for (name, consumer) in [("b-1", "bob"), ("alice", "guest")] {
        let shown = parties.clients.client(&subject(name), Vec::new(), YEAR);
        let answer = parties.ask(Some(&shown)).await;
        assert_eq!(answer.upstream_got("x-consumer-username").as_deref(), Some(consumer));
        assert_eq!(answer.upstream_got("x-anonymous-consumer"), None);
    }
    refused(&parties.ask(None).await, "No required TLS certificate was sent");
}

#[tokio::test]
async fn a_certificate_that_ends_while_its_connection_lives_on_is_refused_from_then_on() {
    let upstream = Upstream::echo("u").await;
    let parties = Parties::new(&upstream, "", Authority::new("clients"), &[]).await;
    let shown = parties.clients.client(&subject("alice"), Vec::new(), Duration::from_secs(3));
    let mut session = parties.connect(Hello { shows: Some(&shown), ..Hello::default() }).await;
    assert_eq!(session.get("/").await.status, 200);
    let answer = until("the certificate's end", async || {
        let answer = session.get("/").await;
        (answer.status != 200).then_some(answer)
    });
    refused(&answer.await, "TLS certificate failed verification");
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
