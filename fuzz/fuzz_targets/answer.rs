//! Any request, of a VM whose token is right, to the built-in scenario: an answer, and no panic.

#![no_main]

use std::cell::RefCell;
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use onegate_server_lite::cloud::embedded::Embedded;
use onegate_server_lite::flow;
use onegate_server_lite::cloud::embedded::scenario::Scenario;
use onegate_server_lite::gate::rules::Rules;
use onegate_server_lite::commands::token;
use onegate_server_lite::http::parse::{Parser, Progress};
use onegate_server_lite::gate::routes::Gate;

/// Changes add up: after so many requests the scenario begins anew.
const REQUESTS: usize = 500;

struct Fresh {
    gate: Gate,
    tokens: Vec<(u32, String)>,
    left: usize,
}

fn fresh() -> Fresh {
    let cloud = Embedded::in_memory(
        Scenario::built_in()
            .expect("the scenario is well-formed")
            .objects,
        flow::Timings::default(),
    );
    let tokens = [1, 8, 9]
        .map(|vm| (vm, token::token(&cloud, vm).expect("it has one")))
        .to_vec();
    Fresh {
        gate: Gate::new(Arc::new(cloud), Rules::default()),
        tokens,
        left: REQUESTS,
    }
}

thread_local!(static GATE: RefCell<Fresh> = RefCell::new(fresh()));

fuzz_target!(|data: &[u8]| {
    let Ok((_, Progress::Whole(parsed))) = Parser::default().advance(data) else {
        return;
    };
    let mut request = parsed.request;
    GATE.with_borrow_mut(|fresh| {
        if fresh.left == 0 {
            *fresh = self::fresh();
        }
        fresh.left -= 1;
        for (vm, token) in &fresh.tokens {
            request
                .headers
                .retain(|(name, _)| !name.starts_with("x-onegate-"));
            request
                .headers
                .push(("x-onegate-vmid".to_string(), vm.to_string()));
            request
                .headers
                .push(("x-onegate-token".to_string(), token.clone()));
            let response = fresh.gate.answer(&request).response;
            assert!((200..=503).contains(&response.status), "{response:?}");
            assert!(response.status != 204 || response.body.is_empty());
        }
    });
});
