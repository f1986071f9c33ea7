//! What something costs as its input grows, in instructions, which are the same at each run and on each machine. The
//! agent's tests use this file too.
//!
//! One process of callgrind's runs many cases, each with a quarter, half and all of its input, and what is counted
//! begins and ends at [`mark`]: neither the start of a program nor the making of an input is a part of it.

use std::path::Path;
use std::process::{Child, Command, Stdio};

/// What is measured: one run with one input.
pub type Work = Box<dyn FnOnce()>;

/// Something that is done with an input of a size.
pub struct Case {
    pub name: &'static str,
    /// The size at its limit.
    pub most: usize,
    /// Instructions that this may cost.
    pub bound: i64,
    /// Makes an input of a size, and what is to be done with it.
    pub prepare: fn(usize) -> Work,
}

pub const fn case(name: &'static str, most: usize, prepare: fn(usize) -> Work) -> Case {
    bounded(name, most, i64::MAX, prepare)
}

/// The same for what may cost so many instructions in all.
pub const fn bounded(
    name: &'static str,
    most: usize,
    bound: i64,
    prepare: fn(usize) -> Work,
) -> Case {
    Case {
        name,
        most,
        bound,
        prepare,
    }
}

/// What is done with an input that is there already.
pub fn work(run: impl FnOnce() + 'static) -> Work {
    Box::new(run)
}

/// What must not be: every pair of an input is looked at, beside work that grows as the input does.
const QUADRATIC: Case = case("what grows too fast", 2_000, |n| {
    let input = vec![1u8; n];
    work(move || {
        let pairs = input.iter().flat_map(|a| input.iter().map(move |b| a & b));
        let count: usize = pairs
            .map(|one| usize::from(std::hint::black_box(one)))
            .sum();
        assert_eq!(count, n * n);
    })
});

/// The second doubling of an input costs so many times what the first one does, at most: 2 is linear, n log n is 2.2 at
/// these sizes, and a list or a map that grows makes it a little more. 4 is quadratic.
const MOST: f64 = 2.8;
/// What costs less than this with the largest input is cheap however it grows, and its growth is noise besides.
const CHEAP: i64 = 1_000_000;
const PARTS: [usize; 3] = [4, 2, 1];

/// Which of the processes this is, of how many.
const SHARE: &str = "COST_SHARE";
/// Part of the names of the cases to run.
const ONLY: &str = "COST_ONLY";

/// The cases of one of so many processes.
fn dealt(cases: &[&'static Case], share: usize, of: usize) -> Vec<&'static Case> {
    let only = std::env::var(ONLY).unwrap_or_default();
    let wanted = cases.iter().filter(|case| case.name.contains(&only));
    let all = wanted.copied().chain([&QUADRATIC]);
    all.skip(share).step_by(of).collect()
}

/// Runs each case with a small input, to see that it does what it says; nothing is counted.
pub fn try_each(cases: &[&'static Case]) {
    let fails = |case: &&&Case| {
        let run = || (case.prepare)(case.most / 16)();
        std::panic::catch_unwind(run).is_err()
    };
    let failed: Vec<&str> = cases.iter().filter(fails).map(|case| case.name).collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

/// Callgrind ends a count here.
#[inline(never)]
fn mark() {
    std::hint::black_box(());
}

/// Measures nothing by itself: [`check`] starts it under callgrind.
pub fn run_share(cases: &[&'static Case]) {
    let Ok(share) = std::env::var(SHARE) else {
        return;
    };
    let (share, of) = share.split_once('/').unwrap();
    for case in dealt(cases, share.parse().unwrap(), of.parse().unwrap()) {
        for part in PARTS {
            println!("{}, {}", case.name, case.most / part);
            let run = (case.prepare)(case.most / part);
            mark();
            run();
            mark();
        }
    }
}

/// Fails if a case costs more than its input grows, or if what does is not seen. `run` is the name of the test that calls
/// [`run_share`].
pub fn check(cases: &[&'static Case], run: &str) {
    let of = std::thread::available_parallelism().map_or(1, usize::from);
    let directory = tempfile::tempdir().unwrap();
    let children: Vec<Child> = (0..of)
        .map(|share| start(directory.path(), run, share, of))
        .collect();
    let (mut grown, mut costly) = (Vec::new(), Vec::new());
    for (share, child) in children.into_iter().enumerate() {
        let output = child.wait_with_output().unwrap();
        let said =
            String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        for (number, case) in dealt(cases, share, of).into_iter().enumerate() {
            // Each run is the count that ends at its second mark.
            let counts = [0, 1, 2].map(|part| {
                let dump = (number * PARTS.len() + part) * 2 + 2;
                total(&directory.path().join(format!("{share}.{dump}")))
            });
            let [one, two, four] = counts;
            let growth = (four - two) as f64 / (two - one).max(one / 100 + 1) as f64;
            println!(
                "{:<48} {one:>12} {two:>12} {four:>12} {growth:>6.2}",
                case.name
            );
            if growth > MOST && four > CHEAP {
                grown.push((case.name, growth));
            }
            if four > case.bound {
                costly.push((case.name, four));
            }
        }
    }
    grown.sort_unstable_by_key(|(name, _)| *name != QUADRATIC.name);
    let Some(((seen, _), grown)) = grown.split_first() else {
        panic!("what grows too fast is not seen");
    };
    assert_eq!(*seen, QUADRATIC.name);
    assert!(grown.is_empty(), "{grown:#?}");
    assert!(costly.is_empty(), "beyond its bound: {costly:#?}");
}

fn start(directory: &Path, run: &str, share: usize, of: usize) -> Child {
    Command::new("valgrind")
        .args(["--tool=callgrind", "--dump-before=*cost::mark"])
        .arg(format!(
            "--callgrind-out-file={}",
            directory.join(share.to_string()).display()
        ))
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", run, "--test-threads=1", "--nocapture"])
        .env(SHARE, format!("{share}/{of}"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The instructions of one count.
fn total(dump: &Path) -> i64 {
    let text = std::fs::read_to_string(dump).unwrap_or_else(|error| panic!("{dump:?}: {error}"));
    let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
    total.unwrap().parse().unwrap()
}
