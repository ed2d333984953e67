use tidegate_sdk::testing::{self, Exchange, Outcome};

use super::*;

#[test]
fn a_verdict_belongs_to_its_config() {
    let strict: Settings = testing::configure(json!({ "deny": ["tool"] })).unwrap();
    let lenient: Settings = testing::configure(json!({})).unwrap();
    for _ in 0..2 {
        assert_eq!(by("tool/1.0").request(&strict).reply().status, 403);
        assert_eq!(by("tool/1.0").request(&lenient), Outcome::Next);
    }
}

#[test]
fn only_the_beginning_of_a_long_user_agent_is_looked_at() {
    let plugin: Settings = testing::configure(json!({ "deny": ["x+evil"] })).unwrap();
    let agent = |length: usize| format!("{}evil", "x".repeat(length - 4));
    assert_eq!(by(&agent(SIGNIFICANT_BYTES)).request(&plugin).reply().status, 403);
    assert_eq!(by(&agent(SIGNIFICANT_BYTES + 1)).request(&plugin), Outcome::Next);
}

#[test]
fn bytes_that_are_no_text_are_looked_at_as_well() {
    let plugin: Settings = testing::configure(json!({})).unwrap();
    assert_eq!(
        Exchange::get("/").header("user-agent", b"\xff Googlebot/2.1 \xfe").request(&plugin).reply().status,
        403
    );
    assert_eq!(Exchange::get("/").header("user-agent", b"\xff\xfe").request(&plugin), Outcome::Next);
}

#[test]
fn its_cases_come_out_as_expected() {
    testing::cases::<Settings>("cases");
}

fn by(agent: &str) -> Exchange {
    Exchange::get("/").header("user-agent", agent)
}
