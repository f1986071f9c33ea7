//! References resolve: a fixture and its case, a heading of a document, a link of a page. CONTRIBUTING.md, "References"
//! has the forms.

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where sources and documents are.
const PLACES: &[&str] = &[
    "agent",
    "bench",
    "contrib",
    "docs",
    "fuzz",
    "packaging",
    "scripts",
    "server-lite",
];

/// What cannot be looked up in this repository.
const UNRESOLVABLE: &[&str] = &[
    concat!("contract", " §"),
    concat!("contract", " section"),
    concat!("recordings", "/"),
    concat!("../", "shared"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The sources and documents: path within the repository, and text.
fn files() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = PLACES.iter().map(|place| root().join(place)).collect();
    open.extend(
        std::fs::read_dir(root())
            .unwrap()
            .map(|e| e.unwrap().path())
            .filter(|p| p.is_file()),
    );
    while let Some(path) = open.pop() {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if !["target", "fixtures", "corpus", "artifacts"].contains(&name.as_str()) {
                open.extend(std::fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()));
            }
        } else if let Ok(text) = std::fs::read_to_string(&path) {
            let path = path.strip_prefix(root()).unwrap().display().to_string();
            found.push((path, text));
        }
    }
    assert!(found.len() > 100, "only {} files", found.len());
    found
}

/// The prose of a file: all of it, or a source's comments; line breaks and comment markers are blanks.
fn prose(path: &str, text: &str) -> String {
    let source = Path::new(path).extension().is_some_and(|e| e == "rs");
    let lines = text.lines().map(str::trim_start);
    let kept: Vec<&str> = lines
        .filter(|line| !source || line.starts_with("//"))
        .map(|line| line.trim_start_matches(['/', '!', '#']).trim())
        .collect();
    kept.join(" ")
}

/// The names that follow: `, case ` (or another word, or its plural), then names in backticks with `, ` or ` and `
/// between them.
fn names<'a>(after: &'a str, word: &str) -> Vec<&'a str> {
    let after = after.trim_start_matches('`');
    let after = after
        .strip_prefix(", ")
        .and_then(|rest| rest.strip_prefix(word));
    let Some(after) = after else {
        return Vec::new();
    };
    let Some(mut rest) = after.strip_prefix("s ").or(after.strip_prefix(' ')) else {
        return Vec::new();
    };
    let mut names = Vec::new();
    while let Some((name, more)) = rest.strip_prefix('`').and_then(|rest| rest.split_once('`')) {
        names.push(name);
        rest = [", and ", ", ", " and "]
            .iter()
            .find_map(|between| more.strip_prefix(between))
            .unwrap_or("");
    }
    if names.is_empty() { vec![""] } else { names }
}

/// The cases of a fixture.
fn cases_of(fixture: &str) -> Vec<String> {
    let name = |line: Value| Some(line.get("case").or(line.get("name"))?.as_str()?.to_owned());
    let lines = fixture
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    lines.filter_map(name).collect()
}

fn has(cases: &[String], name: &str) -> bool {
    let same = |case: &str| match name.strip_suffix('*') {
        Some(start) => case.starts_with(start),
        None => case == name,
    };
    let bare = |case: &str| case.split_once('/').is_some_and(|(_, bare)| same(bare));
    !name.is_empty() && cases.iter().any(|case| same(case) || bare(case))
}

/// The path at the start of a text.
fn path_at(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && !"_-./".contains(c));
    text[..end.unwrap_or(text.len())].trim_end_matches('.')
}

/// The paths in backticks: from the root, or the end of a source's path; each with what follows.
fn paths(page: &str) -> impl Iterator<Item = (&str, &str)> {
    page.split('`').skip(1).step_by(2).filter_map(move |span| {
        let at = span.as_ptr() as usize - page.as_ptr() as usize;
        let place = span.split('/').next()?;
        let path = PLACES.contains(&place) && span.contains('/');
        let plain = path_at(span) == span && (path || span.ends_with(".rs"));
        plain.then(|| (span, &page[at + span.len()..]))
    })
}

/// A heading as GitHub names its anchor.
fn anchor(heading: &str) -> String {
    let kept = heading
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

/// A page without its code, with its headings.
fn page(text: &str) -> (String, Vec<&str>) {
    let mut code = false;
    let mut lines = Vec::new();
    for line in text.lines() {
        if line.starts_with("```") {
            code = !code;
        } else if !code {
            lines.push(line);
        }
    }
    let headings = lines.iter().filter(|line| line.starts_with('#'));
    let headings = headings
        .map(|line| line.trim_start_matches('#').trim())
        .collect();
    (lines.join("\n"), headings)
}

#[test]
fn fixtures_and_their_cases_exist() {
    let mut fixtures: BTreeMap<String, Option<Vec<String>>> = BTreeMap::new();
    let (mut wrong, mut checked) = (Vec::new(), 0);
    for (file, text) in files() {
        let prose = prose(&file, &text);
        for (at, _) in prose.match_indices("tests/fixtures/") {
            let start = prose[..at]
                .rfind([' ', '`', '(', '|', '"'])
                .map_or(0, |at| at + 1);
            let path = path_at(&prose[start..]);
            let known = fixtures.entry(path.to_owned()).or_insert_with(|| {
                let file = root().join(path);
                if file.is_dir() {
                    Some(Vec::new())
                } else {
                    Some(cases_of(&std::fs::read_to_string(file).ok()?))
                }
            });
            match known {
                None => wrong.push(format!("{file}: there is no {path}")),
                Some(known) => {
                    for name in names(&prose[start + path.len()..], "case") {
                        checked += 1;
                        if !has(known, name) {
                            wrong.push(format!("{file}: {path} has no case '{name}'"));
                        }
                    }
                }
            }
        }
    }
    assert!(checked > 100, "only {checked} cases were looked for");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn documents_and_their_headings_exist() {
    let (mut wrong, mut checked) = (Vec::new(), 0);
    for (file, text) in files() {
        let prose = prose(&file, &text);
        for (at, _) in prose.match_indices(".md") {
            let start =
                prose[..at].rfind(|c: char| !c.is_ascii_alphanumeric() && !"_-./".contains(c));
            let start = start.map_or(0, |at| at + prose[at..].chars().next().unwrap().len_utf8());
            let path = path_at(&prose[start..]);
            let after = prose[start + path.len()..].trim_start_matches('`');
            let Some((heading, _)) = after
                .strip_prefix(", \"")
                .and_then(|rest| rest.split_once('"'))
            else {
                continue;
            };
            checked += 1;
            match std::fs::read_to_string(root().join(path)) {
                Err(_) => wrong.push(format!("{file}: there is no {path}")),
                Ok(text) if !page(&text).1.contains(&heading) => {
                    wrong.push(format!("{file}: {path} has no heading \"{heading}\""));
                }
                Ok(_) => {}
            }
        }
    }
    assert!(checked > 20, "only {checked} headings were looked for");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_and_their_tests_exist() {
    let files = files();
    let (mut wrong, mut checked) = (Vec::new(), 0);
    for (file, text) in files.iter().filter(|(file, _)| file.ends_with(".md")) {
        let prose = prose(file, &page(text).0);
        for (path, after) in paths(&prose) {
            let of_that_name =
                |(file, _): &&(String, String)| file == path || file.ends_with(&format!("/{path}"));
            let cited: Vec<_> = files.iter().filter(of_that_name).collect();
            if cited.is_empty() && !root().join(path).exists() {
                wrong.push(format!("{file}: there is no {path}"));
            }
            for name in names(after, "test") {
                checked += 1;
                let signature = format!("fn {name}(");
                if name.is_empty() || !cited.iter().any(|(_, text)| text.contains(&signature)) {
                    wrong.push(format!("{file}: {path} has no test {name}"));
                }
            }
        }
    }
    assert!(checked > 10, "only {checked} tests were looked for");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn relative_links_resolve() {
    let (mut wrong, mut checked) = (Vec::new(), 0);
    for (file, text) in files() {
        if !file.ends_with(".md") {
            continue;
        }
        for target in page(&text)
            .0
            .split("](")
            .skip(1)
            .filter_map(|rest| Some(rest.split_once(')')?.0))
        {
            if target.contains("://") {
                continue;
            }
            // After a blank comes a picture's title.
            let target = target.split(' ').next().unwrap_or_default();
            checked += 1;
            let (path, wanted) = target.split_once('#').unwrap_or((target, ""));
            let path = match path {
                "" => root().join(&file),
                path => root().join(&file).parent().unwrap().join(path),
            };
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            let known = page(&text)
                .1
                .iter()
                .any(|heading| anchor(heading) == wanted);
            if !path.exists() || !(wanted.is_empty() || known) {
                wrong.push(format!("{file}: the link {target} leads nowhere"));
            }
        }
    }
    assert!(checked > 20, "only {checked} links were looked at");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_cites_what_is_not_here() {
    let mut wrong = Vec::new();
    for (file, text) in files() {
        for (number, line) in text.lines().enumerate() {
            let line = line.to_lowercase();
            if UNRESOLVABLE.iter().any(|text| line.contains(text)) {
                wrong.push(format!("{file}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
