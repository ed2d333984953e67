//! `[admin]`: where the admin API is, and who may ask it.

use std::ops::Range;
use std::str::FromStr;

use toml::de::DeValue;

use super::Reading;
use crate::admin::request::Role;
use crate::config::checked::{Admin, AdminClient, AdminToken, ClientAuth, KnownBy, Listener, ServerTls};
use crate::config::reader::{Fields, Located, Value, parse};
use crate::config::secret::Secret;
use crate::config::values::{Bind, Name, PlainHost, Text};
use crate::limits;

const TOKENS: &str = "tokens = [{ name = \"ci\", token = \"env:CI_TOKEN\", role = \"write\" }]";

impl Reading<'_> {
    pub(super) fn admin(&self, file: &Fields<'_>, listeners: &[Located<Listener>]) -> Option<Admin> {
        let value = file.value("admin")?;
        let admin = match value.get_ref() {
            DeValue::String(_) => {
                let address = parse::<Bind>(value, "`admin`", self.faults)?;
                Admin { address, tls: None, tokens: Vec::new(), clients: Vec::new(), hosts: Vec::new() }
            }
            _ => self.admin_table(Fields::of(value, "`admin`", self.faults)?, value)?,
        };
        let Located { value: address, span } = &admin.address;
        let fixed = !matches!(address, Bind::Tcp(address) if address.port() == 0);
        if fixed && listeners.iter().any(|listener| listener.value.address == *address) {
            self.faults.at(span, format!("{address} is a listener's already"));
        }
        let reachable = matches!(address, Bind::Tcp(address) if !address.ip().is_loopback());
        if reachable && admin.tokens.is_empty() && admin.clients.is_empty() {
            let message = format!("{address} can be reached from elsewhere, and everybody there could do everything");
            let help = format!("{TOKENS}, or `tls` with `client_ca`, and `clients`; or use 127.0.0.1");
            self.faults.at_with_help(span, message, help);
        }
        Some(admin)
    }

    fn admin_table(&self, fields: Fields<'_>, value: &Value<'_>) -> Option<Admin> {
        let address = fields.require::<Bind>("address", "where the admin API is, like \"127.0.0.1:8001\"");
        let tls = fields.value("tls").map(|value| self.server_tls(&fields, value));
        let tokens = self.admin_tokens(&fields);
        let clients: Vec<_> = fields.array("clients").filter_map(|value| self.admin_client(value)).collect();
        let hosts = fields.parse_all::<PlainHost>("hosts").into_iter().map(|host| host.value.0).collect();
        fields.finish();
        // Without its certificates it must not be served in the clear; the faults refuse it all anyway.
        let tls = match tls {
            Some(tls) => Some(tls?),
            None => None,
        };
        self.check_clients(value, tls.as_ref(), &tokens, &clients);
        Some(Admin { address: address?, tls, tokens, clients, hosts })
    }

    /// Certificates that nobody is asked for let nobody in, and those that nobody has a role by neither.
    fn check_clients(
        &self,
        value: &Value<'_>,
        tls: Option<&ServerTls>,
        tokens: &[AdminToken],
        clients: &[AdminClient],
    ) {
        let asked = tls.is_some_and(|tls| tls.client_auth != ClientAuth::None);
        if asked && clients.is_empty() && tokens.is_empty() {
            let help = "clients = [{ name = \"ops\", subject = \"CN=ops\", role = \"write\" }]";
            self.faults.at_with_help(&value.span(), "certificates are asked for, but no `clients` have a role", help);
        }
        if !asked && !clients.is_empty() {
            let help = "tls = { certificates = [ … ], client_ca = \"ca.pem\" }";
            self.faults.at_with_help(
                &value.span(),
                "`clients` without `client_ca`: nobody is asked who they are",
                help,
            );
        }
    }

    fn admin_tokens(&self, fields: &Fields<'_>) -> Vec<AdminToken> {
        let mut tokens: Vec<AdminToken> = Vec::new();
        for value in fields.array("tokens") {
            let Some((token, span)) = self.admin_token(value) else { continue };
            if let Some(other) = tokens.iter().find(|other| other.digest == token.digest) {
                self.faults.at(&span, format!("the same token as \"{}\" has", other.name));
            }
            tokens.push(token);
        }
        tokens
    }

    fn admin_token(&self, value: &Value<'_>) -> Option<(AdminToken, Range<usize>)> {
        let fields = Fields::of(value, "a token", self.faults)?;
        if let Some(token) = fields.value("token") {
            self.faults.conceal(token.span());
        }
        let name = self.name::<Name>("admin token", &fields, "name", "whose it is, for the log");
        let help = "the token itself, \"env:NAME\", \"file:PATH\" or \"sha256:HEX\"";
        let token = fields.require::<Secret>("token", help);
        let role = role(&fields);
        fields.finish();
        let (name, token, role) = (name?, token?, role?);
        self.watched.borrow_mut().extend(token.value.file(self.folder));
        match token.value.digest(self.folder).and_then(|digest| self.fit(&token.value).map(|()| digest)) {
            Ok(digest) => Some((AdminToken { name: name.value, digest, role }, token.span)),
            Err(problem) => {
                self.faults.at(&token.span, problem);
                None
            }
        }
    }

    /// Whether a token can be sent, and not be guessed. Of a digest, nobody can tell.
    fn fit(&self, token: &Secret) -> Result<(), String> {
        if matches!(token, Secret::Digest(_)) {
            return Ok(());
        }
        let token = token.reveal(self.folder)?;
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("a token has visible ASCII characters only: no header field could carry it".to_owned());
        }
        let least = limits::ADMIN_TOKEN_BYTES;
        if token.len() < least {
            return Err(format!("a token has at least {least} characters: \"openssl rand -hex 32\" makes one"));
        }
        Ok(())
    }

    fn admin_client(&self, value: &Value<'_>) -> Option<AdminClient> {
        let fields = Fields::of(value, "a client", self.faults)?;
        let name = self.name::<Name>("admin client", &fields, "name", "whose certificate it is, for the log");
        let text = |key| fields.parse::<Text>(key).map(|text| text.value.0);
        let (subject, san) = (text("subject"), text("san"));
        let fingerprint = fields.parse::<Fingerprint>("fingerprint");
        let wrong = fingerprint.is_none() && fields.value("fingerprint").is_some();
        let role = role(&fields);
        fields.finish();
        let known_by = match (subject, san, fingerprint) {
            (Some(subject), None, None) => Some(KnownBy::Subject(subject)),
            (None, Some(san), None) => Some(KnownBy::AlternativeName(san)),
            (None, None, Some(fingerprint)) => Some(KnownBy::Fingerprint(fingerprint.value.0)),
            _ if wrong => None,
            _ => {
                let message = "a client is known by one of `subject`, `san` and `fingerprint`";
                self.faults.at_with_help(&value.span(), message, "subject = \"CN=ops,O=Example\"");
                None
            }
        };
        Some(AdminClient { name: name?.value, known_by: known_by?, role: role? })
    }
}

fn role(fields: &Fields<'_>) -> Option<Role> {
    let help = "\"read\", \"plugins\" (read, and upload plugins) or \"write\" (everything)";
    fields.require::<Role>("role", help).map(|role| role.value)
}

/// SHA-256 of a certificate, in lower-case hexadecimal; OpenSSL writes it in upper case, with colons.
struct Fingerprint(String);

impl FromStr for Fingerprint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits: String = text.chars().filter(|character| *character != ':').collect();
        if digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            Ok(Self(digits.to_ascii_lowercase()))
        } else {
            Err("a fingerprint has 64 hexadecimal digits, with or without colons: \"openssl x509 -noout -fingerprint \
                 -sha256 -in FILE\" shows it"
                .to_owned())
        }
    }
}
