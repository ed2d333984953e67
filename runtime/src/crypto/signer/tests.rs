use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::KeyPair;

use super::*;

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

/// RFC 8032, section 7.1, test 2, in the form that RFC 8410 gives it: without the public half.
#[test]
fn ed25519_signs_as_the_standard_says() {
    let seed = [
        0x4c, 0xcd, 0x08, 0x9b, 0x28, 0xff, 0x96, 0xda, 0x9d, 0xb6, 0xc3, 0x46, 0xec, 0x11, 0x4e, 0x0f, 0x5b, 0x8a,
        0x31, 0x9f, 0x35, 0xab, 0xa6, 0x24, 0xda, 0x8c, 0xf6, 0xed, 0x4f, 0xb8, 0xa6, 0xfb,
    ];
    let head = [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
    let signer = Signer::parse(SignerForm::Pem(&pem("PRIVATE KEY", &[&head[..], &seed].concat()))).unwrap();
    let signature = signer.sign(Algorithm::EdDsa, &[0x72]).unwrap();
    assert_eq!(signature[..8], [0x92, 0xa0, 0x09, 0xa9, 0xf0, 0xd4, 0xca, 0xb8]);
    assert_eq!(signature[56..], [0xb0, 0x0d, 0x29, 0x16, 0x12, 0xbb, 0x0c, 0x00]);
}

#[test]
fn signatures_of_curves_have_their_fixed_width() {
    for (kind, algorithm, width) in [
        (&rcgen::PKCS_ECDSA_P256_SHA256, Algorithm::Es256, 64),
        (&rcgen::PKCS_ECDSA_P384_SHA384, Algorithm::Es384, 96),
        (&rcgen::PKCS_ECDSA_P521_SHA512, Algorithm::Es512, 132),
    ] {
        let signer = Signer::parse(SignerForm::Pem(&KeyPair::generate_for(kind).unwrap().serialize_pem())).unwrap();
        for _ in 0..50 {
            assert_eq!(signer.sign(algorithm, b"message").unwrap().len(), width, "leading zeros stay");
        }
    }
}

fn refused(form: SignerForm<'_>) -> KeyError {
    Signer::parse(form).unwrap_err()
}

#[test]
fn what_is_no_good_key_is_refused() {
    assert_eq!(refused(SignerForm::Secret(b"")), KeyError::EmptySecret);
    assert_eq!(refused(SignerForm::Pem("")), KeyError::Pem);
    assert_eq!(refused(SignerForm::Pem(&pem("PRIVATE KEY", b"abc"))), KeyError::Encoding);
    let encrypted = pem("ENCRYPTED PRIVATE KEY", b"abc");
    assert_eq!(refused(SignerForm::Pem(&encrypted)), KeyError::Label("ENCRYPTED PRIVATE KEY".to_owned()));
    let public = KeyPair::generate().unwrap().public_key_pem();
    assert_eq!(refused(SignerForm::Pem(&public)), KeyError::Label("PUBLIC KEY".to_owned()));
    assert_eq!(refused(SignerForm::Secret(public.as_bytes())), KeyError::PublicSecret);
}
