//! `service peers` and `vrouter peers`: the VMs of the service, or those that a virtual router serves, a line each.

mod format;
mod list;

use super::condition::Condition;
use super::show::{complete, decoded, require};
use super::watch::{self, Output, watched};
use crate::cli::command::{Command, Surplus};
use crate::cli::options::{JSON, Opt, Options, ROLE};
use crate::cli::session::Session;
use crate::client::request::{self, Request};
use crate::error::Error;
use crate::limits::MAX_NETWORKS;
use crate::objects::document::{Document, Node};
use crate::objects::path::{Budget, JsonPath};
use crate::world::{sanitize, sanitize_lines};
use format::Format;
use list::{Layout, Peer};

static WHERE: Opt<String> = Opt::text(
    "where",
    "CONDITION",
    "Only VMs of which this is true: KEY, KEY=VALUE or KEY!=VALUE, as in 'vm wait'; repeatable",
);

static FORMAT: Opt<String> = Opt::text(
    "format",
    "TEXT",
    "A line like this for each VM, with {NAME}, {IP}, {ATTRIBUTE} or {PATH} filled in",
);

static STRICT: Opt<()> = Opt::switch(
    "strict",
    "Fail if a VM lacks what --format names, instead of leaving it out with a warning",
);

static LEADER: Opt<()> = Opt::switch(
    "leader",
    "Only the VM with the lowest id: print the id. This is not a lock",
);

static GET: Opt<JsonPath> = Opt::json_path(
    "get",
    "Print what PATH leads to in each VM's record, one result a line, strings raw (with --json as JSON)",
);

/// `service peers`
pub(super) const SERVICE: Command = Command {
    words: "service peers",
    operands: "",
    surplus: Surplus::Refused,
    options: watched![
        &ROLE.entry,
        &WHERE.entry,
        &FORMAT.entry,
        &STRICT.entry,
        &GET.entry,
        &LEADER.entry,
        &JSON.entry,
    ],
    online: true,
    summary: "List the VMs of the service: ID, role, name, state and addresses, a line each",
    detail: "\
Aligned on a terminal; elsewhere without a heading and separated by tabs.
--format fills in ID, ROLE, NAME, STATE and IP (the first address), an attribute by its name, or what a path leads to \
in the VM's record; {{ and }} are braces. A value with a line break or another control character counts as lacking.",
    examples: &[
        "onegate service peers --role slave | cut -f5",
        "onegate service peers --where STATE=RUNNING --format 'server vm{ID} {IP}:80 check'",
        "onegate service peers --role slave --leader",
    ],
    run: service,
};

/// `vrouter peers`
pub(super) const VROUTER: Command = Command {
    words: "vrouter peers",
    operands: "",
    surplus: Surplus::Refused,
    options: watched![
        &WHERE.entry,
        &FORMAT.entry,
        &STRICT.entry,
        &GET.entry,
        &LEADER.entry,
        &JSON.entry,
    ],
    online: true,
    summary: "List the backends of a virtual router: ID, network, NIC, MAC and address, a line each",
    detail: "\
These are the leases in the networks of the virtual router, of VMs that have ONEGATE_* attributes, which is what \
OpenNebula's HAProxy and LVS appliances read. --format, --where and --get are about the lease as 'vnet show --extended' \
has it.",
    examples: &[
        "onegate vrouter peers",
        "onegate vrouter peers --where ONEGATE_HAPROXY_LB0_PORT --format '{ID} {IP}:{ONEGATE_HAPROXY_LB0_SERVER_PORT}'",
    ],
    run: vrouter,
};

/// The options, read.
struct Wanted {
    role: Option<String>,
    conditions: Vec<Condition>,
    shape: Shape,
    leader: bool,
    strict: bool,
    /// Is an incomplete answer an error? A plain list shows what there is.
    complete: bool,
    /// May the result be empty? Otherwise that nothing was found is an exit code.
    may_be_empty: bool,
}

enum Shape {
    List(Layout),
    Format(Format),
    Get(JsonPath, bool),
    Ids,
}

impl Wanted {
    fn new(session: &Session<'_, '_>) -> Result<Wanted, Error> {
        let options: &Options = &session.options;
        let conditions: Vec<String> = options.all(&WHERE).cloned().collect();
        let json = options.has(&JSON);
        let terminal = session.world.terminal && !watch::is_elsewhere(options);
        let shape = match (options.get(&FORMAT), options.get(&GET)) {
            (Some(_), Some(_)) => {
                return Err(Error::Usage(
                    "--format and --get exclude each other".to_owned(),
                ));
            }
            (Some(text), None) => Shape::Format(Format::parse(text)?),
            (None, Some(path)) => Shape::Get(path.clone(), json),
            (None, None) if json => Shape::List(Layout::Json),
            (None, None) if options.has(&LEADER) => Shape::Ids,
            (None, None) if terminal => Shape::List(Layout::Columns),
            (None, None) => Shape::List(Layout::Tabs),
        };
        if options.has(&STRICT) && !matches!(shape, Shape::Format(_)) {
            return Err(Error::Usage("--strict needs --format".to_owned()));
        }
        let filters = !conditions.is_empty() || !matches!(shape, Shape::List(_));
        Ok(Wanted {
            role: options.get(&ROLE).cloned(),
            conditions: Condition::parse_all(&conditions)?,
            shape,
            leader: options.has(&LEADER),
            strict: options.has(&STRICT),
            complete: filters || watch::is_strict(options),
            may_be_empty: watch::is_strict(options),
        })
    }

    /// The result for these peers.
    fn output(&self, mut peers: Vec<Peer<'_>>, terminal: bool) -> Result<Output, Error> {
        peers.retain(|peer| {
            let mut conditions = self.conditions.iter();
            conditions.all(|condition| peer.lacks(condition).is_none())
        });
        if self.leader {
            // An id that is no number comes last.
            let number = |peer: &Peer<'_>| peer.id().parse().unwrap_or(u64::MAX);
            let leader = peers.into_iter().min_by_key(number);
            peers = leader.into_iter().collect();
        }
        let mut output = Output::default();
        let mut budget = Budget::default();
        for peer in &peers {
            let line = match &self.shape {
                Shape::List(_) => continue,
                Shape::Ids => Ok(peer.id().to_owned()),
                Shape::Format(format) => format.fill(peer, &mut budget),
                Shape::Get(path, json) => {
                    let found = peer.select(path, "--get", &mut budget)?;
                    let found = decoded(&found, *json, false)?;
                    output.bytes.extend(match terminal {
                        true => sanitize_lines(&String::from_utf8_lossy(&found)).into_bytes(),
                        false => found,
                    });
                    continue;
                }
            };
            match line {
                Ok(line) if terminal => output.bytes.extend(sanitize(&line).bytes()),
                Ok(line) => output.bytes.extend(line.bytes()),
                Err(Error::Answer(why)) if !self.strict => {
                    output.warnings.push(format!("{why}; it is left out"));
                    continue;
                }
                Err(error) => return Err(error),
            }
            output.bytes.push(b'\n');
        }
        if let Shape::List(layout) = self.shape {
            output.bytes = list::render(&peers, layout).into_bytes();
        }
        let may_be_empty = self.may_be_empty || !matches!(self.shape, Shape::Get(..) | Shape::Ids);
        if output.bytes.is_empty() && !may_be_empty {
            return Err(Error::NoMatch);
        }
        Ok(output)
    }
}

fn service(session: &mut Session<'_, '_>) -> Result<(), Error> {
    let wanted = Wanted::new(session)?;
    let terminal = session.world.terminal && !watch::is_elsewhere(&session.options);
    let source = watch::source(&session.options, request::service(true), None);
    let render = move |documents: &[&Document]| {
        let root = documents
            .first()
            .map_or(Node::NULL, |document| document.root());
        require(root, "SERVICE")?;
        if wanted.complete {
            complete(root.get("SERVICE"))?;
        }
        let peers = list::of_service(root, wanted.role.as_deref())?;
        wanted.output(peers, terminal)
    };
    watch::run(session, source, Box::new(render))
}

fn vrouter(session: &mut Session<'_, '_>) -> Result<(), Error> {
    let wanted = Wanted::new(session)?;
    if wanted.conditions.iter().any(Condition::is_of_state) {
        return Err(Error::Usage(
            "--where STATE: a lease has no state".to_owned(),
        ));
    }
    let terminal = session.world.terminal && !watch::is_elsewhere(&session.options);
    let source = watch::source(&session.options, request::vrouter(false), Some(networks));
    let render = move |documents: &[&Document]| {
        let mut peers = Vec::new();
        for network in documents.iter().skip(1) {
            require(network.root(), "VNET")?;
            peers.extend(list::of_network(network.root().get("VNET"))?);
        }
        wanted.output(peers, terminal)
    };
    watch::run(session, source, Box::new(render))
}

/// The networks of a virtual router's NICs, each once.
fn networks(vrouter: &Document) -> Result<Vec<Request>, Error> {
    let root = vrouter.root();
    require(root, "VROUTER")?;
    let template = root.get("VROUTER").get("TEMPLATE");
    if !template.is_object() {
        let what = "The virtual router comes without its TEMPLATE, which has its NICs";
        return Err(Error::Answer(what.to_owned()));
    }
    let mut ids: Vec<String> = Vec::new();
    for nic in template.get("NIC").each() {
        let id = nic.get("NETWORK_ID").text();
        let is_number = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
        if is_number && !ids.contains(&id) {
            if ids.len() == MAX_NETWORKS {
                return Err(Error::Answer(format!(
                    "The server's answer names more than {MAX_NETWORKS} networks of the virtual router: they are not \
                     asked for."
                )));
            }
            ids.push(id);
        }
    }
    Ok(ids.iter().map(|id| request::vnet(id, true)).collect())
}
