//! `onegate-server-lite serve`: a cloud, the gate before it and the HTTP server, from the options until a signal.

use crate::cloud::Cloud;
use crate::cloud::embedded::Embedded;
use crate::cloud::opennebula::clock::Clock;
use crate::cloud::opennebula::session::{Lifetime, ServerAuth};
use crate::cloud::opennebula::upstream::Patience;
use crate::cloud::opennebula::{Ages, HANDLERS, OpenNebula, Settings};
use crate::commands::config::{Config, CoreAuth, LogLevel};
use crate::commands::control;
use crate::commands::log::{Log, Logged};
use crate::commands::options::CommandOptions;
use crate::flow;
use crate::gate::conditional;
use crate::gate::routes::Gate;
use crate::gate::watcher::Watcher;
use crate::http::tls::Tls;
use crate::http::{Bell, Limits, Server};
use crate::objects::message;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

const DEFAULT_HOST: &str = "127.0.0.1";
const DEFAULT_PORT: u16 = 5030;
/// The most characters of a panic's message.
const PANIC_SHOWN: usize = 500;

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// What keeps the server from starting, or from ending as it should; in words.
pub fn serve(options: &CommandOptions) -> Result<(), String> {
    // First of all: a signal that comes while we start is not lost.
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])
        .map_err(|error| format!("cannot listen to signals: {error}"))?;
    let config = configuration(options)?;
    let log = Log::start(config.log_level)
        .map_err(|error| format!("cannot start the log's thread: {error}"))?;
    let log = Arc::new(log);
    log_panics(&log);
    let ended = serve_until_signal(options, config, &log, &mut signals);
    log.flush();
    ended
}

/// A panic is the log's to tell of: written to standard error directly, it could wait for a reader.
fn log_panics(log: &Arc<Log>) {
    let log = Arc::clone(log);
    std::panic::set_hook(Box::new(move |panic| {
        let text = message::shown(&panic.to_string(), PANIC_SHOWN);
        log.write(LogLevel::Error, &format!("the server has a fault: {text}"));
        log.flush();
    }));
}

fn serve_until_signal(
    options: &CommandOptions,
    config: Config,
    log: &Arc<Log>,
    signals: &mut Signals,
) -> Result<(), String> {
    config
        .warnings
        .iter()
        .for_each(|warning| log.write(LogLevel::Warning, warning));
    let tls = match (&options.tls_cert, &options.tls_key) {
        (Some(certificate), Some(key)) => Some(Arc::new(
            Tls::load(certificate, key).map_err(|e| e.to_string())?,
        )),
        _ => None,
    };
    let listener = listen(options, &config)?;
    let address = listener
        .local_addr()
        .map_err(|error| format!("cannot tell the address listened on: {error}"))?;
    let mut behind = None;
    let (cloud, own): (Arc<dyn Cloud>, _) = if options.opennebula {
        let cloud = opennebula(options, &config, log)?;
        behind = Some(Arc::clone(&cloud));
        (cloud as _, None)
    } else {
        let own = embedded(options, log)?;
        (Arc::clone(&own) as _, Some(own))
    };
    let handler = Arc::new(Logged {
        gate: Gate::new(cloud, config.rules),
        log: Arc::clone(log),
        reads_wait: options.opennebula,
    });
    let mut limits = Limits::default();
    if options.opennebula {
        limits.handlers = HANDLERS;
    }
    let server = Server::start(vec![listener], tls.clone(), handler, limits)
        .map_err(|error| format!("cannot start the server: {error}"))?;
    if let Some(cloud) = &own {
        let bell = server.bell();
        cloud.on_change(move |changed| bell.ring(&conditional::topics(changed)));
    }
    if let Some(cloud) = behind {
        let interval = Duration::from_secs(config.record_max_age.max(1));
        watch(cloud, server.bell(), interval)?;
    }

    if let (Some(cloud), Some(directory)) = (&own, &options.state) {
        control::serve(directory, Arc::clone(cloud), Arc::clone(&log)).map_err(|error| {
            format!(
                "cannot make the control socket in {}: {error}",
                directory.display()
            )
        })?;
    }

    let scheme = if tls.is_some() { "https" } else { "http" };
    announce(&format!(
        "{} listening on {scheme}://{address}",
        crate::commands::cli::PROGRAM
    ))?;
    for signal in signals.forever() {
        match (signal, &tls) {
            (SIGHUP, Some(tls)) => match tls.reload() {
                Ok(()) => log.write(
                    LogLevel::Info,
                    "the certificate and its key were read again",
                ),
                Err(error) => log.write(
                    LogLevel::Error,
                    &format!("the certificate in use stays: {error}"),
                ),
            },
            (SIGHUP, None) => log.write(
                LogLevel::Info,
                "SIGHUP: there is no certificate to read again",
            ),
            _ => break,
        }
    }
    let left = server.stop();
    if let Some(cloud) = own {
        cloud.stop_clock();
    }
    match left {
        0 => Ok(()),
        left => Err(format!(
            "{left} requests were still being answered when the time to end was over"
        )),
    }
}

/// Looks once in an interval for changes of what held requests wait for, until the server stops.
fn watch(cloud: Arc<OpenNebula>, bell: Bell, interval: Duration) -> Result<(), String> {
    let mut watcher = Watcher::default();
    let look = move || {
        while !bell.is_over() {
            std::thread::sleep(interval);
            watcher.look(&bell, |documents| cloud.current(documents, interval / 2));
        }
    };
    std::thread::Builder::new()
        .name("watcher".to_owned())
        .spawn(look)
        .map(drop)
        .map_err(|error| format!("cannot start the thread that looks for changes: {error}"))
}

fn announce(line: &str) -> Result<(), String> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}")
        .and_then(|()| stdout.flush())
        .map_err(|error| format!("cannot write to standard output: {error}"))
}

/// The file of `--config`; in front of OpenNebula, its own; else the defaults.
fn configuration(options: &CommandOptions) -> Result<Config, String> {
    let file = match &options.config {
        Some(file) => file.clone(),
        None if options.opennebula => installation("/etc/one", "etc").join("onegate-server.conf"),
        None => return Ok(Config::default()),
    };
    Config::load(&file).map_err(|error| error.to_string())
}

/// A directory of the OpenNebula installation: under ONE_LOCATION where that is set, else the packages' place.
fn installation(packaged: &str, self_contained: &str) -> PathBuf {
    match std::env::var_os("ONE_LOCATION") {
        Some(location) if !location.is_empty() => PathBuf::from(location).join(self_contained),
        _ => PathBuf::from(packaged),
    }
}

fn listen(options: &CommandOptions, config: &Config) -> Result<TcpListener, String> {
    let address = options.listen.clone().unwrap_or_else(|| {
        let host = config.host.as_deref().unwrap_or(DEFAULT_HOST);
        let port = config.port.unwrap_or(DEFAULT_PORT);
        if host.contains(':') && !host.starts_with('[') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        }
    });
    TcpListener::bind(&address).map_err(|error| {
        let hint = match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                "; another server has it: stop that one, or choose with --listen"
            }
            std::io::ErrorKind::PermissionDenied => "; ports below 1024 are root's",
            std::io::ErrorKind::InvalidInput => "; expected ADDRESS:PORT, as in 127.0.0.1:5030",
            _ => "",
        };
        format!("cannot listen on {address}: {error}{hint}")
    })
}

fn embedded(options: &CommandOptions, log: &Arc<Log>) -> Result<Arc<Embedded>, String> {
    let defaults = flow::Timings::default();
    let pace = flow::Timings {
        vm_step: options.vm_step.unwrap_or(defaults.vm_step),
        cooldown: options.cooldown.unwrap_or(defaults.cooldown),
        interval: options.flow_interval.unwrap_or(defaults.interval),
    };
    let (cloud, warnings) =
        Embedded::open(options.cloud.as_deref(), options.state.as_deref(), pace)
            .map_err(|error| error.to_string())?;
    warnings
        .iter()
        .for_each(|warning| log.write(LogLevel::Warning, warning));
    cloud
        .problems()
        .iter()
        .for_each(|problem| log.write(LogLevel::Warning, problem));
    let cloud = Arc::new(cloud);
    let log = Arc::clone(log);
    cloud
        .start_clock(move |trouble| log.write(LogLevel::Error, trouble))
        .map_err(|error| format!("cannot start the clock: {error}"))?;
    Ok(cloud)
}

fn opennebula(
    options: &CommandOptions,
    config: &Config,
    log: &Arc<Log>,
) -> Result<Arc<OpenNebula>, String> {
    if config.core_auth == CoreAuth::X509 {
        return Err(":core_auth: x509 is not supported: the calls to oned are signed with serveradmin's password; \
                    set it to cipher"
            .to_owned());
    }
    let auth_file = match &options.auth_file {
        Some(file) => file.clone(),
        None => installation("/var/lib/one", "var").join(".one/onegate_auth"),
    };
    let settings = Settings {
        one_xmlrpc: config.one_xmlrpc.clone(),
        oneflow_server: config.oneflow_server.clone(),
        auth: ServerAuth::read(&auth_file)?,
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
    Ok(Arc::new(OpenNebula::new(settings, report)?))
}
