//! `crypto` and `passwords`: what plugins should not have to bring along, and what would take them too long.

use crate::crypto::key::{Key as Verifier, KeyForm};
use crate::crypto::password::{PasswordError, Verdict};
use crate::crypto::signer::{Signer, SignerForm};
use crate::crypto::{self, SignatureError};
use crate::host::bindings::tidegate::plugin::crypto::{Algorithm, Hash, Host, Key, SigningKey};
use crate::host::bindings::tidegate::plugin::passwords;
use crate::host::state::State;

impl Host for State {
    fn digest(&mut self, hash: Hash, data: Vec<u8>) -> wasmtime::Result<Vec<u8>> {
        self.count()?;
        let hash = match hash {
            Hash::Sha1 => crypto::Hash::Sha1,
            Hash::Sha256 => crypto::Hash::Sha256,
            Hash::Sha384 => crypto::Hash::Sha384,
            Hash::Sha512 => crypto::Hash::Sha512,
        };
        Ok(crypto::digest(hash, &data))
    }

    fn equal(&mut self, a: Vec<u8>, b: Vec<u8>) -> wasmtime::Result<bool> {
        self.count()?;
        Ok(crypto::equal(&a, &b))
    }

    fn verify(
        &mut self,
        algorithm: Algorithm,
        key: Key,
        message: Vec<u8>,
        signature: Vec<u8>,
    ) -> wasmtime::Result<Result<bool, String>> {
        self.count()?;
        let key = match Verifier::parse(form(&key)) {
            Ok(key) => key,
            Err(error) => return Ok(Err(error.to_string())),
        };
        Ok(match key.verify(self::algorithm(algorithm), &message, &signature) {
            Ok(()) => Ok(true),
            Err(SignatureError::Mismatch) => Ok(false),
            Err(error) => Err(error.to_string()),
        })
    }

    fn sign(
        &mut self,
        algorithm: Algorithm,
        key: SigningKey,
        message: Vec<u8>,
    ) -> wasmtime::Result<Result<Vec<u8>, String>> {
        self.count()?;
        let signer = Signer::parse(match &key {
            SigningKey::Secret(secret) => SignerForm::Secret(secret),
            SigningKey::Pem(pem) => SignerForm::Pem(pem),
        });
        Ok(match signer {
            Ok(signer) => signer.sign(self::algorithm(algorithm), &message).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        })
    }
}

impl passwords::Host for State {
    async fn verify(&mut self, hash: String, password: Vec<u8>) -> wasmtime::Result<Result<bool, passwords::Error>> {
        self.count()?;
        if !self.is_called() {
            return Err(wasmtime::format_err!("no password can be verified while a plugin is loaded"));
        }
        let Some(threads) = self.services.passwords() else { return Ok(Err(passwords::Error::Busy)) };
        let verdict = threads.verify(&hash, &password).await;
        Ok(match verdict {
            Ok(verdict) => Ok(verdict == Verdict::Match),
            Err(PasswordError::Busy) => Err(passwords::Error::Busy),
            Err(error) => Err(passwords::Error::Invalid(error.to_string())),
        })
    }
}

fn form(key: &Key) -> KeyForm<'_> {
    match key {
        Key::Secret(secret) => KeyForm::Secret(secret),
        Key::Pem(pem) => KeyForm::Pem(pem),
        Key::Der(der) => KeyForm::Der(der),
        Key::JwkRsa((n, e)) => KeyForm::JwkRsa { n, e },
        Key::JwkEc((curve, x, y)) => KeyForm::JwkEc { curve, x, y },
        Key::JwkOkp((curve, x)) => KeyForm::JwkOkp { curve, x },
    }
}

fn algorithm(algorithm: Algorithm) -> crypto::Algorithm {
    match algorithm {
        Algorithm::Hs1 => crypto::Algorithm::Hs1,
        Algorithm::Hs256 => crypto::Algorithm::Hs256,
        Algorithm::Hs384 => crypto::Algorithm::Hs384,
        Algorithm::Hs512 => crypto::Algorithm::Hs512,
        Algorithm::Rs256 => crypto::Algorithm::Rs256,
        Algorithm::Rs384 => crypto::Algorithm::Rs384,
        Algorithm::Rs512 => crypto::Algorithm::Rs512,
        Algorithm::Ps256 => crypto::Algorithm::Ps256,
        Algorithm::Ps384 => crypto::Algorithm::Ps384,
        Algorithm::Ps512 => crypto::Algorithm::Ps512,
        Algorithm::Es256 => crypto::Algorithm::Es256,
        Algorithm::Es384 => crypto::Algorithm::Es384,
        Algorithm::Es512 => crypto::Algorithm::Es512,
        Algorithm::EdDsa => crypto::Algorithm::EdDsa,
    }
}
