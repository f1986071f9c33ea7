//! The text that scripts cut with sed, awk and grep: a header, then `%-20s: %-20s` lines, in the order of the
//! OpenNebula documentation (contract §3; recordings, client.jsonl).

use crate::document::Node;
use crate::state;
use std::borrow::Cow;
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

/// The id of the VM behind a node of a role, also where the service knows no more of it than `deploy_id`.
pub fn node_id(node: Node<'_>) -> String {
    let id = node.get("vm_info").get("VM").get("ID");
    if id.is_null() {
        node.get("deploy_id").text()
    } else {
        id.text()
    }
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

/// A VM's addresses: of each NIC the IPv4 address, or where there is none its global IPv6 addresses.
pub fn addresses(vm: Node<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for nic in vm.get("TEMPLATE").get("NIC").each() {
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

/// The text with every control character spelled out: what a server sends never drives a terminal.
pub fn harmless(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let spell = |c: char| {
        if c.is_control() {
            c.escape_default().to_string()
        } else {
            c.to_string()
        }
    };
    Cow::Owned(text.chars().map(spell).collect())
}

/// The same for a message of several lines: newlines and tabs stay.
pub fn harmless_lines(text: &str) -> String {
    let clean = |line: &str| {
        line.split('\t')
            .map(harmless)
            .collect::<Vec<_>>()
            .join("\t")
    };
    text.replace("\r\n", "\n")
        .split('\n')
        .map(clean)
        .collect::<Vec<_>>()
        .join("\n")
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
        let words = harmless(words);
        let _ = match self.1 {
            Style::Plain => writeln!(self.0, "{words}"),
            Style::Terminal => writeln!(self.0, "{on}{words:<80}\x1b[0m"),
        };
    }

    fn pair(&mut self, name: &str, value: &str) {
        let _ = writeln!(self.0, "{name:<20}: {:<20}", harmless(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Document;

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
        assert_eq!(harmless_lines("a\r\nb\tc\u{1b}[1m"), "a\nb\tc\\u{1b}[1m");
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
