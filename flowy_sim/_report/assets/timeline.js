// A timeline that can be zoomed, filtered and opened. What it shows at first, the server has drawn.
import { addressOf, copyText, writeAddress } from "./address.js";
import { drawn, element, ROW, Rows } from "./drawing.js";
import { duration, instant, LOCAL, Scale, shownBy, wholeDuration, WIDTH } from "./scale.js";
import { Minimap, spanned, Tools } from "./tools.js";

const TICK = 90;
const NARROWEST = 0.002;
const CLOCKS = { "": "time", utc: "UTC", local: LOCAL };

export class Timeline {
  // `root` is the element; `data` what the server wrote for it. Options: `child(execution)` gives
  // the data of a child, or a promise of it, or nothing; `details` is the panel for events.
  constructor(root, data, options = {}) {
    this.root = root;
    this.anchor = root.dataset.run;
    this.options = options;
    this.details = options.details;
    this.view = [0, WIDTH];
    this.unfolded = new Set();
    this.opened = new Map();
    this.clock = "";
    this.event = null;
    this.row = null;
    this.tools = new Tools(this);
    const map = root.querySelector(".minimap");
    if (map) this.minimap = new Minimap(map, this);
    this.axis = root.querySelector(".axis");
    this.ticks = this.axis.querySelector("svg");
    this.thumb = this.axis.querySelector(".thumb");
    this.pointer = this.axis.querySelector(".pointer");
    this.rows = new Rows(root.querySelector(".rows"), { place: (at) => this.place(at), grid: [], folds: [], cursor: null });
    this.listen();
    this.update(data);
    new ResizeObserver(() => this.draw()).observe(this.axis);
  }

  // Show newer data. What is looked at stays, and a picture of all of the time stays one.
  update(data) {
    const { times } = this;
    this.data = data;
    this.at = new Map(data.events);
    this.ids = data.events.map(([id]) => id);
    this.rowOf = new Map(data.rows.flatMap((row) => row.begins.map((id) => [id, row.event])));
    this.tools.offer(data);
    this.rescale(times);
    this.refresh();
  }

  get showsAll() {
    return this.view[0] <= 0 && this.view[1] >= WIDTH;
  }

  // The moments that the view begins and ends with, unless it shows everything.
  get times() {
    return this.showsAll ? null : this.view.map((x) => this.scale.moment(x));
  }

  rescale(times) {
    const folds = this.tools.folds.checked ? this.data.folds.filter(([begin]) => !this.unfolded.has(begin)) : [];
    this.scale = new Scale(this.data.length, folds);
    this.view = times ? times.map((at) => this.scale.place(at)) : [0, WIDTH];
  }

  // Places

  place(at) {
    const [from, to] = this.view;
    return ((this.scale.place(at) - from) * WIDTH) / (to - from);
  }

  look(from, to) {
    const length = Math.min(Math.max(to - from, NARROWEST), WIDTH);
    const begin = Math.min(Math.max(from, 0), WIDTH - length);
    this.view = [begin, begin + length];
    this.draw();
    this.saveSoon();
  }

  zoom(factor, around = this.middle()) {
    const [from, to] = this.view;
    this.look(around - (around - from) * factor, around + (to - around) * factor);
  }

  middle() {
    const cursor = this.event === null ? NaN : this.scale.place(this.at.get(this.event));
    const [from, to] = this.view;
    return cursor >= from && cursor <= to ? cursor : (from + to) / 2;
  }

  pan(part) {
    const [from, to] = this.view;
    this.look(from + (to - from) * part, to + (to - from) * part);
  }

  goTo(x, part) {
    const half = (this.view[1] - this.view[0]) / 2;
    this.look(x - half, x + half);
    const box = this.rows.root.getBoundingClientRect();
    scrollTo({ top: scrollY + box.top + box.height * part - innerHeight / 2 });
  }

  refold() {
    this.unfolded.clear();
    this.rescale(this.times);
    this.refresh();
  }

  setClock(clock) {
    this.clock = this.tools.clock.value = clock;
    this.draw();
    this.writeTimes();
    this.saveSoon();
  }

  nextClock() {
    const names = Object.keys(CLOCKS);
    if (this.data.axis === "time") this.setClock(names[(names.indexOf(this.clock) + 1) % 3]);
  }

  // A moment in words: since the start, or on the clock that is chosen.
  time(at) {
    if (this.clock) return instant(this.clock, this.data.start + at);
    return this.data.axis === "time" ? duration(at) : String(at);
  }

  // Rows

  refresh() {
    let hidden = 0;
    const items = [], groups = new Map();
    for (const row of this.data.rows) {
      if (!this.tools.lets(row)) {
        hidden += 1;
      } else if (row.group && this.tools.groups.checked) {
        if (!groups.has(row.group)) {
          groups.set(row.group, { key: row.group, rows: [], shift: 0, event: row.event });
          items.push(groups.get(row.group));
        }
        groups.get(row.group).rows.push(row);
      } else {
        this.add(items, row, 0, 0, this.data);
      }
    }
    this.items = items.flatMap((item) => (item.rows && this.opened.has(item.key)
      ? [item, ...item.rows.flatMap((row) => this.add([], row, 1, 0, this.data))] : [item]));
    this.rows.show(this.items, (item) => this.label(item), (item) => this.note(item));
    this.tools.say(hidden, this.data.rows.length);
    this.minimap?.draw(this.items, this.scale, this.view);
    this.draw();
    this.saveSoon();
  }

  // Add a row and, if it is a child that is open, the rows of the child below it.
  add(items, row, depth, shift, data) {
    const key = row.child?.join("\n");
    items.push({ row, key, depth, shift, event: row.event, data });
    const child = key && this.opened.get(key);
    if (child?.rows) {
      for (const each of child.rows) this.add(items, each, depth + 1, shift + child.start - data.start, child);
    }
    return items;
  }

  label(item) {
    const { row, key } = item;
    const words = item.rows ? `${key} ×${item.rows.length.toLocaleString("en")}` : row.label;
    const parts = [];
    if (item.rows || (row.child && this.options.child)) {
      const isOpen = this.opened.has(key);
      parts.push(element("button", {
        type: "button", className: "toggle", textContent: isOpen ? "▾" : "▸", "aria-expanded": String(isOpen),
        "aria-label": `${isOpen ? "Close" : "Open"} ${words}`, onclick: () => this.toggle(item),
      }));
    }
    const name = element("bdi", { textContent: words });
    if (item.rows) {
      parts.push(element("span", { className: "group-name", title: words, onclick: () => this.toggle(item) }, name));
    } else {
      const link = element("a", { href: `#${item.data.anchor ?? this.anchor}e${row.event}`, title: words }, name, element("i", { textContent: `, ${row.spoken}` }));
      if (item.data !== this.data && item.data.anchor === undefined) link.removeAttribute("href");
      link.onclick = (event) => this.follow(event, item);
      parts.push(link);
    }
    const made = element("li", { className: this.isCurrent(item) ? "current" : "" }, ...parts);
    if (item.depth) made.style.paddingLeft = `${0.75 + item.depth * 1.5}rem`;
    item.element = made;
    return made;
  }

  note({ row, rows }) {
    if (!rows) return element("li", { className: row.state, textContent: row.note });
    const words = { failed: "failed", late: "timed out", canceled: "canceled", open: "open" };
    const notable = Object.keys(words).filter((state) => rows.some((each) => each.state === state));
    const count = (state) => rows.filter((each) => each.state === state).length.toLocaleString("en");
    return element("li", {
      className: notable[0] ?? "done",
      textContent: notable.map((state) => `${count(state)} ${words[state]}`).join(" · ") || "✓ all completed",
    });
  }

  isCurrent(item) {
    return this.row !== null && item.data === this.data && item.event === this.row;
  }

  async toggle({ key, row, rows }) {
    if (this.opened.has(key)) {
      this.opened.delete(key);
    } else if (rows) {
      this.opened.set(key, true);
    } else {
      const child = await this.options.child(row.child);
      if (!child) {
        this.tools.tell("The history of this child is not here.");
        return;
      }
      this.opened.set(key, child);
    }
    this.refresh();
    this.items.find((each) => each.key === key)?.element.querySelector("button").focus();
  }

  follow(event, item) {
    if (event.ctrlKey || event.metaKey || event.shiftKey || item.data !== this.data) return;
    event.preventDefault();
    this.row = item.event;
    this.select(item.event);
  }

  // The row of the table with an event.
  listed(id) {
    return document.getElementById(`${this.anchor}e${id}`);
  }

  // Choose an event, or none, and show it in the panel.
  select(id) {
    this.listed(this.event)?.classList.remove("current");
    this.event = this.at.has(id) ? id : null;
    if (this.event !== null) {
      const listed = this.listed(id);
      listed?.classList.add("current");
      const causes = [...(listed?.cells[3].querySelectorAll("a") ?? [])].map((link) => Number(link.textContent));
      this.row = [id, ...causes].map((each) => this.rowOf.get(each)).find(Boolean) ?? this.row;
      const x = this.place(this.at.get(id));
      if (x < 0 || x > WIDTH) this.pan(x / WIDTH - 0.5);
      this.details.show(this, id);
    }
    this.mark();
    this.draw();
    this.saveSoon();
  }

  mark() {
    for (const item of this.items) item.element.classList.toggle("current", this.isCurrent(item));
  }

  step(count, amongDecisions = false) {
    const ids = amongDecisions ? this.data.decisions : this.ids;
    const event = this.event ?? 0;
    const next = count > 0 ? (ids.find((id) => id > event) ?? ids.at(-1)) : (ids.findLast((id) => id < event) ?? ids[0]);
    if (next !== undefined) this.select(next);
  }

  moveRow(count) {
    const index = this.items.indexOf(this.focused());
    const item = this.items[Math.min(Math.max(index + count, 0), this.items.length - 1)];
    if (!item) return;
    this.row = item.event;
    this.mark();
    item.element.querySelector("a, button").focus();
    if (!this.details.panel.hidden && item.data === this.data) this.select(item.event);
    this.saveSoon();
  }

  focusRow() {
    this.focused()?.element.querySelector("a, button")?.focus({ preventScroll: true });
  }

  // The row with the focus, or else the one that was chosen.
  focused() {
    return this.items.find((item) => item.element.contains(document.activeElement)) ?? this.items.find((item) => this.isCurrent(item));
  }

  nextFailure() {
    const { failures } = this.data;
    const next = failures.find((id) => id > (this.event ?? 0)) ?? failures[0];
    if (next === undefined) this.tools.tell("Nothing failed.");
    else this.select(next);
  }

  toggleCurrent() {
    const item = this.focused();
    if (item && (item.rows || (item.row.child && this.options.child))) this.toggle(item);
  }

  // Drawing

  draw() {
    if (!this.items || this.pending) return;
    this.pending = true;
    queueMicrotask(() => {
      this.pending = false;
      this.drawNow();
    });
  }

  drawNow() {
    const width = this.ticks.clientWidth || WIDTH;
    const [from, to] = this.view;
    const isTime = this.data.axis === "time";
    const clocked = isTime && this.clock;
    const origin = clocked ? shownBy(this.clock, this.data.start) : 0;
    const room = ((clocked ? TICK + 20 : TICK) * (to - from)) / width;
    const { step, found } = this.scale.ticks(this.data.steps, this.scale.moment(from), Math.min(this.scale.moment(to), this.data.length), room, origin);
    const folds = this.scale.folds.map(([begin, end]) => [this.place(begin), this.place(end) - this.place(begin), end - begin]);
    const strips = folds.filter(([x, w]) => x + w > 0 && x < WIDTH && (folds.length <= 8 || (w * width) / WIDTH > 60));
    const middles = strips.map(([x, w]) => x + w / 2);
    const px = (x) => (x * width) / WIDTH;
    const words = (at) => {
      if (clocked) return instant(this.clock, this.data.start + Math.round(at), step);
      return isTime ? wholeDuration(at) : String(this.ids[Math.round(at)] ?? "");
    };
    let free = 0;
    const shown = found.map(({ at }) => [this.place(at), words(at)]).filter(([x, label]) => {
      const begin = px(x), end = begin + 12 + label.length * 6.2;
      if (begin < free || end > width || middles.some((middle) => end > px(middle) - 32 && begin < px(middle) + 32)) return false;
      free = end;
      return true;
    });
    this.ticks.replaceChildren(
      ...shown.flatMap(([x, text]) => {
        const label = drawn("text", { x: `${x / 10}%`, y: 16, dx: 4 });
        label.textContent = text;
        return [label, drawn("line", { x1: `${x / 10}%`, x2: `${x / 10}%`, y1: 4, y2: 24 })];
      }),
      ...strips.map(([x, w, length]) => {
        const label = drawn("text", { class: "fold", x: `${(x + w / 2) / 10}%`, y: 16 });
        label.textContent = `≈ ${duration(length)}`;
        return label;
      }));
    this.axis.querySelector(".axis-title").textContent = isTime ? CLOCKS[this.clock] : "event";
    spanned(this.thumb, from, to);
    Object.assign(this.rows.view, {
      grid: shown.map(([x]) => x),
      folds: folds.filter(([x, w]) => x + w > 0 && x < WIDTH),
      cursor: this.event === null ? null : this.place(this.at.get(this.event)),
    });
    this.rows.draw();
    this.minimap?.look(from, to);
  }

  // The pointer

  listen() {
    const bars = (event) => event.target.closest?.(".bars, .ticks");
    const placeAt = (event, within) => {
      const box = within.querySelector("svg").getBoundingClientRect();
      const [from, to] = this.view;
      return from + ((event.clientX - box.left) * (to - from)) / box.width;
    };
    const frame = this.root.querySelector(".frame");
    frame.addEventListener("wheel", (event) => {
      const within = bars(event);
      if (!within) return;
      if (event.ctrlKey) {
        event.preventDefault();
        this.zoom(Math.exp(Math.max(-60, Math.min(60, event.deltaY)) / 150), placeAt(event, within));
      } else if (!this.showsAll && (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY))) {
        event.preventDefault();
        this.pan((event.deltaX || event.deltaY) / 1000);
      }
    }, { passive: false });
    frame.addEventListener("pointerdown", (event) => {
      const within = bars(event);
      if (!within || event.button || event.pointerType === "touch") return;
      this.drag = { x: event.clientX, view: this.view, width: within.clientWidth, moved: false };
    });
    frame.addEventListener("pointermove", (event) => {
      const within = bars(event);
      this.pointer.hidden = !within || this.data.axis !== "time";
      if (within && !this.pointer.hidden) {
        const at = Math.min(Math.max(this.scale.moment(placeAt(event, within)), 0), this.data.length);
        this.pointer.textContent = this.time(at);
        this.pointer.style.left = `${this.place(at) / 10}%`;
        this.pointer.classList.toggle("late", this.place(at) > 850);
      }
    });
    frame.addEventListener("pointerleave", () => (this.pointer.hidden = true));
    addEventListener("pointermove", (event) => {
      if (!this.drag) return;
      const far = event.clientX - this.drag.x;
      this.drag.moved ||= Math.abs(far) > 4;
      if (!this.drag.moved) return;
      const [from, to] = this.drag.view;
      const by = (far * (to - from)) / this.drag.width;
      this.look(from - by, to - by);
    });
    addEventListener("pointerup", () => {
      this.dragged = this.drag?.moved;
      this.drag = null;
    });
    frame.addEventListener("click", (event) => {
      const within = bars(event);
      if (!within || this.dragged) return;
      const fold = this.scale.foldAt(this.scale.moment(placeAt(event, within)));
      if (fold) {
        this.unfolded.add(fold[0]);
        this.rescale(null);
        this.refresh();
        return;
      }
      const band = this.rows.bands.find((each) => each.element.contains(within));
      const item = band?.items[Math.floor((event.clientY - within.getBoundingClientRect().top) / ROW)];
      if (item?.rows) this.toggle(item);
      else if (item?.data === this.data) this.follow(event, item);
    });
  }

  // The address

  get state() {
    return {
      run: this.anchor,
      at: this.event,
      row: this.row,
      zoom: this.times?.map((at) => Math.max(0, Math.round(at))).join("-"),
      find: this.tools.find.value,
      show: this.tools.shown.value,
      hide: this.tools.hiddenKinds.join(","),
      folds: this.tools.folds.checked ? "" : "off",
      clock: this.clock,
    };
  }

  restore(state) {
    this.tools.find.value = state.find ?? "";
    this.tools.shown.value = state.show ?? "";
    this.tools.hideKinds(state.hide?.split(",") ?? []);
    this.clock = this.tools.clock.value = state.clock ?? "";
    this.tools.folds.checked = state.folds !== "off";
    const zoom = /^(\d+)-(\d+)$/.exec(state.zoom ?? "");
    this.rescale(zoom?.slice(1).map(Number));
    this.row = state.row ? Number(state.row) : null;
    this.refresh();
    if (state.clock) this.writeTimes();
    if (state.at) this.select(Number(state.at));
  }

  saveSoon() {
    clearTimeout(this.saving);
    if (this.isRestored) this.saving = setTimeout(() => writeAddress(this.state), 200);
  }

  async copyLink() {
    const link = addressOf(this.state).href;
    const copied = await copyText(link);
    writeAddress(this.state);
    this.tools.tell(copied ? "The link is copied." : "The link is in the address bar.");
  }

  // Write the times of the table as the timeline does.
  writeTimes() {
    const table = document.querySelector(`.events[data-run="${this.anchor}"]`);
    for (const heading of table.querySelectorAll("th:nth-child(2)")) heading.textContent = CLOCKS[this.clock];
    table.classList.toggle("clocked", this.clock !== "");
    for (const [id, at] of this.data.events) {
      const row = this.listed(id);
      if (row) row.cells[1].textContent = this.time(at);
    }
  }
}
