//! What the process gives up because it needs it no more. Where the kernel refuses, all goes on as before.

use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

/// What stays: files of others are read and replaced, and programs that were run are ended.
const KEPT: CapabilitySet = CapabilitySet::DAC_OVERRIDE
    .union(CapabilitySet::DAC_READ_SEARCH)
    .union(CapabilitySet::CHOWN)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::KILL);

/// Nobody but root may look into the process's memory, where the token is, and none of it gets into a core dump. A
/// program that this one runs begins anew.
pub fn keep_memory_private() {
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

/// For when the credentials were found: root needed CAP_SYS_ADMIN to mount the CD-ROM, and needs no such thing after. The
/// user stays the same, so a program that root's agent runs has what root has.
pub fn drop_capabilities() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    if let Ok(mut sets) = capabilities(None) {
        sets.effective &= KEPT;
        sets.permitted &= KEPT;
        let _ = set_capabilities(None, sets);
    }
}
