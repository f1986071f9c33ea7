//! The text that scripts cut with sed, awk and grep: a header, then `%-20s: %-20s` lines, in the order of the
//! OpenNebula documentation (agent/tests/fixtures/client.jsonl).

use crate::objects::document::Node;
use crate::objects::record::{addresses, node_id};
use crate::objects::state;
use crate::world::sanitize;
use std::fmt::Write as _;

/// How headers look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// The words alone.
    Plain,
    /// Bold and underlined, padded to 80 columns: only for a terminal.
    Terminal,
}

/// `vm show`: NAME, STATE and a line for each NIC's address.
pub fn vm(root: Node<'_>, style: Style) -> String {
    let vm = root.get("VM");
    let mut out = Text::new(style);
    out.header(&format!("VM {}", vm.get("ID").text()));
    out.vm(vm, true);
    out.0
}

/// `service show`: names; with `extended` the state and the addresses of each VM too.
pub fn service(root: Node<'_>, extended: bool, style: Style) -> String {
    let service = root.get("SERVICE");
    let mut out = Text::new(style);
    out.header(&format!("SERVICE {}", service.get("id").text()));
    out.pair("NAME", &service.get("name").text());
    out.pair("STATE", &state::service(&service.get("state").text()));
    out.0.push('\n');
    for role in service.get("roles").each() {
        out.role(&role.get("name").text());
        for node in role.get("nodes").each() {
            out.header(&format!("VM {}", node_id(node)));
            out.vm(node.get("vm_info").get("VM"), extended);
        }
        out.0.push('\n');
    }
    out.0
}

/// `vrouter show`: the name and the ids of its VMs.
pub fn vrouter(root: Node<'_>, style: Style) -> String {
    let vrouter = root.get("VROUTER");
    let mut out = Text::new(style);
    out.header(&format!("VROUTER {}", vrouter.get("ID").text()));
    out.pair("NAME", &vrouter.get("NAME").text());
    let vms: Vec<String> = vrouter
        .get("VMS")
        .get("ID")
        .each()
        .map(Node::text)
        .collect();
    out.pair("VMS", &vms.join(","));
    out.0.push('\n');
    out.0
}

/// `vnet show`: the id alone, as the Ruby client prints it.
pub fn vnet(root: Node<'_>, style: Style) -> String {
    let mut out = Text::new(style);
    out.header("VNET");
    out.pair("ID", &root.get("VNET").get("ID").text());
    out.0.push('\n');
    out.0
}

struct Text(String, Style);

impl Text {
    fn new(style: Style) -> Text {
        Text(String::new(), style)
    }

    fn vm(&mut self, vm: Node<'_>, with_state: bool) {
        self.pair("NAME", &vm.get("NAME").text());
        if with_state {
            self.pair(
                "STATE",
                &state::vm(&vm.get("STATE").text(), &vm.get("LCM_STATE").text()),
            );
            for address in addresses(vm) {
                self.pair("IP", &address);
            }
        }
    }

    fn header(&mut self, words: &str) {
        self.line("\x1b[1m\x1b[4m", words);
    }

    fn role(&mut self, name: &str) {
        self.line("\x1b[1m", &format!("ROLE {name}"));
    }

    // Writing to a String cannot fail, here and below.
    fn line(&mut self, on: &str, words: &str) {
        let words = sanitize(words);
        let _ = match self.1 {
            Style::Plain => writeln!(self.0, "{words}"),
            Style::Terminal => writeln!(self.0, "{on}{words:<80}\x1b[0m"),
        };
    }

    fn pair(&mut self, name: &str, value: &str) {
        let _ = writeln!(self.0, "{name:<20}: {:<20}", sanitize(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::document::Document;

    fn document(text: &str) -> Document {
        Document::new(text.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn nothing_a_server_sends_drives_the_terminal() {
        let vm = document(
            r#"{"VM":{"ID":"1\u001b[2J","NAME":"a\nb\u009bc","STATE":"\u0007","TEMPLATE":{"NIC":{"IP":"\r"}}}}"#,
        );
        for style in [Style::Plain, Style::Terminal] {
            let printed = vm_text_without_style(&super::vm(vm.root(), style));
            assert!(
                !printed.contains(|c: char| c.is_control() && c != '\n'),
                "{printed:?}"
            );
            assert_eq!(printed.lines().count(), 4, "{printed:?}");
        }
    }

    fn vm_text_without_style(text: &str) -> String {
        text.replace("\x1b[1m\x1b[4m", "").replace("\x1b[0m", "")
    }

    #[test]
    fn what_is_unknown_of_a_service_is_left_blank() {
        let service = document(
            r#"{"SERVICE":{"id":1,"name":"s","state":"99","roles":[{"name":"a","nodes":null},{"name":"b","nodes":[{"deploy_id":7,"vm_info":null}]}]}}"#,
        );
        let blank = " ".repeat(20);
        let pair = |name: &str, value: &str| format!("{name:<20}: {value:<20}\n");
        let top = format!(
            "SERVICE 1\n{}{}\nROLE a\n\nROLE b\nVM 7\n",
            pair("NAME", "s"),
            pair("STATE", "99")
        );
        assert_eq!(
            super::service(service.root(), false, Style::Plain),
            format!("{top}{}\n", pair("NAME", &blank))
        );
        assert_eq!(
            super::service(service.root(), true, Style::Plain),
            format!("{top}{}{}\n", pair("NAME", ""), pair("STATE", ""))
        );
    }
}
