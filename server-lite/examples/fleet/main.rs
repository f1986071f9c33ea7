//! `make fleet VMS=N SECONDS=S [URL=…]`: N guests against one OneGate, to size it.
//!
//! All boot within a second (read their record, say READY=YES, read their service) and then poll, as `onegate vm wait`
//! does, and report a metric now and then, each with a jitter of its own, until the time is over. Every guest has its
//! own token, every request its own connection, as from 10,000 machines; a few threads drive them all. What gets 503
//! or no connection is tried again as an agent would.
//!
//! `make fleet VMS=N ONED=CALLS`: the same guests boot, and then rest, with the server before a stand-in for oned that
//! answers so many calls a second.
//!
//! Without a URL a server is started on loopback with a made-up cloud. With one, `--cloud FILE` is the cloud that is
//! served there (a dump with TOKEN_PASSWORD, or what `--write FILE` made): the tokens come from it. Nothing but that
//! URL is ever spoken to.

mod cloud;
mod guests;
mod oned;
mod report;
mod wire;

use guests::{Fleet, Plan};
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

/// The options, as given.
struct Options {
    vms: usize,
    seconds: u64,
    every: u64,
    threads: usize,
    oned: Option<u32>,
    max_age: Option<u64>,
    server: Option<PathBuf>,
    url: Option<String>,
    cloud: Option<PathBuf>,
    write: Option<PathBuf>,
}

/// How long a fleet may take to boot before a limited oned.
const LONGEST_BOOT: Duration = Duration::from_secs(900);

const USAGE: &str = "usage: fleet [--vms N] [--seconds S] [--every SECONDS] [--threads N] [--url http://HOST:PORT --cloud FILE]
       fleet [--vms N] [--threads N] --oned CALLS [--max-age SECONDS] [--server PROGRAM]
       fleet --vms N --write FILE";

fn main() -> ExitCode {
    match options().and_then(|options| run(&options)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("fleet: {error}");
            ExitCode::from(2)
        }
    }
}

fn options() -> Result<Options, String> {
    let mut options = Options {
        vms: 1000,
        seconds: 30,
        every: 10,
        threads: 4,
        oned: None,
        max_age: None,
        server: None,
        url: None,
        cloud: None,
        write: None,
    };
    let mut parser = lexopt::Parser::from_env();
    let text = |error: lexopt::Error| format!("{error}\n{USAGE}");
    while let Some(argument) = parser.next().map_err(text)? {
        let lexopt::Arg::Long(name) = argument else {
            return Err(USAGE.to_string());
        };
        let name = name.to_string();
        let value = parser.value().map_err(text)?;
        let value = value
            .into_string()
            .map_err(|_| format!("--{name}: not UTF-8"))?;
        let number = || {
            value
                .parse::<u32>()
                .map_err(|_| format!("--{name}: {value:?} is no number"))
        };
        match name.as_str() {
            "vms" => options.vms = number()? as usize,
            "seconds" => options.seconds = number()?.into(),
            "every" => options.every = number()?.max(1).into(),
            "threads" => options.threads = number()?.clamp(1, 64) as usize,
            "oned" => options.oned = Some(number()?.max(1)),
            "max-age" => options.max_age = Some(number()?.into()),
            "server" => options.server = Some(value.into()),
            "url" => options.url = Some(value),
            "cloud" => options.cloud = Some(value.into()),
            "write" => options.write = Some(value.into()),
            _ => return Err(format!("no option --{name}\n{USAGE}")),
        }
    }
    Ok(options)
}

/// Whether no request was lost.
fn run(options: &Options) -> Result<bool, String> {
    if let Some(file) = &options.write {
        std::fs::write(file, cloud::made_up(options.vms))
            .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
        println!(
            "{}: a cloud of {} VMs; serve it with --cloud",
            file.display(),
            options.vms
        );
        return Ok(true);
    }
    if options.url.is_some() && options.cloud.is_none() {
        return Err(
            "--url needs --cloud FILE, the cloud that is served there: the tokens come from it; \
                    `fleet --vms N --write FILE` makes one"
                .into(),
        );
    }
    let text = match &options.cloud {
        Some(file) => std::fs::read_to_string(file)
            .map_err(|error| format!("cannot read {}: {error}", file.display()))?,
        None => cloud::made_up(options.vms),
    };
    let tokens = cloud::tokens(&text, options.vms)?;
    let oned = match options.oned {
        Some(calls) => Some(oned::Oned::start(&text, calls)?),
        None => None,
    };
    let (url, server) = match &options.url {
        Some(url) => (url.clone(), None),
        None => {
            let server = Server::start(&text, oned.as_ref(), options)?;
            (server.url.clone(), Some(server))
        }
    };
    let address = resolve(&url)?;
    match options.oned {
        Some(calls) => println!(
            "{} guests boot against {url}, before a oned that answers {calls} calls a second",
            tokens.len()
        ),
        None => println!(
            "{} guests against {url} for {} s, each polling about every {} s, from {} threads",
            tokens.len(),
            options.seconds,
            options.every,
            options.threads
        ),
    }
    let plan = Plan {
        address,
        host: url
            .trim_start_matches("http://")
            .trim_end_matches('/')
            .to_string(),
        boot: Duration::from_secs(1),
        every: Duration::from_secs(options.every),
        length: match &oned {
            Some(_) => LONGEST_BOOT,
            None => Duration::from_secs(options.seconds),
        },
        boot_only: oned.is_some(),
    };
    let tally = Fleet::new(plan, tokens, options.threads)?.run()?;
    drop(server);
    let lost = tally.lost();
    print!("{}", tally.text());
    if let Some(oned) = oned {
        println!("{}", oned.calls());
    }
    Ok(lost == 0)
}

fn resolve(url: &str) -> Result<SocketAddr, String> {
    let host = url
        .strip_prefix("http://")
        .ok_or("only http:// URLs: a TLS handshake is another test")?;
    let host = host.trim_end_matches('/');
    let mut addresses = host
        .to_socket_addrs()
        .map_err(|error| format!("{url}: {error}"))?;
    addresses
        .next()
        .ok_or_else(|| format!("{url} has no address"))
}

/// A server of our own with durable state, which ends with this.
struct Server {
    child: Child,
    url: String,
    directory: PathBuf,
}

impl Server {
    fn start(cloud: &str, oned: Option<&oned::Oned>, options: &Options) -> Result<Self, String> {
        let fail = |what: &str, error: std::io::Error| format!("{what}: {error}");
        let own = std::env::current_exe().map_err(|error| fail("cannot find myself", error))?;
        let built = own
            .ancestors()
            .map(|directory| directory.join("onegate-server-lite"))
            .find(|program| program.is_file());
        let program = options
            .server
            .clone()
            .or(built)
            .ok_or("onegate-server-lite is not built: `make fleet` builds it")?;
        let directory = std::env::temp_dir().join(format!("fleet-{}", std::process::id()));
        std::fs::create_dir(&directory).map_err(|error| fail("cannot make a directory", error))?;
        let write = |name: &str, text: &str| {
            let file = directory.join(name);
            std::fs::write(&file, text).map_err(|error| fail("cannot write a file", error))?;
            Ok::<_, String>(file)
        };
        let mut command = Command::new(program);
        command.args(["serve", "--listen", "127.0.0.1:0"]);
        match oned {
            Some(oned) => {
                let (config, auth) = oned::configuration(oned, options.max_age);
                command.arg("--opennebula");
                command
                    .arg("--config")
                    .arg(write("onegate-server.conf", &config)?);
                command
                    .arg("--auth-file")
                    .arg(write("onegate_auth", &auth)?);
            }
            None => {
                command.arg("--cloud").arg(write("cloud.json", cloud)?);
                command.arg("--state").arg(directory.join("state"));
            }
        }
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| fail("cannot start the server", error))?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            let _ = BufReader::new(stdout).read_line(&mut line);
        }
        let url = line
            .trim()
            .rsplit(' ')
            .next()
            .unwrap_or_default()
            .to_string();
        let server = Self {
            child,
            url,
            directory,
        };
        if server.url.is_empty() {
            return Err("the server did not start".into());
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(peak) = peak_memory(self.child.id()) {
            println!("the server's memory at its peak: {peak}");
        }
        let _ = rustix::process::kill_process(
            rustix::process::Pid::from_child(&self.child),
            rustix::process::Signal::TERM,
        );
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn peak_memory(process: u32) -> Option<String> {
    let status =
        std::fs::read_to_string(Path::new("/proc").join(process.to_string()).join("status"))
            .ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().to_string())
}
