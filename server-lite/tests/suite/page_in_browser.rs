//! The page in a real browser, while a service scales: what it shows is what the server knows, what a guest wrote stays
//! text, and whoever has a small window, a dark room, a keyboard or a screen reader can use it.

use super::page_readers::{
    fits_a_phone, has_contrast_in_light_and_dark, obeys_the_keyboard, saves_the_timeline,
    tells_a_screen_reader,
};
use crate::support::browser::Browser;
use crate::support::client::{PATIENCE, free_address, until};
use crate::support::process::{Running, credentials, printed};
use crate::support::skipped;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

const SCENARIO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/elastic.json");

type Case = fn(&mut Browser, &mut Cloud);

/// One browser for all: its start takes longer than most cases.
#[test]
fn the_page_shows_a_service_and_serves_its_readers() {
    let Some(mut browser) = Browser::start() else {
        return skipped("chromium");
    };
    let mut shop = Cloud::start(&shop());
    browser.resize(1200, 800);
    browser.open(&shop.url());
    let cases: &[(&str, Case)] = &[
        (
            "it follows a service that scales",
            follows_a_scaling_service,
        ),
        ("its picture can be taken", has_its_picture_taken),
        (
            "what a guest wrote is text",
            shows_what_a_guest_wrote_as_text,
        ),
        ("colours have contrast", has_contrast_in_light_and_dark),
        ("a phone is wide enough", fits_a_phone),
        ("all can be reached by keyboard", obeys_the_keyboard),
        ("a screen reader is told", tells_a_screen_reader),
        ("the timeline is saved", saves_the_timeline),
        ("it survives a restart", survives_a_restart),
        ("a large cloud is cut", cuts_a_large_cloud),
    ];
    for (name, case) in cases {
        println!("page: {name}");
        case(&mut browser, &mut shop);
        assert_eq!(complaints(&browser, &shop), Vec::<String>::new(), "{name}");
        browser.events.clear();
    }
}

/// A server with a page, whose guests are played by the test.
pub(super) struct Cloud {
    pub(super) server: Option<Running>,
    page: String,
    directory: tempfile::TempDir,
}

impl Cloud {
    fn start(scenario: &Value) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("cloud.json");
        fs::write(file, scenario.to_string()).unwrap();
        let mut cloud = Self {
            server: None,
            page: free_address(),
            directory,
        };
        cloud.run();
        cloud
    }

    fn run(&mut self) {
        let scenario = self.path("cloud.json");
        let options = [
            "--cloud",
            &scenario,
            "--state",
            &self.path("state"),
            "--page",
            &self.page,
        ];
        let quick = ["--flow-interval", "100ms", "--vm-step", "20ms"];
        self.server = Some(Running::start(&[&options[..], &quick[..]].concat()));
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    fn url(&self) -> String {
        format!("http://{}/", self.page)
    }

    /// What a command prints that finds the server by its state directory.
    pub(super) fn ok(&self, line: &str) -> String {
        let state = self.path("state");
        let words = line.split_whitespace();
        printed(&words.chain(["--state", &state]).collect::<Vec<_>>())
    }

    fn show(&self) -> Value {
        serde_json::from_str(&self.ok("service show 1 --json")).unwrap()
    }

    /// What a guest's request with its own token comes to, as the agent sends it.
    pub(super) fn ask(&self, vm: u64, line: &str, body: &str) -> u16 {
        let token = self.ok(&format!("token {vm}"));
        let fields = credentials(&vm.to_string(), token.trim_end());
        let server = self.server.as_ref().unwrap();
        server.send(line, &fields, body.as_bytes()).status
    }

    fn update(&self, vm: u64, body: &str) {
        assert_eq!(self.ask(vm, "PUT /vm", body), 200, "{body}");
    }

    /// What comes of an action on a VM, which its guest asks for.
    pub(super) fn act(&self, vm: u64, action: &str) -> u16 {
        let body = json!({"action": {"perform": action}}).to_string();
        self.ask(vm, &format!("POST /vms/{vm}/action"), &body)
    }

    /// A VM that is off or lost runs again, and so does the service.
    pub(super) fn resume(&self, vm: u64) {
        assert_eq!(self.act(vm, "resume"), 204);
        self.ok("wait service 1 STATE=RUNNING");
    }

    /// The VMs of role web.
    pub(super) fn web(&self) -> Vec<u64> {
        let show = self.show();
        let nodes = show["roles"][0]["nodes"].as_array().unwrap().iter();
        nodes.map(|node| node["vm"].as_u64().unwrap()).collect()
    }

    /// Every VM of role web is ready and has this load.
    fn load(&self, percent: u32) {
        for vm in self.web() {
            self.update(vm, &format!("READY=YES\nCPU_USED_PERC={percent}"));
        }
    }
}

/// The service of elastic.json, which lets a policy be true three times, and a role beside it without policies.
fn shop() -> Value {
    let mut cloud: Value = serde_json::from_slice(&fs::read(SCENARIO).unwrap()).unwrap();
    let roles = &mut cloud["services"][0]["TEMPLATE"]["BODY"]["roles"];
    roles[0]["elasticity_policies"][0]["period_number"] = 3.into();
    let nic = json!({"NIC": [{"NETWORK_ID": "0"}]});
    let db = json!({"name": "db", "type": "vm", "cardinality": 1, "min_vms": 1, "state": 0, "nodes": [], "template_contents": nic});
    roles.as_array_mut().unwrap().push(db);
    cloud
}

/// What went wrong in the page: exceptions, errors and warnings on the console (each violation of its
/// Content-Security-Policy is one), dialogs, and requests to anybody else.
fn complaints(browser: &Browser, cloud: &Cloud) -> Vec<String> {
    let mut complaints = Vec::new();
    for method in [
        "Runtime.exceptionThrown",
        "Runtime.consoleAPICalled",
        "Log.entryAdded",
        "Page.javascriptDialogOpening",
    ] {
        complaints.extend(browser.told(method).iter().map(|told| told.to_string()));
    }
    for request in browser.told("Network.requestWillBeSent") {
        let url = request["request"]["url"].as_str().unwrap();
        if !["data:", "blob:", &cloud.url()]
            .iter()
            .any(|own| url.starts_with(own))
        {
            complaints.push(format!("request to {url}"));
        }
    }
    complaints
}

// --- what is shown ------------------------------------------------------------------------------------------------

/// What the page shows of service 1, in the words of `service show --json`.
const SHOWN: &str = r#"(() => {
    const text = (node, selector) => node.querySelector(selector)?.textContent;
    const all = (node, selector) => [...node.querySelectorAll(selector)];
    const service = document.querySelector('[data-service="1"]');
    if (!service) return null;
    const spoken = node => all(node, '.decision').filter(node => !node.hidden).map(node => node.textContent.replace(/^\S+ +/, ''));
    return {
        id: Number(service.dataset.service),
        name: text(service, 'h3'),
        state: text(service, '.title > .state'),
        roles: all(service, '[data-role]').map(role => ({
            name: role.dataset.role,
            state: text(role, '.title > .state'),
            cardinality: Number(/cardinality (\d+)/.exec(text(role, '.size'))[1]),
            nodes: all(role, '[data-vm]').map(vm => ({
                vm: Number(vm.dataset.vm), name: text(vm, '.name'), state: text(vm, '.state')})),
            averages: all(role, 'figcaption strong').map(node => node.textContent),
            true_evals: all(role, '[data-policy^=elasticity]').map(node => Number(/true (\d+) of/.exec(node.textContent)[1])),
            policies: all(role, '[data-policy]').map(spoken),
            decision: spoken(role.querySelector('.columns > div')),
        })),
    };
})()"#;

/// The same of what `service show --json` says.
fn known(show: &Value) -> Value {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let decisions = list(&show["decisions"]);
    let role = |role: &Value| {
        let own = |decision: &&Value| decision["role"] == role["name"];
        let texts = decisions
            .iter()
            .filter(own)
            .map(|decision| decision["decision"].as_str().unwrap());
        let texts: Vec<&str> = texts.collect();
        let of = |kind: &str| {
            let policies = list(&role[format!("{kind}_policies")]);
            let latest = (0..policies.len()).map(|number| {
                let named = format!(" ({kind} policy {number},");
                let latest = texts.iter().rev().find_map(|text| text.split_once(&named));
                latest
                    .map(|(text, _)| text.to_owned())
                    .into_iter()
                    .collect::<Vec<_>>()
            });
            latest.collect::<Vec<_>>()
        };
        let spoken = [of("elasticity"), of("scheduled")].concat();
        let other = texts.iter().rev().find(|text| !text.contains(" policy "));
        let policies = list(&role["elasticity_policies"]);
        let averages = role["averages"].as_object().unwrap().values();
        let averages: Vec<String> = averages.map(printed_average).collect();
        let node =
            |node: &Value| json!({"vm": node["vm"], "name": node["name"], "state": node["state"]});
        json!({
            "name": role["name"],
            "state": role["state"],
            "cardinality": role["cardinality"],
            "nodes": list(&role["nodes"]).iter().map(node).collect::<Vec<_>>(),
            "averages": averages,
            "true_evals": policies.iter().map(|policy| policy["true_evals"].as_u64().unwrap_or(0)).collect::<Vec<_>>(),
            "policies": spoken,
            "decision": other.into_iter().collect::<Vec<_>>(),
        })
    };
    let roles: Vec<Value> = list(&show["roles"]).iter().map(role).collect();
    json!({"id": show["id"], "name": show["name"], "state": show["state"], "roles": roles})
}

/// An average as the page prints it.
fn printed_average(average: &Value) -> String {
    let number = average.as_f64();
    number.map_or_else(|| "none yet".to_owned(), |number| number.to_string())
}

/// Waits until the page shows what the server knows.
fn agrees(browser: &mut Browser, cloud: &Cloud) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let known = known(&cloud.show());
        let seen = (browser.js(SHOWN), known);
        if seen.0 == seen.1 {
            return seen.0;
        }
        assert!(
            Instant::now() < deadline,
            "the page shows\n{}\nand the server\n{}",
            seen.0,
            seen.1
        );
    }
}

fn follows_a_scaling_service(browser: &mut Browser, cloud: &mut Cloud) {
    cloud.ok("wait vm 0 STATE=RUNNING");
    agrees(browser, cloud);
    cloud.load(50);
    cloud.update(1, "READY=YES\nTABLES=12");
    cloud.ok("wait service 1 STATE=RUNNING");
    let shown = agrees(browser, cloud);
    assert_eq!(shown["state"], "RUNNING");
    assert_eq!(shown["roles"][0]["averages"], json!(["50"]));
    browser.until("[...document.querySelectorAll('.chip')].some(chip => chip.textContent === 'CPU_USED_PERC=50')");
    browser.until("document.querySelector('svg.plot').getAttribute('aria-label').includes('Threshold > 70: not true')");

    cloud.load(90);
    cloud.ok("wait service 1 web.CARDINALITY=2");
    browser.until("document.querySelector('[data-role=web] .size').textContent === 'cardinality 2 (min 1, max 4)'");
    cloud.ok("wait service 1 web.RUNNING=2");
    cloud.load(60);
    cloud.ok("wait service 1 STATE=RUNNING web.CARDINALITY=2");
    let shown = agrees(browser, cloud);
    let reason = &shown["roles"][0]["policies"][0][0];
    assert_eq!(*reason, "1 -> 2: CPU_USED_PERC[90.0] > 70, 3 of 3 times");

    cloud.load(5);
    cloud.ok("wait service 1 web.CARDINALITY=1 STATE=RUNNING");
    until("the older VM is gone", || cloud.web().len() == 1);
    let shown = agrees(browser, cloud);
    let reason = shown["roles"][0]["policies"][1][0].as_str().unwrap();
    assert!(reason.contains("CPU_USED_PERC[5.0] < 20"), "{reason}");
    cloud.ok("vm poweroff 1");
    cloud.ok("wait service 1 STATE=WARNING");
    agrees(browser, cloud);
    browser.until(
        "document.querySelector('[data-role=db] .vms .state.idle').textContent === 'POWEROFF'",
    );
    for kind in ["update", "decision", "vm", "service", "fault"] {
        browser.until(&format!(
            "document.querySelector('#events [data-kind={kind}]')"
        ));
    }
}

/// With `SCREENSHOTS` set to a directory (`make screenshot`), pictures for the documentation are left there.
fn has_its_picture_taken(browser: &mut Browser, cloud: &mut Cloud) {
    cloud.resume(1);
    let directory = std::env::var_os("SCREENSHOTS");
    browser.resize(1200, 660);
    let updates = "document.querySelector('#kinds input[value=update]').click()";
    browser.js(updates);
    if directory.is_some() {
        // A load that comes and goes, as long as a reader of the plot would want to see.
        for load in [
            30, 35, 48, 62, 74, 88, 60, 64, 58, 55, 47, 42, 45, 43, 51, 57, 60, 62, 57, 51, 53, 59,
            63, 66,
        ] {
            cloud.load(load);
            std::thread::sleep(Duration::from_secs(4));
        }
    }
    // A moment at which something happens: a VM that was made is yet to say READY.
    let vms = cloud.web();
    cloud.load(84);
    cloud.ok(&format!(
        "wait service 1 web.CARDINALITY={0} web.RUNNING={0}",
        vms.len() + 1
    ));
    cloud.update(vms[0], "READY=YES\nCPU_USED_PERC=87");
    browser.until(
        "document.querySelector('[data-service] > .title .state').textContent === 'SCALING'",
    );
    browser.until("document.querySelector('.chip.changed')?.textContent === 'CPU_USED_PERC=87'");
    for (name, scheme) in [("page.webp", "light"), ("page-dark.webp", "dark")] {
        browser.prefer(&[
            ("prefers-color-scheme", scheme),
            ("prefers-reduced-motion", "reduce"),
        ]);
        browser.js(
            "await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))",
        );
        let picture = browser.picture();
        // An empty page has less than a tenth of that.
        let size = picture.len();
        assert!((20_000..150_000).contains(&size), "{name}: {size} bytes");
        if let Some(directory) = &directory {
            fs::write(Path::new(directory).join(name), picture).unwrap();
        }
    }
    browser.prefer(&[]);
    browser.js(updates);
    browser.resize(1200, 800);
    cloud.load(60);
    cloud.ok("wait service 1 STATE=RUNNING");
}

// --- what is text -------------------------------------------------------------------------------------------------

fn shows_what_a_guest_wrote_as_text(browser: &mut Browser, cloud: &mut Cloud) {
    let elements = "[document.scripts.length, document.images.length, document.querySelectorAll('b, iframe, style').length]";
    let before = browser.js(elements);
    let vm = cloud.web()[0];
    let long = "x".repeat(20_000);
    for value in [
        "<script>alert(1)</script>",
        "<img src=//example.com/x onerror=alert(1)>",
        "</script></title><script src=//example.com/x.js></script><b>",
        "\u{202e}\u{2066}desrever",
        "\u{5e9}\u{5dc}\u{5d5}\u{5dd} abc",
        "' onmouseover='alert(1)",
        "{{constructor.constructor('alert(1)')()}}",
        &long,
    ] {
        cloud.update(vm, &format!("EVIL={value}"));
        // What would turn the text around is not sent.
        let start: String = value.replace(['\u{202e}', '\u{2066}'], "\u{fffd}");
        let start: String = start.chars().take(200).collect();
        let cell = format!(
            "[...document.querySelectorAll('[data-vm=\"{vm}\"] .value')].some(
            node => node.textContent.startsWith({}) && node.childElementCount === 0)",
            json!(start)
        );
        browser.until(&cell);
        let wide = browser.js("document.documentElement.scrollWidth - innerWidth");
        assert_eq!(wide, 0, "{start}");
    }
    // A refusal quotes what was refused.
    assert_eq!(cloud.act(vm, "<img src=x onerror=alert(1)>"), 500);
    browser.until(
        "document.querySelector('#events [data-kind=refusal]')?.textContent.includes('<img')",
    );
    assert_eq!(browser.js(elements), before);
    cloud.update(vm, "EVIL=");
}

// --- what it lives through ----------------------------------------------------------------------------------------

fn survives_a_restart(browser: &mut Browser, cloud: &mut Cloud) {
    let before = agrees(browser, cloud);
    let (status, log) = cloud.server.take().unwrap().stop();
    assert!(status.success(), "{log}");
    browser.until("document.querySelector('#connection').textContent === 'reconnecting…'");
    browser.until("document.querySelector('#lost').checkVisibility()");
    cloud.run();
    browser.until("document.querySelector('#connection').textContent === 'live'");
    browser.until("!document.querySelector('#lost').checkVisibility()");
    let after = agrees(browser, cloud);
    assert_eq!(after["roles"][0]["nodes"], before["roles"][0]["nodes"]);
    // While there was no server, the browser said so.
    browser
        .events
        .retain(|event| event["params"]["entry"]["source"] != "network");
}

fn cuts_a_large_cloud(browser: &mut Browser, cloud: &mut Cloud) {
    let mut fleet = shop();
    fleet["vnets"][0]["AR_POOL"]["AR"]["SIZE"] = "400".into();
    let services = fleet["services"].as_array_mut().unwrap();
    for id in 2..=10 {
        let mut service = services[0].clone();
        service["ID"] = id.to_string().into();
        services.push(service);
    }
    services[0]["TEMPLATE"]["BODY"]["roles"][1]["cardinality"] = 300.into();
    *cloud = Cloud::start(&fleet);
    browser.events.clear();
    browser.open(&cloud.url());
    browser
        .until("document.querySelector('#counts').textContent.startsWith('10 services, 319 VMs')");
    browser.until(
        "[...document.querySelectorAll('.fold[aria-expanded=true]')].map(fold => fold.getAttribute('aria-controls')).join()
            === [1, 2, 3, 4, 5, 6].map(id => `service-${id}`).join()",
    );
    let shown = "document.querySelectorAll('[data-service=\"1\"] [data-role=db] [data-vm]').length";
    let more = "[data-role=db] button.more";
    browser.until(&format!("{shown} === 30 && document.querySelector('{more}').textContent === 'and 270 more: show all'"));
    browser.until("document.querySelector('[data-role=db] .tally').textContent === '300 RUNNING'");
    browser.js(&format!("document.querySelector('{more}').click()"));
    browser.until(&format!("{shown} === 300"));
    // Whoever comes later is told of 250 events that guests caused, of 250 others, and how many are left out.
    let token = cloud.ok("token 0");
    let fields = credentials("0", token.trim_end());
    let update = |text: String| {
        let server = cloud.server.as_ref().unwrap();
        assert_eq!(server.send("PUT /vm", &fields, text.as_bytes()).status, 200);
    };
    (0..260).for_each(|number| update(format!("NUMBER_{number}=1")));
    browser.open(&cloud.url());
    browser.until(
        "document.querySelectorAll('#events > li').length === 500 && document.querySelector('#older').checkVisibility()",
    );
    // What only repeats takes one line.
    (0..5).for_each(|load| update(format!("LOAD={load}")));
    browser.until(
        "/^sets LOAD 5 times, until [0-9:]+$/.test(document.querySelector('#events > li p').textContent)",
    );
}
