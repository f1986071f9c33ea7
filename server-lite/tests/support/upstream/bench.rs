//! A back end in front of stand-ins, and what a test says to it.

use super::StandIn;
use onegate_server_lite::cloud::User;
use onegate_server_lite::cloud::opennebula::clock::Clock;
use onegate_server_lite::cloud::opennebula::session::{Lifetime, ServerAuth};
use onegate_server_lite::cloud::opennebula::upstream::Patience;
use onegate_server_lite::cloud::opennebula::{Ages, OpenNebula, Settings};
use onegate_server_lite::objects::action::{Argument, VmAction};
use onegate_server_lite::objects::refusal::Refusal;
use onegate_server_lite::objects::template::{Attribute, AttributeValue};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(crate) const PATIENCE: Patience = Patience {
    turn: Duration::from_secs(5),
    connect: Duration::from_secs(2),
    answer: Duration::from_millis(300),
    between_tries: Duration::from_millis(100),
    quiet: Duration::ZERO,
};

/// Nothing is answered from memory but TOKEN_PASSWORDs.
pub(crate) const UNREMEMBERED: Ages = Ages {
    record: Duration::ZERO,
    token_password: Duration::from_secs(5),
};

/// An OpenNebula whose records are always asked for anew.
pub(crate) fn settings(oned: &str, oneflow: &str) -> Settings {
    Settings {
        one_xmlrpc: oned.to_string(),
        oneflow_server: oneflow.to_string(),
        auth: ServerAuth::parse("serveradmin:secret").expect("auth"),
        lifetime: Lifetime::default(),
        patience: Patience::default(),
        ages: UNREMEMBERED,
        clock: Clock::default(),
    }
}

pub(crate) struct Bench {
    pub(crate) cloud: Arc<OpenNebula>,
    log: Arc<Mutex<Vec<String>>>,
}

impl Bench {
    pub(crate) fn new(oned: &str, oneflow: &str, patience: Patience) -> Self {
        Self::with(Settings {
            patience,
            ..settings(oned, oneflow)
        })
    }

    pub(crate) fn with(settings: Settings) -> Self {
        let log = Arc::new(Mutex::new(Vec::new()));
        let lines = log.clone();
        let cloud = OpenNebula::new(
            settings,
            Arc::new(move |line| lines.lock().expect("log").push(line.to_string())),
        );
        Bench {
            cloud: Arc::new(cloud.expect("settings")),
            log,
        }
    }

    pub(crate) fn with_oned(oned: &StandIn) -> Self {
        Self::new(&oned.url("/RPC2"), "http://127.0.0.1:1", PATIENCE)
    }

    /// The cause of the outage that this was: in the log, once, and nowhere else.
    pub(crate) fn cause<T: std::fmt::Debug>(&self, ended: Result<T, Refusal>) -> String {
        match ended {
            Err(Refusal::Unavailable(who)) if who.ends_with("is out of order") => {}
            other => panic!("{other:?}"),
        }
        let log = self.log();
        assert_eq!(log.len(), 1, "once per outage: {log:?}");
        log[0].clone()
    }

    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lock().expect("log").clone()
    }
}

pub(crate) fn alice() -> User {
    User {
        id: 2,
        name: "alice".to_string(),
    }
}

pub(crate) fn single(name: &str, value: &str) -> Attribute {
    Attribute {
        name: name.to_string(),
        value: AttributeValue::Text(value.to_string()),
    }
}

pub(crate) fn action(name: &'static str, argument: Argument) -> VmAction {
    VmAction { name, argument }
}
