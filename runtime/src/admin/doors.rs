//! Who may come in: by a token, by a certificate, or by being on this machine where nobody is asked. Made with each
//! generation; a request is judged by those of the moment it comes.

use std::net::IpAddr;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName};
use sha2::{Digest, Sha256};

use super::request::{Author, Peer, Role, Who};
use crate::config::Faults;
use crate::config::checked::{self, KnownBy};
use crate::snapshot;
use crate::tls::acceptor::Acceptor;
use crate::tls::identity::ClientIdentity;

/// What `[admin]` says of who may come in.
#[derive(Default)]
pub struct Doors {
    tls: Option<Arc<Acceptor>>,
    tokens: Vec<Token>,
    clients: Vec<Client>,
    hosts: Vec<String>,
}

struct Token {
    name: Arc<str>,
    digest: [u8; 32],
    role: Role,
}

struct Client {
    name: Arc<str>,
    known_by: KnownBy,
    role: Role,
}

/// Why somebody is not let in.
#[derive(Debug, PartialEq, Eq)]
pub enum Stranger {
    /// They show nothing.
    Nameless,
    /// They show what is no token at all, or two.
    Unreadable,
    /// Nobody has this token.
    Token,
    /// A certificate that is not listed: its subject and fingerprint.
    Certificate(String, String),
}

/// Kong's own.
const KONG_ADMIN_TOKEN: HeaderName = HeaderName::from_static("kong-admin-token");

impl Doors {
    /// As configured. `None` if there are faults, which are noted.
    pub fn new(admin: &checked::Admin, faults: &Faults) -> Option<Self> {
        let tls = match &admin.tls {
            Some(tls) => Some(Arc::new(snapshot::acceptor_of_its_own(tls, faults)?)),
            None => None,
        };
        let tokens = admin.tokens.iter().map(|token| Token {
            name: token.name.as_str().into(),
            digest: token.digest,
            role: token.role,
        });
        let clients = admin.clients.iter().map(|client| Client {
            name: client.name.as_str().into(),
            known_by: client.known_by.clone(),
            role: client.role,
        });
        Some(Self { tls, tokens: tokens.collect(), clients: clients.collect(), hosts: admin.hosts.clone() })
    }

    /// What connections are accepted with; `None`: in the clear.
    pub(super) fn acceptor(&self) -> Option<Arc<Acceptor>> {
        self.tls.clone()
    }

    /// Whether one may ask by this name. An address cannot be made to lead elsewhere.
    pub(super) fn has_name(&self, host: &str) -> bool {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let mut names = self.hosts.iter().map(String::as_str).chain(["localhost"]);
        names.any(|own| own.eq_ignore_ascii_case(host)) || bare.parse::<IpAddr>().is_ok()
    }

    /// Who asks: what they show of themselves is taken out of `headers`, so that nobody can log it. A token goes before
    /// a certificate.
    ///
    /// # Errors
    /// They are not let in.
    pub(super) fn author(
        &self,
        headers: &mut HeaderMap,
        certificate: Option<&ClientIdentity>,
        peer: Peer,
    ) -> Result<Author, Stranger> {
        let shown = shown_token(headers);
        headers.remove(AUTHORIZATION);
        headers.remove(KONG_ADMIN_TOKEN);
        if self.tokens.is_empty() && self.clients.is_empty() {
            let who = if peer == Peer::Socket { Who::Socket } else { Who::Loopback };
            return Ok(Author { who, role: Role::Write });
        }
        if let Some(token) = shown? {
            return self.by_token(&token).ok_or(Stranger::Token);
        }
        let Some(certificate) = certificate else { return Err(Stranger::Nameless) };
        let known = self
            .clients
            .iter()
            .find(|client| client.is(certificate))
            .ok_or_else(|| Stranger::Certificate(certificate.subject.clone(), certificate.fingerprint.clone()))?;
        Ok(Author { who: Who::Certificate(Arc::clone(&known.name)), role: known.role })
    }

    /// Takes as long for each token that there is, whichever it is.
    fn by_token(&self, shown: &str) -> Option<Author> {
        let digest: [u8; 32] = Sha256::digest(shown).into();
        let mut found = None;
        for token in &self.tokens {
            if verify_slices_are_equal(&token.digest, &digest).is_ok() {
                found = Some(token);
            }
        }
        found.map(|token| Author { who: Who::Token(Arc::clone(&token.name)), role: token.role })
    }
}

impl Client {
    fn is(&self, certificate: &ClientIdentity) -> bool {
        let names = || certificate.dns_names.iter().chain(&certificate.emails).chain(&certificate.uris);
        match &self.known_by {
            KnownBy::Subject(subject) => certificate.subject == *subject,
            KnownBy::AlternativeName(name) => names().any(|own| own == name),
            KnownBy::Fingerprint(fingerprint) => certificate.fingerprint == *fingerprint,
        }
    }
}

/// The token in `Authorization: Bearer TOKEN` or `Kong-Admin-Token: TOKEN`, if there is one.
fn shown_token(headers: &HeaderMap) -> Result<Option<String>, Stranger> {
    let only = |name: HeaderName| {
        let mut values = headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => value.to_str().map(Some).map_err(|_| Stranger::Unreadable),
            (Some(_), Some(_)) => Err(Stranger::Unreadable),
        }
    };
    let bearer = match only(AUTHORIZATION)? {
        None => None,
        Some(value) => match value.trim().split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Some(token.trim().to_owned()),
            _ => return Err(Stranger::Unreadable),
        },
    };
    let kongs = only(KONG_ADMIN_TOKEN)?.map(|token| token.trim().to_owned());
    match (bearer, kongs) {
        (Some(_), Some(_)) => Err(Stranger::Unreadable),
        (bearer, kongs) => Ok(bearer.or(kongs)),
    }
}

#[cfg(test)]
impl Doors {
    /// Tokens that are what they are called.
    pub(super) fn of_tokens(listed: &[(&str, Role)]) -> Self {
        let token = |(name, role): &(&str, Role)| Token {
            name: (*name).into(),
            digest: Sha256::digest(name).into(),
            role: *role,
        };
        Self { tokens: listed.iter().map(token).collect(), ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::SystemTime;

    use super::*;

    const HERE: Peer = Peer::Address(IpAddr::V4(Ipv4Addr::LOCALHOST));

    fn doors() -> Doors {
        let client = |name: &str, known_by, role| Client { name: name.into(), known_by, role };
        Doors {
            clients: vec![
                client("by-subject", KnownBy::Subject("CN=ops,O=Example".to_owned()), Role::Write),
                client("by-uri", KnownBy::AlternativeName("spiffe://example.org/ci".to_owned()), Role::Plugins),
                client("by-print", KnownBy::Fingerprint("ab".repeat(32)), Role::Read),
            ],
            ..Doors::of_tokens(&[("first", Role::Read), ("second", Role::Write)])
        }
    }

    fn headers(listed: &[(&'static str, &str)]) -> HeaderMap {
        listed.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    fn identity(subject: &str, uri: &str, fingerprint: &str) -> ClientIdentity {
        ClientIdentity {
            subject: subject.to_owned(),
            common_name: None,
            issuer: String::new(),
            serial: String::new(),
            dns_names: vec!["ci.example".to_owned()],
            emails: Vec::new(),
            uris: vec![uri.to_owned()],
            fingerprint: fingerprint.to_owned(),
            not_after: SystemTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn tokens_come_in_either_header_and_go_no_further() {
        let doors = doors();
        for (shown, expected) in [
            (&[("authorization", "Bearer second")][..], Ok(("second", Role::Write))),
            (&[("authorization", "bearer   first ")], Ok(("first", Role::Read))),
            (&[("kong-admin-token", "first")], Ok(("first", Role::Read))),
            (&[("authorization", "Bearer third")], Err(Stranger::Token)),
            (&[("authorization", "Bearer First")], Err(Stranger::Token)),
            (&[("authorization", "Bearer ")], Err(Stranger::Unreadable)),
            (&[("authorization", "first")], Err(Stranger::Unreadable)),
            (&[("authorization", "Basic first")], Err(Stranger::Unreadable)),
            (&[("authorization", "Bearer first"), ("authorization", "Bearer first")], Err(Stranger::Unreadable)),
            (&[("authorization", "Bearer first"), ("kong-admin-token", "second")], Err(Stranger::Unreadable)),
            (&[("kong-admin-token", "")], Err(Stranger::Token)),
            (&[("x-token", "first")], Err(Stranger::Nameless)),
        ] {
            let mut headers = headers(shown);
            let author = doors.author(&mut headers, None, HERE);
            let expected = expected.map(|(name, role)| Author { who: Who::Token(name.into()), role });
            assert_eq!(author, expected, "{shown:?}");
            assert!(!headers.contains_key(AUTHORIZATION) && !headers.contains_key(KONG_ADMIN_TOKEN));
        }
    }

    #[test]
    fn certificates_have_the_roles_that_are_listed_for_them() {
        let doors = doors();
        let other = "00".repeat(32);
        for (certificate, expected) in [
            (identity("CN=ops,O=Example", "x", &other), Some(("by-subject", Role::Write))),
            (identity("CN=x", "spiffe://example.org/ci", &other), Some(("by-uri", Role::Plugins))),
            (identity("CN=x", "x", &"ab".repeat(32)), Some(("by-print", Role::Read))),
            (identity("CN=ops", "x", &other), None),
            (identity("O=Example,CN=ops", "spiffe://example.org/ci/x", &other), None),
        ] {
            let author = doors.author(&mut HeaderMap::new(), Some(&certificate), HERE);
            let expected = expected.map(|(name, role)| Author { who: Who::Certificate(name.into()), role });
            let stranger = Stranger::Certificate(certificate.subject.clone(), other.clone());
            assert_eq!(author, expected.ok_or(stranger), "{certificate:?}");
        }
        // A token that is shown counts, a wrong one, too.
        let ops = identity("CN=ops,O=Example", "x", &other);
        let shown = |token| doors.author(&mut headers(&[("kong-admin-token", token)]), Some(&ops), HERE);
        assert_eq!(shown("first").unwrap().role, Role::Read);
        assert_eq!(shown("wrong"), Err(Stranger::Token));
    }

    #[test]
    fn it_is_asked_by_its_names_and_by_any_address() {
        let doors = Doors { hosts: vec!["gateway.internal".to_owned()], ..Doors::default() };
        for ours in ["localhost", "LocalHost", "Gateway.Internal", "10.1.2.3", "[::1]"] {
            assert!(doors.has_name(ours), "{ours}");
        }
        for foreign in ["", "x.gateway.internal", "gateway.internal.", "10.1.2.3.example", "0x7f.1"] {
            assert!(!doors.has_name(foreign), "{foreign}");
        }
    }

    #[test]
    fn where_nobody_is_asked_everybody_here_may_everything() {
        let open = Doors::default();
        for (peer, who) in [(HERE, Who::Loopback), (Peer::Socket, Who::Socket)] {
            let mut headers = headers(&[("authorization", "Bearer whatever")]);
            assert_eq!(open.author(&mut headers, None, peer), Ok(Author { who, role: Role::Write }));
        }
        // With tokens, being here is not enough.
        assert_eq!(doors().author(&mut HeaderMap::new(), None, Peer::Socket), Err(Stranger::Nameless));
    }
}
