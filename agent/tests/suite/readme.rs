//! Every session that README.md shows, run as shown, prints what README.md says; its first steps lead to a first answer.
//!
//! A block fenced as `console` is a shell session of VM 8 of the built-in scenario, `console vm1` one of VM 1. All of
//! them share one server, in the order of the page. In what is printed, `…` stands for any text within a line, and
//! alone for any lines; white space at the end of a line doesn't count.

use crate::support::server::{Server, token};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

/// A command and what it prints.
struct Step {
    line: usize,
    vm: u32,
    command: String,
    expected: Vec<String>,
}

fn steps(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut session = None;
    for (number, line) in page.lines().enumerate() {
        if let Some(fence) = line.strip_prefix("```") {
            let mut words = fence.split_whitespace();
            session = (session.is_none() && words.next() == Some("console")).then(|| {
                words
                    .next()
                    .map_or(8, |vm| vm.trim_start_matches("vm").parse().unwrap())
            });
            continue;
        }
        let Some(vm) = session else { continue };
        if let Some(command) = line.strip_prefix("$ ") {
            steps.push(Step {
                line: number + 1,
                vm,
                command: command.to_owned(),
                expected: Vec::new(),
            });
        } else {
            let step = steps.last_mut().expect("a session starts with a command");
            match line.strip_prefix("> ") {
                Some(more) => step.command.extend(["\n", more]),
                None => step.expected.push(line.trim_end().to_owned()),
            }
        }
    }
    steps
}

/// Does the text follow the pattern, in which `…` stands for anything?
fn follows(text: &str, pattern: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('…') else {
        return text == pattern;
    };
    text.strip_prefix(start).is_some_and(|text| {
        (0..=text.len()).any(|at| text.is_char_boundary(at) && follows(&text[at..], rest))
    })
}

/// The same for lines, of which `…` alone stands for any number.
fn all_follow(lines: &[String], patterns: &[String]) -> bool {
    match patterns.split_first() {
        None => lines.is_empty(),
        Some((any, rest)) if any == "…" => {
            (0..=lines.len()).any(|at| all_follow(&lines[at..], rest))
        }
        Some((pattern, rest)) => lines
            .split_first()
            .is_some_and(|(line, lines)| follows(line, pattern) && all_follow(lines, rest)),
    }
}

fn run(step: &Step, server: &Server, home: &Path) -> Vec<String> {
    let bin = Path::new(env!("CARGO_BIN_EXE_onegate")).parent().unwrap();
    let output = Command::new("sh")
        .args(["-c", &format!("exec 2>&1\n{}", step.command)])
        .env_clear()
        .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
        .env("ONEGATE_ENDPOINT", server.url())
        .env("VMID", step.vm.to_string())
        .env("TOKENTXT", token(step.vm))
        .current_dir(home)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let mut lines: Vec<_> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

#[test]
fn the_readme_shows_what_happens() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let mut steps = steps(&std::fs::read_to_string(page).unwrap());
    assert!(steps.len() > 10, "only {} commands", steps.len());
    let server = Server::start();
    let home = tempfile::tempdir().unwrap();
    for step in &mut steps {
        while step.expected.last().is_some_and(String::is_empty) {
            step.expected.pop();
        }
        let printed = run(step, &server, home.path());
        assert!(
            all_follow(&printed, &step.expected),
            "README.md:{}: $ {}\nprints:\n{}\n\nand not:\n{}",
            step.line,
            step.command,
            printed.join("\n"),
            step.expected.join("\n")
        );
    }
}

#[test]
fn the_first_steps_end_with_an_answer() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md"));
    let page = page.unwrap();
    let block = page
        .split("```sh\n")
        .filter_map(|block| block.split("```").next())
        .find(|block| block.contains("onegate-server-lite serve --page 5031 2>server.log &"))
        .unwrap();
    let bin = Path::new(env!("CARGO_BIN_EXE_onegate")).parent().unwrap();
    // Whoever runs this may have a server of their own.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
    let address = port.unwrap().to_string();
    let block = block
        .replace("$PWD/target/debug", &bin.display().to_string())
        .replace(
            "--page 5031 2>server.log &",
            &format!("--page 0 --listen {address} &"),
        )
        .replace("--export", &format!("--export --endpoint http://{address}"));
    let output = Command::new("sh")
        .args(["-ec", &format!("trap 'kill $!' EXIT\n{block}")])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success()
            && printed.contains("\nNAME                : master_0_(service_1)\n"),
        "{block}\n{output:?}"
    );
}
