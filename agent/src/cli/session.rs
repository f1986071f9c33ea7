//! What a command works with: its operands and options, the world around it, and the way to the server.

use super::command::Command;
use super::duration;
use super::options::{
    CACERT, CONNECT_TIMEOUT, ENDPOINT, INSECURE, Options, RETRY, ROOT, TIMEOUT, TOKEN_FILE, VMID,
};
use crate::client::request::{Method, Request};
use crate::client::{Client, Proxies, Response, Settings, Timeouts, Trust};
use crate::context::{self, Context, Lookup, Missing};
use crate::error::{self, Error};
use crate::fault::Fault;
use crate::files::Located;
use crate::privileges;
use crate::world::World;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// One run of one command.
pub struct Session<'a, 'w> {
    /// The command.
    pub command: &'static Command,
    /// What followed the command's words.
    pub operands: Vec<String>,
    /// Its options.
    pub options: Options,
    /// stdout, stderr and the environment.
    pub world: &'a mut World<'w>,
}

impl Session<'_, '_> {
    /// Writes to stdout.
    ///
    /// # Errors
    /// [`Error::Output`]
    pub fn print(&mut self, text: &str) -> Result<(), Error> {
        self.world.print(text).map_err(Error::Output)
    }

    /// The first operand as an id of a `what`; `None` if it is empty or not there.
    ///
    /// # Errors
    /// [`Error::Usage`], if it is not a number.
    pub fn id(&self, what: &str) -> Result<Option<&str>, Error> {
        self.operands
            .first()
            .map_or(Ok(None), |word| id(word, what))
    }

    /// Where the guest's files are.
    pub fn root(&self) -> &Path {
        self.options
            .get(&ROOT)
            .map_or(Path::new("/"), PathBuf::as_path)
    }

    /// Looks for the credentials.
    ///
    /// # Errors
    /// What was found all the same, and where was looked.
    pub fn context(&self) -> Result<Context, Box<Missing>> {
        context::find(&Lookup {
            endpoint: self.options.get(&ENDPOINT).map(String::as_str),
            vmid: self.options.get(&VMID).map(String::as_str),
            token_file: self.options.get(&TOKEN_FILE).map(PathBuf::as_path),
            environment: self.world.environment,
            root: self.root(),
        })
    }

    /// Looks for the credentials and makes a client with them; warns if it trusts any server.
    ///
    /// # Errors
    /// [`Error::Missing`], and those of [`Session::client_with`].
    pub fn client(&mut self) -> Result<Client, Error> {
        let context = self.context().map_err(Error::Missing)?;
        self.client_with(context)
    }

    /// Says so where the environment wins over files that the caller named: they may be another VM's.
    pub fn warn_of_environment(&mut self, context: &Context) {
        let Some(root) = self.options.get(&ROOT) else {
            return;
        };
        let variables = context::overriding(context, root);
        if !variables.is_empty() {
            let (root, variables) = (root.display(), variables.join(", "));
            self.world.warn(&format!(
                "the environment is used, not the files under --root {root}, which say otherwise: unset {variables} to \
                 use the files"
            ));
        }
    }

    /// A client for credentials; warns if it trusts any server, and of an environment that wins over `--root`.
    ///
    /// # Errors
    /// Those of [`Session::client_of`].
    pub fn client_with(&mut self, context: Context) -> Result<Client, Error> {
        self.warn_of_environment(&context);
        let client = self.client_of(context)?;
        if client.is_unverified() {
            self.world.warn(
                "the server's certificate is not verified (--insecure or ONEGATE_INSECURE): anybody on the way can \
                 read the token",
            );
        }
        Ok(client)
    }

    /// Puts what the options say of TLS in the place of what was found, for programs that this one runs.
    pub fn override_tls(&self, variables: &mut [(&'static str, Option<OsString>)]) {
        for (name, value) in variables {
            match *name {
                "ONEGATE_CA_FILE" if self.options.has(&CACERT) => {
                    *value = self.options.get(&CACERT).map(|file| file.clone().into());
                }
                "ONEGATE_CA_CERT" if self.options.has(&CACERT) => *value = None,
                "ONEGATE_INSECURE" if self.options.has(&INSECURE) => *value = Some("YES".into()),
                _ => {}
            }
        }
    }

    /// A client for credentials, as options and environment want it.
    ///
    /// # Errors
    /// [`Error::Endpoint`], if a proxy's or a certificate authority's setting can't be used.
    pub fn client_of(&self, context: Context) -> Result<Client, Error> {
        privileges::drop_capabilities();
        let variable = |name| self.world.variable(name);
        let proxies = Proxies {
            http: variable("http_proxy"),
            https: variable("https_proxy").or_else(|| variable("HTTPS_PROXY")),
            none: variable("no_proxy").or_else(|| variable("NO_PROXY")),
        };
        let trust = self.trust(&context.tls)?;
        let endpoints = context.endpoint.value.into_iter().map(|endpoint| {
            let proxy = proxies.on_the_way(&endpoint)?;
            Ok((endpoint, proxy))
        });
        let defaults = Timeouts::default();
        let option = |opt| self.options.get(opt).copied();
        let settings = Settings {
            endpoints: endpoints.collect::<Result<Vec<_>, Fault>>()?,
            place: context.endpoint.place,
            vmid: context.vmid.value,
            token: context.token.value,
            trust,
            timeouts: Timeouts {
                connect: option(&CONNECT_TIMEOUT).unwrap_or(defaults.connect),
                total: option(&TIMEOUT).unwrap_or(defaults.total),
            },
            retries: self.options.get(&RETRY).copied().unwrap_or(0),
        };
        Ok(Client::new(settings)?)
    }

    /// An option wins over what was found.
    fn trust(&self, found: &context::Tls) -> Result<Trust, Error> {
        let insecure =
            self.options.has(&INSECURE) || found.insecure.as_ref().is_some_and(|found| found.value);
        if let Some(file) = self.options.get(&CACERT) {
            return Ok(Trust {
                ca_file: Some(Located::own(file)),
                ca_cert: None,
                insecure,
            });
        }
        Ok(Trust {
            ca_cert: found.ca_pem()?,
            ca_file: found.ca_file.as_ref().map(|found| found.value.clone()),
            insecure,
        })
    }
}

/// An id as given, of a `what`; an empty one means 'none given'. The real server takes `6abc` for 6; here it is an
/// error.
///
/// # Errors
/// [`Error::Usage`], if it is not a number.
pub fn id<'a>(word: &'a str, what: &str) -> Result<Option<&'a str>, Error> {
    let digits = word.trim();
    if digits.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(Some(digits).filter(|digits| !digits.is_empty()));
    }
    Err(Error::Usage(format!(
        "'{word}' is not a {what} ID: an ID is a number"
    )))
}

/// Sends a request; the result is the body of a response that means success.
///
/// # Errors
/// [`Error::Connection`], and those of [`accept`].
pub fn send(client: &Client, request: &Request) -> Result<Vec<u8>, Error> {
    let response = client.send(request, None).map_err(Error::Connection)?;
    accept(response, request)
}

/// Has what is left to do, reading the answer and printing it, end in the time of `--timeout` too, if it was given.
/// Without it a reader may take its time, as `less` does.
///
/// # Errors
/// [`Error::Usage`], if there is no thread for it.
pub fn limit(options: &Options, client: &Client) -> Result<(), Error> {
    let Some(timeout) = options.get(&TIMEOUT) else {
        return Ok(());
    };
    let (deadline, timeout) = (client.deadline(), duration::shown(*timeout));
    let thread = std::thread::Builder::new().spawn(move || {
        while let Some(left) = deadline.checked_duration_since(Instant::now()) {
            std::thread::sleep(left);
        }
        eprintln!("onegate: timed out after {timeout} while reading and printing the answer");
        std::process::exit(error::FAILED.into());
    });
    match thread {
        Ok(_) => Ok(()),
        Err(error) => Err(Error::Usage(format!("no thread for --timeout: {error}"))),
    }
}

/// The body of a response that means success. What changes something is confirmed with an empty body, which is
/// docs/protocol.md, "Routes"; anything else, as from a captive portal, confirms nothing.
///
/// # Errors
/// [`Error::Refused`] with the server's own words; [`Error::Answer`] for a redirect, and for what OneGate doesn't answer.
pub fn accept(response: Response, request: &Request) -> Result<Vec<u8>, Error> {
    let reads = request.method == Method::Get;
    match response.status {
        200 if reads || response.confirms() => Ok(response.body),
        204 if !reads => Ok(response.body),
        status @ 300..400 => Err(Error::Answer(format!(
            "The server answered {} with a redirect ({status}) to {}, which is not followed: the token would go along.\n\
             If OneGate has moved, change ONEGATE_ENDPOINT.",
            request.path,
            response.location.unwrap_or_else(|| "nowhere".to_owned())
        ))),
        status @ 400.. => {
            let words = String::from_utf8_lossy(&response.body);
            let words = words.trim();
            let words = match words {
                "" => format!("HTTP status {status}"),
                words => words.to_owned(),
            };
            Err(Error::Refused(match host_check(status, &words) {
                Some(advice) => format!("{words}\n{advice}"),
                None => words,
            }))
        }
        status => Err(Error::Answer(format!(
            "The server answered {} with status {status} and {} bytes of {}, which is no answer of OneGate's.\n{}\
             Does something else than OneGate listen there, such as a captive portal or a proxy?",
            request.path,
            response.body.len(),
            response.content_type.as_deref().unwrap_or("no type"),
            if reads {
                ""
            } else {
                "Nothing shows that what was asked for was done.\n"
            },
        ))),
    }
}

/// What to do about the host check of Sinatra 4.1, if it is that which refused a request. It comes before OneGate's own
/// checks, and is about the name in ONEGATE_ENDPOINT, not about the VM. (OpenNebula/one#7231)
pub fn host_check(status: u16, words: &str) -> Option<&'static str> {
    let is_it = status == 403
        && ["Host not permitted", "HostAuthorization"]
            .iter()
            .any(|sign| words.contains(sign));
    is_it.then_some(
        "This is not about the VM or its token: Sinatra, since version 4.1, refuses requests for a host name that it \
         was\nnot told of, as through a reverse proxy. On the front-end, update OpenNebula; or add this line to\n\
         /usr/lib/one/onegate/onegate-server.rb, beside its other 'set' lines, and restart opennebula-gate:\n  \
         set :host_authorization, { permitted_hosts: [] }",
    )
}
