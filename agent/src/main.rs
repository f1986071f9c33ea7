//! The binary: connects the library to the process around it.

use std::io::IsTerminal as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    onegate::privileges::keep_memory_private();
    let mut out = std::io::stdout();
    let mut world = onegate::world::World {
        environment: &|name| std::env::var_os(name),
        terminal: out.is_terminal(),
        err_terminal: std::io::stderr().is_terminal(),
        out: &mut out,
        err: &mut std::io::stderr(),
    };
    ExitCode::from(onegate::run(std::env::args_os().skip(1), &mut world))
}
