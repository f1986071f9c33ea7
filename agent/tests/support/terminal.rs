//! A pseudo-terminal, to see what a person sees.

use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
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

/// Runs a command on a terminal, types this into it, and gives all that it prints until it ends.
pub fn type_into(mut command: Command, input: &str) -> String {
    let (mut master, terminal) = pair();
    let mut ends = [terminal.try_clone().unwrap(), terminal.try_clone().unwrap()].into_iter();
    command.stdin(terminal);
    command
        .stdout(ends.next().unwrap())
        .stderr(ends.next().unwrap());
    let mut child = command.spawn().unwrap();
    drop(command);
    master.write_all(input.as_bytes()).unwrap();
    let mut printed = Vec::new();
    let _ = master.read_to_end(&mut printed);
    child.wait().unwrap();
    String::from_utf8_lossy(&printed).into_owned()
}

/// Both sides of a terminal: ours, and the one for a program.
fn pair() -> (File, File) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let path = Path::new(OsStr::from_bytes(name.as_bytes()));
    let terminal = File::options()
        .read(true)
        .write(true)
        .custom_flags(OFlags::NOCTTY.bits().cast_signed())
        .open(path)
        .unwrap();
    (File::from(master), terminal)
}

fn on(mut command: Command, attach: impl FnOnce(&mut Command, File)) -> (String, i32) {
    let (mut master, terminal) = pair();
    attach(&mut command, terminal);
    let mut child = command.stdin(Stdio::null()).spawn().unwrap();
    drop(command); // and with it our copy of the terminal, so that the end is seen
    let mut printed = Vec::new();
    // A terminal whose other side has closed answers EIO, which is its end of file.
    let _ = master.read_to_end(&mut printed);
    (
        String::from_utf8_lossy(&printed).into_owned(),
        child.wait().unwrap().code().unwrap(),
    )
}
