//! `make generate`: draws the charts of docs/*.md from the tables that stand above them.
//!
//! A document has `![Title](charts/NAME.svg "COLUMN, COLUMN")` below a table; the chart has a bar for the first number
//! in each of these columns, row by row.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// Names of more columns than this can't be told apart by colour.
const COLOURS: [(&str, &str); 3] = [
    ("#0969da", "#58a6ff"),
    ("#8c959f", "#6e7681"),
    ("#bc4c00", "#db6d28"),
];
const WIDTH: usize = 720;
/// Where the bars begin, and how long the longest is.
const LEFT: usize = 250;
const LONGEST: usize = 380;
const BAR: usize = 16;

#[allow(dead_code, reason = "the tests have this file as a module")]
fn main() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    for (file, svg) in charts(&docs) {
        fs::create_dir_all(docs.join("charts")).expect("docs/charts");
        fs::write(&file, svg).expect("written");
        println!("{}", file.display());
    }
}

/// Every chart that a document shows: its file, and what belongs in it.
pub(crate) fn charts(docs: &Path) -> Vec<(PathBuf, String)> {
    let mut all = Vec::new();
    let entries = fs::read_dir(docs)
        .expect("docs")
        .map(|e| e.expect("an entry"));
    for document in entries
        .map(|e| e.path())
        .filter(|p| p.extension().is_some_and(|e| e == "md"))
    {
        let text = fs::read_to_string(&document).expect("a document");
        let mut table: Vec<Vec<&str>> = Vec::new();
        let mut in_table = false;
        for line in text.lines() {
            if line.starts_with('|') {
                if !std::mem::replace(&mut in_table, true) {
                    table.clear();
                }
                table.push(line.trim_matches('|').split('|').map(str::trim).collect());
                continue;
            }
            in_table = false;
            if let Some((title, name, columns)) = image(line) {
                let svg = draw(title, &table, &columns)
                    .unwrap_or_else(|what| panic!("{}: {line}: {what}", document.display()));
                all.push((docs.join(name), svg));
            }
        }
    }
    all.sort();
    all
}

/// `![Title](charts/NAME.svg "COLUMN, COLUMN")`.
fn image(line: &str) -> Option<(&str, &str, Vec<&str>)> {
    let (title, rest) = line.strip_prefix("![")?.split_once("](")?;
    let (name, rest) = rest.split_once(" \"")?;
    let columns = rest.strip_suffix("\")")?.split(", ").collect();
    name.starts_with("charts/")
        .then_some((title, name, columns))
}

/// The first number in a cell.
fn number(cell: &str) -> Option<f64> {
    let digits: String = cell
        .chars()
        .take_while(|c| c.is_ascii_digit() || ",.-".contains(*c))
        .collect();
    // A comma is a thousands separator before three digits, else it ends the number.
    let mut parts = digits.split(',');
    let mut text = parts.next()?.to_owned();
    for part in parts {
        if part.len() != 3 {
            break;
        }
        text.push_str(part);
    }
    text.parse().ok()
}

/// A number with its thousands apart.
fn shown(value: f64) -> String {
    if value.fract() != 0.0 {
        return format!("{value}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0
            && (digits.len() - at).is_multiple_of(3)
            && digit.is_ascii_digit()
            && !text.ends_with('-')
        {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn escaped(text: &str) -> String {
    text.replace('`', "")
        .replace('&', "&amp;")
        .replace('<', "&lt;")
}

/// At most so many characters.
fn short(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", text[..end].trim_end()),
        None => text.to_owned(),
    }
}

fn draw(title: &str, table: &[Vec<&str>], columns: &[&str]) -> Result<String, String> {
    let [heads, _, rows @ ..] = table else {
        return Err("there is no table above it".into());
    };
    if columns.len() > COLOURS.len() {
        return Err(format!("more than {} columns", COLOURS.len()));
    }
    let place = |column: &&str| {
        let found = heads
            .iter()
            .position(|head| head.replace('`', "") == **column);
        found.ok_or_else(|| format!("the table has no column {column:?}"))
    };
    let places = columns.iter().map(place).collect::<Result<Vec<_>, _>>()?;
    let values: Vec<(&str, Vec<f64>)> = rows
        .iter()
        .filter_map(|row| {
            let numbers = places
                .iter()
                .map(|at| number(row.get(*at)?))
                .collect::<Option<_>>()?;
            Some((row[0], numbers))
        })
        .collect();
    let most = values
        .iter()
        .flat_map(|(_, numbers)| numbers)
        .copied()
        .fold(0.0, f64::max);
    if most <= 0.0 {
        return Err("there is nothing to draw".into());
    }
    let group = columns.len() * BAR + 10;
    let top = 64;
    let height = top + values.len() * group + 6;
    let mut style = String::from(
        "text{font:12px system-ui,sans-serif;fill:#1f2328}.t{font-size:15px;font-weight:600}",
    );
    let mut dark = String::from("text{fill:#e6edf3}");
    for (at, (light, darker)) in COLOURS.iter().enumerate() {
        let _ = write!(style, ".c{at}{{fill:{light}}}");
        let _ = write!(dark, ".c{at}{{fill:{darker}}}");
    }
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" role=\"img\">\n\
         <title>{title}</title>\n\
         <style>{style}@media(prefers-color-scheme:dark){{{dark}}}</style>\n\
         <text class=\"t\" x=\"8\" y=\"22\">{title}</text>\n",
        title = escaped(title),
    );
    if columns.len() > 1 {
        let mut x = LEFT;
        for (at, column) in columns.iter().enumerate() {
            let _ = writeln!(
                svg,
                "<rect class=\"c{at}\" x=\"{x}\" y=\"36\" width=\"12\" height=\"12\"/>\
                 <text x=\"{}\" y=\"46\">{}</text>",
                x + 18,
                escaped(column)
            );
            x += 40 + column.chars().count() * 7;
        }
    }
    for (row, (name, numbers)) in values.iter().enumerate() {
        let y = top + row * group;
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
            LEFT - 8,
            y + columns.len() * BAR / 2 + 4,
            escaped(&short(name, 36))
        );
        for (at, value) in numbers.iter().enumerate() {
            let y = y + at * BAR;
            // Positive, and at most LONGEST.
            let width = (value / most * LONGEST as f64).max(1.0);
            let _ = writeln!(
                svg,
                "<rect class=\"c{at}\" x=\"{LEFT}\" y=\"{y}\" width=\"{width:.1}\" height=\"{}\"/>\
                 <text x=\"{:.1}\" y=\"{}\">{}</text>",
                BAR - 2,
                LEFT as f64 + width + 6.0,
                y + BAR - 4,
                shown(*value)
            );
        }
    }
    svg.push_str("</svg>\n");
    Ok(svg)
}
