// The tools above a timeline, and the overview of all of it.
import { element, fillWithPaths, outline } from "./drawing.js";
import { LOCAL, WIDTH } from "./scale.js";

export class Tools {
  constructor(timeline) {
    this.timeline = timeline;
    this.status = timeline.root.querySelector(".status");
    const root = timeline.root.querySelector(".tools");
    root.hidden = false;
    [this.shown, this.clock] = root.querySelectorAll("select");
    [this.find, this.folds, this.groups] = root.querySelectorAll("input");
    this.kinds = [...root.querySelectorAll(".kinds button")];
    this.clock.options[2].textContent = LOCAL;
    root.oninput = ({ target }) => {
      if (target === this.folds) timeline.refold();
      else if (target === this.clock) timeline.setClock(target.value);
      else timeline.refresh();
    };
    for (const kind of this.kinds) {
      kind.onclick = () => {
        kind.ariaPressed = String(kind.ariaPressed !== "true");
        timeline.refresh();
      };
    }
  }

  // Offer what the rows can be filtered by.
  offer(data) {
    for (const kind of this.kinds) kind.hidden = !data.rows.some((row) => row.kind === kind.value);
    this.folds.parentNode.hidden = !data.folds.length;
    this.groups.parentNode.hidden = !data.rows.some((row) => row.group);
    this.clock.hidden = data.axis !== "time";
  }

  get hiddenKinds() {
    return this.kinds.filter((each) => each.ariaPressed === "false").map((each) => each.value);
  }

  hideKinds(kinds) {
    for (const each of this.kinds) each.ariaPressed = String(!kinds.includes(each.value));
  }

  // Whether the filter lets a row through.
  lets(row) {
    if (!row.label.toLowerCase().includes(this.find.value.trim().toLowerCase())) return false;
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
    const words = `${shown(hidden)} of ${shown(all)} rows ${hidden === 1 ? "is" : "are"} hidden by the filter.`;
    this.status.replaceChildren(...(hidden ? [words, " ", element("button", { type: "button", textContent: "Show all", onclick: () => this.clear() })] : []));
  }

  tell(words) {
    this.status.textContent = words;
    clearTimeout(this.telling);
    this.telling = setTimeout(() => this.timeline.refresh(), 4000);
  }
}

export function shown(count) {
  return count.toLocaleString("en");
}

// Let an element span the visible part, unless that is everything.
export function spanned(element, from, to) {
  element.hidden = from <= 0 && to >= WIDTH;
  element.style.left = `${from / 10}%`;
  element.style.width = `${(to - from) / 10}%`;
}

// An overview of all rows: dragging selects a time span, a click moves the view there.
export class Minimap {
  constructor(root, timeline) {
    this.timeline = timeline;
    this.svg = root.querySelector("svg");
    this.window = root.querySelector(".window");
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
    // Rows come first: this shows all of them.
    this.svg.parentNode.classList.toggle("few", this.timeline.data.rows.length <= 30);
    clearTimeout(this.drawing);
    this.drawing = setTimeout(() => fillWithPaths(this.svg, outline(items, (at) => scale.place(at), 64)));
    this.look(from, to);
  }

  look(from, to) {
    spanned(this.window, from, to);
  }
}
