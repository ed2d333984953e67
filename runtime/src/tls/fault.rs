//! What a failed handshake means, on either side, in words that say what to change. The underlying error's own words
//! belong beside these in the log.

use std::error::Error;
use std::fmt;
use std::io;

use rustls::{AlertDescription, CertificateError, InvalidMessage, PeerIncompatible, PeerMisbehaved};

use crate::limits;

/// Why there is no TLS connection to an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HandshakeFault {
    /// It answered in plain text, as an HTTP server does that is sent TLS.
    NotSpoken,
    /// Its certificate's time is over.
    Expired,
    /// Its certificate's time is to come.
    NotYetValid,
    /// Its certificate is for other names.
    NameMismatch,
    /// No CA that is trusted issued its certificate.
    UnknownIssuer,
    /// Its certificate is a CA's own.
    CaAsServer,
    /// Its certificate is of X.509 version 1, which has no place for names.
    CertificateVersion,
    /// Its certificate was revoked.
    Revoked,
    /// It has no certificate for the name we asked for.
    NameUnknown,
    /// It wants a certificate of us, and we had none to send.
    ClientCertificateRequired,
    /// It does not take our certificate.
    ClientCertificateRefused,
    /// It speaks neither TLS 1.2 nor 1.3.
    Version,
    /// The versions agree; cipher suites, groups or signatures do not.
    NothingInCommon,
    /// It speaks none of the protocols that were offered.
    Alpn,
    /// It closed the connection without a word.
    Closed,
    /// It reset the connection.
    Reset,
    /// The connection was given up by the system.
    TimedOut,
    /// Anything else.
    Other,
}

/// What became of an upstream's question for our certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OurCertificate {
    /// It did not ask, or it is not known whether it did.
    NotAsked,
    /// It asked, and we had none that it can verify.
    Missing,
    /// It asked, and got it.
    Sent,
}

/// What `error` of a TLS connection to an upstream means: of the handshake, or of the first read after it, which is where
/// a server of TLS 1.3 says what it thinks of our certificate. Finds TLS's own error behind hyper's and io's.
pub fn classify(error: &(dyn Error + 'static), ours: OurCertificate) -> HandshakeFault {
    use HandshakeFault as Fault;
    match root(error) {
        Root::Tls(error) => upstream(error, ours),
        Root::Io(io::ErrorKind::UnexpectedEof) => Fault::Closed,
        Root::Io(io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe) => {
            Fault::Reset
        }
        Root::Io(io::ErrorKind::TimedOut) => Fault::TimedOut,
        Root::Io(_) | Root::Unknown => Fault::Other,
    }
}

fn upstream(error: &rustls::Error, ours: OurCertificate) -> HandshakeFault {
    use HandshakeFault as Fault;
    match error {
        error if is_no_tls(error) => Fault::NotSpoken,
        rustls::Error::InvalidCertificate(error) => upstream_certificate(error),
        rustls::Error::AlertReceived(alert) => upstream_alert(*alert, ours),
        rustls::Error::PeerIncompatible(what) if is_version(what) => Fault::Version,
        rustls::Error::PeerIncompatible(_) => Fault::NothingInCommon,
        rustls::Error::NoApplicationProtocol
        | rustls::Error::PeerMisbehaved(PeerMisbehaved::SelectedUnofferedApplicationProtocol) => Fault::Alpn,
        _ => Fault::Other,
    }
}

fn upstream_certificate(error: &CertificateError) -> HandshakeFault {
    use CertificateError as Invalid;
    use HandshakeFault as Fault;
    match error {
        Invalid::Expired | Invalid::ExpiredContext { .. } => Fault::Expired,
        Invalid::NotValidYet | Invalid::NotValidYetContext { .. } => Fault::NotYetValid,
        Invalid::NotValidForName | Invalid::NotValidForNameContext { .. } => Fault::NameMismatch,
        // A bad signature is what remains when a CA of the right name has the wrong key.
        Invalid::UnknownIssuer | Invalid::BadSignature => Fault::UnknownIssuer,
        Invalid::Revoked => Fault::Revoked,
        // rustls has no variants for these, and webpki's error is no type of ours.
        Invalid::Other(other) => match format!("{other:?}") {
            words if words.contains("CaUsedAsEndEntity") => Fault::CaAsServer,
            words if words.contains("UnsupportedCertVersion") => Fault::CertificateVersion,
            _ => Fault::Other,
        },
        _ => Fault::Other,
    }
}

fn upstream_alert(alert: AlertDescription, ours: OurCertificate) -> HandshakeFault {
    use AlertDescription as Alert;
    use HandshakeFault as Fault;
    match (alert, ours) {
        (Alert::CertificateRequired | Alert::NoCertificate, _) => Fault::ClientCertificateRequired,
        // Before TLS 1.3 there was no alert for a certificate that is missing, and each server chose one of these.
        (
            Alert::HandshakeFailure | Alert::AccessDenied | Alert::BadCertificate | Alert::CertificateUnknown,
            OurCertificate::Missing,
        ) => Fault::ClientCertificateRequired,
        (Alert::HandshakeFailure | Alert::AccessDenied | Alert::DecryptError, OurCertificate::Sent)
        | (
            Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA,
            _,
        ) => Fault::ClientCertificateRefused,
        (Alert::HandshakeFailure | Alert::InsufficientSecurity, _) => Fault::NothingInCommon,
        (Alert::ProtocolVersion | Alert::InappropriateFallback, _) => Fault::Version,
        (Alert::NoApplicationProtocol, _) => Fault::Alpn,
        (Alert::UnrecognisedName, _) => Fault::NameUnknown,
        _ => Fault::Other,
    }
}

impl HandshakeFault {
    /// One word for metrics and JSON; public and stable.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotSpoken => "not_spoken",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::NameMismatch => "name_mismatch",
            Self::UnknownIssuer => "unknown_issuer",
            Self::CaAsServer => "ca_as_server",
            Self::CertificateVersion => "certificate_version",
            Self::Revoked => "revoked",
            Self::NameUnknown => "name_unknown",
            Self::ClientCertificateRequired => "client_certificate_required",
            Self::ClientCertificateRefused => "client_certificate_refused",
            Self::Version => "version",
            Self::NothingInCommon => "nothing_in_common",
            Self::Alpn => "alpn",
            Self::Closed => "closed",
            Self::Reset => "reset",
            Self::TimedOut => "timed_out",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for HandshakeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotSpoken => {
                "the upstream answers in plain text: use http:// in the service's URL, or the port that speaks TLS"
            }
            Self::Expired => "the upstream's certificate has expired: renew it",
            Self::NotYetValid => "the upstream's certificate is not valid yet: compare the clocks of the two machines",
            Self::NameMismatch => {
                "the upstream's certificate is for other names: use one of them in the service's URL, or have it reissued"
            }
            Self::UnknownIssuer => {
                "no trusted CA issued the upstream's certificate: trust its CA, or have the upstream send the \
                 intermediate certificates too"
            }
            Self::CaAsServer => {
                "the upstream's certificate is a CA's own, as openssl req -x509 makes them: give it one that is no CA's \
                 (basicConstraints=CA:FALSE)"
            }
            Self::CertificateVersion => {
                "the upstream's certificate is of X.509 version 1: have it reissued with its names (openssl x509 -req \
                 needs -extfile with subjectAltName)"
            }
            Self::Revoked => "the upstream's certificate was revoked: replace it",
            Self::NameUnknown => "the upstream has no certificate for the name it was asked for: check the URL's host",
            Self::ClientCertificateRequired => {
                "the upstream asks for a client certificate and none was sent: configure one that it trusts"
            }
            Self::ClientCertificateRefused => {
                "the upstream refuses our client certificate: check who issued it, and until when it is valid"
            }
            Self::Version => "the upstream speaks neither TLS 1.2 nor TLS 1.3: bring it up to date",
            Self::NothingInCommon => {
                "the upstream and we have no cipher suite, group or signature in common, or it does not know the name it \
                 was asked for"
            }
            Self::Alpn => "the upstream speaks none of the protocols that were offered (ALPN): change the service's",
            Self::Closed => "the upstream closed the connection during the TLS handshake: does this port speak TLS?",
            Self::Reset => "the upstream reset the connection during the TLS handshake: does this port speak TLS?",
            Self::TimedOut => "the connection to the upstream died during the TLS handshake",
            Self::Other => "the TLS handshake with the upstream failed",
        })
    }
}

/// Why a client got no TLS connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClientFault {
    /// What it sent is no TLS; nearly always plain HTTP.
    NotTls,
    /// It speaks no version that is allowed here.
    Version,
    /// The versions agree; cipher suites, groups or signatures do not.
    NothingInCommon,
    /// It speaks none of our protocols.
    Alpn,
    /// A certificate is required, and it sent none.
    CertificateMissing,
    /// Its certificate's time is over.
    CertificateExpired,
    /// Its certificate's time is to come.
    CertificateNotYetValid,
    /// No CA of this listener's issued its certificate.
    CertificateUnknownIssuer,
    /// Its certificate is not for clients.
    CertificatePurpose,
    /// Its certificate is bad in another way.
    CertificateInvalid,
    /// It says that our certificate has expired.
    OursExpired,
    /// It says that it does not know our CA.
    OursUnknownIssuer,
    /// It does not take our certificate for another reason.
    OursRefused,
    /// It gave up with another alert.
    GaveUp,
    /// It closed the connection in between.
    Closed,
    /// It reset the connection.
    Reset,
    /// The connection was given up by the system.
    TimedOut,
    /// Anything else.
    Other,
}

/// What `error` of accepting a TLS connection means.
pub fn client_fault(error: &(dyn Error + 'static)) -> ClientFault {
    use ClientFault as Fault;
    match root(error) {
        Root::Tls(error) => downstream(error),
        Root::Io(io::ErrorKind::UnexpectedEof) => Fault::Closed,
        Root::Io(io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe) => {
            Fault::Reset
        }
        Root::Io(io::ErrorKind::TimedOut) => Fault::TimedOut,
        Root::Io(_) | Root::Unknown => Fault::Other,
    }
}

fn downstream(error: &rustls::Error) -> ClientFault {
    use AlertDescription as Alert;
    use CertificateError as Invalid;
    use ClientFault as Fault;
    match error {
        error if is_no_tls(error) => Fault::NotTls,
        rustls::Error::NoCertificatesPresented => Fault::CertificateMissing,
        rustls::Error::InvalidCertificate(error) => match error {
            Invalid::Expired | Invalid::ExpiredContext { .. } => Fault::CertificateExpired,
            Invalid::NotValidYet | Invalid::NotValidYetContext { .. } => Fault::CertificateNotYetValid,
            Invalid::UnknownIssuer | Invalid::BadSignature => Fault::CertificateUnknownIssuer,
            Invalid::InvalidPurpose | Invalid::InvalidPurposeContext { .. } => Fault::CertificatePurpose,
            _ => Fault::CertificateInvalid,
        },
        rustls::Error::AlertReceived(alert) => match alert {
            Alert::CertificateExpired => Fault::OursExpired,
            Alert::UnknownCA => Fault::OursUnknownIssuer,
            Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateUnknown => Fault::OursRefused,
            Alert::ProtocolVersion => Fault::Version,
            Alert::HandshakeFailure | Alert::InsufficientSecurity => Fault::NothingInCommon,
            Alert::NoApplicationProtocol => Fault::Alpn,
            _ => Fault::GaveUp,
        },
        rustls::Error::PeerIncompatible(what) if is_version(what) => Fault::Version,
        rustls::Error::PeerIncompatible(_) => Fault::NothingInCommon,
        rustls::Error::NoApplicationProtocol => Fault::Alpn,
        _ => Fault::Other,
    }
}

impl fmt::Display for ClientFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotTls => "the client sent plain HTTP, or something else that is no TLS, to a TLS port",
            Self::Version => "the client speaks no TLS version that this listener allows",
            Self::NothingInCommon => "the client and this listener have no cipher suite, group or signature in common",
            Self::Alpn => "the client speaks none of this listener's protocols (ALPN)",
            Self::CertificateMissing => "the client sent no certificate, and this listener requires one",
            Self::CertificateExpired => "the client's certificate has expired",
            Self::CertificateNotYetValid => "the client's certificate is not valid yet",
            Self::CertificateUnknownIssuer => "no CA of this listener's client_ca issued the client's certificate",
            Self::CertificatePurpose => "the client's certificate is not meant for clients (extended key usage)",
            Self::CertificateInvalid => "the client's certificate is not valid",
            Self::OursExpired => "the client says that our certificate has expired: renew it",
            Self::OursUnknownIssuer => {
                "the client does not trust our certificate's CA: is the chain complete, intermediates included?"
            }
            Self::OursRefused => "the client refuses our certificate: is it for the name that the client uses?",
            Self::GaveUp => "the client gave up the TLS handshake",
            Self::Closed => "the client closed the connection during the TLS handshake",
            Self::Reset => "the client reset the connection during the TLS handshake",
            Self::TimedOut => "the client's connection died during the TLS handshake",
            Self::Other => "the TLS handshake with the client failed",
        })
    }
}

/// Whether `bytes` begin as a TLS server's alert does, which is what it may answer to plain HTTP: one record of type 21,
/// of version 3.x, unencrypted (RFC 8446, section 5.1). Three bytes suffice; more are looked at too.
pub fn looks_like_tls_alert(bytes: &[u8]) -> bool {
    match bytes {
        [21, 3, 0..=4, 0, 2, level, ..] => matches!(level, 1 | 2),
        [21, 3, 0..=4, rest @ ..] => [0, 2].starts_with(rest),
        _ => false,
    }
}

enum Root<'e> {
    Tls(&'e rustls::Error),
    Io(io::ErrorKind),
    Unknown,
}

/// The error that the others only pass on. io::Error names as its source what is behind the error it carries, so that
/// one has to be asked for.
fn root<'e>(error: &'e (dyn Error + 'static)) -> Root<'e> {
    let mut found = Root::Unknown;
    let mut next = Some(error);
    for _ in 0..limits::ERROR_DEPTH {
        let Some(error) = next else { break };
        if let Some(error) = error.downcast_ref::<rustls::Error>() {
            return Root::Tls(error);
        }
        next = match error.downcast_ref::<io::Error>() {
            Some(error) => {
                found = Root::Io(error.kind());
                error.get_ref().map(|carried| carried as &(dyn Error + 'static))
            }
            None => error.source(),
        };
    }
    found
}

/// The first bytes were no record's head.
fn is_no_tls(error: &rustls::Error) -> bool {
    use InvalidMessage as Invalid;
    matches!(error, rustls::Error::InvalidMessage(Invalid::InvalidContentType | Invalid::UnknownProtocolVersion))
}

fn is_version(what: &PeerIncompatible) -> bool {
    use PeerIncompatible as What;
    matches!(
        what,
        What::ServerDoesNotSupportTls12Or13
            | What::ServerTlsVersionIsDisabledByOurConfig
            | What::SupportedVersionsExtensionRequired
            | What::Tls12NotOffered
            | What::Tls12NotOfferedOrEnabled
    )
}

#[cfg(test)]
mod tests;
