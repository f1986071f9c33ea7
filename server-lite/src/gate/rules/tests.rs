//! What is restricted by default, and in every spelling.

use super::*;
use crate::objects::action::ACTIONS;
use crate::objects::template::{Attribute, parse};

#[test]
fn the_configuration_restricts_what_the_table_says() {
    let restricted: Vec<&str> = ACTIONS
        .iter()
        .filter(|action| action.restricted)
        .map(|action| action.name)
        .collect();
    assert_eq!(Rules::default().restricted_actions, restricted);
}

/// What the server asks of an update before it is carried out.
fn restricted<'a>(attributes: &'a [Attribute], rules: &Rules) -> Option<&'a str> {
    let mut names = attributes.iter().map(|attribute| attribute.name.as_str());
    names.find(|name| rules.restricts(name))
}

#[test]
fn what_is_restricted_is_so_in_every_spelling() {
    let rules = Rules::default();
    for spelling in [
        "SERVICE_ID=9",
        "service_id=9",
        " SERVICE_ID=9",
        "SERVICE_ID =9",
        "\tService_Id\t= 9",
        "A=1\nSERVICE_ID=9",
        r"A=1\nSERVICE_ID=9",
        r"A=1\n  SERVICE_ID  =9",
        "A=\"1\" SERVICE_ID=\"9\"",
        "A=\"1\"SERVICE_ID=9",
        "A=[B=1]SERVICE_ID=9",
        "A=[B=1] SERVICE_ID=9",
        "# x\nSERVICE_ID=9",
        "A=1\r\nSERVICE_ID=9",
        "SERVICE_ID=[A=1]",
        "SERVICE_ID=",
        "<TEMPLATE><SERVICE_ID>9</SERVICE_ID></TEMPLATE>",
        "<T><service_id>9</service_id></T>",
        "<T><A>1</A><SERVICE_ID/></T>",
        "\n <T><SERVICE_ID><A>1</A></SERVICE_ID></T>",
    ] {
        let attributes = parse(spelling).unwrap();
        assert_eq!(
            restricted(&attributes, &rules),
            Some("SERVICE_ID"),
            "{spelling:?}"
        );
    }
    // And what only looks like it is a value.
    for harmless in [
        "A=SERVICE_ID=9",
        "A=\"x\nSERVICE_ID=9\"",
        "#SERVICE_ID=9",
        "A=[SERVICE_ID=9]",
        "XSERVICE_ID=9",
    ] {
        assert_eq!(
            restricted(&parse(harmless).unwrap(), &rules),
            None,
            "{harmless:?}"
        );
    }
}
