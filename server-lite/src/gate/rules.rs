//! What the operator lets guests do: permissions, restricted attributes and actions, and what they may see of networks.

use super::routes;
use std::collections::BTreeSet;

/// What guests may do. [`Rules::default`] is what the configuration file that OpenNebula ships says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// `:ssl_server`: the URL by which guests reach a TLS proxy before the server; GET / answers with it.
    pub ssl_server: Option<String>,
    /// Attributes that no VM may change or erase, as [`crate::objects::template::name`] spells them.
    pub restricted_attrs: Vec<String>,
    /// Actions that no VM may perform. `reboot` alone unless the file says otherwise; `[]` allows all.
    pub restricted_actions: Vec<String>,
    /// The attributes of a network's template that a virtual router may see.
    pub vnet_template_attributes: Vec<String>,
    /// The switches of `:permissions` that are on: (resource, action). A file without them has none on.
    pub permissions: BTreeSet<(String, String)>,
}

const RESTRICTED_ATTRS: &[&str] = &["SCHED_REQUIREMENTS", "SERVICE_ID", "ROLE_NAME"];
const RESTRICTED_ACTIONS: &[&str] = &["reboot"];
const VNET_TEMPLATE_ATTRIBUTES: &[&str] = &[
    "NETWORK_ADDRESS",
    "NETWORK_MASK",
    "GATEWAY",
    "GATEWAY6",
    "DNS",
    "GUEST_MTU",
    "CONTEXT_FORCE_IPV4",
    "METRIC",
    "SEARCH_DOMAIN",
];

impl Default for Rules {
    fn default() -> Self {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Self {
            ssl_server: None,
            restricted_attrs: owned(RESTRICTED_ATTRS),
            restricted_actions: owned(RESTRICTED_ACTIONS),
            vnet_template_attributes: owned(VNET_TEMPLATE_ATTRIBUTES),
            permissions: routes::permissions()
                .map(|(resource, action)| (resource.to_owned(), action.to_owned()))
                .collect(),
        }
    }
}

impl Rules {
    /// Whether the switch for this resource and action is on (`vm`, `show`).
    pub fn permits(&self, resource: &str, action: &str) -> bool {
        self.permissions
            .iter()
            .any(|(r, a)| r == resource && a == action)
    }

    /// Whether an attribute, named as [`crate::objects::template::name`] spells it, is kept from being changed.
    pub fn restricts(&self, attribute: &str) -> bool {
        self.restricted_attrs
            .iter()
            .any(|restricted| restricted == attribute)
    }
}

#[cfg(test)]
mod tests;
