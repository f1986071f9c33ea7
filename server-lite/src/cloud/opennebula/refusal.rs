//! oned's and OneFlow's refusals, for guests: their reason in their words, but nobody else's ids and no internals.
//!
//! A refusal is an answer: whatever a guest asks for and is refused, others are served on. Only two of oned's codes
//! concern every call ([`outage`]).

use crate::objects::document::Id;
use crate::objects::refusal::Refusal;

/// The session was not accepted.
pub const AUTHENTICATION: i64 = 0x0100;
/// The user has no right to do this.
const AUTHORIZATION: i64 = 0x0200;
/// There is no such object.
const NO_EXISTS: i64 = 0x0400;
/// The object is locked.
const LOCKED: i64 = 0x8000;
/// This oned follows another one and does nothing itself.
const REPLICATION: i64 = 0x1_0000;

/// The cause, where oned refuses every call and not just this one. An owner's session may be refused where the
/// server's own is not: the owner is gone, or has another authentication driver.
pub fn outage(reason: &str, code: i64, as_server: bool) -> Option<String> {
    match code {
        AUTHENTICATION if as_server => Some(
            "it does not accept the server's own user: is onegate_auth the one that oned knows, and the clock right?"
                .to_string(),
        ),
        REPLICATION => Some(public(reason, &[])),
        _ => None,
    }
}

/// What a refusal of oned's is to the handlers. `known` are the ids that the guest may see: those of its own request
/// and of its owner.
pub fn of_oned(reason: &str, code: i64, known: &[Id]) -> Refusal {
    match code {
        // What isn't there is the object itself, or one that the call names beside: a host, an image.
        NO_EXISTS if reason.contains(".info]") || reason.contains("virtual machine") => {
            Refusal::NotFound
        }
        AUTHENTICATION | AUTHORIZATION | LOCKED => Refusal::NotAllowed(public(reason, known)),
        _ => Refusal::Failed(public(reason, known)),
    }
}

/// What replaces a reason that isn't a guest's to know.
const HIDDEN: &str = "OpenNebula refused it; its log says why";

/// A reason as a guest may see it: ids that the guest doesn't know already are left out, and a reason that shows the
/// inside of the engine (a session, a query, a path, a stack) is replaced whole.
pub fn public(reason: &str, known: &[Id]) -> String {
    let reason = reason.trim();
    let inside = [
        "serveradmin",
        "SQL",
        "sql command",
        "undefined method",
        "::",
        "/var/",
        "/usr/",
        "/etc/",
        "\n",
    ];
    if reason.is_empty() || reason.len() > 400 || inside.iter().any(|word| reason.contains(word)) {
        return HIDDEN.to_string();
    }
    let mut shown = String::with_capacity(reason.len());
    let mut rest = reason;
    while let Some(start) = rest.find('[') {
        let Some(length) = rest[start..].find(']') else {
            break;
        };
        let inner = &rest[start + 1..start + length];
        let is_id = !inner.is_empty() && inner.bytes().all(|b| b.is_ascii_digit());
        if is_id && !inner.parse().is_ok_and(|id| known.contains(&id)) {
            shown.push_str(rest[..start].trim_end());
        } else {
            shown.push_str(&rest[..start + length + 1]);
        }
        rest = &rest[start + length + 1..];
    }
    shown.push_str(rest);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_of_oned_has_its_meaning() {
        let words = "[one.vm.action] User [2] : Not authorized to perform ADMIN VM [23].";
        for (code, refusal) in [
            (512, Refusal::NotAllowed(words.to_string())),
            (32768, Refusal::NotAllowed(words.to_string())),
            (2048, Refusal::Failed(words.to_string())),
            (8192, Refusal::Failed(words.to_string())),
        ] {
            assert_eq!(of_oned(words, code, &[2, 23]), refusal, "{code}");
        }
        for (reason, refusal) in [
            (
                "[one.vn.info] Error getting virtual network [99].",
                Refusal::NotFound,
            ),
            (
                "[one.vm.action] Error getting virtual machine [23].",
                Refusal::NotFound,
            ),
            (
                "[one.vm.migrate] Error getting host [23].",
                Refusal::Failed("[one.vm.migrate] Error getting host [23].".to_string()),
            ),
        ] {
            assert_eq!(of_oned(reason, 1024, &[2, 23]), refusal, "{reason}");
        }
        for code in (0..20).map(|bit| 1 << bit) {
            for as_server in [true, false] {
                let concerns_all = code == REPLICATION || (code == AUTHENTICATION && as_server);
                let outage = outage(words, code, as_server);
                assert_eq!(outage.is_some(), concerns_all, "{code} {as_server}");
            }
        }
    }

    #[test]
    fn a_reason_shows_no_foreign_id_and_no_inside() {
        for (reason, shown) in [
            (
                "[one.vm.action] Error performing action \"hold\": This action is not available for state RUNNING",
                "[one.vm.action] Error performing action \"hold\": This action is not available for state RUNNING",
            ),
            (
                "[one.vn.info] User [2] : Not authorized to perform USE NET [7].",
                "[one.vn.info] User [2] : Not authorized to perform USE NET.",
            ),
            (
                "Image [3] is used by VMs [6] and [40]",
                "Image is used by VMs [6] and",
            ),
            ("not closed [6", "not closed [6"),
            ("session serveradmin:alice:AAAA= expired", HIDDEN),
            ("Error in SQL command: SELECT", HIDDEN),
            ("undefined method `to_i' for [2]:Array", HIDDEN),
            ("", HIDDEN),
        ] {
            assert_eq!(public(reason, &[2, 6]), shown);
        }
    }
}
