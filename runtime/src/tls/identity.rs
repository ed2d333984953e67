//! Who a client's certificate says it is. The handshake has verified the certificate; here it is only read, and the
//! oddest one is at most an error.

use std::fmt::Write;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use x509_parser::asn1_rs::{Any, Tag, ToDer};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use x509_parser::time::ASN1Time;
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

/// What is in a client's certificate. Its names and addresses hold no control characters: whatever had any is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientIdentity {
    /// The distinguished name, `CN=alice,O=Example` (RFC 4514, with OpenSSL's names for some more attributes). Text
    /// beyond ASCII stays as it is.
    pub subject: String,
    /// The subject's last, which is its most specific, common name.
    pub common_name: Option<String>,
    /// The distinguished name of the CA.
    pub issuer: String,
    /// Lower-case hexadecimal, without leading zeros.
    pub serial: String,
    /// DNS names, as they stand in the certificate.
    pub dns_names: Vec<String>,
    /// Email addresses among the alternative names.
    pub emails: Vec<String>,
    /// URIs among the alternative names, like `spiffe://example.org/orders`.
    pub uris: Vec<String>,
    /// SHA-256 of the certificate, in lower-case hexadecimal.
    pub fingerprint: String,
    /// A session that was resumed is not verified again, so this may have passed meanwhile.
    pub not_after: SystemTime,
}

/// A verified certificate that cannot be read. There is no identity then, not a part of one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the client's certificate cannot be read: {0}")]
pub struct Unreadable(String);

/// The certificate that one connection's client has shown; read when it is first asked who that is.
#[derive(Debug)]
pub struct Peer {
    certificate: CertificateDer<'static>,
    identity: OnceLock<Result<ClientIdentity, Unreadable>>,
}

impl Peer {
    /// `chain` as rustls has it after the handshake (`peer_certificates`); `None` if the client has shown nothing.
    pub fn new(chain: Option<&[CertificateDer<'_>]>) -> Option<Self> {
        let certificate = chain?.first()?.clone().into_owned();
        Some(Self { certificate, identity: OnceLock::new() })
    }

    /// Whoever `identity` says, without a certificate to go by: in rehearsals only.
    pub fn presumed(identity: ClientIdentity) -> Self {
        Self { certificate: CertificateDer::from(Vec::new()), identity: OnceLock::from(Ok(identity)) }
    }

    /// Who it is.
    ///
    /// # Errors
    /// The certificate cannot be read.
    pub fn identity(&self) -> Result<&ClientIdentity, &Unreadable> {
        self.identity.get_or_init(|| ClientIdentity::read(&self.certificate)).as_ref()
    }
}

impl ClientIdentity {
    /// Read `certificate`, the client's own of a chain that was verified.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(certificate: &CertificateDer<'_>) -> Result<Self, Unreadable> {
        let fingerprint = hex(&Sha256::digest(certificate));
        let unreadable = |error: &dyn std::fmt::Display| Unreadable(error.to_string());
        let (_, certificate) = X509Certificate::from_der(certificate).map_err(|error| unreadable(&error))?;
        let alternative = certificate.subject_alternative_name().map_err(|error| unreadable(&error))?;
        let names = alternative.map_or(&[][..], |extension| extension.value.general_names.as_slice());

        let mut identity = Self {
            subject: name(certificate.subject()),
            common_name: certificate.subject().iter_common_name().last().and_then(|name| text(name.attr_value())),
            issuer: name(certificate.issuer()),
            serial: serial(certificate.raw_serial()),
            dns_names: Vec::new(),
            emails: Vec::new(),
            uris: Vec::new(),
            fingerprint,
            not_after: time(certificate.validity().not_after),
        };
        identity.common_name.take_if(|name| !is_plain(name));
        for name in names {
            let (list, name) = match name {
                GeneralName::DNSName(name) => (&mut identity.dns_names, name),
                GeneralName::RFC822Name(name) => (&mut identity.emails, name),
                GeneralName::URI(name) => (&mut identity.uris, name),
                _ => continue,
            };
            if is_plain(name) {
                list.push((*name).to_owned());
            }
        }
        Ok(identity)
    }
}

/// A name with a line break in it is out to become two header fields.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(char::is_control)
}

/// `time`, or the beginning of the epoch if it is before that.
pub(super) fn time(time: ASN1Time) -> SystemTime {
    let seconds = u64::try_from(time.timestamp()).unwrap_or(0);
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// A distinguished name as text, its most specific part first (RFC 4514, section 2.1).
pub(super) fn name(name: &X509Name<'_>) -> String {
    let mut parts: Vec<_> = name.iter_rdn().collect();
    parts.reverse();
    let mut whole = String::new();
    for (position, part) in parts.into_iter().enumerate() {
        for (place, attribute) in part.iter().enumerate() {
            match (position, place) {
                (0, 0) => {}
                (_, 0) => whole.push(','),
                _ => whole.push('+'),
            }
            push_attribute(&mut whole, attribute);
        }
    }
    whole
}

fn push_attribute(whole: &mut String, attribute: &AttributeTypeAndValue<'_>) {
    let oid = attribute.attr_type();
    match ATTRIBUTES.iter().find(|(known, _)| *known == oid.as_bytes()) {
        Some((_, short)) => whole.push_str(short),
        // To write its numbers in decimal takes time that grows with the square of their length.
        None if oid.as_bytes().len() <= LONGEST_OID => whole.push_str(&oid.to_id_string()),
        None => whole.push('?'),
    }
    whole.push('=');
    match text(attribute.attr_value()) {
        Some(value) => push_escaped(whole, &value),
        None => {
            whole.push('#');
            whole.push_str(&hex(&attribute.attr_value().to_der_vec_raw().unwrap_or_default()));
        }
    }
}

/// RFC 4514, section 2.4; control characters are escaped besides.
fn push_escaped(whole: &mut String, value: &str) {
    let last = value.chars().count().saturating_sub(1);
    for (place, character) in value.chars().enumerate() {
        match character {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => whole.extend(['\\', character]),
            '#' if place == 0 => whole.push_str("\\#"),
            ' ' if place == 0 || place == last => whole.push_str("\\ "),
            control if control.is_control() => {
                let mut buffer = [0; 4];
                for byte in control.encode_utf8(&mut buffer).bytes() {
                    // Writing to a string does not fail.
                    let _ = write!(whole, "\\{byte:02X}");
                }
            }
            other => whole.push(other),
        }
    }
}

/// The text of a value of any of the string types.
fn text(value: &Any<'_>) -> Option<String> {
    let bytes = value.data;
    match value.tag() {
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String | Tag::NumericString | Tag::VisibleString => {
            std::str::from_utf8(bytes).ok().map(str::to_owned)
        }
        // Officially T.61; in practice everybody has put Latin-1 there.
        Tag::TeletexString => Some(bytes.iter().copied().map(char::from).collect()),
        Tag::BmpString => {
            let (units, rest) = bytes.as_chunks::<2>();
            let units = units.iter().copied().map(u16::from_be_bytes);
            rest.is_empty().then(|| char::decode_utf16(units).collect::<Result<_, _>>().ok())?
        }
        Tag::UniversalString => {
            let (units, rest) = bytes.as_chunks::<4>();
            let units = units.iter().copied().map(u32::from_be_bytes);
            rest.is_empty().then(|| units.map(char::from_u32).collect())?
        }
        _ => None,
    }
}

fn serial(bytes: &[u8]) -> String {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    match bytes.get(zeros..) {
        None | Some([]) => "0".to_owned(),
        Some(bytes) => hex(bytes).trim_start_matches('0').to_owned(),
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Bytes; the longest that are in use have about twenty.
const LONGEST_OID: usize = 64;

/// Attribute types by their encoding: those of RFC 4514, section 3, and what OpenSSL calls some others.
const ATTRIBUTES: [(&[u8], &str); 14] = [
    (&[0x55, 4, 3], "CN"),
    (&[0x55, 4, 7], "L"),
    (&[0x55, 4, 8], "ST"),
    (&[0x55, 4, 10], "O"),
    (&[0x55, 4, 11], "OU"),
    (&[0x55, 4, 6], "C"),
    (&[0x55, 4, 9], "STREET"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25], "DC"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1], "UID"),
    (&[0x55, 4, 4], "SN"),
    (&[0x55, 4, 5], "serialNumber"),
    (&[0x55, 4, 12], "title"),
    (&[0x55, 4, 42], "GN"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1], "emailAddress"),
];

#[cfg(test)]
mod tests;
