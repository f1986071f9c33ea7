//! The last line that a VM's process printed, to be told where it failed: cut, printable, and without a secret.

use super::directory::OUTPUT;
use crate::lab::page::is_secret;
use crate::objects::message::{shown, without_tokens};
use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

/// How much of the end of the output is read.
const READ: u64 = 4096;
/// The most characters of a line.
const LONGEST: usize = 160;

/// What the output ends with; `name` is how its file is called for people.
pub(super) fn last_words(directory: &Path, name: &str) -> String {
    match last_line(directory) {
        None => format!("{name} is empty"),
        Some(line) if is_hidden(directory, &line) => {
            format!("see the last line of {name}, which may hold a secret")
        }
        Some(line) => format!(
            "the last line of {name} is: {}",
            shown(&without_tokens(&line), LONGEST)
        ),
    }
}

fn last_line(directory: &Path) -> Option<String> {
    let mut file = File::open(directory.join(OUTPUT)).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(READ)))
        .ok()?;
    let mut end = Vec::new();
    file.take(READ).read_to_end(&mut end).ok()?;
    let end = String::from_utf8_lossy(&end);
    let mut lines = end.split(['\n', '\r']).map(str::trim);
    lines.rfind(|line| !line.is_empty()).map(str::to_owned)
}

/// Whether a line has the VM's token in it, or what is said to be a secret.
fn is_hidden(directory: &Path, line: &str) -> bool {
    let token = fs::read_to_string(directory.join("context/token.txt")).unwrap_or_default();
    let token = token.trim();
    (!token.is_empty() && line.contains(token)) || is_secret(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_cut_printable_and_no_secret() {
        let directory = tempfile::tempdir().expect("a directory");
        fs::create_dir(directory.path().join("context")).expect("made");
        fs::write(directory.path().join("context/token.txt"), "o7Y9/+A\n").expect("written");
        let long = "word ".repeat(2000);
        let cut = format!("the last line of o is: {}…", "word ".repeat(32));
        let hidden = "see the last line of o, which may hold a secret";
        for (output, said) in [
            ("", "o is empty"),
            ("\n \r\n", "o is empty"),
            ("first\nno kernel\n\n", "the last line of o is: no kernel"),
            ("no newline", "the last line of o is: no newline"),
            ("10%\r99%\r", "the last line of o is: 99%"),
            (
                "\u{1b}[31mred\u{202e}",
                "the last line of o is: \u{fffd}[31mred\u{fffd}",
            ),
            (&long, &cut),
            (
                "ERROR: /usr/lib/python3/dist-packages/onegate_client.py: no such file",
                "the last line of o is: ERROR: /usr/lib/python3/dist-packages/onegate_client.py: no such file",
            ),
            ("got o7Y9/+A here", hidden),
            (
                "got o7Y9bRvAiQmfUZzJo5eZTA==",
                "the last line of o is: got (removed)",
            ),
            (
                "cebd5aad05cd76406c017fdc421ef43a1aec501413827fdcd518bc4a59ce709c",
                "the last line of o is: (removed)",
            ),
            ("TOKENTXT=abc", hidden),
            ("cannot reach http://me:pass@host/", hidden),
        ] {
            fs::write(directory.path().join(OUTPUT), output).expect("written");
            assert_eq!(last_words(directory.path(), "o"), said, "{output:.80}");
        }
        fs::remove_file(directory.path().join(OUTPUT)).expect("removed");
        assert_eq!(last_words(directory.path(), "o"), "o is empty");
        fs::write(directory.path().join(OUTPUT), b"\xff\xfe").expect("written");
        assert!(last_words(directory.path(), "o").ends_with(": \u{fffd}\u{fffd}"));
    }
}
