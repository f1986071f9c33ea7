//! `onegate-server-lite serve`: a cloud, the gate before it and the HTTP server, from the options until a signal.

use crate::cloud::Cloud;
use crate::cloud::opennebula::{HANDLERS, OpenNebula};
use crate::commands::admin::{Admin, Backend};
use crate::commands::certificate::{Term, term};
use crate::commands::config::{Config, LogLevel};
use crate::commands::log::format::LogFormat;
use crate::commands::log::{Listeners, Log, Logged};
use crate::commands::metrics::RequestCounts;
use crate::commands::options::CommandOptions;
use crate::commands::{CommandError, admin, control, machines, notify, setup};
use crate::gate::conditional;
use crate::gate::routes::Gate;
use crate::gate::watcher::Watcher;
use crate::http::tls::Tls;
use crate::http::{Bell, Handler, Limits, Server};
use crate::lab::Lab;
use crate::lab::faults::FaultyHandler;
use crate::objects::message;
use jiff::Timestamp;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The most characters of a panic's message.
const PANIC_SHOWN: usize = 500;

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// What keeps the server from starting, or from ending as it should; in words.
pub fn serve(options: &CommandOptions) -> Result<(), CommandError> {
    // First of all: a signal that comes while we start is not lost.
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])
        .map_err(|error| format!("cannot listen to signals: {error}"))?;
    let config = setup::configuration(options)?;
    let format = options.log.unwrap_or_else(LogFormat::of_standard_error);
    let log = Log::start(config.log_level, format)
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
) -> Result<(), CommandError> {
    config
        .warnings
        .iter()
        .for_each(|warning| log.write(LogLevel::Warning, warning));
    // All is read before the address is listened on: what is wrong is said before a guest is answered.
    setup::addresses(options, &config)?;
    let tls = setup::certificate(options)?;
    if let Some(tls) = &tls {
        warn_of_expiry(tls, log);
    }
    machines::command(options)?;
    let backend = match options.opennebula {
        true => Backend::OpenNebula(setup::opennebula(options, &config, log)?),
        false => Backend::Embedded(setup::embedded(options, log)?),
    };
    let cloud = backend.cloud();
    let listener = setup::listen(&setup::address(options, &config), log)?;
    let address = listener
        .local_addr()
        .map_err(|error| format!("cannot tell the address listened on: {error}"))?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let admin = match &options.admin {
        Some(address) => Some(setup::listen(address, log)?),
        None => None,
    };
    let page = match &options.page {
        Some(given) => Some(setup::listen(&setup::page_address(given), log)?),
        None => None,
    };
    let mut announced = format!(
        "{} listening on {scheme}://{address}",
        crate::commands::cli::PROGRAM
    );
    let counts = admin.as_ref().map(|_| Arc::<RequestCounts>::default());
    let gate = Gate::new(Arc::clone(&cloud), config.rules);
    let lab = match &backend {
        Backend::Embedded(cloud) => Some(Arc::new(Lab::new(Arc::clone(cloud)))),
        Backend::OpenNebula(_) => None,
    };
    // However the server ends, its VMs' processes do.
    let _ending = lab.clone().map(Ending);
    let timeline = lab.as_ref().map(|lab| Arc::clone(&lab.timeline));
    let listeners = Listeners {
        log: Arc::clone(log),
        counts: counts.clone(),
        timeline,
    };
    let handler = Arc::new(Logged::new(gate, listeners, options.opennebula));
    let mut limits = Limits::default();
    if options.opennebula {
        limits.handlers = HANDLERS;
    }
    let guests: Arc<dyn Handler> = match &lab {
        Some(lab) => Arc::new(FaultyHandler::new(
            Arc::clone(&handler),
            Arc::clone(&lab.faults),
        )),
        None => Arc::clone(&handler) as _,
    };
    let server = Server::start(vec![listener], tls.clone(), guests, limits)
        .map_err(|error| format!("cannot start the server: {error}"))?;
    if let Some(lab) = &lab {
        let bell = server.bell();
        let watching = Arc::downgrade(lab);
        lab.cloud.on_change(move |changed| {
            bell.ring(&conditional::topics(changed));
            if let Some(lab) = watching.upgrade() {
                lab.changed(changed);
            }
        });
        if let Some(machines) = machines::options(options, &lab.cloud, (scheme, address), log)? {
            lab.run_machines(machines)
                .map_err(|error| format!("cannot run VMs: {error}"))?;
        }
        if let Some(listener) = page {
            announced += &show(lab, listener, log)?;
        }
        start(lab, options.state.as_deref(), log)?;
    }
    let admin = match (admin, counts) {
        (Some(listener), Some(counts)) => {
            let told = Admin {
                counts,
                server: server.bell(),
                backend: backend.clone(),
                tls: tls.clone(),
            };
            let started = admin::serve(listener, told);
            Some(started.map_err(|error| format!("cannot start the admin server: {error}"))?)
        }
        _ => None,
    };
    if let Backend::OpenNebula(cloud) = &backend {
        let interval = Duration::from_secs(config.record_max_age.max(1));
        watch(Arc::clone(cloud), server.bell(), interval)?;
    }

    announce(&announced)?;
    notify::ready(&format!("listening on {scheme}://{address}"), log);
    notify::watchdog(address, log)
        .map_err(|error| format!("cannot start the watchdog's thread: {error}"))?;
    for signal in signals.forever() {
        if signal != SIGHUP {
            break;
        }
        log.follow_rotation();
        reload(options, &cloud, &handler, tls.as_deref(), log);
    }
    notify::stopping(log);
    if let Some(lab) = &lab {
        lab.end();
    }
    if let Some(admin) = admin {
        admin.stop();
    }
    let left = server.stop();
    if let Backend::Embedded(cloud) = backend {
        cloud.stop_clock();
    }
    match left {
        0 => Ok(()),
        left => Err(CommandError::Failed(format!(
            "{left} requests were still being answered when the time to end was over"
        ))),
    }
}

/// Ends a lab when it is dropped.
struct Ending(Arc<Lab>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Starts what a cloud of our own does beside answering requests.
fn start(lab: &Arc<Lab>, state: Option<&Path>, log: &Arc<Log>) -> Result<(), CommandError> {
    let its_log = Arc::clone(log);
    lab.cloud
        .start_clock(move |trouble| its_log.write(LogLevel::Error, trouble))
        .map_err(|error| format!("cannot start the clock: {error}"))?;
    let Some(directory) = state else {
        return Ok(());
    };
    control::serve(directory, Arc::clone(lab), Arc::clone(log)).map_err(|error| {
        let directory = directory.display();
        CommandError::Failed(format!(
            "cannot make the control socket in {directory}: {error}"
        ))
    })
}

/// Shows the lab on a page; gives the line that says where.
fn show(lab: &Arc<Lab>, listener: TcpListener, log: &Log) -> Result<String, CommandError> {
    let no_page = |error| CommandError::Failed(format!("cannot show the page: {error}"));
    let address = listener.local_addr().map_err(no_page)?;
    if !address.ip().is_loopback() {
        log.write(
            LogLevel::Warning,
            &format!("whoever reaches {address} sees on the page what guests wrote: it asks for no password"),
        );
    }
    lab.show_page(listener).map_err(no_page)?;
    Ok(format!(
        "\n{} page on http://{address}/",
        crate::commands::cli::PROGRAM
    ))
}

/// Reads the configuration and the certificate again; what is not good changes nothing.
fn reload(
    options: &CommandOptions,
    cloud: &Arc<dyn Cloud>,
    handler: &Logged,
    tls: Option<&Tls>,
    log: &Log,
) {
    if options.config.is_some() || options.opennebula {
        match setup::configuration(options) {
            Ok(config) => {
                let warnings = config.warnings.iter();
                warnings.for_each(|warning| log.write(LogLevel::Warning, warning));
                handler.replace(Gate::new(Arc::clone(cloud), config.rules));
                log.write(
                    LogLevel::Info,
                    "the permissions and restrictions of the configuration were read again; its other keys take effect \
                     at the next start",
                );
            }
            Err(error) => log.write(
                LogLevel::Error,
                &format!("the configuration in use stays: {error}"),
            ),
        }
    }
    match tls.map(Tls::reload) {
        Some(Ok(())) => {
            log.write(
                LogLevel::Info,
                "the certificate and its key were read again",
            );
            tls.into_iter().for_each(|tls| warn_of_expiry(tls, log));
        }
        Some(Err(error)) => log.write(
            LogLevel::Error,
            &format!("the certificate in use stays: {error}"),
        ),
        None => log.write(
            LogLevel::Info,
            "SIGHUP: there is no certificate to read again",
        ),
    }
}

/// Says so where clients refuse the certificate, or will before long.
fn warn_of_expiry(tls: &Tls, log: &Log) {
    let now = Timestamp::now();
    match tls.validity().map(|validity| term(validity, now)) {
        Some(Term::Soon(words)) => log.write(LogLevel::Warning, &words),
        Some(Term::Refused(words)) => log.write(LogLevel::Error, &words),
        Some(Term::Good(_)) | None => {}
    }
}

/// Looks once in an interval for changes of what held requests wait for, until the server stops.
fn watch(cloud: Arc<OpenNebula>, bell: Bell, interval: Duration) -> Result<(), CommandError> {
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
        .map_err(|error| {
            CommandError::Failed(format!(
                "cannot start the thread that looks for changes: {error}"
            ))
        })
}

/// Prints the lines at once: whoever reads the first may read no further.
fn announce(lines: &str) -> Result<(), CommandError> {
    let mut stdout = std::io::stdout().lock();
    stdout
        .write_all(format!("{lines}\n").as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(super::unprinted)
}
