// Bands of rows, each drawn with one path for each state, as _report/picture.py draws them.
import { WIDTH } from "./scale.js";

export const ROW = 24;
const BAND = 100;
const LEAST = 4;
const BINS = 200;
const MARKS = { done: "✓", failed: "✕", late: "!", canceled: "⊘", open: "▸", awaited: "◇" };
const SVG = "http://www.w3.org/2000/svg";

// An element with properties (attributes, if their names hold a dash) and children.
export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.includes("-")) made.setAttribute(key, value);
    else made[key] = value;
  }
  made.append(...children);
  return made;
}

export function drawn(name, attributes, text = "") {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}

function line(begin, end, y) {
  return begin === end ? `M${begin.toFixed(2)} ${y - 7}v14` : `M${begin.toFixed(2)} ${y}H${end.toFixed(2)}`;
}

function add(found, kind, data) {
  found.set(kind, (found.get(kind) ?? "") + data);
}

function stateOf(kind) {
  return kind.split(" ").at(-1);
}

// The lines of a row; what is open ends where its picture ends.
function pieces(row, { data, shift = 0 }) {
  return row.pieces.map(([kind, from, to]) => [kind, from + shift, (to ?? data.length) + shift]);
}

// The paths of rows by class. `place` maps moments to places; 0 to WIDTH are seen.
export function paths(items, place) {
  const found = new Map();
  items.forEach((item, index) => {
    const y = index * ROW + ROW / 2;
    if (item.rows) {
      for (const [kind, data] of density(item, place, index * ROW)) add(found, kind, data);
      return;
    }
    for (const [kind, from, to] of pieces(item.row, item)) {
      let begin = place(from);
      const end = place(to);
      if (end < -20 || begin > WIDTH + 20) continue;
      if (end - begin < LEAST && !kind.startsWith("wait")) {
        begin = end;
        add(found, `point ${stateOf(kind)}`, line(end, end, y));
      } else if (begin < end || kind.startsWith("point")) {
        // Far ends are cut off: a browser draws very long lines wrongly.
        add(found, kind, line(Math.max(begin, -20), Math.min(end, WIDTH + 20), y));
      }
    }
  });
  return found;
}

// Rows in a picture of `height` pixels, without their waiting.
export function outline(items, place, height) {
  const found = new Map();
  items.forEach((item, index) => {
    const y = ((index + 0.5) * height) / items.length;
    for (const row of item.rows ?? [item.row]) {
      for (const [kind, from, to] of pieces(row, item)) {
        if (kind.startsWith("wait")) continue;
        const begin = place(from);
        const length = Math.max(place(to) - begin, 3);
        add(found, stateOf(kind), `M${begin.toFixed(1)} ${y.toFixed(2)}h${length.toFixed(1)}`);
      }
    }
  });
  return found;
}

// An area as high as many rows work, and a point for each that failed.
function density(item, place, top) {
  const changes = new Array(BINS + 2).fill(0);
  const bin = (at) => Math.floor((Math.min(Math.max(place(at), 0), WIDTH) * BINS) / WIDTH);
  let points = "";
  for (const row of item.rows) {
    for (const [kind, from, to] of pieces(row, item)) {
      if (!/^(work|child|sleep)/.test(kind) || place(to) < 0 || place(from) > WIDTH) continue;
      changes[bin(from)] += 1;
      changes[bin(to) + 1] -= 1;
    }
    for (const [at, state] of row.caps) {
      const x = place(at);
      if (state === "failed" && x >= 0 && x <= WIDTH) points += line(x, x, top + ROW / 2);
    }
  }
  let working = 0;
  const counts = changes.map((change) => (working += change)).slice(0, -1);
  const most = Math.max(...counts, 1);
  const floor = top + ROW - 3;
  const area = counts.map((count, index) =>
    `V${(floor - (18 * count) / most).toFixed(1)}H${Math.min(((index + 1) * WIDTH) / BINS, WIDTH)}`);
  return [["density", `M0 ${floor}${area.join("")}V${floor}Z`], ...(points ? [["point failed", points]] : [])];
}

export function fillWithPaths(svg, found) {
  svg.replaceChildren(...[...found].map(([kind, d]) => drawn("path", { class: kind, d })));
}

function isSame(old, item) {
  return ["row", "key", "depth", "shift", "data", "isOpen"].every((name) => old[name] === item[name])
    && old.rows?.length === item.rows?.length && (old.rows ?? []).every((row, index) => row === item.rows[index]);
}

// The rows of a timeline as elements. `view` has `place`, `note`, `grid`, `folds` and `cursor`.
export class Rows {
  constructor(root, view) {
    this.root = root;
    this.view = view;
    this.bands = [];
    this.seen = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        const band = this.bands.find((each) => each.element === entry.target) ?? {};
        band.near = entry.isIntersecting;
        if (band.near && band.stale) this.paint(band);
      }
    }, { rootMargin: "600px" });
    root.replaceChildren();
  }

  // Show items: rows, and groups of `rows`. Those that look the same stay as they are.
  show(items, label, note) {
    const made = [];
    for (let first = 0; first < items.length; first += BAND) {
      const index = first / BAND;
      if (!this.bands[index]) made.push((this.bands[index] = this.band()));
      const band = this.bands[index];
      const before = band.items;
      band.items = items.slice(first, first + BAND);
      band.items.forEach((item, at) => {
        const old = before[at];
        if (old && isSame(old, item)) {
          items[first + at] = band.items[at] = old;
          return;
        }
        const hadFocus = old?.element.contains(document.activeElement);
        put(band.labels, at, label(item));
        put(band.notes, at, note(item));
        if (hadFocus) focusOn(item, { preventScroll: true });
      });
      for (const list of [band.labels, band.notes]) while (list.children[band.items.length]) list.lastChild.remove();
      band.height = band.items.length * ROW;
      band.element.className = band.items.length === BAND ? "band full" : "band";
      band.stretched.setAttribute("viewBox", `0 0 ${WIDTH} ${band.height}`);
      for (const svg of [band.stretched, band.caps]) svg.setAttribute("height", band.height);
    }
    for (const band of this.bands.splice(Math.ceil(items.length / BAND))) {
      this.seen.unobserve(band.element);
      band.element.remove();
    }
    // What is on the screen is painted at once: nothing flickers.
    for (const band of made) {
      const box = band.element.getBoundingClientRect();
      band.near = box.bottom > -600 && box.top < innerHeight + 600;
      this.seen.observe(band.element);
    }
  }

  band() {
    const stretched = drawn("svg", { class: "stretched", preserveAspectRatio: "none" });
    const caps = drawn("svg", { class: "caps" });
    const labels = element("ul", { className: "labels" });
    const notes = element("ul", { className: "notes", "aria-hidden": "true" });
    const bars = element("div", { className: "bars", "aria-hidden": "true" });
    bars.append(stretched, caps);
    const made = element("div", {}, labels, bars, notes);
    this.root.append(made);
    return { element: made, items: [], labels, notes, stretched, caps, near: false, stale: true };
  }

  draw() {
    for (const band of this.bands) {
      band.stale = true;
      if (band.near) this.paint(band);
    }
  }

  paint(band) {
    const { place, grid, folds, cursor } = this.view;
    const found = new Map();
    found.set("grid", grid.map((x) => `M${x.toFixed(2)} 0V${band.height}`).join(""));
    if (folds.length) {
      found.set("fold", folds.map(([x, width]) => `M${x.toFixed(2)} 0h${width.toFixed(2)}V${band.height}h${-width.toFixed(2)}Z`).join(""));
    }
    for (const [kind, d] of paths(band.items, place)) found.set(kind, d);
    if (cursor !== null) found.set("cursor", `M${cursor.toFixed(2)} 0V${band.height}`);
    fillWithPaths(band.stretched, found);
    const marks = band.items.flatMap((item, index) =>
      item.rows ? [] : item.row.caps.map(([at, state]) => [place((at ?? item.data.length) + item.shift) / 10, index * ROW + ROW / 2, state]));
    band.caps.replaceChildren(...marks.filter(([x]) => x >= -1 && x <= 100).map(([x, y, state]) =>
      drawn("text", { class: state, x: `${x.toFixed(2)}%`, y, dx: 3, dy: 4 }, MARKS[state])));
    band.items.forEach((item, index) => {
      if (item.row?.since !== undefined) band.notes.children[index].textContent = this.view.note(item);
    });
    band.stale = false;
  }
}

export function focusOn(item, how) {
  item?.element.querySelector("a, button").focus(how);
}

function put(list, index, made) {
  if (list.children[index]) list.children[index].replaceWith(made);
  else list.append(made);
}
