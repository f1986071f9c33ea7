// The page: what the server sends, and when it is shown. Everything that is received is text.

import { meaning, plural, setText, sync, timeOfDay } from "./dom.js";
import { Service, size, VmList } from "./service.js";
import { author, place, Timeline } from "./timeline.js";

/** How many services are unfolded from the start. */
const UNFOLDED = 6;
/** How often a screen reader is told at most, in milliseconds, and how many events at once. */
const ANNOUNCE_EVERY = 5000;
const ANNOUNCED = 3;
/** How long after a connection events are history, which is not announced. */
const HISTORY = 2000;
/** When to try again where the browser does not by itself. */
const RETRY = 5000;

const $ = (id) => document.getElementById(id);

/** The services as they were sent last, and what shows them, by id. */
const services = new Map();
const rows = new Map();
let outside = { vms: [], more: 0 };
/** Of how long ago samples are kept. */
let minutes = 10;
let framed = false;
/** What the reader folded or unfolded stays so when the server comes back. */
const folded = new Map();
/** The server's clock minus this one, in milliseconds. */
let ahead = 0;
let live = false;
/** Whether all that there was at the connection has come. */
let whole = false;
/** Since when there is a connection, and since when there is none, for people. */
let connectedAt = 0;
let lostAt = null;
/** What a screen reader is told next, and when it was told last. */
const waiting = [];
let announcedAt = -Infinity;

const outsideList = new VmList();
$("outside-list").replaceWith(...outsideList.nodes);
const timeline = new Timeline({ list: $("events"), kinds: $("kinds"), save: $("save"), older: $("older") });
const now = () => Date.now() + ahead;

/** What to do with each kind of message. */
const MESSAGES = {
  hello({ version, limits, now: sent }) {
    forget();
    minutes = limits?.samples_minutes ?? minutes;
    ahead = typeof sent === "number" ? sent - Date.now() : 0;
    connectedAt = performance.now();
    setText($("version"), version ?? "");
    connection(true);
  },
  service(doc) {
    // What a service says of times was so when its document was made; it is not sent again as long as nothing changes.
    const age = (doc.age ?? 0) * 1000;
    // Its times are by the cloud's clock, which may have been put ahead.
    services.set(doc.id, { ...doc, now: now(), made: now() - age + (doc.ahead ?? 0) * 1000, since: performance.now() - age });
    row(doc.id).sample(doc.samples);
  },
  gone({ id }) {
    services.delete(id);
  },
  vms(list) {
    outside = list;
    // After the services.
    whole = true;
  },
  timeline(event) {
    timeline.add(event);
    if (["decision", "service"].includes(event.kind)) announce(event);
  },
};

function forget() {
  services.clear();
  rows.clear();
  waiting.length = 0;
  whole = false;
  outside = { vms: [], more: 0 };
  $("service-list").replaceChildren();
  timeline.clear();
}

/** What shows a service. */
function row(id) {
  if (!rows.has(id)) rows.set(id, new Service(id, { minutes, onFold: (open) => folded.set(id, open) }));
  return rows.get(id);
}

function schedule() {
  if (framed) return;
  framed = true;
  requestAnimationFrame(() => {
    framed = false;
    render();
  });
}

function render() {
  const list = [...services.values()].sort((one, other) => one.id - other.id);
  // The first few are unfolded, unless the reader said otherwise.
  list.forEach(({ id }, index) => row(id).open(folded.get(id) ?? index < UNFOLDED));
  sync($("service-list"), rows, list, ({ id }) => id, ({ id }) => row(id));
  $("no-services").hidden = !live || !whole || list.length > 0;

  $("outside").hidden = outside.vms.length === 0;
  outsideList.update(outside.vms, new Set(["READY"]), outside.more);

  const all = [...list.flatMap(({ roles }) => roles), { nodes: outside.vms, more_nodes: outside.more }];
  const vms = all.reduce((count, role) => count + size(role), 0);
  const runs = ({ state }) => meaning(state) === "ok";
  const running = all.reduce((count, { nodes }) => count + nodes.filter(runs).length, 0);
  const counts = `${plural(list.length, "service")}, ${plural(vms, "VM")}, ${running.toLocaleString("en")} running`;
  setText($("counts"), whole ? counts : "loading…");
  timeline.render();
}

/** Says how the connection is. */
function connection(isLive, why) {
  live = isLive;
  document.body.classList.toggle("stale", !isLive);
  const node = $("connection");
  node.className = isLive ? "ok" : "warn";
  setText(node, isLive ? "live" : "reconnecting…");
  $("lost").hidden = isLive;
  if (!isLive && why) setText($("lost"), why);
}

function connect() {
  const source = new EventSource("events");
  for (const [name, handle] of Object.entries(MESSAGES)) {
    source.addEventListener(name, ({ data }) => {
      lostAt = null;
      handle(JSON.parse(data));
      schedule();
    });
  }
  source.addEventListener("error", () => {
    lostAt ??= timeOfDay(Date.now());
    // The browser tries again by itself, unless the server answered something else than a stream.
    const refused = source.readyState === EventSource.CLOSED;
    const why = refused ? "The server refuses the stream: it may have too many viewers" : "The server can't be reached";
    connection(false, `${why} (since ${lostAt}). What you see is as it was then.`);
    if (refused) setTimeout(connect, RETRY);
  });
}

/** Tells a screen reader, soon and not too often. */
function announce(event) {
  if (performance.now() - connectedAt < HISTORY) return;
  waiting.push(event);
}

function speak() {
  if (waiting.length === 0 || performance.now() - announcedAt < ANNOUNCE_EVERY) return;
  announcedAt = performance.now();
  const told = waiting.slice(-ANNOUNCED).map((event) => `${place(event)}: ${event.text} ${author(event)}`.trim());
  const left = waiting.length - told.length;
  waiting.length = 0;
  const text = `${left > 0 ? `${plural(left, "earlier event")}. ` : ""}${told.join(". ")}.`;
  setText($("announcements"), text);
}

setInterval(() => {
  if (document.hidden) return;
  speak();
  if (live) for (const service of rows.values()) service.tick(now());
}, 1000);

connect();
