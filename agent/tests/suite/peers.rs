//! `service peers` and `vrouter peers`: which VMs, and how each is printed.

use crate::support::server::Server;
use crate::support::{Listener, answer, run_as, stderr, stdout};

#[test]
fn of_a_service() {
    let server = Server::start();
    for (vm, attributes) in [
        (8, &["READY=YES", "PORT=80", "BAD=a\nb"][..]),
        (9, &["READY=YES", "LOAD=3", "LOAD=4", "BAD=c"]),
    ] {
        let update = server.onegate(vm, &[&["vm", "update"][..], attributes].concat());
        assert!(update.status.success());
    }
    let first = "8\tmaster\tmaster_0_(service_1)\tRUNNING\t192.168.122.23\n";
    let second = "9\tslave\tslave_0_(service_1)\tRUNNING\t192.168.122.24\n";
    let both = [first, second].concat();
    for (args, code, out, err) in [
        (&[][..], 0, both.as_str(), ""),
        (&["--where", "READY"], 0, &both, ""),
        (&["--where", "READY", "--where", "PORT!=80"], 0, second, ""),
        (
            &["--where", "STATE=running", "--where", "PORT=80"],
            0,
            first,
            "",
        ),
        (&["--where", "STATE=DONE"], 0, "", ""),
        (&["--leader"], 0, "8\n", ""),
        (&["--leader", "--role", "slave"], 0, "9\n", ""),
        (&["--leader", "--where", "LOAD=4"], 0, "9\n", ""),
        (&["--leader", "--where", "STATE=DONE"], 1, "", ""),
        (&["--leader", "--format", "{IP}"], 0, "192.168.122.23\n", ""),
        (&["--get", "LOAD[*]"], 0, "3\n4\n", ""),
        (&["--get", "PORT", "--json"], 0, "\"80\"\n", ""),
        (
            &["--get", "TEMPLATE.NIC.IP"],
            0,
            "192.168.122.23\n192.168.122.24\n",
            "",
        ),
        (&["--get", "NOTHING"], 1, "", ""),
        (
            &[
                "--format",
                "server {NAME} {IP}:{TEMPLATE.NIC.NETWORK_ID} {{{ROLE}}}",
            ],
            0,
            "server master_0_(service_1) 192.168.122.23:0 {master}\nserver slave_0_(service_1) 192.168.122.24:0 {slave}\n",
            "",
        ),
        (
            &["--format", "{ID}:{PORT}"],
            0,
            "8:80\n",
            "VM 9 has no PORT; it is left out",
        ),
        (
            &["--format", "{ID} {LOAD}"],
            0,
            "9 3\n",
            "VM 8 has no LOAD; it is left out",
        ),
        (
            &["--format", "{ID}:{BAD}"],
            0,
            "9:c\n",
            "VM 8: its BAD holds a line break",
        ),
        (
            &["--format", "{ID}:{PORT}", "--strict"],
            255,
            "",
            "VM 9 has no PORT",
        ),
        (
            &["--format", "{ID"],
            255,
            "",
            "a brace without its other half",
        ),
        (
            &["--format", "ID}"],
            255,
            "",
            "a brace without its other half",
        ),
        (&["--format", "{}"], 255, "", "--format '{}'"),
        (
            &["--format", "x", "--get", "ID"],
            255,
            "",
            "exclude each other",
        ),
        (&["--strict"], 255, "", "--strict needs --format"),
        (&["--where", "A<1"], 255, "", "is no condition"),
        (&["--role", "nobody"], 255, "", "has no role 'nobody'"),
    ] {
        let output = server.onegate(8, &[&["service", "peers"][..], args].concat());
        assert_eq!(
            (output.status.code(), stdout(&output).as_str()),
            (Some(code), out),
            "{args:?}: {}",
            stderr(&output)
        );
        assert!(
            stderr(&output).contains(err) && stderr(&output).is_empty() == err.is_empty(),
            "{args:?}: {}",
            stderr(&output)
        );
    }
}

/// The leases in the networks of the virtual router's NICs that say something of a backend.
#[test]
fn of_a_virtual_router() {
    let network = |id: &str, leases: &str| {
        format!(
            r#"{{"VNET":{{"ID":"{id}","NAME":"net{id}","AR_POOL":{{"AR":[{{"LEASES":{{"LEASE":{leases}}}}}]}}}}}}"#
        )
    };
    let leases = r#"[{"IP":"10.0.0.1","MAC":"02:01","VM":"4","NIC_NAME":"NIC0","BACKEND":"YES","ONEGATE_HAPROXY_LB0_PORT":"80"},
        {"IP":"10.0.0.2","MAC":"02:02","VM":"3","NIC_NAME":"NIC1"},{"IP":"10.0.0.3","MAC":"02:03","VNET":"5"}]"#;
    let other = r#"{"IP":"10.1.0.1","MAC":"02:11","VM":"11","NIC_NAME":"NIC0","ONEGATE_X":"1"}"#;
    let vrouter = r#"{"VROUTER":{"ID":"0","TEMPLATE":{"NIC":[{"NETWORK_ID":"1"},{"NETWORK_ID":2},{"NETWORK_ID":"1"},{}]}}}"#;
    let (first, second) = (network("1", leases), network("2", other));
    let listener = Listener::new(Box::new(move |_, request| {
        let body = match request.line.as_str() {
            "GET /vrouter HTTP/1.1" => vrouter,
            "GET /vnet/1 HTTP/1.1" => &first,
            "GET /vnet/2 HTTP/1.1" => &second,
            other => panic!("{other}"),
        };
        assert_eq!(
            request.body == "extended=true",
            request.line.contains("vnet")
        );
        answer("200 OK", body)
    }));
    for (args, code, out, err) in [
        (
            &[][..],
            0,
            "4\tnet1\tNIC0\t02:01\t10.0.0.1\n11\tnet2\tNIC0\t02:11\t10.1.0.1\n",
            "",
        ),
        (
            &["--where", "ONEGATE_X=1"],
            0,
            "11\tnet2\tNIC0\t02:11\t10.1.0.1\n",
            "",
        ),
        (&["--leader"], 0, "4\n", ""),
        (&["--get", "ONEGATE_X"], 0, "1\n", ""),
        (
            &["--format", "{ID} {NETWORK} {IP}:{ONEGATE_HAPROXY_LB0_PORT}"],
            0,
            "4 net1 10.0.0.1:80\n",
            "VM 11 has no ONEGATE_HAPROXY_LB0_PORT",
        ),
        (
            &["--where", "STATE=RUNNING"],
            255,
            "",
            "a lease has no state",
        ),
    ] {
        let all = [&["vrouter", "peers"][..], args].concat();
        let output = run_as(&listener.url(), "1", "AAAA", all);
        assert_eq!(
            (output.status.code(), stdout(&output).as_str()),
            (Some(code), out),
            "{args:?}: {}",
            stderr(&output)
        );
        assert!(
            stderr(&output).contains(err),
            "{args:?}: {}",
            stderr(&output)
        );
    }
    assert_eq!(listener.received().len(), 15);
}

/// What would make a list empty, or shorter, although nothing says that it is.
#[test]
fn a_virtual_router_that_is_not_all_there_is_an_error() {
    let router = r#"{"VROUTER":{"ID":"0","TEMPLATE":{"NIC":{"NETWORK_ID":"1"}}}}"#;
    for (vrouter, vnet, code) in [
        (r#"{"VROUTER":{}}"#, "", 255),
        (r#"{"VROUTER":{"TEMPLATE":null}}"#, "", 255),
        (r#"{"VROUTER":{"TEMPLATE":""}}"#, "", 255),
        (router, r#"{"VNET":{}}"#, 255),
        (router, r#"{"VNET":{"AR_POOL":null}}"#, 255),
        (router, r#"{"VNET":{"AR_POOL":{"AR":null}}}"#, 255),
        (router, r#"{"VNET":{"AR_POOL":{"AR":[{}]}}}"#, 255),
        // Nothing is there, and the answer says so.
        (r#"{"VROUTER":{"TEMPLATE":{}}}"#, "", 0),
        (router, r#"{"VNET":{"AR_POOL":{"AR":[]}}}"#, 0),
        (router, r#"{"VNET":{"AR_POOL":{"AR":{"LEASES":{}}}}}"#, 0),
    ] {
        let listener = Listener::new(Box::new(move |_, request| {
            let is_network = request.line.contains("vnet");
            answer("200 OK", if is_network { vnet } else { vrouter })
        }));
        let output = run_as(&listener.url(), "1", "AAAA", ["vrouter", "peers"]);
        let said = (output.status.code(), stdout(&output));
        assert_eq!(said, (Some(code), String::new()), "{vrouter} {vnet}");
    }
}
