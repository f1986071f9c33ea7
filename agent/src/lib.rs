//! `onegate`: a VM's own voice in an OpenNebula cloud.
