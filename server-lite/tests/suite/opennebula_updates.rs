//! Updates through the back end: every value arrives as given or is refused before it is sent, erasing takes names, and
//! nothing is lost beside others' updates.

use crate::support::upstream::bench::{Bench, action, alice, single};
use crate::support::upstream::{StandIn, done, vm};
use onegate_server_lite::cloud::Cloud;
use onegate_server_lite::objects::action::Argument;
use onegate_server_lite::objects::refusal::Refusal;
use onegate_server_lite::objects::template::{Attribute, AttributeValue};
use serde_json::json;
use std::sync::{Arc, Mutex};

/// A oned with one VM, whose USER_TEMPLATE changes as oned changes it.
fn oned_with_a_vm(attributes: vm::UserTemplate) -> (StandIn, Arc<Mutex<vm::UserTemplate>>) {
    let template = Arc::new(Mutex::new(attributes));
    let kept = template.clone();
    let oned = StandIn::start(move |request| {
        let call = request.call();
        let mut attributes = kept.lock().expect("template");
        match call.method.as_str() {
            "one.vm.info" => done(&format!("<VM><ID>6</ID>{}</VM>", vm::to_xml(&attributes))),
            "one.vm.update" => vm::update(&mut attributes, &call),
            other => panic!("{other}"),
        }
    });
    (oned, template)
}

#[test]
fn every_value_arrives_as_given() {
    let (oned, template) = oned_with_a_vm(Vec::new());
    let bench = Bench::with_oned(&oned);
    let long = "x,\"[]\\\n".repeat(10_000);
    for value in [
        "",
        " ",
        "1",
        "x,y",
        "a=b",
        "say \"hi\"",
        "C:\\new\\table",
        "C:\\",
        "\\\"",
        "\\\\\"",
        "[]",
        "a[0]",
        "{\"k\":[1,2]}",
        "line1\nline2",
        "\n",
        "\ttab\t",
        "it's <b>&amp;</b>",
        "ünïcödé ☃ 日本",
        "\u{7f}",
        "#",
        "]]",
        "-----BEGIN X-----\nMIIB==\n",
        long.as_str(),
    ] {
        let given = [single("A", value), single("B", "1,2"), single("B", "3")];
        let vector = Attribute {
            name: "V".to_string(),
            value: AttributeValue::Vector(vec![
                ("X".to_string(), value.to_string()),
                ("Y".to_string(), "2".to_string()),
            ]),
        };
        let mut expected: vm::UserTemplate = vec![
            ("A".to_string(), json!(value)),
            ("B".to_string(), json!("1,2")),
            ("B".to_string(), json!("3")),
        ];
        bench
            .cloud
            .update(&alice(), 6, &given)
            .unwrap_or_else(|e| panic!("{value:?}: {e:?}"));
        assert_eq!(*template.lock().expect("template"), expected, "{value:?}");
        bench
            .cloud
            .update(&alice(), 6, std::slice::from_ref(&vector))
            .unwrap_or_else(|e| panic!("{value:?}: {e:?}"));
        expected.push(("V".to_string(), json!({"X": value, "Y": "2"})));
        assert_eq!(*template.lock().expect("template"), expected, "{value:?}");
        // What is written back by an erase arrives too.
        bench
            .cloud
            .update(&alice(), 6, &[single("GONE", "1")])
            .expect("an update");
        bench.cloud.erase(&alice(), 6, "GONE").expect("erased");
        assert_eq!(*template.lock().expect("template"), expected, "{value:?}");
        template.lock().expect("template").clear();
    }
}

#[test]
fn what_cant_be_kept_is_refused_before_it_is_sent() {
    let (oned, _) = oned_with_a_vm(Vec::new());
    let bench = Bench::with_oned(&oned);
    for value in ["\u{1f600}", "a\rb", "\u{1b}[1m", "x]]>y", "\u{0}"] {
        let refused = bench.cloud.update(&alice(), 6, &[single("A", value)]);
        assert!(
            matches!(&refused, Err(Refusal::Invalid(why)) if why.contains("Attribute A")),
            "{value:?}: {refused:?}"
        );
        let refused = bench.cloud.act(
            &alice(),
            6,
            &action("rename", Argument::Text(value.to_string())),
        );
        assert!(
            matches!(refused, Err(Refusal::Invalid(_))),
            "{value:?}: {refused:?}"
        );
    }
    assert_eq!(oned.requests(), 0);
}

#[test]
fn erasing_takes_every_attribute_of_a_name_and_nothing_else() {
    let attributes = vm::parse("BASE=\"keep\"\nMULTI=\"1\"\nMULTI=\"2\"\nVEC=[A=\"1\"]\nE=\"\"")
        .expect("a template");
    let (oned, template) = oned_with_a_vm(attributes);
    let bench = Bench::with_oned(&oned);
    let names = || {
        template
            .lock()
            .expect("template")
            .iter()
            .map(|(name, _)| name.clone())
            .collect::<Vec<_>>()
            .join(" ")
    };
    for name in ["NOPE", "*", "../NAME", "VEC/A", "BASE\nE", "base", ""] {
        let absent = Some(Refusal::Failed("attribute not found".to_string()));
        let told = bench.cloud.erase(&alice(), 6, name).err();
        assert_eq!(told, absent, "{name:?}");
    }
    assert_eq!(names(), "BASE E MULTI MULTI VEC");
    for (name, left) in [
        ("MULTI", "BASE E VEC"),
        ("VEC", "BASE E"),
        ("BASE", "E"),
        ("E", ""),
    ] {
        bench.cloud.erase(&alice(), 6, name).expect(name);
        assert_eq!(names(), left);
    }
}

#[test]
fn what_no_single_call_can_write_is_kept_by_an_erase() {
    // Text keeps what is empty or has white space around it, XML a backslash at the end.
    let kept = |extra: &[(&str, serde_json::Value)]| -> vm::UserTemplate {
        let all = [
            ("DIR", json!("C:\\new\\")),
            ("E", json!("")),
            ("PAD", json!(" x ")),
            ("V", json!({"A": "1\\"})),
        ];
        let all = all.iter().chain(extra);
        all.map(|(name, value)| (name.to_string(), value.clone()))
            .collect()
    };
    let (oned, template) = oned_with_a_vm(kept(&[("Z", json!("1"))]));
    let bench = Bench::with_oned(&oned);
    bench.cloud.erase(&alice(), 6, "Z").expect("erased");
    let mut left = template.lock().expect("template").clone();
    left.sort_by(|(a, _), (b, _)| a.cmp(b));
    assert_eq!(left, kept(&[]));

    // One attribute that is both: nothing is changed, and the message says what to do.
    for both in [
        vec![("W", json!({"A": "", "B": "1\\"}))],
        vec![("W", json!("")), ("W", json!("1\\"))],
    ] {
        let all = kept(&[both, vec![("Z", json!("1"))]].concat());
        let (oned, template) = oned_with_a_vm(all.clone());
        let bench = Bench::with_oned(&oned);
        let refused = bench.cloud.erase(&alice(), 6, "Z");
        assert!(
            matches!(&refused, Err(Refusal::Invalid(why)) if why.starts_with("nothing erased") && why.contains("erase W")),
            "{refused:?}"
        );
        assert_eq!(*template.lock().expect("template"), all);
        bench.cloud.erase(&alice(), 6, "W").expect("as it says");
        bench.cloud.erase(&alice(), 6, "Z").expect("and again");
    }
}

#[test]
fn updates_beside_erases_lose_nothing() {
    let (oned, template) = oned_with_a_vm(Vec::new());
    let bench = Bench::with_oned(&oned);
    let threads: Vec<_> = (0..10)
        .map(|thread| {
            let cloud = bench.cloud.clone();
            std::thread::spawn(move || {
                for i in 0..10 {
                    cloud
                        .update(&alice(), 6, &[single(&format!("K{thread}_{i}"), "1")])
                        .expect("an update");
                    if i % 3 == 0 {
                        cloud
                            .erase(&alice(), 6, &format!("K{thread}_{i}"))
                            .expect("an erase");
                    }
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("a thread");
    }
    let mut names: Vec<String> = template
        .lock()
        .expect("template")
        .iter()
        .map(|(name, _)| name.clone())
        .collect();
    names.sort();
    let mut expected: Vec<String> = (0..10)
        .flat_map(|thread| {
            (0..10)
                .filter(|i| i % 3 != 0)
                .map(move |i| format!("K{thread}_{i}"))
        })
        .collect();
    expected.sort();
    assert_eq!(names, expected);
}
