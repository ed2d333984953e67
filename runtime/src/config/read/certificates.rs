//! Certificates, keys and authorities, each a PEM file or the text itself; and references to those that have a table.

use std::collections::HashMap;

use toml::de::DeValue;
use uuid::Uuid;

use super::Reading;
use super::marks::marks;
use crate::config::checked::{CaCertificate, Certificate, CertificatePair, PemSource, SecretValue, Snis};
use crate::config::faults::{Faults, Span, suggest};
use crate::config::reader::{Fields, Located, Value, parse};
use crate::config::secret::Secret;
use crate::config::values::{Name, Text};
use crate::limits;
use crate::tls::names::Pattern;

/// What other tables may refer to, by id and by name. Nothing is behind those that have faults.
#[derive(Default)]
pub(super) struct Known {
    pairs: HashMap<String, Option<CertificatePair>>,
    authorities: HashMap<String, Option<Located<PemSource>>>,
}

/// What an entity is known by.
struct Labels {
    id: Option<Uuid>,
    name: Option<Name>,
}

impl Labels {
    fn all(&self) -> impl Iterator<Item = String> {
        let id = self.id.as_ref().map(ToString::to_string);
        id.into_iter().chain(self.name.as_ref().map(ToString::to_string))
    }
}

impl Reading<'_> {
    /// `[[certificates]]` and `[[ca_certificates]]`; other tables can refer to them from then on.
    pub(super) fn certificates(&mut self, file: &Fields<'_>) -> (Vec<Certificate>, Vec<CaCertificate>) {
        let mut known = Known::default();
        let mut listed = HashMap::new();
        let mut certificates = Vec::new();
        for (index, value) in file.array("certificates").enumerate() {
            let Some(fields) = Fields::of(value, "a certificate", self.faults) else { continue };
            let labels = self.known_by("certificate", &fields);
            let of = called("certificate", &labels, index);
            let pair = self.pair_of(&fields, &of, ["cert", "key"]);
            let alternative = ["cert_alt", "key_alt"].iter().any(|key| fields.value(key).is_some());
            let alt = if alternative { self.pair_of(&fields, &of, ["cert_alt", "key_alt"]) } else { None };
            let snis = self.snis(&fields, &mut listed);
            fields.finish();
            known.pairs.extend(labels.all().map(|label| (label, pair.clone())));
            let Labels { id, name } = labels;
            certificates.extend(pair.map(|pair| Certificate { id, name, pair, alt, snis }));
        }
        let mut authorities = Vec::new();
        for (index, value) in file.array("ca_certificates").enumerate() {
            let Some(fields) = Fields::of(value, "a CA certificate", self.faults) else { continue };
            let labels = self.known_by("CA certificate", &fields);
            let of = called("CA certificate", &labels, index);
            let cert = self.pem(&fields, "cert", &of, "the CA's certificate: a PEM file, or the PEM text itself");
            fields.finish();
            known.authorities.extend(labels.all().map(|label| (label, cert.clone())));
            let Labels { id, name } = labels;
            authorities.extend(cert.map(|cert| CaCertificate { id, name, cert }));
        }
        self.known = known;
        (certificates, authorities)
    }

    fn known_by(&self, kind: &'static str, fields: &Fields<'_>) -> Labels {
        let id = marks(fields);
        let name = fields.parse::<Name>("name");
        let texts = id.iter().map(|id| (id.value.to_string(), &id.span));
        for (text, span) in texts.chain(name.iter().map(|name| (name.value.to_string(), &name.span))) {
            self.unique(kind, &text, span);
        }
        Labels { id: id.map(|id| id.value), name: name.map(|name| name.value) }
    }

    fn snis(&self, fields: &Fields<'_>, listed: &mut HashMap<Pattern, Span>) -> Snis {
        if fields.value("snis").is_none() {
            return Snis::Own;
        }
        let names: Vec<_> = fields.array("snis").filter_map(|value| self.sni(value)).collect();
        for name in &names {
            match listed.get(&name.value) {
                Some(first) => {
                    let message = format!("\"{}\" is listed already, on line {}", name.value, self.faults.line(first));
                    self.faults.at_with_help(&name.span, message, "a name can have one certificate only");
                }
                None => drop(listed.insert(name.value.clone(), name.span.clone())),
            }
        }
        Snis::Listed(names.into_iter().map(|name| name.value).collect())
    }

    /// A name, or a table that has more to say of it.
    fn sni(&self, value: &Value<'_>) -> Option<Located<Pattern>> {
        match value.get_ref() {
            DeValue::Table(_) => {
                let fields = Fields::of(value, "a server name", self.faults)?;
                self.marks("server name", &fields);
                let name = fields.require::<Pattern>("name", "what clients ask for: \"api.example.com\"");
                fields.finish();
                name
            }
            _ => parse::<Pattern>(value, "each of `snis`", self.faults),
        }
    }

    /// A table with a certificate and its key.
    pub(super) fn pair(&self, value: &Value<'_>) -> Option<CertificatePair> {
        let fields = Fields::of(value, "a certificate", self.faults)?;
        let pair = self.pair_of(&fields, "", ["cert", "key"]);
        fields.finish();
        pair
    }

    /// Such a table, or the id or name of a certificate that has one.
    pub(super) fn pair_or_reference(&self, value: &Value<'_>) -> Option<CertificatePair> {
        let DeValue::String(label) = value.get_ref() else { return self.pair(value) };
        let known = &self.known.pairs;
        match known.get(&**label).or_else(|| known.get(&label.to_ascii_lowercase())) {
            Some(pair) => pair.clone(),
            None => {
                unknown(self.faults, &value.span(), "certificate", label, known.keys());
                None
            }
        }
    }

    /// Authorities to trust: a file at `path`, and those with a table whose ids or names `references` lists.
    pub(super) fn authorities(
        &self,
        fields: &Fields<'_>,
        path: &'static str,
        references: &'static str,
    ) -> Vec<Located<PemSource>> {
        let file = fields.parse::<Text>(path).map(|path| self.file(path).map(PemSource::File));
        let mut authorities: Vec<_> = file.into_iter().collect();
        let known = &self.known.authorities;
        for label in fields.parse_all::<Text>(references) {
            let Located { value: Text(label), span } = label;
            match known.get(&label).or_else(|| known.get(&label.to_ascii_lowercase())) {
                Some(authority) => authorities.extend(authority.clone()),
                None => unknown(self.faults, &span, "CA certificate", &label, known.keys()),
            }
        }
        authorities
    }

    fn pair_of(&self, fields: &Fields<'_>, of: &str, [cert, key]: [&'static str; 2]) -> Option<CertificatePair> {
        let cert = self.pem(fields, cert, of, "the certificate chain: a PEM file, or the PEM text itself");
        let key = self.private_key(fields, key, of);
        Some(CertificatePair { cert: cert?, key: key? })
    }

    fn pem(&self, fields: &Fields<'_>, key: &'static str, of: &str, help: &str) -> Option<Located<PemSource>> {
        let text = fields.require::<Text>(key, help)?;
        match self.given(key, &text) {
            Given::Pem => Some(text.map(|text| source(key, of, &text.0))),
            Given::Elsewhere => Some(self.file(text).map(PemSource::File)),
            Given::Neither => None,
        }
    }

    /// As [`Self::pem`]; `env:` and `file:` say where it is, too.
    fn private_key(&self, fields: &Fields<'_>, key: &'static str, of: &str) -> Option<Located<PemSource>> {
        let help = "the private key: a PEM file, \"env:NAME\", or the PEM text itself";
        let text = fields.require::<Text>(key, help)?;
        match self.given(key, &text) {
            Given::Pem => return Some(text.map(|text| source(key, of, &text.0))),
            Given::Neither => return None,
            Given::Elsewhere => {}
        }
        let Located { value: Text(text), span } = text;
        let revealed = match text.parse::<Secret>() {
            Ok(Secret::Plain(path)) => {
                return Some(self.watch(Located { value: path.into(), span }).map(PemSource::File));
            }
            Ok(Secret::File(path)) => return Some(self.watch(Located { value: path, span }).map(PemSource::File)),
            Ok(secret) => secret.reveal(self.folder),
            Err(error) => Err(error),
        };
        match revealed {
            Ok(text) => Some(Located { value: source(key, of, &text), span }),
            Err(error) => {
                self.faults.at(&span, format!("`{key}`: {error}"));
                None
            }
        }
    }

    /// What stands here. A key, or what may be one, is concealed, whichever way it came here.
    fn given(&self, key: &str, text: &Located<Text>) -> Given {
        let Located { value: Text(text), span } = text;
        let is_pem = text.contains("-----BEGIN");
        // A key that came without its first line must not end up in messages as the name of a file that is not there.
        let der = text.starts_with("MI") && text.len() >= 64 && !text.contains('.');
        let is_no_path = der || text.len() > limits::PATH_BYTES || text.contains('\n');
        if text.contains("PRIVATE KEY") || (is_no_path && !is_pem) {
            self.faults.conceal(span.clone());
        }
        if is_pem {
            return Given::Pem;
        }
        if is_no_path {
            let help = "PEM has a line -----BEGIN …-----; openssl writes it with -outform pem";
            self.faults.at_with_help(span, format!("`{key}` is neither a file's path nor PEM"), help);
            return Given::Neither;
        }
        Given::Elsewhere
    }
}

/// What a value is that may be PEM.
enum Given {
    /// The text itself.
    Pem,
    /// Where it is.
    Elsewhere,
    /// A fault, which has been noted.
    Neither,
}

fn source(key: &str, of: &str, text: &str) -> PemSource {
    let of = if of.is_empty() { format!("`{key}`") } else { format!("`{key}` of {of}") };
    PemSource::Text { of, text: SecretValue::new(text.as_bytes()) }
}

/// What messages call the entity, the third one without a name being `certificate 3`.
fn called(kind: &str, labels: &Labels, index: usize) -> String {
    match (&labels.name, &labels.id) {
        (Some(name), _) => format!("{kind} \"{name}\""),
        (None, Some(id)) => format!("{kind} {id}"),
        (None, None) => format!("{kind} {}", index + 1),
    }
}

fn unknown<'k>(faults: &Faults, span: &Span, kind: &str, label: &str, known: impl Iterator<Item = &'k String>) {
    let help = suggest(label, known.map(String::as_str));
    let help = help.unwrap_or_else(|| match kind {
        "certificate" => "it is the `id` or the `name` of one of [[certificates]], or a table { cert, key }".to_owned(),
        _ => "it is the `id` or the `name` of one of [[ca_certificates]]".to_owned(),
    });
    faults.at_with_help(span, format!("there is no {kind} \"{label}\""), help);
}
