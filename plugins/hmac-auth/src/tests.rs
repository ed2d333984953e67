use tidegate_sdk::testing;

use super::*;

#[test]
fn the_schema_tells_the_defaults() {
    let schema = testing::schema::<Settings>();
    let default = |setting: &str| schema["properties"][setting]["default"].clone();
    let (algorithms, enforced) = (default("algorithms"), default("enforce_headers"));
    let spelled_out: Settings =
        testing::configure(json!({ "algorithms": algorithms, "enforce_headers": enforced })).unwrap();
    let left_out: Settings = testing::configure(json!({})).unwrap();
    assert_eq!(spelled_out.algorithms, left_out.algorithms);
    assert_eq!(spelled_out.enforce_headers, left_out.enforce_headers);
}

#[test]
fn its_cases_come_out_as_expected() {
    testing::cases::<Settings>("cases");
}
