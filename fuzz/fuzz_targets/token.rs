//! Any text as a token: only the one text that the VM was given is one.

#![no_main]

use libfuzzer_sys::fuzz_target;
use onegate_server_lite::objects::token::{Secret, seal, verify};

fuzz_target!(|input: (&str, u32, &str, &str)| {
    let (sent, vm, stime, password) = input;
    let secret = Secret {
        vm,
        stime,
        password,
    };
    let sealed = seal(secret);
    assert_eq!(verify(sent, Some(secret)), sealed.as_deref() == Some(sent));
    assert!(!verify(sent, None));
    if let Some(token) = sealed {
        assert!(verify(&token, Some(secret)));
        assert!(!verify(
            &token,
            Some(Secret {
                vm: vm.wrapping_add(1),
                ..secret
            })
        ));
        assert!(!verify(&token[..token.len() - 1], Some(secret)));
    }
});
