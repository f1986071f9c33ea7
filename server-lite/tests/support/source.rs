//! What the source files say of the structure: who imports whom, which public types there are, how long they are.
//! Also for the agent's tests.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every Rust file below a directory of the repository, its path from there, and its text.
pub fn sources(directory: &str) -> Vec<(String, String)> {
    let root = repository().join(directory);
    let (mut found, mut directories) = (Vec::new(), vec![root.clone()]);
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap();
                found.push((name.to_owned(), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "no source in {directory}");
    found
}

/// The code of a file as words and signs, without its line comments. (`::` is two signs.)
fn tokens(text: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    for line in text.lines().map(str::trim_start) {
        if line.starts_with("//") {
            continue;
        }
        let mut grows = false;
        for c in line.chars() {
            match tokens.last_mut() {
                Some(last) if grows && is_word(c) => last.push(c),
                _ if c.is_whitespace() => {}
                _ => tokens.push(c.into()),
            }
            grows = is_word(c);
        }
    }
    tokens
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The modules just below the crate that a file names: as `crate::gate::view`, `crate::{gate, http}`, or by as many
/// `super::` as lead there.
pub fn imports(file: &str, text: &str) -> Vec<String> {
    let tokens = tokens(text);
    // `super` of src/gate/view.rs is gate; of src/gate.rs, the crate itself.
    let climb = ["super", ":", ":"].repeat(file.matches('/').count() + 1);
    let mut named = Vec::new();
    for at in 0..tokens.len() {
        let rest = &tokens[at..];
        let skip = [&["crate", ":", ":"][..], &climb]
            .into_iter()
            .find(|path| rest.len() > path.len() && rest.iter().zip(*path).all(|(a, b)| a == b));
        let Some(rest) = skip.map(|path| &rest[path.len()..]) else {
            continue;
        };
        if rest[0] != "{" {
            named.push(rest[0].clone());
            continue;
        }
        let mut depth = 0;
        for pair in rest.windows(2) {
            match pair[0].as_str() {
                "{" => depth += 1,
                "}" => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                break;
            }
            if depth == 1 && ["{", ","].contains(&pair[0].as_str()) && pair[1] != "}" {
                named.push(pair[1].clone());
            }
        }
    }
    named
}

/// The public types below a directory whose name is used more than once, with the files.
pub fn shared_names(directory: &str) -> Vec<String> {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (file, text) in sources(directory) {
        for line in text.lines() {
            let mut words = line.split_whitespace();
            let public = words.next().is_some_and(|word| word.starts_with("pub"));
            let mut words = words.skip_while(|word| *word == "unsafe");
            let kind = words.next().unwrap_or_default();
            if public && ["struct", "enum", "trait", "type", "union"].contains(&kind) {
                let name = tokens(words.next().unwrap_or_default())[0].clone();
                places.entry(name).or_default().push(file.clone());
            }
        }
    }
    places
        .into_iter()
        .filter(|(_, files)| files.len() > 1)
        .map(|(name, files)| format!("{name}: {}", files.join(", ")))
        .collect()
}

/// The results below a directory, but for those of tests, whose error is a text, and where they are.
pub fn worded_errors(directory: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (file, text) in sources(directory) {
        if file.ends_with("tests.rs") || file.contains("tests/") {
            continue;
        }
        let code = text.split("\nmod tests {").next().unwrap_or_default();
        let results = worded_results(code).into_iter();
        found.extend(results.map(|(line, result)| format!("{directory}/{file}:{line}: {result}")));
    }
    found
}

/// Every `Result<…, String>` of a text, and the line where it begins.
pub fn worded_results(code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (begin, start) in code.match_indices("Result<") {
        let (mut depth, mut before) = (1, ' ');
        let end = code[begin + start.len()..].find(|c| {
            match c {
                '<' | '(' | '[' => depth += 1,
                '>' if before == '-' => {}
                '>' | ')' | ']' => depth -= 1,
                _ => {}
            }
            before = c;
            depth == 0
        });
        let result = &code[begin..][..start.len() + end.unwrap_or_default()];
        let words: Vec<&str> = result.split_whitespace().collect();
        let words = words.join(" ").replace("< ", "<");
        let words = words.trim_end_matches(',').to_owned() + ">";
        if words.ends_with(", String>") {
            found.push((code[..begin].matches('\n').count() + 1, words));
        }
    }
    found
}

/// The most lines of a source file.
const MOST_LINES: usize = 500;

/// The most lines of a file of tests, in `tests/` or among the sources.
const MOST_LINES_OF_TESTS: usize = 600;

/// The files of a crate that are too long to be read at one sitting, and how long they are.
pub fn too_long(name: &str) -> Vec<String> {
    let mut long = Vec::new();
    for directory in ["src", "tests"] {
        for (file, text) in sources(&format!("{name}/{directory}")) {
            let path = format!("{name}/{directory}/{file}");
            let most = if path.contains("/tests") {
                MOST_LINES_OF_TESTS
            } else {
                MOST_LINES
            };
            let lines = text.lines().count();
            if lines > most {
                long.push(format!("{path}: {lines} lines, {most} at most"));
            }
        }
    }
    long
}
