//! Certificates, keys and authorities of a configuration, read from where they are. What did not change is kept from one
//! generation to the next, since thousands of keys take their time.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::RootCertStore;
use sha2::{Digest, Sha256};

use crate::config::Faults;
use crate::config::checked::{CaCertificate, Certificate, CertificatePair, PemSource, Snis};
use crate::config::reader::Located;
use crate::tls::Error;
use crate::tls::files::{self, Authorities, Pem};
use crate::tls::names::{Names, Pattern};

/// What has been read so far.
#[derive(Default)]
pub struct Certificates {
    known: HashMap<[u8; 32], Known>,
    build: u64,
}

struct Known {
    certificate: Arc<files::Certificate>,
    /// The last build of a generation that had it.
    build: u64,
}

impl Certificates {
    /// Another generation is about to be built. What neither it nor the one before has is forgotten with the next.
    pub fn begin(&mut self) {
        self.build += 1;
        let last = self.build;
        self.known.retain(|_, known| known.build + 2 >= last);
    }

    /// What all listeners share: `[[certificates]]` by their names. What is wrong with them is noted.
    pub fn shared(&mut self, certificates: &[Certificate], faults: &Faults) -> Names {
        let listed = certificates.iter().filter_map(|certificate| match &certificate.snis {
            Snis::Own => None,
            Snis::Listed(names) => Some(names),
        });
        let listed: std::collections::HashSet<&Pattern> = listed.flatten().collect();
        let mut names = Names::default();
        for certificate in certificates {
            let pair = self.pair(&certificate.pair, faults);
            let alt = certificate.alt.as_ref().and_then(|alt| self.pair(alt, faults));
            if let (Some(pair), Some(alt), Some(at)) = (&pair, &alt, &certificate.alt)
                && pair.key.key.algorithm() == alt.key.key.algorithm()
            {
                let message = "`key_alt` is of the same type as `key`";
                let help = "it is for clients that know one of RSA and ECDSA only";
                faults.at_with_help(&at.key.span, message, help);
            }
            for pair in pair.iter().chain(&alt) {
                match &certificate.snis {
                    Snis::Listed(listed) => listed.iter().for_each(|name| names.add(name, &pair.key)),
                    Snis::Own => {
                        let own = pair.patterns().filter(|name| !listed.contains(name));
                        own.for_each(|name| names.add(&name, &pair.key));
                    }
                }
            }
        }
        names
    }

    /// A certificate and its key. What is wrong with them is noted.
    pub fn pair(&mut self, pair: &CertificatePair, faults: &Faults) -> Option<Arc<files::Certificate>> {
        let read = |source: &Located<PemSource>| {
            pem(&source.value).map_err(|error| faults.at(&source.span, error.to_string())).ok()
        };
        let (chain, key) = (read(&pair.cert), read(&pair.key));
        let (chain, key) = (chain?, key?);
        let mut digest = Sha256::new();
        for pem in [&chain, &key] {
            digest.update(pem.bytes().len().to_be_bytes());
            digest.update(pem.bytes());
        }
        let (digest, build) = (digest.finalize().into(), self.build);
        if let Some(known) = self.known.get_mut(&digest) {
            known.build = build;
            return Some(Arc::clone(&known.certificate));
        }
        match files::certificate(&chain, &key) {
            Ok(certificate) => {
                warn(&certificate.warnings);
                let certificate = Arc::new(certificate);
                self.known.insert(digest, Known { certificate: Arc::clone(&certificate), build });
                Some(certificate)
            }
            Err(error) => {
                let of_key = matches!(error, Error::Key { .. } | Error::NoKey { .. } | Error::EncryptedKey { .. });
                let span = if of_key { &pair.key.span } else { &pair.cert.span };
                faults.at(span, error.to_string());
                None
            }
        }
    }
}

/// Note what is wrong with `[[ca_certificates]]`, whether anything refers to them or not.
pub fn check_authorities(authorities: &[CaCertificate], faults: &Faults) {
    for authority in authorities {
        match pem(&authority.cert.value).and_then(|pem| files::authority(&pem)) {
            Ok(Authorities { warnings, .. }) => warn(&warnings),
            Err(error) => faults.at(&authority.cert.span, error.to_string()),
        }
    }
}

/// All of these together. What is wrong with one is noted.
pub fn authorities(sources: &[Located<PemSource>], faults: &Faults) -> Option<Arc<RootCertStore>> {
    let mut all = RootCertStore::empty();
    for source in sources {
        match pem(&source.value).and_then(|pem| files::authorities(&pem)) {
            Ok(Authorities { roots, warnings }) => {
                // Those with a table are warned of there.
                if matches!(source.value, PemSource::File(_)) {
                    warn(&warnings);
                }
                all.roots.extend(roots.roots.iter().cloned());
            }
            Err(error) => {
                faults.at(&source.span, error.to_string());
                return None;
            }
        }
    }
    Some(Arc::new(all))
}

/// What tells one content from another. All that cannot be read are alike: that is a fault, elsewhere.
pub fn digest(source: &PemSource) -> [u8; 32] {
    pem(source).map_or([0; 32], |pem| Sha256::digest(pem.bytes()).into())
}

fn pem(source: &PemSource) -> Result<Pem, Error> {
    match source {
        PemSource::File(path) => Pem::read(path),
        PemSource::Text { of, text } => Pem::new(of, text.reveal().to_vec()),
    }
}

/// What is odd, but no fault.
pub(crate) fn warn(warnings: &[String]) {
    for warning in warnings {
        tracing::warn!("{warning}");
    }
}

#[cfg(test)]
mod tests;
