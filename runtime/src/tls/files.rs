//! PEM files: certificate chains, private keys and CA bundles. Whatever is wrong with one is said in words that name the
//! file and what to do; what is merely unwise becomes a warning. The admin API's certificates come the same way.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::RootCertStore;
use rustls::pki_types::pem::{self, PemObject, SectionKind};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;
use x509_parser::time::ASN1Time;

use super::names::Pattern;
use super::{Error, Found, identity, provider, server};
use crate::limits;

/// A PEM text and where it comes from. It may hold a key, so it is never printed.
pub struct Pem {
    origin: String,
    text: Vec<u8>,
}

/// A certificate with its chain and key, ready to be shown to the other side.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// Chain and key, checked to be a pair.
    pub key: Arc<CertifiedKey>,
    /// The DNS names it is for, as `server::server_names` has them.
    pub names: Vec<String>,
    /// When it expires.
    pub not_after: SystemTime,
    /// What should be mended, each with the file's name.
    pub warnings: Vec<String>,
}

/// CAs to trust.
#[derive(Debug, Clone)]
pub struct Authorities {
    /// At least one.
    pub roots: Arc<RootCertStore>,
    /// What should be mended, each with the file's name.
    pub warnings: Vec<String>,
}

impl Certificate {
    /// What it is to be shown for if nothing else is said.
    pub fn patterns(&self) -> impl Iterator<Item = Pattern> {
        self.names.iter().map(|name| match name.strip_prefix('*') {
            Some(end) => Pattern::Suffix(end.to_owned()),
            None => Pattern::Exact(name.clone()),
        })
    }
}

impl Pem {
    /// The file at `path`; errors call it by that name. Reads from disk: not for a worker thread.
    ///
    /// # Errors
    /// It cannot be read, or is larger than `limits::PEM_BYTES`.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let origin = path.display().to_string();
        match bounded(path) {
            Ok(text) => Self::new(origin, text),
            Err(source) => Err(Error::Unreadable { file: origin, source }),
        }
    }

    /// A text that came in another way than from a file; errors call it `origin`.
    ///
    /// # Errors
    /// It is larger than `limits::PEM_BYTES`.
    pub fn new(origin: impl Into<String>, text: Vec<u8>) -> Result<Self, Error> {
        let (file, limit) = (origin.into(), limits::PEM_BYTES);
        if u64::try_from(text.len()).is_ok_and(|length| length <= limit) {
            Ok(Self { origin: file, text })
        } else {
            Err(Error::TooLarge { file, limit })
        }
    }

    /// The text itself.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.text
    }

    /// What is between the BEGIN and END lines, in order; sections of unknown kinds are left out.
    fn sections(&self) -> Result<Vec<(SectionKind, Vec<u8>)>, Error> {
        // Editors on Windows begin files with a mark that would hide the first BEGIN.
        let text = self.text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&self.text);
        let sections: Result<_, _> = <(SectionKind, Vec<u8>)>::pem_slice_iter(text).collect();
        sections.map_err(|error| Error::Damaged { file: self.origin.clone(), why: damage(&error) })
    }

    fn found(&self, sections: &[(SectionKind, Vec<u8>)]) -> Found {
        if self.text.trim_ascii().is_empty() {
            Found::Empty
        } else if sections.iter().any(|(kind, _)| *kind == SectionKind::Certificate) {
            Found::Certificate
        } else if sections.iter().any(|(kind, _)| is_key(*kind)) {
            Found::Key
        } else if self.text.starts_with(&[0x30, 0x82]) || self.text.starts_with(&[0x30, 0x81]) {
            Found::Der
        } else {
            Found::Nothing
        }
    }

    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, Error> {
        let sections = self.sections()?;
        let found = self.found(&sections);
        let certificates: Vec<_> = sections
            .into_iter()
            .filter(|(kind, _)| *kind == SectionKind::Certificate)
            .map(|(_, der)| CertificateDer::from(der))
            .collect();
        if certificates.is_empty() {
            return Err(Error::NoCertificate { file: self.origin.clone(), found });
        }
        Ok(certificates)
    }

    fn key(&self) -> Result<PrivateKeyDer<'static>, Error> {
        // Before parsing: to the parser, the older of the two forms is nothing but broken base64.
        let encrypted = [&b"-----BEGIN ENCRYPTED PRIVATE KEY-----"[..], b"Proc-Type: 4,ENCRYPTED"];
        if encrypted.iter().any(|mark| self.text.windows(mark.len()).any(|window| window == *mark)) {
            return Err(Error::EncryptedKey { file: self.origin.clone() });
        }
        let sections = self.sections()?;
        let found = self.found(&sections);
        let key = sections.into_iter().find_map(|(kind, der)| PrivateKeyDer::from_pem(kind, der));
        key.ok_or_else(|| Error::NoKey { file: self.origin.clone(), found })
    }
}

/// The certificate chain in `chain`, its own certificate first, with the private key in `key` (PKCS #8, PKCS #1 or
/// SEC 1). Both may be the same text.
///
/// # Errors
/// Either cannot be read, or they are not a pair. A certificate that expired is a warning: it serves those who do not
/// look, and refusing it would take down the listener's other names.
pub fn certificate(chain: &Pem, key: &Pem) -> Result<Certificate, Error> {
    let certificates = chain.certificates()?;
    let key_der = key.key()?;
    let unusable = |why: rustls::Error| Error::Key { file: key.origin.clone(), why: words(&why) };
    let signer = provider().key_provider.load_private_key(key_der).map_err(unusable)?;

    let parsed = parse_all(chain, &certificates)?;
    let (Some(own), Some(own_der)) = (parsed.first(), certificates.first()) else {
        return Err(Error::NoCertificate { file: chain.origin.clone(), found: Found::Nothing });
    };
    if signer.public_key().is_some_and(|public| public.as_ref() != own.public_key().raw) {
        return Err(Error::NotAPair { certificate: chain.origin.clone(), key: key.origin.clone() });
    }
    let (names, not_after) = (server::server_names(own_der), identity::time(own.validity().not_after));
    let mut warnings = expiry_warnings(chain, &parsed);
    for (position, pair) in parsed.windows(2).enumerate() {
        if let [below, above] = pair
            && below.issuer().as_raw() != above.subject().as_raw()
        {
            warnings.push(format!(
                "{}: certificate {} did not issue certificate {}; the order is: own certificate, its issuer, and so on",
                chain.origin,
                position + 2,
                position + 1
            ));
        }
    }
    drop(parsed);
    Ok(Certificate { key: Arc::new(CertifiedKey::new(certificates, signer)), names, not_after, warnings })
}

/// All certificates in `bundle`, as CAs to trust.
///
/// # Errors
/// There is none, or one that is not fit to be trusted: left out in silence, it would be missed much later.
pub fn authorities(bundle: &Pem) -> Result<Authorities, Error> {
    let certificates = bundle.certificates()?;
    let warnings = expiry_warnings(bundle, &parse_all(bundle, &certificates)?);
    let mut roots = RootCertStore::empty();
    for (index, certificate) in certificates.into_iter().enumerate() {
        roots.add(certificate).map_err(|why| Error::Certificate {
            file: bundle.origin.clone(),
            position: index + 1,
            why: words(&why),
        })?;
    }
    Ok(Authorities { roots: Arc::new(roots), warnings })
}

/// The one certificate in `text`, as a CA to trust (Kong: a `ca_certificate`).
///
/// # Errors
/// There is none, or more than one, or it is no CA's.
pub fn authority(text: &Pem) -> Result<Authorities, Error> {
    let certificates = text.certificates()?;
    let parsed = parse_all(text, &certificates)?;
    let [only] = parsed.as_slice() else {
        return Err(Error::Several { file: text.origin.clone(), count: parsed.len() });
    };
    if !only.is_ca() {
        return Err(Error::NotAuthority { file: text.origin.clone() });
    }
    authorities(text)
}

fn parse_all<'d>(origin: &Pem, certificates: &'d [CertificateDer<'static>]) -> Result<Vec<X509Certificate<'d>>, Error> {
    let parse = |(index, der): (usize, &'d CertificateDer<'static>)| match X509Certificate::from_der(der) {
        Ok((_, certificate)) => Ok(certificate),
        Err(error) => {
            Err(Error::Certificate { file: origin.origin.clone(), position: index + 1, why: error.to_string() })
        }
    };
    certificates.iter().enumerate().map(parse).collect()
}

fn expiry_warnings(origin: &Pem, certificates: &[X509Certificate<'_>]) -> Vec<String> {
    let now = ASN1Time::now();
    let mut warnings = Vec::new();
    for (index, certificate) in certificates.iter().enumerate() {
        let which = match certificates.len() {
            1 => origin.origin.clone(),
            _ => format!("{}: certificate {} ({})", origin.origin, index + 1, identity::name(certificate.subject())),
        };
        let validity = certificate.validity();
        if validity.not_after < now {
            warnings.push(format!("{which}: expired on {}", validity.not_after.to_datetime().date()));
        } else if validity.not_before > now {
            warnings.push(format!("{which}: not valid before {}", validity.not_before.to_datetime().date()));
        }
    }
    warnings
}

/// In words of ours: the parser's hold the line that it stumbled over, which may be all of a key.
fn damage(error: &pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { .. } => "the END line is missing: were the line breaks lost?",
        pem::Error::IllegalSectionStart { .. } => "a BEGIN line goes on behind its dashes: were the line breaks lost?",
        pem::Error::Base64Decode(_) => "what is between the BEGIN and END lines is no base64",
        _ => "it cannot be read as PEM",
    }
    .to_owned()
}

/// rustls says "unexpected error: " in front of its general words, which are all that helps.
fn words(error: &rustls::Error) -> String {
    match error {
        rustls::Error::General(words) => words.clone(),
        rustls::Error::InvalidCertificate(error) => error.to_string(),
        other => other.to_string(),
    }
}

fn is_key(kind: SectionKind) -> bool {
    matches!(kind, SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey)
}

fn bounded(path: &Path) -> io::Result<Vec<u8>> {
    // Opening a pipe would wait for its writer.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("not a file"));
    }
    let mut text = Vec::new();
    File::open(path)?.take(limits::PEM_BYTES + 1).read_to_end(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests;
