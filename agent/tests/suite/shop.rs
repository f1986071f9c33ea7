//! contrib/examples/shop with the real HAProxy: the service grows and shrinks, a back end is killed, OneGate restarts,
//! and no request is lost.

use crate::support::server::Server;
use crate::support::{skipped, stderr, stdout};
use std::collections::HashMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Three roles; the VMs' addresses are this machine's own.
const CLOUD: &str = r#"{"users":[{"ID":"2","GID":"1","GROUPS":{"ID":"1"},"GNAME":"users","NAME":"johndoe","ENABLED":"1",
"TEMPLATE":{"TOKEN_PASSWORD":"0badc0de0badc0de0badc0de0badc0de0badc0de0badc0de0badc0de0badc0de"}}],
"vnets":[{"ID":"0","UID":"0","GID":"0","UNAME":"oneadmin","GNAME":"oneadmin","NAME":"vnet","PERMISSIONS":{"OWNER_U":"1",
"OWNER_M":"1","OWNER_A":"0","GROUP_U":"1","GROUP_M":"0","GROUP_A":"0","OTHER_U":"1","OTHER_M":"0","OTHER_A":"0"},
"USED_LEASES":"0","VROUTERS":{},"TEMPLATE":{},"AR_POOL":{"AR":{"AR_ID":"0","IP":"127.9.0.10","MAC":"02:00:7f:09:00:0a",
"SIZE":"100","TYPE":"IP4","USED_LEASES":"0","LEASES":{}}}}],
"services":[{"ID":"1","UID":"2","GID":"1","UNAME":"johndoe","GNAME":"users","NAME":"shop","PERMISSIONS":{"OWNER_U":"1",
"OWNER_M":"1","OWNER_A":"0","GROUP_U":"0","GROUP_M":"0","GROUP_A":"0","OTHER_U":"0","OTHER_M":"0","OTHER_A":"0"},
"TEMPLATE":{"BODY":{"name":"shop","deployment":"none","state":0,"roles":[
{"name":"db","type":"vm","cardinality":1,"state":0,"nodes":[],"template_contents":{"NIC":[{"NETWORK_ID":"0"}]}},
{"name":"frontend","type":"vm","cardinality":1,"state":0,"nodes":[],"template_contents":{"NIC":[{"NETWORK_ID":"0"}]}},
{"name":"backend","type":"vm","cardinality":2,"min_vms":1,"max_vms":8,"cooldown":0,"state":0,"nodes":[],
"template_contents":{"NIC":[{"NETWORK_ID":"0"}]}}]}}}]}"#;

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(60);

/// Waits until something is true.
fn until(what: &str, mut is_true: impl FnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !is_true() {
        assert!(start.elapsed() < LONG, "{what}: not in a minute");
        std::thread::sleep(Duration::from_millis(5));
    }
    start.elapsed()
}

/// A web server on one address, until this value is gone.
struct Backend {
    stop: Arc<AtomicBool>,
    address: String,
    thread: Option<JoinHandle<()>>,
}

impl Backend {
    fn new(address: &str) -> Backend {
        let listener = TcpListener::bind(address).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(mut stream) = stream else { continue };
                let mut head = Vec::new();
                let mut one = [0];
                while !head.ends_with(b"\r\n\r\n") && stream.read(&mut one).is_ok_and(|n| n == 1) {
                    head.push(one[0]);
                }
                let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        Backend {
            stop,
            address: address.to_owned(),
            thread: Some(thread),
        }
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(&self.address);
        let _ = self.thread.take().unwrap().join();
    }
}

struct Shop {
    directory: tempfile::TempDir,
    server: Option<Server>,
    port: u16,
    guests: HashMap<u32, Child>,
    backends: HashMap<u32, Backend>,
}

impl Shop {
    fn start() -> Shop {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("cloud.json"), CLOUD).unwrap();
        let mut shop = Shop {
            directory,
            server: None,
            port: 0,
            guests: HashMap::new(),
            backends: HashMap::new(),
        };
        shop.serve("127.0.0.1:0");
        shop
    }

    fn serve(&mut self, listen: &str) {
        let (cloud, state) = (self.path("cloud.json"), self.path("state"));
        let mut args = vec![
            "--state",
            state.to_str().unwrap(),
            "--vm-step",
            "50ms",
            "--cooldown",
            "0",
        ];
        if !state.exists() {
            args.extend(["--cloud", cloud.to_str().unwrap()]);
        }
        let server = Server::on(listen, &args);
        self.port = server.port();
        self.server = Some(server);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A command in a VM, which finds its credentials as in a container.
    fn guest(&self, vm: u32, program: &str) -> Command {
        let root = self.path(&format!("vm{vm}"));
        if !root.exists() {
            let server =
                Path::new(env!("CARGO_BIN_EXE_onegate")).with_file_name("onegate-server-lite");
            let made = Command::new(server)
                .args(["context", &vm.to_string(), "--state"])
                .arg(self.path("state"))
                .args([
                    "--endpoint",
                    &format!("http://127.0.0.1:{}", self.port),
                    "--out",
                ])
                .arg(root.join("context"))
                .output()
                .unwrap();
            assert!(made.status.success(), "{}", stderr(&made));
        }
        let shell = root.join("context/context.sh");
        let text = fs::read_to_string(shell).unwrap();
        let token = fs::read_to_string(root.join("context/token.txt")).unwrap();
        let value = |name: &str| {
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix(&format!("{name}=")));
            line.unwrap().trim_matches('\'').to_owned()
        };
        let bin = Path::new(env!("CARGO_BIN_EXE_onegate")).parent().unwrap();
        let mut command = Command::new(program);
        command
            .env_clear()
            .env(
                "PATH",
                format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", bin.display()),
            )
            .env("ONEGATE_ENDPOINT", value("ONEGATE_ENDPOINT"))
            .env("VMID", value("VMID"))
            .env("TOKENTXT", token.trim())
            .env("SHOP", &root)
            .current_dir(&root);
        command
    }

    /// Runs a role's script in a VM.
    fn play(&mut self, vm: u32, role: &str, port: u16) {
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contrib/examples/shop");
        let mut command = self.guest(vm, examples.join(role).to_str().unwrap());
        for name in ["reload", "head.cfg"] {
            fs::copy(examples.join(name), self.path(&format!("vm{vm}/{name}"))).unwrap();
        }
        let log = fs::File::create(self.path(&format!("vm{vm}/log"))).unwrap();
        command
            .env("SHOP_BIND", format!("127.0.0.1:{port}"))
            .env("SERVER", "true")
            .env("PORT", "18080")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        self.guests.insert(vm, command.spawn().unwrap());
    }

    /// VMs of a role that run, and their addresses.
    fn running(&self, vm: u32, role: &str) -> Vec<(u32, String)> {
        let mut onegate = self.guest(vm, env!("CARGO_BIN_EXE_onegate"));
        let args = [
            "service",
            "peers",
            "--role",
            role,
            "--where",
            "STATE=RUNNING",
            "--format",
            "{ID} {IP}",
        ];
        let printed = stdout(&onegate.args(args).output().unwrap());
        let line = |line: &str| {
            let (id, ip) = line.split_once(' ').unwrap();
            (id.parse().unwrap(), ip.to_owned())
        };
        printed.lines().map(line).collect()
    }

    /// Boots VMs that have come, and takes away those that have gone.
    fn follow(&mut self, any: u32) -> usize {
        let running = self.running(any, "backend");
        for (vm, ip) in &running {
            if !self.backends.contains_key(vm) {
                self.backends
                    .insert(*vm, Backend::new(&format!("{ip}:18080")));
                self.play(*vm, "backend", 0);
            }
        }
        running.len()
    }

    fn forget(&mut self, vm: u32) {
        self.backends.remove(&vm);
        if let Some(mut guest) = self.guests.remove(&vm) {
            let _ = guest.kill();
            let _ = guest.wait();
        }
    }

    fn configured(&self, frontend: u32) -> usize {
        let text = fs::read_to_string(self.path(&format!("vm{frontend}/haproxy.cfg")));
        text.unwrap_or_default().matches("    server ").count()
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        for vm in self.guests.keys().copied().collect::<Vec<_>>() {
            if std::thread::panicking() {
                let log = fs::read_to_string(self.path(&format!("vm{vm}/log")));
                println!("VM {vm}: {}", log.unwrap_or_default());
            }
            if let Ok(pid) = fs::read_to_string(self.path(&format!("vm{vm}/pid"))) {
                let _ = Command::new("sh")
                    .args(["-c", "kill $0", pid.trim()])
                    .status();
            }
            self.forget(vm);
        }
    }
}

/// One request; is it answered with 200?
fn is_served(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else {
        return false;
    };
    let mut answer = String::new();
    let sent = stream.write_all(b"GET / HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n");
    let read = sent.and_then(|()| stream.read_to_string(&mut answer));
    let _ = stream.shutdown(Shutdown::Both);
    read.is_ok() && answer.starts_with("HTTP/1.1 200")
}

#[test]
fn the_load_balancer_follows_and_no_request_is_lost() {
    for tool in ["haproxy", "openssl"] {
        let found = agent_less(tool)
            .arg(if tool == "haproxy" { "-v" } else { "version" })
            .output();
        if found.is_err() {
            return skipped(tool);
        }
    }
    let mut shop = Shop::start();
    // The embedded cloud counts VMs from 0.
    let ids = |shop: &Shop, role: &str| shop.running(0, role).first().map(|(id, _)| *id);
    until("the service has its VMs", || {
        ids(&shop, "frontend").is_some() && ids(&shop, "db").is_some()
    });
    let (db, frontend) = (ids(&shop, "db").unwrap(), ids(&shop, "frontend").unwrap());
    let port = crate::support::closed_port();
    shop.play(frontend, "frontend", port);
    shop.play(db, "db", 0);
    until("two back ends", || {
        shop.follow(0) == 2 && shop.configured(frontend) == 2
    });
    until("the first request is served", || is_served(port));
    let secret = fs::read_to_string(shop.path(&format!("vm{db}/password"))).unwrap();
    let backends: Vec<u32> = shop.backends.keys().copied().collect();
    for vm in backends {
        let fetched = fs::read_to_string(shop.path(&format!("vm{vm}/password"))).unwrap();
        assert_eq!(fetched.trim(), secret);
    }

    let (stop, count, lost, empty) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicUsize::new(0)),
    );
    let file = shop.path(&format!("vm{frontend}/haproxy.cfg"));
    let customers: Vec<_> = (0..2)
        .map(|_| {
            let (stop, count, lost, empty, file) = (
                stop.clone(),
                count.clone(),
                lost.clone(),
                empty.clone(),
                file.clone(),
            );
            std::thread::spawn(move || {
                while !stop.load(Ordering::SeqCst) {
                    count.fetch_add(1, Ordering::SeqCst);
                    lost.fetch_add(usize::from(!is_served(port)), Ordering::SeqCst);
                    let text = fs::read_to_string(&file).unwrap_or_default();
                    empty.fetch_add(usize::from(!text.contains("    server ")), Ordering::SeqCst);
                    std::thread::sleep(Duration::from_millis(5));
                }
            })
        })
        .collect();

    let scale = |shop: &Shop, to: &str| {
        let mut onegate = shop.guest(0, env!("CARGO_BIN_EXE_onegate"));
        let scaled = onegate.args(["service", "scale", "--role", "backend", "--cardinality", to]);
        let scaled = scaled.output().unwrap();
        assert!(scaled.status.success(), "{}", stderr(&scaled));
    };
    let report = |what: &str, time: Duration| println!("shop: {what}: {} ms", time.as_millis());

    scale(&shop, "4");
    report(
        "from 2 to 4 back ends",
        until("four", || {
            shop.follow(0) == 4 && shop.configured(frontend) == 4
        }),
    );

    // Dies without a word: the list still has it, HAProxy's checks find out. OneFlow takes the oldest away first, so that
    // neither the first nor the last one must be dead for the shop to go on.
    let victim = shop.running(0, "backend")[1].0;
    drop(shop.backends.remove(&victim));
    let before = count.load(Ordering::SeqCst);
    until("served without it", || {
        count.load(Ordering::SeqCst) > before + 100
    });

    // OneGate is away, and comes back with another list.
    shop.server = None;
    let before = count.load(Ordering::SeqCst);
    until("served without OneGate", || {
        count.load(Ordering::SeqCst) > before + 100
    });
    assert_eq!(shop.configured(frontend), 4);
    let listen = format!("127.0.0.1:{}", shop.port);
    shop.serve(&listen);
    until("the service can be scaled again", || {
        let state = shop
            .guest(0, env!("CARGO_BIN_EXE_onegate"))
            .args(["service", "show", "--get", "state"])
            .output()
            .unwrap();
        stdout(&state).trim() == "2"
    });
    scale(&shop, "1");
    report(
        "from 4 to 1 back end, after a restart of OneGate",
        until("one", || shop.configured(frontend) == 1),
    );
    let before = count.load(Ordering::SeqCst);
    until("served by the last one", || {
        count.load(Ordering::SeqCst) > before + 100
    });

    stop.store(true, Ordering::SeqCst);
    customers
        .into_iter()
        .for_each(|customer| customer.join().unwrap());
    let (count, lost, empty) = (
        count.load(Ordering::SeqCst),
        lost.load(Ordering::SeqCst),
        empty.load(Ordering::SeqCst),
    );
    println!("shop: {count} requests, {lost} lost, configuration empty {empty} times");
    let log = fs::read_to_string(shop.path(&format!("vm{frontend}/log"))).unwrap();
    assert_eq!((lost, empty), (0, 0), "{log}");
    assert_eq!(log.matches("the last result stays").count(), 1, "{log}");
}

/// A tool of this machine.
fn agent_less(tool: &str) -> Command {
    let mut command = Command::new(tool);
    command
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .stdin(Stdio::null());
    command
}
