//! `onegate`: a VM's own voice in an OpenNebula cloud.
//!
//! argv -> [`cli::Invocation`] -> [`context::Context`] -> [`api::Request`] -> [`client::Client`] ->
//! [`document::Document`] -> [`output`]. Each arrow is a function from plain data to plain data; only the context and
//! the client do I/O.

pub mod api;
pub mod attribute;
pub mod cli;
pub mod client;
pub mod context;
pub mod document;
pub mod error;
pub mod output;
pub mod state;

use api::Request;
use cli::table::{Command, Opt};
use cli::{Invocation, Options, Parsed};
use client::{Answer, Client, Endpoint, Proxies, Settings, Trust};
use context::{Context, Lookup, Missing};
use document::Document;
use error::Error;
use output::path::Path;
use output::text::Style;
use std::ffi::OsString;
use std::io::{Read as _, Write};

/// What surrounds a command.
pub struct World<'a> {
    /// The environment: a variable's name to its value.
    pub environment: &'a dyn Fn(&str) -> Option<OsString>,
    /// Is stdout a terminal?
    pub terminal: bool,
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

/// Carries a command out; the result is what goes to stdout.
fn perform(invocation: &Invocation, world: &mut World<'_>) -> Result<String, Error> {
    // Before anything is looked up: what can't be right needs no context.
    let requests = api::requests(invocation, &read)?;
    let get = invocation.options.last(Opt::Get).map(Path::parse);
    let get = get.transpose().map_err(Error::Usage)?;
    for warning in api::warnings(&invocation.options) {
        warn(world, &warning);
    }
    let found = look_up(&invocation.options, world);
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
            return found
                .map(|context| output::context::env(&context))
                .map_err(Error::Missing);
        }
        _ => {}
    }
    let client = connect(found.map_err(Error::Missing)?, world)?;
    let mut text = String::new();
    for (done, request) in requests.iter().enumerate() {
        let answer = client.send(request).map_err(Error::Connection);
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

fn connect(context: Context, world: &World<'_>) -> Result<Client, Error> {
    let url = &context.endpoint.value;
    let place = &context.endpoint.place;
    let endpoint = Endpoint::parse(url).map_err(|what| {
        Error::Endpoint(format!("the endpoint '{url}' {what} (it is from {place})"))
    })?;
    let variable =
        |name: &str| (world.environment)(name).and_then(|value| value.into_string().ok());
    let proxies = Proxies {
        http: variable("http_proxy"),
        https: variable("https_proxy"),
        none: variable("no_proxy"),
    };
    let proxy = proxies.on_the_way(&endpoint).map_err(Error::Endpoint)?;
    let trust = Trust {
        ca_cert: context.tls.ca_pem().map_err(Error::Endpoint)?,
        ca_file: context.tls.ca_file.map(|found| found.value),
        insecure: context.tls.insecure.is_some_and(|found| found.value),
    };
    let settings = Settings {
        endpoint,
        place: context.endpoint.place,
        vmid: context.vmid.value,
        token: context.token.value,
        trust,
        proxy,
    };
    Client::new(settings).map_err(Error::Connection)
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
    let outer = match invocation.command.command {
        Command::VmShow => "VM",
        Command::ServiceShow => "SERVICE",
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
    if options.has(Opt::Json) {
        return Ok(output::json::pretty(root));
    }
    if !root.get(outer).is_object() {
        return Err(strange(format!("holds no {outer}")));
    }
    let plain =
        !world.terminal || (world.environment)("NO_COLOR").is_some_and(|value| !value.is_empty());
    let style = if plain { Style::Plain } else { Style::Terminal };
    Ok(match outer {
        "SERVICE" => output::text::service(root, options.has(Opt::Extended), style),
        "VROUTER" => output::text::vrouter(root, style),
        "VNET" => output::text::vnet(root, style),
        _ => output::text::vm(root, style),
    })
}

/// What `--get` found, a line each. A string is raw, but never to a terminal.
fn results(found: &[document::Node<'_>], json: bool, terminal: bool) -> Result<String, Error> {
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
