//! Addresses: taking a free lease of a virtual network for a VM's NIC, and giving it back.

use crate::objects::document::{Id, id, list};
use crate::store::state::{Draft, Kind};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::net::Ipv4Addr;

/// One address of a network, taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lease {
    /// AR_ID of the address range.
    pub(super) range: String,
    /// The IPv4 address; `None` in a range without any.
    pub(super) ip: Option<Ipv4Addr>,
    /// The MAC address, as `02:00:c0:a8:7a:64`.
    pub(super) mac: String,
}

/// Takes a free lease of a network for a VM: in each address range, as oned does, the first free one from
/// NEXT_INDEX on. The error says what is missing.
pub(super) fn take(draft: &mut Draft<'_>, network: Id, vm: Id) -> Result<Lease, String> {
    let missing = || format!("virtual network {network} is not in this cloud");
    let pool = draft
        .get(Kind::Vnet, network)
        .and_then(|vnet| vnet.get("AR_POOL"));
    let ranges = list(pool.ok_or_else(missing)?.get("AR"));
    let (index, offset) = ranges
        .iter()
        .enumerate()
        .find_map(|(index, range)| free_offset(range).map(|offset| (index, offset)))
        .ok_or_else(|| format!("virtual network {network} has no free lease"))?;
    let vnet = draft.get_mut(Kind::Vnet, network).ok_or_else(missing)?;
    let range = list_mut(&mut vnet["AR_POOL"]["AR"])
        .get_mut(index)
        .ok_or_else(missing)?;
    let lease = Lease {
        range: range["AR_ID"].as_str().unwrap_or("0").to_string(),
        ip: ip_at(range, offset),
        mac: mac_at(range, offset)
            .ok_or_else(|| format!("virtual network {network} has a range without MAC"))?,
    };
    let mut entry = json!({});
    if let Some(ip) = lease.ip {
        entry["IP"] = ip.to_string().into();
    }
    entry["MAC"] = lease.mac.clone().into();
    entry["VM"] = vm.to_string().into();
    if !range["LEASES"].is_object() {
        range["LEASES"] = json!({});
    }
    list_mut(&mut range["LEASES"]["LEASE"]).push(entry);
    range["NEXT_INDEX"] = ((offset + 1) % size(range).max(1)).to_string().into();
    add(&mut range["USED_LEASES"], 1);
    add(&mut vnet["USED_LEASES"], 1);
    Ok(lease)
}

/// Gives back whatever a VM holds of a network.
pub(super) fn give_back(draft: &mut Draft<'_>, network: Id, vm: Id) {
    let Some(vnet) = draft.get_mut(Kind::Vnet, network) else {
        return;
    };
    let mut given = 0;
    for range in list_mut(&mut vnet["AR_POOL"]["AR"]) {
        let Some(leases) = range.get_mut("LEASES").and_then(|l| l.get_mut("LEASE")) else {
            continue;
        };
        let leases = list_mut(leases);
        let before = leases.len();
        leases.retain(|lease| id(lease.get("VM")) != Some(vm));
        let freed = (before - leases.len()) as i64;
        add(&mut range["USED_LEASES"], -freed);
        given += freed;
    }
    add(&mut vnet["USED_LEASES"], -given);
}

/// The offset of the first free address of a range, from NEXT_INDEX on and round to it again.
fn free_offset(range: &Value) -> Option<u32> {
    let size = size(range);
    let leases = range
        .get("LEASES")
        .map(|leases| list(leases.get("LEASE")))
        .unwrap_or_default();
    let macs = || leases.iter().filter_map(|lease| lease.get("MAC")?.as_str());
    let start = id(range.get("NEXT_INDEX")).unwrap_or(0);
    // Most often the next one is free: then no set of all is needed.
    if start < size && mac_at(range, start).is_some_and(|mac| macs().all(|taken| taken != mac)) {
        return Some(start);
    }
    let taken: HashSet<&str> = macs().collect();
    (start.min(size)..size)
        .chain(0..start.min(size))
        .find(|offset| mac_at(range, *offset).is_some_and(|mac| !taken.contains(mac.as_str())))
}

fn size(range: &Value) -> u32 {
    id(range.get("SIZE")).unwrap_or(0)
}

fn ip_at(range: &Value, offset: u32) -> Option<Ipv4Addr> {
    let first: Ipv4Addr = range.get("IP")?.as_str()?.parse().ok()?;
    Some(Ipv4Addr::from(u32::from(first).wrapping_add(offset)))
}

fn mac_at(range: &Value, offset: u32) -> Option<String> {
    let bytes = mac(range.get("MAC")?.as_str()?)?;
    let [a, b, rest @ ..] = bytes;
    let [c, d, e, f] = u32::from_be_bytes(rest).wrapping_add(offset).to_be_bytes();
    Some(format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}"))
}

/// The bytes of a MAC address written `02:00:c0:a8:7a:64`.
pub(super) fn mac(text: &str) -> Option<[u8; 6]> {
    let mut bytes = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut bytes {
        *byte = u8::from_str_radix(parts.next()?, 16).ok()?;
    }
    parts.next().is_none().then_some(bytes)
}

fn add(count: &mut Value, by: i64) {
    let before: i64 = match &*count {
        Value::String(text) => text.parse().unwrap_or(0),
        Value::Number(number) => number.as_i64().unwrap_or(0),
        _ => 0,
    };
    *count = before.saturating_add(by).max(0).to_string().into();
}

/// A list as OpenNebula's documents write it, made a real one to be changed in place.
pub(super) fn list_mut(value: &mut Value) -> &mut Vec<Value> {
    if !value.is_array() {
        let items = list(Some(value)).to_vec();
        *value = Value::Array(items);
    }
    match value {
        Value::Array(items) => items,
        _ => unreachable!("it was made a list just above"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::state::{Objects, Writes};
    use std::sync::Arc;

    fn network(next: &str, size: &str, leases: Value) -> Objects {
        let mut objects = Objects::default();
        let vnet = json!({"ID": "0", "USED_LEASES": "1", "AR_POOL": {"AR": {
            "AR_ID": "3", "IP": "192.168.122.100", "MAC": "02:00:c0:a8:7a:64", "SIZE": size,
            "NEXT_INDEX": next, "USED_LEASES": "1", "LEASES": leases}}});
        objects.set(Kind::Vnet, 0, Some(Arc::new(vnet)));
        objects
    }

    #[test]
    fn the_next_free_address_is_taken_and_given_back() {
        let held =
            json!({"LEASE": {"IP": "192.168.122.101", "MAC": "02:00:c0:a8:7a:65", "VM": "8"}});
        let objects = network("1", "3", held);
        let none = Writes::new();
        let mut draft = Draft::new(&objects, &none);
        let mut ips = Vec::new();
        for vm in [20, 21] {
            ips.push(
                take(&mut draft, 0, vm)
                    .expect("a lease")
                    .ip
                    .expect("an address")
                    .to_string(),
            );
        }
        assert_eq!(ips, ["192.168.122.102", "192.168.122.100"]);
        assert_eq!(
            take(&mut draft, 0, 22),
            Err("virtual network 0 has no free lease".to_string())
        );
        let vnet = draft.get(Kind::Vnet, 0).expect("the network");
        assert_eq!(vnet["USED_LEASES"], "3");
        assert_eq!(vnet["AR_POOL"]["AR"][0]["LEASES"]["LEASE"][1]["VM"], "20");
        give_back(&mut draft, 0, 20);
        let lease = take(&mut draft, 0, 23).expect("a lease");
        assert_eq!(
            (lease.mac.as_str(), lease.range.as_str()),
            ("02:00:c0:a8:7a:66", "3")
        );
        assert_eq!(
            draft.get(Kind::Vnet, 0).expect("the network")["USED_LEASES"],
            "3"
        );
    }

    #[test]
    fn an_absent_network_is_named() {
        let objects = network("0", "1", json!({}));
        let none = Writes::new();
        let mut draft = Draft::new(&objects, &none);
        assert_eq!(
            take(&mut draft, 7, 1),
            Err("virtual network 7 is not in this cloud".to_string())
        );
    }
}
