//! `service scale`: sets the number of VMs of a role.

use crate::cli::command::{Command, Surplus};
use crate::cli::options::{Opt, ROLE};
use crate::cli::session::{self, Session};
use crate::client::request;
use crate::error::Error;

static CARDINALITY: Opt<u32> = Opt::number(
    "cardinality",
    0,
    u32::MAX,
    "The number of VMs that the role shall have",
)
.short('c')
.classic();

/// `service scale`
pub(super) const SCALE: Command = Command {
    words: "service scale",
    operands: "",
    surplus: Surplus::Refused,
    options: &[&ROLE.entry, &CARDINALITY.entry],
    online: true,
    summary: "Set the number of VMs of a role",
    detail: "Both options are required. The service passes through SCALING and COOLDOWN to RUNNING.",
    examples: &["onegate service scale --role slave --cardinality 2"],
    run,
};

fn run(session: &mut Session<'_, '_>) -> Result<(), Error> {
    let missing = |name| Error::Option(format!("'service scale' needs --{name}"));
    let role = session.options.get(&ROLE).filter(|role| !role.is_empty());
    let role = role.ok_or_else(|| missing("role"))?;
    let cardinality = session.options.get(&CARDINALITY);
    let cardinality = cardinality.ok_or_else(|| missing("cardinality"))?;
    let request = request::scale(role, *cardinality);
    let client = session.client()?;
    session::send(&client, &request).map(|_| ())
}
