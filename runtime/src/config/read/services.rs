//! Services and their routes.

use std::time::Duration;

use super::listeners::period_into;
use super::{Reading, is_empty};
use crate::config::checked::{
    HttpVersion, Retries, Route, Schemes, Service, ServiceTls, TargetAddress, Timeouts, Upstream,
};
use crate::config::faults::Faults;
use crate::config::plugin_use::{Narrowing, plugin_uses};
use crate::config::reader::{Fields, Located, Value, parse};
use crate::config::values::{ByteSize, HeaderCriterion, Method, Name, PlainHost, ServiceUrl, Text};
use crate::limits;
use crate::proxy::route::Criteria;

/// Any of these makes a route match something in particular.
const CRITERIA: [&str; 6] = ["hosts", "paths", "methods", "headers", "snis", "sources"];

impl Reading<'_> {
    pub(super) fn service(&self, value: &Value<'_>) -> Option<Service> {
        let fields = Fields::of(value, "a service", self.faults)?;
        let name = self.name_or_id("service", &fields, "name", "a name for logs and metrics");
        let url = fields.require::<ServiceUrl>("url", "where the service is, like \"http://orders.internal:8080\"");
        let timeouts = self.timeouts(&fields);
        let retries = self.retries(&fields);
        let grpc = url.as_ref().is_some_and(|url| url.value.scheme.is_grpc());
        let http = self.http_version(&fields, grpc);
        let tls = self.service_tls(&fields);
        if let (Some(url), Some(value)) = (&url, fields.value("tls"))
            && !url.value.scheme.is_tls()
        {
            self.faults.at_with_help(&value.span(), "`tls` goes unheard", "the url has to begin with https: or grpcs:");
        }
        let plugins = plugin_uses(&fields, Narrowing::None, self.folder);
        let routes = fields.array("routes").filter_map(|value| self.route(value, name.as_ref())).collect();
        let enabled = fields.boolean("enabled").unwrap_or(true);
        fields.finish();
        enabled.then_some(())?;
        Some(Service { name: name?, url: url?, timeouts, retries, http, tls, plugins, routes })
    }

    fn timeouts(&self, service: &Fields<'_>) -> Timeouts {
        let mut timeouts = Timeouts {
            connect: Duration::from_secs(5),
            response: Duration::from_secs(60),
            idle: Duration::from_secs(60),
            tunnel: Duration::from_secs(3600),
        };
        let Some(value) = service.value("timeouts") else { return timeouts };
        let Some(fields) = Fields::of(value, "`timeouts`", self.faults) else { return timeouts };
        period_into(&fields, "connect", &mut timeouts.connect);
        period_into(&fields, "response", &mut timeouts.response);
        period_into(&fields, "idle", &mut timeouts.idle);
        period_into(&fields, "tunnel", &mut timeouts.tunnel);
        fields.finish();
        timeouts
    }

    fn retries(&self, service: &Fields<'_>) -> Retries {
        let count = service.integer("retries", 0..=100).and_then(|count| u32::try_from(count).ok());
        let buffer = service.parse::<ByteSize>("retry_buffer");
        if let Some(size) = &buffer
            && size.value.0 > limits::RETRY_BUFFER_MAX
        {
            let most = limits::RETRY_BUFFER_MAX >> 20;
            self.faults.at(&size.span, format!("`retry_buffer` is at most {most}MiB: every request may hold as much"));
        }
        Retries {
            count: count.unwrap_or(limits::RETRIES),
            buffer: buffer.map_or(limits::RETRY_BUFFER, |size| size.value.0),
        }
    }

    fn http_version(&self, service: &Fields<'_>, grpc: bool) -> HttpVersion {
        let default = if grpc { HttpVersion::Two } else { HttpVersion::One };
        let Some(version) = service.parse::<Text>("http") else { return default };
        let version_of = match version.value.0.as_str() {
            "1" => HttpVersion::One,
            "2" => HttpVersion::Two,
            "auto" => HttpVersion::Auto,
            other => {
                self.faults.at(&version.span, format!("`http` is \"1\", \"2\" or \"auto\", not \"{other}\""));
                return default;
            }
        };
        if grpc && version_of != HttpVersion::Two {
            self.faults.at_with_help(&version.span, "gRPC needs HTTP/2", "leave `http` out");
        }
        version_of
    }

    fn service_tls(&self, service: &Fields<'_>) -> ServiceTls {
        let mut tls = ServiceTls { ca: Vec::new(), certificate: None, server_name: None, verify: true };
        let Some(value) = service.value("tls") else { return tls };
        let Some(fields) = Fields::of(value, "`tls`", self.faults) else { return tls };
        tls.ca = self.authorities(&fields, "ca", "ca_certificates");
        tls.certificate = fields.value("certificate").and_then(|value| self.pair_or_reference(value));
        tls.server_name = fields.parse::<PlainHost>("server_name").map(|name| name.map(|name| name.0));
        tls.verify = fields.boolean("verify").unwrap_or(true);
        fields.finish();
        tls
    }

    fn route(&self, value: &Value<'_>, service: Option<&Located<Name>>) -> Option<Route> {
        let fields = Fields::of(value, "a route", self.faults)?;
        let name = self.name_or_id("route", &fields, "name", "a name for logs and metrics");
        let criteria = self.criteria(&fields);
        let schemes = self.schemes(&fields);
        let strip_path = fields.boolean("strip_path").unwrap_or(true);
        let preserve_host = fields.boolean("preserve_host").unwrap_or(false);
        let body_bytes = fields.parse::<ByteSize>("body_bytes").map(|size| size.value.0 as u64);
        let plugins = plugin_uses(&fields, Narrowing::Service, self.folder);
        for only in plugins.iter().filter_map(|plugin_use| plugin_use.only.service.as_ref()) {
            if let Some(service) = service.filter(|service| service.value != only.value) {
                let message = format!("this route belongs to service \"{}\"", service.value);
                self.faults.at_with_help(&only.span, message, "name that one, or leave `service` out");
            }
        }
        let enabled = fields.boolean("enabled").unwrap_or(true);
        if CRITERIA.into_iter().all(|key| is_empty(fields.value(key))) {
            let help = "give it `paths`, `hosts` or `methods`; paths = [\"/\"] matches everything";
            self.faults.at_with_help(fields.span(), "a route needs something to match", help);
        }
        fields.finish();
        enabled.then_some(())?;
        Some(Route { name: name?, criteria, schemes, strip_path, preserve_host, body_bytes, plugins })
    }

    fn criteria(&self, route: &Fields<'_>) -> Criteria {
        let mut headers: Vec<HeaderCriterion> = Vec::new();
        for (name, value) in route.entries("headers") {
            let values = texts(value, &name.value, self.faults);
            match HeaderCriterion::new(&name.value, &values) {
                Ok(criterion) if headers.iter().any(|other| other.name == criterion.name) => {
                    self.faults.at(&name.span, format!("\"{}\" is listed twice: names ignore case", name.value));
                }
                Ok(criterion) => headers.push(criterion),
                Err(error) => self.faults.at(&value.span(), error),
            }
        }
        Criteria {
            hosts: values(route.parse_all("hosts")),
            paths: values(route.parse_all("paths")),
            methods: route.parse_all::<Method>("methods").into_iter().map(|method| method.value.0).collect(),
            headers,
            snis: values(route.parse_all("snis")),
            sources: values(route.parse_all("sources")),
            regex_priority: route
                .integer("regex_priority", -1_000_000..=1_000_000)
                .and_then(|priority| i32::try_from(priority).ok())
                .unwrap_or(0),
        }
    }

    fn schemes(&self, route: &Fields<'_>) -> Schemes {
        let protocols = route.parse_all::<Text>("protocols");
        let status = route.integer("https_redirect_status_code", 301..=426);
        let (mut http, mut https) = (protocols.is_empty(), protocols.is_empty());
        for protocol in &protocols {
            match protocol.value.0.as_str() {
                "http" | "grpc" => http = true,
                "https" | "grpcs" => https = true,
                other => {
                    let help = "known here: http, https, grpc, grpcs";
                    self.faults.at_with_help(&protocol.span, format!("\"{other}\" is no protocol of routes"), help);
                }
            }
        }
        match (http, https, status) {
            (true, true, None) => Schemes::Any,
            (false, true, status) => Schemes::HttpsOnly(self.redirect_status(route, status)),
            (true, false, _) => {
                let help = "protocols = [\"https\"] takes https only; both are taken without `protocols`";
                self.faults.at_with_help(route.span(), "a route that refuses https is not to be had", help);
                Schemes::Any
            }
            (_, _, Some(_)) => {
                let help = "protocols = [\"https\"]";
                let message = "`https_redirect_status_code` goes unheard: this route takes http";
                self.faults.at_with_help(route.span(), message, help);
                Schemes::Any
            }
            (false, false, None) => Schemes::Any,
        }
    }

    fn redirect_status(&self, route: &Fields<'_>, status: Option<i64>) -> u16 {
        const KNOWN: [u16; 5] = [426, 301, 302, 307, 308];
        match status.map(u16::try_from) {
            None => 426,
            Some(Ok(status)) if KNOWN.contains(&status) => status,
            Some(_) => {
                self.faults.at(route.span(), "`https_redirect_status_code` is 426, 301, 302, 307 or 308");
                426
            }
        }
    }
}

/// One string, or an array of them.
fn texts(value: &Value<'_>, key: &str, faults: &Faults) -> Vec<String> {
    let what = format!("each value of `{key}`");
    let listed: Vec<&Value<'_>> = match value.get_ref().as_array() {
        Some(array) => array.iter().collect(),
        None => vec![value],
    };
    listed.into_iter().filter_map(|value| parse::<Text>(value, &what, faults)).map(|text| text.value.0).collect()
}

fn values<T>(located: Vec<Located<T>>) -> Vec<T> {
    located.into_iter().map(|located| located.value).collect()
}

/// A port beside an upstream's name would go unheard.
pub(super) fn check_urls(services: &[Service], upstreams: &[Upstream], faults: &Faults) {
    for service in services {
        let url = &service.url.value;
        let TargetAddress::Host(authority) = &url.address else { continue };
        if url.explicit_port && upstreams.iter().any(|upstream| upstream.name.value.0 == authority.host) {
            let message = format!("\"{}\" is an upstream, whose targets have ports of their own", authority.host);
            faults.at_with_help(&service.url.span, message, "leave the port out here");
        }
    }
}
