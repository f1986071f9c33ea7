//! What oned and OneFlow answer: the parsers, and each route in front of stand-ins.

use std::sync::Arc;

use crate::requests::{Ask, GET_VM};
use crate::support::cost::{Case, Work, case, work};
use crate::support::upstream::bench::{Bench, settings};
use crate::support::upstream::{Reply, Request, StandIn, done, done_to, envelope, refused};
use crate::{ATTRIBUTES, TEXT, elements, lines};
use onegate_server_lite::cloud::opennebula::session::ServerAuth;
use onegate_server_lite::cloud::opennebula::{document, refusal, xmlrpc};
use serde_json::json;

/// VMs of a service, leases of a network.
const MANY: usize = 400;
const FORM: &str = "application/x-www-form-urlencoded";

#[rustfmt::skip]
pub const CASES: &[Case] = &[
    case("oned: attributes",                      ATTRIBUTES, |n| record(elements(0..n))),
    case("oned: one name",                        ATTRIBUTES, |n| record("<A>1</A>".repeat(n))),
    case("oned: vectors of one name",             ATTRIBUTES, |n| record("<A><B>1</B><C/></A>".repeat(n))),
    case("oned: one vector",                      ATTRIBUTES, |n| record(format!("<V>{}</V>", elements(0..n)))),
    case("oned: CDATA",                           TEXT, |n| record(format!("<A>{}</A>", "<![CDATA[x]]>".repeat(n / 13)))),
    case("oned: references",                      TEXT, |n| record(format!("<A>{}</A>", "&#65;&amp;".repeat(n / 10)))),
    case("oned: blanks between elements",         TEXT, |n| record(" \n<A>1</A>".repeat(n / 10))),
    case("oned: nested deeply",                   TEXT, |n| unreadable(format!("<VM>{}", "<A>".repeat(n / 3)))),
    case("oned: an element's own attributes",     TEXT, |n| record(format!("<A {}>1</A>", (0..n / 8).map(|n| format!("a{n}='1' ")).collect::<String>()))),
    case("oned: a service's body",                60_000, |n| body(json!(vec![json!({"a": 1}); n]).to_string())),
    case("oned: a service's body of many keys",   60_000, |n| body(format!("{{{}}}", (0..n).map(|n| format!("\"k{n}\":1")).collect::<Vec<_>>().join(",")))),
    case("XML-RPC: a long text",                  TEXT, |n| answer(done(&"<x>&".repeat(n / 4)))),
    case("XML-RPC: many values",                  TEXT, |n| answer(Reply::Http(200, envelope(&"<value><boolean>1</boolean></value>".repeat(n / 35))))),
    case("XML-RPC: a struct",                     TEXT, |n| answer(Reply::Http(200, format!("<methodResponse><fault><value><struct>{}</struct></value></fault></methodResponse>", (0..n / 50).map(|n| format!("<member><name>m{n}</name><value>x</value></member>")).collect::<String>())))),
    case("XML-RPC: untyped",                      TEXT, |n| answer(Reply::Http(200, envelope(&format!("<value>{}</value>", "x &lt;".repeat(n / 6)))))),
    case("XML-RPC: a call",                       TEXT, |n| {
        let text = "<&>\r x".repeat(n / 6);
        work(move || assert!(xmlrpc::call("one.vm.update", "s", &[text.as_str().into()]).len() > text.len()))
    }),
    case("XML-RPC: cut off",                      TEXT, |n| {
        let bytes = "<methodRespons".repeat(n / 14).into_bytes();
        work(move || assert!(!xmlrpc::is_whole(&bytes)))
    }),
    case("a refusal: brackets",                   400, |n| {
        let reason = "x[1]".repeat(n / 4);
        work(move || assert!(!refusal::public(&reason, &[2]).is_empty()))
    }),
    case("onegate_auth",                          TEXT, |n| {
        let text = format!("serveradmin:{}", "x".repeat(n));
        work(move || drop(ServerAuth::parse(&text)))
    }),

    case("OpenNebula: GET /vm, attributes",       ATTRIBUTES, |n| Oned { attributes: elements(0..n), ..Oned::default() }.asked(GET_VM)),
    case("OpenNebula: PUT /vm, lines",            ATTRIBUTES, |n| Oned::default().asked(put(&lines(0..n)))),
    case("OpenNebula: PUT /vm, XML",              ATTRIBUTES, |n| Oned::default().asked(put(&format!("<T>{}</T>", elements(0..n))))),
    case("OpenNebula: PUT /vm, a long value",     TEXT, |n| Oned::default().asked(put(&format!("A={}", "x,\"[".repeat(n / 4))))),
    case("OpenNebula: PUT /vm, one vector",       ATTRIBUTES, |n| Oned::default().asked(put(&format!("V=[{}]", lines(0..n).trim().replace('\n', ","))))),
    case("OpenNebula: PUT /vm, one into many",    ATTRIBUTES, |n| Oned { attributes: elements(0..n), ..Oned::default() }.asked(put("A=1"))),
    case("OpenNebula: PUT /vm, erase one of many", ATTRIBUTES, |n| Oned { attributes: elements(0..n), ..Oned::default() }.asked(Ask { content_type: FORM, ..put("type=2&data=N1") })),
    case("OpenNebula: PUT /vm, a long refusal",   TEXT, |n| Oned { refusal: Some("[1] é&".repeat(n / 6)), ..Oned::default() }.asked(Ask { status: 500, ..put("A=1") })),
    case("OpenNebula: GET /service, nodes",       MANY, |n| Oned { nodes: n, ..Oned::default() }.asked(asked("GET /service"))),
    case("OpenNebula: GET /service, extended", MANY, |n| Oned { nodes: n, attributes: elements(0..100), ..Oned::default() }.asked(asked("GET /service?extended"))),
    case("OpenNebula: GET /vms/ID, nodes",        MANY, |n| Oned { nodes: n, ..Oned::default() }.asked(asked("GET /vms/101"))),
    case("OpenNebula: GET /vrouter, NICs",        MANY, |n| Oned { nics: n, ..Oned::default() }.asked(of_router("GET /vrouter"))),
    case("OpenNebula: GET /vnet, leases",         MANY, |n| Oned { leases: n, ..Oned::default() }.asked(of_router("GET /vnet/0"))),
    case("OpenNebula: GET /vnet, extended",       MANY, |n| Oned { leases: n, ..Oned::default() }.asked(of_router("GET /vnet/0?extended=true"))),
    case("OpenNebula: POST action, a long refusal", TEXT, |n| Oned { refusal: Some("[1] é&".repeat(n / 6)), ..Oned::default() }.asked(Ask { line: "POST /vms/8/action", body: r#"{"action":{"perform":"hold"}}"#, status: 500, ..GET_VM })),
    case("OpenNebula: PUT role, a long refusal",  TEXT, |n| Oned { nodes: 1, refusal: Some("[1] é&".repeat(n / 6)), ..Oned::default() }.asked(Ask { line: "PUT /service/role/r", body: r#"{"cardinality":2}"#, status: 400, ..GET_VM })),
];

fn record(inside: String) -> Work {
    let xml = format!("<VM>{inside}</VM>");
    work(move || assert!(document::parse(&xml, "VM").is_ok()))
}

fn unreadable(xml: String) -> Work {
    work(move || assert!(document::parse(&xml, "VM").is_err()))
}

fn body(text: String) -> Work {
    let mut document = json!({"TEMPLATE": {"BODY": text}});
    work(move || document::read_body(&mut document).unwrap())
}

fn answer(reply: Reply) -> Work {
    let Reply::Http(_, body) = reply else {
        panic!("no answer")
    };
    work(move || drop(xmlrpc::answer(&body)))
}

fn put(body: &str) -> Ask<'_> {
    Ask {
        line: "PUT /vm",
        body,
        ..GET_VM
    }
}

fn asked(line: &str) -> Ask<'_> {
    Ask { line, ..GET_VM }
}

/// Of VM 1, which is the router's.
fn of_router(line: &str) -> Ask<'_> {
    Ask {
        vm: 1,
        line,
        ..GET_VM
    }
}

/// What stand-ins for oned and OneFlow tell.
#[derive(Default)]
struct Oned {
    /// Of each VM's USER_TEMPLATE.
    attributes: String,
    /// Of the service, beside VM 8; VM 100 and those after it.
    nodes: usize,
    /// Of the router.
    nics: usize,
    /// Of network 0, each of another VM; VM 100 and those after it.
    leases: usize,
    /// What they say to every change.
    refusal: Option<String>,
}

const OWNER: &str = "<UID>2</UID><GID>1</GID><UNAME>alice</UNAME><GNAME>users</GNAME><PERMISSIONS><OWNER_U>1</OWNER_U><OWNER_M>1</OWNER_M></PERMISSIONS>";

impl Oned {
    fn vm(&self, id: usize) -> String {
        format!(
            "<VM><ID>{id}</ID>{OWNER}<NAME>x</NAME><STATE>3</STATE><LCM_STATE>3</LCM_STATE><STIME>1700000000</STIME>\
             <TEMPLATE><CREATED_BY>2</CREATED_BY>{}<NIC><NIC_ID>0</NIC_ID><NETWORK_ID>0</NETWORK_ID><MAC>02:00:00:00:{:02x}:{:02x}</MAC></NIC></TEMPLATE>\
             <USER_TEMPLATE><SERVICE_ID>5</SERVICE_ID>{}</USER_TEMPLATE></VM>",
            if id == 1 {
                "<VROUTER_ID>0</VROUTER_ID>"
            } else {
                ""
            },
            id >> 8,
            id & 255,
            self.attributes,
        )
    }

    fn service(&self) -> String {
        let nodes: Vec<_> = [8].into_iter().chain(100..100 + self.nodes).collect();
        let nodes: Vec<_> = nodes.iter().map(|id| json!({"deploy_id": id, "vm_info": {"VM": {"ID": id.to_string(), "NAME": "x"}}})).collect();
        let body = json!({"name": "s", "state": 2, "roles": [{"name": "r", "cardinality": 1, "state": 2, "nodes": nodes}]});
        format!(
            "<DOCUMENT><ID>5</ID>{OWNER}<NAME>s</NAME><TYPE>100</TYPE><TEMPLATE><BODY><![CDATA[{body}]]></BODY></TEMPLATE></DOCUMENT>"
        )
    }

    fn router(&self) -> String {
        let nics = "<NIC><NETWORK_ID>0</NETWORK_ID></NIC>".repeat(self.nics.max(1));
        format!(
            "<VROUTER><ID>0</ID>{OWNER}<NAME>vr</NAME><VMS><ID>1</ID></VMS><TEMPLATE>{nics}</TEMPLATE></VROUTER>"
        )
    }

    fn network(&self) -> String {
        let lease = |id| {
            format!(
                "<LEASE><IP>10.0.0.1</IP><MAC>02:00:00:00:{:02x}:{:02x}</MAC><VM>{id}</VM></LEASE>",
                id >> 8,
                id & 255
            )
        };
        let leases: String = (100..100 + self.leases).map(lease).collect();
        format!(
            "<VNET><ID>0</ID>{OWNER}<NAME>n</NAME><USED_LEASES>1</USED_LEASES><PARENT_NETWORK_ID/><AR_POOL><AR><AR_ID>0</AR_ID><LEASES>{leases}</LEASES></AR></AR_POOL><TEMPLATE/></VNET>"
        )
    }

    /// A request that is answered in front of it. All answers are made before.
    fn asked(self, ask: Ask) -> Work {
        let user = "<USER><ID>2</ID><NAME>alice</NAME><TEMPLATE><TOKEN_PASSWORD>cebd5aad05cd76406c017fdc421ef43a1aec501413827fdcd518bc4a59ce709c</TOKEN_PASSWORD></TEMPLATE></USER>";
        let vm = Arc::new([1, 8, 101].map(|id| (id, done(&self.vm(id)))));
        let pool: String = (100..100 + self.nodes.max(self.leases))
            .map(|id| self.vm(id))
            .collect();
        let done_ones = [
            ("one.user.info", done(user)),
            (
                "one.vmpool.info",
                done(&format!("<VM_POOL>{pool}</VM_POOL>")),
            ),
            ("one.document.info", done(&self.service())),
            ("one.vrouter.info", done(&self.router())),
            ("one.vn.info", done(&self.network())),
        ];
        let change = match &self.refusal {
            Some(reason) => refused(reason, 2048),
            None => done_to(8),
        };
        let scaled = Reply::Http(
            if self.refusal.is_some() { 500 } else { 204 },
            self.refusal.unwrap_or_default(),
        );
        let handler = move |request: &Request| {
            let head = &request.body[..request.body.len().min(600)];
            let Some(call) = head.split("<methodName>").nth(1) else {
                return scaled.clone();
            };
            if call.starts_with("one.vm.info<") {
                let id = |id: usize| head.contains(&format!("<i4>{id}</i4>"));
                let known = vm.iter().find(|(known, _)| id(*known)).unwrap_or(&vm[2]);
                return known.1.clone();
            }
            let known = done_ones
                .iter()
                .find(|(method, _)| call.starts_with(method));
            known.map_or(&change, |(_, reply)| reply).clone()
        };
        let stand_in = StandIn::start(handler);
        let bench = Bench::with(settings(&stand_in.url("/RPC2"), &stand_in.url("")));
        let run = ask.of(bench.cloud);
        work(move || {
            run();
            drop(stand_in);
        })
    }
}
