use tidegate_sdk::testing;

use super::*;

#[test]
fn its_cases_come_out_as_expected() {
    testing::cases::<Settings>("cases");
}
