//! What the timeline keeps, tells and waits for.

use super::*;
use crate::http::Response;
use std::sync::Arc;

fn pushed(timeline: &Timeline, kind: EventKind, text: &str) {
    timeline.push(Event::new(kind, text));
}

fn texts(timeline: &Timeline) -> Vec<String> {
    let events = timeline.since(0).into_iter();
    events.map(|event| event.text).collect()
}

fn outcome(status: u16, vm: Option<Id>, deed: Option<Deed>) -> Outcome {
    Outcome {
        response: Response {
            status,
            headers: Vec::new(),
            body: Vec::new().into(),
        },
        route: None,
        parameter: None,
        vm,
        cause: None,
        topics: Vec::new(),
        deed,
        pending: None,
    }
}

#[test]
fn it_keeps_the_latest_within_its_budgets() {
    let timeline = Timeline::default();
    for number in 0..KEPT + 3 {
        pushed(&timeline, EventKind::Vm, &number.to_string());
    }
    let events = timeline.since(0);
    assert_eq!(events.len(), KEPT);
    assert_eq!((events[0].number, events[0].text.as_str()), (4, "3"));
    assert_eq!(timeline.last(), KEPT as u64 + 3);
    assert_eq!(timeline.since(timeline.last() - 1).len(), 1);

    let wide = "é".repeat(TEXT * 2);
    for _ in 0..KEPT {
        pushed(&timeline, EventKind::Service, &wide);
    }
    let kept = timeline.lock();
    assert!(kept.rest.bytes <= BYTES, "{}", kept.rest.bytes);
    assert!(kept.rest.events.len() < KEPT);
    let counted: usize = kept.rest.events.iter().map(Event::size).sum();
    assert_eq!(kept.rest.bytes, counted);
}

#[test]
fn guests_push_no_decision_out() {
    let timeline = Timeline::default();
    pushed(&timeline, EventKind::Decision, "1 -> 2");
    for _ in 0..2 * KEPT {
        pushed(&timeline, EventKind::Update, "sets A");
    }
    assert_eq!(texts(&timeline)[0], "1 -> 2");
    assert_eq!(timeline.since(0).len(), KEPT + 1);
}

#[test]
fn requests_are_told_with_who_what_and_why_not() {
    let timeline = Timeline::default();
    let update = |erased| Deed::Update {
        vm: 9,
        names: vec!["READY".into(), "CPU".into()],
        erased,
    };
    let act = Deed::Act {
        vm: 9,
        action: "resume",
    };
    let scale = Deed::Scale {
        service: 1,
        cardinality: 3,
    };
    timeline.request(&outcome(200, Some(8), None), "");
    timeline.request(&outcome(200, Some(8), Some(update(false))), "");
    timeline.request(&outcome(200, Some(9), Some(update(true))), "");
    timeline.request(&outcome(204, Some(8), Some(act)), "");
    timeline.request(&outcome(400, Some(8), Some(scale)), "Maximum is 2");
    timeline.request(&outcome(404, Some(8), None), "no such VM");
    let told: Vec<String> = timeline
        .since(0)
        .iter()
        .map(|event| {
            crate::lab::event::line(&event.json(), &jiff::tz::TimeZone::UTC)
                .split_once("  ")
                .unwrap()
                .1
                .to_owned()
        })
        .collect();
    assert_eq!(
        told,
        [
            "update    VM 9  sets READY CPU, by VM 8",
            "update    VM 9  erases READY CPU",
            "action    VM 9  resume, by VM 8",
            "refusal   service 1  cardinality 3 asked for: 400 Maximum is 2, by VM 8",
            "refusal   404 no such VM, by VM 8",
        ]
    );
    let json = timeline.since(0)[0].json();
    assert_eq!(json["keys"], serde_json::json!(["READY", "CPU"]));
    assert_eq!(
        (json["by"].clone(), json["vm"].clone()),
        (8.into(), 9.into())
    );
}

#[test]
fn requests_without_a_token_are_told_of_once_a_second() {
    let timeline = Timeline::default();
    for _ in 0..50 {
        timeline.request(&outcome(401, None, None), "Not authorized");
    }
    // A second later.
    let past = Instant::now().checked_sub(ANONYMOUS);
    let past = past.expect("this machine has run for a second");
    if let Some((told, _)) = &mut timeline.lock().anonymous {
        *told = past;
    }
    timeline.request(&outcome(401, None, None), "Not authorized");
    assert_eq!(
        texts(&timeline),
        [
            "401 Not authorized",
            "401 Not authorized (and 49 more before it)"
        ]
    );
}

#[test]
fn waiting_ends_with_the_next_event_or_the_server() {
    let timeline = Arc::new(Timeline::default());
    pushed(&timeline, EventKind::Vm, "first");
    assert_eq!(timeline.wait(0, Duration::ZERO).len(), 1);
    assert!(timeline.wait(1, Duration::ZERO).is_empty());
    for end in [false, true] {
        let waiting = Arc::clone(&timeline);
        let after = timeline.last();
        let waiter = std::thread::spawn(move || waiting.wait(after, Duration::from_secs(60)));
        if end {
            timeline.end();
        } else {
            pushed(&timeline, EventKind::Vm, "second");
        }
        assert_eq!(waiter.join().expect("no panic").is_empty(), end);
    }
    assert!(timeline.is_over());
}

#[test]
fn the_latest_are_some_of_guests_and_some_of_the_rest() {
    let timeline = Timeline::default();
    for number in 0..10 {
        pushed(&timeline, EventKind::Update, &format!("sets A{number}"));
    }
    pushed(&timeline, EventKind::Decision, "1 -> 2");
    let latest = |after, at_most| {
        let (events, left_out) = timeline.latest(after, at_most);
        let numbers: Vec<u64> = events.iter().map(|event| event.number).collect();
        (numbers, left_out)
    };
    assert_eq!(latest(0, 4), (vec![9, 10, 11], 8));
    assert_eq!(latest(9, 4), (vec![10, 11], 0));
    assert_eq!(latest(11, 4), (vec![], 0));
    assert_eq!(latest(0, 100).0.len(), 11);
}
