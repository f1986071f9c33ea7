//! The list of peers: in columns, separated by tabs, or as JSON.

use crate::commands::condition::Condition;
use crate::error::Error;
use crate::limits::{MAX_PEER_BYTES, MAX_PEERS};
use crate::objects::document::{Document, Node};
use crate::objects::path::{Budget, JsonPath};
use crate::objects::record::{addresses, node_id};
use crate::objects::{json, state};
use crate::world::sanitize;

/// How the list is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// In columns, with a heading.
    Columns,
    /// Separated by tabs.
    Tabs,
    /// A list of objects; IP is a list.
    Json,
}

/// The headings of a list, and the keys in JSON; the first is the id, the last the addresses.
type Headings = [&'static str; 5];

const SERVICE: Headings = ["ID", "ROLE", "NAME", "STATE", "IP"];
const NETWORK: Headings = ["ID", "NETWORK", "NIC", "MAC", "IP"];

/// One peer.
pub(super) struct Peer<'a> {
    headings: Headings,
    /// What is under them, but for the addresses.
    cells: [String; 4],
    addresses: Vec<String>,
    /// What paths begin at.
    record: Node<'a>,
    /// Where its attributes are.
    attributes: Node<'a>,
}

/// The VMs of the service, or of one role of it.
///
/// # Errors
/// [`Error::Usage`], if the service has no such role.
pub(super) fn of_service<'a>(root: Node<'a>, role: Option<&str>) -> Result<Vec<Peer<'a>>, Error> {
    let mut list = List::default();
    let mut is_known = role.is_none();
    for each in root.get("SERVICE").get("roles").each() {
        let name = each.get("name").text();
        if role.is_none_or(|wanted| wanted == name) {
            is_known = true;
            for node in each.get("nodes").each() {
                list.push(of_node(&name, node))?;
            }
        }
    }
    match (is_known, role) {
        (false, Some(wanted)) => Err(Error::Usage(format!("the service has no role '{wanted}'"))),
        _ => Ok(list.peers),
    }
}

/// How wide a column is made, in characters.
const WIDEST: usize = 80;

/// Peers, within the limits.
#[derive(Default)]
struct List<'a> {
    peers: Vec<Peer<'a>>,
    bytes: usize,
}

impl<'a> List<'a> {
    fn push(&mut self, peer: Peer<'a>) -> Result<(), Error> {
        let texts = peer.cells.iter().chain(&peer.addresses);
        self.bytes += texts.map(String::len).sum::<usize>();
        if self.peers.len() == MAX_PEERS || self.bytes > MAX_PEER_BYTES {
            return Err(Error::Answer(format!(
                "The server's answer has more than {MAX_PEERS} VMs, or {} MiB of names and addresses: it is not listed.",
                MAX_PEER_BYTES >> 20
            )));
        }
        self.peers.push(peer);
        Ok(())
    }
}

fn of_node<'a>(role: &str, node: Node<'a>) -> Peer<'a> {
    let vm = node.get("vm_info").get("VM");
    Peer {
        headings: SERVICE,
        cells: [
            node_id(node),
            role.to_owned(),
            vm.get("NAME").text(),
            state::vm(&vm.get("STATE").text(), &vm.get("LCM_STATE").text()),
        ],
        addresses: addresses(vm),
        record: vm,
        attributes: vm.get("USER_TEMPLATE"),
    }
}

/// The leases of a network that say something of a backend.
///
/// # Errors
/// [`Error::Answer`], if there are no leases in it, not even an empty list.
pub(super) fn of_network(network: Node<'_>) -> Result<Vec<Peer<'_>>, Error> {
    let ranges = network.get("AR_POOL").get("AR");
    let is_whole = |range: Node<'_>| range.get("LEASES").is_object();
    if !ranges.is_list() && !ranges.is_object() || !ranges.each().all(is_whole) {
        let id = network.get("ID").text();
        return Err(Error::Answer(format!(
            "network {id} comes without its leases"
        )));
    }
    let name = network.get("NAME").text();
    let mut list = List::default();
    for range in ranges.each() {
        for lease in range.get("LEASES").get("LEASE").each() {
            let mut names = lease.members().map(|(name, _)| name.text());
            if !names.any(|name| name.starts_with("ONEGATE_")) {
                continue;
            }
            list.push(Peer {
                headings: NETWORK,
                cells: [
                    lease.get("VM").text(),
                    name.clone(),
                    lease.get("NIC_NAME").text(),
                    lease.get("MAC").text(),
                ],
                addresses: lease.get("IP").each().map(Node::text).collect(),
                record: lease,
                attributes: lease,
            })?;
        }
    }
    Ok(list.peers)
}

impl<'a> Peer<'a> {
    pub(super) fn id(&self) -> &str {
        &self.cells[0]
    }

    /// What is missing for a condition to hold.
    pub(super) fn lacks(&self, condition: &Condition) -> Option<String> {
        match condition.is_of_state() {
            true => condition.missing_in_vm(self.record),
            false => condition.missing_in_attributes(self.attributes),
        }
    }

    /// A field of the list or an attribute by its name, or else the first value that a path leads to.
    ///
    /// # Errors
    /// Those of [`Peer::select`].
    pub(super) fn value(
        &self,
        name: &str,
        path: &JsonPath,
        budget: &mut Budget,
    ) -> Result<Option<String>, Error> {
        if let Some(at) = self.headings.iter().position(|heading| *heading == name) {
            return Ok(self.cells.get(at).or(self.addresses.first()).cloned());
        }
        let first = |node: Node<'_>| node.each().next().map(Node::text);
        let found = self.select(path, "--format", budget)?;
        Ok(found.into_iter().find_map(first))
    }

    /// What the path that is given with an option leads to: from the record, or else from its attributes.
    ///
    /// # Errors
    /// [`Error::Usage`], if it leads to too much.
    pub(super) fn select(
        &self,
        path: &JsonPath,
        option: &str,
        budget: &mut Budget,
    ) -> Result<Vec<Node<'a>>, Error> {
        path.select_near(self.record, self.attributes, budget)
            .map_err(|why| Error::Usage(format!("{option}: {why}")))
    }

    fn texts(&self) -> [String; 5] {
        let [id, second, third, fourth] = &self.cells;
        let addresses = self.addresses.join(",");
        [id, second, third, fourth, &addresses].map(|cell| sanitize(cell).into_owned())
    }
}

/// The list as text.
pub(super) fn render(peers: &[Peer<'_>], layout: Layout) -> String {
    match layout {
        Layout::Columns => columns(peers),
        Layout::Tabs => peers
            .iter()
            .map(|peer| peer.texts().join("\t") + "\n")
            .collect(),
        Layout::Json => objects(peers),
    }
}

fn columns(peers: &[Peer<'_>]) -> String {
    let headings = peers.first().map_or(SERVICE, |peer| peer.headings);
    let mut rows = vec![headings.map(str::to_owned)];
    rows.extend(peers.iter().map(Peer::texts));
    let widths: Vec<usize> = (0..headings.len())
        .map(|at| {
            rows.iter()
                .map(|row| row[at].chars().count())
                .max()
                .unwrap_or(0)
                .min(WIDEST)
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

fn objects(peers: &[Peer<'_>]) -> String {
    let list = |items: Vec<String>| format!("[{}]", items.join(","));
    let object = |peer: &Peer<'_>| {
        let strings = peer.cells.each_ref().map(|cell| quoted(cell));
        let addresses = list(
            peer.addresses
                .iter()
                .map(|address| quoted(address))
                .collect(),
        );
        let values = strings.iter().chain([&addresses]);
        let members: Vec<String> = peer
            .headings
            .iter()
            .zip(values)
            .map(|(key, value)| format!("\"{key}\":{value}"))
            .collect();
        format!("{{{}}}", members.join(","))
    };
    let text = list(peers.iter().map(object).collect());
    json::pretty(Document::written(text).root())
}

/// A JSON string. Writing one can't fail.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = r#"{"SERVICE":{"roles":[{"name":"a","nodes":[{"deploy_id":7,"vm_info":{"VM":
        {"ID":"7","NAME":"a\t0","STATE":"3","LCM_STATE":"3","TEMPLATE":{"NIC":[{"IP":"10.0.0.1"},{"IP":"10.0.0.2"}]}}}}]},
        {"name":"longer","nodes":[{"deploy_id":12,"vm_info":null}]},{"name":"none","nodes":null}]}}"#;

    fn print(role: Option<&str>, layout: Layout) -> Option<String> {
        let document = Document::new(DOCUMENT.as_bytes().to_vec()).unwrap();
        let peers = of_service(document.root(), role).ok()?;
        Some(render(&peers, layout))
    }

    #[test]
    fn three_formats() {
        let columns = "ID  ROLE    NAME  STATE    IP\n7   a       a\\t0  RUNNING  10.0.0.1,10.0.0.2\n12  longer\n";
        assert_eq!(print(None, Layout::Columns).unwrap(), columns);
        let tabs = "7\ta\ta\\t0\tRUNNING\t10.0.0.1,10.0.0.2\n12\tlonger\t\t\t\n";
        assert_eq!(print(None, Layout::Tabs).unwrap(), tabs);
        assert_eq!(
            print(Some("longer"), Layout::Tabs).unwrap(),
            "12\tlonger\t\t\t\n"
        );
        assert_eq!(print(Some("none"), Layout::Tabs).unwrap(), "");
        assert_eq!(print(Some("nobody"), Layout::Tabs), None);
        let json: serde_json::Value =
            serde_json::from_str(&print(Some("a"), Layout::Json).unwrap()).unwrap();
        let expected = serde_json::json!([{"ID": "7", "ROLE": "a", "NAME": "a\t0", "STATE": "RUNNING", "IP": ["10.0.0.1", "10.0.0.2"]}]);
        assert_eq!(json, expected);
    }
}
