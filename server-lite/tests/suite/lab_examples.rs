//! The examples of docs/testing.md and docs/first-service.md, and the drivers of contrib/vm-drivers, run as a reader would
//! run them.

use crate::support::client::until;
use crate::support::process::{Running, printed};
use crate::support::skipped;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const GUIDE: &str = include_str!("../../../docs/testing.md");

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The first block of this language after a heading.
fn block(heading: &str, language: &str) -> &'static str {
    let (_, after) = GUIDE.split_once(heading).expect(heading);
    let fence = format!("```{language}\n");
    let (_, after) = after.split_once(&fence).expect(language);
    after.split_once("```\n").unwrap().0
}

fn write_program(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
}

/// The agent, as it lies beside the server: `make test` builds both.
fn agent() -> Option<PathBuf> {
    let server = Path::new(env!("CARGO_BIN_EXE_onegate-server-lite"));
    let agent = server.with_file_name("onegate");
    match agent.exists() {
        true => Some(agent),
        false => {
            println!("SKIPPED: {} is not built", agent.display());
            assert!(std::env::var_os("CI").is_none(), "make test builds it");
            None
        }
    }
}

/// A directory with the guest and its cloud; `None` where the agent is not built.
fn appliance() -> Option<tempfile::TempDir> {
    agent()?;
    let directory = tempfile::tempdir().unwrap();
    let guest = block("## An appliance under test", "sh");
    write_program(&directory.path().join("guest"), guest);
    let cloud = repository().join("server-lite/scenarios/elastic.json");
    fs::copy(cloud, directory.path().join("cloud.json")).unwrap();
    Some(directory)
}

/// Runs a program in a directory, with both of our programs in PATH.
fn run_in(directory: &Path, program: &str, arguments: &[&str]) -> Output {
    let ours = Path::new(env!("CARGO_BIN_EXE_onegate-server-lite"));
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", ours.parent().unwrap().display());
    Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .env("PATH", path)
        .env_remove("ONEGATE_STATE")
        .output()
        .unwrap()
}

fn assert_succeeded(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{errors}");
    said
}

fn is_installed(program: &str, arguments: &[&str]) -> bool {
    let found = Command::new(program).args(arguments).output();
    found.is_ok_and(|output| output.status.success())
}

#[test]
fn the_bats_example_passes() {
    if !is_installed("bats", &["--version"]) {
        return skipped("bats");
    }
    let Some(directory) = appliance() else { return };
    let test = block("### With bats", "bats");
    fs::write(directory.path().join("appliance.bats"), test).unwrap();
    let said = assert_succeeded(&run_in(
        directory.path(),
        "bats",
        &["--tap", "appliance.bats"],
    ));
    assert_eq!(
        said.matches("\nok ").count(),
        test.matches("@test").count(),
        "{said}"
    );
}

#[test]
fn the_pytest_example_passes() {
    // Debian's: the first python3 in PATH may be another.
    let Some(python) = ["python3", "/usr/bin/python3"]
        .into_iter()
        .find(|python| is_installed(python, &["-m", "pytest", "--version"]))
    else {
        return skipped("pytest");
    };
    let Some(directory) = appliance() else { return };
    let test = block("### With pytest", "python");
    fs::write(directory.path().join("test_appliance.py"), test).unwrap();
    let arguments = [
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "test_appliance.py",
    ];
    let said = assert_succeeded(&run_in(directory.path(), python, &arguments));
    let passed = format!("{} passed", test.matches("\ndef test_").count());
    assert!(said.contains(&passed), "{said}");
}

/// The snippets that a reader pastes first, into one shell after another.
#[test]
fn the_first_snippets_pass_as_they_are_pasted() {
    const ELASTICITY: &str = include_str!("../../../docs/elasticity.md");
    let Some(directory) = appliance() else { return };
    let cloud = directory.path().join("cloud.json");
    fs::rename(cloud, directory.path().join("elastic.json")).unwrap();
    // Other tests have the default port.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = port.local_addr().unwrap();
    drop(port);
    for (guide, heading, expected) in [
        (
            GUIDE,
            "## Commands for tests",
            "service 1: web.CARDINALITY=2\n",
        ),
        (
            ELASTICITY,
            "## Your own",
            "average                  CPU_USED_PERC 90.0\n",
        ),
    ] {
        let (_, after) = guide.split_once(heading).expect(heading);
        let (_, after) = after.split_once("```sh\n").unwrap();
        let (snippet, _) = after.split_once("```\n").unwrap();
        let snippet = snippet
            .replace(
                " serve ",
                &format!(" serve --listen {address} --flow-interval 100ms "),
            )
            .replace(" --flow-interval 1s", "")
            .replace(
                "context 0",
                &format!("context 0 --endpoint http://{address}"),
            );
        // A server that takes its time to start.
        let snippet = snippet.replacen(
            "onegate-server-lite serve",
            "sleep 1 && exec onegate-server-lite serve",
            1,
        );
        let script = format!("set -e; trap 'kill $!; wait' EXIT; rm -rf state\n{snippet}");
        let said = assert_succeeded(&run_in(directory.path(), "sh", &["-c", &script]));
        assert!(said.contains(expected), "{heading}: {said}");
    }
}

#[test]
fn the_step_of_the_ci_example_passes() {
    let Some(directory) = appliance() else { return };
    let job = block("### In a CI pipeline", "yaml");
    let (_, step) = job.split_once("        run: |\n").unwrap();
    let script: Vec<&str> = step.lines().map(str::trim_start).collect();
    // As the runner runs it.
    let script = format!("set -e\n{}\n", script.join("\n"));
    let said = assert_succeeded(&run_in(directory.path(), "bash", &["-c", &script]));
    assert!(said.contains("service 1: STATE=WARNING"), "{said}");
}

#[test]
fn the_first_service_grows_and_shrinks_as_its_page_says() {
    let Some(directory) = appliance() else { return };
    let page = include_str!("../../../docs/first-service.md");
    let blocks = |language: &str| {
        let fence = format!("```{language}\n");
        let after = page.split(&fence).skip(1);
        let texts = after.map(|text| text.split_once("```\n").unwrap().0.to_owned());
        texts.collect::<Vec<String>>()
    };
    fs::write(directory.path().join("queue.json"), &blocks("json")[0]).unwrap();
    let source = repository().canonicalize().unwrap().display().to_string();
    let script = blocks("sh").concat();
    for what in ["ONEGATE=$HOME/onegate ", "--page 5031", "kill %1"] {
        assert_eq!(script.matches(what).count(), 1, "{what} in {script}");
    }
    let script = script
        .replace("ONEGATE=$HOME/onegate ", &format!("ONEGATE='{source}' "))
        .replace("--page 5031", "--page 0 --listen 127.0.0.1:0");
    // As in a person's shell: with jobs. A server that is left would keep the pipe open.
    let script =
        format!("set -em; trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n{script}wait\n");
    let said = assert_succeeded(&run_in(directory.path(), "bash", &["-c", &script]));
    for what in [
        "scenario: queue.json is good",
        "service 1: STATE=RUNNING",
        "worker  1 -> 2: BACKLOG[90.0] > 50, 2 of 2 times",
        "worker  2 -> 1: BACKLOG[1.0] < 10, 2 of 2 times",
    ] {
        assert!(said.contains(what), "{what} in {said}");
    }
    let left = fs::read_dir(directory.path().join("state/vms")).unwrap();
    assert_eq!(left.count(), 2, "the API and one worker");
}

#[test]
fn a_process_driver_runs_the_script_of_the_role_on_an_address_of_its_own() {
    let Some(directory) = appliance() else { return };
    let scripts = directory.path().join("scripts");
    fs::create_dir(&scripts).unwrap();
    write_program(
        &scripts.join("web"),
        "#!/bin/sh\nonegate vm update READY=YES ADDRESS=\"$IP\"; exec sleep 1000\n",
    );
    let state = directory.path().join("state");
    let driver = repository().join("contrib/vm-drivers/process");
    let command = format!("'{}' '{}'", driver.display(), scripts.display());
    let cloud = directory.path().join("cloud.json");
    let ours = agent().unwrap();
    let mut program = crate::support::process::program();
    let path = std::env::var("PATH").unwrap();
    program.env(
        "PATH",
        format!("{}:{path}", ours.parent().unwrap().display()),
    );
    let state = state.to_str().unwrap();
    let options = [
        "--cloud",
        cloud.to_str().unwrap(),
        "--state",
        state,
        "--vm-exec",
        &command,
    ];
    let server = Running::with(program, &options);
    printed(&[
        "wait",
        "vm",
        "0",
        "READY=YES",
        "ADDRESS=127.64.0.1",
        "--state",
        state,
    ]);
    printed(&["wait", "service", "1", "STATE=RUNNING", "--state", state]);
    // A role without a script is said to be one.
    fs::remove_file(scripts.join("web")).unwrap();
    let made = printed(&["vm", "create", "--like", "0", "--state", state]);
    let output = format!("{state}/vms/{}/output.log", made.trim_end());
    let said = || fs::read_to_string(&output).unwrap_or_default();
    until("it is said", || said().contains("default can be run"));
    printed(&[
        "wait",
        "vm",
        made.trim_end(),
        "STATE=BOOT_FAILURE",
        "--state",
        state,
    ]);
    assert!(server.stop().0.success());
}

#[test]
fn a_qemu_driver_gives_the_guest_its_context_and_its_mac() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name).display().to_string();
    write_program(
        &directory.path().join("qemu"),
        "#!/bin/sh\nprintf '%s\\n' \"$@\"\n",
    );
    for name in ["kernel", "initrd", "a disk,1"] {
        fs::write(directory.path().join(name), "").unwrap();
    }
    let driver = repository().join("contrib/vm-drivers/qemu");
    let run = |options: &[&str]| {
        Command::new("sh")
            .arg(&driver)
            .args(options)
            .current_dir(directory.path())
            .env("QEMU", file("qemu"))
            .env("QEMU_IMG", "/no/qemu-img")
            .env("NAME", "web_0,(service_1)")
            .env("MAC", "02:00:c0:a8:7a:64")
            .env("ACCEL", "tcg")
            .output()
            .unwrap()
    };
    let kernel = [
        "--kernel",
        &file("kernel"),
        "--initrd",
        &file("initrd"),
        "--append",
        "quiet",
        "--memory",
        "99",
        "-usb",
    ];
    let output = run(&kernel);
    let why = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && why.contains("no context.iso"),
        "{why}"
    );
    fs::write(directory.path().join("context.iso"), "").unwrap();
    let said = assert_succeeded(&run(&kernel));
    for word in [
        "web_0,,(service_1)",
        "99",
        &file("kernel"),
        &file("initrd"),
        "console=ttyS0 panic=-1 quiet",
        "tcg,thread=multi",
        "virtio-net-pci,netdev=lan,romfile=,mac=02:00:c0:a8:7a:64",
        "if=none,id=context,format=raw,readonly=on,file=context.iso",
        "-usb",
    ] {
        assert!(said.lines().any(|line| line == word), "{word} in {said}");
    }
    let said = assert_succeeded(&run(&["--disk", &file("a disk,1")]));
    let drive = format!("if=virtio,snapshot=on,file={}", file("a disk,,1"));
    assert!(said.lines().any(|line| line == drive), "{said}");
    for (options, why) in [
        (vec!["-usb"], "usage: qemu --kernel"),
        (vec!["--disk", "/no/image"], "/no/image cannot be read"),
    ] {
        let output = run(&options);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(why), "{said}");
    }
    for name in ["process", "qemu"] {
        let driver = repository().join("contrib/vm-drivers").join(name);
        let lines = fs::read_to_string(driver).unwrap().lines().count();
        assert!(lines < 60, "{name}: {lines} lines");
    }
}
