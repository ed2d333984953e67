//! The side of the clients: listeners, limits, the access log.

use std::time::Duration;

use ipnet::IpNet;

use super::{Reading, is_empty};
use crate::config::checked::{AccessLog, ClientAuth, ClientLimits, Listener, LogTarget, ServerTls};
use crate::config::reader::{Fields, Located, Value};
use crate::config::values::{Bind, ByteSize, Period, Text};
use crate::limits;

impl Reading<'_> {
    pub(super) fn listeners(&self, file: &Fields<'_>, trusted_proxies: &[IpNet]) -> Vec<Located<Listener>> {
        let mut listeners: Vec<Located<Listener>> = Vec::new();
        for value in file.array("listeners") {
            let Some(listener) = self.listener(file, value, trusted_proxies) else { continue };
            let address = &listener.value.address;
            let fixed = listener.value.tcp().is_none_or(|address| address.port() != 0);
            if fixed && listeners.iter().any(|other| other.value.address == *address) {
                self.faults.at(&listener.span, format!("{address} is listened on twice"));
            }
            listeners.push(listener);
        }
        if is_empty(file.value("listeners")) {
            let help = "add [[listeners]] with address = \"0.0.0.0:8000\"";
            self.faults.whole("no listener: nobody could connect", help);
        }
        listeners
    }

    fn listener(&self, file: &Fields<'_>, value: &Value<'_>, trusted_proxies: &[IpNet]) -> Option<Located<Listener>> {
        let fields = Fields::of(value, "a listener", self.faults)?;
        let address = fields.require::<Bind>("address", "an address to listen on, like \"0.0.0.0:8000\"");
        let tls = fields.value("tls").map(|value| self.server_tls(file, value));
        let http2 = fields.boolean("http2").unwrap_or(true);
        let proxy_protocol = fields.boolean("proxy_protocol").unwrap_or(false);
        let tcp = address.as_ref().is_some_and(|address| matches!(address.value, Bind::Tcp(_)));
        if proxy_protocol && tcp && trusted_proxies.is_empty() {
            let message = "`proxy_protocol` without `trusted_proxies`: nobody could connect";
            self.faults.at_with_help(
                &value.span(),
                message,
                "trusted_proxies = [\"10.0.0.0/8\"], at the top of the file",
            );
        }
        fields.finish();
        let address = address?;
        // A listener whose certificates have faults must not be served in the clear; the faults refuse it all anyway.
        let tls = match tls {
            Some(tls) => Some(tls?),
            None => None,
        };
        let listener = Listener { address: address.value, tls, http2, proxy_protocol };
        Some(Located { value: listener, span: address.span })
    }

    pub(super) fn server_tls(&self, file: &Fields<'_>, value: &Value<'_>) -> Option<ServerTls> {
        let fields = Fields::of(value, "`tls`", self.faults)?;
        let certificates = fields.array("certificates").filter_map(|value| self.pair(value)).collect();
        if is_empty(fields.value("certificates")) && is_empty(file.value("certificates")) {
            let help =
                "certificates = [{ cert = \"api.pem\", key = \"api.key\" }], here or as [[certificates]] for all";
            self.faults.at_with_help(&value.span(), "`tls` needs certificates", help);
        }
        let client_auth = self.client_auth(&fields);
        let only_tls13 = match fields.parse::<Text>("min_version") {
            None => false,
            Some(version) => match version.value.0.as_str() {
                "1.2" => false,
                "1.3" => true,
                other => {
                    self.faults.at(&version.span, format!("`min_version` is \"1.2\" or \"1.3\", not \"{other}\""));
                    false
                }
            },
        };
        fields.finish();
        Some(ServerTls { certificates, client_auth, only_tls13 })
    }

    fn client_auth(&self, tls: &Fields<'_>) -> ClientAuth {
        let authorities = self.authorities(tls, "client_ca", "client_ca_certificates");
        let known = !is_empty(tls.value("client_ca_certificates")) || tls.value("client_ca").is_some();
        let auth = tls.parse::<Text>("client_auth");
        if known && authorities.is_empty() {
            // A fault that has been noted.
            return ClientAuth::None;
        }
        let Some(auth) = auth else {
            return if known { ClientAuth::Required(authorities) } else { ClientAuth::None };
        };
        match auth.value.0.as_str() {
            "none" => ClientAuth::None,
            "optional" if known => ClientAuth::Optional(authorities),
            "required" if known => ClientAuth::Required(authorities),
            "optional" | "required" => {
                let help = "client_ca = \"ca.pem\": who may have issued a client's certificate";
                self.faults.at_with_help(&auth.span, "`client_auth` needs `client_ca`", help);
                ClientAuth::None
            }
            other => {
                let message = format!("`client_auth` is \"none\", \"optional\" or \"required\", not \"{other}\"");
                self.faults.at(&auth.span, message);
                ClientAuth::None
            }
        }
    }

    pub(super) fn limits(&self, file: &Fields<'_>) -> ClientLimits {
        let mut checked = ClientLimits::default();
        let Some(value) = file.value("limits") else { return checked };
        let Some(fields) = Fields::of(value, "`limits`", self.faults) else { return checked };
        self.count(&fields, "connections_per_worker", 1..=1_000_000, &mut checked.connections_per_worker);
        self.count(&fields, "headers", 1..=limits::HEADERS_MAX, &mut checked.headers);
        self.size(&fields, "header_bytes", &mut checked.header_bytes);
        self.size(&fields, "uri_bytes", &mut checked.uri_bytes);
        self.size(&fields, "upstream_header_bytes", &mut checked.upstream_header_bytes);
        checked.body_bytes = fields.parse::<ByteSize>("body_bytes").map(|size| size.value.0 as u64);
        for (key, period) in [
            ("header_timeout", &mut checked.header_timeout),
            ("keepalive_timeout", &mut checked.keepalive_timeout),
            ("body_idle_timeout", &mut checked.body_idle_timeout),
            ("body_timeout", &mut checked.body_timeout),
            ("drain_timeout", &mut checked.drain_timeout),
            ("handover_timeout", &mut checked.handover_timeout),
        ] {
            period_into(&fields, key, period);
        }
        fields.finish();
        checked
    }

    fn count(&self, fields: &Fields<'_>, key: &'static str, bounds: std::ops::RangeInclusive<i64>, into: &mut usize) {
        if let Some(count) = fields.integer(key, bounds).and_then(|count| usize::try_from(count).ok()) {
            *into = count;
        }
    }

    /// The size of a head, within what is any use.
    fn size(&self, fields: &Fields<'_>, key: &'static str, into: &mut usize) {
        let Some(size) = fields.parse::<ByteSize>(key) else { return };
        let bounds = limits::HEAD_BYTES_MIN..=limits::HEAD_BYTES_MAX;
        if bounds.contains(&size.value.0) {
            *into = size.value.0;
        } else {
            let (low, high) = (bounds.start() >> 10, bounds.end() >> 10);
            self.faults.at(&size.span, format!("`{key}` is from {low}KiB to {high}KiB"));
        }
    }

    pub(super) fn access_log(&self, file: &Fields<'_>) -> AccessLog {
        let mut log = AccessLog { target: Some(LogTarget::Stdout), text: None, query: false };
        let Some(value) = file.value("access_log") else { return log };
        let Some(fields) = Fields::of(value, "`access_log`", self.faults) else { return log };
        if let Some(path) = fields.parse::<Text>("path") {
            log.target = Some(LogTarget::File(self.folder.join(path.value.0)));
        }
        if let Some(format) = fields.parse::<Text>("format") {
            match format.value.0.as_str() {
                "json" => log.text = Some(false),
                "text" => log.text = Some(true),
                other => self.faults.at(&format.span, format!("`format` is \"json\" or \"text\", not \"{other}\"")),
            }
        }
        log.query = fields.boolean("query").unwrap_or(false);
        if !fields.boolean("enabled").unwrap_or(true) {
            log.target = None;
        }
        fields.finish();
        log
    }
}

/// `key`'s duration, if it is there.
pub(super) fn period_into(fields: &Fields<'_>, key: &'static str, period: &mut Duration) {
    if let Some(given) = fields.parse::<Period>(key) {
        *period = given.value.0;
    }
}
