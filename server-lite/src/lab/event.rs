//! Something that happened in the embedded cloud, worth a line of its timeline.

use crate::flow::clock::Millis;
use crate::objects::document::Id;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

/// What sort of thing happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// A guest or the operator set or erased attributes of a VM.
    Update,
    /// A guest performed an action on a VM.
    Action,
    /// A guest set the cardinality of a role.
    Scale,
    /// The server did not do what a guest asked for.
    Refusal,
    /// The engine scaled a role, or a policy did not, and why.
    Decision,
    /// A VM was made, changed its state, or its record was removed.
    Vm,
    /// A service or one of its roles changed its state.
    Service,
    /// The process of a VM started, ended or could not start.
    Process,
    /// The operator made a fault, or ended one.
    Fault,
    /// The server itself: its start, its clock, an import.
    Server,
}

impl EventKind {
    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Update => "update",
            Self::Action => "action",
            Self::Scale => "scale",
            Self::Refusal => "refusal",
            Self::Decision => "decision",
            Self::Vm => "vm",
            Self::Service => "service",
            Self::Process => "process",
            Self::Fault => "fault",
            Self::Server => "server",
        }
    }

    /// Whether guests alone decide how many there are of it.
    pub(super) fn is_of_guests(self) -> bool {
        matches!(
            self,
            Self::Update | Self::Action | Self::Scale | Self::Refusal
        )
    }
}

/// Who had it happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// This VM, by its token.
    Vm(Id),
    /// Whoever has the control socket.
    Operator,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// 1 for the first, and one more for each: a gap is what the timeline no longer has.
    pub number: u64,
    /// When, by the system's clock.
    pub at: Millis,
    /// What sort of thing.
    pub kind: EventKind,
    /// The VM that it happened to.
    pub vm: Option<Id>,
    /// The service that it happened to.
    pub service: Option<Id>,
    /// The role that it happened to.
    pub role: Option<String>,
    /// Who had it happen; `None` where the cloud itself did, or nobody knows.
    pub by: Option<Actor>,
    /// The names of the attributes that an update sets or erases, the first few.
    pub keys: Vec<String>,
    /// What happened, for people. It has no value of an attribute but those that policies average.
    pub text: String,
}

impl Event {
    /// An event of now, to be pushed.
    pub fn new(kind: EventKind, text: impl Into<String>) -> Self {
        Self {
            number: 0,
            at: Timestamp::now().as_millisecond(),
            kind,
            vm: None,
            service: None,
            role: None,
            by: None,
            keys: Vec::new(),
            text: text.into(),
        }
    }

    /// The same, of a VM.
    pub fn of_vm(self, vm: Id) -> Self {
        Self {
            vm: Some(vm),
            ..self
        }
    }

    /// The same, of a service.
    pub fn of_service(self, service: Option<Id>) -> Self {
        Self { service, ..self }
    }

    /// The same, of a role.
    pub fn of_role(self, role: Option<&str>) -> Self {
        let role = role.map(str::to_owned);
        Self { role, ..self }
    }

    /// The same, done by somebody.
    pub fn by(self, by: Option<Actor>) -> Self {
        Self { by, ..self }
    }

    /// About how many bytes it takes.
    pub(super) fn size(&self) -> usize {
        let keys: usize = self.keys.iter().map(|key| key.len() + 24).sum();
        size_of::<Self>() + self.text.len() + self.role.as_ref().map_or(0, String::len) + keys
    }

    /// One JSON object: `event`, `time`, `kind`, then what is known of `vm`, `service`, `role`, `by` (a VM's id, or
    /// `"operator"`) and `keys`, and `text`.
    pub fn json(&self) -> Value {
        let time = Timestamp::from_millisecond(self.at).unwrap_or_default();
        let by = self.by.map(|by| match by {
            Actor::Vm(vm) => Value::from(vm),
            Actor::Operator => "operator".into(),
        });
        let keys = (!self.keys.is_empty()).then(|| self.keys.clone().into());
        let fields = [
            ("event", Some(self.number.into())),
            // Always as long: as text it sorts.
            ("time", Some(format!("{time:.3}").into())),
            ("kind", Some(self.kind.name().into())),
            ("vm", self.vm.map(Value::from)),
            ("service", self.service.map(Value::from)),
            ("role", self.role.clone().map(Value::from)),
            ("by", by),
            ("keys", keys),
            ("text", Some(self.text.clone().into())),
        ];
        let known = fields.into_iter();
        let known = known.filter_map(|(name, value)| Some((name.to_owned(), value?)));
        Value::Object(Map::from_iter(known))
    }
}

/// A line for people of what [`Event::json`] says: `12:30:01.123  service 1  web  VM 3  BOOT -> RUNNING`.
pub fn line(event: &Value, zone: &TimeZone) -> String {
    let text = |key| event.get(key).and_then(Value::as_str);
    let number = |key| event.get(key).and_then(Value::as_u64);
    let time = time(event.get("time")).to_zoned(zone.clone());
    let kind = text("kind").unwrap_or_default();
    let mut line = format!("{}  {kind:<8}", time.strftime("%T%.3f"));
    let places = [
        number("service").map(|service| format!("service {service}")),
        text("role").map(str::to_owned),
        number("vm").map(|vm| format!("VM {vm}")),
    ];
    for place in places.into_iter().flatten() {
        line = line + "  " + &place;
    }
    let told = text("text").unwrap_or_default();
    match number("by") {
        _ if text("by").is_some() => format!("{line}  operator: {told}"),
        Some(by) if number("vm") != Some(by) => format!("{line}  {told}, by VM {by}"),
        _ => format!("{line}  {told}"),
    }
}

/// A time as JSON has it; the beginning of 1970 where it is none.
pub fn time(value: Option<&Value>) -> Timestamp {
    let text = value.and_then(Value::as_str);
    text.and_then(|text| text.parse().ok()).unwrap_or_default()
}
