//! `service peers`: the VMs of the service, a line each.

use super::show::{document, require};
use crate::cli::command::{Command, Surplus};
use crate::cli::options::{JSON, ROLE};
use crate::cli::session::{self, Session};
use crate::client::request;
use crate::error::Error;
use crate::objects::document::{Document, Node};
use crate::objects::record::{addresses, node_id};
use crate::objects::{json, state};
use crate::world::sanitize;

/// `service peers`
pub(super) const PEERS: Command = Command {
    words: "service peers",
    operands: "",
    surplus: Surplus::Refused,
    options: &[&ROLE.entry, &JSON.entry],
    online: true,
    summary: "List the VMs of the service: ID, role, name, state and addresses, a line each",
    detail: "Aligned on a terminal; elsewhere without a heading and separated by tabs.",
    examples: &["onegate service peers --role slave | cut -f5"],
    run,
};

fn run(session: &mut Session<'_, '_>) -> Result<(), Error> {
    let client = session.client()?;
    let document = document(session::send(&client, &request::service(true))?)?;
    require(document.root(), "SERVICE")?;
    let format = match (session.options.has(&JSON), session.world.terminal) {
        (true, _) => Format::Json,
        (false, true) => Format::Columns,
        (false, false) => Format::Tabs,
    };
    let role = session.options.get(&ROLE).map(String::as_str);
    let text = peers(document.root(), role, format).ok_or_else(|| {
        let role = role.unwrap_or_default();
        Error::Usage(format!("the service has no role '{role}'"))
    })?;
    session.print(&text)
}

/// One VM of the service.
struct Peer {
    id: String,
    role: String,
    name: String,
    state: String,
    addresses: Vec<String>,
}

/// The headings, and the keys in JSON.
const COLUMNS: [&str; 5] = ["ID", "ROLE", "NAME", "STATE", "IP"];

/// How the list is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// In columns, with a heading.
    Columns,
    /// Separated by tabs.
    Tabs,
    /// A list of objects; IP is a list.
    Json,
}

/// The VMs of the service, or of one role of it. `None` where the service has no such role.
fn peers(root: Node<'_>, role: Option<&str>, format: Format) -> Option<String> {
    let roles: Vec<(String, Node<'_>)> = root
        .get("SERVICE")
        .get("roles")
        .each()
        .map(|role| (role.get("name").text(), role))
        .collect();
    if role.is_some_and(|wanted| roles.iter().all(|(name, _)| name != wanted)) {
        return None;
    }
    let wanted = roles
        .iter()
        .filter(|(name, _)| role.is_none_or(|wanted| name == wanted));
    let peers: Vec<Peer> = wanted
        .flat_map(|(name, role)| role.get("nodes").each().map(|node| peer(name, node)))
        .collect();
    Some(match format {
        Format::Columns => columns(&peers),
        Format::Tabs => peers
            .iter()
            .map(|peer| peer.cells().join("\t") + "\n")
            .collect(),
        Format::Json => objects(&peers),
    })
}

fn peer(role: &str, node: Node<'_>) -> Peer {
    let vm = node.get("vm_info").get("VM");
    Peer {
        id: node_id(node),
        role: role.to_owned(),
        name: vm.get("NAME").text(),
        state: state::vm(&vm.get("STATE").text(), &vm.get("LCM_STATE").text()),
        addresses: addresses(vm),
    }
}

impl Peer {
    fn cells(&self) -> [String; 5] {
        [
            &self.id,
            &self.role,
            &self.name,
            &self.state,
            &self.addresses.join(","),
        ]
        .map(|cell| sanitize(cell).into_owned())
    }
}

fn columns(peers: &[Peer]) -> String {
    let mut rows = vec![COLUMNS.map(str::to_owned)];
    rows.extend(peers.iter().map(Peer::cells));
    let widths: Vec<usize> = (0..COLUMNS.len())
        .map(|at| {
            rows.iter()
                .map(|row| row[at].chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let line = |row: &[String; 5]| {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        cells.join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

fn objects(peers: &[Peer]) -> String {
    let list = |items: Vec<String>| format!("[{}]", items.join(","));
    let object = |peer: &Peer| {
        let strings = [&peer.id, &peer.role, &peer.name, &peer.state].map(|cell| quoted(cell));
        let addresses = list(
            peer.addresses
                .iter()
                .map(|address| quoted(address))
                .collect(),
        );
        let values = strings.iter().chain([&addresses]);
        let members: Vec<String> = COLUMNS
            .iter()
            .zip(values)
            .map(|(key, value)| format!("\"{key}\":{value}"))
            .collect();
        format!("{{{}}}", members.join(","))
    };
    let text = list(peers.iter().map(object).collect());
    // What was just written can be read.
    Document::new(text.into_bytes())
        .map_or_else(|_| String::new(), |document| json::pretty(document.root()))
}

/// A JSON string. Writing one can't fail.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICE: &str = r#"{"SERVICE":{"roles":[{"name":"a","nodes":[{"deploy_id":7,"vm_info":{"VM":
        {"ID":"7","NAME":"a\t0","STATE":"3","LCM_STATE":"3","TEMPLATE":{"NIC":[{"IP":"10.0.0.1"},{"IP":"10.0.0.2"}]}}}}]},
        {"name":"longer","nodes":[{"deploy_id":12,"vm_info":null}]},{"name":"none","nodes":null}]}}"#;

    fn print(role: Option<&str>, format: Format) -> Option<String> {
        peers(
            Document::new(SERVICE.as_bytes().to_vec()).unwrap().root(),
            role,
            format,
        )
    }

    #[test]
    fn three_formats() {
        let columns = "ID  ROLE    NAME  STATE    IP\n7   a       a\\t0  RUNNING  10.0.0.1,10.0.0.2\n12  longer\n";
        assert_eq!(print(None, Format::Columns).unwrap(), columns);
        let tabs = "7\ta\ta\\t0\tRUNNING\t10.0.0.1,10.0.0.2\n12\tlonger\t\t\t\n";
        assert_eq!(print(None, Format::Tabs).unwrap(), tabs);
        assert_eq!(
            print(Some("longer"), Format::Tabs).unwrap(),
            "12\tlonger\t\t\t\n"
        );
        assert_eq!(print(Some("none"), Format::Tabs).unwrap(), "");
        assert_eq!(print(Some("nobody"), Format::Tabs), None);
        let json: serde_json::Value =
            serde_json::from_str(&print(Some("a"), Format::Json).unwrap()).unwrap();
        let expected = serde_json::json!([{"ID": "7", "ROLE": "a", "NAME": "a\t0", "STATE": "RUNNING", "IP": ["10.0.0.1", "10.0.0.2"]}]);
        assert_eq!(json, expected);
    }
}
