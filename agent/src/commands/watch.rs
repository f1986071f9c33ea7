//! What becomes of a result: it is printed, written to a file, given to a program; once, or with `--watch` whenever it
//! differs. An error is never a change: the last result stays until a complete answer brings another one.
//!
//! One thread asks the server. The main thread waits for events: results, the end of a program, signals. So a program
//! runs while the next result is awaited, and there is one place that says what happens next.

pub(crate) mod child;
mod inbox;
pub(super) mod poll;
pub(super) mod source;
pub(super) mod target;

use crate::cli::options::{Opt, Options};
use crate::cli::session::{Session, limit};
use crate::client::Client;
use crate::client::request::Request;
use crate::error::Error;
use crate::objects::document::Document;
use crate::replace::Replacement;
use crate::world::World;
use child::Group;
use inbox::Inbox;
use nix::sys::signal::Signal;
use poll::Trouble;
use source::{Follow, Source};
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::{Duration, Instant};
use target::{EXEC, OUTPUT, Target};

/// `--watch`
pub(super) static WATCH: Opt<()> = Opt::switch(
    "watch",
    "Go on, and print the result again whenever it differs; an error is not a change",
);

/// `--once`
pub(super) static ONCE: Opt<()> = Opt::switch(
    "once",
    "Stop after the first result; unlike a plain run, wait for one past any outage",
);

/// `--interval DURATION`
pub(super) static INTERVAL: Opt<Duration> = Opt::duration(
    "interval",
    Duration::from_millis(100),
    "Ask a server that cannot say when something changes at least once in DURATION (default 30)",
);

/// A command's options, and those of this module.
macro_rules! watched {
    ($($own:expr),* $(,)?) => {
        &[
            $($own,)*
            &$crate::commands::watch::WATCH.entry,
            &$crate::commands::watch::ONCE.entry,
            &$crate::commands::watch::INTERVAL.entry,
            &$crate::commands::watch::target::OUTPUT.entry,
            &$crate::commands::watch::target::MODE.entry,
            &$crate::commands::watch::target::CHECK.entry,
            &$crate::commands::watch::target::EXEC.entry,
        ]
    };
}
pub(super) use watched;

/// Before something that failed is tried again; it doubles each time.
const FIRST_RETRY: Duration = Duration::from_millis(500);
/// At most that long.
const LONGEST_RETRY: Duration = Duration::from_secs(60);

/// What a command makes of its documents.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Output {
    /// The result.
    pub(super) bytes: Vec<u8>,
    /// What is missing in it, and why.
    pub(super) warnings: Vec<String>,
}

impl From<String> for Output {
    fn from(text: String) -> Output {
        Output {
            bytes: text.into_bytes(),
            warnings: Vec::new(),
        }
    }
}

/// Makes the result.
pub(super) type Render = Box<dyn Fn(&[&Document]) -> Result<Output, Error> + Send>;

/// `--interval`, or else the default.
pub(super) fn interval(options: &Options) -> Duration {
    options
        .get(&INTERVAL)
        .copied()
        .unwrap_or(poll::LONGEST_PAUSE)
}

/// Must a result be complete, as something happens on it? A plain run prints what there is.
pub(super) fn is_strict(options: &Options) -> bool {
    is_watching(options) || is_elsewhere(options)
}

/// Does the result go to a file or a program, not to stdout?
pub(super) fn is_elsewhere(options: &Options) -> bool {
    options.has(&OUTPUT) || options.has(&EXEC)
}

/// Where the documents come from; with `follow` those too that the first one names.
pub(super) fn source(options: &Options, request: Request, follow: Option<Follow>) -> Source {
    Source::new(request, follow, interval(options))
}

fn is_watching(options: &Options) -> bool {
    options.has(&WATCH) || options.has(&ONCE)
}

/// What happens to the main thread.
#[derive(Debug)]
enum Event {
    Result(Output),
    /// There is no result now, and why.
    Trouble(Cause, String),
    /// It is over, and the result is still the same.
    Over,
    /// Going on is of no use.
    Failed(Error),
    /// The program that runs has ended.
    Ended(io::Result<ExitStatus>),
    Signal(Signal),
}

/// Why there is no result now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// The server can't be asked, or its answer can't be used.
    Server,
    /// Its answer holds nothing of what is wanted.
    Nothing,
}

impl Cause {
    /// What to say when there is a result.
    fn over(self) -> &'static str {
        match self {
            Cause::Server => "the server answers again",
            Cause::Nothing => "--get leads to something now",
        }
    }
}

/// Asks for the documents and does with the result what the options say.
///
/// # Errors
/// Those of asking and rendering; without `--watch`, and where there has been no result yet, also those of writing and
/// of the programs.
pub(super) fn run(
    session: &mut Session<'_, '_>,
    source: Source,
    render: Render,
) -> Result<(), Error> {
    let inbox = Inbox::new();
    let options = &session.options;
    let target = Target::new(options)?;
    let (watching, once) = (is_watching(options), options.has(&ONCE));
    if !watching && options.has(&INTERVAL) {
        return Err(Error::Usage("--interval needs --watch".to_owned()));
    }
    let context = session.context().map_err(Error::Missing)?;
    let mut variables = child::credentials(&context);
    session.override_tls(&mut variables);
    let client = session.client_with(context)?;
    if target.runs_programs() {
        child::signals(inbox.clone())?;
    }
    let mut watch = Watch {
        world: session.world,
        target,
        variables,
        inbox,
        state: State::default(),
    };
    let outcome = if watching {
        let inbox = watch.inbox.clone();
        std::thread::spawn(move || follow(source, &client, &render, &inbox));
        watch.watch(once)
    } else {
        let documents = source.fetch(&client, || {
            // A program that is run takes the time that it takes.
            match watch.target.runs_programs() {
                true => Ok(()),
                false => limit(&session.options, &client),
            }
        })?;
        let output = render(&documents.iter().collect::<Vec<_>>())?;
        watch.deliver(&output).map_err(Failure::into_error)
    };
    match outcome {
        // Here nothing is left to clean up.
        Err(Error::Signal(signal)) => Err(child::die(signal)),
        other => other,
    }
}

/// Asks again and again; what comes of it are events.
fn follow(mut source: Source, client: &Client, render: &Render, inbox: &Inbox<Event>) {
    let mut last: Option<Output> = None;
    let mut said: Option<Cause> = None;
    let mut render_again = false;
    loop {
        let outcome = source.ask(client).and_then(|changed| {
            if !changed && !render_again {
                return Ok(None);
            }
            render_again = true;
            let output = render(&source.documents()).map_err(Trouble::Lasting)?;
            render_again = false;
            Ok(Some(output))
        });
        let event = match outcome {
            Ok(Some(output)) if last.as_ref() != Some(&output) => {
                source.hurry();
                said = None;
                let copy = Output {
                    bytes: output.bytes.clone(),
                    warnings: output.warnings.clone(),
                };
                last = Some(copy);
                Some(Event::Result(output))
            }
            Ok(_) => said.take().map(|_| Event::Over),
            // An answer that is none may be one that was cut off, and a value may be on its way.
            Err(Trouble::Lasting(error))
                if last.is_none() && !matches!(error, Error::Answer(_) | Error::NoMatch) =>
            {
                Some(Event::Failed(error))
            }
            Err(trouble) => {
                let (cause, what) = match trouble {
                    Trouble::Passing(what) => (Cause::Server, what),
                    Trouble::Lasting(Error::NoMatch) => {
                        (Cause::Nothing, "--get leads to nothing".to_owned())
                    }
                    Trouble::Lasting(error) => (Cause::Server, error.to_string()),
                };
                // Said once, not at each attempt: an outage shall not fill a log.
                (said.replace(cause) != Some(cause)).then_some(Event::Trouble(cause, what))
            }
        };
        if let Some(event) = event {
            inbox.send(event);
        }
        std::thread::sleep(source.pause(client));
    }
}

/// Why a result has not reached its place.
#[derive(Debug)]
enum Failure {
    /// Can be tried again.
    Passing(Error),
    /// A signal, or nobody reads stdout.
    Final(Error),
}

impl Failure {
    fn into_error(self) -> Error {
        match self {
            Failure::Passing(error) | Failure::Final(error) => error,
        }
    }
}

struct Watch<'s, 'w> {
    world: &'s mut World<'w>,
    target: Target,
    variables: Vec<(&'static str, Option<OsString>)>,
    inbox: Inbox<Event>,
    state: State,
}

#[derive(Debug, Default)]
struct State {
    /// A result that has not been delivered yet.
    next: Option<Output>,
    /// The program that runs, and how it ended.
    group: Option<Group>,
    ended: Option<io::Result<ExitStatus>>,
    /// Has a program run with a result before, and succeeded?
    is_later: bool,
    warned: Vec<String>,
    has_result: bool,
    trouble: Option<Cause>,
}

impl Watch<'_, '_> {
    fn watch(mut self, once: bool) -> Result<(), Error> {
        let mut again: Option<(Output, Instant)> = None;
        let mut pause = FIRST_RETRY;
        loop {
            let due = again.as_ref().map(|(_, due)| *due);
            let output = match self.next(due)? {
                Some(newer) => {
                    pause = FIRST_RETRY;
                    newer
                }
                None => match again.take() {
                    Some((output, _)) => output,
                    None => continue,
                },
            };
            again = None;
            match self.deliver(&output) {
                Ok(()) if once => return Ok(()),
                Ok(()) => {}
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Passing(error)) => {
                    let after = crate::cli::duration::shown(pause);
                    self.world.warn(&format!(
                        "{}\nTrying again in {after}",
                        error.to_string().trim_start_matches("onegate: ")
                    ));
                    again = Some((output, Instant::now() + pause));
                    pause = (pause * 2).min(LONGEST_RETRY);
                }
            }
        }
    }

    /// The next result, or `None` when the time to try the last one again has come.
    fn next(&mut self, due: Option<Instant>) -> Result<Option<Output>, Error> {
        loop {
            // The newest counts.
            while let Some(event) = self.inbox.take(Some(Instant::now())) {
                self.take(event)?;
            }
            if let Some(output) = self.state.next.take() {
                return Ok(Some(output));
            }
            match self.inbox.take(due) {
                Some(event) => self.take(event)?,
                None => return Ok(None),
            }
        }
    }

    fn take(&mut self, event: Event) -> Result<(), Error> {
        match event {
            Event::Result(output) => {
                self.is_over();
                self.state.has_result = true;
                self.state.next = Some(output);
            }
            Event::Trouble(cause, what) => {
                self.state.trouble = Some(cause);
                let what = what.trim_start_matches("ERROR: \n");
                let so = match self.state.has_result {
                    true => "the last result stays",
                    false => "there is no result yet",
                };
                self.world.warn(&format!("{what}\nStill watching; {so}."));
            }
            Event::Over => self.is_over(),
            Event::Failed(error) => return Err(error),
            Event::Ended(how) => self.state.ended = Some(how),
            Event::Signal(signal) => {
                if let Some(group) = self.state.group {
                    group.signal(signal);
                }
                if child::ends(signal) {
                    // The program decides how long its end takes.
                    self.wait();
                    return Err(Error::Signal(signal as i32));
                }
            }
        }
        Ok(())
    }

    fn is_over(&mut self) {
        if let Some(cause) = self.state.trouble.take() {
            self.world.warn(cause.over());
        }
    }

    /// Waits for the end of the program that runs, if any, and passes further signals on.
    fn wait(&mut self) {
        while let (Some(group), None) = (self.state.group, &self.state.ended) {
            match self.inbox.take(None) {
                Some(Event::Ended(how)) => self.state.ended = Some(how),
                Some(Event::Signal(signal)) => group.signal(signal),
                _ => {}
            }
        }
    }

    /// Prints, writes, runs.
    fn deliver(&mut self, output: &Output) -> Result<(), Failure> {
        if output.warnings != self.state.warned {
            for warning in &output.warnings {
                self.world.warn(warning);
            }
            self.state.warned.clone_from(&output.warnings);
        }
        if let Some(path) = self.target.output.clone() {
            self.write(&path, &output.bytes)?;
        }
        if let Some(command) = self.target.exec.clone() {
            let event = if self.state.is_later {
                "change"
            } else {
                "first"
            };
            self.variables.retain(|(name, _)| *name != EVENT);
            self.variables.push((EVENT, Some(event.into())));
            self.execute(&command, Some(&output.bytes), None)?;
            self.state.is_later = true;
        } else if self.target.output.is_none() {
            let printed = self.world.out.write_all(&output.bytes);
            let printed = printed.and_then(|()| self.world.out.flush());
            printed.map_err(|error| Failure::Final(Error::Output(error)))?;
        }
        Ok(())
    }

    fn write(&mut self, path: &PathBuf, content: &[u8]) -> Result<(), Failure> {
        let failed = |error: io::Error| {
            Failure::Passing(Error::Usage(format!(
                "cannot write {}: {error}",
                path.display()
            )))
        };
        let replacement = Replacement {
            path,
            content,
            mode: self.target.mode,
        };
        let Some(staged) = replacement.stage().map_err(failed)? else {
            return Ok(());
        };
        if let Some(program) = self.target.check.clone() {
            let said = child::memory(&[]).map_err(failed)?;
            let new = staged.path.to_string_lossy().into_owned();
            let checked = self.execute(&[program, new], None, Some(&said));
            checked.map_err(|failure| match failure {
                Failure::Passing(error) => Failure::Passing(Error::Usage(format!(
                    "{} stays as it is: {}\n{}",
                    path.display(),
                    error.to_string().trim_start_matches("onegate: "),
                    child::written(said)
                ))),
                other => other,
            })?;
        }
        staged.commit().map_err(failed)
    }

    /// Runs a program to its end, meanwhile taking what else happens.
    fn execute(
        &mut self,
        command: &[String],
        input: Option<&[u8]>,
        output: Option<&std::fs::File>,
    ) -> Result<(), Failure> {
        let program = &command[0];
        let started = child::start(command, &self.variables, input, output, &self.inbox);
        let started = started.map_err(|error| {
            Failure::Passing(Error::Usage(format!("cannot run '{program}': {error}")))
        })?;
        self.state.group = Some(started);
        self.state.ended = None;
        let ended = loop {
            if let Some(ended) = self.state.ended.take() {
                break ended;
            }
            if let Some(event) = self.inbox.take(None) {
                self.take(event).map_err(Failure::Final)?;
            }
        };
        self.state.group = None;
        match child::failure(program, &ended) {
            None => Ok(()),
            Some(what) => Err(Failure::Passing(Error::Usage(what))),
        }
    }
}

/// Tells a program whether it runs for the first time: `first` or `change`.
const EVENT: &str = "ONEGATE_EVENT";
