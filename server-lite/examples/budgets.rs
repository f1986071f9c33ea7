//! What one client does to another by exceeding each budget of docs/server.md: the other one's latency before and
//! meanwhile, and what the server's process grows to. `budgets SERVER [SECONDS]` starts that binary for each line.
//!
//! ```console
//! $ cargo build --profile bench -p onegate-server-lite --bins --example budgets
//! $ target/release/examples/budgets target/release/onegate-server-lite
//! ```

use std::error::Error;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use oned::Oned;
use rustix::net::{AddressFamily, SocketType};
use serde_json::Value;
use tempfile::TempDir;

#[path = "fleet/oned.rs"]
#[allow(dead_code, reason = "the fleet counts the calls")]
mod oned;

/// That the stand-in for oned carries out in a second: as many as are asked for.
const CALLS: u32 = 1_000_000;

type Failure = Box<dyn Error + Send + Sync>;

/// What the greedy client knows.
struct Target<'a> {
    address: SocketAddr,
    /// Its credentials, as header fields.
    fields: String,
    over: &'a AtomicBool,
}

/// One budget, and how it is exceeded until it is over.
struct Attack {
    budget: &'static str,
    cloud: Kind,
    exceed: fn(&Target) -> Result<(), Failure>,
}

/// Which cloud the server has.
#[derive(Clone, Copy)]
enum Kind {
    Embedded,
    /// A stand-in for OpenNebula, whose VM 8 has an attribute of 1 MB.
    OpenNebula,
}

const ATTACKS: [Attack; 9] = [
    Attack {
        budget: "connections: 2,000 idle, opened again when closed",
        cloud: Kind::Embedded,
        exceed: |target| hold(target, 2000, b""),
    },
    Attack {
        budget: "memory: 1,000 heads of 15 KiB without an end",
        cloud: Kind::Embedded,
        exceed: |target| {
            let field = format!("A: {}\r\n", "x".repeat(250));
            let head = format!("PUT /vm HTTP/1.1\r\nHost: gate\r\n{}", field.repeat(58));
            hold(target, 1000, head.as_bytes())
        },
    },
    Attack {
        budget: "memory: 100 bodies of 1 MB without an end",
        cloud: Kind::Embedded,
        exceed: |target| {
            let head = "PUT /vm HTTP/1.1\r\nHost: gate\r\nContent-Length: 1000000\r\n\r\n";
            let body = [head.as_bytes(), &vec![b'x'; 999_999]].concat();
            hold(target, 100, &body)
        },
    },
    Attack {
        budget: "memory: 100 responses of 1 MB that are not read",
        cloud: Kind::Embedded,
        exceed: |target| {
            let value = vec![b'x'; 1_000_000];
            let put = target.request("PUT /vm", &[b"BIG=".as_slice(), &value].concat());
            send(target.address, &put)?;
            hold(target, 100, &target.request("GET /vm", b"").repeat(10))
        },
    },
    Attack {
        budget: "the same in front of OpenNebula",
        cloud: Kind::OpenNebula,
        exceed: |target| hold(target, 100, &target.request("GET /vm", b"").repeat(10)),
    },
    Attack {
        budget: "work: 4 bodies in chunks of a byte with 250 bytes of extension",
        cloud: Kind::Embedded,
        exceed: |target| {
            let chunk = format!("1;{}\r\nx\r\n", "x".repeat(250)).repeat(20_000);
            let head = "PUT /vm HTTP/1.1\r\nHost: gate\r\nTransfer-Encoding: chunked\r\n\r\n";
            repeat(target, 4, (head.to_owned() + &chunk).as_bytes())
        },
    },
    Attack {
        budget: "work: 4 updates of 60,000 attributes at a time",
        cloud: Kind::Embedded,
        exceed: |target| {
            let lines: String = (0..60_000).map(|n| format!("B{n}=1\n")).collect();
            repeat(target, 4, &target.request("PUT /vm", lines.as_bytes()))
        },
    },
    Attack {
        budget: "work: 4 updates of 8,000 attributes at a time",
        cloud: Kind::Embedded,
        exceed: |target| {
            let lines: String = (0..8000).map(|n| format!("B{n}=1\n")).collect();
            repeat(target, 4, &target.request("PUT /vm", lines.as_bytes()))
        },
    },
    Attack {
        budget: "a body of 20 MB, 4 at a time",
        cloud: Kind::Embedded,
        exceed: |target| {
            repeat(
                target,
                4,
                &target.request("PUT /vm", &vec![b'x'; 20_000_000]),
            )
        },
    },
];

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: budgets SERVER [SECONDS]";
    let server = arguments.next().ok_or(usage)?;
    let seconds = arguments.next().map_or(Ok(3), |word| word.parse())?;
    let time = Duration::from_secs(seconds);
    println!(
        "| exceeded by one client | the other's p50, p99 before | meanwhile | refused | RSS |"
    );
    println!("|---|---|---|---|---|");
    for attack in &ATTACKS {
        let run = Running::start(&server, attack.cloud)?;
        let before = serve(&run, time)?;
        let over = AtomicBool::new(false);
        let target = Target {
            address: run.address,
            fields: run.fields(8)?,
            over: &over,
        };
        let (meanwhile, rss) = thread::scope(|scope| {
            let greedy = scope.spawn(|| (attack.exceed)(&target));
            // Until it has begun.
            thread::sleep(Duration::from_secs(1));
            let served = serve(&run, time);
            let rss = run.rss();
            over.store(true, SeqCst);
            // What it is refused is its own trouble.
            let _ = greedy.join();
            served.map(|served| (served, rss))
        })?;
        println!(
            "| {} | {}, {} | {}, {} | {} of {} | {} MiB |",
            attack.budget,
            before.at(50),
            before.at(99),
            meanwhile.at(50),
            meanwhile.at(99),
            meanwhile.refused,
            meanwhile.times.len(),
            rss? / 1024,
        );
    }
    Ok(())
}

/// A server whose log nobody reads.
struct Running {
    child: Child,
    server: String,
    address: SocketAddr,
    _files: TempDir,
}

impl Running {
    fn start(server: &str, cloud: Kind) -> Result<Running, Failure> {
        let files = TempDir::new()?;
        let mut command = Command::new(server);
        command.args(["serve", "--listen", "127.0.0.1:0"]);
        if let Kind::OpenNebula = cloud {
            let mut cloud: Value = serde_json::from_str(include_str!("../scenarios/panacea.json"))?;
            let records = cloud["vms"].as_array_mut().into_iter().flatten();
            for vm in records.filter(|vm| vm["ID"] == "8") {
                vm["USER_TEMPLATE"]["BIG"] = "x".repeat(1_000_000).into();
            }
            let oned = Oned::start(&cloud.to_string(), CALLS)?;
            let (config, auth) = oned::configuration(&oned, None);
            let write = |name: &str, text: &str| {
                let path = files.path().join(name);
                std::fs::write(&path, text).map(|()| path)
            };
            command.arg("--opennebula");
            command
                .arg("--config")
                .arg(write("onegate-server.conf", &config)?);
            command
                .arg("--auth-file")
                .arg(write("onegate_auth", &auth)?);
        }
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let stdout = child.stdout.take().ok_or("no output")?;
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.trim_end().rsplit('/').next().unwrap_or_default();
        Ok(Running {
            address: address.parse()?,
            server: server.to_owned(),
            child,
            _files: files,
        })
    }

    /// A VM's credentials.
    fn fields(&self, vm: u32) -> Result<String, Failure> {
        let output = Command::new(&self.server)
            .args(["token", &vm.to_string()])
            .output()?;
        let token = String::from_utf8(output.stdout)?;
        Ok(format!("X-ONEGATE-VMID: {vm}\r\nX-ONEGATE-TOKEN: {token}")
            .trim()
            .to_owned()
            + "\r\n")
    }

    /// KiB.
    fn rss(&self) -> Result<usize, Failure> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let words = line.ok_or("no VmHWM")?.split_whitespace().next();
        Ok(words.ok_or("no VmHWM")?.parse()?)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How one client was served.
struct Served {
    /// In order.
    times: Vec<Duration>,
    refused: usize,
}

impl Served {
    fn at(&self, percent: usize) -> String {
        let at = self.times.len() * percent / 100;
        let time = self.times.get(at).copied().unwrap_or_default();
        format!("{:.2} ms", time.as_secs_f64() * 1000.0)
    }
}

/// One request after another on one connection from 127.0.0.2, each with the time it took.
fn serve(run: &Running, time: Duration) -> Result<Served, Failure> {
    let fields = run.fields(9)?;
    let request = format!("GET /vm HTTP/1.1\r\nHost: gate\r\n{fields}\r\n");
    let end = Instant::now() + time;
    let mut served = Served {
        times: Vec::new(),
        refused: 0,
    };
    let mut stream = connect_from([127, 0, 0, 2], run.address)?;
    let mut answer = [0; 4096];
    while Instant::now() < end {
        let start = Instant::now();
        stream.write_all(request.as_bytes())?;
        let count = stream.read(&mut answer)?;
        served.times.push(start.elapsed());
        if !answer[..count].starts_with(b"HTTP/1.1 200 ") {
            served.refused += 1;
            stream = connect_from([127, 0, 0, 2], run.address)?;
        }
    }
    served.times.sort_unstable();
    Ok(served)
}

fn connect_from(own: [u8; 4], address: SocketAddr) -> Result<TcpStream, Failure> {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None)?;
    rustix::net::bind(&socket, &SocketAddr::from((own, 0)))?;
    rustix::net::connect(&socket, &address)?;
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    Ok(stream)
}

impl Target<'_> {
    fn request(&self, line: &str, body: &[u8]) -> Vec<u8> {
        let head = format!(
            "{line} HTTP/1.1\r\nHost: gate\r\n{}Content-Length: {}\r\n\r\n",
            self.fields,
            body.len()
        );
        [head.as_bytes(), body].concat()
    }
}

/// Sends a request on a connection of its own and waits for the answer's beginning.
fn send(address: SocketAddr, bytes: &[u8]) -> Result<(), Failure> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(bytes)?;
    stream.read_exact(&mut [0; 12])?;
    Ok(())
}

/// Holds so many connections on which this was sent, and opens anew those that end.
fn hold(target: &Target, count: usize, bytes: &[u8]) -> Result<(), Failure> {
    let open = || -> Result<TcpStream, Failure> {
        let mut stream = TcpStream::connect(target.address)?;
        stream.set_write_timeout(Some(Duration::from_millis(200)))?;
        // Refused, or full: either is what is wanted.
        let _ = stream.write_all(bytes);
        stream.set_nonblocking(true)?;
        Ok(stream)
    };
    let mut streams = Vec::new();
    while !target.over.load(SeqCst) {
        streams.retain(|stream: &TcpStream| match stream.peek(&mut [0; 1]) {
            Ok(count) => count > 0,
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        });
        if streams.len() < count {
            streams.push(open()?);
        } else {
            thread::sleep(Duration::from_millis(20));
        }
    }
    Ok(())
}

/// Sends this again and again on so many connections at a time.
fn repeat(target: &Target, count: usize, bytes: &[u8]) -> Result<(), Failure> {
    thread::scope(|scope| {
        for _ in 0..count {
            scope.spawn(|| {
                while !target.over.load(SeqCst) {
                    let _ = send(target.address, bytes);
                }
            });
        }
    });
    Ok(())
}
