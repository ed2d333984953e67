use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proptest::prelude::*;
use rcgen::{CertificateParams, KeyPair, PublicKeyData};

use super::super::signer::{Signer, SignerForm};
use super::*;

/// RFC 7515, appendix A: what is signed in A.1 to A.3, and keys and signatures of its examples.
const CLAIMS: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
const A1_SECRET: &str = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
const A1_SIGNATURE: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const A2_N: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT\
                    -SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQO\
                    S-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q\
                    2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
const A2_SIGNATURE: &str = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5\
                            jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb\
                            1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QO\
                            YEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
const A3_X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
const A3_Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
const A3_SIGNATURE: &str = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
const A4_X: &str = "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk";
const A4_Y: &str = "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2";
const A4_SIGNATURE: &str = "AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdC\
                            APZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn";

const ALL: [Algorithm; 14] = [
    Algorithm::Hs1,
    Algorithm::Hs256,
    Algorithm::Hs384,
    Algorithm::Hs512,
    Algorithm::Rs256,
    Algorithm::Rs384,
    Algorithm::Rs512,
    Algorithm::Ps256,
    Algorithm::Ps384,
    Algorithm::Ps512,
    Algorithm::Es256,
    Algorithm::Es384,
    Algorithm::Es512,
    Algorithm::EdDsa,
];

fn base64url(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

fn a2() -> KeyForm<'static> {
    KeyForm::JwkRsa { n: A2_N, e: "AQAB" }
}

fn a3() -> KeyForm<'static> {
    KeyForm::JwkEc { curve: "P-256", x: A3_X, y: A3_Y }
}

/// Key, algorithm, message and signature of the examples.
fn examples() -> Vec<(Key, Algorithm, Vec<u8>, Vec<u8>)> {
    let secret = base64url(A1_SECRET);
    let key = |form| Key::parse(form).unwrap();
    let claims = |header: &str| format!("{header}.{CLAIMS}").into_bytes();
    vec![
        (
            key(KeyForm::Secret(&secret)),
            Algorithm::Hs256,
            claims("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9"),
            base64url(A1_SIGNATURE),
        ),
        (key(a2()), Algorithm::Rs256, claims("eyJhbGciOiJSUzI1NiJ9"), base64url(A2_SIGNATURE)),
        (key(a3()), Algorithm::Es256, claims("eyJhbGciOiJFUzI1NiJ9"), base64url(A3_SIGNATURE)),
        (
            key(KeyForm::JwkEc { curve: "P-521", x: A4_X, y: A4_Y }),
            Algorithm::Es512,
            b"eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA".to_vec(),
            base64url(A4_SIGNATURE),
        ),
    ]
}

#[test]
fn the_examples_of_rfc_7515_hold() {
    for (key, algorithm, message, signature) in examples() {
        assert_eq!(key.verify(algorithm, &message, &signature), Ok(()), "{algorithm:?}");
        let mut other = message.clone();
        other[5] ^= 1;
        assert_eq!(key.verify(algorithm, &other, &signature), Err(SignatureError::Mismatch), "{algorithm:?}");
        for at in [0, signature.len() / 2, signature.len() - 1] {
            let mut other = signature.clone();
            other[at] ^= 1;
            assert_eq!(key.verify(algorithm, &message, &other), Err(SignatureError::Mismatch), "{algorithm:?} {at}");
        }
        for other in [&[][..], &signature[1..], &signature[..signature.len() - 1], &[&signature[..], &[0]].concat()] {
            assert_eq!(key.verify(algorithm, &message, other), Err(SignatureError::Mismatch), "{algorithm:?}");
        }
    }
}

#[test]
fn no_key_goes_with_another_kinds_algorithm() {
    let keys = examples().into_iter().map(|(key, ..)| key);
    let ed25519 = Key::parse(KeyForm::JwkOkp { curve: "Ed25519", x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
    for key in keys.chain([ed25519.unwrap()]) {
        let own = match key.kind() {
            Kind::Secret => &ALL[..4],
            Kind::Rsa => &ALL[4..10],
            Kind::P256 => &ALL[10..11],
            Kind::P384 => &ALL[11..12],
            Kind::P521 => &ALL[12..13],
            Kind::Ed25519 => &ALL[13..],
        };
        for algorithm in ALL {
            let expected = if own.contains(&algorithm) {
                SignatureError::Mismatch
            } else {
                SignatureError::WrongAlgorithm(algorithm, key.kind())
            };
            assert_eq!(key.verify(algorithm, b"message", &[0; 64]), Err(expected));
        }
    }
}

/// RFC 8032, section 7.1, tests 1 to 3.
#[test]
fn the_vectors_of_rfc_8032_hold() {
    for (key, message, signature) in [
        (
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ),
        (
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ),
    ] {
        let x = URL_SAFE_NO_PAD.encode(hex(key));
        let key = Key::parse(KeyForm::JwkOkp { curve: "Ed25519", x: &x }).unwrap();
        let (message, signature) = (hex(message), hex(signature));
        assert_eq!(key.verify(Algorithm::EdDsa, &message, &signature), Ok(()));
        // The same modulo the group's order, which RFC 8032 has refused.
        let order = hex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
        let mut twin = signature.clone();
        let mut carry = 0;
        for (digit, add) in twin[32..].iter_mut().zip(order) {
            let sum = u16::from(*digit) + u16::from(add) + carry;
            (*digit, carry) = (u8::try_from(sum & 0xff).unwrap(), sum >> 8);
        }
        assert_eq!(key.verify(Algorithm::EdDsa, &message, &twin), Err(SignatureError::Mismatch));
    }
}

/// RFC 2202 and RFC 4231, test case 2 of each.
#[test]
fn the_vectors_of_hmac_hold() {
    let key = Key::parse(KeyForm::Secret(b"Jefe")).unwrap();
    let signer = Signer::parse(SignerForm::Secret(b"Jefe")).unwrap();
    let message = b"what do ya want for nothing?";
    for (algorithm, expected) in [
        (Algorithm::Hs1, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
        (Algorithm::Hs256, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        (
            Algorithm::Hs384,
            "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
        ),
        (
            Algorithm::Hs512,
            "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
        ),
    ] {
        assert_eq!(signer.sign(algorithm, message), Ok(hex(expected)));
        assert_eq!(key.verify(algorithm, message, &hex(expected)), Ok(()));
    }
}

#[test]
fn every_form_of_a_key_is_the_same_key() {
    for algorithm in [
        &rcgen::PKCS_RSA_SHA256,
        &rcgen::PKCS_ECDSA_P256_SHA256,
        &rcgen::PKCS_ECDSA_P384_SHA384,
        &rcgen::PKCS_ECDSA_P521_SHA512,
        &rcgen::PKCS_ED25519,
    ] {
        let pair = KeyPair::generate_for(algorithm).unwrap();
        let certificate = CertificateParams::default().self_signed(&pair).unwrap();
        let signer = Signer::parse(SignerForm::Pem(&pair.serialize_pem())).unwrap();
        let (info, chain) = (pair.public_key_pem(), format!("{0}{0}", certificate.pem()));
        let mut forms = vec![KeyForm::Pem(&info), KeyForm::Pem(&chain), KeyForm::Der(certificate.der())];
        let der = pair.subject_public_key_info();
        forms.push(KeyForm::Der(&der));
        let pkcs1 = pem("RSA PUBLIC KEY", pair.der_bytes());
        if signer.kind() == Kind::Rsa {
            forms.extend([KeyForm::Pem(&pkcs1), KeyForm::Der(pair.der_bytes())]);
        }
        for form in forms {
            let key = Key::parse(form).unwrap();
            assert_eq!(key.kind(), signer.kind());
            let mut signed = 0;
            for algorithm in ALL {
                match signer.sign(algorithm, b"message") {
                    Ok(signature) => {
                        assert_eq!(key.verify(algorithm, b"message", &signature), Ok(()), "{algorithm:?}");
                        assert_eq!(key.verify(algorithm, b"massage", &signature), Err(SignatureError::Mismatch));
                        signed += 1;
                    }
                    Err(error) => assert_eq!(error, SignatureError::WrongAlgorithm(algorithm, key.kind())),
                }
            }
            assert_eq!(signed, if key.kind() == Kind::Rsa { 6 } else { 1 });
        }
    }
}

/// The cases of ECDSA that implementations get wrong.
#[test]
fn numbers_out_of_range_are_no_signature() {
    let key = Key::parse(a3()).unwrap();
    let order = hex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
    let (zero, one) = (vec![0; 32], [vec![0; 31], vec![1]].concat());
    for (r, s) in [(&zero, &zero), (&zero, &one), (&one, &zero), (&order, &one), (&one, &order), (&order, &order)] {
        let signature = [&r[..], s].concat();
        assert_eq!(key.verify(Algorithm::Es256, b"", &signature), Err(SignatureError::Mismatch));
    }
    let (_, _, message, signature) = examples().remove(2);
    let number = |bytes: &[u8]| integer(bytes);
    let der = tagged(0x30, &[number(&signature[..32]), number(&signature[32..])].concat());
    assert_eq!(key.verify(Algorithm::Es256, &message, &der), Err(SignatureError::Mismatch), "JOSE's form alone counts");
}

fn refused(form: KeyForm<'_>) -> KeyError {
    Key::parse(form).unwrap_err()
}

#[test]
fn what_is_no_good_key_is_refused() {
    // Not on the curve, too short, of no curve that is known.
    assert_eq!(refused(KeyForm::JwkEc { curve: "P-256", x: A3_Y, y: A3_X }), KeyError::Encoding);
    assert_eq!(refused(KeyForm::JwkEc { curve: "P-256", x: &A3_X[..42], y: A3_Y }), KeyError::Encoding);
    assert_eq!(refused(KeyForm::JwkEc { curve: "P-384", x: A3_X, y: A3_Y }), KeyError::Encoding);
    assert_eq!(refused(KeyForm::JwkEc { curve: "secp256k1", x: A3_X, y: A3_Y }), KeyError::Unsupported);
    assert_eq!(refused(KeyForm::JwkOkp { curve: "X25519", x: A3_X }), KeyError::Unsupported);
    assert_eq!(refused(KeyForm::JwkOkp { curve: "Ed25519", x: "AAAA" }), KeyError::Encoding);
    // RSA of other lengths, and with exponents that hide nothing.
    let modulus = |bytes: usize| URL_SAFE_NO_PAD.encode(vec![0xff; bytes]);
    assert_eq!(refused(KeyForm::JwkRsa { n: &modulus(128), e: "AQAB" }), KeyError::RsaBits(1024));
    assert_eq!(refused(KeyForm::JwkRsa { n: &modulus(1025), e: "AQAB" }), KeyError::RsaBits(8200));
    for e in ["AQ", "AA", "", "Ag"] {
        assert_eq!(refused(KeyForm::JwkRsa { n: A2_N, e }), KeyError::Encoding, "{e}");
    }
    // Secrets that are none.
    assert_eq!(refused(KeyForm::Secret(b"")), KeyError::EmptySecret);
    let public = pem("PUBLIC KEY", b"abc");
    assert_eq!(refused(KeyForm::Secret(public.as_bytes())), KeyError::PublicSecret);
    // Texts that are none, and private keys.
    let private = pem("PRIVATE KEY", b"abc");
    assert_eq!(refused(KeyForm::Pem(&private)), KeyError::Label("PRIVATE KEY".to_owned()));
    assert_eq!(refused(KeyForm::Pem(&public)), KeyError::Encoding);
    assert_eq!(refused(KeyForm::Pem("abc")), KeyError::Pem);
    let long = "x".repeat(limits::KEY_BYTES + 1);
    assert_eq!(refused(KeyForm::Pem(&long)), KeyError::TooLong(long.len()));
    assert_eq!(refused(KeyForm::Secret(long.as_bytes())), KeyError::TooLong(long.len()));
}

#[test]
fn jwks_may_be_padded_and_have_leading_zeros() {
    let n = URL_SAFE_NO_PAD.encode([&[0, 0][..], &base64url(A2_N)].concat());
    let (_, algorithm, message, signature) = examples().remove(1);
    let key = Key::parse(KeyForm::JwkRsa { n: &n, e: "AAEAAQ==" }).unwrap();
    assert_eq!(key.verify(algorithm, &message, &signature), Ok(()));
}

#[test]
fn nothing_of_a_key_is_shown() {
    let shown = format!("{:?}", Key::parse(KeyForm::Secret(b"sesame")).unwrap());
    assert_eq!(shown, "Key(Secret)");
    assert_eq!(format!("{:?}", Signer::parse(SignerForm::Secret(b"sesame")).unwrap()), "Signer(Secret)");
}

proptest! {
    #[test]
    fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300), text in "\\PC{0,100}") {
        drop(Key::parse(KeyForm::Der(&bytes)));
        drop(Key::parse(KeyForm::Pem(&text)));
        for label in ["PUBLIC KEY", "RSA PUBLIC KEY", "CERTIFICATE"] {
            drop(Key::parse(KeyForm::Pem(&pem(label, &bytes))));
        }
        drop(Signer::parse(SignerForm::Pem(&pem("PRIVATE KEY", &bytes))));
        let encoded = URL_SAFE_NO_PAD.encode(&bytes);
        drop(Key::parse(KeyForm::JwkRsa { n: &encoded, e: &text }));
        drop(Key::parse(KeyForm::JwkRsa { n: A2_N, e: &encoded }));
        drop(Key::parse(KeyForm::JwkEc { curve: "P-256", x: &encoded, y: &text }));
        drop(Key::parse(KeyForm::JwkOkp { curve: "Ed25519", x: &encoded }));
    }

    #[test]
    fn damaged_keys_and_signatures_never_panic(at in 0..2_000_usize, bit in 0..8_u8, signature in prop::collection::vec(any::<u8>(), 0..600)) {
        let pair = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let certificate = CertificateParams::default().self_signed(&pair).unwrap();
        let rsa = rsa_der(&base64url(A2_N), &[1, 0, 1]);
        for der in [certificate.der().to_vec(), pair.subject_public_key_info(), rsa] {
            let mut damaged = der.clone();
            let at = at % damaged.len();
            damaged[at] ^= 1 << bit;
            if let Ok(key) = Key::parse(KeyForm::Der(&damaged)) {
                ALL.iter().for_each(|algorithm| assert!(key.verify(*algorithm, b"", &signature).is_err()));
            }
            assert!(Key::parse(KeyForm::Der(&der[..at])).is_err());
        }
        let mut damaged = pair.serialize_der();
        let at = at % damaged.len();
        damaged[at] ^= 1 << bit;
        drop(Signer::parse(SignerForm::Pem(&pem("PRIVATE KEY", &damaged))));
    }
}
