//! What a VM's context CD-ROM holds: `context.sh` and `token.txt`, written as OpenNebula writes them
//! (docs/protocol.md, "Context"); or for a shell, what a client needs of it.

use super::CommandError;
use super::cli::PROGRAM;
use super::options::CommandOptions;
use super::token::{record, token_of};
use crate::cloud::Cloud;
use crate::objects::document::Id;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Where guests look for the server by default: at the server's own default address.
const DEFAULT_ENDPOINT: &str = "http://127.0.0.1:5030";

/// Runs the command.
///
/// # Errors
/// No such VM or context, or a file that can't be written.
pub fn run(options: &CommandOptions) -> Result<(), CommandError> {
    let cloud = super::read(options)?;
    if options.export {
        let exports = exports(&cloud, options.id, options.endpoint.as_deref())?;
        return super::print(exports.trim_end());
    }
    let out = options.out.as_deref().unwrap_or(Path::new("."));
    if !write(&cloud, options.id, options.endpoint.as_deref(), out)? {
        let _ = writeln!(
            io::stderr(),
            "{PROGRAM}: VM {} has no TOKEN=YES in its CONTEXT: no token.txt, and no OneGate for it",
            options.id
        );
    }
    Ok(())
}

/// Writes a VM's `context.sh` and, if its CONTEXT has TOKEN=YES, its `token.txt` into a directory, which is made if it
/// is missing. Only the user who writes them can read them. Without a token, an old `token.txt` is removed. Returns
/// whether there is a token.
///
/// # Errors
/// No such VM or context, or a file that can't be written.
pub fn write(
    cloud: &dyn Cloud,
    vm: Id,
    endpoint: Option<&str>,
    out: &Path,
) -> Result<bool, CommandError> {
    let (context, token) = context(cloud, vm, endpoint)?;
    fs::create_dir_all(out)
        .map_err(|error| format!("cannot make the directory {}: {error}", out.display()))?;
    let token_file = out.join("token.txt");
    match &token {
        Some(token) => write_file(&token_file, &format!("{token}\n"))?,
        None => match fs::remove_file(&token_file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                let message = format!("cannot remove {}: {error}", token_file.display());
                return Err(CommandError::Failed(message));
            }
            _ => {}
        },
    }
    write_file(&out.join("context.sh"), &shell(&context))?;
    Ok(token.is_some())
}

/// The lines by which a shell exports what a client needs: the endpoint, the VM and its token.
fn exports(cloud: &dyn Cloud, vm: Id, endpoint: Option<&str>) -> Result<String, CommandError> {
    let (mut context, token) = context(cloud, vm, endpoint)?;
    let token = token.ok_or_else(|| {
        format!("VM {vm} has no TOKEN=YES in its CONTEXT: it has no token to export")
    })?;
    context.insert("TOKENTXT".to_owned(), token);
    context.retain(|name, _| ["ONEGATE_ENDPOINT", "TOKENTXT", "VMID"].contains(&name.as_str()));
    let lines = context.iter().map(|(name, value)| assignment(name, value));
    Ok(lines.map(|line| format!("export {line}")).collect())
}

/// The variables of a VM's context, and its token where its CONTEXT says TOKEN=YES.
fn context(
    cloud: &dyn Cloud,
    vm: Id,
    endpoint: Option<&str>,
) -> Result<(BTreeMap<String, String>, Option<String>), CommandError> {
    let record = record(cloud, vm)?;
    let mut context = variables(vm, &record);
    let token = match context.get("TOKEN") {
        Some(yes) if yes.eq_ignore_ascii_case("yes") => Some(token_of(cloud, vm, &record)?),
        _ => None,
    };
    if token.is_some() || endpoint.is_some() {
        let known = context
            .get("ONEGATE_ENDPOINT")
            .map_or(DEFAULT_ENDPOINT, String::as_str);
        let endpoint = endpoint.unwrap_or(known).to_owned();
        context.insert("ONEGATE_ENDPOINT".to_owned(), endpoint);
    }
    Ok((context, token))
}

/// The variables of a VM's CONTEXT. A scenario written by hand may leave it out: then it is just TOKEN=YES.
fn variables(vm: Id, record: &Value) -> BTreeMap<String, String> {
    let smallest = Map::from_iter([("TOKEN".to_owned(), "YES".into())]);
    let context = record
        .pointer("/TEMPLATE/CONTEXT")
        .and_then(Value::as_object)
        .unwrap_or(&smallest);
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        // An empty element, as OpenNebula's tools print it.
        Value::Object(object) if object.is_empty() => Some(String::new()),
        _ => None,
    };
    let mut variables: BTreeMap<String, String> = context
        .iter()
        .filter_map(|(name, value)| Some((name.clone(), text(value)?)))
        .collect();
    variables.insert("VMID".to_owned(), vm.to_string());
    variables
}

/// `context.sh`, in the order of the names.
fn shell(variables: &BTreeMap<String, String>) -> String {
    let mut text = "# Context variables generated by OpenNebula\n".to_owned();
    for (name, value) in variables {
        text += &assignment(name, value);
    }
    text
}

/// A line that a shell reads: the value in single quotes, `'\''` for a quote.
fn assignment(name: &str, value: &str) -> String {
    format!("{name}='{}'\n", value.replace('\'', r"'\''"))
}

fn write_file(file: &Path, content: &str) -> Result<(), CommandError> {
    let write = || {
        // Removed first: the mode only takes effect for a new file.
        match fs::remove_file(file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut opened = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(file)?;
        opened.write_all(content.as_bytes())
    };
    write()
        .map_err(|error| CommandError::Failed(format!("cannot write {}: {error}", file.display())))
}
