//! The files that a running guest keeps of its context.

use std::cmp::Reverse;
use std::path::Path;

use super::search::{Search, why};
use super::shell;
use crate::files;

/// What the context scripts found, for other scripts to source.
pub(super) const ONE_ENV: &str = "/var/run/one-context/one_env";

/// The context scripts' copies of `context.sh`, one for each stage of the boot.
const COPIES: [&str; 3] = [
    "/var/run/one-context/context.sh.network",
    "/var/run/one-context/context.sh.online",
    "/var/run/one-context/context.sh.local",
];

/// Where OpenNebula puts the context of an LXC container.
pub(super) const DIRECTORY: &str = "/context";

/// [`ONE_ENV`].
pub(super) fn one_env(search: &mut Search<'_>) {
    let place = search.root.shown(Path::new(ONE_ENV));
    match search.root.read(Path::new(ONE_ENV)) {
        Ok(text) => search.take(&place, &shell::one_env(&text)),
        Err(error) => search.problem(place, why(&error)),
    }
}

/// [`COPIES`], the newest first: a later stage rewrites its copy only when the context has changed.
pub(super) fn copies(search: &mut Search<'_>) {
    let mut files = Vec::new();
    for path in COPIES {
        let opened = search.root.open(Path::new(path));
        match opened.and_then(|file| Ok((file.metadata()?.modified()?, file))) {
            Ok((modified, file)) => files.push((Reverse(modified), path, file)),
            Err(error) => search.problem(search.root.shown(Path::new(path)), why(&error)),
        }
    }
    files.sort_by_key(|(modified, ..)| *modified);
    for (_, path, file) in files {
        let place = search.root.shown(Path::new(path));
        match files::read(file) {
            Ok(text) => search.take(&place, &shell::context_sh(&text)),
            Err(error) => search.problem(place, why(&error)),
        }
        if search.is_complete() {
            return;
        }
    }
}

/// [`DIRECTORY`].
pub(super) fn directory(search: &mut Search<'_>) {
    let directory = Path::new(DIRECTORY);
    let place = search.root.shown(directory);
    match search.root.locate(directory) {
        Ok(_) => {
            let root = search.root.clone();
            search.take_directory(&format!("{place}/"), &|name| {
                root.read(&directory.join(name))
            });
        }
        Err(error) => search.problem(place, why(&error)),
    }
}
