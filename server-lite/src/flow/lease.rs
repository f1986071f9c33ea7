//! Addresses: taking a free lease of a virtual network for a NIC, and giving it back (docs/elasticity.md, "Addresses").

use super::obstacle::Obstacle;
use crate::objects::document::{Id, id, list, list_mut};
use crate::store::state::{Draft, Kind};
use serde_json::{Map, Value, json};
use std::collections::{HashMap, HashSet};
use std::net::{Ipv4Addr, Ipv6Addr};

/// The addresses that oned writes into a NIC and a lease, and nothing else does.
pub(super) const ADDRESSES: [&str; 6] = ["IP", "MAC", "IP6", "IP6_LINK", "IP6_ULA", "IP6_GLOBAL"];

/// The most addresses of a range: oned counts them in the last 32 bits of the MAC address.
const LARGEST_RANGE: u64 = 1 << 32;

/// Who takes a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holder {
    /// A VM, for one of its NICs.
    Vm(Id),
    /// A virtual router, for a floating IP.
    Router(Id),
}

impl Holder {
    fn entry(self) -> (&'static str, Id) {
        match self {
            Self::Vm(id) => ("VM", id),
            Self::Router(id) => ("VROUTER", id),
        }
    }
}

/// One address of a network, taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lease {
    /// AR_ID of the address range.
    pub(super) range: String,
    /// What the NIC gets: some of [`ADDRESSES`].
    pub(super) addresses: Map<String, Value>,
}

/// What is taken of the address ranges that leases were taken of during a change: for all of its new VMs, a network's
/// leases are looked through once.
#[derive(Debug, Default)]
pub(super) struct TakenLeases(HashMap<(Id, usize), TakenOfRange>);

#[derive(Debug, Default)]
struct TakenOfRange {
    macs: HashSet<[u8; 6]>,
    /// How many leases the range had.
    leases: usize,
}

impl TakenLeases {
    /// What is taken of the range at this place of a network, which has these leases.
    fn of(&mut self, network: Id, index: usize, leases: &[Value]) -> &mut TakenOfRange {
        let taken = self.0.entry((network, index)).or_default();
        // At first, and once some were given back: nothing else changes a lease.
        if taken.leases != leases.len() {
            let macs = leases.iter().filter_map(|lease| lease.get("MAC")?.as_str());
            taken.macs = macs.filter_map(mac).collect();
            taken.leases = leases.len();
        }
        taken
    }
}

/// Takes a free lease of a network: of the first address range that has one the next after NEXT_INDEX, as oned does.
pub(super) fn take(
    draft: &mut Draft<'_>,
    taken: &mut TakenLeases,
    network: Id,
    holder: Holder,
) -> Result<Lease, Obstacle> {
    let missing = || Obstacle::NoNetwork(network);
    let vnet = draft.get(Kind::Vnet, network).ok_or_else(missing)?;
    let ranges = list(vnet.get("AR_POOL").and_then(|pool| pool.get("AR")));
    let mut obstacle = Obstacle::NoLease(network);
    let mut found = None;
    for (index, range) in ranges.iter().enumerate() {
        match Range::read(network, range) {
            Ok(range) => {
                let taken = taken.of(network, index, range.leases());
                if let Some(offset) = range.free_offset(&taken.macs) {
                    taken.macs.insert(range.mac_at(offset));
                    taken.leases += 1;
                    found = Some((index, range.lease(offset), range.after(offset)));
                }
            }
            Err(bad) => obstacle = bad,
        }
        if found.is_some() {
            break;
        }
    }
    let (index, lease, next) = found.ok_or(obstacle)?;
    let vnet = draft.get_mut(Kind::Vnet, network).ok_or_else(missing)?;
    let range = list_mut(&mut vnet["AR_POOL"]["AR"])
        .get_mut(index)
        .ok_or_else(missing)?;
    let (key, id) = holder.entry();
    let mut entry = lease.addresses.clone();
    entry.insert(key.to_string(), id.to_string().into());
    if !range["LEASES"].is_object() {
        range["LEASES"] = json!({});
    }
    list_mut(&mut range["LEASES"]["LEASE"]).push(Value::Object(entry));
    range["NEXT_INDEX"] = next.to_string().into();
    add(&mut range["USED_LEASES"], 1);
    add(&mut vnet["USED_LEASES"], 1);
    Ok(lease)
}

/// Gives back whatever somebody holds of a network.
pub(super) fn give_back(draft: &mut Draft<'_>, network: Id, holder: Holder) {
    let Some(vnet) = draft.get_mut(Kind::Vnet, network) else {
        return;
    };
    let (key, owner) = holder.entry();
    let mut given = 0;
    for range in list_mut(&mut vnet["AR_POOL"]["AR"]) {
        let Some(leases) = range.get_mut("LEASES").and_then(|l| l.get_mut("LEASE")) else {
            continue;
        };
        let leases = list_mut(leases);
        let before = leases.len();
        leases.retain(|lease| id(lease.get(key)) != Some(owner));
        let freed = (before - leases.len()) as i64;
        add(&mut range["USED_LEASES"], -freed);
        given += freed;
    }
    add(&mut vnet["USED_LEASES"], -given);
}

/// The address ranges of a network of which no address can be taken, in words.
pub(super) fn problems(vnet: &Value) -> Vec<String> {
    let ranges = list(vnet.get("AR_POOL").and_then(|pool| pool.get("AR")));
    let faults = ranges
        .iter()
        .filter_map(|range| Range::read(0, range).err());
    let say = |fault| match fault {
        Obstacle::BadRange(_, range, key, value) => format!(
            "no address of range {range} can be taken when a service scales, as it has {key} {value}"
        ),
        other => other.to_string(),
    };
    faults.map(say).collect()
}

/// How many addresses of a network can be taken.
pub(super) fn free(vnet: &Value) -> u64 {
    let ranges = list(vnet.get("AR_POOL").and_then(|pool| pool.get("AR")));
    let ranges = ranges.iter().filter_map(|range| Range::read(0, range).ok());
    let free = ranges.map(|range| range.size.saturating_sub(range.leases().len() as u64));
    free.fold(0, u64::saturating_add)
}

/// An address range as oned reads it.
struct Range<'r> {
    document: &'r Value,
    size: u64,
    mac: [u8; 6],
    ip: Option<Ipv4Addr>,
    /// The first address of an IP6_STATIC or IP4_6_STATIC range.
    ip6: Option<Ipv6Addr>,
    /// What it has of SLAAC addresses: each with its prefix.
    prefixes: Vec<(&'static str, Ipv6Addr)>,
}

impl<'r> Range<'r> {
    fn read(network: Id, document: &'r Value) -> Result<Self, Obstacle> {
        let bad = |key| {
            let value = document.get(key).map_or("missing".into(), Value::to_string);
            Obstacle::BadRange(network, ar_id(document), key, value)
        };
        let text = |key| {
            let text = document.get(key).and_then(Value::as_str);
            text.filter(|text| !text.is_empty())
        };
        // A range written by hand may leave TYPE out: then it is what its addresses make it.
        let kind = text("TYPE").map(str::to_ascii_uppercase);
        let is = |types: &[&str], key| match &kind {
            Some(kind) => types.contains(&kind.as_str()),
            None => text(key).is_some(),
        };
        let mut ip = None;
        if is(&["IP4", "IP4_6", "IP4_6_STATIC"], "IP") {
            let address = text("IP").and_then(|text| text.parse().ok());
            ip = Some(address.ok_or_else(|| bad("IP"))?);
        }
        let mut ip6 = None;
        if is(&["IP6_STATIC", "IP4_6_STATIC"], "IP6") {
            let address = text("IP6").and_then(|text| text.parse().ok());
            ip6 = Some(address.ok_or_else(|| bad("IP6"))?);
        }
        let mut prefixes = Vec::new();
        if is(&["IP6", "IP4_6"], "GLOBAL_PREFIX") || is(&["IP6", "IP4_6"], "ULA_PREFIX") {
            prefixes.push(("IP6_LINK", LINK_LOCAL));
            for (prefix, address) in [("ULA_PREFIX", "IP6_ULA"), ("GLOBAL_PREFIX", "IP6_GLOBAL")] {
                if let Some(text) = text(prefix) {
                    prefixes.push((address, text.parse().map_err(|_| bad(prefix))?));
                }
            }
        }
        let mac = text("MAC").and_then(mac).ok_or_else(|| bad("MAC"))?;
        let size = size(document, ip6).ok_or_else(|| bad("SIZE"))?;
        // Not around the end of the IPv4 addresses.
        let left = ip.map_or(LARGEST_RANGE, |ip| LARGEST_RANGE - u64::from(u32::from(ip)));
        Ok(Self {
            document,
            size: size.min(left),
            mac,
            ip,
            ip6,
            prefixes,
        })
    }

    fn leases(&self) -> &'r [Value] {
        list(self.document.get("LEASES").and_then(|l| l.get("LEASE")))
    }

    /// The first free address, from NEXT_INDEX on and round to it again.
    fn free_offset(&self, taken: &HashSet<[u8; 6]>) -> Option<u32> {
        let start = id(self.document.get("NEXT_INDEX")).unwrap_or(0);
        let start = u64::from(start).min(self.size);
        (start..self.size)
            .chain(0..start)
            .filter_map(|offset| u32::try_from(offset).ok())
            .find(|offset| !taken.contains(&self.mac_at(*offset)))
    }

    /// NEXT_INDEX once this address is taken.
    fn after(&self, offset: u32) -> u64 {
        (u64::from(offset) + 1) % self.size.max(1)
    }

    fn lease(&self, offset: u32) -> Lease {
        let mac = self.mac_at(offset);
        let mut addresses = Map::new();
        let mut add =
            |key: &str, address: String| addresses.insert(key.to_string(), address.into());
        if let Some(ip) = self.ip {
            let ip = Ipv4Addr::from(u32::from(ip).wrapping_add(offset));
            add("IP", ip.to_string());
        }
        for (key, prefix) in &self.prefixes {
            add(key, with_interface(*prefix, mac).to_string());
        }
        if let Some(ip6) = self.ip6 {
            // oned adds to the last 32 bits only.
            let [head @ .., a, b, c, d] = ip6.octets();
            let last = u32::from_be_bytes([a, b, c, d]).wrapping_add(offset);
            let mut octets = [0; 16];
            octets[..12].copy_from_slice(&head);
            octets[12..].copy_from_slice(&last.to_be_bytes());
            add("IP6", Ipv6Addr::from(octets).to_string());
        }
        add("MAC", mac_text(mac));
        Lease {
            range: ar_id(self.document),
            addresses,
        }
    }

    fn mac_at(&self, offset: u32) -> [u8; 6] {
        let [a, b, rest @ ..] = self.mac;
        let [c, d, e, f] = u32::from_be_bytes(rest).wrapping_add(offset).to_be_bytes();
        [a, b, c, d, e, f]
    }
}

const LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0);

fn ar_id(range: &Value) -> String {
    match range.get("AR_ID") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => "0".into(),
    }
}

/// SIZE. Larger ones than any network needs are all the same; oned writes 2^64 - 1 where it was left out of a static
/// IPv6 range, and so an absent one is read there.
fn size(range: &Value, ip6: Option<Ipv6Addr>) -> Option<u64> {
    match range.get("SIZE") {
        Some(Value::Number(number)) if number.is_f64() => number
            .as_f64()
            .filter(|size| size.fract() == 0.0 && *size >= 0.0)
            .map(|size| size as u64),
        Some(Value::Number(number)) => number.as_u64(),
        Some(Value::String(text)) if !text.is_empty() => text
            .bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| text.parse().unwrap_or(u64::MAX)),
        None | Some(Value::Null | Value::String(_)) => {
            let prefix = id(range.get("PREFIX_LENGTH")).unwrap_or(64);
            let host = u128::MAX.checked_shr(prefix).unwrap_or(0);
            let left = host - (u128::from(ip6?) & host);
            Some(u64::try_from(left).unwrap_or(u64::MAX).saturating_add(1))
        }
        Some(_) => None,
    }
}

/// The address with this prefix that a NIC with this MAC gives itself (EUI-64, as oned writes it).
pub(super) fn with_interface(prefix: Ipv6Addr, mac: [u8; 6]) -> Ipv6Addr {
    let [a, b, c, d, e, f] = mac;
    let mut octets = prefix.octets();
    octets[8..].copy_from_slice(&[a ^ 2, b, c, 0xff, 0xfe, d, e, f]);
    octets.into()
}

/// The bytes of a MAC address written `02:00:c0:a8:7a:64`.
fn mac(text: &str) -> Option<[u8; 6]> {
    let mut bytes = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut bytes {
        *byte = u8::from_str_radix(parts.next()?, 16).ok()?;
    }
    parts.next().is_none().then_some(bytes)
}

fn mac_text([a, b, c, d, e, f]: [u8; 6]) -> String {
    format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
}

fn add(count: &mut Value, by: i64) {
    let before: i128 = match &*count {
        Value::String(text) => text.parse().unwrap_or(0),
        Value::Number(number) => number.as_i128().unwrap_or(0),
        _ => 0,
    };
    *count = before.saturating_add(by.into()).max(0).to_string().into();
}

#[cfg(test)]
mod tests;
