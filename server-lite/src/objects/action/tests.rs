use super::*;
use serde_json::json;
use std::collections::BTreeSet;

#[test]
fn each_name_is_there_once_and_none_is_refused_too() {
    let names: BTreeSet<&str> = ACTIONS.iter().map(|action| action.name).collect();
    assert_eq!(names.len(), ACTIONS.len());
    for (name, _) in REFUSED {
        assert!(find(name).is_none(), "{name}");
    }
}

#[test]
fn anything_but_null_and_false_is_hard() {
    let poweroff = find("poweroff").expect("poweroff");
    for (params, name) in [
        (json!(null), "poweroff"),
        (json!(false), "poweroff"),
        (json!(true), "poweroff-hard"),
        (json!("true"), "poweroff-hard"),
        (json!("false"), "poweroff-hard"),
        (json!(0), "poweroff-hard"),
        (json!(""), "poweroff-hard"),
        (json!({"hard": true}), "poweroff-hard"),
    ] {
        assert_eq!(
            poweroff.call(&params).expect("a call").name,
            name,
            "{params}"
        );
    }
}

#[test]
fn names_are_exact_but_restrictions_are_not() {
    for name in ["hold ", "HOLD", "poweroff-hard", "", "foo"] {
        assert!(find(name).is_none(), "{name:?}");
    }
    assert!(find("reboot").expect("reboot").is_named("ReBoot"));
}

#[test]
fn arguments_are_read_as_the_recordings_send_them() {
    for (name, params, argument) in [
        ("detachdisk", json!(2), Some(Argument::Number(2))),
        ("detachdisk", json!("2"), Some(Argument::Number(2))),
        ("migrate", json!(null), Some(Argument::Number(0))),
        ("migrate", json!({"host_id": 0}), None),
        ("recover", json!(null), None),
        ("recover", json!(1), Some(Argument::Number(1))),
        (
            "rename",
            json!("newname"),
            Some(Argument::Text("newname".into())),
        ),
        ("rename", json!({"name": "x"}), None),
        (
            "snapshot_create",
            json!(null),
            Some(Argument::Text(String::new())),
        ),
    ] {
        let call = find(name).expect(name).call(&params);
        assert_eq!(
            call.ok().map(|call| call.argument),
            argument,
            "{name} {params}"
        );
    }
}

#[test]
fn refusals_have_the_words_of_7_0() {
    assert_eq!(
        unknown("foo"),
        "foo action not  available for this resource"
    );
    let hold = find("hold")
        .expect("hold")
        .call(&Value::Null)
        .expect("a call");
    assert_eq!(
        not_in_state(&hold, RUNNING),
        "[one.vm.action] Error performing action \"hold\": This action is not available for state RUNNING"
    );
}
