//! Tells the upstream what a plugin gets to see of a request, in `x-saw-*`.

use tidegate_sdk::prelude::*;

#[derive(Config)]
struct Settings {}

impl RequestHook for Settings {
    fn on_request(&self, request: &mut Request) -> Flow {
        let mut seen = vec![
            ("x-saw-scheme", Some(request.scheme())),
            ("x-saw-path", Some(request.path())),
            ("x-saw-client", Some(exchange::client_ip().to_string())),
            ("x-saw-id", request.capture("id")),
        ];
        if let Some(shown) = exchange::client_certificate() {
            seen.push(("x-saw-subject", Some(shown.subject)));
            seen.push(("x-saw-names", Some(shown.dns_names.join(","))));
            seen.push(("x-saw-fingerprint", Some(shown.fingerprint)));
        }
        for (name, value) in seen {
            if let Some(value) = value {
                request.set_header(name, value);
            }
        }
        Flow::Next
    }
}

export!(Settings: RequestHook, priority = 1);

#[cfg(test)]
mod tests {
    #[test]
    fn its_cases_come_out_as_expected() {
        tidegate_sdk::testing::cases::<super::Settings>("cases");
    }
}
