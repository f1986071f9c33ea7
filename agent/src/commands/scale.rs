//! `service scale`: sets the number of VMs of a role.

use crate::cli::command::{Command, Surplus};
use crate::cli::options::{Opt, ROLE};
use crate::cli::session::{self, Session};
use crate::client::{Client, request};
use crate::error::Error;
use crate::objects::document::Document;

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
    detail: "\
Both options are required. The service passes through SCALING and COOLDOWN to RUNNING. A role that has this cardinality \
already is left alone: that is no failure.",
    examples: &["onegate service scale --role slave --cardinality 2"],
    run,
};

/// How OneGate's answer begins where OneFlow refused.
const REFUSED: &str = "Error performing action on service";

fn run(session: &mut Session<'_, '_>) -> Result<(), Error> {
    let missing = |name| Error::Option(format!("'service scale' needs --{name}"));
    let role = session.options.get(&ROLE).filter(|role| !role.is_empty());
    let role = role.ok_or_else(|| missing("role"))?.clone();
    let cardinality = session.options.get(&CARDINALITY);
    let cardinality = *cardinality.ok_or_else(|| missing("cardinality"))?;
    let client = session.client()?;
    match session::send(&client, &request::scale(&role, cardinality)) {
        Err(Error::Refused(words))
            if words.starts_with(REFUSED) && has(&client, &role, cardinality) =>
        {
            // OneFlow refuses this as it does a mistake, and an OpenNebula server does not say which it is.
            session.world.say(&format!(
                "onegate: role {role} has a cardinality of {cardinality} already: nothing to do"
            ));
            Ok(())
        }
        outcome => outcome.map(|_| ()),
    }
}

/// Has the role this cardinality? No, where the server does not say.
fn has(client: &Client, role: &str, cardinality: u32) -> bool {
    let Ok(body) = session::send(client, &request::service(false)) else {
        return false;
    };
    let Ok(service) = Document::new(body) else {
        return false;
    };
    let mut roles = service.root().get("SERVICE").get("roles").each();
    let found = roles.find(|each| each.get("name").text() == role);
    found.is_some_and(|role| role.get("cardinality").text() == cardinality.to_string())
}
