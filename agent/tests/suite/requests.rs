//! What each command sends, and what is refused before anything is sent.

use crate::support::{Listener, Received, run_as, stderr, stdout};

const TOKEN: &str = "dG9rZW4=";

fn shown(request: &Received) -> String {
    let line = request.line.trim_end_matches(" HTTP/1.1");
    let body = request.header("Content-Type");
    let body = body.map(|kind| format!(" {kind} {}", request.body));
    format!("{line}{}", body.unwrap_or_default())
}

#[test]
fn requests_of_commands() {
    for (line, expected) in [
        ("vm show", "GET /vm"),
        ("vm show ", "GET /vm"),
        ("vm show 6 31", "GET /vms/6"),
        ("vm show 6 --extended", "GET /vms/6"),
        (
            "vm poweroff 6",
            r#"POST /vms/6/action application/json {"action":{"perform":"poweroff"}}"#,
        ),
        (
            "vm poweroff 6 -f",
            r#"POST /vms/6/action application/json {"action":{"perform":"poweroff","params":true}}"#,
        ),
        (
            "service show --extended",
            "GET /service application/x-www-form-urlencoded extended=true",
        ),
        (
            "service scale -r a/b -c 3",
            r#"PUT /service/role/a%2Fb application/json {"cardinality":"3"}"#,
        ),
        ("vrouter show", "GET /vrouter"),
        ("vnet show 1", "GET /vnet/1"),
        (
            "vm update -d A=ü -e B -d A=*-._~",
            "PUT /vm application/x-www-form-urlencoded data=A%3D*-._%7E&type=1",
        ),
        (
            "vm update 6 -d A=1 -e B",
            "PUT /vms/6 application/x-www-form-urlencoded data=B&type=2",
        ),
    ] {
        let outer = ["VM", "SERVICE", "VROUTER", "VNET"].map(|name| format!("\"{name}\":{{}}"));
        let listener = Listener::onegate(&format!("{{{}}}", outer.join(",")));
        let output = run_as(&listener.url(), "8", TOKEN, line.split(' '));
        assert_eq!(output.status.code(), Some(0), "{line}: {}", stderr(&output));
        let sent: Vec<String> = listener.received().iter().map(shown).collect();
        assert_eq!(sent, [expected], "{line}");
        let ignored = stderr(&output).contains("onegate: warning: '31' is ignored");
        assert_eq!(ignored, line.contains("31"), "{line}: {}", stderr(&output));
    }
}

#[test]
fn what_cannot_be_right_is_not_sent() {
    for (line, named, code) in [
        ("vm poweroff", "You have to provide a VM ID", 255),
        ("vm poweroff ", "You have to provide a VM ID", 255),
        ("vm poweroff 6 7", "'7' is one operand too many", 255),
        ("vm terminate 9 10", "'10' is one operand too many", 255),
        (
            "metrics --push extra",
            "'extra' is one operand too many",
            255,
        ),
        ("vm show abc", "'abc' is not a VM ID", 255),
        ("vm show +6", "'+6' is not a VM ID", 255),
        ("vnet show", "You have to provide a VNET ID", 255),
        (
            "vm update",
            "You have to provide the data: KEY=VALUE, or as a param (--data, --erase)",
            255,
        ),
        (
            "vm update A",
            "'A' is neither a VM ID nor KEY=VALUE. Nothing was sent",
            255,
        ),
        (
            "vm update A B=1",
            "'A' is neither a VM ID nor KEY=VALUE",
            255,
        ),
        ("vm update 6 7 --data A=1", "'7' is not KEY=VALUE", 255),
        ("vm update 6 A=1 7", "'7' is not KEY=VALUE", 255),
        ("service scale -c 3", "needs --role", 1),
        ("service scale -r a", "needs --cardinality", 1),
        ("service scale -r a -c x", "--cardinality 'x'", 255),
    ] {
        let listener = Listener::answering("200 OK", "");
        let output = run_as(&listener.url(), "8", TOKEN, line.split(' '));
        assert!(
            stderr(&output).contains(named),
            "{line}: {}",
            stderr(&output)
        );
        assert_eq!(output.status.code(), Some(code), "{line}");
        assert_eq!(stdout(&output), "", "{line}");
        assert!(listener.received().is_empty(), "{line}");
    }
}
