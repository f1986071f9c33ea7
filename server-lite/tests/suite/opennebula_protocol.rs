//! The back end's XML-RPC and documents over raw exchanges with a real oned and OneFlow
//! (`fixtures/opennebula/protocol.jsonl`).

use crate::support::fixtures::lines;
use crate::support::upstream;
use onegate_server_lite::cloud::opennebula::document;
use onegate_server_lite::cloud::opennebula::unreadable::Unreadable;
use onegate_server_lite::cloud::opennebula::xmlrpc::{self, Answer, Parameter};
use serde_json::{Value, json};

fn exchange(name: &str) -> Value {
    lines("opennebula/protocol.jsonl")
        .into_iter()
        .find(|exchange| exchange["name"] == name)
        .expect(name)
}

fn answer(name: &str) -> Result<Answer, Unreadable> {
    xmlrpc::answer(exchange(name)["response_body"].as_str().expect("a body"))
}

fn document(name: &str, root: &str) -> Value {
    match answer(name) {
        Ok(Answer::Done(xml)) => document::parse(&xml, root).expect(name),
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn every_recorded_answer_of_oned_is_read() {
    let mut read = 0;
    for exchange in lines("opennebula/protocol.jsonl") {
        let name = exchange["name"].as_str().expect("a name");
        if !name.starts_with("oned_") {
            continue;
        }
        let got = xmlrpc::answer(exchange["response_body"].as_str().expect("a body"));
        match name.rsplit('_').next() {
            Some("True") => assert!(matches!(got, Ok(Answer::Done(_))), "{name}: {got:?}"),
            Some("False") => assert!(matches!(got, Ok(Answer::Refused { .. })), "{name}: {got:?}"),
            // Calls that oned's XML-RPC library didn't understand.
            _ => assert!(
                matches!(&got, Ok(Answer::Fault(what)) if what.contains("fault -50")),
                "{name}: {got:?}"
            ),
        }
        read += 1;
    }
    assert!(read >= 30, "{read}");
}

#[test]
fn refusals_come_with_their_code() {
    assert_eq!(
        answer("oned_one.vm.action_False").unwrap(),
        Answer::Refused {
            reason: "[one.vm.action] Error performing action \"release\": This action is not available for state RUNNING"
                .to_string(),
            code: 2048,
        }
    );
    assert_eq!(
        answer("oned_one.vn.info_False").unwrap(),
        Answer::Refused {
            reason: "[one.vn.info] User [2] : Not authorized to perform USE NET [7].".to_string(),
            code: 512,
        }
    );
    assert_eq!(
        answer("oned_one.vm.update_True").unwrap(),
        Answer::Done("6".to_string())
    );
}

#[test]
fn documents_come_as_the_tools_print_them() {
    let user = document("oned_one.user.info_True", "USER");
    assert_eq!(user["NAME"], "alice");
    let password = user["TEMPLATE"]["TOKEN_PASSWORD"]
        .as_str()
        .expect("a password");
    assert_eq!(password.len(), 64);

    let vm = document("oned_one.vm.info_True", "VM");
    assert_eq!(vm["PERMISSIONS"]["OWNER_U"], "1");
    assert!(vm["TEMPLATE"]["CREATED_BY"].is_string());

    let vrouter = document("oned_one.vrouter.info_True", "VROUTER");
    assert!(vrouter["VMS"]["ID"].is_array() || vrouter["VMS"]["ID"].is_string());

    let vnet = document("oned_one.vn.info_True", "VNET");
    assert!(vnet["AR_POOL"]["AR"].is_object() || vnet["AR_POOL"]["AR"].is_array());

    let pool = document("oned_one.vmpool.infoset_True", "VM_POOL");
    assert_eq!(pool["VM"].as_array().expect("two VMs").len(), 2);
}

#[test]
fn calls_say_what_the_ruby_server_said() {
    let session = "serveradmin:alice:YwwdsXoDPRIQZdrxGaL0OWRWFAd8rABF60vaCGdJAEs=";
    let call = |body: String| {
        let request = upstream::Request {
            line: String::new(),
            headers: Vec::new(),
            body,
            connection: 0,
        };
        request.call()
    };
    for (method, parameters, recorded) in [
        (
            "one.vm.action",
            vec![Parameter::Text("release"), 23_u32.into()],
            "oned_one.vm.action_False",
        ),
        (
            "one.vn.info",
            vec![7_u32.into(), false.into()],
            "oned_one.vn.info_False",
        ),
        (
            "one.vm.update",
            vec![
                6_u32.into(),
                Parameter::Text("A=\"say \"hi\" now\""),
                1_u32.into(),
            ],
            "oned_one.vm.update_False",
        ),
    ] {
        let ours = call(xmlrpc::call(method, session, &parameters));
        let theirs = exchange(recorded);
        assert_eq!(
            ours,
            call(theirs["request_body"].as_str().expect("a body").to_string()),
            "{method}"
        );
    }
}

#[test]
fn what_a_value_holds_never_changes_the_call() {
    let nasty = "</string></value></param><param>&amp;]]><!-- \r\n \u{7f} é";
    let body = xmlrpc::call("one.vm.update", "s", &[Parameter::Text(nasty)]);
    assert_eq!(body.matches("<param>").count(), 2, "{body}");
    let answered = format!(
        "<methodResponse><params><param><value><array><data><value><boolean>1</boolean></value>{}</data></array></value>\
         </param></params></methodResponse>",
        body.rsplit("<param>")
            .next()
            .and_then(|rest| rest.split("</param>").next())
            .expect("the last parameter")
    );
    assert_eq!(
        xmlrpc::answer(&answered).unwrap(),
        Answer::Done(nasty.to_string())
    );
}

#[test]
fn nonsense_is_said_to_be_nonsense() {
    let whole = exchange("oned_one.vm.info_False");
    let whole = whole["response_body"].as_str().expect("a body");
    let end = whole.find("</methodResponse>").expect("an end");
    for cut in (0..end).filter(|&at| whole.is_char_boundary(at)) {
        assert!(xmlrpc::answer(&whole[..cut]).is_err(), "cut at {cut}");
    }
    let deep = format!("<methodResponse>{}", "<value>".repeat(100));
    let endless = format!(
        "<methodResponse><params><param><value><i4>{}</i4></value></param></params></methodResponse>",
        "9".repeat(99)
    );
    for (body, words) in [
        ("<html><body>It works!</body></html>", "<html>"),
        ("<methodResponse/>", "empty"),
        ("<methodResponse></methodResponse>", "no value"),
        (
            "<methodResponse><params><param><value><i4>1</i4></value></param></params></methodResponse>",
            "neither",
        ),
        (
            "<methodResponse><params><param><value><array><data/></array></value></param></params></methodResponse>",
            "three values",
        ),
        (
            "<methodResponse><params><param><value><boolean>maybe</boolean></value></param></params></methodResponse>",
            "boolean",
        ),
        (deep.as_str(), "too deeply"),
        (endless.as_str(), "not a number"),
    ] {
        let error = xmlrpc::answer(body).expect_err(body).to_string();
        assert!(error.contains(words), "{body}: {error}");
    }
}

#[test]
fn a_services_document_is_oneflows() {
    let body = exchange("oneflow_GET_service_N_HTTP_N.N_200");
    let document: Value =
        serde_json::from_str(body["response_body"].as_str().expect("a body")).expect("JSON");
    assert_eq!(
        document["DOCUMENT"]["TEMPLATE"]["BODY"]["roles"][0]["name"],
        json!("master")
    );
}

#[test]
fn a_service_read_from_oned_is_what_oneflow_answers() {
    let text = include_str!("../fixtures/opennebula/service-read.json");
    let exchanges: Vec<Value> = serde_json::from_str(text).expect("JSON");
    let mut compared = 0;
    for pair in exchanges.chunks(2) {
        let [oned, oneflow] = pair else {
            panic!("a pair of exchanges")
        };
        let what = &oneflow["method"];
        let body = |exchange: &Value| {
            exchange["response_body"]
                .as_str()
                .expect("a body")
                .to_string()
        };
        match xmlrpc::answer(&body(oned)).expect("an answer") {
            Answer::Done(xml) => {
                let mut ours = document::parse(&xml, "DOCUMENT").expect("a document");
                document::read_body(&mut ours).expect("a body");
                let theirs: Value = serde_json::from_str(&body(oneflow)).expect("JSON");
                assert_eq!(ours, theirs["DOCUMENT"], "{what}");
                assert_eq!(oneflow["status"], 200, "{what}");
                compared += 1;
            }
            // OneFlow passes oned's words on: 401 for a missing right, 404 for a missing service.
            Answer::Refused { reason, code } => {
                assert_eq!(reason, body(oneflow), "{what}");
                let status = if code == 512 { 401 } else { 404 };
                assert_eq!(oneflow["status"], status, "{what}");
            }
            fault => panic!("{fault:?}"),
        }
    }
    assert!(compared >= 2, "{compared}");
}
