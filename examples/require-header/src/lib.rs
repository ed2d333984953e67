//! Requests without a certain header go no further. The smallest plugin that does something.

use tidegate_sdk::prelude::*;

#[derive(Config)]
struct Settings {
    /// Header that must be present.
    header: HeaderName,
}

impl RequestHook for Settings {
    fn on_request(&self, request: &mut Request) -> Flow {
        if request.header(&self.header).is_some() {
            Flow::Next
        } else {
            Flow::reply(401).body("missing required header")
        }
    }
}

export!(Settings: RequestHook);

#[cfg(test)]
mod tests {
    use tidegate_sdk::testing::{self, Exchange, Outcome};

    use super::*;

    #[test]
    fn only_requests_with_the_header_go_on() {
        let plugin: Settings = testing::configure(json!({ "header": "X-Token" })).unwrap();
        assert_eq!(Exchange::get("/").header("x-token", "any").request(&plugin), Outcome::Next);
        let reply = Exchange::get("/").request(&plugin).reply();
        assert_eq!((reply.status, reply.text()), (401, "missing required header"));
    }

    #[test]
    fn its_cases_come_out_as_expected() {
        testing::cases::<Settings>("cases");
    }
}
