//! What holds for any expression, any value and any policy.

use crate::support::engine::{Bench, Kind, options, role, service, vm};
use onegate_server_lite::flow::expression::Expression;
use onegate_server_lite::flow::policy::Adjust;
use proptest::prelude::*;
use serde_json::{Value, json};

/// Texts of the words of expressions, most of them almost right.
fn almost_expressions() -> impl Strategy<Value = String> {
    let words = [
        "A", "cpu_1", "'B'", "7", "-0.5", "1.", ">", "<=", "==", "<>", "&&", "|", "!", "(", ")",
        " ", "é", "\t",
    ];
    proptest::collection::vec(proptest::sample::select(words.to_vec()), 0..24)
        .prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn an_expression_is_read_or_refused_at_a_place_in_it(text in almost_expressions()) {
        match Expression::parse(&text) {
            Err(error) => prop_assert!((1..=text.chars().count() + 1).contains(&error.column)),
            Ok(expression) => {
                // Printed without values it is the same expression: it reads itself, and means the same.
                let printed = expression.evaluated(&|_| None).replace("[--]", "");
                let again = Expression::parse(&printed).expect("its own print");
                prop_assert_eq!(&again, &expression);
                for value in [None, Some(0.0), Some(7.0), Some(f64::MAX)] {
                    prop_assert_eq!(again.is_true(&|_| value), expression.is_true(&|_| value));
                }
            }
        }
    }

    #[test]
    fn a_cardinality_moves_one_way_and_within_the_limits(
        now in 0u32..50, min in 0u32..50, more in 0u32..50, by in any::<i64>(), least in 1i64..9, kind in 0..3,
    ) {
        let (max, now) = (min + more, now.max(min));
        let adjust = match kind {
            0 => Adjust::Change(by),
            1 => Adjust::Cardinality(by),
            _ => Adjust::Percentage(by, least),
        };
        let target = adjust.target(now, min, max);
        prop_assert!(target >= min && target <= max.max(now), "{:?} of {} in {}..{}: {}", adjust, now, min, max, target);
    }

    #[test]
    fn no_value_of_one_role_touches_another(wild in any::<String>(), name in "[A-Z]{1,3}") {
        let policy = |text: String| json!([{"expression": text, "type": "CHANGE", "adjust": 0, "period_number": 2}]);
        let given = |role: &str, text: String| {
            json!({"name": role, "cardinality": 1, "min_vms": 1, "max_vms": 1, "elasticity_policies": policy(text)})
        };
        let roles = json!([
            role(&given("wild", format!("{name} > 0 || {name} <= 0")), &[1]),
            role(&given("calm", format!("{name} == 50")), &[2]),
        ]);
        let mut bench = Bench::new(options(), vec![vm(1), vm(2), service(roles)]);
        bench.set(1, &name, Some(&wild));
        bench.set(2, &name, Some("50"));
        bench.poll();
        let report = bench.report(1);
        let said = |role: usize| &report["roles"][role]["elasticity_policies"][0];
        prop_assert_eq!(&said(1)["true_evals"], &json!(1));
        prop_assert_eq!(&said(1)["expression_evaluated"], &Value::from(format!("{name}[50.0] == 50")));
        // Whatever was sent has a finite average, or none.
        prop_assert!(said(0)["expression_evaluated"].is_string());
        prop_assert_eq!(bench.get(Kind::Vm, 1)["USER_TEMPLATE"][name.as_str()].as_str(), Some(wild.as_str()));
    }
}
