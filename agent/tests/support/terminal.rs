//! A pseudo-terminal, to see what a person sees.

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::fs::File;
use std::io::Read as _;
use std::process::{Command, Stdio};

/// Runs a command with a terminal for its stdout: what is printed there, and the exit code.
pub fn run(command: Command) -> (String, i32) {
    on(command, |command, terminal| {
        command.stdout(terminal).stderr(Stdio::null());
    })
}

/// The same for its stderr.
pub fn run_stderr(command: Command) -> (String, i32) {
    on(command, |command, terminal| {
        command.stderr(terminal).stdout(Stdio::null());
    })
}

fn on(mut command: Command, attach: impl FnOnce(&mut Command, File)) -> (String, i32) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    attach(
        &mut command,
        File::options()
            .write(true)
            .open(name.to_str().unwrap())
            .unwrap(),
    );
    let mut child = command.stdin(Stdio::null()).spawn().unwrap();
    drop(command); // and with it our copy of the terminal, so that the end is seen
    let mut printed = Vec::new();
    // A terminal whose other side has closed answers EIO, which is its end of file.
    let _ = File::from(master).read_to_end(&mut printed);
    (
        String::from_utf8_lossy(&printed).into_owned(),
        child.wait().unwrap().code().unwrap(),
    )
}
