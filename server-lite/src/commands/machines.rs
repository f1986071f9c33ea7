//! What `serve --vm-exec` runs for each VM, from the options.

use super::config::LogLevel;
use super::log::Log;
use super::options::CommandOptions;
use super::{CommandError, context};
use crate::cloud::embedded::Embedded;
use crate::lab::machines::{MachineCommand, MachineOptions};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Where in the state directory each VM has its own.
const DIRECTORY: &str = "vms";
/// How long a process has to end, where nothing else is said.
const GRACE: Duration = Duration::from_secs(10);

/// The options of `--vm-exec`; `None` without it. `listening` is the scheme and the address that the server listens on.
///
/// # Errors
/// The command can't be run.
pub fn options(
    options: &CommandOptions,
    cloud: &Arc<Embedded>,
    listening: (&str, SocketAddr),
    log: &Arc<Log>,
) -> Result<Option<MachineOptions>, CommandError> {
    let (Some(command), Some(state)) = (command(options)?, &options.state) else {
        return Ok(None);
    };
    // The process runs in another directory.
    let state = std::path::absolute(state).map_err(CommandError::failed)?;
    let endpoint = endpoint(options.endpoint.as_deref(), listening);
    let (cloud, log, given) = (Arc::clone(cloud), Arc::clone(log), endpoint.clone());
    Ok(Some(MachineOptions {
        command,
        directory: state.join(DIRECTORY),
        grace: options.vm_grace.unwrap_or(GRACE),
        boot: super::setup::timings(options).vm_step,
        endpoint,
        write_context: Box::new(move |vm, out: &Path| {
            context::write(cloud.as_ref(), vm, Some(&given), out)?;
            Ok(())
        }),
        report: Box::new(move |trouble, text| {
            let level = if trouble {
                LogLevel::Error
            } else {
                LogLevel::Info
            };
            log.write(level, text);
        }),
    }))
}

/// The command of `--vm-exec`.
///
/// # Errors
/// It can't be run.
pub fn command(options: &CommandOptions) -> Result<Option<MachineCommand>, CommandError> {
    let parsed = options.vm_exec.as_deref().map(MachineCommand::parse);
    parsed
        .transpose()
        .map_err(|flaw| CommandError::Configuration(format!("--vm-exec: {flaw}")))
}

/// Where VMs find the server: `--endpoint`, whose port 0 is the one listened on; else what is listened on, from this
/// machine.
fn endpoint(given: Option<&str>, (scheme, address): (&str, SocketAddr)) -> String {
    let port = address.port();
    if let Some(given) = given {
        return match given.strip_suffix(":0") {
            Some(host) => format!("{host}:{port}"),
            None => given.to_owned(),
        };
    }
    let host = match address.ip() {
        IpAddr::V4(any) if any.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(any) if any.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        host => host,
    };
    format!("{scheme}://{}", SocketAddr::new(host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_endpoint_is_reachable_from_a_vm() {
        for (given, listening, expected) in [
            (None, "127.0.0.1:5030", "http://127.0.0.1:5030"),
            (None, "0.0.0.0:5030", "http://127.0.0.1:5030"),
            (None, "[::]:80", "http://[::1]:80"),
            (None, "192.0.2.1:1", "http://192.0.2.1:1"),
            (
                Some("http://10.0.2.2:0"),
                "127.0.0.1:5030",
                "http://10.0.2.2:5030",
            ),
            (Some("http://gate:80"), "127.0.0.1:5030", "http://gate:80"),
        ] {
            let address = listening.parse().expect(listening);
            assert_eq!(endpoint(given, ("http", address)), expected);
        }
    }
}
