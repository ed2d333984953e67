use tidegate_sdk::testing::{self, Exchange, Outcome};

use super::*;

fn plugin() -> Settings {
    testing::configure(json!({ "mark": "m" })).unwrap()
}

fn request(fault: &str) -> Outcome {
    Exchange::get("/").header("x-fault", fault).request(&plugin())
}

fn response(fault: &str) -> Outcome {
    Exchange::get("/").header("x-fault-response", fault).response(&plugin())
}

#[test]
fn without_a_fault_it_counts_and_marks() {
    let mut exchange = Exchange::get("/");
    assert_eq!(exchange.request(&plugin()), Outcome::Next);
    assert_eq!(exchange.response(&plugin()), Outcome::Next);
    assert_eq!(exchange.upstream_headers().first("x-calls"), Some("1"));
    assert_eq!(exchange.upstream_headers().first("x-mark"), Some("m"));
    assert_eq!(exchange.client_headers().first("x-mark"), Some("m"));
}

#[test]
fn it_refuses_a_config_when_told() {
    assert_eq!(testing::configure::<Settings>(json!({ "refuse": true })).err().as_deref(), Some("refused on purpose"));
}

#[test]
fn both_hooks_fail_as_told() {
    for run in [request, response] {
        assert_eq!(run("fail").failure(), "failed on purpose");
        assert!(run("bad-status").failure().contains("999"));
        assert!(run("bad-header").failure().contains("x-bad"));
        assert!(run("hop-by-hop").failure().contains("connection"));
        assert_eq!(run("nonsense").failure(), "there is no fault \"nonsense\"");
        let reply = run("reply").reply();
        assert_eq!((reply.status, reply.text()), (418, "a reply on purpose"));
    }
}

#[test]
fn a_stuck_instance_says_that_it_is_reused() {
    assert_eq!(request("sticky"), Outcome::Next);
    let reply = request("fail").reply();
    assert_eq!((reply.text(), reply.headers.first("x-calls")), ("reused", Some("2")));
}

#[test]
#[should_panic(expected = "a panic on purpose")]
fn a_trap_is_a_panic() {
    let _ = request("trap");
}

#[test]
fn its_cases_come_out_as_expected() {
    testing::cases::<Settings>("cases");
}
