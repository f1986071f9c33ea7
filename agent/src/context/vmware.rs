//! VMware's guestinfo: the context that OpenNebula sets on a vCenter VM. Only `vmtoolsd` can ask for it.

use std::io::{self, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::search::{Search, why};
use super::{decode, shell};
use crate::fault::Fault;
use crate::limits::{MAX_FILE, MAX_VMWARE_FILES};

/// Where distributions install it. The caller's PATH is not asked: what runs here may run as root.
const PROGRAMS: [&str; 4] = [
    "/usr/bin/vmtoolsd",
    "/usr/sbin/vmtoolsd",
    "/bin/vmtoolsd",
    "/usr/local/bin/vmtoolsd",
];

/// It answers in an instant or not at all.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks `vmtoolsd`, where it exists.
pub(super) fn look(search: &mut Search<'_>) {
    if !search.root.is_own() {
        // It would be a foreign root's program, run here with our rights, and would speak of this machine.
        return search.problem("vmtoolsd", "not asked under --root");
    }
    match program() {
        None => search.problem("vmtoolsd", "absent"),
        Some(program) => ask(search, program),
    }
}

/// Where it is installed on this machine, if it is.
pub(super) fn program() -> Option<&'static Path> {
    PROGRAMS
        .iter()
        .map(Path::new)
        .find(|program| program.exists())
}

/// What is wrong with an answer of vmtoolsd's.
const NOT_BASE64: &str = "its answer is not base64";

fn ask(search: &mut Search<'_>, program: &Path) {
    let place = format!("{} (guestinfo.opennebula.context)", program.display());
    let context = match info_get(program, "guestinfo.opennebula.context") {
        Ok(answer) => answer,
        Err(error) => return search.problem(place, why(&error)),
    };
    let Some(context) = decode(&context) else {
        return search.problem(place, NOT_BASE64);
    };
    let assignments = shell::guestinfo(&context);
    search.take_with_token(&place, &assignments, |search| {
        for number in 0..MAX_VMWARE_FILES {
            let key = format!("guestinfo.opennebula.file.{number}");
            let place = format!("{} ({key})", program.display());
            let Ok(answer) = info_get(program, &key) else {
                break;
            };
            let (name, content) = match answer.iter().position(|&byte| byte == b'\n') {
                Some(end) => (answer[..end].trim_ascii(), &answer[end..]),
                None => break,
            };
            if name == b"token.txt" {
                let offered = match decode(content) {
                    Some(token) => search.offer_token(&token, &place),
                    None => Err(Fault::new(NOT_BASE64)),
                };
                if let Err(what) = offered {
                    search.problem(place, what);
                }
                return;
            }
        }
        search.problem(&place, "no token, and no file token.txt");
    });
}

/// `vmtoolsd --cmd "info-get KEY"`: its standard output.
fn info_get(program: &Path, key: &str) -> io::Result<Vec<u8>> {
    let mut child = Command::new(program)
        .arg("--cmd")
        .arg(format!("info-get {key}"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let answer = read_until(&mut child, Instant::now() + PATIENCE);
    if answer.is_err() {
        // Errors here mean that it is gone already.
        let _ = child.kill();
    }
    let status = child.wait()?;
    let answer = answer?;
    match status.success() {
        true => Ok(answer),
        false => Err(io::Error::other(format!(
            "no answer ({status}): not a VM of OpenNebula's on VMware?"
        ))),
    }
}

/// Everything the child prints, if it ends in time.
fn read_until(child: &mut Child, deadline: Instant) -> io::Result<Vec<u8>> {
    let mut answer = Vec::new();
    let mut chunk = [0; 4096];
    let Some(stdout) = &mut child.stdout else {
        return Ok(answer);
    };
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec {
            tv_sec: left.as_secs() as i64,
            tv_nsec: left.subsec_nanos().into(),
        };
        let mut ready = [PollFd::new(stdout, PollFlags::IN)];
        match poll(&mut ready, Some(&timeout)) {
            Ok(0) => {
                return Err(io::Error::other(format!(
                    "no answer in {} s",
                    PATIENCE.as_secs()
                )));
            }
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        match stdout.read(&mut chunk)? {
            0 => return Ok(answer),
            length => answer.extend_from_slice(&chunk[..length]),
        }
        if answer.len() as u64 > MAX_FILE {
            return Err(io::Error::other("its answer is larger than 16 MiB"));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::sync::Mutex;

    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::super::{Context, Lookup, Missing};
    use super::*;

    /// A child that another test forks while a script is being written would keep it open, and it couldn't be run.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

    /// What a vmtoolsd that answers like this leads to.
    fn found(answers: &[(&str, String)]) -> Result<Context, Box<Missing>> {
        let _turn = ONE_AT_A_TIME.lock();
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("vmtoolsd");
        let mut script =
            "#!/bin/sh\n[ \"$1\" = --cmd ] && [ $# = 2 ] || exit 9\ncase $2 in\n".to_owned();
        for (key, answer) in answers {
            script += &format!("'info-get guestinfo.opennebula.{key}') echo '{answer}' ;;\n");
        }
        fs::write(
            &program,
            script + "*) echo 'No value found' >&2; exit 1 ;;\nesac\n",
        )
        .unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let lookup = Lookup {
            endpoint: None,
            vmid: None,
            token_file: None,
            environment: &|_| None,
            root: Path::new("/"),
        };
        let mut search = Search::new(&lookup)?;
        ask(&mut search, &program);
        search.result()
    }

    /// Base64 in lines, as the front-end writes it.
    fn encoded(text: &str) -> String {
        let text = STANDARD.encode(text);
        text.as_bytes()
            .chunks(60)
            .map(|line| String::from_utf8_lossy(line) + "\n")
            .collect()
    }

    const CONTEXT: &str =
        "# Context\nNOTE='it's one of VMware's'\nONEGATE_ENDPOINT='http://h:5030'\nVMID='8'\n";

    #[test]
    fn the_token_is_a_variable_or_a_file() {
        let context = found(&[(
            "context",
            encoded(&format!("{CONTEXT}ONEGATE_TOKEN='dG9rZW4='\n")),
        )])
        .unwrap();
        assert_eq!(context.endpoint.value[0].given, "http://h:5030");
        assert_eq!(context.vmid.value, "8");
        assert_eq!(context.token.value.reveal(), "dG9rZW4=");
        assert!(
            context
                .token
                .place
                .ends_with("vmtoolsd (guestinfo.opennebula.context)")
        );

        let files = [
            ("context", encoded(CONTEXT)),
            ("file.0", "init.sh\n".to_owned() + &encoded("#!/bin/sh\n")),
            ("file.1", "token.txt\n".to_owned() + &encoded("dG9rZW4=\n")),
        ];
        let context = found(&files).unwrap();
        assert_eq!(context.token.value.reveal(), "dG9rZW4=");
        assert!(
            context
                .token
                .place
                .ends_with("vmtoolsd (guestinfo.opennebula.file.1)")
        );
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (answers, wanted) in [
            (vec![], "no answer (exit status: 1)"),
            (
                vec![("context", "?".to_owned())],
                "its answer is not base64",
            ),
            (
                vec![("context", encoded(CONTEXT))],
                "no token, and no file token.txt",
            ),
            (
                vec![("context", encoded("VMID='8\n"))],
                "malformed at line 1",
            ),
            (
                vec![
                    ("context", encoded(CONTEXT)),
                    ("file.0", "token.txt\n?".to_owned()),
                ],
                "its answer is not base64",
            ),
        ] {
            let missing = found(&answers).unwrap_err().to_string();
            assert!(missing.contains(wanted), "{answers:?}: {missing}");
        }
    }

    #[test]
    fn a_program_that_never_answers_is_given_up() {
        let _turn = ONE_AT_A_TIME.lock();
        let mut child = Command::new("sleep")
            .arg("1000")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let answer = read_until(&mut child, Instant::now());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(answer.unwrap_err().to_string().contains("no answer in"));
    }
}
