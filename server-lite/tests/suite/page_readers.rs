//! The page's readers: in a dark room, on a phone, with a keyboard, with a screen reader, and with the timeline as a file.
//! `server-lite/tests/suite/page_in_browser.rs` calls these with its browser and its cloud.

use super::page_in_browser::Cloud;
use crate::support::browser::Browser;
use crate::support::client::until;
use serde_json::json;
use std::collections::BTreeSet;
use std::fs;

/// The texts that are not easily read: less than 4.5:1 against what they stand on. Plots' texts also stand on the
/// tinted part of the plot.
const FAINT: &str = r#"(() => {
    const channel = value => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    const numbers = color => color.match(/[\d.]+/g).map(Number);
    const light = color => {
        const [red, green, blue] = numbers(color).map(channel);
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    const ratio = (one, other) => {
        const [low, high] = [light(one), light(other)].sort((a, b) => a - b);
        return (high + 0.05) / (low + 0.05);
    };
    const behind = node => {
        for (; node; node = node.parentElement) {
            const color = getComputedStyle(node).backgroundColor;
            if ((numbers(color)[3] ?? 1) > 0) return color;
        }
    };
    document.querySelector('.chip').classList.add('changed');
    document.getAnimations().forEach(animation => animation.finish());
    const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const faint = [];
    let count = 0;
    while (words.nextNode()) {
        const node = words.currentNode.parentElement;
        if (!words.currentNode.data.trim() || !node.checkVisibility() || node.closest('.unseen, noscript')) continue;
        count += 1;
        const style = getComputedStyle(node);
        const isDrawn = node.namespaceURI.endsWith('svg');
        const color = isDrawn ? style.fill : style.color;
        const grounds = [behind(node)];
        if (isDrawn) grounds.push(getComputedStyle(document.querySelector('.plot .crossed')).fill);
        for (const ground of grounds) {
            if (ratio(color, ground) < 4.5) faint.push(`${words.currentNode.data}: ${color} on ${ground}: ${ratio(color, ground)}`);
        }
    }
    return {faint: [...new Set(faint)], count, back: behind(document.body)};
})()"#;

pub(super) fn has_contrast_in_light_and_dark(browser: &mut Browser, _: &mut Cloud) {
    let mut backs = Vec::new();
    for scheme in ["light", "dark"] {
        browser.prefer(&[
            ("prefers-color-scheme", scheme),
            ("prefers-reduced-motion", "reduce"),
        ]);
        let seen = browser.js(FAINT);
        assert_eq!(seen["faint"], json!([]), "{scheme}");
        assert!(seen["count"].as_u64().unwrap() > 60, "{seen}");
        backs.push(seen["back"].clone());
    }
    assert_ne!(backs[0], backs[1]);
    // Every state has its own colour and, for those who see none, its shape and its word.
    let shapes = browser.js(
        "['ok', 'busy', 'warn', 'bad', 'idle'].map(meaning => {
            const node = document.querySelector('.state').cloneNode(true);
            node.className = `state ${meaning}`;
            document.body.append(node);
            const { clipPath, borderRadius, backgroundImage, backgroundColor } = getComputedStyle(node.firstChild);
            const seen = [clipPath, borderRadius, backgroundImage, backgroundColor === 'rgba(0, 0, 0, 0)'].join();
            node.remove();
            return seen;
        })",
    );
    let shapes: BTreeSet<&str> = shapes
        .as_array()
        .unwrap()
        .iter()
        .map(|shape| shape.as_str().unwrap())
        .collect();
    assert_eq!(shapes.len(), 5, "{shapes:?}");
    browser.prefer(&[]);
}

pub(super) fn fits_a_phone(browser: &mut Browser, _: &mut Cloud) {
    browser.resize(360, 740);
    browser.js("document.querySelectorAll('details').forEach(details => { details.open = true; })");
    browser.until("document.querySelector('svg.plot').getBoundingClientRect().width > 200");
    let wide = browser.js(
        "[...document.querySelectorAll('body *')].filter(node => !node.closest('.unseen, .skip')
            && node.checkVisibility() && node.getBoundingClientRect().right > 360.5).map(node => node.outerHTML.slice(0, 200))",
    );
    assert_eq!(wide, json!([]));
    assert_eq!(browser.js("document.documentElement.scrollWidth"), 360);
    browser
        .js("document.querySelectorAll('details').forEach(details => { details.open = false; })");
    browser.resize(1200, 800);
}

pub(super) fn obeys_the_keyboard(browser: &mut Browser, _: &mut Cloud) {
    browser.js("document.activeElement.blur(), scrollTo(0, 0)");
    let reachable =
        "[...document.querySelectorAll('a[href], button, input, summary, [tabindex=\"0\"]')]
        .filter(node => node.checkVisibility())";
    let count = browser.js(&format!("window.reachable = {reachable}; reachable.length"));
    let mut seen = Vec::new();
    for _ in 0..count.as_u64().unwrap() {
        browser.press("Tab");
        seen.push(browser.js(
            "[document.activeElement].map(node => [reachable.indexOf(node),
                getComputedStyle(node).outlineStyle !== 'none', node.outerHTML.slice(0, 100)])[0]",
        ));
    }
    for (place, at) in seen.iter().enumerate() {
        assert_eq!((&at[0], &at[1]), (&json!(place), &json!(true)), "{at}");
    }
    assert!(seen.len() > 15, "{seen:?}");

    let updates = "[...document.querySelectorAll('#events [data-kind=update]')].length";
    browser.until(&format!("{updates} > 0"));
    browser.js("document.querySelector('#kinds input[value=update]').focus()");
    browser.press(" ");
    browser.until(&format!(
        "{updates} === 0 && document.querySelector('#events [data-kind=decision]')"
    ));
    browser.press(" ");
    browser.until(&format!("{updates} > 0"));
    browser.js("document.querySelector('[data-service=\"1\"] .fold').focus()");
    browser.press("Enter");
    browser.until("!document.querySelector('[data-role]').checkVisibility()");
    browser.press("Enter");
    browser.until("document.querySelector('[data-role]').checkVisibility()");
    browser.js("document.querySelector('.vms summary').focus()");
    browser.press("Enter");
    browser.until("document.querySelector('.vms tbody th').textContent.length > 0");
    browser.press("Enter");
    browser.until("!document.querySelector('.vms details').open");
}

pub(super) fn tells_a_screen_reader(browser: &mut Browser, cloud: &mut Cloud) {
    let tree = browser.accessible();
    let version = env!("CARGO_PKG_VERSION");
    for (role, name) in [
        ("RootWebArea", "onegate-server-lite"),
        ("banner", ""),
        ("main", ""),
        ("heading", &format!("onegate-server-lite {version}")),
        ("region", "Services"),
        ("region", "Timeline"),
        ("article", "shop"),
        ("heading", "shop"),
        ("heading", "web"),
        ("list", "Events, newest first"),
        ("group", "Kinds of events to show"),
        ("checkbox", "updates"),
        ("button", "Save as SVG"),
        ("button", "shop"),
        ("link", "Skip to the timeline"),
        ("status", ""),
    ] {
        assert!(
            tree.iter().any(|node| node.0 == role && node.1 == name),
            "{role} {name:?} in\n{tree:#?}"
        );
    }
    let plot = tree.iter().find(|node| node.0 == "image").unwrap();
    assert!(
        plot.1
            .starts_with("Average of CPU_USED_PERC over role web: "),
        "{plot:?}"
    );
    assert!(
        plot.1.contains("Threshold > 70: ") && plot.1.contains("Threshold < 20: "),
        "{plot:?}"
    );
    // Headings go down by one level at a time.
    let levels = browser.js(
        "[...document.querySelectorAll('h1, h2, h3, h4')].map(node => Number(node.tagName[1]))",
    );
    let levels: Vec<u64> = levels
        .as_array()
        .unwrap()
        .iter()
        .map(|level| level.as_u64().unwrap())
        .collect();
    assert_eq!(levels[0], 1);
    assert!(
        levels.windows(2).all(|pair| pair[1] <= pair[0] + 1),
        "{levels:?}"
    );
    let unscoped = browser.js("document.querySelectorAll('th:not([scope])').length");
    assert_eq!(
        (browser.js("document.documentElement.lang"), unscoped),
        (json!("en"), json!(0))
    );

    let spoken = "document.querySelector('[aria-live=polite]').textContent";
    let vm = cloud.web()[0];
    cloud.ok(&format!("vm lose {vm}"));
    browser.until(&format!(
        "{spoken}.includes('service 1: RUNNING -> WARNING')"
    ));
    assert_eq!(browser.js(&format!("{spoken}.includes('READY')")), false);
    cloud.resume(vm);
}

pub(super) fn saves_the_timeline(browser: &mut Browser, cloud: &mut Cloud) {
    let directory = browser.directory().to_owned();
    let behavior = json!({"behavior": "allow", "downloadPath": directory, "eventsEnabled": true});
    browser.call("Browser.setDownloadBehavior", behavior);
    let evil = "<b onclick='alert(1)'>&amp;";
    assert_eq!(cloud.act(cloud.web()[0], evil), 500);
    browser.until("document.querySelector('#events').textContent.includes('<b onclick')");
    browser.js("document.querySelector('#save').focus()");
    browser.press("Enter");
    until("the drawing is saved", || {
        browser.js("0");
        let progress = browser.told("Browser.downloadProgress");
        progress.iter().any(|one| one["state"] == "completed")
    });
    let files = fs::read_dir(&directory).unwrap();
    let mut files = files.map(|file| file.unwrap().path());
    let saved = files.find(|file| file.extension().is_some_and(|name| name == "svg"));
    let drawing = fs::read_to_string(saved.unwrap()).unwrap();
    let texts = texts_of(&drawing);
    let has = |wanted: &str| texts.iter().any(|text| text.contains(wanted));
    for wanted in [
        "Timeline",
        "service 1",
        "web",
        "VM 0",
        "1 -> 2: CPU_USED_PERC[90.0] > 70",
        "sets READY",
        evil,
    ] {
        assert!(has(wanted), "{wanted} in\n{texts:#?}");
    }
    let clock =
        |text: &&String| text.len() == 8 && text.bytes().filter(|byte| *byte == b':').count() == 2;
    assert!(texts.iter().filter(clock).count() > 5, "{texts:#?}");
    // Characters that XML has no place for, and those that turn a line around, should the server ever send one.
    let odd = browser.js(
        r#"await import('/drawing.js').then(({ drawing }) => {
            const time = new Date().toISOString();
            const event = { event: 1, time, kind: 'vm', vm: 1, text: 'a\u0001b\ud800c\u202ed\uffffe' };
            const text = new XMLSerializer().serializeToString(drawing([event]));
            const parsed = new DOMParser().parseFromString(text, 'image/svg+xml');
            return [parsed.querySelector('parsererror') === null, [...parsed.querySelectorAll('text')].at(-1).textContent];
        })"#,
    );
    let replaced = ["a", "b", "c", "d", "e"].join("\u{fffd}");
    assert_eq!(odd, json!([true, replaced]));
}

/// The texts of an SVG, which must be XML and have nothing but drawing elements.
fn texts_of(drawing: &str) -> Vec<String> {
    use quick_xml::events::Event;
    let mut reader = quick_xml::Reader::from_str(drawing);
    let mut texts = vec![String::new()];
    loop {
        match reader.read_event().unwrap() {
            Event::Start(tag) | Event::Empty(tag) => {
                let name = tag.name().as_ref().to_owned();
                assert!(
                    ["svg", "g", "text", "title", "rect", "path"].contains(&name.as_str()),
                    "{name}"
                );
                texts.push(String::new());
            }
            Event::Text(text) => *texts.last_mut().unwrap() += &text,
            Event::GeneralRef(name) => {
                *texts.last_mut().unwrap() += match name.as_ref() {
                    "lt" => "<",
                    "gt" => ">",
                    "amp" => "&",
                    other => panic!("&{other};"),
                }
            }
            Event::Eof => return texts,
            _ => {}
        }
    }
}
