//! `make recording`: plays a session of VM 8 of the built-in cloud with both real binaries, and draws what the terminal
//! showed, with its timing, as docs/images/session.svg.
//!
//! Each command runs in a pseudo-terminal (`script`, of util-linux). The picture plays once and ends with all of the
//! session; it is that still frame at once where motion isn't wanted, or nothing can play it. Each character has its
//! own column, so that any font lines up.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

/// What is typed. `#` begins a remark, above the commands that it is about.
const SESSION: &[&str] = &[
    "# In VM 8, the master of a service",
    "onegate vm show",
    "# Any value comes back unharmed, and without jq",
    r#"onegate vm update READY=YES MOTD='a, "b" = [c]'"#,
    "onegate vm show --get USER_TEMPLATE.MOTD",
    "# Add a slave and wait until it runs: no loop, no sleep",
    "onegate service scale --role slave --cardinality 2",
    "onegate service wait --role slave --count 2 STATE=RUNNING",
    "onegate service peers",
    "# The slaves as HAProxy's servers; --watch prints them again when they change",
    "onegate service peers --role slave --format 'server vm{ID} {IP}:80 check'",
];
/// How long a VM takes from state to state, in milliseconds. Times are rounded to it, so that a recording is the same
/// each time.
const STEP: u128 = 800;
/// Pixels of a character, and of the edge around all of them.
const WIDE: usize = 9;
const HIGH: usize = 20;
const EDGE: usize = 20;
const BAR: usize = 36;

/// A command, or a remark, and what the terminal showed then.
pub(crate) struct Step {
    typed: &'static str,
    /// A line that is replaced by the next one, and when it appeared, in STEPs.
    progress: Vec<(u128, String)>,
    printed: Vec<String>,
    took: u128,
}

#[allow(dead_code, reason = "the test has this file as a module")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let example = std::env::current_exe()?;
    let programs = example.ancestors().nth(2).ok_or("no target directory")?;
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/images/session.svg");
    std::fs::write(&file, draw(&record(programs)?))?;
    println!("{}", file.display());
    Ok(())
}

/// The server, for as long as the session takes.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Plays the session with the two programs in this directory.
pub(crate) fn record(programs: &Path) -> Result<Vec<Step>, Box<dyn std::error::Error>> {
    let gate = programs.join("onegate-server-lite");
    let mut serve = Command::new(&gate);
    serve.args(["serve", "--listen", "127.0.0.1:0"]);
    serve.args(["--vm-step", &format!("{STEP}ms")]);
    serve
        .env_clear()
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut server = Server(serve.spawn()?);
    let mut line = String::new();
    BufReader::new(server.0.stdout.take().ok_or("no stdout")?).read_line(&mut line)?;
    let url = line.trim().rsplit(' ').next().ok_or("no address")?;
    let context = Command::new(&gate)
        .args(["context", "8", "--export", "--endpoint", url])
        .env_clear()
        .output()?;
    let context = String::from_utf8(context.stdout)?;
    let path = format!("{}:/usr/bin:/bin", programs.display());
    let step = |typed: &&'static str| run(typed, &format!("{context}\n{typed}"), &path);
    SESSION.iter().map(step).collect()
}

fn run(typed: &'static str, shell: &str, path: &str) -> Result<Step, Box<dyn std::error::Error>> {
    let begin = Instant::now();
    let mut child = Command::new("script")
        .args(["-qec", shell, "/dev/null"])
        .env_clear()
        .envs([("PATH", path), ("SHELL", "/bin/sh")])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut terminal = child.stdout.take().ok_or("no stdout")?;
    let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
    let mut progress: Vec<(u128, String)> = Vec::new();
    let steps = || (begin.elapsed().as_millis() + STEP / 2) / STEP;
    loop {
        let read = terminal.read(&mut chunk)?;
        if read == 0 {
            break;
        }
        bytes.extend_from_slice(&chunk[..read]);
        let text = String::from_utf8_lossy(&bytes);
        // A line that has no end yet.
        let shown = shown(text.rsplit('\n').next().unwrap_or_default());
        if !shown.is_empty() {
            progress.retain(|(at, _)| *at != steps());
            progress.push((steps(), shown));
        }
    }
    let text = String::from_utf8(bytes)?;
    if !child.wait()?.success() {
        return Err(format!("{typed}: {text}").into());
    }
    let mut printed: Vec<_> = text.split("\r\n").map(str::to_owned).collect();
    printed.pop_if(|last| shown(last).is_empty());
    let took = steps();
    Ok(Step {
        typed,
        progress,
        printed,
        took,
    })
}

/// What is to be seen of a line after its control characters.
fn shown(line: &str) -> String {
    let mut text = String::new();
    let mut characters = line.trim_end_matches('\r').chars();
    while let Some(character) = characters.next() {
        match character {
            '\r' => text.clear(),
            '\u{1b}' => drop(characters.find(char::is_ascii_alphabetic)),
            _ => text.push(character),
        }
    }
    text.trim_end().to_owned()
}

const STYLE: &str = "\
text{font:15px ui-monospace,SFMono-Regular,Menlo,Consolas,'Liberation Mono','DejaVu Sans Mono',monospace;fill:#c9d1d9}\
.prompt{fill:#3fb950}.typed{fill:#f0f6fc;font-weight:600}.remark{fill:#8b949e}\
.header{fill:#f0f6fc;font-weight:600;text-decoration:underline}.title{fill:#8b949e;text-anchor:middle}\
.passing{fill:#e3b341}.ground{fill:#0d1117}.cursor{fill:#58a6ff}.passing,.typing{visibility:hidden}\
@media(prefers-reduced-motion:no-preference){\
.later{animation:hidden 0s}.passing{animation:visible 0s}.typing{animation:typing 0s}}\
@keyframes hidden{from,to{visibility:hidden}}\
@keyframes visible{from,to{visibility:visible}}\
@keyframes typing{from,to{visibility:visible}to{transform:translate(var(--way))}}";
/// Milliseconds before typing, for each key, and to read a line.
const PAUSE: u128 = 600;
const KEY: u128 = 28;
const READ: u128 = 180;

/// The picture, as far as it is drawn.
#[derive(Default)]
struct Picture {
    svg: String,
    row: usize,
    /// Milliseconds since the start.
    now: u128,
}

impl Picture {
    fn baseline(&self) -> usize {
        BAR + EDGE + self.row * HIGH + 12
    }

    fn text(&mut self, class: &str, column: usize, text: &str, timing: &str) {
        let columns: Vec<_> = (column..column + text.chars().count())
            .map(|at| (EDGE + at * WIDE).to_string())
            .collect();
        let _ = writeln!(
            self.svg,
            "<text class=\"{class}\" y=\"{}\" x=\"{}\" style=\"{timing}\">{}</text>",
            self.baseline(),
            columns.join(" "),
            text.replace('&', "&amp;")
                .replace('<', "&lt;")
                // Of several spaces an SVG shows one.
                .replace(' ', "\u{a0}")
        );
    }

    fn cursor(&mut self, class: &str, timing: &str) {
        let (x, y) = (EDGE + 2 * WIDE, self.baseline() - 15);
        let _ = writeln!(
            self.svg,
            "<rect class=\"{class} cursor\" x=\"{x}\" y=\"{y}\" width=\"{WIDE}\" height=\"{HIGH}\" style=\"{timing}\"/>",
        );
    }

    /// From now on.
    fn later(&self) -> String {
        format!("animation-duration:{}ms", self.now)
    }

    /// For so long.
    fn passing(&self, duration: u128) -> String {
        format!(
            "animation-duration:{duration}ms;animation-delay:{}ms",
            self.now
        )
    }

    fn prompt(&mut self) {
        self.text("later prompt", 0, "$", &self.later());
    }

    /// A cover with the cursor at its left edge moves to the right.
    fn command(&mut self, typed: &str) {
        self.prompt();
        self.cursor("passing", &self.passing(PAUSE));
        self.now += PAUSE;
        self.text("later typed", 2, typed, &self.later());
        let keys = typed.chars().count();
        let time = keys as u128 * KEY;
        let way = keys * WIDE;
        let timing = self.passing(time);
        let _ = writeln!(
            self.svg,
            "<g class=\"typing\" style=\"--way:{way}px;{timing};animation-timing-function:steps({keys})\">\
             <rect class=\"ground\" x=\"{0}\" y=\"{1}\" width=\"{way}\" height=\"{HIGH}\"/>\
             <rect class=\"cursor\" x=\"{0}\" y=\"{1}\" width=\"{WIDE}\" height=\"{HIGH}\"/></g>",
            EDGE + 2 * WIDE,
            self.baseline() - 15
        );
        self.now += time;
        self.row += 1;
    }
}

/// The session as an animated SVG.
pub(crate) fn draw(steps: &[Step]) -> String {
    let mut picture = Picture::default();
    for step in steps {
        if step.typed.starts_with('#') {
            picture.row += usize::from(picture.row > 0);
            picture.now += PAUSE;
            picture.text("later remark", 0, step.typed, &picture.later());
            picture.row += 1;
            continue;
        }
        picture.command(step.typed);
        let begin = picture.now;
        for (at, (from, line)) in step.progress.iter().enumerate() {
            let until = step.progress.get(at + 1).map_or(step.took, |next| next.0);
            if until > *from {
                picture.now = begin + from * STEP;
                picture.text("passing", 0, line, &picture.passing((until - from) * STEP));
            }
        }
        picture.now = begin + step.took * STEP + 2 * KEY;
        for line in &step.printed {
            let class = if line.contains("\u{1b}[4m") {
                "later header"
            } else {
                "later"
            };
            picture.text(class, 0, &shown(line), &picture.later());
            picture.row += 1;
        }
        picture.now += READ * step.printed.len() as u128;
    }
    picture.prompt();
    picture.cursor("later", &picture.later());
    let (width, height) = (2 * EDGE + 80 * WIDE, picture.baseline() + EDGE - 2);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" role=\"img\">\n\
         <title>A session of onegate in a VM</title>\n\
         <style>{STYLE}</style>\n\
         <rect class=\"ground\" width=\"{width}\" height=\"{height}\" rx=\"8\"/>\n\
         <path d=\"M0 {BAR}h{width}\" stroke=\"#30363d\"/>\n\
         <circle cx=\"20\" cy=\"18\" r=\"6\" fill=\"#ff5f57\"/><circle cx=\"40\" cy=\"18\" r=\"6\" fill=\"#febc2e\"/><circle cx=\"60\" cy=\"18\" r=\"6\" fill=\"#28c840\"/>\n\
         <text class=\"title\" x=\"{}\" y=\"23\">VM 8: master_0_(service_1)</text>\n\
         {}\
         <rect x=\".5\" y=\".5\" width=\"{}\" height=\"{}\" rx=\"8\" fill=\"none\" stroke=\"#30363d\"/>\n\
         </svg>\n",
        width / 2,
        picture.svg,
        width - 1,
        height - 1
    )
}
