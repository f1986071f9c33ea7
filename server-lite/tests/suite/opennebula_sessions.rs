//! Sessions towards oned. oned remembers one session string for each user and runs its authentication driver, some 400
//! ms, for any other: so as few different strings as possible come from here, however many servers run.

use crate::support::client::Answer;
use crate::support::differences;
use crate::support::gate::Served;
use crate::support::upstream::bench::settings;
use crate::support::upstream::{Reply, Request, StandIn, done, done_to, refused};
use onegate_server_lite::cloud::Cloud;
use onegate_server_lite::cloud::opennebula::clock::Clock;
use onegate_server_lite::cloud::opennebula::session::Lifetime;
use onegate_server_lite::cloud::opennebula::{Ages, OpenNebula, Settings};
use onegate_server_lite::commands::config::Config;
use onegate_server_lite::objects::token::{Secret, seal};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const PASSWORD: &str = "0badc0de0badc0de0badc0de0badc0de0badc0de0badc0de0badc0de0badc0de";
const OWNERS: u32 = 5;
/// A service and a virtual router for each owner, with the owner's four VMs.
const VMS: u32 = 20;
/// When a session begins.
const START: u64 = 1_795_000_500;

/// oned's memory for sessions: by target, the string that it accepted last; and how often its driver ran.
#[derive(Default)]
struct Authentication {
    accepted: HashMap<String, String>,
    runs: HashMap<String, usize>,
    calls: usize,
}

impl Authentication {
    fn authenticate(&mut self, session: &str) {
        let target = session.split(':').nth(1).expect("a target").to_string();
        self.calls += 1;
        if self
            .accepted
            .get(&target)
            .is_none_or(|known| known != session)
        {
            self.accepted.insert(target.clone(), session.to_string());
            *self.runs.entry(target).or_default() += 1;
        }
    }
}

fn owner(vm: u32) -> u32 {
    2 + vm % OWNERS
}

fn permissions(uid: u32) -> String {
    format!(
        "<UID>{uid}</UID><GID>1</GID><UNAME>user{uid}</UNAME><GNAME>users</GNAME><PERMISSIONS><OWNER_U>1</OWNER_U>\
         <GROUP_U>0</GROUP_U><OTHER_U>0</OTHER_U></PERMISSIONS>"
    )
}

fn vm(vm: u32) -> String {
    let owner = owner(vm);
    // The last four have no service and are virtual routers.
    let (service, router) = match vm < VMS - OWNERS {
        true => (format!("<SERVICE_ID>{owner}</SERVICE_ID>"), String::new()),
        false => (String::new(), format!("<VROUTER_ID>{owner}</VROUTER_ID>")),
    };
    format!(
        "<VM><ID>{vm}</ID>{}<NAME>vm{vm}</NAME><STATE>3</STATE><LCM_STATE>3</LCM_STATE><STIME>1700000000</STIME>\
         <TEMPLATE><CREATED_BY>{owner}</CREATED_BY>{router}</TEMPLATE><USER_TEMPLATE>{service}</USER_TEMPLATE></VM>",
        permissions(owner)
    )
}

fn members(owner_of_all: u32) -> Vec<u32> {
    (0..VMS).filter(|&vm| owner(vm) == owner_of_all).collect()
}

/// What oned answers; who may read what is not its business here but for the record of somebody else.
fn answer(method: &str, first: &str) -> Reply {
    let id = || first.parse::<u32>().expect("an id");
    match method {
        "one.vm.info" => done(&vm(id())),
        "one.vmpool.infoset" => {
            let vms: String = first
                .split(',')
                .map(|id| vm(id.parse().expect("an id")))
                .collect();
            done(&format!("<VM_POOL>{vms}</VM_POOL>"))
        }
        "one.user.info" => done(&format!(
            "<USER><TEMPLATE><TOKEN_PASSWORD>{PASSWORD}</TOKEN_PASSWORD></TEMPLATE></USER>"
        )),
        "one.document.info" => {
            let nodes: Vec<String> = members(id())
                .iter()
                .map(|vm| format!("{{\"deploy_id\":{vm}}}"))
                .collect();
            done(&format!(
                "<DOCUMENT><ID>{0}</ID>{1}<NAME>service</NAME><TYPE>100</TYPE><TEMPLATE><BODY><![CDATA[{{\"name\":\
                 \"service\",\"state\":2,\"roles\":[{{\"name\":\"work\",\"nodes\":[{2}]}}]}}]]></BODY></TEMPLATE>\
                 </DOCUMENT>",
                id(),
                permissions(id()),
                nodes.join(",")
            ))
        }
        "one.vrouter.info" => {
            let ids: String = members(id())
                .iter()
                .map(|vm| format!("<ID>{vm}</ID>"))
                .collect();
            done(&format!(
                "<VROUTER><ID>{0}</ID>{1}<NAME>router</NAME><VMS>{ids}</VMS><TEMPLATE><NIC><NETWORK_ID>{0}\
                 </NETWORK_ID></NIC></TEMPLATE></VROUTER>",
                id(),
                permissions(id())
            ))
        }
        "one.vn.info" => {
            let leases: String = members(id())
                .iter()
                .map(|vm| format!("<LEASE><IP>10.0.0.{vm}</IP><VM>{vm}</VM></LEASE>"))
                .collect();
            done(&format!(
                "<VNET><ID>{0}</ID>{1}<NAME>net</NAME><USED_LEASES>1</USED_LEASES><AR_POOL><AR><LEASES>{leases}\
                 </LEASES></AR></AR_POOL><TEMPLATE></TEMPLATE></VNET>",
                id(),
                permissions(id())
            ))
        }
        "one.vm.update" | "one.vm.action" => done_to(1),
        other => refused(&format!("[{other}] unknown"), 4096),
    }
}

/// The session and the first parameter of a call, as they stand in it.
fn parts(request: &Request) -> (String, String) {
    let mut values = request.body.split("<param><value>").skip(1).map(|part| {
        let part = &part[part.find('>').expect("a type") + 1..];
        part[..part.find("</").expect("an end")].to_string()
    });
    let mut next = || values.next().expect("a parameter");
    (next(), next())
}

/// A cloud: oned and a OneFlow that makes a session string of its own for whoever scales.
struct World {
    oned: StandIn,
    oneflow: StandIn,
    authentication: Arc<Mutex<Authentication>>,
    clock: Clock,
}

impl World {
    fn start() -> Self {
        let authentication = Arc::<Mutex<Authentication>>::default();
        let seen = authentication.clone();
        let oned = StandIn::start(move |request| {
            let (session, first) = parts(request);
            seen.lock().unwrap().authenticate(&session);
            answer(&request.call().method, &first)
        });
        let seen = authentication.clone();
        let oneflow = StandIn::start(move |request| {
            let call = request.call();
            let own = format!("serveradmin:{}:oneflow", call.who);
            seen.lock().unwrap().authenticate(&own);
            Reply::Http(204, String::new())
        });
        World {
            oned,
            oneflow,
            authentication,
            clock: Clock::stopped_at(START),
        }
    }

    fn cloud(&self, ages: Ages) -> Arc<OpenNebula> {
        let settings = Settings {
            ages,
            clock: self.clock.clone(),
            lifetime: Lifetime {
                delta: Duration::from_secs(1800),
                margin: Duration::from_secs(300),
            },
            ..settings(&self.oned.url("/RPC2"), &self.oneflow.url(""))
        };
        Arc::new(OpenNebula::new(settings, Arc::new(|line| panic!("{line}"))).unwrap())
    }

    fn serve(&self, cloud: Arc<OpenNebula>) -> Served {
        Served::new(cloud, Config::default())
    }

    fn runs(&self) -> HashMap<String, usize> {
        self.authentication.lock().unwrap().runs.clone()
    }

    fn accepted(&self) -> HashMap<String, String> {
        self.authentication.lock().unwrap().accepted.clone()
    }
}

fn token(vm: u32) -> String {
    seal(Secret {
        vm,
        stime: "1700000000",
        password: PASSWORD,
    })
    .expect("a token")
}

fn get(served: &Served, vm: u32, path: &str) -> Answer {
    served.get(vm.into(), &token(vm), path)
}

/// Everything that this VM can read.
fn paths(vm: u32) -> Vec<String> {
    let peer = members(owner(vm))[0];
    let mut paths = vec!["/".to_string(), "/vm".to_string(), format!("/vms/{peer}")];
    paths.extend(match vm < VMS - OWNERS {
        true => ["/service".to_string(), "/service?extended=true".to_string()],
        false => [
            "/vrouter".to_string(),
            format!("/vnet/{}?extended=true", owner(vm)),
        ],
    });
    paths
}

/// 1,000 mixed GETs from all VMs, by ten clients at once; how often oned was called.
fn read_everything(world: &World, served: &Served) -> usize {
    let before = world.authentication.lock().unwrap().calls;
    std::thread::scope(|scope| {
        for client in 0..10 {
            scope.spawn(move || {
                for turn in 0..100 {
                    let number = client * 100 + turn;
                    let vm = number % VMS;
                    let paths = paths(vm);
                    let path = &paths[(number / VMS) as usize % paths.len()];
                    let answer = get(served, vm, path);
                    assert_eq!(answer.status, 200, "VM {vm} {path}: {}", answer.text());
                }
            });
        }
    });
    world.authentication.lock().unwrap().calls - before
}

#[test]
fn a_thousand_reads_cost_one_driver_run_for_each_user_at_most() {
    let remembered = Ages::default();
    let never = Ages {
        record: Duration::ZERO,
        token_password: Duration::ZERO,
    };
    for ages in [remembered, never] {
        let world = World::start();
        let served = world.serve(world.cloud(ages));
        let calls = read_everything(&world, &served);
        let runs = world.runs();
        println!("{calls} calls, driver runs {runs:?}");
        assert!(runs.values().all(|runs| *runs == 1), "{runs:?}");
        assert!(runs.len() <= 1 + OWNERS as usize, "{runs:?}");
        assert_eq!(world.oneflow.requests(), 0, "reads need no OneFlow");
        // Everything belongs to its reader here: the server's own session is enough.
        assert_eq!(runs.len(), 1, "{runs:?}");

        // Scaling does need it; that costs its owner two runs, and nobody else any.
        let line = "PUT /service/role/work";
        let scaled = served.send_as(line, 0, &token(0), "{\"cardinality\":\"3\"}");
        assert_eq!(scaled.status, 200);
        read_everything(&world, &served);
        let runs = world.runs();
        assert_eq!(runs["serveradmin"], 1, "{runs:?}");
        assert_eq!(runs.values().sum::<usize>(), 2, "{runs:?}");
    }
}

#[test]
fn a_new_session_is_shown_once_and_in_the_background() {
    let world = World::start();
    let cloud = world.cloud(Ages::default());
    let served = world.serve(cloud.clone());
    read_everything(&world, &served);
    let update = || served.send_as("PUT /vm", 0, &token(0), "READY=YES").status;
    assert_eq!(update(), 200);
    let before = world.accepted();
    for lifetime in 1..=3 {
        world.clock.advance(Duration::from_secs(1500));
        // What the thread does when its time has come.
        cloud.renew_sessions();
        let runs = world.runs();
        assert!(runs.values().all(|runs| *runs == 1 + lifetime), "{runs:?}");
        assert_eq!(runs.len(), 2, "serveradmin and user2 were in use");
        // By then every guest finds it accepted.
        assert_eq!(get(&served, 0, "/vm").status, 200);
        assert_eq!(update(), 200);
        assert_eq!(world.runs(), runs);
    }
    let after = world.accepted();
    assert_ne!(before["serveradmin"], after["serveradmin"]);
    assert_ne!(before["user2"], after["user2"]);
}

#[test]
fn servers_side_by_side_and_after_a_restart_use_the_same_strings() {
    let world = World::start();
    let (one, two) = (world.cloud(Ages::default()), world.cloud(Ages::default()));
    let user = onegate_server_lite::cloud::User {
        id: 2,
        name: "user2".to_string(),
    };
    let use_it = |cloud: &OpenNebula| {
        cloud.vm_to_authenticate(0).unwrap();
        let action = onegate_server_lite::objects::action::VmAction {
            name: "hold",
            argument: onegate_server_lite::objects::action::Argument::None,
        };
        cloud.act(&user, 0, &action).unwrap();
    };
    use_it(&one);
    let strings = world.accepted();
    for passed in [0, 700, 1] {
        world.clock.advance(Duration::from_secs(passed));
        use_it(&two);
        // The first one was restarted.
        use_it(&world.cloud(Ages::default()));
        use_it(&one);
    }
    assert_eq!(world.accepted(), strings);
    assert_eq!(
        world.runs().values().sum::<usize>(),
        2,
        "{:?}",
        world.runs()
    );
}

#[test]
fn an_extended_service_leaves_out_the_node_that_its_owner_may_not_read() {
    // VM 5 was given to somebody else: where the Ruby server answers 404 for the whole service, the others are shown.
    let oned = StandIn::start(|request| {
        let (_, first) = parts(request);
        let call = request.call();
        match (call.method.as_str(), first.as_str(), call.who.as_str()) {
            ("one.vm.info", "5", "serveradmin") => {
                done(&vm(5).replace("<UID>2</UID>", "<UID>9</UID>"))
            }
            ("one.vm.info", "5", _) => refused(
                "[one.vm.info] User [2] : Not authorized to perform USE VM [5].",
                512,
            ),
            (method, first, _) => answer(method, first),
        }
    });
    let cloud = OpenNebula::new(
        settings(&oned.url("/RPC2"), "http://127.0.0.1:1"),
        Arc::new(|line| panic!("{line}")),
    );
    let served = Served::new(Arc::new(cloud.unwrap()), Config::default());
    let answer = get(&served, 0, "/service?extended=true");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let json = answer.json();
    let nodes = json["SERVICE"]["roles"][0]["nodes"].as_array().unwrap();
    let shown: Vec<_> = nodes
        .iter()
        .map(|node| {
            (
                node["deploy_id"].as_u64().unwrap(),
                node["vm_info"].is_object(),
            )
        })
        .collect();
    assert_eq!(shown, [(0, true), (5, false), (10, true), (15, true)]);
    let here = "an_extended_service_leaves_out_the_node_that_its_owner_may_not_read";
    assert!(differences::is_shown_by(here));
    // By its id it is refused in the words of oned, less what is not the guest's.
    let peer = get(&served, 0, "/vms/5");
    assert_eq!(peer.status, 404, "{}", peer.text());
}
