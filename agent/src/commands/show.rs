//! `vm show`, `service show`, `vrouter show`, `vnet show`: a record as text, as JSON, or one field of it.

pub mod text;

use super::watch::{self, Output, watched};
use crate::cli::command::{Command, Surplus};
use crate::cli::options::{EXTENDED, JSON, Opt};
use crate::cli::session::Session;
use crate::client::request::{self, Request};
use crate::error::Error;
use crate::objects::document::{Document, Node};
use crate::objects::json;
use crate::objects::path::{Budget, JsonPath};
use crate::objects::record::node_id;
use crate::world::sanitize_lines;
use base64::Engine as _;
use text::Style;

static GET: Opt<JsonPath> = Opt::json_path(
    "get",
    "Print what PATH leads to, one result a line, strings raw (with --json as JSON); exit 1 if nothing",
);

static DECODE: Opt<()> = Opt::switch(
    "decode",
    "Decode what --get found from base64, as 'vm update --base64' stored it",
);

/// `vm show`
pub(super) const VM: Command = Command {
    words: "vm show",
    operands: "[ID]",
    surplus: Surplus::Ignored,
    options: watched![&JSON.entry, &GET.entry, &DECODE.entry],
    online: true,
    summary: "Show this VM, or a VM of the same service or virtual router",
    detail: "\
An empty ID, as in 'vm show \"\"', means this VM. --get takes the name of an attribute alone, too: CERT is \
USER_TEMPLATE.CERT.",
    examples: &[
        "onegate vm show",
        "onegate vm show 9 --json",
        "onegate vm show --get NAME",
        "onegate vm show 9 --watch --once --exec cat",
    ],
    run: vm,
};

/// `service show`
pub(super) const SERVICE: Command = Command {
    words: "service show",
    operands: "",
    surplus: Surplus::Ignored,
    options: watched![&JSON.entry, &EXTENDED.entry, &GET.entry, &DECODE.entry],
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
    options: watched![&JSON.entry, &EXTENDED.entry, &GET.entry, &DECODE.entry],
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
    options: watched![&JSON.entry, &EXTENDED.entry, &GET.entry, &DECODE.entry],
    online: true,
    summary: "Show a virtual network, from a VM of a virtual router attached to it",
    detail: "",
    examples: &["onegate vnet show 0 --json"],
    run: vnet,
};

fn vm(session: &mut Session<'_, '_>) -> Result<(), Error> {
    let request = request::vm(session.id("VM")?);
    show(session, request, "VM", Box::new(text::vm))
}

fn service(session: &mut Session<'_, '_>) -> Result<(), Error> {
    let extended = session.options.has(&EXTENDED);
    show(
        session,
        request::service(extended),
        "SERVICE",
        Box::new(move |root, style| text::service(root, extended, style)),
    )
}

fn vrouter(session: &mut Session<'_, '_>) -> Result<(), Error> {
    let request = request::vrouter(session.options.has(&EXTENDED));
    show(session, request, "VROUTER", Box::new(text::vrouter))
}

fn vnet(session: &mut Session<'_, '_>) -> Result<(), Error> {
    let id = session
        .id("VNET")?
        .ok_or(Error::Words("You have to provide a VNET ID"))?;
    let request = request::vnet(id, session.options.has(&EXTENDED));
    show(session, request, "VNET", Box::new(text::vnet))
}

/// Makes text of a document.
type Text = Box<dyn Fn(Node<'_>, Style) -> String + Send>;

/// `outer` is the name of the record in the document.
fn show(
    session: &mut Session<'_, '_>,
    request: Request,
    outer: &'static str,
    render: Text,
) -> Result<(), Error> {
    let options = &session.options;
    let (json, decode) = (options.has(&JSON), options.has(&DECODE));
    let path = options.get(&GET).cloned();
    if decode && path.is_none() {
        return Err(Error::Usage("--decode needs --get PATH".to_owned()));
    }
    let strict = watch::is_strict(options);
    let elsewhere = watch::is_elsewhere(options);
    let terminal = session.world.terminal && !elsewhere;
    let plain =
        !terminal || (session.world.environment)("NO_COLOR").is_some_and(|value| !value.is_empty());
    let source = watch::source(options, request, None);
    let result = move |documents: &[&Document]| {
        let root = documents
            .first()
            .map_or(Node::NULL, |document| document.root());
        require(root, outer)?;
        if strict && outer == "SERVICE" {
            complete(root.get(outer))?;
        }
        if let Some(path) = &path {
            let mut budget = Budget::default();
            let wide = |why| Error::Usage(format!("--get: {why}"));
            let mut found = path.select(root, outer, &mut budget).map_err(wide)?;
            if found.is_empty() && outer == "VM" {
                let vm = root.get(outer);
                found = path
                    .select_near(vm, vm.get("USER_TEMPLATE"), &mut budget)
                    .map_err(wide)?;
            }
            if found.is_empty() && (path.is_singular() || !strict) {
                return Err(Error::NoMatch);
            }
            let mut bytes = decoded(&found, json, decode)?;
            if elsewhere && found.len() == 1 && bytes.ends_with(b"\n\n") {
                // A file as it was stored, not a line more.
                bytes.pop();
            }
            if terminal {
                bytes = sanitize_lines(&String::from_utf8_lossy(&bytes)).into_bytes();
            }
            return Ok(Output {
                bytes,
                ..Output::default()
            });
        }
        if json {
            return Ok(json::pretty(root).into());
        }
        Ok(render(root, if plain { Style::Plain } else { Style::Terminal }).into())
    };
    watch::run(session, source, Box::new(result))
}

/// # Errors
/// [`Error::Answer`], if a service's record is not all there: oned was busy, and the server did not learn what it wanted
/// to know of a VM.
pub(super) fn complete(service: Node<'_>) -> Result<(), Error> {
    let roles = service.get("roles");
    if !roles.is_list() {
        return Err(strange("holds no list of roles"));
    }
    for role in roles.each() {
        let nodes = role.get("nodes");
        let name = role.get("name").text();
        if nodes.is_null() && !matches!(role.get("cardinality").text().as_str(), "" | "0") {
            return Err(Error::Answer(format!("role {name} comes without its VMs")));
        }
        if let Some(node) = nodes.each().find(|node| node.get("vm_info").is_null()) {
            let id = node_id(node);
            return Err(Error::Answer(format!(
                "VM {id} comes without its record: oned may be busy"
            )));
        }
    }
    Ok(())
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

/// What `--get` found, a line each, strings raw. With `decode` the bytes that they stand for, and nothing more.
///
/// # Errors
/// [`Error::Answer`], if something is not base64.
pub(super) fn decoded(found: &[Node<'_>], json: bool, decode: bool) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    for node in found {
        if decode {
            let text: Vec<u8> = node
                .text()
                .bytes()
                .filter(|byte| !byte.is_ascii_whitespace())
                .collect();
            let plain = base64::engine::general_purpose::STANDARD.decode(text);
            let wrong = |_| {
                Error::Answer("what --get leads to is not base64: it can't be decoded".to_owned())
            };
            bytes.extend(plain.map_err(wrong)?);
            continue;
        }
        if json || !node.is_string() {
            bytes.extend(json::compact(*node).bytes());
        } else {
            bytes.extend(node.text().bytes());
        }
        bytes.push(b'\n');
    }
    Ok(bytes)
}
