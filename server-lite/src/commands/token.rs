//! `onegate-server-lite token VMID`: prints a VM's token.

use super::CommandError;
use super::options::CommandOptions;
use crate::cloud::Cloud;
use crate::objects::document::{Document, Id, id};
use crate::objects::refusal::Refusal;
use crate::objects::token::{self, Secret};
use serde_json::Value;

/// Runs the command.
///
/// # Errors
/// No such VM, or something that a token needs is missing.
pub fn run(options: &CommandOptions) -> Result<(), CommandError> {
    super::print(&token(&super::read(options)?, options.id)?)
}

/// The token of a VM.
///
/// # Errors
/// No such VM, or something that a token needs is missing.
pub fn token(cloud: &dyn Cloud, vm: Id) -> Result<String, CommandError> {
    let record = record(cloud, vm)?;
    token_of(cloud, vm, &record)
}

/// The record of a VM.
pub(super) fn record(cloud: &dyn Cloud, vm: Id) -> Result<Document, CommandError> {
    cloud.vm_to_authenticate(vm).map_err(|refusal| {
        CommandError::Failed(match refusal {
            Refusal::NotFound => format!("there is no VM {vm} in this cloud"),
            other => other.cause().to_owned(),
        })
    })
}

/// The token of a VM, whose record is this.
pub(super) fn token_of(cloud: &dyn Cloud, vm: Id, record: &Value) -> Result<String, CommandError> {
    let missing = |what: &str| CommandError::Failed(format!("VM {vm} has no token: {what}"));
    let creator = id(record.pointer("/TEMPLATE/CREATED_BY")).ok_or_else(|| {
        missing("its TEMPLATE has no CREATED_BY (was CONTEXT/TOKEN=YES set when it was created?)")
    })?;
    let stime = record
        .get("STIME")
        .and_then(Value::as_str)
        .ok_or_else(|| missing("its record has no STIME"))?;
    let password = cloud
        .token_password(creator)
        .map_err(|refusal| {
            let why = match &refusal {
                Refusal::NotFound => "not found",
                other => other.cause(),
            };
            missing(&format!("user {creator}: {why}"))
        })?
        .ok_or_else(|| missing(&format!("user {creator} has no TOKEN_PASSWORD")))?;
    token::seal(Secret {
        vm,
        stime,
        password: &password,
    })
    .ok_or_else(|| {
        missing(&format!(
            "the TOKEN_PASSWORD of user {creator} has less than 32 characters"
        ))
    })
}
