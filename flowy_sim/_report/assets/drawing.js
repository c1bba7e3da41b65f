// Bands of rows, each drawn with one path for each state, as _report/picture.py draws them.
import { WIDTH } from "./scale.js";

export const ROW = 24;
const BAND = 100;
const LEAST = 4;
const BINS = 200;
const MARKS = { done: "✓", failed: "✕", late: "!", canceled: "⊘", open: "▸", awaited: "◇" };
const SVG = "http://www.w3.org/2000/svg";

// An element with properties (attributes, where their names hold a dash) and children.
export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.includes("-")) made.setAttribute(key, value);
    else made[key] = value;
  }
  made.append(...children);
  return made;
}

export function drawn(name, attributes = {}) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function line(begin, end, y) {
  return begin === end ? `M${begin.toFixed(2)} ${y - 7}v14` : `M${begin.toFixed(2)} ${y}H${end.toFixed(2)}`;
}

// The paths of rows, by class. `place` maps moments to places, of which 0 to WIDTH are seen.
export function paths(items, place) {
  const found = new Map();
  const add = (kind, data) => found.set(kind, (found.get(kind) ?? "") + data);
  items.forEach((item, index) => {
    const y = index * ROW + ROW / 2;
    if (item.rows) {
      for (const [kind, data] of density(item.rows, place, index * ROW)) add(kind, data);
      return;
    }
    for (const [kind, from, to] of item.row.pieces) {
      let begin = place(from + item.shift);
      const end = place(to + item.shift);
      if (end < -20 || begin > WIDTH + 20) continue;
      if (end - begin < LEAST && !kind.startsWith("wait")) {
        begin = end;
        add(`point ${kind.slice(kind.lastIndexOf(" ") + 1)}`, line(end, end, y));
      } else if (begin < end || kind.startsWith("point")) {
        // Far ends are cut off: a browser draws very long lines wrongly.
        add(kind, line(Math.max(begin, -20), Math.min(end, WIDTH + 20), y));
      }
    }
  });
  return found;
}

// Rows in a small picture of `height` pixels, in which waiting is left out.
export function outline(items, place, height) {
  const found = new Map();
  items.forEach((item, index) => {
    const y = ((index + 0.5) * height) / items.length;
    for (const row of item.rows ?? [item.row]) {
      for (const [kind, from, to] of row.pieces) {
        if (kind.startsWith("wait")) continue;
        const begin = place(from + item.shift);
        const length = Math.max(place(to + item.shift) - begin, 3);
        const state = kind.slice(kind.lastIndexOf(" ") + 1);
        found.set(state, (found.get(state) ?? "") + `M${begin.toFixed(1)} ${y.toFixed(2)}h${length.toFixed(1)}`);
      }
    }
  });
  return found;
}

// An area that is as high as many rows work, and a point for each that failed.
function density(rows, place, top) {
  const changes = new Array(BINS + 2).fill(0);
  const bin = (at) => Math.floor((Math.min(Math.max(place(at), 0), WIDTH) * BINS) / WIDTH);
  let points = "";
  for (const row of rows) {
    for (const [kind, from, to] of row.pieces) {
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

// The rows of a timeline as elements. `view` has `place`, `grid`, `folds` and `cursor`.
export class Rows {
  constructor(root, view) {
    this.root = root;
    this.view = view;
    this.seen = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        const band = this.bands.find((each) => each.element === entry.target) ?? {};
        band.near = entry.isIntersecting;
        if (band.near && band.stale) this.paint(band);
      }
    }, { rootMargin: "600px" });
  }

  // Show items: rows, and groups of `rows`. `label` and `note` make what stands beside the picture.
  show(items, label, note) {
    this.seen.disconnect();
    this.bands = [];
    for (let first = 0; first < items.length; first += BAND) {
      this.bands.push(this.band(items.slice(first, first + BAND), label, note));
    }
    this.root.replaceChildren(...this.bands.map((band) => band.element));
    // Those on the screen are painted at once, so that nothing flickers.
    for (const band of this.bands) {
      const box = band.element.getBoundingClientRect();
      band.near = box.bottom > -600 && box.top < innerHeight + 600;
      this.seen.observe(band.element);
    }
    this.draw();
  }

  band(items, label, note) {
    const height = items.length * ROW;
    const stretched = drawn("svg", {
      class: "stretched", viewBox: `0 0 ${WIDTH} ${height}`, preserveAspectRatio: "none", height,
    });
    const caps = drawn("svg", { class: "caps", height });
    const labels = element("ul", { className: "labels" }, ...items.map(label));
    const bars = element("div", { className: "bars", "aria-hidden": "true" });
    bars.append(stretched, caps);
    const notes = element("ul", { className: "notes", "aria-hidden": "true" }, ...items.map(note));
    const made = element("div", { className: items.length === BAND ? "band full" : "band" }, labels, bars, notes);
    return { element: made, items, stretched, caps, height, near: false, stale: true };
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
      item.rows ? [] : item.row.caps.map(([at, state]) => [place(at + item.shift) / 10, index * ROW + ROW / 2, state]));
    band.caps.replaceChildren(...marks.filter(([x]) => x >= -1 && x <= 100).map(([x, y, state]) => {
      const text = drawn("text", { class: state, x: `${x.toFixed(2)}%`, y, dx: 3, dy: 4 });
      text.textContent = MARKS[state];
      return text;
    }));
    band.stale = false;
  }
}
