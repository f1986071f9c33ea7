//! `vm show`, `service show`, `vrouter show`, `vnet show`: a record as text, as JSON, or one field of it.

pub mod text;

use crate::cli::command::{Command, Surplus};
use crate::cli::options::{EXTENDED, JSON, Opt};
use crate::cli::session::{self, Session};
use crate::client::request::{self, Request};
use crate::error::Error;
use crate::objects::document::{Document, Node};
use crate::objects::json;
use crate::objects::path::JsonPath;
use crate::world::sanitize_lines;
use text::Style;

static GET: Opt<JsonPath> = Opt::json_path(
    "get",
    "Print what PATH leads to, one result a line, strings raw (with --json as JSON); exit 1 if nothing",
);

/// `vm show`
pub(super) const VM: Command = Command {
    words: "vm show",
    operands: "[ID]",
    surplus: Surplus::Ignored,
    options: &[&JSON.entry, &GET.entry],
    online: true,
    summary: "Show this VM, or a VM of the same service or virtual router",
    detail: "An empty ID, as in 'vm show \"\"', means this VM.",
    examples: &[
        "onegate vm show",
        "onegate vm show 9 --json",
        "onegate vm show --get NAME",
    ],
    run: vm,
};

/// `service show`
pub(super) const SERVICE: Command = Command {
    words: "service show",
    operands: "",
    surplus: Surplus::Ignored,
    options: &[&JSON.entry, &EXTENDED.entry, &GET.entry],
    online: true,
    summary: "Show the service of this VM, its roles and their VMs",
    detail: "",
    examples: &[
        "onegate service show --extended",
        "onegate service show --get 'roles[?@.name==\"slave\"].nodes[*].deploy_id'",
    ],
    run: service,
};

/// `vrouter show`
pub(super) const VROUTER: Command = Command {
    words: "vrouter show",
    operands: "",
    surplus: Surplus::Ignored,
    options: &[&JSON.entry, &EXTENDED.entry, &GET.entry],
    online: true,
    summary: "Show the virtual router of this VM",
    detail: "",
    examples: &["onegate vrouter show"],
    run: vrouter,
};

/// `vnet show`
pub(super) const VNET: Command = Command {
    words: "vnet show",
    operands: "ID",
    surplus: Surplus::Ignored,
    options: &[&JSON.entry, &EXTENDED.entry, &GET.entry],
    online: true,
    summary: "Show a virtual network, from a VM of a virtual router attached to it",
    detail: "",
    examples: &["onegate vnet show 0 --json"],
    run: vnet,
};

fn vm(session: &mut Session<'_, '_>) -> Result<(), Error> {
    let request = request::vm(session.id("VM")?);
    show(session, &request, "VM", &text::vm)
}

fn service(session: &mut Session<'_, '_>) -> Result<(), Error> {
    let extended = session.options.has(&EXTENDED);
    show(
        session,
        &request::service(extended),
        "SERVICE",
        &|root, style| text::service(root, extended, style),
    )
}

fn vrouter(session: &mut Session<'_, '_>) -> Result<(), Error> {
    let request = request::vrouter(session.options.has(&EXTENDED));
    show(session, &request, "VROUTER", &text::vrouter)
}

fn vnet(session: &mut Session<'_, '_>) -> Result<(), Error> {
    let id = session
        .id("VNET")?
        .ok_or(Error::Words("You have to provide a VNET ID"))?;
    let request = request::vnet(id, session.options.has(&EXTENDED));
    show(session, &request, "VNET", &text::vnet)
}

/// `outer` is the name of the record in the document.
fn show(
    session: &mut Session<'_, '_>,
    request: &Request,
    outer: &str,
    render: &dyn Fn(Node<'_>, Style) -> String,
) -> Result<(), Error> {
    let client = session.client()?;
    let document = document(session::send(&client, request)?)?;
    let root = document.root();
    require(root, outer)?;
    let json = session.options.has(&JSON);
    let text = if let Some(path) = session.options.get(&GET) {
        results(&path.select(root, outer), json, session.world.terminal)?
    } else if json {
        json::pretty(root)
    } else {
        let plain = !session.world.terminal
            || (session.world.environment)("NO_COLOR").is_some_and(|value| !value.is_empty());
        render(root, if plain { Style::Plain } else { Style::Terminal })
    };
    session.print(&text)
}

/// A response's body as JSON.
///
/// # Errors
/// [`Error::Answer`], if it is not.
pub(super) fn document(body: Vec<u8>) -> Result<Document, Error> {
    Document::new(body).map_err(|why| strange(&format!("is not JSON: {why}")))
}

/// # Errors
/// [`Error::Answer`], if the document holds no such record.
pub(super) fn require(root: Node<'_>, outer: &str) -> Result<(), Error> {
    if root.get(outer).is_object() {
        return Ok(());
    }
    Err(strange(&format!("holds no {outer}")))
}

fn strange(what: &str) -> Error {
    Error::Answer(format!(
        "The server's answer {what}.\nDoes something else than OneGate listen there?"
    ))
}

/// What `--get` found, a line each. A string is raw, but never to a terminal.
fn results(found: &[Node<'_>], json: bool, terminal: bool) -> Result<String, Error> {
    if found.is_empty() {
        return Err(Error::NoMatch);
    }
    let mut text = String::new();
    for node in found {
        if json || !node.is_string() {
            text.push_str(&json::compact(*node));
        } else if terminal {
            text.push_str(&sanitize_lines(&node.text()));
        } else {
            text.push_str(&node.text());
        }
        text.push('\n');
    }
    Ok(text)
}
