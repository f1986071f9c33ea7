//! What a OneGate server must know and do, in OpenNebula's words: the seam between the routes and whoever
//! knows the VMs. The handlers never know which implementation is behind.
//!
//! Documents are OpenNebula's own, as JSON (`onevm show -j` without its outer key): [`serde_json::Value`]
//! objects shared by [`Arc`], every id a string, one-element lists written as the element itself.

use serde_json::Value;
use std::sync::Arc;

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

/// An action on a VM, as oned names it (`poweroff-hard`, `resched`, …).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VmAction {
    /// oned's name.
    pub name: &'static str,
}

/// Why a cloud did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such object.
    NotFound,
    /// The user has no right to do this; the reason in the cloud's words.
    NotAllowed(String),
    /// The cloud said no; the reason in its words.
    Failed(String),
    /// Nobody answers behind us: worth another try. The cause is for the log, never for the guest.
    Unavailable(String),
}

/// A cloud: the embedded one, or a real OpenNebula.
pub trait Cloud: Send + Sync {
    /// The VM's record with the server's own rights, to authenticate it (one.vm.info as serveradmin).
    fn vm_to_authenticate(&self, vm: Id) -> Result<Document, Refusal>;
    /// The TOKEN_PASSWORD of a user (one.user.info as serveradmin); `None` where the user has none.
    fn token_password(&self, user: Id) -> Result<Option<String>, Refusal>;
    /// A VM's record, read in its owner's name (one.vm.info).
    fn vm(&self, user: &User, vm: Id) -> Result<Document, Refusal>;
    /// Several VMs' whole records (one.vmpool.infoset); those that are gone are left out.
    fn vms(&self, user: &User, vms: &[Id]) -> Result<Vec<Document>, Refusal>;
    /// A service's document (OneFlow's GET /service/ID).
    fn service(&self, user: &User, service: Id) -> Result<Document, Refusal>;
    /// A virtual router (one.vrouter.info).
    fn vrouter(&self, user: &User, vrouter: Id) -> Result<Document, Refusal>;
    /// A virtual network (one.vn.info).
    fn vnet(&self, user: &User, vnet: Id) -> Result<Document, Refusal>;
    /// Merges attributes into a VM's USER_TEMPLATE (one.vm.update, type 1), all or none.
    fn update(&self, user: &User, vm: Id, attributes: &[Attribute]) -> Result<(), Refusal>;
    /// Removes the attribute of this name from a VM's USER_TEMPLATE.
    fn erase(&self, user: &User, vm: Id, name: &str) -> Result<(), Refusal>;
    /// Performs an action on a VM (one.vm.action).
    fn act(&self, user: &User, vm: Id, action: &VmAction) -> Result<(), Refusal>;
    /// Sets the cardinality of a role (OneFlow's POST /service/ID/scale).
    fn scale(&self, user: &User, service: Id, role: &str, cardinality: u32) -> Result<(), Refusal>;
}
