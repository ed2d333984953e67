//! Which certificate answers to which name. Certificates are filed under their names once; a handshake costs a few
//! look-ups, however many there are. A listener's own are looked at before those that all listeners share.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{SignatureAlgorithm, SignatureScheme};

use super::files::Certificate;

/// The names that a certificate is shown for (Kong: an SNI's `name`), in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Pattern {
    /// `*`: any name that no other certificate is for, and none at all.
    Any,
    /// `api.example.com`
    Exact(String),
    /// `*.example.com`: held as `.example.com`, which comes after one label.
    Suffix(String),
    /// `example.*`: held as `example.`, which comes before one label.
    Prefix(String),
}

/// Certificates by their names.
#[derive(Debug, Default)]
pub struct Names {
    exact: HashMap<String, Choice>,
    suffix: HashMap<String, Choice>,
    prefix: HashMap<String, Choice>,
    /// For names that are not known, and clients that ask for none.
    default: Choice,
}

/// Certificates for one name, the preferred one first. More than one, where old clients know RSA only.
#[derive(Debug, Clone, Default)]
struct Choice(Vec<Arc<CertifiedKey>>);

/// What a listener has to show.
#[derive(Debug, Default)]
pub struct Offer {
    own: Names,
    shared: Arc<Names>,
}

impl Names {
    /// Those of a listener: each by its own names, the first for whoever asks for something else.
    pub fn of_listener(certificates: &[Arc<Certificate>]) -> Self {
        let mut names = Self::default();
        for certificate in certificates {
            for name in certificate.patterns() {
                names.add(&name, &certificate.key);
            }
        }
        if let Some(first) = certificates.first() {
            names.add(&Pattern::Any, &first.key);
            // Its twin with another kind of key. Certificates without names have nothing in common.
            for twin in
                certificates.iter().skip(1).filter(|other| !other.names.is_empty() && other.names == first.names)
            {
                names.add(&Pattern::Any, &twin.key);
            }
        }
        names
    }

    /// Have `key` shown for `name`, too.
    pub fn add(&mut self, name: &Pattern, key: &Arc<CertifiedKey>) {
        let choice = match name {
            Pattern::Any => &mut self.default,
            Pattern::Exact(name) => self.exact.entry(name.clone()).or_default(),
            Pattern::Suffix(end) => self.suffix.entry(end.clone()).or_default(),
            Pattern::Prefix(start) => self.prefix.entry(start.clone()).or_default(),
        };
        choice.add(key);
    }
}

impl Offer {
    /// `own` before `shared`.
    pub fn new(own: Names, shared: Arc<Names>) -> Self {
        Self { own, shared }
    }

    /// Whether there is something to show to a client that asks for `name`, in lower case, or for none.
    pub fn answers(&self, name: Option<&str>) -> bool {
        self.defaults().next().is_some() || name.is_some_and(|name| self.named(name).next().is_some())
    }

    /// Whether there is something to show to everybody.
    pub fn answers_all(&self) -> bool {
        self.defaults().next().is_some()
    }

    /// The certificate for a client that asks for `name`, in lower case, and can verify signatures of these kinds.
    fn choose(&self, name: Option<&str>, schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        name.and_then(|name| pick(self.named(name), schemes)).or_else(|| pick(self.defaults(), schemes))
    }

    /// What is for `name`, the nearest first. A star stands for one label (RFC 6125, section 6.4.3), as in Kong.
    fn named(&self, name: &str) -> impl Iterator<Item = &Choice> {
        let name = name.strip_suffix('.').unwrap_or(name);
        let end = name.find('.').filter(|dot| *dot > 0).and_then(|dot| name.get(dot..)).unwrap_or_default();
        let start = name.rfind('.').filter(|dot| *dot > 0).and_then(|dot| name.get(..=dot)).unwrap_or_default();
        let (own, shared) = (&self.own, &self.shared);
        [
            own.exact.get(name),
            shared.exact.get(name),
            own.suffix.get(end),
            shared.suffix.get(end),
            own.prefix.get(start),
            shared.prefix.get(start),
        ]
        .into_iter()
        .flatten()
    }

    fn defaults(&self) -> impl Iterator<Item = &Choice> {
        [&self.own.default, &self.shared.default].into_iter().filter(|choice| !choice.0.is_empty())
    }
}

impl ResolvesServerCert for Offer {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // rustls hands the name over in lower case.
        self.choose(hello.server_name(), hello.signature_schemes())
    }
}

impl Choice {
    /// Other keys before RSA's: whoever knows them knows RSA too, and they sign at a tenth of its cost.
    fn add(&mut self, key: &Arc<CertifiedKey>) {
        self.0.push(Arc::clone(key));
        self.0.sort_by_key(|key| key.key.algorithm() == SignatureAlgorithm::RSA);
    }
}

/// The first whose signature the client can verify. If there is none, the first: the handshake then fails with the
/// reason, which a certificate for another name would hide.
fn pick<'c>(choices: impl Iterator<Item = &'c Choice>, schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
    let mut keys = choices.flat_map(|choice| &choice.0).peekable();
    let first = keys.peek().copied();
    keys.find(|key| key.key.choose_scheme(schemes).is_some()).or(first).cloned()
}

#[cfg(test)]
mod tests;
