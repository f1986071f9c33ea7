//! Options: their names, the type of their value, and the values given. A value is read and checked once, here.

use super::duration;
use crate::error::Error;
use crate::objects::path::JsonPath;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::time::Duration;

/// One option, as parsing and documentation see it.
#[derive(Debug, Clone, Copy)]
pub struct OptionEntry {
    /// Without its dashes.
    pub long: &'static str,
    /// Its one-letter form.
    pub short: Option<char>,
    /// What it takes.
    pub kind: Kind,
    /// The Ruby client has it: every command takes it, and ignores it where it means nothing.
    pub classic: bool,
    /// One or two lines.
    pub help: &'static str,
}

/// What an option takes; the text is what help calls it.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// Nothing.
    Switch,
    /// Any text.
    Text(&'static str),
    /// A path of the caller's: `FILE` or `DIR`.
    Path(&'static str),
    /// A whole number, from the first to the second.
    Number(u32, u32),
    /// A duration, not shorter than this.
    Duration(Duration),
    /// A path into a JSON document.
    JsonPath,
    /// A program and its arguments: the rest of the line.
    Rest(&'static str),
}

/// Between the words of a [`Kind::Rest`] while they are one text: no argument of a program can hold it.
pub(super) const BETWEEN: char = '\0';

/// Longer durations are refused: a year.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

impl OptionEntry {
    /// What help calls its value: `FILE`; `None` for a switch.
    pub fn value(&self) -> Option<&'static str> {
        match self.kind {
            Kind::Switch => None,
            Kind::Text(name) | Kind::Path(name) | Kind::Rest(name) => Some(name),
            Kind::Number(..) => Some("N"),
            Kind::Duration(_) => Some("DURATION"),
            Kind::JsonPath => Some("PATH"),
        }
    }

    /// Reads a value.
    ///
    /// # Errors
    /// [`Error::Usage`]: what was expected, with the option's name and what was given.
    pub(super) fn read(&self, text: String) -> Result<Value, Error> {
        let value = match self.kind {
            Kind::Switch => Ok(Value::Switch),
            Kind::Text(_) => Ok(Value::Text(text.clone())),
            Kind::Path(_) => Ok(Value::Path(text.clone().into())),
            Kind::Number(least, most) => number(&text)
                .filter(|number| (least..=most).contains(number))
                .map(Value::Number)
                .ok_or_else(|| format!("expected a whole number from {least} to {most}")),
            Kind::Duration(least) => match duration::parse(&text) {
                Some(value) if value < least => Err(format!(
                    "expected a duration of {} or more",
                    duration::shown(least)
                )),
                Some(value) if value <= LONGEST => Ok(Value::Duration(value)),
                Some(_) => Err("expected a duration of a year or less".to_owned()),
                None => {
                    Err("expected a duration, such as 30 (seconds), 300ms, 5m or 1h".to_owned())
                }
            },
            Kind::JsonPath => JsonPath::parse(&text)
                .map(Value::JsonPath)
                .map_err(|error| format!("{error}")),
            Kind::Rest(_) if text.is_empty() => Err("expected a program".to_owned()),
            Kind::Rest(_) => Ok(Value::Words(
                text.split(BETWEEN).map(str::to_owned).collect(),
            )),
        };
        value.map_err(|why| Error::Usage(format!("--{} '{text}': {why}", self.long)))
    }
}

/// Digits alone: no sign, no blanks.
fn number(text: &str) -> Option<u32> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// A value, read.
#[derive(Debug)]
#[allow(missing_docs)] // [`Kind`] says what each one is.
pub enum Value {
    Switch,
    Text(String),
    Path(PathBuf),
    Number(u32),
    Duration(Duration),
    JsonPath(JsonPath),
    Words(Vec<String>),
}

/// The type that an option's value has.
pub trait Typed {
    #[doc(hidden)]
    fn of(value: &Value) -> Option<&Self>;
}

macro_rules! typed {
    ($($type:ty: $variant:ident),+) => {$(
        impl Typed for $type {
            fn of(value: &Value) -> Option<&Self> {
                match value {
                    Value::$variant(value) => Some(value),
                    _ => None,
                }
            }
        }
    )+};
}
typed!(String: Text, PathBuf: Path, u32: Number, Duration: Duration, JsonPath: JsonPath, Vec<String>: Words);

/// An option whose values have the type `T`: [`Options`] can't be asked for another one. A switch has `()`.
#[derive(Debug)]
pub struct Opt<T> {
    /// The option.
    pub entry: OptionEntry,
    value: PhantomData<fn() -> T>,
}

impl<T> Opt<T> {
    const fn new(long: &'static str, kind: Kind, help: &'static str) -> Opt<T> {
        let entry = OptionEntry {
            long,
            short: None,
            kind,
            classic: false,
            help,
        };
        Opt {
            entry,
            value: PhantomData,
        }
    }

    pub(crate) const fn short(self, letter: char) -> Opt<T> {
        let mut entry = self.entry;
        entry.short = Some(letter);
        Opt {
            entry,
            value: PhantomData,
        }
    }

    pub(crate) const fn classic(self) -> Opt<T> {
        let mut entry = self.entry;
        entry.classic = true;
        Opt {
            entry,
            value: PhantomData,
        }
    }
}

impl Opt<()> {
    pub(crate) const fn switch(long: &'static str, help: &'static str) -> Opt<()> {
        Opt::new(long, Kind::Switch, help)
    }
}

impl Opt<String> {
    pub(crate) const fn text(
        long: &'static str,
        value: &'static str,
        help: &'static str,
    ) -> Opt<String> {
        Opt::new(long, Kind::Text(value), help)
    }
}

impl Opt<PathBuf> {
    pub(crate) const fn path(
        long: &'static str,
        value: &'static str,
        help: &'static str,
    ) -> Opt<PathBuf> {
        Opt::new(long, Kind::Path(value), help)
    }
}

impl Opt<u32> {
    pub(crate) const fn number(
        long: &'static str,
        least: u32,
        most: u32,
        help: &'static str,
    ) -> Opt<u32> {
        Opt::new(long, Kind::Number(least, most), help)
    }
}

impl Opt<Duration> {
    pub(crate) const fn duration(
        long: &'static str,
        least: Duration,
        help: &'static str,
    ) -> Opt<Duration> {
        Opt::new(long, Kind::Duration(least), help)
    }
}

impl Opt<Vec<String>> {
    pub(crate) const fn rest(
        long: &'static str,
        value: &'static str,
        help: &'static str,
    ) -> Opt<Vec<String>> {
        Opt::new(long, Kind::Rest(value), help)
    }
}

impl Opt<JsonPath> {
    pub(crate) const fn json_path(long: &'static str, help: &'static str) -> Opt<JsonPath> {
        Opt::new(long, Kind::JsonPath, help)
    }
}

/// The options given, in the order given.
#[derive(Debug, Default)]
pub struct Options(pub(super) Vec<(&'static OptionEntry, Value)>);

impl Options {
    /// Was it given?
    pub fn has<T>(&self, opt: &'static Opt<T>) -> bool {
        self.0
            .iter()
            .any(|(given, _)| std::ptr::eq(*given, &opt.entry))
    }

    /// Its value; the last one where it was given several times.
    pub fn get<T: Typed>(&self, opt: &'static Opt<T>) -> Option<&T> {
        self.all(opt).next_back()
    }

    /// All its values.
    pub fn all<T: Typed>(&self, opt: &'static Opt<T>) -> impl DoubleEndedIterator<Item = &T> {
        self.0
            .iter()
            .filter(move |(given, _)| std::ptr::eq(*given, &opt.entry))
            .filter_map(|(_, value)| T::of(value))
    }

    /// Of two options the one given last; `None` if neither was.
    pub fn last_of(&self, opts: [&'static OptionEntry; 2]) -> Option<&'static OptionEntry> {
        self.0
            .iter()
            .rev()
            .map(|(given, _)| *given)
            .find(|given| opts.iter().any(|opt| std::ptr::eq(*opt, *given)))
    }
}

const A_MOMENT: Duration = Duration::from_millis(1);

/// `--json`
pub static JSON: Opt<()> = Opt::switch("json", "Print what the server sent, as JSON")
    .short('j')
    .classic();

/// `--extended`
pub static EXTENDED: Opt<()> = Opt::switch(
    "extended",
    "Ask for everything that the server knows; for a service also STATE and IP of each VM",
)
.classic();

/// `--hard`
pub static HARD: Opt<()> = Opt::switch("hard", "Don't wait for the guest to agree")
    .short('f')
    .classic();

/// `--role ROLE`
pub static ROLE: Opt<String> = Opt::text("role", "ROLE", "A role of the service")
    .short('r')
    .classic();

/// `--timeout DURATION`
pub static TIMEOUT: Opt<Duration> = Opt::duration(
    "timeout",
    A_MOMENT,
    "How long one attempt may take in all (default 30), or the whole of a 'wait' (default 300); if given, printing the \
     answer is part of it",
);

/// `--connect-timeout DURATION`
pub static CONNECT_TIMEOUT: Opt<Duration> = Opt::duration(
    "connect-timeout",
    A_MOMENT,
    "How long a connection may take (default 10)",
);

/// `--retry N`
pub static RETRY: Opt<u32> = Opt::number(
    "retry",
    0,
    1_000_000,
    "Try again up to N times when there is no connection, or the answer is 429, 502, 503 or 504; never an action or a \
     scale that may have arrived (default 0)",
);

/// `--cacert FILE`
pub static CACERT: Opt<PathBuf> = Opt::path(
    "cacert",
    "FILE",
    "Trust the certificate authorities in this PEM file alone",
);

/// `--insecure`
pub static INSECURE: Opt<()> = Opt::switch(
    "insecure",
    "Don't verify the server's certificate: anybody on the way can read the token",
);

/// `--endpoint URL`
pub static ENDPOINT: Opt<String> =
    Opt::text("endpoint", "URL", "The OneGate server, http://HOST:PORT");

/// `--vmid ID`
pub static VMID: Opt<String> = Opt::text("vmid", "ID", "The id of this VM");

/// `--token-file FILE`
pub static TOKEN_FILE: Opt<PathBuf> =
    Opt::path("token-file", "FILE", "A file with this VM's token");

/// `--root DIR`
pub static ROOT: Opt<PathBuf> =
    Opt::path("root", "DIR", "Look for the context under DIR, not under /");

/// `--trace`
pub static TRACE: Opt<()> = Opt::switch(
    "trace",
    "Print each step to stderr, with the time it was taken; no token is shown",
);

/// `--help`
pub static HELP: Opt<()> = Opt::switch("help", "Show help, for one command or for all, and exit")
    .short('h')
    .classic();

/// `--version`
pub static VERSION: Opt<()> = Opt::switch("version", "Print the version and exit").short('V');

/// The options of every command that speaks to a server.
pub static ONLINE: &[&OptionEntry] = &[
    &TIMEOUT.entry,
    &CONNECT_TIMEOUT.entry,
    &RETRY.entry,
    &CACERT.entry,
    &INSECURE.entry,
];

/// The options of every command.
pub static COMMON: &[&OptionEntry] = &[
    &ENDPOINT.entry,
    &VMID.entry,
    &TOKEN_FILE.entry,
    &ROOT.entry,
    &TRACE.entry,
    &HELP.entry,
    &VERSION.entry,
];
