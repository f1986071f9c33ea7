//! `onegate-server-lite service recover ID --state DIR`: what `oneflow recover` does (docs/elasticity.md, "Recovering").
//!
//! OneGate has no call for it, so no server offers it to guests: it goes to a running server through its control socket,
//! and changes the state directory of one that has ended.

use super::options::CommandOptions;
use super::{CommandError, control, lab, service_show};
use crate::cloud::embedded::Embedded;
use crate::flow::Timings;
use std::path::Path;

/// Runs the command.
///
/// # Errors
/// There is no such service, nothing to recover, or the directory can't be changed; in words.
pub fn run(options: &CommandOptions) -> Result<(), CommandError> {
    let service = options.id;
    let state = options.state.as_deref();
    let order = lab::order("service recover", options);
    let given = control::give(
        state.unwrap_or(Path::new(".")),
        &order,
        &mut lab::print_line,
    )?;
    if given.is_some() {
        return Ok(());
    }
    // Opened to be changed, an empty directory would be given a cloud.
    service_show::report(&super::read(options)?, service)?;
    let (cloud, _) =
        Embedded::open(None, state, Timings::default()).map_err(CommandError::failed)?;
    cloud
        .recover(service, || ())
        .map_err(|refusal| CommandError::failed(refusal.cause()))?;
    let report = service_show::report(&cloud, service)?;
    let now = report["state"].as_str().unwrap_or("in an unknown state");
    super::print(&format!(
        "Service {service} is {now}: it goes on once a server is started"
    ))
}
