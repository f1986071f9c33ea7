// What every part of the page uses: nodes made from text, and changed only where they differ.
//
// What a guest wrote only ever becomes a text node or an attribute's value: nothing here parses markup.

const SVG = "http://www.w3.org/2000/svg";

/** An HTML element. Children are nodes, or texts. */
export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** An SVG element. */
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== null) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

/** A text of somebody else's, whose direction of writing stays its own. */
export const foreign = (text, attributes = {}) => el("bdi", attributes, text);

/** Sets a node's text, unless it has it. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Sets an attribute, unless it has that value. */
export function setAttribute(node, name, value) {
  if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

/**
 * Gives `parent` one child for each item, in their order, and leaves alone what is there already: whoever has the focus
 * keeps it. `rows` (a Map) remembers what `make(item)` returned, an object with `node` and `update(item)`.
 */
export function sync(parent, rows, items, key, make) {
  const wanted = new Set(items.map(key));
  for (const [known, row] of rows) {
    if (!wanted.has(known)) {
      row.node.remove();
      rows.delete(known);
    }
  }
  let next = parent.firstChild;
  for (const item of items) {
    let row = rows.get(key(item));
    if (!row) rows.set(key(item), (row = make(item)));
    row.update(item);
    if (row.node === next) next = next.nextSibling;
    else parent.insertBefore(row.node, next);
  }
}

/** What a state of a VM, a role or a service means to whoever watches: ok, busy, idle, warn or bad. */
export function meaning(state) {
  if (state === "RUNNING") return "ok";
  if (!state || /^(POWEROFF|SUSPENDED|STOPPED|UNDEPLOYED|HOLD|DONE|INIT)$/.test(state)) return "idle";
  if (/FAIL/.test(state)) return "bad";
  if (/^(UNKNOWN|WARNING)$/.test(state)) return "warn";
  return "busy";
}

/** Shows a state by a word, a colour and a shape. */
export class Badge {
  constructor() {
    this.word = document.createTextNode("");
    this.node = el("span", { class: "state" }, el("i", { class: "shape", "aria-hidden": "true" }), this.word);
  }

  update(state, count) {
    setAttribute(this.node, "class", `state ${meaning(state)}`);
    const text = `${count === undefined ? "" : `${count} `}${state ?? "no state"}`;
    if (this.word.data !== text) this.word.data = text;
  }
}

/** A text that counts down; `say(seconds)` words it. Nothing is shown without a time. */
export class Countdown {
  constructor(say) {
    this.say = say;
    this.node = el("span", { class: "countdown" });
  }

  /** So many seconds from this moment on, by `performance.now()`. */
  set(seconds, since) {
    this.until = typeof seconds === "number" ? since + seconds * 1000 : null;
    this.tick();
  }

  tick() {
    const left = this.until === null ? 0 : Math.max(0, Math.ceil((this.until - performance.now()) / 1000));
    setText(this.node, this.until === null ? "" : this.say(left));
  }
}

/** A time in words: `45 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`. */
export function duration(seconds) {
  const parts = [
    [Math.floor(seconds / 86400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "min"],
    [Math.floor(seconds) % 60, "s"],
  ];
  const first = parts.findIndex(([count]) => count > 0);
  if (first < 0) return "0 s";
  const shown = parts.slice(first, first + 2).filter(([count]) => count > 0);
  return shown.map(([count, unit]) => `${count} ${unit}`).join(" ");
}

/** `1 VM`, `3 VMs`. */
export const plural = (count, one) => `${count.toLocaleString("en")} ${one}${count === 1 ? "" : "s"}`;

const NUMBER = new Intl.NumberFormat("en", { maximumFractionDigits: 2, useGrouping: false });

/** A number as people read it: at most two decimals. */
export function figure(value) {
  if (Math.abs(value) >= 1e9) return value.toExponential(2);
  return NUMBER.format(value);
}

const CLOCK = new Intl.DateTimeFormat("en", { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });

/** The time of day, `16:12:34`, of milliseconds since 1970. */
export const timeOfDay = (ms) => CLOCK.format(ms);
