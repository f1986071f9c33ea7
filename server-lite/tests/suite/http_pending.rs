//! Answers that a handler does not have yet: they come from another thread, and no worker waits for them.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::client::{Client, connect, until};
use crate::support::http::start;
use onegate_server_lite::http::{
    Handler, Hold, Limits, PendingAnswer, Reply, Request, Response, Server,
};

/// Keeps each request to `/later…` pending; `/lost` is answered by nobody; `/held` is held for a moment, and then pending.
#[derive(Default)]
struct Pending(Arc<Mutex<Vec<(String, PendingAnswer)>>>);

fn ok(body: &str) -> Response {
    Response {
        status: 200,
        headers: Vec::new(),
        body: body.as_bytes().to_vec().into(),
    }
}

impl Handler for Pending {
    fn handle(&self, request: &Request) -> Response {
        ok(&request.path)
    }

    fn handle_or_hold(&self, request: &Request) -> Reply {
        let (pending, path) = (Arc::clone(&self.0), request.path.clone());
        let later: Box<dyn FnOnce(PendingAnswer) + Send> = Box::new(move |answer| {
            pending.lock().unwrap().push((path, answer));
        });
        match &*request.path {
            "/held" => Reply::Held(Hold {
                topics: Vec::new(),
                wait: Duration::from_millis(1),
                unchanged: Box::new(move || Reply::Later(later)),
            }),
            "/lost" => Reply::Later(Box::new(drop)),
            path if path.starts_with("/later") => Reply::Later(later),
            _ => Reply::Now(self.handle(request)),
        }
    }

    fn may_wait(&self, _request: &Request) -> bool {
        false
    }
}

impl Pending {
    fn serve(limits: Limits) -> (Arc<Pending>, Server, SocketAddr) {
        let pending = Arc::<Pending>::default();
        let (server, address) = start(Arc::clone(&pending) as _, limits);
        (pending, server, address)
    }

    fn wait_for(&self, count: usize) {
        until("answers are pending", || {
            self.0.lock().unwrap().len() == count
        });
    }

    /// Answers the last request.
    fn answer(&self) {
        let (path, answer) = self.0.lock().unwrap().pop().expect("one that is pending");
        answer.with(ok(&path));
    }
}

fn send(client: &mut Client, path: &str) {
    client.send(format!("GET {path} HTTP/1.1\r\nHost: gate\r\n\r\n").as_bytes());
}

fn told(client: &mut Client) -> (u16, String) {
    let answer = client.answer();
    (answer.status, answer.text().to_owned())
}

#[test]
fn what_is_pending_takes_no_handler_and_is_answered_in_any_order() {
    let limits = Limits {
        handlers: 1,
        ..Limits::default()
    };
    let (pending, server, address) = Pending::serve(limits);
    let mut clients: Vec<Client> = (0..100).map(|_| connect(address)).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        send(client, &format!("/later/{number}"));
        // Those behind it wait for it.
        send(client, "/behind");
    }
    pending.wait_for(100);
    let mut other = connect(address);
    send(&mut other, "/now");
    assert_eq!(told(&mut other), (200, "/now".into()));
    (0..100).for_each(|_| pending.answer());
    for (number, client) in clients.iter_mut().enumerate() {
        assert_eq!(told(client), (200, format!("/later/{number}")));
        assert_eq!(told(client), (200, "/behind".into()));
    }
    assert_eq!(server.stop(), 0);
}

#[test]
fn the_next_waits_while_as_many_as_may_be_are_pending() {
    let limits = Limits {
        pending: 2,
        ..Limits::default()
    };
    let (pending, server, address) = Pending::serve(limits);
    let mut clients: Vec<Client> = (0..5).map(|_| connect(address)).collect();
    for client in &mut clients {
        send(client, "/later");
    }
    until("three wait", || server.waiting() == 3);
    pending.wait_for(2);
    for left in [2, 1, 0] {
        pending.answer();
        until("one less waits", || server.waiting() == left);
        pending.wait_for(2);
    }
    (0..2).for_each(|_| pending.answer());
    for client in &mut clients {
        assert_eq!(told(client), (200, "/later".into()));
    }
}

/// As an update is while the gate is slow.
#[test]
fn what_was_held_may_be_pending_then() {
    let limits = Limits {
        linger: Duration::from_millis(20),
        ..Limits::default()
    };
    let (pending, server, address) = Pending::serve(limits);
    let mut clients: Vec<Client> = (0..100).map(|_| connect(address)).collect();
    for client in &mut clients {
        send(client, "/held");
    }
    pending.wait_for(100);
    // No thread waits for one of them.
    let mut other = connect(address);
    send(&mut other, "/now");
    assert_eq!(told(&mut other), (200, "/now".into()));
    (0..100).for_each(|_| pending.answer());
    for client in &mut clients {
        assert_eq!(told(client), (200, "/held".into()));
    }
    assert_eq!(server.stop(), 0);
}

#[test]
fn what_nobody_answers_is_a_fault() {
    let (_pending, server, address) = Pending::serve(Limits::default());
    let mut client = connect(address);
    send(&mut client, "/lost");
    assert_eq!(told(&mut client).0, 500);
    assert_eq!(server.stop(), 0);
}

#[test]
fn a_client_that_is_gone_before_its_answer_costs_nothing() {
    let (pending, server, address) = Pending::serve(Limits::default());
    let mut client = connect(address);
    send(&mut client, "/later");
    pending.wait_for(1);
    drop(client);
    pending.answer();
    until("it is closed", || server.connections() == 0);
}

#[test]
fn a_server_that_stops_waits_for_what_is_pending() {
    let limits = Limits {
        stop: Duration::from_millis(50),
        ..Limits::default()
    };
    let (pending, server, address) = Pending::serve(limits);
    let mut client = connect(address);
    send(&mut client, "/later");
    pending.wait_for(1);
    assert_eq!(server.stop(), 1);

    let (pending, server, address) = Pending::serve(Limits::default());
    let mut client = connect(address);
    send(&mut client, "/later");
    pending.wait_for(1);
    let stopping = std::thread::spawn(move || server.stop());
    pending.answer();
    assert_eq!(told(&mut client), (200, "/later".into()));
    assert_eq!(stopping.join().unwrap(), 0);
}
