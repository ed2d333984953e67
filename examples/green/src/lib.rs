//! Marks every response as green. Replace its file by that of `blue` while requests are under way:
//! each of them is answered by one or the other.

use tidegate_sdk::prelude::*;

#[derive(Config)]
struct Green;

impl ResponseHook for Green {
    fn on_response(&self, response: &mut Response, _: &Request) -> Flow {
        response.set_header("x-release", "green");
        Flow::Next
    }
}

export!(Green: ResponseHook);

#[cfg(test)]
mod tests {
    use tidegate_sdk::testing::{Exchange, Outcome};

    use super::*;

    #[test]
    fn every_response_is_marked() {
        let mut exchange = Exchange::get("/").answer(404, &[("x-release", "unknown")]);
        assert_eq!(exchange.response(&Green), Outcome::Next);
        assert_eq!(exchange.client_headers().all("x-release"), ["green"]);
    }
}
