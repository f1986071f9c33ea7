//! The options.

use super::{Opt, OptionEntry};

const fn classic(
    opt: Opt,
    long: &'static str,
    short: Option<char>,
    help: &'static str,
) -> OptionEntry {
    OptionEntry {
        opt,
        long,
        short,
        value: None,
        classic: true,
        help,
    }
}

const fn switch(opt: Opt, long: &'static str, help: &'static str) -> OptionEntry {
    OptionEntry {
        opt,
        long,
        short: None,
        value: None,
        classic: false,
        help,
    }
}

const fn valued(
    opt: Opt,
    long: &'static str,
    value: &'static str,
    help: &'static str,
) -> OptionEntry {
    OptionEntry {
        opt,
        long,
        short: None,
        value: Some(value),
        classic: false,
        help,
    }
}

const fn classic_valued(
    opt: Opt,
    long: &'static str,
    short: char,
    value: &'static str,
    help: &'static str,
) -> OptionEntry {
    OptionEntry {
        opt,
        long,
        short: Some(short),
        value: Some(value),
        classic: true,
        help,
    }
}

/// Every option, in the order in which help lists them.
pub const OPTIONS: &[OptionEntry] = &[
    classic_valued(
        Opt::Data,
        "data",
        'd',
        "DATA",
        "Attributes, KEY=VALUE, with a newline or \\n between two; sent as given",
    ),
    classic_valued(
        Opt::Erase,
        "erase",
        'e',
        "KEY",
        "Remove this attribute; may be given several times",
    ),
    classic_valued(Opt::Role, "role", 'r', "ROLE", "A role of the service"),
    classic_valued(
        Opt::Cardinality,
        "cardinality",
        'c',
        "N",
        "The number of VMs that the role shall have",
    ),
    classic(
        Opt::Json,
        "json",
        Some('j'),
        "Print what the server sent, as JSON",
    ),
    classic(
        Opt::Extended,
        "extended",
        None,
        "Ask for everything that the server knows; for a service also STATE and IP of each VM",
    ),
    classic(
        Opt::Hard,
        "hard",
        Some('f'),
        "Don't wait for the guest to agree",
    ),
    valued(
        Opt::Get,
        "get",
        "PATH",
        "Print what PATH leads to, one result a line, strings raw (with --json as JSON); exit 1 if nothing",
    ),
    valued(Opt::Count, "count", "N", "At least this many VMs"),
    switch(Opt::Push, "push", "Write the metrics into this VM's record"),
    valued(
        Opt::Every,
        "every",
        "SECONDS",
        "Keep on, once in so many seconds",
    ),
    switch(
        Opt::Base64,
        "base64",
        "Store each VALUE encoded in base64, whatever bytes it holds",
    ),
    valued(
        Opt::Timeout,
        "timeout",
        "SECONDS",
        "How long one attempt may take in all (default 30), or the whole of a 'wait' (default 300)",
    ),
    valued(
        Opt::ConnectTimeout,
        "connect-timeout",
        "SECONDS",
        "How long a connection may take (default 10)",
    ),
    valued(
        Opt::Retry,
        "retry",
        "N",
        "Try again up to N times when there is no connection, or the answer is 429, 502, 503 or 504; never an \
         action or a scale that may have arrived (default 0)",
    ),
    valued(
        Opt::CaCert,
        "cacert",
        "FILE",
        "Trust the certificate authorities in this PEM file alone",
    ),
    switch(
        Opt::Insecure,
        "insecure",
        "Don't verify the server's certificate: anybody on the way can read the token",
    ),
    valued(
        Opt::Endpoint,
        "endpoint",
        "URL",
        "The OneGate server, http://HOST:PORT",
    ),
    valued(Opt::Vmid, "vmid", "ID", "The id of this VM"),
    valued(
        Opt::TokenFile,
        "token-file",
        "FILE",
        "A file with this VM's token",
    ),
    valued(
        Opt::Root,
        "root",
        "DIR",
        "Look for the context under DIR, not under /",
    ),
    classic(
        Opt::Help,
        "help",
        Some('h'),
        "Show help, for one command or for all, and exit",
    ),
    switch(Opt::Version, "version", "Print the version and exit"),
];
