//! A service's documents, copied out of the cloud: whoever makes something of them keeps no change waiting meanwhile.

use super::Embedded;
use crate::flow::service::vms;
use crate::flow::{Engine, Timings};
use crate::objects::document::{Document, Id};
use crate::store::state::{Draft, Kind, Objects, Writes};
use jiff::Timestamp;
use serde_json::Value;
use std::time::Duration;

/// How many documents are looked up in one go.
const AT_ONCE: usize = 64;

/// Copies of what a service's report is made of: its document, what the engine remembers of it, and its VMs.
#[derive(Debug)]
pub struct ServiceCopy {
    service: Id,
    documents: Writes,
    at: Timestamp,
    ahead: Duration,
}

impl Embedded {
    /// Copies a service. One with many VMs is not copied in a single moment: its VMs may be newer than itself.
    pub fn copy(&self, service: Id) -> ServiceCopy {
        let (document, clock) = self.commits.read(|objects| {
            let peek = |kind| objects.peek(kind, service);
            (peek(Kind::Service), peek(Kind::ServiceClock))
        });
        let vms: Vec<Id> = document.iter().flat_map(|service| vms(service)).collect();
        let mut documents = Writes::from([
            ((Kind::Service, service), document),
            ((Kind::ServiceClock, service), clock),
        ]);
        let vms = self.copy_vms(&vms).into_iter();
        documents.extend(vms.map(|(vm, record)| ((Kind::Vm, vm), Some(record))));
        ServiceCopy {
            service,
            documents,
            at: self.now(),
            ahead: self.ahead(),
        }
    }

    /// What the engine knows of a service ([`Engine::report`]); `None` where there is none.
    pub fn report(&self, service: Id) -> Option<Value> {
        self.copy(service)
            .report(&mut Engine::new(Timings::default()))
    }

    /// Copies VMs, those that there are.
    pub fn copy_vms(&self, vms: &[Id]) -> Vec<(Id, Document)> {
        let copy = |vms: &[Id]| {
            self.commits.read(|objects| {
                let copies = vms
                    .iter()
                    .map(|vm| Some((*vm, objects.peek(Kind::Vm, *vm)?)));
                copies.flatten().collect::<Vec<_>>()
            })
        };
        vms.chunks(AT_ONCE).flat_map(copy).collect()
    }
}

impl ServiceCopy {
    /// Its report by this engine, which keeps nothing of it but the policies that it has read; `None` where there is no
    /// such service.
    pub fn report(&self, engine: &mut Engine) -> Option<Value> {
        let none = Objects::default();
        engine.report(&Draft::new(&none, &self.documents), self.service, self.at)
    }

    /// How far the cloud's clock, which its times are by, was ahead of the system's.
    pub fn ahead(&self) -> Duration {
        self.ahead
    }

    /// One of its VMs.
    pub fn vm(&self, vm: Id) -> Option<&Value> {
        self.documents.get(&(Kind::Vm, vm))?.as_deref()
    }
}
