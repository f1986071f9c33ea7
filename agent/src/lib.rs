//! `onegate`: a VM's own voice in an OpenNebula cloud.
//!
//! argv -> [`cli::Invocation`] -> [`context::Context`] -> [`request::Request`] -> [`client::Client`] ->
//! [`document::Document`] -> [`output`]. Each arrow is a function from plain data to plain data; only the context and
//! the client do I/O.

pub mod api;
pub mod attribute;
pub mod cli;
pub mod client;
pub mod context;
pub mod doctor;
pub mod document;
pub mod error;
pub mod jitter;
pub mod metrics;
pub mod output;
pub mod request;
pub mod settings;
pub mod state;
pub mod wait;

use cli::table::{Command, Opt};
use cli::{Invocation, Options, Parsed};
use client::Answer;
use context::{Context, Lookup, Missing};
use document::{Document, Node};
use error::Error;
use output::path::Path;
use output::peers;
use output::text::Style;
use request::Request;
use settings::Patience;
use std::ffi::OsString;
use std::io::{Read as _, Write};

/// What surrounds a command.
pub struct World<'a> {
    /// The environment: a variable's name to its value.
    pub environment: &'a dyn Fn(&str) -> Option<OsString>,
    /// Is stdout a terminal?
    pub terminal: bool,
    /// Is stderr a terminal?
    pub err_terminal: bool,
    /// stdout
    pub out: &'a mut dyn Write,
    /// stderr
    pub err: &'a mut dyn Write,
}

/// Does what the command line says; the result is the exit code. `args` is without the program's name.
pub fn run(args: impl IntoIterator<Item = OsString>, world: &mut World<'_>) -> u8 {
    match cli::parse(args).and_then(|parsed| carry_out(parsed, world)) {
        Ok(()) => error::OK,
        Err(error) => {
            let words = error.to_string();
            if !words.is_empty() {
                // Nowhere is left to say that stderr can't be written.
                let _ = writeln!(world.err, "{words}");
            }
            error.exit_code()
        }
    }
}

fn carry_out(parsed: Parsed, world: &mut World<'_>) -> Result<(), Error> {
    let text = match parsed {
        Parsed::Print(text) => text,
        Parsed::Run(invocation) => perform(&invocation, world)?,
    };
    write(&text, world)
}

fn write(text: &str, world: &mut World<'_>) -> Result<(), Error> {
    world
        .out
        .write_all(text.as_bytes())
        .and_then(|()| world.out.flush())
        .map_err(Error::Output)
}

/// What a command has to ask the server.
enum Task {
    Metrics(metrics::Plan),
    Requests(Vec<Request>),
    Wait(wait::Goal, Request),
}

/// Carries a command out; the result is what goes to stdout.
fn perform(invocation: &Invocation, world: &mut World<'_>) -> Result<String, Error> {
    let options = &invocation.options;
    // Before anything is looked up or sent: what can't be right needs neither context nor server.
    let patience = Patience::of(invocation)?;
    let get = options
        .last(Opt::Get)
        .map(Path::parse)
        .transpose()
        .map_err(Error::Usage)?;
    let task = match invocation.command.command {
        Command::VmWait | Command::ServiceWait => {
            let (goal, request) = wait::plan(invocation, patience.whole)?;
            Task::Wait(goal, request)
        }
        Command::Metrics => Task::Metrics(metrics::Plan::of(options)?),
        _ => Task::Requests(api::requests(invocation, &read)?),
    };
    let root = std::path::Path::new(options.last(Opt::Root).unwrap_or("/"));
    if let Task::Metrics(plan) = &task
        && !plan.push
    {
        return metrics::report(plan, root, None, world).map(|()| String::new());
    }
    let found = look_up(options, world);
    match invocation.command.command {
        Command::ContextShow => {
            let text = output::context::show(&found);
            return match found {
                Ok(_) => Ok(text),
                // What there is goes to stdout all the same, why it isn't more to stderr.
                Err(why) => write(&text, world).and(Err(Error::Missing(why))),
            };
        }
        Command::ContextEnv => {
            let env = found.map(|context| output::context::env(&context));
            return env.map_err(Error::Missing);
        }
        Command::Doctor => return examine(found, options, &patience, world),
        _ => {}
    }
    let client = settings::client(found.map_err(Error::Missing)?, options, &patience, world)?;
    let unverified = client.is_unverified().then(|| UNVERIFIED.to_owned());
    for warning in api::warnings(options).into_iter().chain(unverified) {
        warn(world, &warning);
    }
    let requests = match task {
        Task::Wait(goal, request) => {
            wait::wait(&goal, &request, &client, world)?;
            return Ok(String::new());
        }
        Task::Metrics(plan) => {
            metrics::report(&plan, root, Some(&client), world)?;
            return Ok(String::new());
        }
        Task::Requests(requests) => requests,
    };
    let mut text = String::new();
    for (done, request) in requests.iter().enumerate() {
        let answer = client.send(request, None).map_err(Error::Connection);
        let body = answer
            .and_then(|answer| accept(answer, request))
            .inspect_err(|_| {
                if done > 0 {
                    let of = requests.len();
                    warn(
                        world,
                        &format!("{done} of {of} requests were carried out before this one failed"),
                    );
                }
            })?;
        text = show(invocation, get.as_ref(), body, world)?;
    }
    Ok(text)
}

/// What `doctor` found goes to stdout, why the first step failed to stderr.
fn examine(
    found: Result<Context, Box<Missing>>,
    options: &Options,
    patience: &Patience,
    world: &mut World<'_>,
) -> Result<String, Error> {
    let mut report = doctor::Report::default();
    report.context(&found);
    let outcome = found.map_err(Error::Missing).and_then(|context| {
        let client = settings::client(context, options, patience, world)
            .inspect_err(|error| report.settings(error))?;
        report.ask(&client)
    });
    write(report.text(), world)?;
    outcome.map(|()| String::new())
}

const UNVERIFIED: &str = "the server's certificate is not verified (--insecure or \
    ONEGATE_INSECURE): anybody on the way can read the token";

/// A file of the caller's, or standard input for `-`.
fn read(file: &str) -> std::io::Result<Vec<u8>> {
    if file == "-" {
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes)?;
        return Ok(bytes);
    }
    std::fs::read(file)
}

fn warn(world: &mut World<'_>, what: &str) {
    let words = output::text::harmless_lines(what);
    // Nowhere is left to say that stderr can't be written.
    let _ = writeln!(world.err, "onegate: warning: {words}");
}

fn look_up(options: &Options, world: &World<'_>) -> Result<Context, Box<Missing>> {
    context::find(&Lookup {
        endpoint: options.last(Opt::Endpoint),
        vmid: options.last(Opt::Vmid),
        token_file: options.last(Opt::TokenFile).map(std::path::Path::new),
        environment: world.environment,
        root: std::path::Path::new(options.last(Opt::Root).unwrap_or("/")),
    })
}

/// The body of an answer that means success.
fn accept(answer: Answer, request: &Request) -> Result<Vec<u8>, Error> {
    match answer.status {
        200..300 => Ok(answer.body),
        status @ 300..400 => Err(Error::Answer(format!(
            "The server answered {} with a redirect ({status}) to {}, which is not followed: the token would go along.\n\
             If OneGate has moved, change ONEGATE_ENDPOINT.",
            request.path,
            answer.location.unwrap_or_else(|| "nowhere".to_owned())
        ))),
        status => {
            let words = String::from_utf8_lossy(&answer.body);
            let words = words.trim();
            Err(Error::Refused(if words.is_empty() {
                format!("HTTP status {status}")
            } else {
                words.to_owned()
            }))
        }
    }
}

/// What stdout gets to see of an answer: of a change, nothing.
fn show(
    invocation: &Invocation,
    get: Option<&Path>,
    body: Vec<u8>,
    world: &World<'_>,
) -> Result<String, Error> {
    let options = &invocation.options;
    let command = invocation.command.command;
    let outer = match command {
        Command::VmShow => "VM",
        Command::ServiceShow | Command::ServicePeers => "SERVICE",
        Command::VrouterShow => "VROUTER",
        Command::VnetShow => "VNET",
        _ => return Ok(String::new()),
    };
    let strange = |what| {
        Error::Answer(format!(
            "The server's answer {what}.\nDoes something else than OneGate listen there?"
        ))
    };
    let document = Document::new(body).map_err(|why| strange(format!("is not JSON: {why}")))?;
    let root = document.root();
    if let Some(path) = get {
        return results(
            &path.select(root, outer),
            options.has(Opt::Json),
            world.terminal,
        );
    }
    if options.has(Opt::Json) && command != Command::ServicePeers {
        return Ok(output::json::pretty(root));
    }
    if !root.get(outer).is_object() {
        return Err(strange(format!("holds no {outer}")));
    }
    let plain =
        !world.terminal || (world.environment)("NO_COLOR").is_some_and(|value| !value.is_empty());
    let style = if plain { Style::Plain } else { Style::Terminal };
    Ok(match command {
        Command::ServicePeers => return list(root, options, world.terminal),
        Command::ServiceShow => output::text::service(root, options.has(Opt::Extended), style),
        Command::VrouterShow => output::text::vrouter(root, style),
        Command::VnetShow => output::text::vnet(root, style),
        _ => output::text::vm(root, style),
    })
}

fn list(root: Node<'_>, options: &Options, terminal: bool) -> Result<String, Error> {
    let format = match (options.has(Opt::Json), terminal) {
        (true, _) => peers::Format::Json,
        (false, true) => peers::Format::Columns,
        (false, false) => peers::Format::Tabs,
    };
    let role = options.last(Opt::Role);
    peers::peers(root, role, format).ok_or_else(|| {
        Error::Usage(format!(
            "the service has no role '{}'",
            role.unwrap_or_default()
        ))
    })
}

/// What `--get` found, a line each. A string is raw, but never to a terminal.
fn results(found: &[Node<'_>], json: bool, terminal: bool) -> Result<String, Error> {
    if found.is_empty() {
        return Err(Error::NoMatch);
    }
    let mut text = String::new();
    for node in found {
        if json || !node.is_string() {
            text.push_str(&output::json::compact(*node));
        } else if terminal {
            text.push_str(&output::text::harmless_lines(&node.text()));
        } else {
            text.push_str(&node.text());
        }
        text.push('\n');
    }
    Ok(text)
}
