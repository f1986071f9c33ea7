//! How much work the page's thread does, and what comes of it. No thread runs here: a test makes each pass.

use super::*;
use crate::cloud::embedded::Scenario;
use crate::lab::page::board::{Cursor, News};
use crate::lab::page::limits::{LOOK, SPACING};
use crate::objects::template::{Attribute, AttributeValue};
use crate::store::commit::Changed;
use serde_json::{Value, json};
use std::sync::Mutex;

/// A page over a cloud; marks what changes in it.
struct Bench {
    cloud: Arc<Embedded>,
    board: Arc<Board>,
    maker: Maker,
    changed: Arc<Mutex<Vec<Changed>>>,
    at: Millis,
}

impl Bench {
    /// So many services of so many running VMs each, and VMs in no service after them.
    fn new(services: Id, nodes: Id, outside: Id) -> Self {
        let vm = |vm: Id| {
            json!({"ID": vm.to_string(), "NAME": format!("vm-{vm}"), "UID": "2", "GID": "1", "UNAME": "u", "GNAME": "g",
                "STATE": "3", "LCM_STATE": "3", "STIME": "1", "TEMPLATE": {"NIC": [{"IP": "10.0.0.1"}]},
                "USER_TEMPLATE": {"CPU": "10"}})
        };
        let service = |service: Id| {
            let vms = service * nodes..(service + 1) * nodes;
            let vms: Vec<Value> = vms.map(|vm| json!({"deploy_id": vm})).collect();
            json!({"ID": service.to_string(), "NAME": "s", "UID": "2", "GID": "1", "UNAME": "u", "GNAME": "g",
                "TEMPLATE": {"BODY": {"state": 2, "roles": [{"name": "web", "state": 2, "cardinality": nodes,
                    "nodes": vms, "elasticity_policies": [
                        {"expression": "CPU > 70", "type": "CHANGE", "adjust": 1}]}]}}})
        };
        let all = json!({
            "users": [{"ID": "2", "NAME": "u", "TEMPLATE": {}}],
            "vms": (0..services * nodes + outside).map(vm).collect::<Vec<_>>(),
            "services": (0..services).map(service).collect::<Vec<_>>(),
        });
        let scenario = Scenario::parse(&all.to_string(), "the test").unwrap();
        let (cloud, _) = Embedded::open(None, None, Timings::default()).unwrap();
        cloud.import(&scenario, || ()).unwrap();
        let cloud = Arc::new(cloud);
        let changed = Arc::<Mutex<Vec<Changed>>>::default();
        let noted = Arc::clone(&changed);
        cloud.on_change(move |all| noted.lock().unwrap().extend_from_slice(all));
        let board = Arc::<Board>::default();
        let maker = Maker::new(Arc::clone(&cloud), Arc::clone(&board));
        let mut bench = Self {
            cloud,
            board,
            maker,
            changed,
            at: 1_000_000,
        };
        let services = BTreeSet::from_iter(bench.cloud.services());
        let vms = BTreeSet::from_iter(bench.cloud.all_vms());
        bench.maker.pass(Marked { services, vms }, false, 1_000_000);
        bench
    }

    fn set(&self, vm: Id, name: &str, value: &str) {
        let attribute = Attribute {
            name: name.to_owned(),
            value: AttributeValue::Text(value.to_owned()),
        };
        self.cloud.set(vm, &[attribute], || ()).unwrap();
    }

    /// A pass over what changed since the last; gives how many documents were made.
    fn pass(&mut self, watched: bool) -> u64 {
        let marks = Marks::default();
        marks.changed(&std::mem::take(&mut *self.changed.lock().unwrap()));
        let watching = watched.then(|| marks.watch(1).unwrap());
        let marked = marks.take(None, true).unwrap().0;
        drop(watching);
        self.at += Millis::try_from(LOOK.as_millis()).unwrap();
        let made = self.maker.made;
        self.maker.pass(marked, watched, self.at);
        self.maker.made - made
    }

    fn all(&self, cursor: &mut Cursor) -> Vec<Value> {
        let mut all = Vec::new();
        while let Some(news) = self.board.next(cursor) {
            all.push(match news {
                News::Service(text, _, samples) => {
                    let mut service: Value = serde_json::from_str(&text).unwrap();
                    service["samples"] = samples.into();
                    service
                }
                News::Gone(id) => json!({"gone": id}),
                News::Outside(text) => serde_json::from_str(&text).unwrap(),
                News::TooLate => json!("too late"),
            });
        }
        all
    }
}

#[test]
fn the_work_depends_neither_on_viewers_nor_on_how_often_something_changed() {
    let mut bench = Bench::new(3, 4, 1);
    assert_eq!(bench.pass(true), 4, "three services, and the VMs in none");
    let mut viewers: Vec<Cursor> = (0..16).map(|_| bench.board.enter()).collect();
    for viewer in &mut viewers {
        assert_eq!(bench.all(viewer).len(), 4);
    }
    for update in 0..500 {
        for vm in 0..4 {
            bench.set(vm, "CPU", &update.to_string());
        }
    }
    assert_eq!(bench.pass(true), 1, "the one that changed, once");
    let texts: Vec<Arc<str>> = viewers
        .iter_mut()
        .map(|viewer| match bench.board.next(viewer) {
            Some(News::Service(text, ..)) => text,
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(texts.iter().all(|text| Arc::ptr_eq(text, &texts[0])));
    assert!(texts[0].contains(r#""CPU":"499""#), "{}", texts[0]);
    assert_eq!(bench.pass(true), 0, "nothing changed");
    for viewer in &mut viewers {
        assert_eq!(bench.all(viewer), Vec::<Value>::new());
    }
}

#[test]
fn while_nobody_watches_averages_are_kept_and_nothing_is_made() {
    let mut bench = Bench::new(2, 2, 1);
    for value in ["20", "30", "40"] {
        bench.set(0, "CPU", value);
        bench.at += Millis::try_from(SPACING.as_millis()).unwrap();
        assert_eq!(bench.pass(false), 0);
    }
    let mut viewer = bench.board.enter();
    assert!(bench.board.next(&mut viewer).is_none());
    assert_eq!(bench.pass(true), 3);
    let all = bench.all(&mut viewer);
    let service = all.iter().find(|one| one["id"] == 0).unwrap();
    let points = service["samples"][0]["points"].as_array().unwrap();
    let values: Vec<&Value> = points.iter().map(|point| &point[1]).collect();
    assert_eq!(values, [10.0, 15.0, 20.0, 25.0]);
    assert_eq!(service["roles"][0]["averages"], json!({"CPU": 25.0}));
}

#[test]
fn a_value_that_changed_too_soon_gets_its_point_later_and_no_point_comes_twice() {
    let mut bench = Bench::new(1, 1, 0);
    let mut viewer = bench.board.enter();
    let mut values = Vec::new();
    let mut see = |bench: &mut Bench| {
        bench.pass(true);
        for service in bench.all(&mut viewer) {
            let points = service["samples"][0]["points"].as_array().cloned();
            values.extend(points.into_iter().flatten().map(|point| point[1].clone()));
        }
    };
    see(&mut bench);
    for value in 11..15 {
        bench.set(0, "CPU", &value.to_string());
        see(&mut bench);
    }
    for _ in 0..8 {
        see(&mut bench);
    }
    assert!(!bench.maker.is_left());
    // The passes are a quarter of a second apart.
    assert_eq!(values, [10.0, 13.0, 14.0]);
}

#[test]
fn a_pass_has_an_end_and_those_that_wait_longest_come_first() {
    let nodes = 20;
    let mut bench = Bench::new(150, nodes, 0);
    while bench.maker.is_left() {
        bench.pass(false);
    }
    let at_once = u64::try_from(DOCUMENTS).unwrap() / u64::from(nodes + 1) + 1;
    let (mut passes, mut made) = (0, 0);
    let mut viewer = bench.board.enter();
    let mut seen = BTreeSet::new();
    while seen.len() < 150 {
        // The first ones change all the time.
        for vm in 0..10 * nodes {
            bench.set(vm, "CPU", &passes.to_string());
        }
        let now = bench.pass(true);
        // One more for the VMs in no service, the first time.
        assert!(now <= at_once + 1, "{now}");
        made += now;
        passes += 1;
        let all = bench.all(&mut viewer).into_iter();
        seen.extend(all.filter_map(|one| one["id"].as_u64()));
    }
    assert!(made <= 150 + 10 * passes + 1, "{made} in {passes}");
    assert!(bench.maker.is_left(), "the first ones changed again");
}

#[test]
fn vms_in_no_service_are_shown_apart_and_a_service_that_is_removed_is_told() {
    let mut bench = Bench::new(1, 2, 1);
    let mut viewer = bench.board.enter();
    bench.pass(true);
    let outside = |all: &[Value]| {
        let last = all.iter().rfind(|one| one.get("vms").is_some());
        let vms = last.and_then(|one| one["vms"].as_array().cloned());
        vms.map(|vms| {
            vms.iter()
                .map(|vm| vm["vm"].as_u64().unwrap())
                .collect::<Vec<_>>()
        })
    };
    assert_eq!(outside(&bench.all(&mut viewer)), Some(vec![2]));
    // One more, which is none of the service that it names.
    let made = bench.cloud.create_like(2).unwrap();
    bench.set(made, "SERVICE_ID", "0");
    bench.pass(true);
    let all = bench.all(&mut viewer);
    assert_eq!(outside(&all), Some(vec![2, u64::from(made)]));
    let mut services = all.iter().filter(|one| one.get("id").is_some());
    assert!(services.all(|one| one["roles"][0]["nodes"].as_array().map(Vec::len) == Some(2)));
    let empty = r#"{"users": [], "vms": [], "services": []}"#;
    let empty = Scenario::parse(empty, "the test").unwrap();
    bench.cloud.import(&empty, || ()).unwrap();
    bench.pass(true);
    let all = bench.all(&mut viewer);
    assert!(all.contains(&json!({"gone": 0})), "{all:?}");
    assert_eq!(outside(&all), Some(vec![]));
    // A new viewer never knew the service.
    let mut new = bench.board.enter();
    let all = bench.all(&mut new);
    assert_eq!(outside(&all), Some(vec![]));
    assert!(all.iter().all(|one| one.get("gone").is_none()), "{all:?}");
}

#[test]
fn what_is_too_much_is_left_out_and_counted() {
    use crate::lab::page::limits::NODES;
    let more = 7;
    let outside = OUTSIDE as Id + more;
    let mut bench = Bench::new(1, NODES as Id + more, outside);
    for vm in 0..3 {
        for number in 0..100 {
            bench.set(vm, &format!("A{number}"), &"x".repeat(10_000));
        }
    }
    let mut viewer = bench.board.enter();
    while bench.pass(true) > 0 || bench.maker.is_left() {}
    let all = bench.all(&mut viewer);
    let service = all.iter().find(|one| one["id"] == 0).unwrap();
    let role = &service["roles"][0];
    assert_eq!(role["nodes"].as_array().map(Vec::len), Some(NODES));
    assert_eq!(role["more_nodes"], more);
    let node = &role["nodes"][0];
    let shown = node["attributes"].as_object().unwrap().len();
    assert_eq!(node["more_attributes"].as_u64(), Some(101 - shown as u64));
    assert!(service.to_string().len() < 256 * 1024);
    let vms = all.iter().rfind(|one| one.get("vms").is_some()).unwrap();
    assert_eq!(vms["vms"].as_array().map(Vec::len), Some(OUTSIDE));
    assert_eq!(vms["more"], more);
}

#[test]
fn a_document_that_is_to_be_short_counts_the_attributes_that_it_leaves_out() {
    let bench = Bench::new(1, 2, 0);
    let copy = bench.cloud.copy(0);
    let report = || copy.report(&mut Engine::new(Timings::default())).unwrap();
    let node = |short| {
        let document = of_service(report(), &copy, short);
        let document: Value = serde_json::from_str(&document).unwrap();
        let node = document["roles"][0]["nodes"][1].clone();
        (node["attributes"].clone(), node["more_attributes"].clone())
    };
    assert_eq!(node(false), (json!({"CPU": "10"}), json!(null)));
    assert_eq!(node(true), (json!({}), json!(1)));
}

#[test]
fn so_many_services_are_shown_and_no_more() {
    let services = SERVICES as Id + 3;
    let mut bench = Bench::new(services, 0, 0);
    let mut viewer = bench.board.enter();
    let mut made = 0;
    while made < SERVICES as u64 || bench.maker.is_left() {
        made += bench.pass(true);
    }
    let all = bench.all(&mut viewer);
    let shown = all.iter().filter(|one| one.get("id").is_some());
    assert_eq!(shown.count(), SERVICES);
}
