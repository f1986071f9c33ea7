//! What `serve` is made of, and `check` looks at: the configuration, the certificate, the cloud, the address.

use crate::cloud::embedded::Embedded;
use crate::cloud::opennebula::clock::Clock;
use crate::cloud::opennebula::session::{Lifetime, ServerAuth};
use crate::cloud::opennebula::upstream::Patience;
use crate::cloud::opennebula::{Ages, OpenNebula, Settings};
use crate::commands::CommandError;
use crate::commands::config::{Config, CoreAuth, LogLevel};
use crate::commands::log::Log;
use crate::commands::options::CommandOptions;
use crate::flow;
use crate::http::tls::Tls;
use std::io::{self, ErrorKind};
use std::net::{Ipv6Addr, TcpListener, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

const DEFAULT_HOST: &str = "127.0.0.1";
const DEFAULT_PORT: u16 = 5030;
/// How long an address that is taken is tried.
const BIND_PATIENCE: Duration = Duration::from_secs(5);
/// How long between two tries.
const BIND_PAUSE: Duration = Duration::from_millis(200);

/// The file of `--config`; in front of OpenNebula, its own; else the defaults.
///
/// # Errors
/// It can't be read, or something in it is wrong.
pub fn configuration(options: &CommandOptions) -> Result<Config, CommandError> {
    let file = match &options.config {
        Some(file) => file.clone(),
        None if options.opennebula => installation("/etc/one", "etc").join("onegate-server.conf"),
        None => return Ok(Config::default()),
    };
    Config::load(&file).map_err(CommandError::configuration)
}

/// A directory of the OpenNebula installation: under ONE_LOCATION where that is set, else the packages' place.
fn installation(packaged: &str, self_contained: &str) -> PathBuf {
    match std::env::var_os("ONE_LOCATION") {
        Some(location) if !location.is_empty() => PathBuf::from(location).join(self_contained),
        _ => PathBuf::from(packaged),
    }
}

/// The certificate and key to serve TLS with, where there are some.
///
/// # Errors
/// They can't be read, or don't belong together.
pub fn certificate(options: &CommandOptions) -> Result<Option<Arc<Tls>>, CommandError> {
    match (&options.tls_cert, &options.tls_key) {
        (Some(certificate), Some(key)) => Tls::load(certificate, key)
            .map(|tls| Some(Arc::new(tls)))
            .map_err(CommandError::configuration),
        _ => Ok(None),
    }
}

/// Where to listen, as `ADDRESS:PORT`.
pub fn address(options: &CommandOptions, config: &Config) -> String {
    options.listen.clone().unwrap_or_else(|| {
        let host = config.host.as_deref().unwrap_or(DEFAULT_HOST);
        let port = config.port.unwrap_or(DEFAULT_PORT);
        if host.contains(':') && !host.starts_with('[') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        }
    })
}

/// Where to show the page, as `ADDRESS:PORT`; a port alone is on this machine.
pub fn page_address(given: &str) -> String {
    match given.bytes().all(|byte| byte.is_ascii_digit()) {
        true => format!("{DEFAULT_HOST}:{given}"),
        false => given.to_owned(),
    }
}

/// Listens on `ADDRESS:PORT`: an address or a name, an IPv6 address with or without brackets, a link-local one with its
/// interface.
///
/// # Errors
/// Those of the system; `InvalidInput` for what is no address.
pub fn bind(address: &str) -> io::Result<TcpListener> {
    let (host, port) = address
        .rsplit_once(':')
        .filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)))
        .ok_or_else(|| io::Error::new(ErrorKind::InvalidInput, "it has no valid port"))?;
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    if bare.is_empty() || host.contains('/') {
        let what = "it has no valid host";
        return Err(io::Error::new(ErrorKind::InvalidInput, what));
    }
    if bare
        .parse::<Ipv6Addr>()
        .is_ok_and(|address| address.is_unicast_link_local())
    {
        let what = format!("a link-local address needs its interface, as in [{bare}%eth0]:{port}");
        return Err(io::Error::new(ErrorKind::InvalidInput, what));
    }
    let addresses: Vec<_> = (bare, port).to_socket_addrs()?.collect();
    TcpListener::bind(addresses.as_slice())
}

/// What of these an address is for already, each with what it is for; not where the system is to choose the port.
pub fn taken_for<'t>(given: &str, taken: &[(&str, &'t str)]) -> Option<&'t str> {
    let same = taken.iter().find(|(address, _)| *address == given);
    same.filter(|_| !given.ends_with(":0"))
        .map(|(_, what)| *what)
}

/// Looks whether guests, the operator and the page have an address of their own each.
///
/// # Errors
/// Two have the same.
pub fn addresses(options: &CommandOptions, config: &Config) -> Result<(), CommandError> {
    let guests = address(options, config);
    let page = options.page.as_deref().map(page_address);
    let mut taken = vec![(guests.as_str(), "guests are answered")];
    for (given, what) in [
        (options.admin.as_deref(), "--admin is"),
        (page.as_deref(), "--page is"),
    ] {
        let Some(given) = given else { continue };
        if let Some(other) = taken_for(given, &taken) {
            return Err(CommandError::Configuration(format!(
                "cannot listen on {given}: it is where {other}: choose another address (--listen, --admin, --page)"
            )));
        }
        taken.push((given, what));
    }
    Ok(())
}

/// Listens. An address that is taken, or is not there yet, is tried for a while: at boot, and after a restart, it may
/// come free.
///
/// # Errors
/// It can't be listened on.
pub fn listen(address: &str, log: &Log) -> Result<TcpListener, CommandError> {
    let end = Instant::now() + BIND_PATIENCE;
    let mut said = false;
    loop {
        let error = match bind(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => error,
        };
        let may_pass = matches!(
            error.kind(),
            ErrorKind::AddrInUse | ErrorKind::AddrNotAvailable
        );
        if !may_pass || Instant::now() >= end {
            return Err(no_listener(address, &error));
        }
        if !std::mem::replace(&mut said, true) {
            let seconds = BIND_PATIENCE.as_secs();
            log.write(
                LogLevel::Warning,
                &format!("cannot listen on {address} yet: {error}; trying for {seconds} s"),
            );
        }
        std::thread::sleep(BIND_PAUSE);
    }
}

fn no_listener(address: &str, error: &io::Error) -> CommandError {
    let hint = match error.kind() {
        ErrorKind::AddrInUse => {
            "; another server has it: stop that one, or choose another address (--listen, --admin, --page)"
        }
        ErrorKind::PermissionDenied => "; ports below 1024 are root's",
        ErrorKind::AddrNotAvailable => "; no interface of this machine has it",
        // Such as a name that isn't found.
        _ => {
            "; expected ADDRESS:PORT, as in 127.0.0.1:5030 or [::1]:5030, or 0.0.0.0:5030 for all IPv4 addresses"
        }
    };
    let message = format!("cannot listen on {address}: {error}{hint}");
    match error.kind() {
        ErrorKind::InvalidInput => CommandError::Configuration(message),
        _ => CommandError::Failed(message),
    }
}

/// How long things take in the embedded cloud.
pub fn timings(options: &CommandOptions) -> flow::Timings {
    let defaults = flow::Timings::default();
    flow::Timings {
        vm_step: options.vm_step.unwrap_or(defaults.vm_step),
        cooldown: options.cooldown.unwrap_or(defaults.cooldown),
        interval: options.flow_interval.unwrap_or(defaults.interval),
    }
}

/// The cloud of `--cloud` and `--state`; what is odd in it goes to the log.
///
/// # Errors
/// The scenario is wrong, or the state can't be used.
pub fn embedded(options: &CommandOptions, log: &Log) -> Result<Arc<Embedded>, CommandError> {
    let pace = timings(options);
    let (cloud, warnings) =
        Embedded::open(options.cloud.as_deref(), options.state.as_deref(), pace).map_err(
            |error| match error.may_pass() {
                true => CommandError::Failed(error.to_string()),
                false => CommandError::Configuration(error.to_string()),
            },
        )?;
    warnings
        .iter()
        .for_each(|warning| log.write(LogLevel::Warning, warning));
    Ok(Arc::new(cloud))
}

/// The OpenNebula that the configuration names.
///
/// # Errors
/// The configuration or the auth file is wrong.
pub fn opennebula(
    options: &CommandOptions,
    config: &Config,
    log: &Arc<Log>,
) -> Result<Arc<OpenNebula>, CommandError> {
    if config.core_auth == CoreAuth::X509 {
        return Err(CommandError::Configuration(
            ":core_auth: x509 is not supported: the calls to oned are signed with serveradmin's password; set it to \
             cipher"
                .to_owned(),
        ));
    }
    let auth_file = match &options.auth_file {
        Some(file) => file.clone(),
        None => installation("/var/lib/one", "var").join(".one/onegate_auth"),
    };
    let settings = Settings {
        one_xmlrpc: config.one_xmlrpc.clone(),
        oneflow_server: config.oneflow_server.clone(),
        auth: ServerAuth::read(&auth_file).map_err(CommandError::configuration)?,
        lifetime: Lifetime {
            delta: Duration::from_secs(config.expire_delta),
            margin: Duration::from_secs(config.expire_margin),
        },
        patience: Patience::default(),
        ages: Ages {
            record: Duration::from_secs(config.record_max_age),
            token_password: Duration::from_secs(config.token_password_max_age),
        },
        clock: Clock::default(),
    };
    let log = Arc::clone(log);
    let report = Arc::new(move |trouble: &str| log.write(LogLevel::Error, trouble));
    let cloud = OpenNebula::new(settings, report).map_err(CommandError::configuration)?;
    Ok(Arc::new(cloud))
}
