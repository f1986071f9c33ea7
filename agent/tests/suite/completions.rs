//! The completions, in their real shells.

use super::generated::{directory, is_installed};
use crate::support::server::{Server, token};
use crate::support::{Listener, stderr, stdout, terminal};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// What is typed, what must be among the choices, and what must not. Of a choice the end counts, as shells differ in
/// whether they repeat what has been typed: in `STATE=RUNNING` what follows `=`, in a path the name.
type Row = (
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
);

/// What the tables say.
const LINES: &[Row] = &[
    (
        "onegate ",
        &["vm", "service", "context"],
        &["show", "--hard"],
    ),
    ("onegate v", &["vm", "vrouter", "vnet"], &["service"]),
    ("onegate --e", &["--endpoint"], &["--erase"]),
    (
        "onegate vm ",
        &["show", "update", "poweroff"],
        &["scale", "vrouter"],
    ),
    ("onegate service s", &["show", "scale"], &["peers"]),
    (
        "onegate vm poweroff --h",
        &["--hard", "--help"],
        &["--json"],
    ),
    (
        "onegate vm update --",
        &["--erase", "--base64", "--timeout"],
        &["--cardinality"],
    ),
    (
        "onegate metrics --",
        &["--push", "--every", "--help"],
        &["--hard"],
    ),
    (
        "onegate doctor --t",
        &["--timeout", "--token-file"],
        &["--push"],
    ),
    // Options before the command, with and without a value.
    ("onegate --json vm s", &["show", "stop"], &["vm", "8"]),
    (
        "onegate --timeout 3 --trace service ",
        &["scale", "peers"],
        &["vm"],
    ),
    ("onegate --timeout 3 vm poweroff --h", &["--hard"], &[]),
    // Files and programs.
    ("onegate vm update CERT=@/etc/host", &["hosts"], &["passwd"]),
    ("onegate vm show --output /etc/host", &["hosts"], &[]),
    ("onegate vm show --watch --exec unam", &["uname"], &["vm"]),
    // States of VMs, and of services.
    ("onegate vm wait STATE=RUNN", &["RUNNING"], &["PROLOG"]),
    ("onegate vm wait 9 STATE=PR", &["PROLOG"], &["COOLDOWN"]),
    ("onegate service wait STATE=", &["COOLDOWN"], &["PROLOG"]),
    (
        "onegate service wait --role slave STATE=",
        &["PROLOG"],
        &["COOLDOWN"],
    ),
    (
        "onegate service peers --where STATE=RUNN",
        &["RUNNING"],
        &["PROLOG"],
    ),
    (
        "onegate-server-lite ",
        &["serve", "context", "service"],
        &["vrouter", "show"],
    ),
    ("onegate-server-lite vm ", &["set", "lose"], &["show"]),
    ("onegate-server-lite service ", &["show"], &["serve"]),
    (
        "onegate-server-lite serve --t",
        &["--tls-cert", "--tls-key"],
        &["--out"],
    ),
];

/// What the server says.
const ASKED: &[Row] = &[
    ("onegate service scale --role ", &["master", "slave"], &[]),
    ("onegate service peers --role s", &["slave"], &["master"]),
    ("onegate service peers --role=s", &["slave"], &["master"]),
    ("onegate vm show ", &["8", "9"], &["show"]),
    ("onegate vm poweroff 9", &["9"], &["8"]),
    ("onegate --trace vm update ", &["8", "9", "ROLE_NAME"], &[]),
    ("onegate vm show --get RO", &["ROLE_NAME"], &["NAME"]),
    ("onegate vm show 9 --get N", &["NAME"], &["ROLE_NAME"]),
    ("onegate service show --get r", &["roles"], &["name"]),
    ("onegate vm update --erase RO", &["ROLE_NAME"], &["NAME"]),
    ("onegate vm wait ", &["8", "9", "ROLE_NAME", "STATE"], &[]),
    (
        "onegate service peers --where ",
        &["ROLE_NAME", "STATE"],
        &["NAME"],
    ),
    // As another VM, whose virtual router has the network 0.
    (
        "onegate --vmid 1 --token-file TOKEN_OF_1 vnet show ",
        &["0"],
        &["8"],
    ),
];

fn lines() -> impl Iterator<Item = &'static str> {
    LINES.iter().chain(ASKED).map(|(line, ..)| *line)
}

/// Both programs' files of a shell, as commands that read them.
fn source(before: &str, after: &str) -> String {
    ["onegate", "onegate-server-lite"]
        .map(|program| {
            let file = directory().join(format!("{before}{program}{after}"));
            format!("source '{}'\n", file.display())
        })
        .concat()
}

fn end(choice: &str) -> &str {
    let choice = choice.trim_end_matches(['=', '/']);
    choice.rsplit(['=', '@', '/']).next().unwrap_or_default()
}

/// A shell, with the options with which it runs a script.
#[derive(Clone, Copy)]
struct Shell {
    name: &'static str,
    args: &'static [&'static str],
    script: fn() -> String,
}

impl Shell {
    /// Runs the script, which prints the choices for each line: `LINE<TAB>CHOICE`.
    fn complete(self, endpoint: &str, directory: &Path) -> String {
        let agent = Path::new(env!("CARGO_BIN_EXE_onegate")).parent().unwrap();
        let output = Command::new(self.name)
            .args(self.args)
            .arg((self.script)())
            .current_dir(directory)
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", agent.display()))
            .env("HOME", directory)
            .env("TERM", "dumb")
            .env("ONEGATE_ENDPOINT", endpoint)
            .env("VMID", "8")
            .env("TOKENTXT", token(8))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert_eq!(stderr(&output), "", "{}", self.name);
        stdout(&output)
    }

    fn assert(self, printed: &str, rows: &[Row], asked: bool) {
        for (line, expected, others) in rows {
            let choices: Vec<&str> = printed
                .lines()
                .filter_map(|row| row.strip_prefix(&format!("{line}\t")))
                .map(end)
                .collect();
            for word in *expected {
                assert_eq!(
                    choices.contains(word),
                    asked || *word == "STATE",
                    "{}: '{line}', {word}: {choices:?}",
                    self.name
                );
            }
            for word in *others {
                let name = self.name;
                assert!(!choices.contains(word), "{name}: '{line}' offers {word}");
            }
        }
    }
}

fn completes(shell: Shell) {
    if !is_installed(shell.name) {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    std::fs::write(scratch.path().join("TOKEN_OF_1"), token(1)).unwrap();
    let server = Server::start();
    let printed = shell.complete(server.url(), scratch.path());
    shell.assert(&printed, LINES, true);
    shell.assert(&printed, ASKED, true);
    // Nobody listens there: the same, silently without what the server would have said.
    let closed = format!("http://127.0.0.1:{}", crate::support::closed_port());
    let printed = shell.complete(&closed, scratch.path());
    shell.assert(&printed, LINES, true);
    shell.assert(&printed, ASKED, false);
}

#[test]
fn bash_completes() {
    completes(BASH);
}

#[test]
fn fish_completes() {
    completes(FISH);
}

#[test]
fn zsh_completes() {
    completes(ZSH);
}

const BASH: Shell = Shell {
    name: "bash",
    args: &["--norc", "-c"],
    script: || {
        // What bash itself does before it calls the function: it cuts words at COMP_WORDBREAKS, too.
        let mut script = source("", ".bash")
            + r#"
complete_line() {
    COMP_LINE=$1 COMP_POINT=${#1} COMP_WORDBREAKS=$' \t\n"\'@><=;|&(:'
    mapfile -t COMP_WORDS < <(grep -oE '[=:]+|[^=: ]+' <<<"$1")
    [[ $1 != *' ' ]] || COMP_WORDS+=('')
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    "$2"
    for choice in "${COMPREPLY[@]}"; do printf '%s\t%s\n' "$1" "$choice"; done
}
"#;
        for line in lines() {
            let program = line.split(' ').next().unwrap().replace('-', "_");
            script += &format!("complete_line '{line}' _{program}\n");
        }
        script
    },
};

const FISH: Shell = Shell {
    name: "fish",
    args: &["--no-config", "-c"],
    script: || {
        let mut script = source("", ".fish");
        for line in lines() {
            script += &format!(
                "for row in (complete -C '{line}'); printf '%s\\t%s\\n' '{line}' (string split -f 1 \\t -- $row); end\n"
            );
        }
        script
    },
};

/// zsh completes on a terminal alone: in a pseudo-terminal (zsh/zpty) the line is typed, and compadd, which takes the
/// choices, tells them. Nothing is typed before the prompt is there: until then the terminal itself would take ^U, and
/// the line with it.
const ZSH: Shell = Shell {
    name: "zsh",
    args: &["-f", "-c"],
    script: || {
        let mut script = format!(
            r#"zmodload zsh/zpty || exit 1
zpty z zsh -f -i
zpty -w z "PS1=; setopt NO_BEEP NO_AUTO_LIST; autoload -Uz compinit; compinit -D -u; {}"
zpty -w z 'compadd() {{ local -a hits; builtin compadd -O hits "$@"; print -rl -- "CHOICE="$^hits; builtin compadd "$@"; }}'
zpty -w z "PS1=PROM''PT"
"#,
            source("_", "").trim_end().replace('\n', "; ")
        );
        for line in lines() {
            script += &format!(
                r#"zpty -r z out '*PROMPT*'
zpty -w -n z '{line}'$'\t'
zpty -w z $'\x15'"print -r FINI''SHED"
zpty -r z out '*FINISHED*'
for row in ${{(f)out}}; do [[ $row == *CHOICE=* ]] && printf '%s\t%s\n' '{line}' "${{${{row##*CHOICE=}}%%$'\r'*}}"; done
"#
            );
        }
        script + "exit 0\n"
    },
};

/// What is replaced in a line typed to bash, which cuts words at `=` and `:`, and takes `@` for the start of one.
#[test]
fn bash_puts_choices_where_they_belong() {
    if !is_installed("bash") {
        return;
    }
    let server = Server::start();
    let agent = Path::new(env!("CARGO_BIN_EXE_onegate")).parent().unwrap();
    let url = server.url();
    for (typed, line) in [
        (
            "onegate vm update A=1 CERT=@/etc/passw",
            "onegate vm update A=1 CERT=@/etc/passwd".to_owned(),
        ),
        (
            "onegate vm update CERT=@/proc/sel",
            "onegate vm update CERT=@/proc/self/".to_owned(),
        ),
        (
            "onegate vm wait STATE!=RUNN",
            "onegate vm wait STATE!=RUNNING".to_owned(),
        ),
        (
            "onegate service peers --where=STATE=RUNN",
            "onegate service peers --where=STATE=RUNNING".to_owned(),
        ),
        (
            &format!("onegate --endpoint {url} service scale --role sl"),
            format!("onegate --endpoint {url} service scale --role slave"),
        ),
        (
            "onegate vm update ROL",
            "onegate vm update ROLE_NAME=".to_owned(),
        ),
    ] {
        let mut command = Command::new("bash");
        command.args(["--norc", "-i"]).env_clear();
        command.env("PATH", format!("{}:/usr/bin:/bin", agent.display()));
        command.env("TERM", "dumb").env("ONEGATE_ENDPOINT", url);
        command.env("VMID", "8").env("TOKENTXT", token(8));
        // What is typed after the first line waits until there is a prompt.
        let file = directory().join("onegate.bash");
        let input = format!(
            "onegate() {{ if [ \"$COMP_LINE\" ]; then command onegate \"$@\"; else printf '<%s>' onegate \"$@\"; echo; fi; }}; \
             source '{}'\n{typed}\t\nexit\n",
            file.display()
        );
        let printed = terminal::type_into(command, &input);
        let words: String = line.split(' ').map(|word| format!("<{word}>")).collect();
        assert!(printed.contains(&words), "{typed}: {printed}");
    }
}

/// A role's name is what somebody else wrote.
#[test]
fn nothing_that_a_server_says_is_run() {
    let role = |name: &str| format!(r#"{{"name": "{name}", "cardinality": 1, "nodes": []}}"#);
    let names = [
        "good",
        "$(touch here)",
        "`touch here`",
        "a b",
        "x;touch here",
    ];
    let roles = names.map(role).join(", ");
    let body = format!(r#"{{"SERVICE": {{"name": "s", "id": "1", "roles": [{roles}]}}}}"#);
    let listener = Listener::answering("200 OK", &body);
    for shell in [BASH, FISH, ZSH] {
        if !is_installed(shell.name) {
            continue;
        }
        let scratch = tempfile::tempdir().unwrap();
        let printed = shell.complete(&listener.url(), scratch.path());
        let line = "onegate service scale --role \t";
        let choices: Vec<&str> = printed
            .lines()
            .filter_map(|row| row.strip_prefix(line))
            .collect();
        assert_eq!(choices, ["good"], "{}", shell.name);
        assert!(!scratch.path().join("here").exists(), "{}", shell.name);
    }
}

/// An agent that never comes back is ended: this test then ends, too.
#[test]
fn nobody_waits_for_an_answer_that_does_not_come() {
    if !is_installed("bash") {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let agent = scratch.path().join("onegate");
    std::fs::write(&agent, "#!/bin/sh\nexec sleep 1000\n").unwrap();
    std::fs::set_permissions(&agent, std::fs::Permissions::from_mode(0o755)).unwrap();
    let file = directory().join("onegate.bash");
    let output = Command::new("bash")
        .args(["--norc", "-c"])
        .arg(format!(
            "source '{}'; _onegate_ask roles 'service scale' ''",
            file.display()
        ))
        .env(
            "PATH",
            format!("{}:/usr/bin:/bin", scratch.path().display()),
        )
        .output()
        .unwrap();
    let said = (stdout(&output), stderr(&output));
    assert_eq!(said, (String::new(), String::new()));
}
