//! The table.

use super::Difference;
use super::Ours::{Says, Stores};

const SPOOFED: &str = "a VM that says it is in a service but is no node of it gets nothing of it";
const NO_NIC: &str = "the real server falls over a virtual router without NICs";

/// Every deliberate difference.
pub const DIFFERENCES: &[Difference] = &[
    (
        "snapshot/10/vnet/0",
        Says(
            400,
            "Virtual Network 0 cannot be retrieved from Virtual router 2.",
        ),
        NO_NIC,
    ),
    (
        "snapshot/10/vnet/1",
        Says(
            400,
            "Virtual Network 1 cannot be retrieved from Virtual router 2.",
        ),
        NO_NIC,
    ),
    (
        "snapshot/10/vnet/2",
        Says(
            400,
            "Virtual Network 2 cannot be retrieved from Virtual router 2.",
        ),
        NO_NIC,
    ),
    (
        "snapshot/10/vnet/3",
        Says(
            400,
            "Virtual Network 3 cannot be retrieved from Virtual router 2.",
        ),
        NO_NIC,
    ),
    (
        "snapshot/10/vnet/4",
        Says(
            400,
            "Virtual Network 4 cannot be retrieved from Virtual router 2.",
        ),
        NO_NIC,
    ),
    (
        "snapshot/10/vnet/5",
        Says(
            400,
            "Virtual Network 5 cannot be retrieved from Virtual router 2.",
        ),
        NO_NIC,
    ),
    (
        "snapshot/10/vnet/6",
        Says(
            400,
            "Virtual Network 6 cannot be retrieved from Virtual router 2.",
        ),
        NO_NIC,
    ),
    (
        "snapshot/19/vms/32",
        Says(400, "Service 2 does not contain VM 32."),
        SPOOFED,
    ),
    (
        "snapshot/19/vms/33",
        Says(400, "Service 2 does not contain VM 33."),
        SPOOFED,
    ),
];
