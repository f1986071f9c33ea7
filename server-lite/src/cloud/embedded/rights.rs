//! What a user may do with an object: OpenNebula's owner, group and other rights, and locks.

use crate::cloud::User;
use crate::objects::document::{Document, Id, id, list};
use crate::store::state::{Kind, Objects};
use serde_json::{Value, json};
use std::sync::Arc;

/// The rights that a call needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// See it.
    Use = 1,
    /// Change it.
    Manage = 2,
    /// What only its administrators may: `resched`, `migrate`, `recover`.
    Admin = 3,
}

impl Right {
    /// The word in oned's messages.
    pub fn word(self) -> &'static str {
        match self {
            Self::Use => "USE",
            Self::Manage => "MANAGE",
            Self::Admin => "ADMIN",
        }
    }

    /// The last letter of PERMISSIONS' keys: `OWNER_U` and so on.
    fn key(self, who: Who) -> &'static str {
        match (who, self) {
            (Who::Owner, Self::Use) => "OWNER_U",
            (Who::Owner, Self::Manage) => "OWNER_M",
            (Who::Owner, Self::Admin) => "OWNER_A",
            (Who::Group, Self::Use) => "GROUP_U",
            (Who::Group, Self::Manage) => "GROUP_M",
            (Who::Group, Self::Admin) => "GROUP_A",
            (Who::Other, Self::Use) => "OTHER_U",
            (Who::Other, Self::Manage) => "OTHER_M",
            (Who::Other, Self::Admin) => "OTHER_A",
        }
    }
}

#[derive(Clone, Copy)]
enum Who {
    Owner,
    Group,
    Other,
}

/// May this user (its id, and its document where there is one) do that with this object?
///
/// oneadmin (user 0) and the members of its group (0) may do all. A lock takes MANAGE and ADMIN away from everyone
/// else; it does not hide the object: server-lite/tests/fixtures/get.jsonl, case `locked_vm`,
/// server-lite/tests/fixtures/put.jsonl, case `locked_vm_erase`, server-lite/tests/fixtures/action.jsonl, case
/// `locked_vm`.
pub fn may(user: Id, document: Option<&Value>, right: Right, object: &Value) -> bool {
    let mut groups = document.iter().flat_map(|user| {
        let others = list(user.get("GROUPS").and_then(|g| g.get("ID")));
        others
            .iter()
            .chain(user.get("GID"))
            .filter_map(|group| id(Some(group)))
    });
    let owner = id(object.get("UID"));
    let group = id(object.get("GID"));
    if user == 0 || groups.clone().any(|g| g == 0) {
        return true;
    }
    if right > Right::Use && locks(object, right) {
        return false;
    }
    let granted = |who| {
        object
            .get("PERMISSIONS")
            .and_then(|p| p.get(right.key(who)))
            .is_some_and(|right| id(Some(right)) == Some(1))
    };
    (owner == Some(user) && granted(Who::Owner))
        || (group.is_some() && groups.any(|g| Some(g) == group) && granted(Who::Group))
        || granted(Who::Other)
}

/// May this user use that network? Beside what [`may`] says, the networks of clusters are everyone's in OpenNebula's
/// default virtual data centre, but reservations of them are not: server-lite/tests/fixtures/get.jsonl, cases
/// `vnet_secret_no_permission` and `vnet_child_hidden_no_permission`.
pub fn may_use_vnet(user: Id, document: Option<&Value>, vnet: &Value) -> bool {
    let in_cluster = !list(vnet.get("CLUSTERS").and_then(|clusters| clusters.get("ID"))).is_empty();
    let is_reservation = id(vnet.get("PARENT_NETWORK_ID")).is_some();
    (in_cluster && !is_reservation) || may(user, document, Right::Use, vnet)
}

/// oned shows a user only the leases of what they may use (snapshot answers of VM 7: the leases of VM 1 and of network
/// 7 are not in network 1).
pub(super) fn with_visible_leases(document: Document, user: &User, objects: &Objects) -> Document {
    let person = objects.get(Kind::User, user.id).map(Arc::as_ref);
    let sees = |lease: &Value| {
        [
            ("VM", Kind::Vm),
            ("VNET", Kind::Vnet),
            ("VROUTER", Kind::Vrouter),
        ]
        .into_iter()
        .any(|(key, kind)| {
            let object = id(lease.get(key)).and_then(|id| objects.get(kind, id));
            object.is_some_and(|object| match kind {
                Kind::Vnet => may_use_vnet(user.id, person, object),
                _ => may(user.id, person, Right::Use, object),
            })
        })
    };
    let ranges = list(document.get("AR_POOL").and_then(|pool| pool.get("AR")));
    if ranges.iter().flat_map(leases).all(&sees) {
        return document;
    }
    let mut ranges = ranges.to_vec();
    for range in ranges.iter_mut().filter(|range| range.is_object()) {
        let seen: Vec<Value> = leases(range)
            .iter()
            .filter(|lease| sees(lease))
            .cloned()
            .collect();
        range["LEASES"] = json!({ "LEASE": seen });
    }
    let mut document = Arc::unwrap_or_clone(document);
    document["AR_POOL"]["AR"] = Value::Array(ranges);
    Arc::new(document)
}

fn leases(range: &Value) -> &[Value] {
    list(range.get("LEASES").and_then(|leases| leases.get("LEASE")))
}

/// LOCK/LOCKED: 1 (use) and 4 (all) lock both, 2 locks managing, 3 administering.
fn locks(object: &Value, right: Right) -> bool {
    match id(object.get("LOCK").and_then(|lock| lock.get("LOCKED"))) {
        None | Some(0) => false,
        Some(2) => right == Right::Manage,
        Some(3) => right == Right::Admin,
        Some(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(permissions: &str) -> Value {
        // umask-like: owner, group, other, each a digit of U=4, M=2, A=1.
        let mut keys = serde_json::Map::new();
        for (who, digit) in ["OWNER", "GROUP", "OTHER"].iter().zip(permissions.bytes()) {
            for (letter, bit) in [("U", 4), ("M", 2), ("A", 1)] {
                let granted = if (digit - b'0') & bit > 0 { "1" } else { "0" };
                keys.insert(format!("{who}_{letter}"), json!(granted));
            }
        }
        json!({"ID": "6", "UID": "2", "GID": "1", "PERMISSIONS": keys})
    }

    #[test]
    fn rights_come_from_owner_group_and_other() {
        let alice = json!({"ID": "2", "GID": "1", "GROUPS": {"ID": "1"}});
        let carol = json!({"ID": "4", "GID": "5", "GROUPS": {"ID": ["5", "1"]}});
        let root = json!({"ID": "9", "GID": "0", "GROUPS": {"ID": "0"}});
        for (user, document, permissions, right, allowed) in [
            (2, Some(&alice), "600", Right::Use, true),
            (2, Some(&alice), "600", Right::Manage, true),
            (2, Some(&alice), "600", Right::Admin, false),
            (2, Some(&alice), "700", Right::Admin, true),
            (2, None, "600", Right::Manage, true),
            (2, None, "040", Right::Use, false),
            (3, None, "777", Right::Use, true),
            (3, None, "770", Right::Use, false),
            (4, Some(&carol), "040", Right::Use, true),
            (4, Some(&carol), "040", Right::Manage, false),
            (9, Some(&root), "000", Right::Admin, true),
            (0, None, "000", Right::Admin, true),
        ] {
            assert_eq!(
                may(user, document, right, &object(permissions)),
                allowed,
                "{user} {permissions} {right:?}"
            );
        }
    }

    #[test]
    fn networks_of_clusters_are_everyones_but_reservations_are_not() {
        let mut vnet = object("600");
        assert!(!may_use_vnet(3, None, &vnet) && may_use_vnet(2, None, &vnet));
        vnet["CLUSTERS"] = json!({});
        assert!(!may_use_vnet(3, None, &vnet));
        vnet["CLUSTERS"] = json!({"ID": "0"});
        vnet["PARENT_NETWORK_ID"] = json!({});
        assert!(may_use_vnet(3, None, &vnet));
        vnet["PARENT_NETWORK_ID"] = json!("1");
        assert!(!may_use_vnet(3, None, &vnet) && may_use_vnet(2, None, &vnet));
    }

    #[test]
    fn a_lock_takes_all_but_sight() {
        let mut vm = object("700");
        for (level, manage, admin) in [
            ("1", false, false),
            ("2", false, true),
            ("3", true, false),
            ("4", false, false),
        ] {
            vm["LOCK"] = json!({"LOCKED": level});
            assert!(may(2, None, Right::Use, &vm));
            assert_eq!(may(2, None, Right::Manage, &vm), manage, "{level}");
            assert_eq!(may(2, None, Right::Admin, &vm), admin, "{level}");
            assert!(may(0, None, Right::Admin, &vm));
        }
    }
}
