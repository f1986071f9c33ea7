// The timeline: what happened, newest first, the kinds that one wants to see.

import { el, foreign, setText, timeOfDay } from "./dom.js";
import { drawing } from "./drawing.js";

/** The kinds of events, as docs/testing.md has them, and what their filter is called. */
const KINDS = {
  update: "updates",
  action: "actions",
  scale: "scaling",
  refusal: "refusals",
  decision: "decisions",
  vm: "VMs",
  service: "services",
  process: "processes",
  fault: "faults",
  server: "server",
};
/** Guests alone decide how many there are of these: they do not displace the others. */
const OF_GUESTS = ["update", "action", "scale", "refusal"];
/** How many of each half are kept, and how many events are shown at most. */
const KEPT = 1000;
const SHOWN = 500;

export class Timeline {
  constructor({ list, kinds, save, older }) {
    Object.assign(this, { list, older });
    this.boxes = new Map();
    for (const [kind, word] of Object.entries(KINDS)) {
      const box = el("input", { type: "checkbox", checked: "", value: kind });
      box.addEventListener("change", () => {
        this.rebuild();
        this.list.scrollTop = 0;
      });
      this.boxes.set(kind, box);
      kinds.append(el("label", {}, box, word));
    }
    save.addEventListener("click", () => this.save());
    this.clear();
  }

  clear() {
    this.kept = { guests: [], others: [] };
    this.pending = [];
    this.arrived = 0;
    this.repeats = new Map();
    this.list.replaceChildren();
    this.older.hidden = true;
  }

  add(event) {
    event.order = this.arrived++;
    const half = OF_GUESTS.includes(event.kind) ? this.kept.guests : this.kept.others;
    half.push(event);
    if (half.length > KEPT) half.shift();
    // A page that nobody looks at is not drawn: beyond so many it is made anew.
    if (this.pending?.push(event) > SHOWN) this.pending = null;
  }

  /** Whether events of this kind are wanted; a gap always is. */
  wants(event) {
    const box = this.boxes.get(event.kind);
    return !box || box.checked;
  }

  /** The events that the list has, oldest first. */
  shown() {
    const all = [...this.kept.guests, ...this.kept.others].filter((event) => this.wants(event));
    return all.sort((one, other) => one.order - other.order).slice(-SHOWN);
  }

  /** Shows what was added since. */
  render() {
    if (!this.pending) return this.rebuild();
    const added = this.pending.filter((event) => this.wants(event));
    this.pending = [];
    this.list.prepend(...this.items(added));
    while (this.list.childElementCount > SHOWN) this.list.lastChild.remove();
    this.older.hidden = this.list.childElementCount < SHOWN;
  }

  rebuild() {
    this.pending = [];
    this.repeats.clear();
    this.list.replaceChildren(...this.items(this.shown()));
    this.older.hidden = this.list.childElementCount < SHOWN;
  }

  /** What shows these events, newest first. What a guest repeats before anything else happens counts at the first one. */
  items(events) {
    const items = [];
    for (const event of events) {
      const guests = OF_GUESTS.includes(event.kind);
      if (!guests) this.repeats.clear();
      const key = guests && JSON.stringify([event.kind, place(event), event.by, event.text]);
      const known = this.repeats.get(key);
      if (known) {
        known.again(event);
        continue;
      }
      const made = new Item(event);
      if (guests) this.repeats.set(key, made);
      items.unshift(made.node);
    }
    return items;
  }

  save() {
    const text = new XMLSerializer().serializeToString(drawing(this.shown()));
    const address = URL.createObjectURL(new Blob([text], { type: "image/svg+xml" }));
    const time = new Date().toISOString().slice(0, 19).replaceAll(":", "");
    el("a", { href: address, download: `timeline-${time}.svg` }).click();
    // The download has begun by then.
    setTimeout(() => URL.revokeObjectURL(address), 10_000);
  }
}

/** Where it happened: `service 1 · web · VM 3`. */
export function place({ service, role, vm }) {
  const parts = [service !== undefined && `service ${service}`, role, vm !== undefined && `VM ${vm}`];
  return parts.filter(Boolean).join(" · ");
}

/** Who had it happen, unless it is the VM that it happened to. */
export function author({ by, vm }) {
  if (by === undefined || by === vm) return "";
  return typeof by === "number" ? `by VM ${by}` : `by the ${by}`;
}

/** An event's place in the list. */
class Item {
  constructor(event) {
    if (event.left_out !== undefined) {
      this.node = el("li", { class: "gap" }, `${event.left_out.toLocaleString("en")} events left out here`);
      return;
    }
    const by = author(event);
    this.count = 1;
    this.times = el("span", { class: "soft" });
    this.node = el("li", { "data-kind": event.kind, "data-event": event.event },
      el("time", { datetime: event.time, title: event.time }, timeOfDay(Date.parse(event.time))),
      el("span", { class: "kind" }, event.kind),
      foreign(place(event), { class: "place" }),
      el("p", {}, foreign(event.text), by && `, ${by}`, this.times));
  }

  /** The same happened again. */
  again({ time }) {
    this.count += 1;
    setText(this.times, ` ${this.count.toLocaleString("en")} times, until ${timeOfDay(Date.parse(time))}`);
  }
}
