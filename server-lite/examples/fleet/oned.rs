//! A stand-in for oned (and for OneFlow, for servers that still ask it for services) that answers so many calls a second
//! and no more. It has the made-up cloud's records; a pool of N VMs costs as much as 1 + N/20 calls.

use serde_json::Value;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// VMs of a pool that cost as much as a call.
const POOL_COST: f64 = 20.0;

pub(crate) struct Oned {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    vms: HashMap<String, Value>,
    users: HashMap<String, Value>,
    services: HashMap<String, Value>,
    /// The time that a call takes, and when the next one may be answered.
    each: Duration,
    next: Mutex<Instant>,
    calls: Mutex<HashMap<String, u64>>,
}

impl Oned {
    pub(crate) fn start(cloud: &str, calls_a_second: u32) -> Result<Self, String> {
        let cloud: Value = serde_json::from_str(cloud).map_err(|error| error.to_string())?;
        let by_id = |key: &str| -> HashMap<String, Value> {
            let items = cloud[key].as_array().into_iter().flatten();
            items
                .map(|item| {
                    (
                        item["ID"].as_str().unwrap_or_default().to_string(),
                        item.clone(),
                    )
                })
                .collect()
        };
        let shared = Arc::new(Shared {
            vms: by_id("vms"),
            users: by_id("users"),
            services: by_id("services"),
            each: Duration::from_secs(1) / calls_a_second,
            next: Mutex::new(Instant::now()),
            calls: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        let accepting = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = accepting.clone();
                std::thread::spawn(move || serve(&stream, &shared));
            }
        });
        Ok(Self { address, shared })
    }

    /// How often each method was called.
    pub(crate) fn calls(&self) -> String {
        let calls = self.shared.calls.lock().map(|calls| calls.clone());
        let mut calls: Vec<_> = calls.unwrap_or_default().into_iter().collect();
        calls.sort();
        let all: u64 = calls.iter().map(|(_, count)| count).sum();
        let each: Vec<String> = calls
            .iter()
            .map(|(method, count)| format!("{count} {method}"))
            .collect();
        format!("calls to oned: {all} ({})", each.join(", "))
    }
}

impl Shared {
    /// Waits until a call that costs so much has been carried out.
    fn work(&self, cost: f64) {
        let done = {
            let Ok(mut next) = self.next.lock() else {
                return;
            };
            *next = (*next).max(Instant::now()) + self.each.mul_f64(cost);
            *next
        };
        std::thread::sleep(done.saturating_duration_since(Instant::now()));
    }

    fn answer(&self, line: &str, body: &str) -> String {
        let between = |start: &str, end: &str| -> Option<&str> {
            let rest = &body[body.find(start)? + start.len()..];
            Some(&rest[..rest.find(end)?])
        };
        let mut words = line.split(' ');
        let path = words.nth(1).unwrap_or_default();
        if let Some(service) = path.strip_prefix("/service/") {
            self.count("GET /service");
            self.work(1.0);
            return serde_json::json!({"DOCUMENT": self.services.get(service)}).to_string();
        }
        let method = between("<methodName>", "</methodName>").unwrap_or_default();
        let mut values = body.split("<param><value>").skip(2);
        let first = values.next().and_then(|value| {
            let value = &value[value.find('>')? + 1..];
            Some(value[..value.find('<')?].to_string())
        });
        let first = first.unwrap_or_default();
        self.count(method);
        let known = |records: &HashMap<String, Value>, root: &str| {
            records.get(&first).map(|record| xml(root, record))
        };
        let mut cost = 1.0;
        let result = match method {
            "one.vm.info" => known(&self.vms, "VM"),
            "one.user.info" => known(&self.users, "USER"),
            "one.document.info" => known(&self.services, "DOCUMENT"),
            "one.vmpool.infoset" => {
                let vms: Vec<String> = first
                    .split(',')
                    .filter_map(|id| Some(xml("VM", self.vms.get(id)?)))
                    .collect();
                cost += vms.len() as f64 / POOL_COST;
                Some(format!("<VM_POOL>{}</VM_POOL>", vms.concat()))
            }
            "one.vm.update" => Some(first.clone()),
            _ => None,
        };
        self.work(cost);
        let values = match result {
            Some(text) => format!(
                "<value><boolean>1</boolean></value><value><string>{}</string></value>",
                escaped(&text)
            ),
            None => "<value><boolean>0</boolean></value><value><string>there is no such object</string></value>\
                     <value><i4>1024</i4></value>"
                .to_string(),
        };
        format!(
            "<?xml version=\"1.0\"?><methodResponse><params><param><value><array><data>{values}</data></array>\
             </value></param></params></methodResponse>"
        )
    }

    fn count(&self, method: &str) {
        if let Ok(mut calls) = self.calls.lock() {
            *calls.entry(method.to_string()).or_default() += 1;
        }
    }
}

fn serve(stream: &TcpStream, shared: &Shared) -> Option<()> {
    let _ = stream.set_nodelay(true);
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let mut length = 0;
        loop {
            let mut field = String::new();
            reader.read_line(&mut field).ok()?;
            let field = field.trim_end().to_ascii_lowercase();
            if field.is_empty() {
                break;
            }
            if let Some(value) = field.strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let answer = shared.answer(&line, &String::from_utf8_lossy(&body));
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
            answer.len()
        );
        let mut stream = stream;
        stream.write_all((head + &answer).as_bytes()).ok()?;
    }
}

/// A record as oned writes it; a service's BODY is JSON in a text.
fn xml(name: &str, value: &Value) -> String {
    let mut out = String::new();
    write(&mut out, name, value);
    out
}

fn write(out: &mut String, name: &str, value: &Value) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| write(out, name, item)),
        Value::Object(members) if name != "BODY" => {
            let _ = write!(out, "<{name}>");
            members
                .iter()
                .for_each(|(name, value)| write(out, name, value));
            let _ = write!(out, "</{name}>");
        }
        Value::String(text) => {
            let _ = write!(out, "<{name}><![CDATA[{text}]]></{name}>");
        }
        other => {
            let _ = write!(out, "<{name}><![CDATA[{other}]]></{name}>");
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// What a server needs to be told to serve in front of this oned: its two files.
pub(crate) fn configuration(oned: &Oned, max_age: Option<u64>) -> (String, String) {
    let mut text = format!(
        ":one_xmlrpc: http://{0}/RPC2\n:oneflow_server: http://{0}\n:core_auth: cipher\n:auth: onegate\n:debug_level: 0\n\
         :permissions:\n  :vm: {{:show: true, :update: true}}\n  :service: {{:show: true}}\n",
        oned.address
    );
    if let Some(seconds) = max_age {
        let _ = writeln!(text, ":record_max_age: {seconds}");
    }
    (
        text,
        "serveradmin:the password of a made-up cloud\n".to_string(),
    )
}
