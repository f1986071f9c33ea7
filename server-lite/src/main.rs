//! The binary: the world in, the exit code out.

fn main() {}
