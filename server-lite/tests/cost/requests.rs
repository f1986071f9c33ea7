//! Requests to a gate, without HTTP.

use std::sync::Arc;

use crate::support::cost::{Work, work};
use onegate_server_lite::cloud::Cloud;
use onegate_server_lite::cloud::embedded::{Embedded, Scenario};
use onegate_server_lite::commands::token;
use onegate_server_lite::flow::Timings;
use onegate_server_lite::gate::routes::Gate;
use onegate_server_lite::gate::rules::Rules;
use onegate_server_lite::http::Request;
use serde_json::Value;

/// A request of a VM's, and the status that it is answered with.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    pub vm: u32,
    /// `GET /vm?x=y`
    pub line: &'a str,
    pub content_type: &'a str,
    pub body: &'a str,
    pub status: u16,
}

/// `GET /vm` of VM 8, a node of the service.
pub const GET_VM: Ask = Ask {
    vm: 8,
    line: "GET /vm",
    content_type: "",
    body: "",
    status: 200,
};

impl Ask<'_> {
    /// The request itself, with more header fields.
    pub fn request(self, cloud: &dyn Cloud, fields: &[(&str, &str)]) -> Request {
        let token = token::token(cloud, self.vm).unwrap();
        let (method, target) = self.line.split_once(' ').unwrap();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let vm = self.vm.to_string();
        let own = [
            ("x-onegate-vmid", vm.as_str()),
            ("x-onegate-token", &token),
            ("content-type", self.content_type),
        ];
        let all = own.iter().chain(fields);
        Request {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: all
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            body: self.body.as_bytes().to_vec(),
        }
    }

    /// It is answered.
    pub fn of(self, cloud: Arc<dyn Cloud>) -> Work {
        self.with_fields(cloud, &[])
    }

    pub fn with_fields(self, cloud: Arc<dyn Cloud>, fields: &[(&str, &str)]) -> Work {
        let request = self.request(cloud.as_ref(), fields);
        let gate = Gate::new(cloud, Rules::default());
        let status = self.status;
        work(move || {
            let response = gate.answer(&request).response;
            let text = String::from_utf8_lossy(&response.body[..response.body.len().min(300)]);
            assert_eq!(response.status, status, "{text}");
        })
    }
}

/// The built-in scenario, changed.
pub fn scenario(change: impl FnOnce(&mut Value)) -> Value {
    let built_in = include_str!("../../scenarios/panacea.json");
    let mut scenario = serde_json::from_str(built_in).unwrap();
    change(&mut scenario);
    scenario
}

/// Its cloud.
pub fn cloud(change: impl FnOnce(&mut Value)) -> Arc<dyn Cloud> {
    let scenario = Scenario::parse(&scenario(change).to_string(), "a test").unwrap();
    Arc::new(Embedded::in_memory(scenario.objects, Timings::default()))
}
