//! `client`: who sent the request.

use std::net::IpAddr;
use std::time::UNIX_EPOCH;

use crate::host::bindings::tidegate::plugin::client::{Certificate, Host, IpAddress};
use crate::host::state::State;

impl Host for State {
    fn address(&mut self) -> wasmtime::Result<String> {
        Ok(self.exchange()?.client.ip().to_string())
    }

    fn ip(&mut self) -> wasmtime::Result<IpAddress> {
        Ok(match self.exchange()?.client.ip() {
            IpAddr::V4(address) => IpAddress::V4(address.to_bits()),
            IpAddr::V6(address) => {
                let bits = address.to_bits();
                IpAddress::V6(((bits >> 64) as u64, bits as u64))
            }
        })
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
