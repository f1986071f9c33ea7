// The plot of one average of a role over the last minutes, with the thresholds that its policies compare it with.

import { el, figure, setAttribute, setText, svg, timeOfDay } from "./dom.js";

const HEIGHT = 116;
const MARGIN = { top: 10, bottom: 20 };
/** How wide a digit is. */
const DIGIT = 7;
/** Values beyond are drawn there: their differences would be beyond all numbers. */
const LARGEST = 1e300;
/** The spans that the time axis may have and the distance of their marks, in seconds. */
const SPANS = [[60, 30], [120, 60], [300, 60], [600, 120], [1800, 600], [3600, 900]];
/** How far apart the marks of the time are at least. */
const MARK = 52;
/** How many changes the table lists. */
const LISTED = 20;

const HOLDS = {
  ">": (value, threshold) => value > threshold,
  ">=": (value, threshold) => value >= threshold,
  "<": (value, threshold) => value < threshold,
  "<=": (value, threshold) => value <= threshold,
  "=": (value, threshold) => value === threshold,
  "==": (value, threshold) => value === threshold,
  "!=": (value, threshold) => value !== threshold,
  "<>": (value, threshold) => value !== threshold,
};

const bounded = (value) => Math.min(LARGEST, Math.max(-LARGEST, value));

/**
 * What an average was, by time. A value holds until the next one, so only changes are kept; `null` is a time without an
 * average. The last change before the window stays, as it holds at the window's beginning.
 */
export class Samples {
  constructor(minutes) {
    this.window = minutes * 60_000;
    this.points = [];
  }

  add(points) {
    for (const [time, value] of points) {
      // What is later is from before the clock was set back.
      while (this.points.length && this.points[this.points.length - 1][0] > time) this.points.pop();
      const last = this.points[this.points.length - 1];
      if (!last || last[1] !== value) this.points.push([time, value]);
    }
    const newest = points.length ? points[points.length - 1][0] : 0;
    while (this.points.length > 1 && this.points[1][0] < newest - this.window) this.points.shift();
  }

  /** The value that held at this time. */
  at(time) {
    let value = null;
    for (const point of this.points) {
      if (point[0] > time) break;
      value = point[1];
    }
    return value;
  }
}

export class Plot {
  constructor(role, name) {
    this.role = role;
    this.name = name;
    this.title = el("bdi", { class: "name" }, name);
    this.value = el("strong");
    this.drawing = svg("svg", { role: "img", height: HEIGHT, class: "plot" });
    this.rows = el("tbody");
    const head = el("tr", {}, el("th", { scope: "col" }, "from"), el("th", { scope: "col" }, "average"));
    const caption = el("caption", { class: "unseen" }, `Averages of ${name} over role ${role}, newest first`);
    this.table = el("details", { class: "figures" }, el("summary", {}, "as a table"),
      el("table", {}, caption, el("thead", {}, head), this.rows));
    this.table.addEventListener("toggle", () => this.list());
    this.node = el("figure", {},
      el("figcaption", {}, this.title, " average ", this.value), this.drawing, this.table);
    this.width = 0;
    new ResizeObserver(([entry]) => {
      this.width = Math.floor(entry.contentRect.width);
      this.draw();
    }).observe(this.node);
  }

  /** `comparisons` are of all policies of the role that compare this name, `now` is the server's time. */
  update({ average, comparisons, samples, now }) {
    Object.assign(this, { average, samples, now });
    this.thresholds = [];
    for (const { operator, threshold } of comparisons) {
      const known = this.thresholds.some((one) => one.operator === operator && one.threshold === threshold);
      if (typeof threshold === "number" && !known) this.thresholds.push({ operator, threshold });
    }
    setText(this.value, average === null ? "none yet" : figure(average));
    setAttribute(this.drawing, "aria-label", this.inWords());
    this.draw();
    this.list();
  }

  /** Moves on with the time. */
  tick(now) {
    this.now = now;
    this.draw();
  }

  inWords() {
    const { average, name, role } = this;
    if (average === null) return `Average of ${name} over role ${role}: none, as no running VM reports it.`;
    const crossed = ({ operator, threshold }) => HOLDS[operator]?.(average, threshold);
    const thresholds = this.thresholds.map(
      (one) => ` Threshold ${one.operator} ${figure(one.threshold)}: ${crossed(one) ? "true" : "not true"}.`);
    return `Average of ${name} over role ${role}: ${figure(average)}, ${this.trend()}.${thresholds.join("")}`;
  }

  trend() {
    const before = this.samples.at(this.now - 60_000) ?? this.samples.points.find(([, value]) => value !== null)?.[1];
    const change = this.average - (before ?? this.average);
    if (Math.abs(change) <= Math.abs(this.average) * 0.02) return "steady";
    return `${change > 0 ? "rising" : "falling"} in the last minute`;
  }

  list() {
    if (!this.table.open) return;
    const newest = this.samples.points.slice(-LISTED).reverse();
    this.rows.replaceChildren(...newest.map(([time, value]) => el("tr", {},
      el("th", { scope: "row" }, timeOfDay(time)),
      el("td", {}, value === null ? "none" : figure(value)))));
  }

  draw() {
    const { drawing, samples, width } = this;
    if (!samples || width < 120) return;
    const first = samples.points[0]?.[0] ?? this.now;
    const age = (this.now - first) / 1000;
    const allowed = SPANS.filter(([span]) => span * 1000 <= samples.window);
    const [span, step] = allowed.find(([span]) => span >= age) ?? allowed[allowed.length - 1];
    const from = this.now - span * 1000;
    const bottom = HEIGHT - MARGIN.bottom;
    const { low, high, marks } = this.scale();
    const left = 12 + DIGIT * Math.max(...marks.map((mark) => figure(mark).length));
    const right = width - 14 - DIGIT * Math.max(4, this.average === null ? 0 : figure(this.average).length);
    const x = (time) => left + ((Math.max(time, from) - from) / (span * 1000)) * (right - left);
    const y = (value) => bottom - ((bounded(value) - low) / (high - low)) * (bottom - MARGIN.top);

    const parts = [];
    for (const { operator, threshold } of this.thresholds) {
      // The side on which the comparison is true.
      const [top, end] = operator[0] === ">" ? [MARGIN.top, y(threshold)] : [y(threshold), bottom];
      if (/^[<>]=?$/.test(operator)) {
        parts.push(svg("rect", { class: "crossed", x: left, y: top, width: right - left,
          height: Math.max(0, end - top) }));
      }
    }
    for (const mark of marks) {
      parts.push(svg("line", { class: "grid", x1: left, x2: right, y1: y(mark), y2: y(mark) }));
      parts.push(svg("text", { x: left - 6, y: y(mark) + 4, "text-anchor": "end" }, figure(mark)));
    }
    const apart = (step / span) * (right - left) < MARK ? 2 * step : step;
    for (let back = 0; back <= span; back += apart) {
      const anchor = back === 0 ? "end" : "middle";
      const text = back === 0 ? "now" : back < 60 ? `−${back} s` : `−${back / 60} min`;
      parts.push(svg("text", { x: Math.max(x(this.now - back * 1000), left + 8), y: HEIGHT - 5,
        "text-anchor": anchor }, text));
    }
    for (const { operator, threshold } of this.thresholds) {
      parts.push(svg("line", { class: "threshold", x1: left, x2: right, y1: y(threshold), y2: y(threshold) }));
    }
    parts.push(svg("path", { class: "average", d: this.path(x, y, from) }));
    for (const { operator, threshold } of this.thresholds) {
      // Above the line, or below it where the plot ends.
      const above = y(threshold) - 4 > MARGIN.top + 8;
      parts.push(svg("text", { class: "threshold", x: left + 5, y: y(threshold) + (above ? -4 : 12) },
        `${operator} ${figure(threshold)}`));
    }
    if (this.average !== null) {
      parts.push(svg("circle", { class: "current", cx: right, cy: y(this.average), r: 3.5 }));
      parts.push(svg("text", { class: "current", x: right + 8, y: y(this.average) + 4 }, figure(this.average)));
    }
    setAttribute(drawing, "viewBox", `0 0 ${width} ${HEIGHT}`);
    setAttribute(drawing, "width", String(width));
    drawing.replaceChildren(...parts);
  }

  /** Steps: each value holds until the next. */
  path(x, y, from) {
    const { points } = this.samples;
    const digits = (number) => number.toFixed(1);
    let path = "";
    points.forEach(([time, value], index) => {
      const until = points[index + 1]?.[0] ?? this.now;
      if (value === null || until < from) return;
      const joined = index > 0 && points[index - 1][1] !== null && path !== "";
      path += `${joined ? "L" : "M"}${digits(x(time))} ${digits(y(value))}H${digits(x(until))}`;
    });
    return path;
  }

  /** The value axis: from 0 if it can, up to a round number, with two to five marks. */
  scale() {
    const values = this.samples.points.map(([, value]) => value).filter((value) => value !== null);
    values.push(0, ...this.thresholds.map(({ threshold }) => threshold));
    if (this.average !== null) values.push(this.average);
    let high = Math.max(...values.map(bounded));
    const low = Math.min(...values.map(bounded));
    if (low === high) high = low + 1;
    const rough = (high - low) / 3;
    const unit = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 2.5, 5, 10].map((factor) => factor * unit).find((step) => step >= rough);
    const marks = [];
    const start = Math.floor(low / step);
    const end = Math.ceil(high / step);
    for (let mark = start; mark <= end; mark += 1) marks.push(mark * step);
    return { low: start * step, high: end * step, marks };
  }
}
