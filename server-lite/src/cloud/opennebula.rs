//! A real OpenNebula behind the handlers: XML-RPC to oned, REST to OneFlow.
//!
//! Everything is read in `serveradmin`'s name, since oned remembers one session for each user and authenticates anew
//! whenever another one comes. What a record's PERMISSIONS grant to the owner of the VM that asks is granted; where
//! they don't decide (groups, access rules), oned is asked as the owner. What guests change is changed in their
//! owner's name, so that oned's own rights hold. `docs/opennebula.md` counts the calls of each route.

pub mod clock;
pub mod document;
pub mod oned;
pub mod oneflow;
pub mod reads;
pub mod refusal;
mod renewal;
pub mod rights;
pub mod session;
mod settings;
pub mod token_passwords;
pub mod turns;
pub mod unreadable;
pub mod updates;
pub mod upstream;
pub mod user_template;
pub mod vms;
pub mod xmlrpc;

use super::{Cloud, User};
use crate::objects::action::{Argument, VmAction};
use crate::objects::document::{Document, Id, id, list};
use crate::objects::refusal::Refusal;
use crate::objects::template::Attribute;
use crate::store::commit::Pending;
use crate::store::state::Kind;
use clock::Clock;
use oned::{Oned, OnedCall};
use oneflow::{Credentials, Scaled};
use reads::{Key, Reads, RecordKind};
use renewal::Renewal;
use rights::{Undecided, may_use};
use serde_json::Value;
pub use settings::{Ages, Settings, SettingsError};

use session::Sessions;
use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use token_passwords::TokenPasswords;
use turns::Share;
use updates::Updates;
use upstream::{CallCounts, LogSink, Repeat, Upstream};
use vms::Vms;
use xmlrpc::Parameter;

/// Requests that the HTTP layer should handle at once before this cloud: most of them wait for calls that they share.
pub const HANDLERS: usize = 64;
/// TYPE of the documents that are OneFlow's services.
const SERVICE: &str = "100";
/// Leases of a network of which it is looked up who holds them.
const MAX_HOLDERS: usize = 64;

/// A real OpenNebula.
pub struct OpenNebula {
    oned: Arc<Oned>,
    oneflow: Upstream,
    reads: Arc<Reads>,
    vms: Vms,
    updates: Updates,
    undecided: Undecided<(Id, RecordKind, Id)>,
    ages: Ages,
    clock: Clock,
    token_passwords: TokenPasswords,
    /// By VM id: an erase reads a record and writes back the rest, so no update of ours may come between.
    writers: [RwLock<()>; 64],
    _renewal: Renewal,
}

/// How one.vm.update treats what is there.
const REPLACE: u32 = 0;
const MERGE: u32 = 1;

impl OpenNebula {
    /// An OpenNebula at these addresses; nothing is called yet.
    pub fn new(settings: Settings, log: LogSink) -> Result<Self, SettingsError> {
        let Settings {
            patience, clock, ..
        } = settings;
        let oned = Upstream::new("oned", &settings.one_xmlrpc, patience, log.clone())?;
        let oneflow = Upstream::new("OneFlow", &settings.oneflow_server, patience, log)?;
        let sessions = Sessions::new(settings.auth, settings.lifetime);
        let oned = Arc::new(Oned::new(oned, sessions, clock.clone()));
        let reads = Reads::new(clock.clone());
        Ok(OpenNebula {
            vms: Vms::new(Arc::clone(&oned), Arc::clone(&reads)),
            _renewal: Renewal::start(&oned)?,
            oned,
            oneflow,
            reads,
            updates: Updates::default(),
            undecided: Undecided::new(clock.clone()),
            ages: settings.ages,
            token_passwords: TokenPasswords::new(settings.ages.token_password, clock.clone()),
            clock,
            writers: std::array::from_fn(|_| RwLock::new(())),
        })
    }

    /// Reads of VMs and updates that wait for their turn at oned, and so may be made together with others.
    pub fn waiting(&self) -> usize {
        self.vms.waiting() + self.updates.waiting()
    }

    /// What came of the calls to oned and to OneFlow, each with its name.
    pub fn calls(&self) -> [(&'static str, CallCounts); 2] {
        [self.oned.counts(), self.oneflow.counts()]
    }

    /// What the background does when sessions begin: shows those in use to oned.
    pub fn renew_sessions(&self) {
        self.oned.renew_sessions();
    }

    /// These documents as the server itself sees them, each at most this old: all VMs by one call, each other one by
    /// one of its own. What can't be read now is left out.
    pub fn current(
        &self,
        documents: &[(Kind, Id)],
        max_age: Duration,
    ) -> Vec<(Kind, Id, Document)> {
        let vms = documents.iter().filter(|(kind, _)| *kind == Kind::Vm);
        let vms: BTreeSet<Id> = vms.map(|(_, id)| *id).collect();
        let records = match vms.is_empty() {
            true => Vec::new(),
            false => self
                .vms
                .read_all(Share::Server, &vms, max_age)
                .unwrap_or_default(),
        };
        let records = records
            .into_iter()
            .filter_map(|record| Some((Kind::Vm, id(record.get("ID"))?, record)));
        let others = documents.iter().filter_map(|&(kind, id)| {
            let record_kind = match kind {
                Kind::Service => RecordKind::Service,
                Kind::Vrouter => RecordKind::Vrouter,
                Kind::Vnet => RecordKind::Vnet,
                _ => return None,
            };
            let document = self.read(Share::Server, record_kind, id, max_age).ok()?;
            Some((kind, id, document))
        });
        records.chain(others).collect()
    }

    /// A record that is at most this old, as the server itself sees it; `share` is whose guests want it.
    fn read(
        &self,
        share: Share,
        kind: RecordKind,
        id: Id,
        max_age: Duration,
    ) -> Result<Document, Refusal> {
        match kind {
            RecordKind::Vm => self.vms.read(id, max_age),
            RecordKind::WholeVm => self.vms.read_whole(share, id, max_age),
            kind => self.ask(share, None, Key::of(kind, id), max_age),
        }
    }

    /// The same as the owner sees it.
    fn read_as(&self, user: &User, kind: RecordKind, id: Id) -> Result<Document, Refusal> {
        let key = Key {
            user: Some(user.id),
            ..Key::of(kind, id)
        };
        self.ask(Share::Owner(user.id), Some(user), key, self.ages.record)
    }

    fn ask(
        &self,
        share: Share,
        as_whom: Option<&User>,
        key: Key,
        max_age: Duration,
    ) -> Result<Document, Refusal> {
        self.reads.read(key, max_age, |own| {
            self.oned.when_sent(share, as_whom, |ready| {
                own.inspect(|own| own.sent());
                self.oned.send_info(ready, as_whom, key.kind, key.id)
            })
        })
    }

    /// A record for a user: read in the server's name, and once more in the user's own where its PERMISSIONS don't
    /// say that the user may. Whoever may read a record sees the same as the server, but of a network.
    fn record(&self, user: &User, kind: RecordKind, id: Id) -> Result<Document, Refusal> {
        self.record_if(user, kind, id, |_| Ok(true))
    }

    fn record_if(
        &self,
        user: &User,
        kind: RecordKind,
        id: Id,
        is_the_same: impl FnOnce(&Value) -> Result<bool, Refusal>,
    ) -> Result<Document, Refusal> {
        let owners = (user.id, kind, id);
        if !self.undecided.has(&owners) {
            let record = self.read(Share::Owner(user.id), kind, id, self.ages.record)?;
            if may_use(user, &record) && is_the_same(&record)? {
                return Ok(record);
            }
            self.undecided.add(owners);
        }
        self.read_as(user, kind, id)
    }

    /// Whether a user surely may read every VM and router that holds a lease of this network, so that oned shows the
    /// user what it shows the server.
    fn sees_all_leases(&self, user: &User, vnet: &Value) -> Result<bool, Refusal> {
        let ranges = list(vnet.pointer("/AR_POOL/AR")).iter();
        let leases: Vec<_> = ranges
            .flat_map(|range| list(range.pointer("/LEASES/LEASE")))
            .collect();
        let held = |holder: &str| -> BTreeSet<Id> {
            leases
                .iter()
                .filter_map(|lease| id(lease.get(holder)))
                .collect()
        };
        let (vms, routers) = (held("VM"), held("VROUTER"));
        let named = |lease: &&&Value| id(lease.get("VM").or(lease.get("VROUTER"))).is_some();
        if leases.iter().filter(named).count() < leases.len()
            || vms.len() + routers.len() > MAX_HOLDERS
        {
            return Ok(false);
        }
        for router in routers {
            let share = Share::Owner(user.id);
            match self.read(share, RecordKind::Vrouter, router, self.ages.record) {
                Ok(router) if may_use(user, &router) => {}
                Err(refusal @ (Refusal::Unavailable(_) | Refusal::Busy(_))) => return Err(refusal),
                _ => return Ok(false),
            }
        }
        let holders = self
            .vms
            .read_all(Share::Owner(user.id), &vms, self.ages.record)?;
        Ok(holders.len() == vms.len() && holders.iter().all(|vm| may_use(user, vm)))
    }

    fn writer(&self, vm: Id) -> &RwLock<()> {
        &self.writers[vm as usize % self.writers.len()]
    }

    /// The refusal of OneFlow to let a user in: is it the user whom oned doesn't know any more, or OneFlow's trouble?
    fn no_login(&self, user: &User) -> Refusal {
        let call = OnedCall {
            as_whom: Some(user),
            method: "one.user.info",
            parameters: &[(-1_i64).into(), false.into()],
            repeat: Repeat::Harmless,
        };
        match self.oned.call(call, |_| Ok(())) {
            Ok(()) => Refusal::Unavailable(
                "OneFlow does not accept the server's own user (401), but oned does: do both belong to the same \
                 OpenNebula, and is OneFlow's :core_auth cipher?"
                    .to_string(),
            ),
            Err(refusal @ (Refusal::Unavailable(_) | Refusal::Busy(_))) => refusal,
            Err(_) => Refusal::NotAllowed(
                "OpenNebula does not accept the owner of this VM as a user any more".to_string(),
            ),
        }
    }
}

impl Cloud for OpenNebula {
    fn vm_to_authenticate(&self, vm: Id) -> Result<Document, Refusal> {
        self.vms.read(vm, self.ages.record)
    }

    fn token_password(&self, user: Id) -> Result<Option<String>, Refusal> {
        if let Some(password) = self.token_passwords.get(user) {
            return Ok(Some(password));
        }
        let share = Share::Owner(user);
        let record = self.read(share, RecordKind::User, user, Duration::ZERO)?;
        let password = record
            .pointer("/TEMPLATE/TOKEN_PASSWORD")
            .and_then(Value::as_str);
        self.token_passwords.put(user, password);
        Ok(password.map(str::to_string))
    }

    fn newer_token_password(&self, user: Id) -> Result<Option<String>, Refusal> {
        if !self.token_passwords.may_be_stale(user) {
            return Ok(None);
        }
        self.token_passwords.put(user, None);
        self.token_password(user)
    }

    fn vm(&self, user: &User, vm: Id) -> Result<Document, Refusal> {
        self.record(user, RecordKind::Vm, vm)
    }

    /// An owner whom the VM's permissions let use it reads what serveradmin reads: of the recordings' 592 pairs of such
    /// answers 582 are the same to the byte, and those of the others that were looked at differ by a poll between them
    /// or by the owner's missing right. One whom they don't may still have a right by an access rule, so oned is asked.
    fn own_vm(&self, user: &User, authenticated: &Document) -> Result<Document, Refusal> {
        if may_use(user, authenticated) {
            return Ok(Arc::clone(authenticated));
        }
        match id(authenticated.get("ID")) {
            Some(vm) => self.read_as(user, RecordKind::Vm, vm),
            None => Err(Refusal::NotFound),
        }
    }

    fn whole_vm(&self, user: &User, vm: Id) -> Result<Document, Refusal> {
        self.record(user, RecordKind::WholeVm, vm)
    }

    fn vms(&self, user: &User, vms: &[Id]) -> Result<Vec<Document>, Refusal> {
        let ids: BTreeSet<Id> = vms.iter().copied().collect();
        let records = self
            .vms
            .read_all(Share::Owner(user.id), &ids, self.ages.record)?;
        let (mut seen, others): (Vec<_>, Vec<_>) =
            records.into_iter().partition(|vm| may_use(user, vm));
        if !others.is_empty() {
            let others: Vec<String> = others
                .iter()
                .filter_map(|vm| id(vm.get("ID")))
                .map(|id| id.to_string())
                .collect();
            let others = others.join(",");
            let call = OnedCall {
                as_whom: Some(user),
                method: "one.vmpool.infoset",
                parameters: &[others.as_str().into(), true.into()],
                repeat: Repeat::Harmless,
            };
            seen.extend(self.oned.call(call, |xml| vms::pool(&xml))?.into_values());
        }
        Ok(seen)
    }

    /// OneFlow's GET /service/ID is this document with its BODY read.
    fn service(&self, user: &User, service: Id) -> Result<Document, Refusal> {
        let document = self.record(user, RecordKind::Service, service)?;
        match document.get("TYPE").and_then(Value::as_str) {
            Some(SERVICE) => Ok(document),
            _ => Err(Refusal::NotFound),
        }
    }

    fn vrouter(&self, user: &User, vrouter: Id) -> Result<Document, Refusal> {
        self.record(user, RecordKind::Vrouter, vrouter)
    }

    /// oned shows everybody only the leases of what they may read.
    fn vnet(&self, user: &User, vnet: Id) -> Result<Document, Refusal> {
        self.record_if(user, RecordKind::Vnet, vnet, |record| {
            self.sees_all_leases(user, record)
        })
    }

    fn update(&self, user: &User, vm: Id, attributes: &[Attribute]) -> Result<Pending, Refusal> {
        user_template::template(attributes)?;
        let done = self.updates.make((vm, user.id), attributes, |take| {
            let _beside_others = self
                .writer(vm)
                .read()
                .unwrap_or_else(PoisonError::into_inner);
            self.oned
                .when_sent(Share::Owner(user.id), Some(user), |ready| {
                    let template = user_template::template(&take())?;
                    let call = OnedCall {
                        as_whom: Some(user),
                        method: "one.vm.update",
                        parameters: &[vm.into(), template.as_str().into(), MERGE.into()],
                        repeat: Repeat::Harmless,
                    };
                    self.oned.send(ready, call, |_| Ok(()))
                })
        });
        self.reads.changed(RecordKind::Vm, vm);
        done.map(|()| Pending::over())
    }

    /// oned has no call to erase: the record is read and the rest of it written back, as the Ruby server does. Other
    /// updates through this server wait meanwhile; one made elsewhere between the two calls is lost.
    fn erase(&self, user: &User, vm: Id, name: &str) -> Result<Pending, Refusal> {
        let _alone = self
            .writer(vm)
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let share = Share::Owner(user.id);
        let record = self.read(share, RecordKind::WholeVm, vm, Duration::ZERO)?;
        let mut rest =
            user_template::attributes(record.get("USER_TEMPLATE").unwrap_or(&Value::Null));
        let before = rest.len();
        rest.retain(|attribute| attribute.name != name);
        if rest.len() == before {
            return Err(Refusal::Failed("attribute not found".to_string()));
        }
        let (first, then) = match user_template::template(&rest) {
            Ok(whole) => (whole, None),
            Err(_) => {
                let (first, then) = user_template::in_two(&rest).map_err(|why| {
                    Refusal::Invalid(format!("nothing erased, because of the rest: {why}"))
                })?;
                (first, Some(then))
            }
        };
        let write = |template: &str, how: u32, repeat| {
            let parameters = &[vm.into(), template.into(), how.into()];
            let call = OnedCall {
                as_whom: Some(user),
                method: "one.vm.update",
                parameters,
                repeat,
            };
            self.oned.call(call, |_| Ok(()))
        };
        let mut done = write(&first, REPLACE, Repeat::Never);
        if let (Ok(()), Some(then)) = (&done, then) {
            done = write(&then, MERGE, Repeat::Harmless).map_err(|refusal| {
                Refusal::Failed(format!(
                    "{name} is erased, but what is empty or has white space around it could not be written back: {}; \
                     set it again: {}",
                    refusal.cause(),
                    then.replace('\n', " ")
                ))
            });
        }
        self.reads.changed(RecordKind::Vm, vm);
        done.map(|()| Pending::over())
    }

    fn act(&self, user: &User, vm: Id, action: &VmAction) -> Result<(), Refusal> {
        let id = vm;
        let vm = Parameter::from(vm);
        let (method, parameters) = match (action.name, &action.argument) {
            (name, Argument::None) => ("action", vec![name.into(), vm]),
            // Not enforced, to the same datastore, as the Ruby server sends it.
            (name @ ("migrate" | "livemigrate"), Argument::Number(host)) => {
                let live = name == "livemigrate";
                (
                    "migrate",
                    vec![
                        vm,
                        (*host).into(),
                        live.into(),
                        false.into(),
                        (-1_i64).into(),
                        0_i64.into(),
                    ],
                )
            }
            ("deploy", Argument::Number(host)) => (
                "deploy",
                vec![vm, (*host).into(), false.into(), (-1_i64).into(), "".into()],
            ),
            (name, Argument::Number(number)) => (name, vec![vm, (*number).into()]),
            (name, Argument::Text(text)) => {
                user_template::check(&format!("What {name} takes"), text)?;
                (name, vec![vm, text.as_str().into()])
            }
        };
        let call = OnedCall {
            as_whom: Some(user),
            method: &format!("one.vm.{method}"),
            parameters: &parameters,
            repeat: Repeat::Never,
        };
        let done = self.oned.call(call, |_| Ok(()));
        self.reads.changed(RecordKind::Vm, id);
        done
    }

    fn scale(&self, user: &User, service: Id, role: &str, cardinality: u32) -> Result<(), Refusal> {
        let sessions = self.oned.sessions();
        let password = sessions.password(&user.name, self.clock.unix());
        let as_whom = Credentials {
            server: sessions.server(),
            password: &password,
            user,
        };
        let scaled = oneflow::scale(&self.oneflow, as_whom, service, role, cardinality);
        self.reads.changed(RecordKind::Service, service);
        match scaled? {
            Scaled::Done => Ok(()),
            Scaled::Refused(refusal) => Err(refusal),
            Scaled::NoLogin => Err(self.no_login(user)),
        }
    }
}
