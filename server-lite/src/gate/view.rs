//! What guests see: for each kind of document an allow list of keys, in the order in which the real server writes them
//! (docs/protocol.md, "GET /vm and /vms/ID" and the next sections).
//!
//! A view is written from the cloud's own document straight into the bytes of the answer, without a copy between.

use crate::gate::access::roles;
use crate::objects::document::{Document, Id, id, list};
use serde_json::Value;
use std::collections::HashMap;
use std::io::Write;

/// What is shown of a VM's NICs and aliases. The real server leaves out IP6, the address of a static range.
const NIC_KEYS: [&str; 11] = [
    "IP",
    "IP6",
    "IP6_LINK",
    "IP6_SITE",
    "IP6_GLOBAL",
    "NETWORK",
    "MAC",
    "NAME",
    "PARENT",
    "EXTERNAL",
    "EXTERNAL_IP",
];

/// What a service shows of the VM of each node.
const NODE_VM_KEYS: [&str; 6] = ["ID", "UID", "GID", "UNAME", "GNAME", "NAME"];

/// What is shown of a virtual network beside its addresses and its template.
const NO_PARENT: &str = "{}";

/// GET /: the URLs of the other routes.
pub fn root(base: &str) -> Vec<u8> {
    let mut json = Json::default();
    json.open();
    json.key("vm_info")
        .value(&Value::String(format!("{base}/vm")));
    json.key("service_info")
        .value(&Value::String(format!("{base}/service")));
    json.close();
    json.bytes
}

/// GET /vm and /vms/ID.
pub fn vm(vm: &Value) -> Vec<u8> {
    let mut json = Json::default();
    json.open().key("VM").open();
    for key in ["NAME", "ID", "STATE", "LCM_STATE"] {
        json.key(key).value_or_null(vm.get(key));
    }
    json.key("USER_TEMPLATE").open();
    for (name, value) in vm
        .get("USER_TEMPLATE")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        if name != "SCHED_MESSAGE" {
            json.key(name).value(value);
        }
    }
    json.close();
    json.key("TEMPLATE").open();
    let devices = |kind| list(vm.get("TEMPLATE").and_then(|template| template.get(kind))).iter();
    json.nics("NIC", devices("NIC"));
    json.nics("NIC_ALIAS", devices("NIC_ALIAS"));
    // NICs that are PCI devices: the real server shows none of them. Their TYPE tells them from other NICs.
    let mut passed_through = devices("PCI").filter(|device| is_nic(device)).peekable();
    if passed_through.peek().is_some() {
        json.nics("PCI", passed_through);
    }
    json.close().close().close();
    json.bytes
}

fn is_nic(device: &Value) -> bool {
    device.get("TYPE").is_some_and(|kind| kind == "NIC")
}

/// GET /service; with the nodes' whole VMs, the extended view.
pub fn service(id: Id, service: &Value, whole: Option<&[Document]>) -> Vec<u8> {
    let mut json = Json::default();
    let whole = by_id(whole);
    let body = service
        .get("TEMPLATE")
        .and_then(|template| template.get("BODY"));
    json.open().key("SERVICE").open();
    json.key("name").value_or_null(service.get("NAME"));
    json.key("id").value(&Value::String(id.to_string()));
    json.key("state")
        .value_or_null(body.and_then(|body| body.get("state")));
    json.key("roles").open_list();
    for role in roles(service) {
        json.item().open();
        for key in ["name", "cardinality", "state"] {
            json.key(key).value_or_null(role.get(key));
        }
        json.key("nodes").open_list();
        for node in list(role.get("nodes")) {
            json.item();
            write_node(&mut json, node, &whole);
        }
        json.close_list().close();
    }
    json.close_list().close().close();
    json.bytes
}

fn write_node(json: &mut Json, node: &Value, whole: &HashMap<Id, &Document>) {
    json.open();
    json.key("deploy_id").value_or_null(node.get("deploy_id"));
    json.key("running").value_or_null(node.get("running"));
    json.key("vm_info");
    let vm = id(node.get("deploy_id"));
    if let Some(document) = vm.and_then(|vm| whole.get(&vm)) {
        json.open().key("VM").value(document).close();
    } else if let Some(vm) = node.get("vm_info").and_then(|info| info.get("VM")) {
        json.open().key("VM").open();
        for key in NODE_VM_KEYS {
            if let Some(value) = vm.get(key) {
                json.key(key).value(value);
            }
        }
        json.close().close();
    } else {
        json.value(&Value::Null);
    }
    json.close();
}

/// GET /vrouter.
pub fn vrouter(vrouter: &Value) -> Vec<u8> {
    let mut json = Json::default();
    json.open().key("VROUTER").open();
    for key in ["NAME", "ID"] {
        json.key(key).value_or_null(vrouter.get(key));
    }
    // The real server shows two VMs or more as numbers, and a single one as a text. Clients read both.
    let vms = vrouter.get("VMS").and_then(|vms| vms.get("ID"));
    let several = list(vms).len() > 1;
    json.key("VMS").open().key("ID").open_list();
    for vm in list(vms) {
        json.item();
        match id(Some(vm)).filter(|_| several) {
            Some(id) => json.value(&Value::from(id)),
            None => json.value(vm),
        };
    }
    json.close_list().close();
    json.key("TEMPLATE").open();
    let template = vrouter.get("TEMPLATE").and_then(Value::as_object);
    for (key, value) in template.into_iter().flatten() {
        match key.as_str() {
            "NIC" => json.key(key).list(list(Some(value))),
            _ => json.key(key).value(value),
        };
    }
    if template.is_none_or(|template| !template.contains_key("NIC")) {
        json.key("NIC").list(&[]);
    }
    json.close().close().close();
    json.bytes
}

/// GET /vnet/ID; with the VMs of its leases, the extended view. Of its template, `attributes` are shown in that order.
pub fn vnet(vnet: &Value, attributes: &[String], vms: Option<&[Document]>) -> Vec<u8> {
    let mut json = Json::default();
    let vms = by_id(vms).into_iter();
    let vms = vms.map(|(id, vm)| (id, Holder::new(vm))).collect();
    json.open().key("VNET").open();
    for key in ["ID", "NAME", "USED_LEASES"] {
        json.key(key).value_or_null(vnet.get(key));
    }
    json.key("VROUTERS").open().key("ID");
    json.list(list(
        vnet.get("VROUTERS").and_then(|vrouters| vrouters.get("ID")),
    ))
    .close();
    json.key("PARENT_NETWORK_ID");
    match vnet.get("PARENT_NETWORK_ID") {
        Some(parent) => json.value(parent),
        None => json.raw(NO_PARENT),
    };
    json.key("AR_POOL").open().key("AR").open_list();
    for range in list(vnet.get("AR_POOL").and_then(|pool| pool.get("AR"))) {
        json.item().open();
        for (key, value) in range.as_object().into_iter().flatten() {
            if key == "LEASES" {
                write_leases(&mut json, list(value.get("LEASE")), &vms);
            } else {
                json.key(key).value(value);
            }
        }
        if range.get("LEASES").is_none() {
            write_leases(&mut json, &[], &vms);
        }
        json.close();
    }
    json.close_list().close();
    json.key("TEMPLATE").open();
    for attribute in attributes {
        if let Some(value) = vnet
            .get("TEMPLATE")
            .and_then(|template| template.get(attribute))
        {
            json.key(attribute).value(value);
        }
    }
    json.close().close().close();
    json.bytes
}

/// Documents by their ids, since a network may have thousands of leases. None if none were asked for.
fn by_id(documents: Option<&[Document]>) -> HashMap<Id, &Document> {
    let documents = documents.unwrap_or_default().iter();
    documents
        .filter_map(|document| Some((id(document.get("ID"))?, document)))
        .collect()
}

/// A VM that holds leases, and its NICs where each lease finds its own: both may be many.
struct Holder<'a> {
    vm: &'a Value,
    /// By MAC.
    nics: HashMap<&'a str, &'a Value>,
    aliases: HashMap<&'a str, &'a Value>,
    /// By NIC_ID.
    parents: HashMap<Id, &'a Value>,
}

impl<'a> Holder<'a> {
    fn new(vm: &'a Value) -> Self {
        let devices = |kind| list(vm.get("TEMPLATE").and_then(|template| template.get(kind)));
        // Of several with the same key the first counts.
        let by_mac = |kind| {
            let nics = devices(kind).iter().rev();
            nics.filter_map(|nic| Some((nic.get("MAC")?.as_str()?, nic)))
                .collect()
        };
        let parents = devices("NIC").iter().rev();
        Self {
            vm,
            nics: by_mac("NIC"),
            aliases: by_mac("NIC_ALIAS"),
            parents: parents
                .filter_map(|nic| Some((id(nic.get("NIC_ID"))?, nic)))
                .collect(),
        }
    }
}

fn write_leases(json: &mut Json, leases: &[Value], vms: &HashMap<Id, Holder>) {
    json.key("LEASES").open().key("LEASE").open_list();
    for lease in leases {
        json.item().open();
        for (key, value) in lease.as_object().into_iter().flatten() {
            json.key(key).value(value);
        }
        let holder = id(lease.get("VM"));
        if let Some(holder) = holder.and_then(|holder| vms.get(&holder)) {
            write_lease_of(json, lease, holder);
        }
        json.close();
    }
    json.close_list().close();
}

/// What an extended lease shows of the VM that holds it: the NIC (for an alias, its parent's too) and, if the VM is a
/// backend of a load balancer, the attributes that say so.
fn write_lease_of(json: &mut Json, lease: &Value, holder: &Holder) {
    let mac = lease.get("MAC").and_then(Value::as_str).unwrap_or_default();
    let says_yes = |value: Option<&Value>| {
        value
            .and_then(Value::as_str)
            .is_some_and(|text| text.eq_ignore_ascii_case("yes"))
    };
    let mut nic = holder.nics.get(mac);
    if nic.is_none()
        && let Some(alias) = holder.aliases.get(mac)
    {
        let parent = id(alias.get("PARENT_ID")).and_then(|parent| holder.parents.get(&parent));
        json.key("PARENT").value_or_null(alias.get("PARENT"));
        json.key("PARENT_NETWORK_ID")
            .value_or_null(parent.and_then(|nic| nic.get("NETWORK_ID")));
        json.key("EXTERNAL")
            .value(&Value::Bool(says_yes(alias.get("EXTERNAL"))));
        nic = Some(alias);
    }
    if let Some(nic) = nic {
        json.key("NIC_NAME").value_or_null(nic.get("NAME"));
    }
    let vm = holder.vm;
    let context = vm
        .get("TEMPLATE")
        .and_then(|template| template.get("CONTEXT"));
    if says_yes(context.and_then(|context| context.get("BACKEND"))) {
        json.key("BACKEND").raw("\"YES\"");
        for (name, value) in vm
            .get("USER_TEMPLATE")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            if name.starts_with("ONEGATE_") {
                json.key(name).value(value);
            }
        }
    }
}

/// Writes JSON, and puts the commas where they belong.
#[derive(Debug, Default)]
struct Json {
    bytes: Vec<u8>,
}

impl Json {
    fn raw(&mut self, json: &str) -> &mut Self {
        self.bytes.extend_from_slice(json.as_bytes());
        self
    }

    /// Begins a value: a comma comes first, unless it is the first of its list or object.
    fn item(&mut self) -> &mut Self {
        if !matches!(self.bytes.last(), None | Some(b'{' | b'[' | b':')) {
            self.bytes.push(b',');
        }
        self
    }

    fn key(&mut self, key: &str) -> &mut Self {
        self.item().text(key).raw(":")
    }

    fn text(&mut self, text: &str) -> &mut Self {
        // Keys and most values need no escaping.
        if text.bytes().all(|b| b >= b' ' && b != b'"' && b != b'\\') {
            self.raw("\"").raw(text).raw("\"")
        } else {
            self.serialized(&text)
        }
    }

    fn value(&mut self, value: &Value) -> &mut Self {
        match value {
            Value::String(text) => self.text(text),
            value => self.serialized(value),
        }
    }

    fn serialized(&mut self, value: &impl serde::Serialize) -> &mut Self {
        // Writing JSON values to memory can't fail; if it did, null is still JSON.
        let before = self.bytes.len();
        if serde_json::to_writer(&mut self.bytes, value).is_err() {
            self.bytes.truncate(before);
            let _ = self.bytes.write_all(b"null");
        }
        self
    }

    fn value_or_null(&mut self, value: Option<&Value>) -> &mut Self {
        self.value(value.unwrap_or(&Value::Null))
    }

    fn list(&mut self, items: &[Value]) -> &mut Self {
        self.open_list();
        for value in items {
            self.item().value(value);
        }
        self.close_list()
    }

    /// The list of this name, of what NICs show.
    fn nics<'a>(&mut self, name: &str, nics: impl Iterator<Item = &'a Value>) {
        let is_shown = |key: &str| NIC_KEYS.contains(&key) || (name == "PCI" && key == "TYPE");
        self.key(name).open_list();
        for nic in nics {
            self.item().open();
            for (key, value) in nic.as_object().into_iter().flatten() {
                if is_shown(key) {
                    self.key(key).value(value);
                }
            }
            self.close();
        }
        self.close_list();
    }

    fn open(&mut self) -> &mut Self {
        self.raw("{")
    }

    fn close(&mut self) -> &mut Self {
        self.raw("}")
    }

    fn open_list(&mut self) -> &mut Self {
        self.raw("[")
    }

    fn close_list(&mut self) -> &mut Self {
        self.raw("]")
    }
}

#[cfg(test)]
mod tests {
    use super::vm;
    use serde_json::{Value, json};

    #[test]
    fn nics_that_are_pci_devices_and_static_addresses() {
        let gpu = json!({"CLASS": "0300", "ADDRESS": "0000:01:00.0"});
        let nic =
            json!({"TYPE": "NIC", "IP": "10.0.0.3", "MAC": "02:00", "ADDRESS": "0000:81:00.2"});
        let shown = json!({"TYPE": "NIC", "IP": "10.0.0.3", "MAC": "02:00"});
        for (template, expected) in [
            (json!({}), json!({"NIC": [], "NIC_ALIAS": []})),
            (json!({"PCI": gpu}), json!({"NIC": [], "NIC_ALIAS": []})),
            (
                json!({"PCI": [gpu, nic], "NIC": {"IP6": "2001:db8::3", "AR_ID": "0"}}),
                json!({"NIC": [{"IP6": "2001:db8::3"}], "NIC_ALIAS": [], "PCI": [shown]}),
            ),
            (
                json!({"PCI": nic}),
                json!({"NIC": [], "NIC_ALIAS": [], "PCI": [shown]}),
            ),
        ] {
            let written = vm(&json!({"TEMPLATE": template}));
            let written: Value = serde_json::from_slice(&written).unwrap();
            assert_eq!(written["VM"]["TEMPLATE"], expected, "{template}");
        }
    }
}
