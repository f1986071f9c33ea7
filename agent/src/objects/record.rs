//! What a VM's record says in several places at once: which VM it is, its state, its addresses.

use super::document::Node;

/// The id of the VM behind a node of a role, also where the service knows no more of it than `deploy_id`.
pub fn node_id(node: Node<'_>) -> String {
    let id = node.get("vm_info").get("VM").get("ID");
    if id.is_null() {
        node.get("deploy_id").text()
    } else {
        id.text()
    }
}

/// A VM's addresses: of each NIC the IPv4 address, or where there is none its global IPv6 addresses, or else its static
/// one. The NICs that are PCI devices (SR-IOV) come last.
pub fn addresses(vm: Node<'_>) -> Vec<String> {
    let mut found = Vec::new();
    let template = vm.get("TEMPLATE");
    let is_nic = |device: &Node<'_>| device.get("TYPE").text() == "NIC";
    let passed_through = template.get("PCI").each().filter(is_nic);
    for nic in template.get("NIC").each().chain(passed_through) {
        for key in ["IP", "IP6_GLOBAL", "IP6"] {
            let before = found.len();
            found.extend(
                nic.get(key)
                    .each()
                    .map(Node::text)
                    .filter(|ip| !ip.is_empty()),
            );
            if found.len() > before {
                break;
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::addresses;
    use crate::objects::document::Document;

    fn document(text: &str) -> Document {
        Document::new(text.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn addresses_of_all_kinds_of_nics() {
        for (nic, expected) in [
            (
                r#"[{"IP":"10.0.0.1","IP6_GLOBAL":"2001:db8::1"},{"IP":"10.0.0.2"}]"#,
                vec!["10.0.0.1", "10.0.0.2"],
            ),
            (r#"{"IP":"10.0.0.1"}"#, vec!["10.0.0.1"]),
            (
                r#"[{"IP6_GLOBAL":["2001:db8::1","2001:db8::2"],"IP6_LINK":"fe80::1"}]"#,
                vec!["2001:db8::1", "2001:db8::2"],
            ),
            (
                r#"[{"IP":"","IP6_GLOBAL":"2001:db8::1"},{"MAC":"02:00"}]"#,
                vec!["2001:db8::1"],
            ),
            (r#"{"IP6":"2001:db8::3"}"#, vec!["2001:db8::3"]),
            ("null", vec![]),
        ] {
            let vm = document(&format!(r#"{{"TEMPLATE":{{"NIC":{nic}}}}}"#));
            assert_eq!(addresses(vm.root()), expected, "{nic}");
        }
    }

    #[test]
    fn pci_devices_that_are_nics() {
        for (template, expected) in [
            (
                r#"{"PCI":{"TYPE":"NIC","IP":"10.0.0.3"},"NIC":{"IP":"10.0.0.1"}}"#,
                vec!["10.0.0.1", "10.0.0.3"],
            ),
            (
                r#"{"PCI":[{"CLASS":"0300","IP":"10.0.0.9"},{"TYPE":"NIC","IP6":"2001:db8::3"}]}"#,
                vec!["2001:db8::3"],
            ),
            (r#"{"PCI":[],"NIC":[]}"#, vec![]),
        ] {
            let vm = document(&format!(r#"{{"TEMPLATE":{template}}}"#));
            assert_eq!(addresses(vm.root()), expected, "{template}");
        }
    }
}
