//! An authority of the test's own and the certificates it issues, in memory for upstreams, as PEM files for the
//! gateway.

use std::path::Path;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, RsaKeySize, SanType, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// Issues certificates.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// When a certificate can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    Now,
    /// It ended in 2001.
    Expired,
    /// It begins in 2090.
    NotYet,
}

/// Who shows a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Server,
    Client,
}

/// A certificate and its key.
pub struct Leaf {
    pub cert_pem: String,
    pub key_pem: String,
    der: CertificateDer<'static>,
    key: Vec<u8>,
}

impl Authority {
    /// A new one with a key of its own; `name` tells it from others of the same test.
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    pub fn der(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    /// A server's certificate for these names, which may be addresses.
    pub fn server(&self, names: &[&str]) -> Leaf {
        self.leaf(names, Validity::Now, Role::Server)
    }

    /// The same with an RSA key.
    pub fn rsa_server(&self, names: &[&str]) -> Leaf {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
        self.issue_for(CertificateParams::new(names).unwrap(), Role::Server, &key)
    }

    /// A client's certificate with this subject, its most general part first, and these alternative names, which ends
    /// in this time.
    pub fn client(&self, subject: &[(DnType, &str)], names: Vec<SanType>, lasts: Duration) -> Leaf {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names;
        params.distinguished_name = DistinguishedName::new();
        for (kind, value) in subject {
            params.distinguished_name.push(kind.clone(), *value);
        }
        (params.not_before, params.not_after) = (date_time_ymd(2000, 1, 1), (SystemTime::now() + lasts).into());
        self.issue(params, Role::Client)
    }

    pub fn leaf(&self, names: &[&str], validity: Validity, role: Role) -> Leaf {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        (params.not_before, params.not_after) = match validity {
            Validity::Now => (date_time_ymd(2000, 1, 1), date_time_ymd(2099, 1, 1)),
            Validity::Expired => (date_time_ymd(2000, 1, 1), date_time_ymd(2001, 1, 1)),
            Validity::NotYet => (date_time_ymd(2090, 1, 1), date_time_ymd(2099, 1, 1)),
        };
        self.issue(params, role)
    }

    fn issue(&self, params: CertificateParams, role: Role) -> Leaf {
        self.issue_for(params, role, &KeyPair::generate().unwrap())
    }

    fn issue_for(&self, mut params: CertificateParams, role: Role, key: &KeyPair) -> Leaf {
        params.extended_key_usages = vec![match role {
            Role::Server => ExtendedKeyUsagePurpose::ServerAuth,
            Role::Client => ExtendedKeyUsagePurpose::ClientAuth,
        }];
        let cert = params.signed_by(key, &self.0).unwrap();
        let der = cert.der().clone();
        Leaf { cert_pem: cert.pem(), key_pem: key.serialize_pem(), der, key: key.serialize_der() }
    }

    /// Put `NAME.pem` into `folder`.
    pub fn write(&self, folder: &Path, name: &str) {
        std::fs::write(folder.join(format!("{name}.pem")), self.pem()).unwrap();
    }
}

impl Leaf {
    /// Put `NAME.pem` and `NAME.key` into `folder`.
    pub fn write(&self, folder: &Path, name: &str) {
        std::fs::write(folder.join(format!("{name}.pem")), &self.cert_pem).unwrap();
        std::fs::write(folder.join(format!("{name}.key")), &self.key_pem).unwrap();
    }

    /// For rustls.
    pub fn chain(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        (vec![self.der.clone()], PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.clone())))
    }
}
