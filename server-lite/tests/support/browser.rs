//! A real browser without a window: Chromium, over the pipe of its DevTools protocol (`--remote-debugging-pipe`: JSON,
//! each message ended by a NUL).

use super::client::PATIENCE;
use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What it is started with. Root and many containers can't have its sandbox, and only pages of our own are opened. Nothing
/// but this machine is looked up, and pictures are the same anywhere. The pipe's two ends are its descriptors 3 and 4.
const COMMAND: &str = r#"exec chromium --headless=new --remote-debugging-pipe --user-data-dir="$0" --no-sandbox \
    --disable-gpu --disable-dev-shm-usage --no-first-run --disable-background-networking --disable-component-update \
    --disable-sync --disable-extensions --host-resolver-rules='MAP * ~NOTFOUND, EXCLUDE 127.0.0.1' \
    --force-color-profile=srgb --disable-lcd-text --hide-scrollbars about:blank 3<&0 4>&1 >/dev/null 2>"$0/stderr""#;

/// A browser with one page, until it is dropped.
pub struct Browser {
    child: Child,
    requests: Option<ChildStdin>,
    messages: Receiver<Value>,
    session: String,
    last: u64,
    /// What it told unasked: `method` and `params`.
    pub events: Vec<Value>,
    profile: TempDir,
}

impl Browser {
    /// Starts one; `None` where Chromium is not installed.
    pub fn start() -> Option<Self> {
        let version = Command::new("chromium").arg("--version").output();
        version.ok().filter(|output| output.status.success())?;
        let profile = tempfile::tempdir().unwrap();
        let mut child = Command::new("sh")
            .args(["-c", COMMAND])
            .arg(profile.path())
            // What it leaves goes with its profile.
            .env("TMPDIR", profile.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (told, messages) = channel();
        let answers = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for message in answers.split(0).map_while(Result::ok) {
                let _ = told.send(serde_json::from_slice(&message).unwrap());
            }
        });
        let mut browser = Self {
            requests: child.stdin.take(),
            child,
            messages,
            session: String::new(),
            last: 0,
            events: Vec::new(),
            profile,
        };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"}));
        let target = json!({"targetId": target["targetId"], "flatten": true});
        let attached = browser.call("Target.attachToTarget", target);
        browser.session = attached["sessionId"].as_str().unwrap().to_owned();
        for domain in ["Page", "Runtime", "Log", "Network", "Accessibility"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        Some(browser)
    }

    /// Calls a method of the protocol; its result.
    pub fn call(&mut self, method: &str, params: Value) -> Value {
        self.last += 1;
        let mut request = json!({"id": self.last, "method": method, "params": params});
        if !self.session.is_empty() {
            request["sessionId"] = self.session.as_str().into();
        }
        let requests = self.requests.as_mut().unwrap();
        requests
            .write_all(format!("{request}\0").as_bytes())
            .unwrap();
        loop {
            let message = self.messages.recv_timeout(PATIENCE * 2);
            let message = message.unwrap_or_else(|e| {
                let log = std::fs::read_to_string(self.profile.path().join("stderr"));
                panic!("{method}: {e}; Chromium said:\n{}", log.unwrap_or_default())
            });
            if message["id"] == self.last {
                assert!(message["error"].is_null(), "{method}: {message}");
                return message["result"].clone();
            }
            self.events.push(message);
        }
    }

    /// What an expression of JavaScript comes to; it may await.
    pub fn js(&mut self, expression: &str) -> Value {
        let params = json!({"expression": expression, "returnByValue": true, "awaitPromise": true, "userGesture": true,
            "replMode": true});
        let result = self.call("Runtime.evaluate", params);
        assert!(
            result["exceptionDetails"].is_null(),
            "{expression}: {result}"
        );
        result["result"]["value"].clone()
    }

    /// Waits, frame by frame, until an expression is true.
    pub fn until(&mut self, expression: &str) {
        let milliseconds = PATIENCE.as_millis();
        let so = self.js(&format!(
            "await new Promise(done => {{ const end = performance.now() + {milliseconds};
             const look = () => ({expression}) ? done(true) : performance.now() > end ? done(false) : setTimeout(look, 10);
             look(); }})"
        ));
        assert_eq!(
            so,
            true,
            "still not: {expression}\n{}",
            self.js("document.body.innerText")
        );
    }

    /// Opens an address and waits until it has loaded.
    pub fn open(&mut self, url: &str) {
        let opened = self.call("Page.navigate", json!({ "url": url }));
        assert!(opened["errorText"].is_null(), "{url}: {opened}");
        self.until("document.readyState === 'complete' && location.protocol === 'http:'");
    }

    /// Has a window of this size.
    pub fn resize(&mut self, width: u32, height: u32) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500});
        self.call("Emulation.setDeviceMetricsOverride", size);
    }

    /// What a reader prefers, as media features: `prefers-color-scheme`, `dark`.
    pub fn prefer(&mut self, features: &[(&str, &str)]) {
        let features = features.iter();
        let features: Vec<Value> = features
            .map(|(name, value)| json!({"name": name, "value": value}))
            .collect();
        self.call("Emulation.setEmulatedMedia", json!({"features": features}));
    }

    /// Presses a key: `Tab`, `Enter`, or a blank.
    pub fn press(&mut self, key: &str) {
        let (code, text) = match key {
            "Tab" => (9, None),
            "Enter" => (13, Some("\r")),
            " " => (32, Some(" ")),
            other => panic!("which key is {other:?}?"),
        };
        for kind in ["keyDown", "keyUp"] {
            let mut event = json!({"type": kind, "key": key, "windowsVirtualKeyCode": code});
            if let Some(text) = text.filter(|_| kind == "keyDown") {
                event["text"] = text.into();
            }
            self.call("Input.dispatchKeyEvent", event);
        }
    }

    /// What the window shows, as WebP: a quarter of a PNG's size.
    pub fn picture(&mut self) -> Vec<u8> {
        let shot = self.call(
            "Page.captureScreenshot",
            json!({"format": "webp", "quality": 85}),
        );
        BASE64_STANDARD
            .decode(shot["data"].as_str().unwrap())
            .unwrap()
    }

    /// The roles and names in the accessibility tree, of all that is not ignored there.
    pub fn accessible(&mut self) -> Vec<(String, String)> {
        let tree = self.call("Accessibility.getFullAXTree", json!({}));
        let nodes = tree["nodes"].as_array().unwrap().iter();
        let word = |node: &Value, key: &str| node[key]["value"].as_str().unwrap_or("").to_owned();
        nodes
            .filter(|node| node["ignored"] == false)
            .map(|node| (word(node, "role"), word(node, "name")))
            .collect()
    }

    /// The parameters of the events of this kind so far.
    pub fn told(&self, method: &str) -> Vec<&Value> {
        let events = self.events.iter();
        events
            .filter(|event| event["method"] == method)
            .map(|event| &event["params"])
            .collect()
    }

    /// A directory that ends with the browser.
    pub fn directory(&self) -> &std::path::Path {
        self.profile.path()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Without its pipe it ends, and its processes with it.
        drop(self.requests.take());
        let deadline = Instant::now() + PATIENCE;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
