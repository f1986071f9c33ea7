//! A real OpenNebula behind the handlers: XML-RPC to oned, REST to OneFlow.
//!
//! Guests are authenticated in `serveradmin`'s name; what they read and do is read and done in the name of their VM's
//! owner, so that oned's own rights hold (docs/protocol.md, "Behind the server: oned"). A request makes no more calls
//! than the Ruby server makes for it, mostly fewer: one.vm.info as serveradmin serves both to authenticate a VM and to
//! answer with its record, and a user's TOKEN_PASSWORD is remembered for some seconds. `docs/opennebula.md` counts the
//! calls of each route.

pub mod document;
pub mod oneflow;
pub mod refusal;
pub mod session;
pub mod token_passwords;
pub mod upstream;
pub mod user_template;
pub mod xmlrpc;

use crate::cloud::{Cloud, User};
use crate::objects::action::{Argument, VmAction};
use crate::objects::document::{Document, Id, id, list};
use crate::objects::refusal::Refusal;
use crate::objects::template::Attribute;
use oneflow::Credentials;
use refusal::AsWhom;
use serde_json::Value;
use session::{Lifetime, ServerAuth, Sessions};
use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};
use token_passwords::TokenPasswords;
use upstream::{LogSink, Patience, Repeat, Upstream};
use xmlrpc::{Answer, Parameter};

/// Where OpenNebula is, and who calls it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `:one_xmlrpc`, as `http://localhost:2633/RPC2`.
    pub one_xmlrpc: String,
    /// `:oneflow_server`, as `http://localhost:2474`.
    pub oneflow_server: String,
    /// The content of `onegate_auth`.
    pub auth: ServerAuth,
    /// `:expire_delta` and `:expire_margin`.
    pub lifetime: Lifetime,
    /// How long calls may take.
    pub patience: Patience,
}

/// A real OpenNebula.
pub struct OpenNebula {
    oned: Upstream,
    oneflow: Upstream,
    sessions: Sessions,
    token_passwords: TokenPasswords,
    /// By VM id: an erase reads a record and writes back the rest, so no update of ours may come between.
    writers: [RwLock<()>; 64],
}

/// How one.vm.update treats what is there.
const REPLACE: u32 = 0;
const MERGE: u32 = 1;

impl OpenNebula {
    /// An OpenNebula at these addresses; nothing is called yet. The error says which setting can't be used.
    pub fn new(settings: Settings, log: LogSink) -> Result<Self, String> {
        Ok(OpenNebula {
            oned: Upstream::new("oned", &settings.one_xmlrpc, settings.patience, log.clone())?,
            oneflow: Upstream::new("OneFlow", &settings.oneflow_server, settings.patience, log)?,
            sessions: Sessions::new(settings.auth, settings.lifetime),
            token_passwords: TokenPasswords::default(),
            writers: std::array::from_fn(|_| RwLock::new(())),
        })
    }

    /// Makes one call to oned. `read` makes of its answer what is wanted, or says why it is none: a record that can't
    /// be read is that VM's trouble, not an outage.
    fn call<T>(
        &self,
        as_whom: Option<&User>,
        method: &str,
        parameters: &[Parameter],
        repeat: Repeat,
        read: impl FnOnce(String) -> Result<T, String>,
    ) -> Result<T, Refusal> {
        let target = as_whom.map_or(self.sessions.server(), |user| &user.name);
        let body = xmlrpc::call(method, &self.sessions.session(target, now()), parameters);
        let headers = [("Content-Type", "text/xml; charset=utf-8")];
        let ended = match self.oned.send("POST", "", &headers, &body, repeat) {
            Err(cause) => Err(Refusal::Unavailable(cause)),
            Ok((200, body)) => {
                let answer = std::str::from_utf8(&body).map_err(|_| "it isn't UTF-8".to_string());
                match answer.and_then(xmlrpc::answer) {
                    Ok(Answer::Done(result)) => Ok(result),
                    Ok(Answer::Refused { reason, code }) => {
                        Err(self.refused(&reason, code, as_whom, parameters))
                    }
                    Err(what) => Err(Refusal::Unavailable(format!(
                        "its answer can't be read: {what}"
                    ))),
                }
            }
            Ok((status, _)) => Err(Refusal::Unavailable(format!(
                "it answered with HTTP status {status}"
            ))),
        };
        let result = self.oned.judged(ended)?;
        read(result).map_err(|what| {
            Refusal::Unavailable(format!("oned's answer to {method} can't be read: {what}"))
        })
    }

    /// oned's refusal; the ids that the call named and the owner's own are no secret to the guest.
    fn refused(
        &self,
        reason: &str,
        code: i64,
        as_whom: Option<&User>,
        parameters: &[Parameter],
    ) -> Refusal {
        let named = parameters.iter().filter_map(|parameter| match parameter {
            Parameter::Number(number) => Id::try_from(*number).ok(),
            _ => None,
        });
        let known: Vec<Id> = named.chain(as_whom.map(|user| user.id)).collect();
        let whom = if as_whom.is_some() {
            AsWhom::Owner
        } else {
            AsWhom::Server
        };
        refusal::of_oned(reason, code, whom, &known)
    }

    /// one.OBJECT.info: the document whose outermost element is `root`.
    fn info(
        &self,
        as_whom: Option<&User>,
        method: &str,
        id: Id,
        root: &str,
    ) -> Result<Document, Refusal> {
        let parameters = [id.into(), false.into()];
        self.call(as_whom, method, &parameters, Repeat::Harmless, |xml| {
            document::parse(&xml, root).map(Arc::new)
        })
    }

    fn write(
        &self,
        user: &User,
        vm: Id,
        template: &str,
        how: u32,
        repeat: Repeat,
    ) -> Result<(), Refusal> {
        let parameters = [vm.into(), template.into(), how.into()];
        self.call(Some(user), "one.vm.update", &parameters, repeat, |_| Ok(()))
    }

    fn writer(&self, vm: Id) -> &RwLock<()> {
        &self.writers[vm as usize % self.writers.len()]
    }
}

impl Cloud for OpenNebula {
    fn vm_to_authenticate(&self, vm: Id) -> Result<Document, Refusal> {
        self.info(None, "one.vm.info", vm, "VM")
    }

    fn token_password(&self, user: Id) -> Result<Option<String>, Refusal> {
        if let Some(password) = self.token_passwords.get(user) {
            return Ok(Some(password));
        }
        let record = self.info(None, "one.user.info", user, "USER")?;
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
        self.info(Some(user), "one.vm.info", vm, "VM")
    }

    /// An owner whom the VM's permissions let use it reads what serveradmin reads: of 592 recorded pairs of such
    /// answers 582 are the same to the byte, and those of the others that were looked at differ by a poll between them
    /// or by the owner's missing right. One whom they don't may still have a right by an access rule, so oned is asked.
    fn own_vm(&self, user: &User, authenticated: &Document) -> Result<Document, Refusal> {
        let owner_may_use = authenticated
            .pointer("/PERMISSIONS/OWNER_U")
            .and_then(Value::as_str)
            == Some("1");
        if owner_may_use && id(authenticated.get("UID")) == Some(user.id) {
            return Ok(authenticated.clone());
        }
        match id(authenticated.get("ID")) {
            Some(vm) => self.vm(user, vm),
            None => Err(Refusal::NotFound),
        }
    }

    fn vms(&self, user: &User, vms: &[Id]) -> Result<Vec<Document>, Refusal> {
        if vms.is_empty() {
            return Ok(Vec::new());
        }
        let ids: BTreeSet<Id> = vms.iter().copied().collect();
        let ids: Vec<String> = ids.iter().map(Id::to_string).collect();
        let ids = ids.join(",");
        let parameters = [ids.as_str().into(), true.into()];
        self.call(
            Some(user),
            "one.vmpool.infoset",
            &parameters,
            Repeat::Harmless,
            |xml| {
                let pool = document::parse(&xml, "VM_POOL")?;
                Ok(list(pool.get("VM")).iter().cloned().map(Arc::new).collect())
            },
        )
    }

    fn service(&self, user: &User, service: Id) -> Result<Document, Refusal> {
        let password = self.sessions.password(&user.name, now());
        let as_whom = Credentials {
            server: self.sessions.server(),
            password: &password,
        };
        oneflow::service(&self.oneflow, as_whom, service).map(Arc::new)
    }

    fn vrouter(&self, user: &User, vrouter: Id) -> Result<Document, Refusal> {
        self.info(Some(user), "one.vrouter.info", vrouter, "VROUTER")
    }

    fn vnet(&self, user: &User, vnet: Id) -> Result<Document, Refusal> {
        self.info(Some(user), "one.vn.info", vnet, "VNET")
    }

    fn update(&self, user: &User, vm: Id, attributes: &[Attribute]) -> Result<(), Refusal> {
        let template = user_template::template(attributes).map_err(Refusal::Invalid)?;
        let _beside_others = self
            .writer(vm)
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        self.write(user, vm, &template, MERGE, Repeat::Harmless)
    }

    /// oned has no call to erase: the record is read and the rest of it written back, as the Ruby server does. Other
    /// updates through this server wait meanwhile; one made elsewhere between the two calls is lost.
    fn erase(&self, user: &User, vm: Id, name: &str) -> Result<(), Refusal> {
        let _alone = self
            .writer(vm)
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let record = self.vm(user, vm)?;
        let mut rest =
            user_template::attributes(record.get("USER_TEMPLATE").unwrap_or(&Value::Null));
        let before = rest.len();
        rest.retain(|attribute| attribute.name != name);
        if rest.len() == before {
            return Err(Refusal::Failed("attribute not found".to_string()));
        }
        let template = user_template::template(&rest).map_err(|why| {
            Refusal::Invalid(format!(
                "{name} can't be erased without a change to the rest: {why}"
            ))
        })?;
        self.write(user, vm, &template, REPLACE, Repeat::Never)
    }

    fn act(&self, user: &User, vm: Id, action: &VmAction) -> Result<(), Refusal> {
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
                user_template::check(&format!("What {name} takes"), text)
                    .map_err(Refusal::Invalid)?;
                (name, vec![vm, text.as_str().into()])
            }
        };
        self.call(
            Some(user),
            &format!("one.vm.{method}"),
            &parameters,
            Repeat::Never,
            |_| Ok(()),
        )
    }

    fn scale(&self, user: &User, service: Id, role: &str, cardinality: u32) -> Result<(), Refusal> {
        let password = self.sessions.password(&user.name, now());
        let as_whom = Credentials {
            server: self.sessions.server(),
            password: &password,
        };
        oneflow::scale(&self.oneflow, as_whom, service, role, cardinality)
    }
}

/// Unix time. A clock before 1970 makes sessions that oned refuses.
fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
