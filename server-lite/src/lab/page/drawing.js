// The timeline as a drawing of its own, to be saved: lanes of services, roles and VMs over a time axis, and below them
// the events in words. It needs nothing of the page: colours and fonts are attributes, for Inkscape too.

import { meaning, svg, timeOfDay } from "./dom.js";
import { author, place } from "./timeline.js";

const WIDTH = 1200;
const LABELS = 170;
const RIGHT = WIDTH - 30;
const LANE = 24;
const ROW = 17;
/** How many lanes are drawn, and how many characters and lines of a text. */
const LANES = 60;
const COLUMNS = 112;
const LINES = 3;
/** The possible distances of the axis' marks, in seconds. */
const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 86400];

const INK = "#1c2128";
const SOFT = "#57606a";
const LINE = "#d5dbe1";
const STATES = { ok: "#c7ecd1", busy: "#cfe3fb", warn: "#fbe3b5", bad: "#fbd0d1", idle: "#e4e8ec" };
/** What stands for an event that is no state: its colour, and its shape around 0, 0. */
const MARKS = {
  update: ["#57606a", "M-1 -6H1V6H-1Z"],
  action: ["#0a58b0", "M-5 -5L5 0L-5 5Z"],
  scale: ["#855300", "M0 -6L6 0L0 6L-6 0Z"],
  refusal: ["#b81d24", "M-5 -3L-3 -5L0 -2L3 -5L5 -3L2 0L5 3L3 5L0 2L-3 5L-5 3L-2 0Z"],
  decision: ["#855300", "M-5 -5H5V5H-5Z"],
  process: ["#0a58b0", "M-5 -2H5V2H-5Z"],
  fault: ["#b81d24", "M0 -6L6 5H-6Z"],
  server: ["#1c2128", "M-2 -8H2V8H-2Z"],
};

/** An SVG element that shows these events, oldest first. */
export function drawing(all) {
  const events = all.filter((event) => event.left_out === undefined).map((event) => ({ ...event, at: Date.parse(event.time) }));
  const left = all.reduce((count, event) => count + (event.left_out ?? 0), 0);
  const from = events[0]?.at ?? Date.now();
  const until = Math.max(events[events.length - 1]?.at ?? from, from + 1000);
  const x = (at) => LABELS + ((at - from) / (until - from)) * (RIGHT - LABELS);

  const lanes = lanesOf(events);
  const drawn = lanes.slice(0, LANES);
  const top = 100;
  const bottom = top + drawn.length * LANE;
  const parts = [heading(from, until, events.length, left), legend(events), axis(x, from, until, top, bottom)];
  drawn.forEach((lane, index) => parts.push(drawLane(lane, x, until, top + index * LANE)));
  let y = bottom + 20;
  if (lanes.length > LANES) {
    parts.push(words(20, y, `${lanes.length - LANES} more services, roles and VMs are in the list below only.`, { fill: SOFT }));
    y += ROW;
  }
  y += 20;
  for (const event of events) {
    const lines = wrap(said(event));
    parts.push(listed(event, lines, y));
    y += lines.length * ROW;
  }
  const title = svg("title", {}, `Timeline from ${timeOfDay(from)} to ${timeOfDay(until)}`);
  return svg("svg", { viewBox: `0 0 ${WIDTH} ${y + 10}`, width: WIDTH, height: y + 10, "font-size": 12, fill: INK,
    "font-family": "system-ui, 'DejaVu Sans', sans-serif", role: "img" },
    title, svg("rect", { width: WIDTH, height: y + 10, fill: "#fff" }), ...parts);
}

function heading(from, until, count, left) {
  const day = new Date(from).toLocaleDateString("en-GB", { dateStyle: "long" });
  const omitted = left ? `, ${left} left out` : "";
  return svg("g", {},
    words(20, 30, "Timeline", { "font-size": 18, "font-weight": "bold" }),
    words(125, 30, `${day}, ${timeOfDay(from)} to ${timeOfDay(until)}: ${count} events${omitted}`, { fill: SOFT }));
}

function legend(events) {
  const drawn = new Set(events.map(({ kind }) => kind));
  const entries = Object.entries(MARKS).filter(([kind]) => drawn.has(kind)).map(([kind, [fill, shape]], index) => svg("g", { transform: `translate(${26 + index * 90} 54)` },
    svg("path", { d: shape, fill }), words(10, 4, kind, { fill: SOFT })));
  return svg("g", {}, ...entries);
}

function axis(x, from, until, top, bottom) {
  const seconds = (until - from) / 1000;
  const step = (STEPS.find((step) => seconds / step <= 10) ?? STEPS[STEPS.length - 1]) * 1000;
  const parts = [];
  for (let at = Math.ceil(from / step) * step; at <= until; at += step) {
    parts.push(svg("path", { d: `M${round(x(at))} ${top - 6}V${bottom}`, stroke: LINE }));
    const tenths = step < 1000 ? `.${Math.floor((at % 1000) / 100)}` : "";
    parts.push(words(x(at), top - 11, timeOfDay(at) + tenths, { fill: SOFT, "text-anchor": "middle" }));
  }
  return svg("g", {}, ...parts);
}

/** Events by what they happened to: a service, then its roles, then its VMs; VMs of no service; the server. */
function lanesOf(events) {
  const lanes = new Map();
  const home = new Map();
  for (const { vm, service } of events) if (vm !== undefined && service !== undefined) home.set(vm, service);
  for (const event of events) {
    const { vm, role } = event;
    const service = event.service ?? home.get(vm);
    const level = vm !== undefined ? 2 : role !== undefined ? 1 : 0;
    const order = [service ?? (vm === undefined ? -1 : Infinity), level, level === 1 ? role : (vm ?? 0)];
    const key = JSON.stringify(order);
    if (!lanes.has(key)) {
      const name = [`service ${service}`, role, `VM ${vm}`][level];
      lanes.set(key, { order, name: service === undefined && level === 0 ? "server" : name, events: [] });
    }
    lanes.get(key).events.push(event);
  }
  const compare = (one, other) => (one === other ? 0 : one < other ? -1 : 1);
  const sorted = [...lanes.values()];
  return sorted.sort((one, other) => one.order.map((part, index) => compare(part, other.order[index])).find(Boolean) ?? 0);
}

function drawLane({ name, order, events }, x, until, y) {
  const middle = y + LANE / 2;
  const parts = [svg("path", { d: `M20 ${y}H${RIGHT}`, stroke: LINE })];
  parts.push(words(20 + order[1] * 12, middle + 4, cut(name, 24), { "font-weight": order[1] === 0 ? "bold" : "normal" }));
  for (const { state, from, to } of segments(events, x, until)) {
    if (state === "DONE") continue;
    const width = Math.max(1, to - from);
    parts.push(svg("rect", { x: round(from), y: y + 4, width: round(width), height: LANE - 8, rx: 2, fill: STATES[meaning(state)] },
      svg("title", {}, clean(state))));
    if (state.length * 7 + 8 < width) parts.push(words(from + 5, middle + 4, state, { "font-size": 11 }));
  }
  for (const event of events) {
    const mark = MARKS[event.kind];
    if (!mark) continue;
    parts.push(svg("path", { d: mark[1], fill: mark[0], transform: `translate(${round(x(event.at))} ${middle})` },
      svg("title", {}, clean(`${timeOfDay(event.at)} ${said(event)}`))));
  }
  return svg("g", {}, ...parts);
}

/** The states that a VM, a role or a service went through. */
function segments(events, x, until) {
  const segments = [];
  let last = null;
  const end = (at) => last && segments.push({ ...last, to: x(at) });
  for (const { kind, text, at } of events.filter(({ kind }) => kind === "vm" || kind === "service")) {
    const [, before, after] = /^(\S+) -> (\S+)$/.exec(text) ?? [];
    const made = /^new: (?:.*, )?(\S+)$/.exec(text)?.[1];
    if (last === null && before) last = { state: before, from: LABELS, kind };
    end(at);
    last = after || made ? { state: after ?? made, from: x(at) } : null;
  }
  end(until);
  return segments;
}

/** An event in words. */
function said(event) {
  const by = author(event);
  return `${event.text}${by && `, ${by}`}`;
}

function listed(event, lines, y) {
  return svg("g", {},
    words(20, y, timeOfDay(event.at), { fill: SOFT }),
    words(90, y, event.kind, { fill: MARKS[event.kind]?.[0] ?? INK, "font-weight": "bold" }),
    words(160, y, cut(place(event), 34), { fill: SOFT }),
    ...lines.map((line, index) => words(390, y + index * ROW, line)));
}

/** Lines of a text, at most so many. */
function wrap(text) {
  const lines = [];
  let rest = clean(text);
  while (rest.length > COLUMNS && lines.length < LINES - 1) {
    const blank = rest.lastIndexOf(" ", COLUMNS);
    const end = blank > COLUMNS / 2 ? blank : COLUMNS;
    lines.push(rest.slice(0, end));
    rest = rest.slice(end).trimStart();
  }
  return [...lines, cut(rest, COLUMNS)];
}

function words(x, y, text, attributes = {}) {
  return svg("text", { x: round(x), y: round(y), ...attributes }, clean(text));
}

const round = (number) => Math.round(number * 10) / 10;
const cut = (text, length) => (text.length > length ? `${text.slice(0, length - 1)}…` : text);

/** Text that XML may hold, and that does not turn its neighbours around: no controls, halves of characters, or overrides. */
const clean = (text) => text.replace(/[^\P{C}\n\t\u00ad\u200c\u200d\p{Co}]|[\u202a-\u202e\u2066-\u2069\ufffe\uffff]/gu, "\ufffd");
