// A service: its roles with their VMs, their policies and their plots. What did not change is left as it is.

import { Badge, Countdown, duration, el, foreign, meaning, plural, setAttribute, setText, sync, timeOfDay } from "./dom.js";
import { Plot, Samples } from "./plot.js";

/** How many VMs of a role are shown before somebody asks for all. */
const VMS_SHOWN = 30;
/** How many attributes stand beside a VM; the rest is in its details. */
const ATTRIBUTES_SHOWN = 4;
/** How long a changed attribute is highlighted, in milliseconds. */
const HIGHLIGHT = 1200;
/** Attributes that say no more than where the VM stands on this page. */
const PLACE = ["SERVICE_ID", "ROLE_NAME"];
/** Troubled VMs come first where not all are shown. */
const URGENCY = ["bad", "warn", "idle", "busy", "ok"];

export class Service {
  /** `onFold(open)` hears what the reader does. */
  constructor(id, { minutes, onFold }) {
    Object.assign(this, { id, minutes });
    this.samples = new Map();
    this.roles = new Map();
    this.name = el("bdi");
    this.state = new Badge();
    this.tally = el("span", { class: "soft" });
    this.poll = new Countdown((left) => (left ? `next poll in ${duration(left)}` : "poll due"));
    this.body = el("div", { id: `service-${id}` });
    this.toggle = el("button", { type: "button", class: "fold", "aria-controls": this.body.id }, this.name);
    this.toggle.addEventListener("click", () => {
      this.open(!this.isOpen);
      onFold(this.isOpen);
    });
    this.node = el("article", { class: "card service", "aria-labelledby": `service-${id}-name`, "data-service": id },
      el("div", { class: "title" }, el("h3", { id: `service-${id}-name` }, this.toggle),
        el("span", { class: "soft" }, `service ${id}`), this.tally, this.poll.node, this.state.node),
      this.body);
    this.open(false);
  }

  /** Shows or hides the roles; what is hidden is not kept up to date. */
  open(open) {
    if (this.isOpen === open) return;
    this.isOpen = open;
    this.body.hidden = !open;
    this.toggle.setAttribute("aria-expanded", String(open));
    if (this.doc) this.show(this.doc);
  }

  /** Keeps new samples, whether the service is shown or not. */
  sample(samples) {
    for (const { role, name, points } of samples ?? []) {
      this.samplesOf(role, name).add(points);
    }
  }

  samplesOf(role, name) {
    const key = JSON.stringify([role, name]);
    if (!this.samples.has(key)) this.samples.set(key, new Samples(this.minutes));
    return this.samples.get(key);
  }

  update(doc) {
    if (doc === this.doc) return;
    this.doc = doc;
    this.now = doc.now;
    this.show(doc);
  }

  show(doc) {
    setText(this.name, doc.name ?? `service ${this.id}`);
    this.state.update(doc.state);
    this.poll.set(doc.state === "RUNNING" ? doc.next_poll_in : null, doc.since);
    const vms = doc.roles.reduce((count, role) => count + size(role), 0);
    setText(this.tally, `${plural(doc.roles.length, "role")}, ${plural(vms, "VM")}`);
    this.tally.hidden = this.isOpen;
    if (!this.isOpen) return;
    sync(this.body, this.roles, doc.roles, (role) => role.name, (role) => ({
      role: new Role(this, role.name),
      get node() { return this.role.node; },
      update(role) { this.role.update(role); },
    }));
  }

  tick(now) {
    this.now = now;
    this.poll.tick();
    if (!this.isOpen) return;
    for (const { role } of this.roles.values()) role.tick(now);
  }
}

/** How many VMs a role has, sent or not. */
export const size = ({ nodes, more_nodes: left }) => nodes.length + (left ?? 0);

class Role {
  constructor(service, name) {
    this.service = service;
    this.name = name;
    this.state = new Badge();
    this.size = el("span", { class: "soft size" });
    this.cooldown = new Countdown((left) => (left ? `cooldown ${duration(left)}` : "cooldown ends"));
    this.tally = el("span", { class: "tally" });
    this.tallies = new Map();
    this.decision = el("p", { class: "decision" });
    this.vms = new VmList();
    this.plots = new Map();
    this.plotList = el("div", { class: "plots" });
    this.policies = el("ul", { class: "policies" });
    this.policyRows = new Map();
    this.measures = el("div", { class: "measures" }, this.plotList, this.policies);
    // Its name may have blanks, which an id may not.
    const id = `service-${service.id}-role-${service.roles.size}`;
    this.node = el("section", { class: "role", "aria-labelledby": id, "data-role": name },
      el("div", { class: "title" }, el("h4", { id }, foreign(name)), this.state.node, this.size, this.cooldown.node,
        this.tally),
      el("div", { class: "columns" }, el("div", {}, ...this.vms.nodes, this.decision), this.measures));
  }

  update(role) {
    const { service } = this;
    this.state.update(role.state);
    const limits = [["min", role.min_vms], ["max", role.max_vms]].filter(([, limit]) => typeof limit === "number");
    const limited = limits.map(([word, limit]) => `${word} ${limit}`).join(", ");
    setText(this.size, `cardinality ${role.cardinality}${limited && ` (${limited})`}`);
    this.cooldown.set(role.cooldown_left, service.doc.since);
    this.count(role.nodes);

    const policies = role.elasticity_policies ?? [];
    const comparisons = policies.flatMap((policy) => policy.comparisons ?? []);
    const names = Object.keys(role.averages ?? {});
    this.vms.update(role.nodes, new Set(["READY", ...names]), role.more_nodes);
    sync(this.plotList, this.plots, names, (name) => name, (name) => {
      const plot = new Plot(this.name, name);
      return { plot, node: plot.node, update() {} };
    });
    for (const [name, { plot }] of this.plots) {
      plot.update({
        average: role.averages[name],
        comparisons: comparisons.filter((one) => one.name === name),
        samples: service.samplesOf(this.name, name),
        now: service.now,
      });
    }

    const decisions = service.doc.decisions.filter((decision) => decision.role === this.name);
    // A decision names its policy in parentheses: (elasticity policy 0, CHANGE 1).
    const listed = (kind, policies) => policies.map((policy, index) => {
      const key = `${kind} policy ${index}`;
      return { key, role, policy, decision: decisions.filter(({ decision }) => decision.includes(`(${key},`)).pop() };
    });
    const rows = [...listed("elasticity", policies), ...listed("scheduled", role.scheduled_policies ?? [])];
    sync(this.policies, this.policyRows, rows, ({ key }) => key, ({ key }) => {
      const row = key.startsWith("elasticity") ? new ElasticityPolicy(key) : new ScheduledPolicy(key);
      return { row, node: row.node, update: (item) => row.update(item, service.doc) };
    });
    this.measures.hidden = rows.length === 0;
    showDecision(this.decision, decisions.filter(({ decision }) => !/\((elasticity|scheduled) policy \d+,/.test(decision)).pop());
  }

  /** How many VMs are in which state. */
  count(nodes) {
    const counts = new Map();
    for (const { state } of nodes) counts.set(state, (counts.get(state) ?? 0) + 1);
    sync(this.tally, this.tallies, [...counts], ([state]) => state, () => {
      const badge = new Badge();
      return { node: badge.node, update: ([state, count]) => badge.update(state, count) };
    });
  }

  tick(now) {
    this.cooldown.tick();
    for (const { plot } of this.plots.values()) plot.tick(now);
    for (const { row } of this.policyRows.values()) row.next.tick();
  }
}

/** VMs, the first few of many, a button for the others, and how many there are that the server did not send. */
export class VmList {
  constructor() {
    this.list = el("ul", { class: "vms" });
    this.more = el("button", { type: "button", class: "more", hidden: "" });
    this.more.addEventListener("click", () => {
      this.all = !this.all;
      this.update(this.vms, this.watched, this.left);
    });
    this.note = el("p", { class: "note", hidden: "" });
    this.nodes = [this.list, this.more, this.note];
    this.rows = new Map();
    this.all = false;
  }

  update(vms, watched, left = 0) {
    Object.assign(this, { vms, watched, left });
    this.note.hidden = left === 0;
    setText(this.note, `${plural(left, "more VM")} left out by the server`);
    const surplus = vms.length - VMS_SHOWN;
    let shown = vms;
    if (surplus > 0 && !this.all) {
      const urgency = (vm) => URGENCY.indexOf(meaning(vm.state));
      shown = [...vms].sort((one, other) => urgency(one) - urgency(other)).slice(0, VMS_SHOWN);
    }
    this.more.hidden = surplus <= 0;
    setText(this.more, this.all ? `show ${VMS_SHOWN} only` : `and ${surplus.toLocaleString("en")} more: show all`);
    sync(this.list, this.rows, shown, (vm) => vm.vm, (vm) => {
      const row = new Vm(vm.vm);
      return { node: row.node, update: (vm) => row.update(vm, this.watched) };
    });
  }
}

class Vm {
  constructor(id) {
    this.state = new Badge();
    this.name = el("bdi", { class: "name" });
    this.ip = el("span", { class: "ip" });
    this.chips = el("span", { class: "chips" });
    this.chipRows = new Map();
    this.all = el("tbody");
    this.allRows = new Map();
    this.more = el("p", { class: "note", hidden: "" });
    const head = el("tr", {}, el("th", { scope: "col" }, "attribute"), el("th", { scope: "col" }, "value"));
    this.details = el("details", {},
      el("summary", {}, el("span", { class: "id" }, `VM ${id}`), this.state.node, this.name,
        el("span", { class: "second" }, this.ip, this.chips)),
      el("table", {}, el("caption", { class: "unseen" }, `Attributes of VM ${id}`), el("thead", {}, head), this.all),
      this.more);
    this.details.addEventListener("toggle", () => this.list());
    this.node = el("li", { "data-vm": id }, this.details);
    this.attributes = null;
    this.changed = new Set();
  }

  update(vm, watched) {
    // Most of a service's VMs are as they were.
    const fingerprint = JSON.stringify(vm);
    if (fingerprint === this.fingerprint) return;
    this.fingerprint = fingerprint;
    this.state.update(vm.state);
    setText(this.name, vm.name ?? "");
    setText(this.ip, vm.ip ?? "no address");
    const before = this.attributes;
    this.attributes = vm.attributes ?? {};
    this.left = vm.more_attributes ?? 0;
    const entries = Object.entries(this.attributes);
    const differs = ([key, value]) => before !== null && before[key] !== value;
    this.changed = new Set(entries.filter(differs).map(([key]) => key));
    const order = [...watched];
    const rank = ([key]) => (watched.has(key) ? order.indexOf(key) : order.length);
    const shown = entries.filter(([key]) => !PLACE.includes(key)).sort((one, other) => rank(one) - rank(other));
    sync(this.chips, this.chipRows, shown.slice(0, ATTRIBUTES_SHOWN), ([key]) => key, ([key]) => {
      const value = el("bdi", { class: "value" });
      const node = el("span", { class: "chip" }, foreign(key), "=", value);
      return { node, update: ([key, text]) => show(node, value, text, this.changed.has(key)) };
    });
    this.list();
    this.changed.clear();
  }

  /** The table of all attributes, while it is open. */
  list() {
    if (!this.details.open) return;
    sync(this.all, this.allRows, Object.entries(this.attributes), ([key]) => key, ([key]) => {
      const value = el("bdi");
      const node = el("tr", {}, el("th", { scope: "row" }, foreign(key)), el("td", {}, value));
      return { node, update: ([key, text]) => show(node, value, text, this.changed.has(key)) };
    });
    this.more.hidden = this.left === 0;
    setText(this.more, `${plural(this.left, "more attribute")} left out by the server`);
  }
}

/** Shows a value, and that it is new. */
function show(node, value, text, changed) {
  setText(value, text);
  if (!changed) return;
  node.classList.add("changed");
  setTimeout(() => node.classList.remove("changed"), HIGHLIGHT);
}

class ElasticityPolicy {
  constructor(key) {
    this.expression = el("code");
    this.adjust = el("span", { class: "adjust" });
    this.count = el("span");
    this.next = new Countdown((left) => (left ? `next in ${duration(left)}` : "due"));
    this.problem = el("p", { class: "problem", hidden: "" });
    this.decision = el("p", { class: "decision" });
    this.node = el("li", { class: "policy", "data-policy": key },
      el("p", { class: "rule" }, this.expression, this.adjust),
      el("p", { class: "soft" }, this.count, this.next.node), this.problem, this.decision);
  }

  update({ role, policy, decision }, { since }) {
    setText(this.expression, policy.expression ?? "(no expression)");
    setText(this.adjust, adjustment(policy));
    const wanted = Math.max(1, policy.period_number ?? 1);
    const count = policy.true_evals ?? 0;
    const period = policy.period ? `, evaluated every ${duration(policy.period)}` : "";
    // A role that is being scaled, or in trouble, is left alone.
    const runs = role.state === "RUNNING";
    setText(this.count, `now true ${count} of ${plural(wanted, "time")}${period}${runs ? "" : " while RUNNING"}`);
    setAttribute(this.node, "class", `policy${count > 0 ? " true" : ""}`);
    this.next.set(runs ? policy.next_eval_in : null, since);
    showProblem(this.problem, policy.problem);
    showDecision(this.decision, decision);
  }
}

class ScheduledPolicy {
  constructor(key) {
    this.when = el("code");
    this.adjust = el("span", { class: "adjust" });
    this.due = el("span");
    this.next = new Countdown((left) => `in ${duration(left)}`);
    this.problem = el("p", { class: "problem", hidden: "" });
    this.decision = el("p", { class: "decision" });
    this.node = el("li", { class: "policy", "data-policy": key },
      el("p", { class: "rule" }, this.when, this.adjust),
      el("p", { class: "soft" }, this.due, this.next.node), this.problem, this.decision);
  }

  update({ policy, decision }, { made, since }) {
    setText(this.when, String(policy.recurrence ?? policy.start_time ?? "(no time)"));
    setText(this.adjust, adjustment(policy));
    const due = typeof policy.next_due === "number" ? new Date(policy.next_due * 1000) : null;
    this.next.set(due && (due - made) / 1000, since);
    const when = { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
    setText(this.due, due ? `next due ${due.toLocaleString("en-GB", when)}` : "not due again");
    showProblem(this.problem, policy.problem);
    showDecision(this.decision, decision);
  }
}

/** What a policy does to the cardinality. */
function adjustment({ type, adjust, min_adjust_step: step }) {
  const signed = adjust > 0 ? `+${adjust}` : String(adjust);
  if (type === "PERCENTAGE_CHANGE") return `${type} ${signed} %${step ? `, at least ${step}` : ""}`;
  return `${type ?? "(no type)"} ${type === "CHANGE" ? signed : adjust}`;
}

function showProblem(node, problem) {
  node.hidden = !problem;
  setText(node, problem ? `never true: ${problem}` : "");
}

/** The latest decision, with its time and its reason. */
function showDecision(node, decision) {
  node.hidden = !decision;
  if (!decision || decision === node.shown) return;
  node.shown = decision;
  // The policy under which it stands has no need to be named.
  const text = decision.decision.replace(/ \((elasticity|scheduled) policy \d+,.*\)$/, "");
  const time = el("time", { class: "soft", datetime: new Date(decision.time * 1000).toISOString() },
    timeOfDay(decision.time * 1000));
  node.replaceChildren(time, " ", foreign(text));
}
