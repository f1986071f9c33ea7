//! What a OneGate server must know and do, in OpenNebula's words: the seam between the routes and whoever
//! knows the VMs. The handlers see no difference between the implementations.
//!
//! Documents are OpenNebula's own, as JSON (`onevm show -j` and its siblings print them, without the outer key):
//! objects shared by [`Arc`](std::sync::Arc), oned's ids strings, a list of one either the element itself or a list
//! (readers take both: [`list`](crate::objects::document::list)). A service's document is OneFlow's `DOCUMENT`, its
//! `TEMPLATE.BODY` an object.
//!
//! The calls follow those that the Ruby server makes (`server-lite/tests/fixtures/opennebula/upstream.jsonl`), so
//! that an implementation in front of a real oned needs no more of them for a request than Ruby does.

pub mod embedded;
pub mod opennebula;

use crate::objects::action::VmAction;
use crate::objects::document::{Document, Id, id};
use crate::objects::refusal::Refusal;
use crate::objects::template::Attribute;
use crate::store::commit::Pending;

/// The user in whose name a call is made: the owner of the VM that asks (UID and UNAME of its record).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// UID
    pub id: Id,
    /// UNAME
    pub name: String,
}

/// A cloud: the embedded one, or a real OpenNebula.
pub trait Cloud: Send + Sync {
    /// Whether an update would have to wait before it is [`Pending`]: for another server, or for a long change.
    fn updates_wait(&self) -> bool {
        true
    }
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
    /// A VM's record with everything that the cloud has of it, as `onevm show` prints it; [`Cloud::vm`] may leave out
    /// what is monitored and most of the history.
    fn whole_vm(&self, user: &User, vm: Id) -> Result<Document, Refusal> {
        self.vm(user, vm)
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
    /// a list; every attribute of that name that was there before is replaced. What is pending counts once it is
    /// stored.
    fn update(&self, user: &User, vm: Id, attributes: &[Attribute]) -> Result<Pending, Refusal>;
    /// Removes every attribute of this very name from a VM's USER_TEMPLATE (one.vm.info, then one.vm.update,
    /// type 0, with the rest), both values of a repeated name. Absent: [`Refusal::Failed`] with `attribute not found`.
    /// (docs/protocol.md, "Erasing")
    fn erase(&self, user: &User, vm: Id, name: &str) -> Result<Pending, Refusal>;
    /// Performs an action on a VM (one.vm.action and its kin).
    fn act(&self, user: &User, vm: Id, action: &VmAction) -> Result<(), Refusal>;
    /// Sets the cardinality of a role (OneFlow's POST /service/ID/scale).
    fn scale(&self, user: &User, service: Id, role: &str, cardinality: u32) -> Result<(), Refusal>;
}
