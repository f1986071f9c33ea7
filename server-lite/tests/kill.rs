//! Nothing acknowledged is lost: the server is killed with SIGKILL at random moments, a hundred times, while several
//! clients update the same VM; after each start every acknowledged update is there, and no half of one.

#![allow(clippy::unwrap_used)]

mod real;

use real::{Running, credentials, printed};
use serde_json::Value;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::time::Duration;

const KILLS: u32 = 100;
const CLIENTS: usize = 4;

/// What a client has sent and what was acknowledged of it, over all lives of the server.
#[derive(Default, Clone)]
struct Client {
    sent: u32,
    acknowledged: Vec<u32>,
}

#[test]
fn nothing_acknowledged_is_lost_when_the_server_is_killed() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state").display().to_string();
    let token = printed(&["token", "9"]);
    let token = token.trim_end();
    let clients: Vec<Mutex<Client>> = (0..CLIENTS).map(|_| Mutex::default()).collect();
    for kill in 0..KILLS {
        let server =
            Running::start(&["--state", &state, "--vm-step", "10ms", "--cooldown", "10ms"]);
        let stored = user_template(&server, token);
        for (number, client) in clients.iter().enumerate() {
            check(&stored, number, &client.lock().unwrap(), kill);
        }
        std::thread::scope(|scope| {
            for (number, client) in clients.iter().enumerate() {
                let address = server.address.clone();
                scope.spawn(move || update_until_killed(&address, token, number, client));
            }
            // Anything from the first request on: a commit takes some milliseconds.
            let moment = RandomState::new().build_hasher().finish() % 40;
            std::thread::sleep(Duration::from_millis(moment));
            drop(server);
        });
    }
    let server = Running::start(&["--state", &state]);
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
            "PUT /vm HTTP/1.1\r\nHost: {address}\r\nX-ONEGATE-VMID: 9\r\nX-ONEGATE-TOKEN: {token}\r\n\
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
    }
}

fn user_template(server: &Running, token: &str) -> Value {
    let answer = server.send("GET /vm", &credentials("9", token), b"");
    assert_eq!(answer.status, 200, "{}", answer.body);
    let vm: Value = serde_json::from_str(&answer.body).unwrap();
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
