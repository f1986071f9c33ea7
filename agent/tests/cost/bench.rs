//! The agent in this process: a command line, files and a server in, and what it printed out.

use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;

use crate::cost::{Work, work};
use onegate::world::World;

/// The exit code of one run, without a terminal.
pub fn run(args: &[String], variables: &[(&str, String)]) -> u8 {
    let environment = |name: &str| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| OsString::from(value))
    };
    let mut world = World {
        environment: &environment,
        terminal: false,
        err_terminal: false,
        out: &mut std::io::sink(),
        err: &mut std::io::sink(),
    };
    onegate::run(args.iter().map(OsString::from), &mut world)
}

/// A command whose requests are answered like this, one after the other; the last answer is that of all that follow.
pub fn answered(command: &[&str], code: u8, answers: Vec<Vec<u8>>) -> Work {
    ending(command, Some(code), answers)
}

/// The same, whatever the exit code is.
pub fn answered_somehow(command: &[&str], answers: Vec<Vec<u8>>) -> Work {
    ending(command, None, answers)
}

fn ending(command: &[&str], code: Option<u8>, answers: Vec<Vec<u8>>) -> Work {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let args: Vec<String> = command.iter().map(|word| (*word).to_owned()).collect();
    work(move || {
        // It ends with the process.
        std::thread::spawn(move || serve(&listener, &answers));
        let variables = [
            ("ONEGATE_ENDPOINT", endpoint),
            ("VMID", "8".to_owned()),
            ("TOKENTXT", "c2VjcmV0".to_owned()),
        ];
        let ended = run(&args, &variables);
        assert!(
            code.is_none_or(|code| code == ended),
            "{ended}: {:.200}",
            args.join(" ")
        );
    })
}

fn serve(listener: &TcpListener, answers: &[Vec<u8>]) {
    let mut number = 0;
    while let Ok((mut stream, _)) = listener.accept() {
        while request(&mut stream).is_some() {
            let answer = &answers[number.min(answers.len() - 1)];
            number += 1;
            // Whoever has heard enough hangs up.
            let _ = stream.write_all(answer);
        }
    }
}

/// Reads one request, of which nothing is of interest.
fn request(stream: &mut TcpStream) -> Option<()> {
    let mut bytes = vec![0; 64 << 10];
    let mut length = 0;
    let end = loop {
        match stream.read(&mut bytes[length..]).ok()? {
            0 => return None,
            more => length += more,
        }
        if let Some(end) = bytes[..length].windows(4).position(|w| w == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let body = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut left = body.map_or(0, |length| length.parse::<usize>().unwrap()) + end - length;
    while left > 0 {
        left -= stream.read(&mut bytes).ok().filter(|more| *more > 0)?;
    }
    Some(())
}

/// An answer of OneGate's.
pub fn ok(body: &str) -> Vec<u8> {
    crate::support::answer("200 OK", body)
}

/// A command under a root with these files.
pub fn rooted(command: &[&str], code: u8, files: &[(&str, Vec<u8>)]) -> Work {
    let root = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).unwrap();
        std::fs::write(path, content).unwrap();
    }
    let mut args: Vec<String> = command.iter().map(|word| (*word).to_owned()).collect();
    args.extend(["--root".to_owned(), root.path().display().to_string()]);
    work(move || {
        assert_eq!(run(&args, &[]), code);
        drop(root);
    })
}
