//! Opening the embedded cloud: from a scenario, from a state directory, or from both.

use super::Embedded;
use super::scenario::{Scenario, ScenarioError};
use super::warnings::problems;
use crate::flow;
use crate::store::commit::Commits;
use crate::store::database::{Opened, Store};
use crate::store::error::StoreError;
use crate::store::state::Objects;
use std::path::Path;
use thiserror::Error;

/// Why the embedded cloud could not be opened, in words for whoever runs the server.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The scenario is wrong.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// The state directory can't be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl OpenError {
    /// Whether it may go well another time with nobody doing anything about it.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Scenario(_) => false,
            Self::Store(error) => error.may_pass(),
        }
    }
}

impl Embedded {
    /// Opens the cloud to serve it: the scenario of `--cloud`, or the built-in one, kept in the directory of `--state`
    /// where there is one. A state directory that holds a cloud already is taken as it is, whatever the scenario says
    /// now. Beside the cloud: what is odd, for the log.
    pub fn open(
        scenario: Option<&Path>,
        state: Option<&Path>,
        options: flow::Timings,
    ) -> Result<(Self, Vec<String>), OpenError> {
        let Some(directory) = state else {
            let scenario = load(scenario)?;
            return Ok((
                Self::in_memory(scenario.objects, options),
                scenario.warnings,
            ));
        };
        let Opened {
            mut store,
            stored,
            warnings: mut all,
        } = Store::open(directory)?;
        let (objects, warnings) = match stored {
            Some(stored) => {
                let mut warnings = outdated(scenario, &stored.scenario, directory)?;
                warnings.extend(problems(&stored.objects));
                (stored.objects, warnings)
            }
            None => {
                let scenario = load(scenario)?;
                store.fill(&scenario.objects, &scenario.fingerprint)?;
                (scenario.objects, scenario.warnings)
            }
        };
        all.extend(warnings);
        Ok((Self::new(Commits::new(objects, Some(store)), options), all))
    }

    /// A cloud that lasts as long as the process.
    pub fn in_memory(objects: Objects, options: flow::Timings) -> Self {
        Self::new(Commits::new(objects, None), options)
    }

    /// Reads the cloud to look at it, while a server may have it open: nothing is changed.
    pub fn read(scenario: Option<&Path>, state: Option<&Path>) -> Result<Self, OpenError> {
        let objects = match state {
            Some(directory) => Store::read(directory)?.objects,
            None => load(scenario)?.objects,
        };
        Ok(Self::new(
            Commits::new(objects, None),
            flow::Timings::default(),
        ))
    }
}

fn load(scenario: Option<&Path>) -> Result<Scenario, ScenarioError> {
    match scenario {
        Some(file) => Scenario::load(file),
        None => Scenario::built_in(),
    }
}

/// A scenario file that is not the one the state began with is most likely an edit that is waited for in vain.
fn outdated(
    scenario: Option<&Path>,
    began_with: &str,
    directory: &Path,
) -> Result<Vec<String>, ScenarioError> {
    match scenario {
        Some(file) if Scenario::load(file)?.fingerprint != began_with => Ok(vec![format!(
            "{} is not the scenario that the state in {} began with, and is not read: the state is served as it is; \
             start with an empty --state directory to begin anew",
            file.display(),
            directory.display()
        )]),
        _ => Ok(Vec::new()),
    }
}
