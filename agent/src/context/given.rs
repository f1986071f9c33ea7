//! What the caller gives: options and environment. An unusable value here ends the look-up instead of being passed over.

use std::os::unix::ffi::OsStrExt;

use super::endpoint::without_password;
use super::search::{ENVIRONMENT, Search, why};
use super::{Field, VARIABLES, Variable};
use crate::files::{Located, Root};

/// The options, and the field that each one sets.
const OPTIONS: [(&str, Field); 2] = [("--endpoint", Field::Endpoint), ("--vmid", Field::Vmid)];

/// `--endpoint`, `--vmid`, `--token-file`. An empty one counts as not given, so that `--vmid "$ID"` is safe to write.
pub(super) fn options(search: &mut Search<'_>) {
    let lookup = search.lookup;
    for (name, field) in OPTIONS {
        let value = if field == Field::Endpoint {
            lookup.endpoint
        } else {
            lookup.vmid
        };
        let variable = Variable {
            name,
            field,
            about: "",
        };
        if let Some(value) = value
            && let Err(what) = search.offer(
                &variable,
                value.as_bytes(),
                &format!("option {name}"),
                &Root::own(),
            )
        {
            search.refuse(
                format!("option {name}"),
                format!("{:?} is {what}", without_password(value)),
            );
        }
    }
    if let Some(path) = lookup
        .token_file
        .filter(|path| !path.as_os_str().is_empty())
    {
        let place = format!("option --token-file {}", path.display());
        match Located::own(path).read() {
            Ok(text) => {
                if let Err(what) = search.offer_token(&text, &place) {
                    search.refuse(place, what);
                }
            }
            Err(error) => search.refuse(place, why(&error)),
        }
    }
    if lookup.endpoint.is_none() && lookup.vmid.is_none() && lookup.token_file.is_none() {
        search.problem("options --endpoint, --vmid, --token-file", "not given");
    }
}

/// The variables of the environment.
pub(super) fn environment(search: &mut Search<'_>) {
    let mut unset = Vec::new();
    for variable in VARIABLES {
        let value = (search.lookup.environment)(variable.name).unwrap_or_default();
        if value.is_empty() {
            if search.wants(variable.field) {
                unset.push(variable.name);
            }
            continue;
        }
        let place = format!("{ENVIRONMENT}{}", variable.name);
        if let Err(what) = search.offer(variable, value.as_bytes(), &place, &Root::own()) {
            let what = match variable.field {
                Field::Token => what.into(),
                _ => format!("{:?} is {what}", without_password(&value.to_string_lossy())),
            };
            search.refuse(place, what);
        }
    }
    if !unset.is_empty() {
        search.problem("environment", format!("{} not set", unset.join(", ")));
    }
}
