//! The configuration: OpenNebula's own `onegate-server.conf` (YAML whose keys are Ruby symbols), or the defaults
//! of the file that OpenNebula ships.
//!
//! `KEYS` is the only list of the keys. An unknown key gets a warning, so that a file of another version still works,
//! and nobody relies on a setting that does nothing. A value that can't be read stops the start; the message names the
//! file, the line and the key.

use crate::gate::routes;
use crate::gate::rules::Rules;
use saphyr::{MarkedYaml, ScanError, YamlLoader};
use saphyr_parser::{Event, Parser};
use std::fmt;
use std::path::Path;
use values::{
    Finding, Reader, age, attributes, core_auth, host, level, names, number, optional, port,
    symbol, text, url,
};

mod values;

/// The configuration. [`Config::default`] is the file that OpenNebula ships.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `:bind` of `:server`, or the older `:host`: the address to listen on, unless the command line names one.
    pub host: Option<String>,
    /// `:port` of `:server`, or the older `:port` beside it: likewise.
    pub port: Option<u16>,
    /// `:one_xmlrpc`: oned's XML-RPC endpoint (URL).
    pub one_xmlrpc: String,
    /// `:oneflow_server`: OneFlow's endpoint (URL).
    pub oneflow_server: String,
    /// `:core_auth`: how the server signs its calls to oned.
    pub core_auth: CoreAuth,
    /// `:expire_delta`: how long a session towards oned is valid, in seconds.
    pub expire_delta: u64,
    /// `:expire_margin`: how long before its end a session is renewed, in seconds.
    pub expire_margin: u64,
    /// `:record_max_age`: how old a record of oned's may be when a guest is answered with it, in seconds.
    pub record_max_age: u64,
    /// `:token_password_max_age`: the same for TOKEN_PASSWORDs.
    pub token_password_max_age: u64,
    /// What is logged, from `:log` (its `:level`) or the older `:debug_level`.
    pub log_level: LogLevel,
    /// What guests may do.
    pub rules: Rules,
    /// What has no effect; for the log.
    pub warnings: Vec<String>,
}

/// How calls to oned are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CoreAuth {
    /// A symmetric cipher with the password of serveradmin.
    Cipher,
    /// A certificate: not supported.
    X509,
}

/// What is logged, in OpenNebula's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// 0
    Error,
    /// 1
    Warning,
    /// 2: requests too.
    Info,
    /// 3
    Debug,
}

/// What makes a configuration unusable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    file: String,
    /// From 1; 0 where the whole file is meant.
    line: usize,
    reason: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.reason),
            line => write!(f, "{}, line {line}: {}", self.file, self.reason),
        }
    }
}

impl std::error::Error for ConfigError {}

impl Default for Config {
    fn default() -> Self {
        Self {
            host: None,
            port: None,
            one_xmlrpc: "http://localhost:2633/RPC2".to_owned(),
            oneflow_server: "http://localhost:2474".to_owned(),
            core_auth: CoreAuth::Cipher,
            expire_delta: 1800,
            expire_margin: 300,
            record_max_age: 1,
            token_password_max_age: 5,
            log_level: LogLevel::Info,
            rules: Rules::default(),
            warnings: Vec::new(),
        }
    }
}

impl Config {
    /// Reads a configuration file.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        let name = file.display().to_string();
        let failed = |reason| ConfigError {
            file: name.clone(),
            line: 0,
            reason,
        };
        let bytes =
            std::fs::read(file).map_err(|error| failed(format!("cannot be read: {error}")))?;
        let text = String::from_utf8(bytes).map_err(|error| {
            failed(format!(
                "is not UTF-8 at byte {}",
                error.utf8_error().valid_up_to()
            ))
        })?;
        Self::parse(&text, &name)
    }

    /// Reads a configuration; `file` is its name in messages.
    pub fn parse(text: &str, file: &str) -> Result<Self, ConfigError> {
        let error = |line, reason| ConfigError {
            file: file.to_owned(),
            line,
            reason,
        };
        let mut config = Self::default();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let documents = load(text, false).or_else(|first| {
            // Ruby's YAML lets the last of two equal keys win.
            let documents = load(text, true).map_err(|scan| {
                error(scan.marker().line(), format!("not YAML: {}", scan.info()))
            })?;
            config.warnings.push(format!(
                "{file}, line {}: a key stands here for the second time: the last one counts",
                first.marker().line()
            ));
            Ok(documents)
        })?;
        // As with the Ruby server: a file without :permissions permits nothing.
        config.rules.permissions.clear();
        let Some(document) = documents.first() else {
            config.warnings.push(format!(
                "{file} is empty: it permits nothing (:permissions)"
            ));
            return Ok(config);
        };
        let mapping = document.data.as_mapping().ok_or_else(|| {
            error(
                document.span.start.line(),
                "expected lines of ':key: value'".to_owned(),
            )
        })?;
        let newer_first = |(key, _): &(&MarkedYaml<'_>, _)| symbol(key) != Some("server");
        let mut entries: Vec<_> = mapping.iter().collect();
        entries.sort_by_key(newer_first);
        for (key, value) in entries {
            let line = key.span.start.line();
            let name =
                symbol(key).ok_or_else(|| error(line, "a key that is not text".to_owned()))?;
            let plain = key.data.as_str() == Some(name);
            if plain
                && mapping
                    .keys()
                    .any(|other| symbol(other) == Some(name) && other != key)
            {
                config.warnings.push(format!(
                    "{file}, line {line}: {name} has no effect: :{name} counts"
                ));
                continue;
            }
            let Some((_, read)) = KEYS.iter().find(|(known, _)| *known == name) else {
                config.warnings.push(format!(
                    "{file}, line {line}: :{name} is not known and has no effect"
                ));
                continue;
            };
            let line = value.span.start.line();
            match read(&mut config, value) {
                Ok(()) => {}
                Err(Finding::Error(reason)) => {
                    return Err(error(line, format!(":{name}: {reason}")));
                }
                Err(Finding::Warning(reason)) => {
                    config
                        .warnings
                        .push(format!("{file}, line {line}: :{name}: {reason}"));
                }
            }
        }
        if config.rules.permissions.is_empty() {
            config.warnings.push(format!(
                "{file}: nothing is permitted, so every request gets 403: switch on what guests may do under \
                 :permissions"
            ));
        }
        if config.expire_margin >= config.expire_delta {
            let reason =
                ":expire_margin must be less than :expire_delta, or no session is ever valid"
                    .to_owned();
            return Err(error(0, reason));
        }
        Ok(config)
    }
}

/// Aliases in a file: each is replaced by what it stands for, and aliases of aliases would grow without end.
const MAX_ALIASES: usize = 16;

/// The documents of a YAML text.
fn load(text: &str, duplicates: bool) -> Result<Vec<MarkedYaml<'_>>, ScanError> {
    let mut aliases = 0;
    for event in Parser::new_from_str(text) {
        let (event, span) = event?;
        aliases += usize::from(matches!(event, Event::Alias(_)));
        if aliases > MAX_ALIASES {
            return Err(ScanError::new_str(span.start, "more than 16 aliases"));
        }
    }
    let mut loader = YamlLoader::default();
    loader.allow_duplicate_keys(duplicates);
    Parser::new_from_str(text).load(&mut loader, true)?;
    match loader.error() {
        Some(error) => Err(error.clone()),
        None => Ok(loader.into_documents()),
    }
}

type Read = fn(&mut Config, &MarkedYaml<'_>) -> Result<(), Finding>;

/// Every key that is read, and how.
const KEYS: &[(&str, Read)] = &[
    ("host", |config, value| {
        unless_set(&mut config.host, host(value), ":bind")
    }),
    ("port", |config, value| {
        unless_set(&mut config.port, port(value), ":port")
    }),
    ("ssl_server", |config, value| {
        set(&mut config.rules.ssl_server, optional(value, text))
    }),
    ("one_xmlrpc", |config, value| {
        set(&mut config.one_xmlrpc, url(value))
    }),
    ("oneflow_server", |config, value| {
        set(&mut config.oneflow_server, url(value))
    }),
    ("auth", |_, value| match text(value)?.as_str() {
        "onegate" => Ok(()),
        other => Err(Finding::Error(format!(
            "'{other}' is not supported: guests prove themselves by token (onegate)"
        ))),
    }),
    ("core_auth", |config, value| {
        set(&mut config.core_auth, core_auth(value))
    }),
    ("expire_delta", |config, value| {
        set(&mut config.expire_delta, number(value))
    }),
    ("expire_margin", |config, value| {
        set(&mut config.expire_margin, number(value))
    }),
    ("record_max_age", |config, value| {
        set(&mut config.record_max_age, age(value))
    }),
    ("token_password_max_age", |config, value| {
        set(&mut config.token_password_max_age, age(value))
    }),
    ("debug_level", |config, value| {
        set(&mut config.log_level, level(value))
    }),
    ("log", log),
    ("server", server),
    ("permissions", permissions),
    ("restricted_attrs", |config, value| {
        set_unless_null(&mut config.rules.restricted_attrs, value, attributes)
    }),
    ("restricted_actions", |config, value| {
        set_unless_null(&mut config.rules.restricted_actions, value, names)
    }),
    ("vnet_template_attributes", |config, value| {
        set_unless_null(&mut config.rules.vnet_template_attributes, value, names)
    }),
];

fn set<T>(setting: &mut T, value: Result<T, Finding>) -> Result<(), Finding> {
    *setting = value?;
    Ok(())
}

/// A key without a value (in the shipped file: all its entries commented out) keeps the default.
fn set_unless_null<T>(
    setting: &mut T,
    value: &MarkedYaml<'_>,
    read: Reader<T>,
) -> Result<(), Finding> {
    match optional(value, read)? {
        Some(value) => set(setting, Ok(value)),
        None => Ok(()),
    }
}

/// An older key. The newer one takes precedence, wherever in the file the two are.
fn unless_set<T>(
    setting: &mut Option<T>,
    value: Result<T, Finding>,
    newer: &str,
) -> Result<(), Finding> {
    let value = value?;
    if setting.is_some() {
        return Err(Finding::Warning(format!(
            "has no effect: {newer} of :server counts"
        )));
    }
    *setting = Some(value);
    Ok(())
}

/// Where to listen, in the files that OpenNebula ships since 7.3.80; before, the name of a web server.
fn server(config: &mut Config, value: &MarkedYaml<'_>) -> Result<(), Finding> {
    let Some(mapping) = value.data.as_mapping() else {
        return Err(Finding::Warning(
            "there is no web server to choose, the server is its own".to_owned(),
        ));
    };
    let mut unknown = Vec::new();
    for (key, value) in mapping {
        let at = |name: &str, finding| match finding {
            Finding::Error(reason) => Finding::Error(format!(":{name}: {reason}")),
            warning => warning,
        };
        match symbol(key).unwrap_or_default() {
            "bind" => config.host = Some(host(value).map_err(|finding| at("bind", finding))?),
            "port" => config.port = Some(port(value).map_err(|finding| at("port", finding))?),
            other => unknown.push(format!(":{other}")),
        }
    }
    nothing_but(unknown, "the server is its own and sizes itself")
}

fn log(config: &mut Config, value: &MarkedYaml<'_>) -> Result<(), Finding> {
    let Some(mapping) = value.data.as_mapping() else {
        return set(&mut config.log_level, level(value));
    };
    let mut unknown = Vec::new();
    for (key, value) in mapping {
        match symbol(key).unwrap_or_default() {
            "level" => config.log_level = level(value)?,
            other => unknown.push(format!(":{other}")),
        }
    }
    nothing_but(
        unknown,
        "the log goes to standard error, for the init system to keep",
    )
}

fn permissions(config: &mut Config, value: &MarkedYaml<'_>) -> Result<(), Finding> {
    let expected = || {
        Finding::Error(
            "expected a resource (:vm, :service, …) with a switch for each action".to_owned(),
        )
    };
    let mut unknown = Vec::new();
    for (resource, actions) in value.data.as_mapping().ok_or_else(expected)? {
        let resource = symbol(resource).ok_or_else(expected)?;
        if actions.data.is_null() {
            continue;
        }
        for (action, switch) in actions.data.as_mapping().ok_or_else(expected)? {
            let action = symbol(action).ok_or_else(expected)?;
            let on = switched_on(switch).ok_or_else(|| {
                let word = switch.data.as_str().map(str::to_ascii_lowercase);
                let other = word.map_or_else(String::new, |word| format!(", not '{word}'"));
                Finding::Error(format!(
                    ":{resource}: :{action}: expected true or false{other}"
                ))
            })?;
            if !routes::permissions().any(|known| known == (resource, action)) {
                unknown.push(format!(":{resource}: :{action}"));
            } else if on {
                config
                    .rules
                    .permissions
                    .insert((resource.to_owned(), action.to_owned()));
            }
        }
    }
    nothing_but(unknown, "there is no such action")
}

/// Whether a switch is on; `None` if it is no boolean. YAML 1.1, which Ruby reads, has more words for true and false;
/// nothing at all is false.
fn switched_on(switch: &MarkedYaml<'_>) -> Option<bool> {
    if let Some(on) = switch.data.as_bool() {
        return Some(on);
    }
    let word = switch.data.as_str().map(str::to_ascii_lowercase);
    match word.as_deref() {
        Some("yes" | "on" | "true") => Some(true),
        Some("no" | "off" | "false") => Some(false),
        None if switch.data.is_null() => Some(false),
        _ => None,
    }
}

fn nothing_but(unknown: Vec<String>, why: &str) -> Result<(), Finding> {
    if unknown.is_empty() {
        Ok(())
    } else {
        Err(Finding::Warning(format!(
            "{} has no effect: {why}",
            unknown.join(", ")
        )))
    }
}

#[cfg(test)]
mod tests;
