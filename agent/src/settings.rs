//! Options, environment and context -> how to speak to the server.

use crate::World;
use crate::cli::table::{Command, Opt, entry};
use crate::cli::{Invocation, Options};
use crate::client::{Client, Endpoint, Limits, Proxies, Settings, Trust};
use crate::context::Context;
use crate::error::Error;
use std::path::PathBuf;
use std::time::Duration;

/// What the options say of time and repetition; understood before anything is looked up or sent.
#[derive(Debug)]
pub struct Patience {
    /// Of one attempt.
    limits: Limits,
    retries: u32,
    /// Of the whole, where the command is one that waits.
    pub whole: Option<Duration>,
}

impl Patience {
    /// Reads the options.
    ///
    /// # Errors
    /// [`Error::Usage`], where one of them is no number, or no time is left for an attempt.
    pub fn of(invocation: &Invocation) -> Result<Patience, Error> {
        let options = &invocation.options;
        let seconds = |opt| number(options, opt).map(|number| number.map(Duration::from_secs));
        let waits = matches!(
            invocation.command.command,
            Command::VmWait | Command::ServiceWait
        );
        let (whole, total) = match seconds(Opt::Timeout)? {
            whole if waits => (whole, None),
            total => (None, total),
        };
        let connect = seconds(Opt::ConnectTimeout)?;
        if total == Some(Duration::ZERO) || connect == Some(Duration::ZERO) {
            return Err(Error::Usage(
                "a time-out is a number of seconds from 1 on".to_owned(),
            ));
        }
        let limits = Limits::default();
        Ok(Patience {
            limits: Limits {
                connect: connect.unwrap_or(limits.connect),
                total: total.unwrap_or(limits.total),
            },
            retries: number(options, Opt::Retry)?
                .map_or(Ok(0), u32::try_from)
                .unwrap_or(u32::MAX),
            whole,
        })
    }
}

/// The longest span that is understood: a year.
const LONGEST: u64 = 31_536_000;

/// A number of seconds, or of times.
///
/// # Errors
/// [`Error::Usage`], where it is none.
pub fn number(options: &Options, opt: Opt) -> Result<Option<u64>, Error> {
    let Some(word) = options.last(opt) else {
        return Ok(None);
    };
    let digits = !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit());
    let number = digits
        .then(|| word.parse().ok())
        .flatten()
        .filter(|number| *number <= LONGEST);
    let entry = entry(opt);
    let what = entry.value.unwrap_or_default().to_ascii_lowercase();
    number.map(Some).ok_or_else(|| {
        Error::Usage(format!(
            "--{} '{word}': a number ({what}) is expected",
            entry.long
        ))
    })
}

/// A client for the context, as the options and the environment want it.
///
/// # Errors
/// [`Error::Endpoint`], where an address, a proxy's or a certificate authority's setting can't be used.
pub fn client(
    context: Context,
    options: &Options,
    patience: &Patience,
    world: &World<'_>,
) -> Result<Client, Error> {
    let variable =
        |name: &str| (world.environment)(name).and_then(|value| value.into_string().ok());
    let proxies = Proxies {
        http: variable("http_proxy"),
        https: variable("https_proxy"),
        none: variable("no_proxy"),
    };
    let place = context.endpoint.place;
    let endpoints = context.endpoint.value.split_ascii_whitespace().map(|url| {
        let endpoint = Endpoint::parse(url).map_err(|what| {
            Error::Endpoint(format!("the endpoint '{url}' {what} (it is from {place})"))
        })?;
        let proxy = proxies.on_the_way(&endpoint).map_err(Error::Endpoint)?;
        Ok((endpoint, proxy))
    });
    let endpoints = endpoints.collect::<Result<Vec<_>, Error>>()?;
    let settings = Settings {
        endpoints,
        place,
        vmid: context.vmid.value,
        token: context.token.value,
        trust: trust(&context.tls, options)?,
        limits: patience.limits,
        retries: patience.retries,
    };
    Client::new(settings).map_err(Error::Endpoint)
}

/// An option is stronger than what was found.
fn trust(found: &crate::context::Tls, options: &Options) -> Result<Trust, Error> {
    let insecure =
        options.has(Opt::Insecure) || found.insecure.as_ref().is_some_and(|found| found.value);
    if let Some(file) = options.last(Opt::CaCert) {
        return Ok(Trust {
            ca_file: Some(PathBuf::from(file)),
            ca_cert: None,
            insecure,
        });
    }
    Ok(Trust {
        ca_cert: found.ca_pem().map_err(Error::Endpoint)?,
        ca_file: found.ca_file.as_ref().map(|found| found.value.clone()),
        insecure,
    })
}
