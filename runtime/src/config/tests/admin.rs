use super::*;
use crate::admin::request::Role;
use crate::config::checked::{Admin, KnownBy};

const TOKEN: &str = "{ name = \"ci\", token = \"0123456789abcdef\", role = \"write\" }";
const TLS: &str = "certificates = [{ cert = \"a.pem\", key = \"a.key\" }]";

fn read(text: &str) -> Admin {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.toml");
    std::fs::write(folder.path().join("token"), "from-a-file-and-long\n").unwrap();
    std::fs::write(&path, format!("{text}\n{LISTENER}")).unwrap();
    let (config, faults) = load(&path).unwrap_or_else(|report| panic!("{text}\n{report}"));
    let report = faults.into_report();
    assert_eq!(report.faults().len(), 0, "{text}\n{report}");
    config.admin.unwrap()
}

#[test]
fn an_address_alone_will_do() {
    for text in ["admin = \"127.0.0.1:8001\"", "admin = { address = \"127.0.0.1:8001\" }", "admin = \"[::1]:8001\""] {
        let admin = read(text);
        assert!(admin.tokens.is_empty() && admin.clients.is_empty() && admin.tls.is_none(), "{text}");
    }
    assert_eq!(read("admin = \"unix:/run/a.sock\"").address.value.to_string(), "unix:/run/a.sock");
}

#[test]
fn tokens_and_clients_have_roles() {
    let digest = "ab".repeat(32);
    let fingerprint = vec!["AB"; 32].join(":");
    let admin = read(&format!(
        "admin = {{ address = \"0.0.0.0:8001\", hosts = [\"Gateway.Internal\"], tls = {{ {TLS}, client_ca = \"ca.pem\" }}, \
         tokens = [{TOKEN}, {{ name = \"p\", token = \"file:token\", role = \"plugins\" }}, \
         {{ name = \"r\", token = \"sha256:{digest}\", role = \"read\" }}], \
         clients = [{{ name = \"a\", subject = \"CN=a,O=b\", role = \"write\" }}, \
         {{ name = \"b\", san = \"spiffe://x/y\", role = \"read\" }}, \
         {{ name = \"c\", fingerprint = \"{fingerprint}\", role = \"plugins\" }}] }}"
    ));
    let tokens: Vec<_> = admin.tokens.iter().map(|token| (token.name.as_str(), token.role)).collect();
    assert_eq!(tokens, [("ci", Role::Write), ("p", Role::Plugins), ("r", Role::Read)]);
    assert_eq!(admin.tokens[2].digest, [0xab; 32]);
    let clients: Vec<_> = admin.clients.into_iter().map(|client| (client.known_by, client.role)).collect();
    assert_eq!(
        clients,
        [
            (KnownBy::Subject("CN=a,O=b".to_owned()), Role::Write),
            (KnownBy::AlternativeName("spiffe://x/y".to_owned()), Role::Read),
            (KnownBy::Fingerprint("ab".repeat(32)), Role::Plugins),
        ]
    );
    assert_eq!(admin.hosts, ["gateway.internal"]);
}

#[test]
fn what_would_let_in_everybody_or_nobody_is_refused() {
    let client = "clients = [{ name = \"a\", subject = \"CN=a\", role = \"read\" }]";
    let reachable =
        |address: &str| format!("{address} can be reached from elsewhere, and everybody there could do everything");
    for (text, expected) in [
        ("\"0.0.0.0:8001\"".to_owned(), reachable("0.0.0.0:8001")),
        ("\"[::]:8001\"".to_owned(), reachable("[::]:8001")),
        ("{ address = \"10.0.0.1:8001\", tokens = [] }".to_owned(), reachable("10.0.0.1:8001")),
        (format!("{{ address = \"10.0.0.1:8001\", tls = {{ {TLS} }} }}"), reachable("10.0.0.1:8001")),
        (
            format!("{{ address = \"127.0.0.1:8001\", tls = {{ {TLS}, client_ca = \"ca.pem\" }} }}"),
            "certificates are asked for, but no `clients` have a role".to_owned(),
        ),
        (
            format!("{{ address = \"127.0.0.1:8001\", tls = {{ {TLS} }}, {client} }}"),
            "`clients` without `client_ca`: nobody is asked who they are".to_owned(),
        ),
        ("\"127.0.0.1:8000\"".to_owned(), "127.0.0.1:8000 is a listener's already".to_owned()),
        (
            "\"localhost\"".to_owned(),
            "`admin`: \"localhost\" is no address to listen on: expected \"0.0.0.0:8000\" or \"unix:/path\"".to_owned(),
        ),
        ("8001".to_owned(), "`admin` must be a table, not a whole number".to_owned()),
        ("{}".to_owned(), "`address` is missing".to_owned()),
    ] {
        let found = faults(&format!("admin = {text}\n{LISTENER}"));
        assert_eq!(found, [expected], "{text}");
    }
}

#[test]
fn tokens_and_clients_are_held_to_what_is_any_use() {
    let tokens = |list: &str| format!("admin = {{ address = \"127.0.0.1:8001\", tokens = [{list}] }}\n{LISTENER}");
    for (list, expected) in [
        (
            "{ name = \"a\", token = \"short\", role = \"read\" }",
            "a token has at least 16 characters: \"openssl rand -hex 32\" makes one",
        ),
        (
            "{ name = \"a\", token = \"with a space in it\", role = \"read\" }",
            "a token has visible ASCII characters only: no header field could carry it",
        ),
        (
            "{ name = \"a\", token = \"env:NOBODY_SETS_THIS\", role = \"read\" }",
            "the environment variable `NOBODY_SETS_THIS` is not set",
        ),
        ("{ name = \"a\", token = \"0123456789abcdef\", role = \"none\" }", "`role`: there is no role \"none\""),
        ("{ name = \"a\", token = \"0123456789abcdef\" }", "`role` is missing"),
        (
            &format!("{TOKEN}, {{ name = \"b\", token = \"0123456789abcdef\", role = \"read\" }}"),
            "the same token as \"ci\" has",
        ),
        (
            &format!("{TOKEN}, {{ name = \"ci\", token = \"fedcba9876543210\", role = \"read\" }}"),
            "there is another admin token named \"ci\"",
        ),
    ] {
        assert_eq!(faults(&tokens(list)), [expected], "{list}");
    }
    let clients = |client: &str| {
        format!(
            "admin = {{ address = \"127.0.0.1:8001\", tls = {{ {TLS}, client_ca = \"ca.pem\" }}, tokens = [{TOKEN}], \
             clients = [{{ name = \"a\", role = \"read\", {client} }}] }}\n{LISTENER}"
        )
    };
    let one_of = "a client is known by one of `subject`, `san` and `fingerprint`";
    for client in ["subject = \"CN=a\", san = \"a\"", &format!("fingerprint = \"{}\", san = \"a\"", "ab".repeat(32))] {
        assert_eq!(faults(&clients(client)), [one_of], "{client}");
    }
    let found = faults(&clients("fingerprint = \"ab\""));
    assert!(found.len() == 1 && found[0].contains("a fingerprint has 64 hexadecimal digits"), "{found:?}");
}
