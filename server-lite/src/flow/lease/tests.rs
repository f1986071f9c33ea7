//! Every type of address range, and every number in one as people write it.

use super::*;
use crate::store::state::{Objects, Writes};
use std::sync::Arc;

fn network(ranges: Value) -> Objects {
    let mut objects = Objects::default();
    let vnet = json!({"ID": "0", "USED_LEASES": "1", "AR_POOL": {"AR": ranges}});
    objects.set(Kind::Vnet, 0, Some(Arc::new(vnet)));
    objects
}

/// What so many VMs get one after the other, each as `KEY=address …`, and why the next gets nothing.
fn taken(range: &Value, vms: usize) -> (Vec<String>, Option<String>) {
    let objects = network(range.clone());
    let none = Writes::new();
    let mut draft = Draft::new(&objects, &none);
    let mut got = Vec::new();
    let mut taken = TakenLeases::default();
    for vm in 0..vms {
        match take(&mut draft, &mut taken, 0, Holder::Vm(vm as Id)) {
            Ok(lease) => {
                let addresses = lease.addresses.iter();
                let addresses = addresses
                    .map(|(key, value)| format!("{key}={}", value.as_str().expect("a text")));
                got.push(addresses.collect::<Vec<_>>().join(" "));
            }
            Err(obstacle) => return (got, Some(obstacle.to_string())),
        }
    }
    (got, None)
}

#[test]
fn each_type_of_range_gives_each_vm_addresses_of_its_own() {
    for (range, first, second) in [
        (
            json!({"TYPE": "ETHER", "MAC": "02:00:00:00:00:ff", "SIZE": "9"}),
            "MAC=02:00:00:00:00:ff",
            "MAC=02:00:00:00:01:00",
        ),
        (
            json!({"TYPE": "IP4", "IP": "10.0.0.255", "MAC": "02:00:0a:00:00:ff", "SIZE": "9"}),
            "IP=10.0.0.255 MAC=02:00:0a:00:00:ff",
            "IP=10.0.1.0 MAC=02:00:0a:00:01:00",
        ),
        (
            json!({"TYPE": "IP6", "MAC": "02:00:0a:06:00:0a", "SIZE": "9", "ULA_PREFIX": "fd00:1::",
                "GLOBAL_PREFIX": "2001:db8::"}),
            "IP6_LINK=fe80::aff:fe06:a IP6_ULA=fd00:1::aff:fe06:a IP6_GLOBAL=2001:db8::aff:fe06:a \
             MAC=02:00:0a:06:00:0a",
            "IP6_LINK=fe80::aff:fe06:b IP6_ULA=fd00:1::aff:fe06:b IP6_GLOBAL=2001:db8::aff:fe06:b \
             MAC=02:00:0a:06:00:0b",
        ),
        (
            json!({"TYPE": "IP4_6", "IP": "10.6.0.10", "MAC": "02:00:0a:06:00:0a", "SIZE": "9",
                "GLOBAL_PREFIX": "2001:db8::"}),
            "IP=10.6.0.10 IP6_LINK=fe80::aff:fe06:a IP6_GLOBAL=2001:db8::aff:fe06:a MAC=02:00:0a:06:00:0a",
            "IP=10.6.0.11 IP6_LINK=fe80::aff:fe06:b IP6_GLOBAL=2001:db8::aff:fe06:b MAC=02:00:0a:06:00:0b",
        ),
        (
            json!({"TYPE": "IP6_STATIC", "IP6": "2001:db8::ffff", "MAC": "02:00:00:00:00:01", "SIZE": "9",
                "PREFIX_LENGTH": "64"}),
            "IP6=2001:db8::ffff MAC=02:00:00:00:00:01",
            "IP6=2001:db8::1:0 MAC=02:00:00:00:00:02",
        ),
        (
            json!({"TYPE": "ip4_6_static", "IP": "10.0.0.1", "IP6": "2001:db8::1", "MAC": "02:00:0A:00:00:01",
                "SIZE": "9"}),
            "IP=10.0.0.1 IP6=2001:db8::1 MAC=02:00:0a:00:00:01",
            "IP=10.0.0.2 IP6=2001:db8::2 MAC=02:00:0a:00:00:02",
        ),
        // Without TYPE it is what its addresses make it.
        (
            json!({"IP": "10.0.0.1", "IP6": "2001:db8::1", "MAC": "02:00:0a:00:00:01", "SIZE": "9"}),
            "IP=10.0.0.1 IP6=2001:db8::1 MAC=02:00:0a:00:00:01",
            "IP=10.0.0.2 IP6=2001:db8::2 MAC=02:00:0a:00:00:02",
        ),
    ] {
        let (got, _) = taken(&range, 2);
        assert_eq!(got, [first, second], "{range}");
    }
}

#[test]
fn sizes_are_read_however_they_are_written() {
    let huge = json!([]);
    for (size, vms) in [
        (json!("2"), Ok(2)),
        (json!(2), Ok(2)),
        (json!("0"), Ok(0)),
        (json!(0), Ok(0)),
        (json!("18446744073709551615"), Ok(5)),
        (json!(18446744073709551615_u64), Ok(5)),
        (json!("4294967296"), Ok(5)),
        (json!(4294967296_u64), Ok(5)),
        (json!("99999999999999999999999999"), Ok(5)),
        (json!(1e300), Ok(5)),
        (json!("-1"), Err("SIZE \"-1\"")),
        (json!(-1), Err("SIZE -1")),
        (json!(2.5), Err("SIZE 2.5")),
        (json!(""), Err("SIZE \"\"")),
        (json!("ten"), Err("SIZE \"ten\"")),
        (json!({}), Err("SIZE {}")),
        (huge, Err("SIZE []")),
    ] {
        let range = json!({"AR_ID": "3", "TYPE": "IP4", "IP": "10.0.0.1", "MAC": "02:00:0a:00:00:01", "SIZE": size});
        let (got, why) = taken(&range, 5);
        let expected = match vms {
            Ok(5) => None,
            Ok(_) => Some("virtual network 0 has no free lease".to_string()),
            Err(bad) => Some(format!(
                "virtual network 0 has no free lease: address range 3 has {bad}"
            )),
        };
        assert_eq!((got.len(), why), (vms.unwrap_or(0), expected), "{size}");
    }
}

#[test]
fn a_static_range_without_a_size_reaches_to_the_end_of_its_prefix() {
    for (length, vms) in [
        (json!("126"), 2),
        (json!(64), 5),
        (json!("0"), 5),
        (json!("x"), 5),
    ] {
        let range = json!({"TYPE": "IP6_STATIC", "IP6": "2001:db8::2", "PREFIX_LENGTH": length,
            "MAC": "02:00:00:00:00:01"});
        assert_eq!(taken(&range, 5).0.len(), vms, "{length}");
    }
}

#[test]
fn what_cannot_be_read_is_named() {
    let range =
        json!({"AR_ID": 3, "TYPE": "IP4", "IP": "10.0.0.1", "MAC": "02:00:0a:00:00:01", "SIZE": 9});
    for (key, value, said) in [
        ("IP", json!("10.0.0"), "IP \"10.0.0\""),
        ("IP", json!(""), "IP \"\""),
        ("IP", json!(-1), "IP -1"),
        ("IP", Value::Null, "IP null"),
        ("MAC", json!("02:00"), "MAC \"02:00\""),
        ("MAC", json!(2), "MAC 2"),
    ] {
        let mut range = range.clone();
        range[key] = value;
        let expected = format!("virtual network 0 has no free lease: address range 3 has {said}");
        assert_eq!(taken(&range, 1).1, Some(expected));
        // The next range is no worse for it.
        let good = json!({"AR_ID": "4", "MAC": "02:00:00:00:00:07", "SIZE": "1"});
        assert_eq!(taken(&json!([range, good]), 1).0, ["MAC=02:00:00:00:00:07"]);
    }
}

#[test]
fn addresses_end_where_ipv4_does() {
    let range =
        json!({"TYPE": "IP4", "IP": "255.255.255.254", "MAC": "02:00:ff:ff:ff:fe", "SIZE": "9"});
    assert_eq!(taken(&range, 5).0.len(), 2);
}

#[test]
fn leases_and_next_index_are_read_however_they_are_written() {
    let held = json!({"MAC": "02:00:0A:00:00:01", "VM": 9});
    for (next, leases, first) in [
        (json!("0"), json!({"LEASE": held}), 2),
        (json!("0"), json!({"LEASE": [held]}), 2),
        (json!(1), json!({"LEASE": held}), 2),
        (json!("99"), json!({}), 1),
        (json!("-1"), json!([]), 1),
        (json!(""), json!(""), 1),
        (Value::Null, Value::Null, 1),
        (json!("18446744073709551615"), json!({"LEASE": ""}), 1),
    ] {
        let range = json!({"IP": "10.0.0.1", "MAC": "02:00:0a:00:00:01", "SIZE": 3, "NEXT_INDEX": next,
            "LEASES": leases});
        let (got, why) = taken(&range, 4);
        let ip = format!("IP=10.0.0.{first} MAC=02:00:0a:00:00:0{first}");
        assert_eq!(got.first(), Some(&ip), "{range}");
        let free = if leases.to_string().contains("0A") {
            2
        } else {
            3
        };
        assert_eq!((got.len(), why.is_some()), (free, true), "{range}");
    }
}

#[test]
fn the_next_free_address_is_taken_and_given_back() {
    let held = json!({"LEASE": {"IP": "192.168.122.101", "MAC": "02:00:c0:a8:7a:65", "VM": "8"}});
    let objects = network(
        json!({"AR_ID": "3", "IP": "192.168.122.100", "MAC": "02:00:c0:a8:7a:64", "SIZE": "3",
        "NEXT_INDEX": "1", "USED_LEASES": "1", "LEASES": held}),
    );
    let none = Writes::new();
    let mut draft = Draft::new(&objects, &none);
    let mut taken = TakenLeases::default();
    let mut take =
        |draft: &mut Draft<'_>, network, vm| take(draft, &mut taken, network, Holder::Vm(vm));
    let mut ips = Vec::new();
    for vm in [20, 21] {
        ips.push(take(&mut draft, 0, vm).expect("a lease").addresses["IP"].clone());
    }
    assert_eq!(ips, ["192.168.122.102", "192.168.122.100"]);
    assert_eq!(take(&mut draft, 0, 22), Err(Obstacle::NoLease(0)));
    let vnet = draft.get(Kind::Vnet, 0).expect("the network");
    assert_eq!(vnet["USED_LEASES"], "3");
    assert_eq!(vnet["AR_POOL"]["AR"][0]["LEASES"]["LEASE"][1]["VM"], "20");
    // A virtual router of the same id is somebody else.
    give_back(&mut draft, 0, Holder::Router(20));
    give_back(&mut draft, 0, Holder::Vm(20));
    let lease = take(&mut draft, 0, 23).expect("a lease");
    assert_eq!(lease.addresses["MAC"], "02:00:c0:a8:7a:66");
    assert_eq!(lease.range, "3");
    assert_eq!(
        draft.get(Kind::Vnet, 0).expect("the network")["USED_LEASES"],
        "3"
    );
    assert_eq!(take(&mut draft, 7, 1), Err(Obstacle::NoNetwork(7)));
}
