//! oned's and OneFlow's refusals, for guests: their reason in their words, but nobody else's ids and no internals.

use crate::objects::document::Id;
use crate::objects::refusal::Refusal;

/// The session was not accepted.
const AUTHENTICATION: i64 = 0x0100;
/// The user has no right to do this.
const AUTHORIZATION: i64 = 0x0200;
/// There is no such object.
const NO_EXISTS: i64 = 0x0400;
/// The object is locked.
const LOCKED: i64 = 0x8000;
/// This oned follows another one and does nothing itself.
const REPLICATION: i64 = 0x1_0000;

/// In whose name a call was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AsWhom {
    /// `serveradmin` itself.
    Server,
    /// A VM's owner.
    Owner,
}

/// What a refusal of oned's is to the handlers. `known` are the ids that the guest may see: those of its own request
/// and of its owner.
pub fn of_oned(reason: &str, code: i64, as_whom: AsWhom, known: &[Id]) -> Refusal {
    match code {
        // An owner's session is refused where serveradmin's own is not: the owner is disabled, or gone.
        AUTHENTICATION if as_whom == AsWhom::Server => Refusal::Unavailable(
            "it does not accept the server's own user: is onegate_auth the one that oned knows, and the clock right?"
                .to_string(),
        ),
        REPLICATION => Refusal::Unavailable(public(reason, &[])),
        // What isn't there is the object itself, or one that the call names beside: a host, an image.
        NO_EXISTS if reason.contains(".info]") || reason.contains("virtual machine") => Refusal::NotFound,
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
            assert_eq!(
                of_oned(words, code, AsWhom::Owner, &[2, 23]),
                refusal,
                "{code}"
            );
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
            assert_eq!(
                of_oned(reason, 1024, AsWhom::Owner, &[2, 23]),
                refusal,
                "{reason}"
            );
        }
        for (code, as_whom, unavailable) in [
            (256, AsWhom::Server, true),
            (256, AsWhom::Owner, false),
            (65536, AsWhom::Owner, true),
        ] {
            let refusal = of_oned(words, code, as_whom, &[]);
            assert_eq!(
                matches!(refusal, Refusal::Unavailable(_)),
                unavailable,
                "{code} {as_whom:?}"
            );
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
