//! Load, with the embedded cloud and with an OpenNebula whose oned and OneFlow answer at once: requests a second,
//! median and 99th percentile, and the connections that oned saw.
//!
//! `cargo run --profile release-server --example load [SECONDS]`. Server, stand-ins and clients share the machine.

#[allow(unreachable_pub)]
#[path = "../tests/upstream/mod.rs"]
mod upstream;

use onegate_server_lite::cloud::Cloud;
use onegate_server_lite::cloud::embedded::Embedded;
use onegate_server_lite::cloud::opennebula::session::{Lifetime, ServerAuth};
use onegate_server_lite::cloud::opennebula::upstream::Patience;
use onegate_server_lite::cloud::opennebula::{OpenNebula, Settings};
use onegate_server_lite::commands::config::Config;
use onegate_server_lite::flow;
use onegate_server_lite::gate::routes::Gate;
use onegate_server_lite::http::{Limits, Request, Server};
use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use upstream::StandIn;
use upstream::replay::{Recordings, World};

/// What is asked, and of what the stand-ins know.
struct Asked {
    line: &'static str,
    /// The recorded case with the calls that it takes.
    case: &'static str,
    vm: u32,
    token: &'static str,
    body: &'static str,
}

const ASKED: &[Asked] = &[
    Asked {
        line: "GET /vm",
        case: "get/locked_vm",
        vm: 6,
        token: "o7Y9bRvAiQmfUZzJo5eZTA==",
        body: "",
    },
    Asked {
        line: "GET /service",
        case: "scale/slave_back",
        vm: 33,
        token: "1yvkaTcGbqs96/yBNcRl7A==",
        body: "",
    },
    Asked {
        line: "PUT /vm",
        case: "put/raw_simple",
        vm: 6,
        token: "o7Y9bRvAiQmfUZzJo5eZTA==",
        body: "A=1",
    },
];

const CONNECTIONS: &[usize] = &[1, 10, 50];

fn main() -> Result<(), Box<dyn Error>> {
    let seconds = std::env::args().nth(1).map_or(Ok(3), |text| text.parse())?;
    let duration = Duration::from_secs(seconds);
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let recordings = Recordings::read();
    println!(
        "| request | cloud | connections | requests/s | p50 ms | p99 ms | calls a request | most connections to oned |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for asked in ASKED {
        for &connections in CONNECTIONS {
            let (cloud, _) = Embedded::open(
                Some(&fixtures.join("snapshot/cloud.json")),
                None,
                flow::Options::default(),
            )?;
            let measured = measure(Arc::new(cloud), asked, connections, duration)?;
            println!(
                "| {} | embedded | {connections} | {measured} | - | - |",
                asked.line
            );

            let world = recordings.world([asked.case]);
            let oned = instant(world.clone());
            let oneflow = instant(world);
            let settings = Settings {
                one_xmlrpc: oned.url("/RPC2"),
                oneflow_server: oneflow.url(""),
                auth: ServerAuth::parse("serveradmin:secret")?,
                lifetime: Lifetime::default(),
                patience: Patience::default(),
            };
            let cloud = OpenNebula::new(settings, Arc::new(|line| eprintln!("{line}")))?;
            let measured = measure(Arc::new(cloud), asked, connections, duration)?;
            let calls = (oned.requests() + oneflow.requests()) as f64 / measured.requests as f64;
            let most = oned.most_open();
            println!(
                "| {} | OpenNebula | {connections} | {measured} | {calls:.2} | {most} |",
                asked.line
            );
        }
    }
    Ok(())
}

fn instant(world: World) -> StandIn {
    StandIn::start(move |request| world.answer(&request.call()))
}

struct Measured {
    requests: usize,
    rate: f64,
    p50: f64,
    p99: f64,
}

impl std::fmt::Display for Measured {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{:.0} | {:.2} | {:.2}", self.rate, self.p50, self.p99)
    }
}

fn measure(
    cloud: Arc<dyn Cloud>,
    asked: &Asked,
    connections: usize,
    duration: Duration,
) -> Result<Measured, Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let gate = Gate::new(cloud, Config::default());
    let handler = move |request: &Request| gate.answer(request).response;
    let server = Server::start(vec![listener], None, Arc::new(handler), Limits::default())?;
    let Asked {
        line,
        vm,
        token,
        body,
        ..
    } = asked;
    let request = format!(
        "{line} HTTP/1.1\r\nHost: x\r\nX-ONEGATE-VMID: {vm}\r\nX-ONEGATE-TOKEN: {token}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let failed = Arc::new(AtomicUsize::new(0));
    let start = Instant::now();
    let clients: Vec<_> = (0..connections)
        .map(|_| {
            let (request, failed) = (request.clone(), failed.clone());
            std::thread::spawn(move || client(address, &request, start + duration, &failed))
        })
        .collect();
    let mut times = Vec::new();
    for client in clients {
        times.extend(client.join().map_err(|_| "a client panicked")??);
    }
    let took = start.elapsed();
    server.stop();
    times.sort_unstable();
    let failed = failed.load(Ordering::Relaxed);
    if failed > 0 || times.is_empty() {
        return Err(format!("{failed} of {} requests failed", times.len()).into());
    }
    let percentile =
        |of: usize| times[(times.len() * of / 100).min(times.len() - 1)].as_secs_f64() * 1000.0;
    Ok(Measured {
        requests: times.len(),
        rate: times.len() as f64 / took.as_secs_f64(),
        p50: percentile(50),
        p99: percentile(99),
    })
}

/// Sends the request again and again; how long each answer took.
fn client(
    address: SocketAddr,
    request: &str,
    end: Instant,
    failed: &AtomicUsize,
) -> std::io::Result<Vec<Duration>> {
    let mut times = Vec::new();
    let mut kept: Option<BufReader<TcpStream>> = None;
    while Instant::now() < end {
        let start = Instant::now();
        let mut stream = match kept.take() {
            Some(stream) => stream,
            None => {
                let stream = TcpStream::connect(address)?;
                stream.set_nodelay(true)?;
                BufReader::new(stream)
            }
        };
        stream.get_mut().write_all(request.as_bytes())?;
        let (mut status, mut length, mut close) = (String::new(), 0, false);
        stream.read_line(&mut status)?;
        if !status.starts_with("HTTP/1.1 20") {
            failed.fetch_add(1, Ordering::Relaxed);
            eprintln!("{status:?}");
        }
        loop {
            let mut line = String::new();
            stream.read_line(&mut line)?;
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.parse().unwrap_or(0);
            }
            close |= line == "connection: close";
            if line.is_empty() {
                break;
            }
        }
        stream.read_exact(&mut vec![0; length])?;
        times.push(start.elapsed());
        if !close {
            kept = Some(stream);
        }
    }
    Ok(times)
}
