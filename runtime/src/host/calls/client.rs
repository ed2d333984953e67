//! `client`: who sent the request.

use std::time::UNIX_EPOCH;

use crate::host::bindings::tidegate::plugin::client::{Certificate, Host};
use crate::host::state::State;

impl Host for State {
    fn address(&mut self) -> wasmtime::Result<String> {
        Ok(self.exchange()?.client.ip().to_string())
    }

    fn port(&mut self) -> wasmtime::Result<u16> {
        Ok(self.exchange()?.client.port())
    }

    fn local_address(&mut self) -> wasmtime::Result<String> {
        Ok(self.exchange()?.local.ip().to_string())
    }

    fn local_port(&mut self) -> wasmtime::Result<u16> {
        Ok(self.exchange()?.local.port())
    }

    fn shown_certificate(&mut self) -> wasmtime::Result<Option<Certificate>> {
        let tls = self.exchange()?.tls.as_ref();
        Ok(tls.and_then(|tls| tls.identity()).map(|identity| Certificate {
            subject: identity.subject.clone(),
            common_name: identity.common_name.clone(),
            issuer: identity.issuer.clone(),
            serial: identity.serial.clone(),
            dns_names: identity.dns_names.clone(),
            emails: identity.emails.clone(),
            uris: identity.uris.clone(),
            fingerprint: identity.fingerprint.clone(),
            not_after: identity.not_after.duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs()),
        }))
    }
}
