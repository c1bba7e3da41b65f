// The tools above a timeline: filter, switches, zoom; and the small picture of all of it.
import { element, fillWithPaths, outline } from "./drawing.js";
import { LOCAL, WIDTH } from "./scale.js";

const KINDS = {
  decisions: "decisions", activity: "activities", lambda: "Lambda functions", timer: "timers",
  child: "children", request: "requests", instant: "signals and markers",
};
const HEIGHT = 64;
const SHOWN = { "": "all rows", open: "open rows", failed: "failed rows" };

export class Tools {
  constructor(timeline) {
    this.timeline = timeline;
    const changed = () => timeline.refresh();
    this.find = element("input", {
      type: "search", placeholder: "Filter rows", "aria-label": "Filter rows by text", spellcheck: false, oninput: changed,
    });
    this.shown = select("Rows", Object.entries(SHOWN), changed);
    this.kinds = element("div", { className: "kinds", role: "group", "aria-label": "Kinds of rows" });
    this.folds = checkbox("fold idle time", () => timeline.setFolding(this.folds.checked));
    this.groups = checkbox("group", changed);
    this.clock = select("Times", [["", "since the start"], ["utc", "UTC"], ["local", LOCAL]], () => timeline.setClock(this.clock.value));
    const button = (text, title, onclick) => element("button", { type: "button", textContent: text, title, "aria-label": title, onclick });
    this.status = element("p", { className: "status", role: "status" });
    this.root = element("div", { className: "tools" },
      this.find, this.shown, this.kinds, this.folds.parentNode, this.groups.parentNode, this.clock,
      element("span", { className: "zoom" },
        button("−", "Zoom out", () => timeline.zoom(1 / 0.7)),
        button("+", "Zoom in", () => timeline.zoom(0.7)),
        button("Fit", "Show all of the time", () => timeline.fit()),
        button("?", "Keys", () => timeline.keys?.help())));
  }

  // Offer what the rows can be filtered by.
  offer(data) {
    const found = Object.keys(KINDS).filter((kind) => data.rows.some((row) => row.kind === kind));
    const offered = [...this.kinds.querySelectorAll("button")].map((each) => each.value);
    if (found.join() !== offered.join()) {
      this.kinds.replaceChildren(...found.map((kind) => element("button", {
        type: "button", value: kind, textContent: KINDS[kind], "aria-pressed": "true",
        onclick: (event) => {
          const pressed = event.target.getAttribute("aria-pressed") === "true";
          event.target.setAttribute("aria-pressed", String(!pressed));
          this.timeline.refresh();
        },
      })));
    }
    this.folds.parentNode.hidden = !data.folds.length;
    this.groups.parentNode.hidden = !data.rows.some((row) => row.group);
    this.clock.hidden = data.axis !== "time";
  }

  get hiddenKinds() {
    return [...this.kinds.querySelectorAll("button[aria-pressed=false]")].map((each) => each.value);
  }

  hideKinds(kinds) {
    for (const each of this.kinds.querySelectorAll("button")) each.setAttribute("aria-pressed", String(!kinds.includes(each.value)));
  }

  // Whether the filter lets a row through.
  lets(row) {
    const text = this.find.value.trim().toLowerCase();
    if (text && !row.label.toLowerCase().includes(text)) return false;
    if (this.shown.value === "open" && row.over) return false;
    if (this.shown.value === "failed" && row.state !== "failed" && row.state !== "late") return false;
    return !this.hiddenKinds.includes(row.kind);
  }

  clear() {
    this.find.value = this.shown.value = "";
    this.hideKinds([]);
    this.timeline.refresh();
  }

  say(hidden, all) {
    const words = `${hidden.toLocaleString("en")} of ${all.toLocaleString("en")} rows ${hidden === 1 ? "is" : "are"} hidden by the filter.`;
    this.status.replaceChildren(...(hidden ? [words, " ", element("button", { type: "button", textContent: "Show all", onclick: () => this.clear() })] : []));
  }

  tell(words) {
    this.status.textContent = words;
    clearTimeout(this.telling);
    this.telling = setTimeout(() => this.timeline.refresh(), 4000);
  }

  focusFilter() {
    this.find.focus();
    this.find.select();
  }
}

function select(label, choices, onchange) {
  return element("select", { "aria-label": label, onchange }, ...choices.map(([value, textContent]) => element("option", { value, textContent })));
}

function checkbox(label, onchange) {
  const box = element("input", { type: "checkbox", checked: true, onchange });
  element("label", {}, box, ` ${label}`);
  return box;
}

// All rows in a small picture; dragging on it selects a time, a click goes there.
export class Minimap {
  constructor(root, timeline) {
    this.timeline = timeline;
    this.svg = root.querySelector("svg");
    this.window = element("div", { className: "window" });
    root.append(this.window);
    root.hidden = false;
    const at = (event) => {
      const box = root.getBoundingClientRect();
      return [((event.clientX - box.left) * WIDTH) / box.width, (event.clientY - box.top) / box.height];
    };
    root.onpointerdown = (event) => {
      if (event.button) return;
      event.preventDefault();
      root.setPointerCapture(event.pointerId);
      this.from = at(event)[0];
    };
    root.onpointermove = (event) => {
      if (this.from === undefined) return;
      const [x] = at(event);
      if (Math.abs(x - this.from) > 8) this.timeline.look(Math.min(x, this.from), Math.max(x, this.from));
    };
    root.onpointerup = (event) => {
      const [x, y] = at(event);
      if (Math.abs(x - this.from) <= 8) this.timeline.goTo(x, y);
      this.from = undefined;
    };
  }

  draw(items, scale, [from, to]) {
    fillWithPaths(this.svg, outline(items, (at) => scale.place(at), HEIGHT));
    this.look(from, to);
  }

  look(from, to) {
    this.window.hidden = from <= 0 && to >= WIDTH;
    this.window.style.left = `${from / 10}%`;
    this.window.style.width = `${(to - from) / 10}%`;
  }
}
