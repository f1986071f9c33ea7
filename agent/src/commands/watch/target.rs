//! Where a result goes instead of stdout: `--output` with its `--mode` and `--check`, and `--exec`.

use crate::cli::options::{Opt, Options};
use crate::error::Error;
use std::path::PathBuf;

/// `--exec CMD ARG...`
pub(in crate::commands) static EXEC: Opt<Vec<String>> = Opt::rest(
    "exec",
    "CMD ARG...",
    "Run this, the rest of the line, with each result on stdin, one at a time; retried if it fails",
);

/// `--output FILE`
pub(in crate::commands) static OUTPUT: Opt<PathBuf> = Opt::path(
    "output",
    "FILE",
    "Write the result to FILE, at once and only if it differs, keeping owner and permissions",
);

/// `--mode MODE`
pub(in crate::commands) static MODE: Opt<String> =
    Opt::text("mode", "MODE", "The permissions of FILE: 0600");

/// `--check PROGRAM`
pub(in crate::commands) static CHECK: Opt<String> = Opt::text(
    "check",
    "PROGRAM",
    "Run PROGRAM with the path of the new content; if it fails, FILE stays as it is",
);

/// What is done with a result, besides printing it.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) output: Option<PathBuf>,
    pub(super) mode: Option<u32>,
    pub(super) check: Option<String>,
    pub(super) exec: Option<Vec<String>>,
}

impl Target {
    /// # Errors
    /// [`Error::Usage`]: permissions that are none, and options that need `--output`.
    pub(super) fn new(options: &Options) -> Result<Target, Error> {
        let mode = options.get(&MODE);
        let octal = |text: &String| {
            let digits = text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
            let mode = u32::from_str_radix(text, 8)
                .ok()
                .filter(|mode| digits && *mode <= 0o7777);
            let what = || {
                Error::Usage(format!(
                    "--mode '{text}': expected permissions in octal, such as 0600"
                ))
            };
            mode.ok_or_else(what)
        };
        let target = Target {
            output: options.get(&OUTPUT).cloned(),
            mode: mode.map(octal).transpose()?,
            check: options.get(&CHECK).cloned(),
            exec: options.get(&EXEC).cloned(),
        };
        if target
            .output
            .as_ref()
            .is_some_and(|path| path.as_os_str().is_empty())
        {
            return Err(Error::Usage(
                "--output '': expected a file's name".to_owned(),
            ));
        }
        for (given, name) in [(options.has(&MODE), "mode"), (options.has(&CHECK), "check")] {
            if given && target.output.is_none() {
                return Err(Error::Usage(format!("--{name} needs --output FILE")));
            }
        }
        Ok(target)
    }

    /// Does a check or a program run with the result?
    pub(super) fn runs_programs(&self) -> bool {
        self.check.is_some() || self.exec.is_some()
    }
}
