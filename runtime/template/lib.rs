//! Requests that do not say which tenant they are of go no further.

use tidegate_sdk::prelude::*;

/// What an operator may set in `config`. The comments are the descriptions that they read.
#[derive(Config)]
struct Settings {
    /// Header that names the tenant.
    #[config(default = HeaderName::from_static("x-tenant"))]
    header: HeaderName,
    /// Status of the answer to requests that have none.
    #[config(default = 400)]
    #[schemars(range(min = 400, max = 499))]
    status: u16,
}

impl RequestHook for Settings {
    fn on_request(&self, request: &mut Request) -> Flow {
        match request.header(&self.header) {
            Some(tenant) if !tenant.is_empty() => Flow::Next,
            _ => Flow::reply(self.status).json(&json!({ "message": format!("{} is missing", self.header) })),
        }
    }
}

export!(Settings: RequestHook);

#[cfg(test)]
mod tests {
    use tidegate_sdk::testing::{self, Exchange, Outcome};

    use super::*;

    #[test]
    fn an_empty_name_is_none() {
        let plugin: Settings = testing::configure(json!({ "status": 403 })).unwrap();
        assert_eq!(Exchange::get("/").header("x-tenant", "").request(&plugin).reply().status, 403);
        assert_eq!(Exchange::get("/").header("x-tenant", "t1").request(&plugin), Outcome::Next);
    }

    /// The same files as `tidegate plugin test` runs on the gateway's own host.
    #[test]
    fn its_cases_come_out_as_expected() {
        testing::cases::<Settings>("cases");
    }
}
