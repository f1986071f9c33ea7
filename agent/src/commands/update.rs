//! `vm update`: adds, changes and removes attributes of a VM's record.

use crate::cli::command::{Command, Surplus};
use crate::cli::options::{EXTENDED, HARD, JSON, Opt, Options};
use crate::cli::session::{self, Session};
use crate::client::request::{self, Change, Request};
use crate::error::Error;
use crate::files;
use crate::objects::attribute::{self, verbatim};
use std::io;

static DATA: Opt<String> = Opt::text(
    "data",
    "DATA",
    "Attributes, KEY=VALUE, with a newline or \\n between two; sent as given",
)
.short('d')
.classic();

static ERASE: Opt<String> = Opt::text(
    "erase",
    "KEY",
    "Remove this attribute; may be given several times",
)
.short('e')
.classic();

static BASE64: Opt<()> = Opt::switch(
    "base64",
    "Store each VALUE encoded in base64, whatever bytes it holds",
);

/// `vm update`
pub(super) const UPDATE: Command = Command {
    words: "vm update",
    operands: "[ID] [KEY=VALUE]...",
    surplus: Surplus::Refused,
    options: &[&ERASE.entry, &BASE64.entry, &DATA.entry],
    online: true,
    summary: "Add, change or remove attributes of a VM's record (USER_TEMPLATE)",
    detail: "\
Any VALUE is stored as it is given, commas, quotes, brackets, backslashes and newlines included. KEY=@FILE takes the \
value from a file (or a FIFO, such as a shell's <(COMMAND)) of at most 16 MiB, without the newline at its end, and \
KEY=@- from standard input; KEY=@@TEXT is a value that begins with '@' itself. A KEY is stored in upper case; given \
twice, it becomes a list.
What OpenNebula can't store exactly is refused before anything is sent: blanks and newlines at either end, CR and \
other control characters, ']]>', and characters beyond U+FFFF. With --base64 these can be stored too.
--data is sent as given, for scripts written for the Ruby client: OpenNebula refuses or damages what a comma, a quote, \
a bracket or a backslash is part of. Of --data and --erase the last one counts; several --erase count all.",
    examples: &[
        "onegate vm update READY=YES",
        "onegate vm update 9 ACTIVE=YES MOTD='a, \"b\" = [c]'",
        "onegate vm update HOSTS=@/etc/hosts --base64",
        "uname -a | onegate vm update KERNEL=@-",
        "onegate vm update --erase READY --erase KERNEL",
        "onegate vm update --data 'ACTIVE=YES\\nLEADER=NO'",
    ],
    run,
};

fn run(session: &mut Session<'_, '_>) -> Result<(), Error> {
    let requests = requests(&session.operands, &session.options, &files::operand)?;
    let client = session.client()?;
    for warning in warnings(&session.options) {
        session.world.warn(&warning);
    }
    for (done, request) in requests.iter().enumerate() {
        if let Err(error) = session::send(&client, request) {
            if done > 0 {
                let of = requests.len();
                session.world.warn(&format!(
                    "{done} of {of} requests were carried out before this one failed"
                ));
            }
            return Err(error);
        }
    }
    Ok(())
}

/// `KEY=VALUE`s first, then each `--erase`. Or `--data` as given; of `--data` and `--erase` the last one counts, and
/// the other options of the Ruby client follow it into the form. `read` reads a file that an operand names, or standard
/// input for `-`.
fn requests(
    operands: &[String],
    options: &Options,
    read: &dyn Fn(&str) -> io::Result<Vec<u8>>,
) -> Result<Vec<Request>, Error> {
    let (first, rest) = match operands.split_first() {
        Some((first, rest)) if !first.contains('=') => (Some(first), rest),
        _ => (None, operands),
    };
    let id = first.map_or(Ok(None), |word| session::id(word, "VM"));
    let id = id.map_err(|_| {
        let odd = first.map_or("", String::as_str);
        Error::Usage(format!(
            "'{odd}' is neither a VM ID nor KEY=VALUE. Nothing was sent"
        ))
    })?;
    let path = request::vm_path(id);
    if let Some(odd) = rest.iter().find(|word| !word.contains('=')) {
        return Err(Error::Usage(format!(
            "'{odd}' is not KEY=VALUE. Nothing was sent"
        )));
    }
    let more: String = [
        (&JSON, "&json=true"),
        (&EXTENDED, "&extended=true"),
        (&HARD, "&hard=true"),
    ]
    .into_iter()
    .filter(|(opt, _)| options.has(opt))
    .map(|(_, field)| field)
    .collect();
    let put = |data: &str, change| request::put(&path, data, change, &more);
    let erased = || options.all(&ERASE).map(|name| put(name, Change::Erase));
    if !rest.is_empty() {
        return Ok(attributes(rest, options, read)?
            .into_iter()
            .map(|data| put(&data, Change::Merge))
            .chain(erased())
            .collect());
    }
    if options.has(&BASE64) {
        return Err(Error::Usage(
            "--base64 goes with KEY=VALUE; --data is sent as given".to_owned(),
        ));
    }
    let last = options
        .last_of([&DATA.entry, &ERASE.entry])
        .ok_or(Error::Words(
            "You have to provide the data: KEY=VALUE, or as a param (--data, --erase)",
        ))?;
    match options.get(&DATA) {
        Some(data) if last.long == DATA.entry.long => match verbatim::poison(data) {
            Some(why) => Err(Error::Usage(why)),
            None => Ok(vec![put(data, Change::Merge)]),
        },
        _ => Ok(erased().collect()),
    }
}

/// What to send for `KEY=VALUE`s, one text after the other.
fn attributes(
    words: &[String],
    options: &Options,
    read: &dyn Fn(&str) -> io::Result<Vec<u8>>,
) -> Result<Vec<String>, Error> {
    if options.has(&DATA) {
        return Err(Error::Usage(
            "--data and KEY=VALUE don't go together: give KEY=VALUEs alone".to_owned(),
        ));
    }
    if words.iter().filter(|word| word.ends_with("=@-")).count() > 1 {
        return Err(Error::Usage(
            "standard input can be the value of one attribute alone".to_owned(),
        ));
    }
    let attributes = words
        .iter()
        .map(|word| attribute::parse(word, options.has(&BASE64), read));
    let attributes = attributes.collect::<Result<Vec<_>, _>>();
    let attributes = attributes.map_err(|error| Error::Usage(format!("{error}")))?;
    Ok(attribute::encode(&attributes))
}

/// What the caller should know before anything is sent.
fn warnings(options: &Options) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(what) = options.get(&DATA).and_then(|data| verbatim::damage(data)) {
        warnings.push(format!(
            "an OpenNebula server {what}. As 'onegate vm update KEY=VALUE' any value is stored as it is."
        ));
    }
    for name in options
        .all(&ERASE)
        .filter(|name| !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'))
    {
        warnings.push(format!(
            "'{name}' is no attribute's name: an OpenNebula server takes it for an XPath and may erase more."
        ));
    }
    warnings
}
