//! Nothing acknowledged is lost: the server is killed with SIGKILL at random moments, a hundred times, while several
//! clients update the same VM and a service is scaled up and down; after each start every acknowledged update is there
//! and no half of one, and the service has its VMs, each with an address of its own.

use crate::support::client::PATIENCE;
use crate::support::process::{Running, credentials, printed};
use serde_json::Value;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

const KILLS: u32 = 100;
const CLIENTS: usize = 4;

/// What a client has sent and what was acknowledged of it, over all lives of the server.
#[derive(Default, Clone)]
struct Client {
    sent: u32,
    acknowledged: Vec<u32>,
}

/// Updates acknowledged in all.
static ACKNOWLEDGED: AtomicUsize = AtomicUsize::new(0);

#[test]
fn nothing_acknowledged_is_lost_when_the_server_is_killed() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state").display().to_string();
    // VM 1 is updated; VM 8 scales the service that it is a node of.
    let tokens = ["1", "8"].map(|vm| printed(&["token", vm]).trim_end().to_owned());
    let [token, scaler] = [&tokens[0], &tokens[1]].map(String::as_str);
    let clients: Vec<Mutex<Client>> = (0..CLIENTS).map(|_| Mutex::default()).collect();
    for kill in 0..KILLS {
        let server =
            Running::start(&["--state", &state, "--vm-step", "10ms", "--cooldown", "10ms"]);
        let stored = user_template(&server, token);
        for (number, client) in clients.iter().enumerate() {
            check(&stored, number, &client.lock().unwrap(), kill);
        }
        is_whole(&service(&server, scaler));
        std::thread::scope(|scope| {
            scope.spawn(|| scale_until_killed(&server.address.clone(), scaler));
            for (number, client) in clients.iter().enumerate() {
                let address = server.address.clone();
                scope.spawn(move || update_until_killed(&address, token, number, client));
            }
            // At any moment from the first request on: after some have been acknowledged, in the midst of others.
            let random = RandomState::new().build_hasher().finish();
            let acknowledged = ACKNOWLEDGED.load(SeqCst) + (random % 6) as usize;
            let deadline = Instant::now() + PATIENCE;
            while ACKNOWLEDGED.load(SeqCst) < acknowledged {
                assert!(Instant::now() < deadline, "nothing is acknowledged");
                std::thread::sleep(Duration::from_millis(1));
            }
            std::thread::sleep(Duration::from_micros(random / 6 % 20_000));
            server.signal(rustix::process::Signal::KILL);
        });
    }
    let server = Running::start(&["--state", &state, "--vm-step", "10ms", "--cooldown", "10ms"]);
    let stored = user_template(&server, token);
    let mut all = 0;
    for (number, client) in clients.iter().enumerate() {
        let client = client.lock().unwrap();
        check(&stored, number, &client, KILLS);
        all += client.acknowledged.len();
    }
    assert!(
        all > KILLS as usize,
        "only {all} updates were acknowledged: this tests nothing"
    );
    let deadline = Instant::now() + PATIENCE;
    loop {
        let service = service(&server, scaler);
        is_whole(&service);
        let roles = service["roles"].as_array().unwrap();
        let settled = |role: &Value| {
            role["nodes"].as_array().map(Vec::len)
                == role["cardinality"].as_u64().map(|n| n as usize)
        };
        if service["state"] == 2 && roles.iter().all(settled) {
            break;
        }
        assert!(
            Instant::now() < deadline,
            "the service does not come to rest: {service}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    println!("{KILLS} kills, {all} updates acknowledged, none lost");
}

/// Every update of a client sets two attributes of its own to its number, and one with its number in the name.
fn update_until_killed(address: &str, token: &str, number: usize, client: &Mutex<Client>) {
    let mut client = client.lock().unwrap();
    let Ok(mut stream) = TcpStream::connect(address) else {
        return;
    };
    loop {
        client.sent += 1;
        let n = client.sent;
        let body = format!("A_{number}={n}\nB_{number}={n}\nU_{number}_{n}={n}\n");
        let request = format!(
            "PUT /vm HTTP/1.1\r\nHost: {address}\r\nX-ONEGATE-VMID: 1\r\nX-ONEGATE-TOKEN: {token}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        if stream.write_all(request.as_bytes()).is_err() {
            return;
        }
        let mut answer = Vec::new();
        while !answer.windows(4).any(|w| w == b"\r\n\r\n") {
            let mut buffer = [0; 1024];
            match stream.read(&mut buffer) {
                Ok(0) | Err(_) => return,
                Ok(read) => answer.extend_from_slice(&buffer[..read]),
            }
        }
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        client.acknowledged.push(n);
        ACKNOWLEDGED.fetch_add(1, SeqCst);
    }
}

/// Scales the slaves to one number after the other; what is refused (it scales already) is refused.
fn scale_until_killed(address: &str, token: &str) {
    for cardinality in [3, 1, 4, 2].into_iter().cycle() {
        let body = format!("{{\"cardinality\": {cardinality}}}");
        let request = format!(
            "PUT /service/role/slave HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nX-ONEGATE-VMID: 8\r\n\
             X-ONEGATE-TOKEN: {token}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let Ok(mut stream) = TcpStream::connect(address) else {
            return;
        };
        let mut answer = Vec::new();
        if stream.write_all(request.as_bytes()).is_err() || stream.read_to_end(&mut answer).is_err()
        {
            return;
        }
        let status = String::from_utf8_lossy(&answer)
            .split(' ')
            .nth(1)
            .map(str::to_owned);
        match status.as_deref() {
            None => return,
            Some(status) => assert!(["200", "400"].contains(&status), "{status}"),
        }
    }
}

fn service(server: &Running, token: &str) -> Value {
    let answer = server.send("GET /service?extended=true", &credentials("8", token), b"");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let service: Value = serde_json::from_str(answer.text()).unwrap();
    service["SERVICE"].clone()
}

/// Every node has its VM, and no two the same VM or address.
fn is_whole(service: &Value) {
    let roles = service["roles"].as_array().unwrap();
    let nodes: Vec<&Value> = roles
        .iter()
        .flat_map(|role| role["nodes"].as_array().unwrap())
        .collect();
    let mut addresses: Vec<String> = Vec::new();
    for node in &nodes {
        let vm = &node["vm_info"]["VM"];
        assert!(vm["STATE"].is_string(), "a node without its VM: {service}");
        addresses.push(format!("{}", vm["TEMPLATE"]["NIC"]["IP"]));
    }
    addresses.sort();
    addresses.dedup();
    assert_eq!(
        addresses.len(),
        nodes.len(),
        "two nodes with one address: {service}"
    );
}

fn user_template(server: &Running, token: &str) -> Value {
    let answer = server.send("GET /vm", &credentials("1", token), b"");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let vm: Value = serde_json::from_str(answer.text()).unwrap();
    vm["VM"]["USER_TEMPLATE"].clone()
}

fn check(stored: &Value, number: usize, client: &Client, kill: u32) {
    let read = |name: String| -> u32 {
        stored[name]
            .as_str()
            .map_or(0, |text| text.parse().unwrap())
    };
    let (a, b) = (read(format!("A_{number}")), read(format!("B_{number}")));
    let context = format!(
        "client {number} after {kill} kills: {a} and {b} of {} sent",
        client.sent
    );
    assert_eq!(a, b, "half an update; {context}");
    assert!(a <= client.sent, "an update that nobody sent; {context}");
    let last = client.acknowledged.last().copied().unwrap_or_default();
    assert!(a >= last, "{last} was acknowledged and is lost; {context}");
    for n in &client.acknowledged {
        assert_eq!(
            read(format!("U_{number}_{n}")),
            *n,
            "update {n} is lost; {context}"
        );
    }
}
