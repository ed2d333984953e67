//! `mask` of the log plugins: what of an exchange gets into a file and over a wire, and what is refused.

use serde_json::{Value, json};
use tokio::net::UdpSocket;

use crate::harness::gateway::run;
use crate::harness::{Gateway, PATIENCE, Upstream, folder, one_route, until};

/// A use of a log plugin that is granted the secret `mask-key`, with these settings.
fn plugin(name: &str, config: &str) -> String {
    format!("[[plugins]]\nuse = \"{name}\"\ngrants = {{ secrets = [\"mask-key\"] }}\nconfig = {{ {config} }}\n\n")
}

const SECRETS: &str = "\n[secrets]\nmask-key = \"a key of its own\"\n";

#[tokio::test]
async fn sensitive_values_of_an_exchange_do_not_get_out() {
    let (upstream, socket) = (Upstream::echo("a").await, UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let mask = "mask = [{ names = [\"password\", \"x-session\"] }, { names = [\"user\"], action = \"hash\" }, \
                { patterns = [\"card\", \"email\"] }], hash_secret = \"mask-key\"";
    let port = socket.local_addr().unwrap().port();
    let config = [
        plugin(
            "file-log",
            &format!(
                "path = \"log\", custom_fields = {{ line = \"$(request.uri) by $(request.headers.x-session)\" }}, {mask}"
            ),
        ),
        plugin("udp-log", &format!("host = \"127.0.0.1\", port = {port}, {mask}")),
        one_route(upstream.address, ""),
        SECRETS.to_owned(),
    ];
    let gateway = Gateway::start(&config.concat()).await;
    let target = "/alice%40example.com?user=bob&p%61ssword=s3cret&card=4111+1111+1111+1111&page=2";
    let headers =
        [("host", "a"), ("x-session", "s3ss10n"), ("x-note", "5555 5555 5555 4444 of alice@example.com, user bob")];
    let answer = gateway.client().await.send("GET", target, &headers, "").await;
    assert_eq!(answer.status, 200);
    assert!(answer.text().contains("s3cret"), "the upstream gets what the client has sent: {}", answer.text());

    let written = until("the record", async || {
        std::fs::read_to_string(gateway.path("log")).ok().filter(|text| text.ends_with('\n'))
    })
    .await;
    let mut datagram = vec![0; 65_536];
    let came = tokio::time::timeout(PATIENCE, socket.recv(&mut datagram)).await.unwrap().unwrap();
    let sent = String::from_utf8(datagram[..came].to_vec()).unwrap();
    for (who, record) in [("file-log", &written), ("udp-log", &sent)] {
        for value in ["s3cret", "1111", "alice", "4444", "user=bob"] {
            assert!(!record.contains(value), "{who} says {value}: {record}");
        }
        let record: Value = serde_json::from_str(record).unwrap();
        let request = &record["request"];
        let hash = request["querystring"]["user"].as_str().unwrap();
        assert!(hash.starts_with("sha256:"), "{who}: {hash}");
        let masked = format!("/***?user={hash}&p%61ssword=***&card=***&page=2");
        assert_eq!((&request["uri"], &record["upstream_uri"]), (&json!(masked), &json!(masked)), "{who}");
        assert_eq!(
            request["querystring"],
            json!({ "user": hash, "password": "***", "card": "***", "page": "2" }),
            "{who}"
        );
        let headers = (&request["headers"]["x-session"], &request["headers"]["x-note"]);
        assert_eq!(headers, (&json!("***"), &json!("*** of ***, user bob")), "{who}");
        assert_eq!(record["response"]["status"], 200, "{who}");
    }
    let line = &serde_json::from_str::<Value>(&written).unwrap()["line"];
    assert!(line.as_str().unwrap().ends_with("&page=2 by s3ss10n"), "of a text, `x-session` is no name: {line}");
}

#[test]
fn a_rule_that_cannot_be_is_refused_where_it_stands() {
    let cases = [
        ("mask = [{ nams = [\"a\"] }]", &["it knows no `nams`", "did you mean `names`?", "gateway.toml:6:"][..]),
        ("mask = [{ names = [\"a\"] }, {}]", &["mask[1]: say what to mask by names, paths, patterns or regexes"]),
        (
            "mask = [{ paths = [\"request.uri\"] }]",
            &["mask[0].paths: \"request.uri\" is no path: it has to begin with $"],
        ),
        (
            "mask = [{ patterns = [\"cards\"] }]",
            &["`mask/0/patterns/0`", "\"cards\" is not one of \"card\", \"email\"", "did you mean `card`?"],
        ),
        ("mask = { names = [\"a\"] }", &["`mask`: ", "is not of type \"array\""]),
        ("mask = [{ names = [\"a\"], action = \"hash\" }]", &["mask[0].action: hash needs a key, `hash_secret`"]),
        (
            "mask = [{ names = [\"a\"], action = \"hash\" }], hash_secret = \"other\"",
            &["there is no secret", "\"other\""],
        ),
    ];
    for name in ["file-log", "syslog"] {
        for (mask, told) in cases {
            let place = if name == "file-log" { "path = \"log\", " } else { "" };
            let config = format!("{}{SECRETS}", plugin(name, &format!("{place}{mask}")));
            let found = run(folder(&config, &[]).path(), &["check"]);
            assert_eq!(found.status.code(), Some(1), "{mask}");
            for words in told {
                assert!(found.stderr.contains(words), "{mask}: {words}: {}", found.stderr);
            }
        }
    }
}

#[test]
fn only_who_hashes_needs_the_secret_granted() {
    let check = |config: &str| run(folder(&format!("{config}{SECRETS}"), &[]).path(), &["check"]);
    let without = |config: &str| plugin("file-log", config).replace("grants = { secrets = [\"mask-key\"] }\n", "");
    let found = check(&without("path = \"log\", mask = [{ names = [\"a\"] }]"));
    assert!(found.status.success(), "{}", found.stderr);
    let hash = "path = \"log\", mask = [{ names = [\"a\"], action = \"hash\" }], hash_secret = \"mask-key\"";
    let found = check(&without(hash));
    assert!(found.stderr.contains("file-log imports secrets, which this use is not granted"), "{}", found.stderr);
    assert!(check(&plugin("file-log", hash)).status.success());
}
