use super::Goal;
use crate::cli::options::Options;
use crate::cli::{Parsed, parse};
use crate::commands::COMMANDS;
use crate::error::Error;
use crate::objects::document::Document;

fn goal(line: &str) -> Result<Goal, Error> {
    let Parsed::Run(invocation) = parse(COMMANDS, line.split(' ').map(Into::into))? else {
        panic!("{line}")
    };
    match invocation.command.action() {
        "wait" if line.starts_with("vm") => Goal::of_vm(&invocation.operands, &invocation.options),
        _ => Goal::of_service(&invocation.operands, &invocation.options),
    }
}

fn missing(line: &str, document: &str) -> Result<Vec<String>, Error> {
    goal(line)?.missing(Document::new(document.as_bytes().to_vec()).unwrap().root())
}

const VM: &str = r#"{"VM":{"ID":"8","STATE":"3","LCM_STATE":"3","USER_TEMPLATE":{"READY":"NO","LIST":["a","b"],"EMPTY":""}}}"#;
const SERVICE: &str = r#"{"SERVICE":{"name":"s","state":2,"roles":[
    {"name":"master","cardinality":1,"nodes":[{"deploy_id":8,"vm_info":{"VM":{"ID":"8","STATE":"3","LCM_STATE":"3","USER_TEMPLATE":{"READY":"YES"}}}}]},
    {"name":"slave","cardinality":"3","nodes":[
        {"deploy_id":9,"vm_info":{"VM":{"ID":"9","STATE":"3","LCM_STATE":"3","USER_TEMPLATE":{"READY":"YES"}}}},
        {"deploy_id":10,"vm_info":null}]},
    {"name":"none","cardinality":0,"nodes":null}]}}"#;

#[test]
fn conditions_of_a_vm() {
    for (line, expected) in [
        ("vm wait READY", &[][..]),
        ("vm wait ready=NO", &[]),
        ("vm wait READY!=YES", &[]),
        ("vm wait GONE!=YES", &[]),
        ("vm wait LIST=b", &[]),
        ("vm wait EMPTY EMPTY=", &[]),
        ("vm wait STATE=RUNNING", &[]),
        ("vm wait STATE=running", &[]),
        ("vm wait STATE=3", &[]),
        ("vm wait READY=YES", &["READY=YES (READY is NO)"]),
        ("vm wait READY!=NO", &["READY!=NO (READY is NO)"]),
        (
            "vm wait GONE GONE=1",
            &["GONE (GONE is not set)", "GONE=1 (GONE is not set)"],
        ),
        ("vm wait LIST=c", &["LIST=c (LIST is a, b)"]),
        (
            "vm wait STATE=POWEROFF",
            &["STATE=POWEROFF (STATE is RUNNING)"],
        ),
        (
            "vm wait STATE!=RUNNING",
            &["STATE!=RUNNING (STATE is RUNNING)"],
        ),
    ] {
        assert_eq!(missing(line, VM).unwrap(), expected, "{line}");
    }
}

#[test]
fn conditions_of_a_service() {
    for (line, expected) in [
        ("service wait STATE=RUNNING", &[][..]),
        (
            "service wait STATE=COOLDOWN",
            &["STATE=COOLDOWN (STATE is RUNNING)"],
        ),
        (
            "service wait READY=YES",
            &["VM 10: READY=YES (READY is not set)"],
        ),
        ("service wait --role master READY=YES", &[]),
        ("service wait --role slave --count 1 READY=YES", &[]),
        ("service wait --role slave --count 2", &[]),
        ("service wait --role none READY=YES", &[]),
        ("service wait --role slave", &["role slave: 2 of 3 VMs"]),
        (
            "service wait --role slave READY=YES",
            &[
                "role slave: 1 of 3 VMs",
                "VM 10: READY=YES (READY is not set)",
            ],
        ),
        (
            "service wait --role none --count 1 READY=YES",
            &["role none: 0 of 1 VMs"],
        ),
        (
            "service wait --role slave STATE=RUNNING",
            &[
                "role slave: 1 of 3 VMs",
                "VM 10: STATE=RUNNING (STATE is not set)",
            ],
        ),
    ] {
        assert_eq!(missing(line, SERVICE).unwrap(), expected, "{line}");
    }
    let error = missing("service wait --role nobody READY", SERVICE)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("no role 'nobody'; its roles are master, slave, none"),
        "{error}"
    );
}

#[test]
fn conditions_that_are_none() {
    for (line, named) in [
        ("vm wait", "needs a CONDITION"),
        ("vm wait A<1", "'A<1' is no condition"),
        ("vm wait =1", "no attribute's name"),
        ("vm wait 1A=1", "no attribute's name"),
        ("service wait", "needs a CONDITION"),
        ("service wait --count 2 A", "--count needs --role"),
        ("service wait --role r --count x A", "--count 'x'"),
    ] {
        let error = goal(line).expect_err(line).to_string();
        assert!(error.contains(named), "{line}: {error}");
    }
    assert!(Goal::of_service(&[], &Options::default()).is_err());
}

#[test]
fn what_is_asked_for() {
    for (line, extended) in [
        ("vm wait A", false),
        ("service wait STATE=RUNNING", false),
        ("service wait STATE=RUNNING A", true),
        ("service wait --role r", false),
        ("service wait --role r STATE=RUNNING", true),
    ] {
        assert_eq!(goal(line).unwrap().needs_vms(), extended, "{line}");
    }
}
