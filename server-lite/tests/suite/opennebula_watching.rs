//! Held requests in front of an OpenNebula: all that wait for the same document share one look at it.

use crate::support::client::{Client, connect, until};
use crate::support::upstream::bench::settings;
use crate::support::upstream::{StandIn, done, refused};
use onegate_server_lite::cloud::opennebula::{Ages, OpenNebula, Settings};
use onegate_server_lite::commands::config::LogLevel;
use onegate_server_lite::commands::log::format::LogFormat;
use onegate_server_lite::commands::log::{Listeners, Log, Logged};
use onegate_server_lite::gate::routes::Gate;
use onegate_server_lite::gate::rules::Rules;
use onegate_server_lite::gate::watcher::Watcher;
use onegate_server_lite::http::{Limits, Server};
use onegate_server_lite::objects::token::{Secret, seal};
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const PASSWORD: &str = "0badc0de0badc0de0badc0de0badc0de0badc0de0badc0de0badc0de0badc0de";
const GUESTS: u32 = 100;

/// What oned has, and what it was asked for.
#[derive(Default)]
struct Oned {
    state: AtomicUsize,
    away: AtomicBool,
    calls: Mutex<Vec<String>>,
}

impl Oned {
    fn vm(id: &str) -> String {
        format!(
            "<VM><ID>{id}</ID><UID>2</UID><GID>1</GID><UNAME>me</UNAME><GNAME>users</GNAME><NAME>vm{id}</NAME>\
             <PERMISSIONS><OWNER_U>1</OWNER_U></PERMISSIONS><STATE>3</STATE><LCM_STATE>3</LCM_STATE>\
             <STIME>1700000000</STIME><TEMPLATE><CREATED_BY>2</CREATED_BY></TEMPLATE>\
             <USER_TEMPLATE><SERVICE_ID>5</SERVICE_ID></USER_TEMPLATE></VM>"
        )
    }

    fn service(&self) -> String {
        let nodes: Vec<String> = (0..GUESTS)
            .map(|vm| format!("{{\"deploy_id\":{vm}}}"))
            .collect();
        format!(
            "<DOCUMENT><ID>5</ID><UID>2</UID><GID>1</GID><UNAME>me</UNAME><GNAME>users</GNAME><NAME>s</NAME>\
             <TYPE>100</TYPE><PERMISSIONS><OWNER_U>1</OWNER_U></PERMISSIONS><TEMPLATE><BODY><![CDATA[{{\"name\":\"s\",\
             \"state\":{},\"roles\":[{{\"name\":\"r\",\"nodes\":[{}]}}]}}]]></BODY></TEMPLATE></DOCUMENT>",
            self.state.load(SeqCst),
            nodes.join(",")
        )
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }
}

fn hold(client: &mut Client, vm: u32, known: &str) {
    let token = seal(Secret {
        vm,
        stime: "1700000000",
        password: PASSWORD,
    })
    .unwrap();
    let request = format!(
        "GET /service HTTP/1.1\r\nHost: gate\r\nX-ONEGATE-VMID: {vm}\r\nX-ONEGATE-TOKEN: {token}\r\n\
         If-None-Match: {known}\r\nPrefer: wait=60\r\n\r\n"
    );
    client.send(request.as_bytes());
}

#[test]
fn a_hundred_guests_that_watch_a_service_cost_one_call_a_look() {
    let oned = Arc::new(Oned::default());
    let world = Arc::clone(&oned);
    let stand_in = StandIn::start(move |request| {
        let call = request.call();
        let values: Vec<&str> = request
            .body
            .split("<param><value>")
            .skip(1)
            .filter_map(|value| value.split('>').nth(1)?.split('<').next())
            .collect();
        world.calls.lock().unwrap().push(call.method.clone());
        match call.method.as_str() {
            _ if world.away.load(SeqCst) => refused("[one.document.info] out of order", 8192),
            "one.vm.info" => done(&Oned::vm(values[1])),
            "one.vmpool.infoset" => {
                let vms: String = values[1].split(',').map(Oned::vm).collect();
                done(&format!("<VM_POOL>{vms}</VM_POOL>"))
            }
            "one.user.info" => done(&format!(
                "<USER><TEMPLATE><TOKEN_PASSWORD>{PASSWORD}</TOKEN_PASSWORD></TEMPLATE></USER>"
            )),
            _ => done(&world.service()),
        }
    });
    let settings = Settings {
        // Old enough that only looks and changes make calls.
        ages: Ages {
            record: Duration::from_secs(60),
            token_password: Duration::from_secs(60),
        },
        ..settings(&stand_in.url("/RPC2"), &stand_in.url(""))
    };
    let cloud = Arc::new(OpenNebula::new(settings, Arc::new(|_| ())).unwrap());
    let handler = Logged::new(
        Gate::new(Arc::clone(&cloud) as _, Rules::default()),
        Listeners {
            log: Arc::new(Log::start(LogLevel::Error, LogFormat::Text).unwrap()),
            counts: None,
            timeline: None,
        },
        true,
    );
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::start(vec![listener], None, Arc::new(handler), Limits::default()).unwrap();
    let bell = server.bell();
    let mut watcher = Watcher::default();
    let mut look = || {
        watcher.look(&bell, |documents| {
            cloud.current(documents, Duration::from_nanos(1))
        })
    };

    let mut guests: Vec<Client> = (0..GUESTS).map(|_| connect(address)).collect();
    for state in 0..3 {
        for (vm, guest) in (0..GUESTS).zip(&mut guests) {
            hold(guest, vm, "\"none\"");
            let answer = guest.answer();
            assert_eq!(
                (answer.status, answer.json()["SERVICE"]["state"].clone()),
                (200, state.into())
            );
            hold(guest, vm, answer.header("ETag").unwrap());
        }
        until("all are held", || bell.held() == GUESTS as usize);
        // The first look rings once, in case of a change before it.
        look();
        until("all are held again", || bell.held() == GUESTS as usize);
        oned.asked();
        look();
        assert_eq!(oned.asked(), ["one.document.info"]);
        // An oned that is out of order is no change.
        oned.away.store(true, SeqCst);
        look();
        oned.away.store(false, SeqCst);
        assert_eq!(bell.held(), GUESTS as usize);
        oned.asked();
        oned.state.store(state + 1, SeqCst);
        look();
        for guest in &mut guests {
            let answer = guest.answer();
            assert_eq!(answer.json()["SERVICE"]["state"], state + 1, "{answer:?}");
        }
        // The look, and what the guests share; their own records are known.
        let asked = oned.asked();
        assert!(
            asked.len() <= 4 && asked.iter().all(|call| call == "one.document.info"),
            "{asked:?}"
        );
    }
    assert_eq!(server.stop(), 0);
}
