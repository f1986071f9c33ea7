//! What a OneGate server must know and do, in OpenNebula's words: the seam between the routes and whoever
//! knows the VMs. The handlers never know which implementation is behind.
//!
//! Documents are OpenNebula's own, as JSON (`onevm show -j` and its siblings print them, without the outer
//! key): objects shared by [`Arc`], oned's ids strings, a list of one either the element itself or a list (readers
//! take both: [`list`]). A service's document is OneFlow's `DOCUMENT`, its `TEMPLATE.BODY` an object.
//!
//! The calls follow those that the Ruby server makes (the `upstream` part of each recording), so that an
//! implementation in front of a real oned needs no more of them for a request than Ruby does.

use serde_json::Value;
use std::sync::Arc;

pub mod embedded;
pub mod opennebula;

/// The id of a VM, a user, a service, a virtual router or a virtual network.
pub type Id = u32;

/// A document of OpenNebula's: a VM, a service, a virtual router or a virtual network.
pub type Document = Arc<Value>;

/// The user in whose name a call is made: the owner of the VM that asks (UID and UNAME of its record).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// UID
    pub id: Id,
    /// UNAME
    pub name: String,
}

/// One attribute of a VM's USER_TEMPLATE, its name in upper case, as oned would store it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// The name.
    pub name: String,
    /// The value.
    pub value: AttributeValue,
}

/// What an attribute holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttributeValue {
    /// `A="text"`
    Text(String),
    /// `A=[B="1",C="2"]`
    Vector(Vec<(String, String)>),
}

/// An action on a VM in oned's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VmAction {
    /// What one.vm.action is told (`poweroff-hard`, `resched`, …), or for the actions that are calls of their own
    /// the call's name after `one.vm.` (`attach`, `attachnic`, `migrate`, `rename`, `snapshotcreate`, …).
    pub name: &'static str,
    /// What such a call takes; [`Argument::None`] for one.vm.action.
    pub argument: Argument,
}

/// What an action takes beside the VM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Argument {
    /// Nothing.
    None,
    /// An id or an operation: a disk, a NIC, a snapshot, a host.
    Number(i64),
    /// A name, or a template.
    Text(String),
}

/// Why a cloud did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such object.
    NotFound,
    /// The user has no right to do this; the reason in the cloud's words, as
    /// `[one.vm.action] User [2] : Not authorized to perform MANAGE VM [6].`
    NotAllowed(String),
    /// What was sent can't be stored exactly as it is; says which attribute and why (a 400 for the guest).
    Invalid(String),
    /// The cloud said no; the reason in its words, as
    /// `[one.vm.action] Error performing action "hold": This action is not available for state RUNNING`
    Failed(String),
    /// Nobody answers behind us, or nothing can be stored: worth another try. The cause is for the log, never for
    /// the guest.
    Unavailable(String),
}

impl Refusal {
    /// The cause in a line, for the log.
    pub fn cause(&self) -> &str {
        match self {
            Self::NotFound => "there is no such object",
            Self::NotAllowed(cause)
            | Self::Invalid(cause)
            | Self::Failed(cause)
            | Self::Unavailable(cause) => cause,
        }
    }
}

/// A cloud: the embedded one, or a real OpenNebula.
pub trait Cloud: Send + Sync {
    /// The VM's record with the server's own rights, to authenticate it (one.vm.info as serveradmin).
    fn vm_to_authenticate(&self, vm: Id) -> Result<Document, Refusal>;
    /// The TOKEN_PASSWORD of a user (one.user.info as serveradmin); `None` where the user has none. What a cloud
    /// answers here may be some seconds old: see [`Cloud::newer_token_password`].
    fn token_password(&self, user: Id) -> Result<Option<String>, Refusal>;
    /// To be asked once a token did not match, before it is refused: the user's TOKEN_PASSWORD asked anew, or
    /// `None` where [`Cloud::token_password`] was not answered from memory, so that there is nothing newer.
    fn newer_token_password(&self, _user: Id) -> Result<Option<String>, Refusal> {
        Ok(None)
    }
    /// A VM's record, read in its owner's name (one.vm.info).
    fn vm(&self, user: &User, vm: Id) -> Result<Document, Refusal>;
    /// The same for the VM that asks, given what [`Cloud::vm_to_authenticate`] just answered for it: a cloud that
    /// sees in it that the owner may read it saves the call.
    fn own_vm(&self, user: &User, authenticated: &Document) -> Result<Document, Refusal> {
        match id(authenticated.get("ID")) {
            Some(vm) => self.vm(user, vm),
            None => Err(Refusal::NotFound),
        }
    }
    /// Several VMs' whole records (one.vmpool.infoset); those that are gone or hidden are left out.
    fn vms(&self, user: &User, vms: &[Id]) -> Result<Vec<Document>, Refusal>;
    /// A service's document (OneFlow's GET /service/ID).
    fn service(&self, user: &User, service: Id) -> Result<Document, Refusal>;
    /// A virtual router (one.vrouter.info).
    fn vrouter(&self, user: &User, vrouter: Id) -> Result<Document, Refusal>;
    /// A virtual network (one.vn.info), with the leases that the user may see.
    fn vnet(&self, user: &User, vnet: Id) -> Result<Document, Refusal>;
    /// Merges attributes into a VM's USER_TEMPLATE (one.vm.update, type 1), all or none. A name given twice makes
    /// a list; every attribute of that name that was there before is replaced.
    fn update(&self, user: &User, vm: Id, attributes: &[Attribute]) -> Result<(), Refusal>;
    /// Removes every attribute of this very name from a VM's USER_TEMPLATE (one.vm.info, then one.vm.update,
    /// type 0, with the rest; `put/erase_multi` of the recordings: both values of a repeated name go). Absent:
    /// [`Refusal::Failed`] with `attribute not found`.
    fn erase(&self, user: &User, vm: Id, name: &str) -> Result<(), Refusal>;
    /// Performs an action on a VM (one.vm.action and its kin).
    fn act(&self, user: &User, vm: Id, action: &VmAction) -> Result<(), Refusal>;
    /// Sets the cardinality of a role (OneFlow's POST /service/ID/scale).
    fn scale(&self, user: &User, service: Id, role: &str, cardinality: u32) -> Result<(), Refusal>;
}

/// Reads a list as OpenNebula's documents write it: absent, `{}` or null is none, an element alone is a list of one.
pub fn list(value: Option<&Value>) -> &[Value] {
    match value {
        None | Some(Value::Null) => &[],
        Some(Value::Array(items)) => items,
        Some(Value::Object(object)) if object.is_empty() => &[],
        Some(one) => std::slice::from_ref(one),
    }
}

/// Reads an id: a number, or a string of decimal digits and nothing else.
pub fn id(value: Option<&Value>) -> Option<Id> {
    match value? {
        Value::String(text) => parse_id(text),
        Value::Number(number) => number.as_u64().and_then(|n| Id::try_from(n).ok()),
        _ => None,
    }
}

/// Parses an id strictly: decimal digits only, so neither `+6`, `6abc`, `0x6` nor `0_6` (contract §5).
pub fn parse_id(text: &str) -> Option<Id> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lists_are_read_in_every_form_that_opennebula_writes() {
        let none: &[Value] = &[];
        assert_eq!(list(None), none);
        assert_eq!(list(Some(&Value::Null)), none);
        assert_eq!(list(Some(&json!({}))), none);
        assert_eq!(list(Some(&json!([1, 2]))), [json!(1), json!(2)]);
        assert_eq!(list(Some(&json!({"A": 1}))), [json!({"A": 1})]);
        assert_eq!(list(Some(&json!("7"))), [json!("7")]);
    }

    #[test]
    fn ids_are_decimal_digits_and_nothing_else() {
        for (text, id) in [
            ("0", Some(0)),
            ("6", Some(6)),
            ("006", Some(6)),
            ("4294967295", Some(Id::MAX)),
        ] {
            assert_eq!(parse_id(text), id, "{text:?}");
        }
        for text in [
            "",
            " 6",
            "6 ",
            "+6",
            "-1",
            "6abc",
            "0x6",
            "0_6",
            "6.0",
            "٦",
            "4294967296",
        ] {
            assert_eq!(parse_id(text), None, "{text:?}");
        }
    }
}
