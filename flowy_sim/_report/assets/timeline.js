// A timeline that can be zoomed, filtered and opened. The server has drawn it at first.
import { addressOf, copyText, writeAddress } from "./address.js";
import { drawn, element, focusOn, ROW, Rows } from "./drawing.js";
import { duration, instant, LOCAL, Scale, shownBy, wholeDuration, WIDTH } from "./scale.js";
import { Minimap, shown, spanned, Tools } from "./tools.js";

const TICK = 90;
const NARROWEST = 0.002;
const NOTABLE = { failed: "failed", late: "timed out", canceled: "canceled", open: "open" };
const CLOCKS = { "": "time", utc: "UTC", local: LOCAL };

// The data of a timeline with what is newer: all of it, or what came after an event.
function merged(old, { rows, ...newer }) {
  const data = newer.after ? old : { rows: [], events: [], decisions: [], failures: [], payloads: {} };
  for (const [index, row] of rows) {
    for (const name of row.known ? ["begins", "pieces"] : []) {
      row[name] = [...data.rows[index][name].slice(0, row.known), ...row[name]];
    }
    data.rows[index] = row;
  }
  data.rows.length = newer.count;
  for (const name of ["events", "decisions", "failures"]) newer[name] = [...data[name], ...newer[name]];
  newer.payloads = Object.assign(data.payloads, newer.payloads);
  return Object.assign(data, newer);
}

export class Timeline {
  view = [0, WIDTH];
  unfolded = new Set();
  opened = new Map();
  clock = "";
  event = null;
  row = null;

  // `child(execution)` gives the data of a child, or a promise of it, or nothing.
  constructor(root, data, options = {}) {
    this.root = root;
    this.anchor = root.dataset.run;
    this.options = options;
    this.details = options.details;
    this.tools = new Tools(this);
    this.minimap = new Minimap(root.querySelector(".minimap"), this);
    this.axis = root.querySelector(".axis");
    this.ticks = this.axis.querySelector("svg");
    this.thumb = this.axis.querySelector(".thumb");
    this.pointer = this.axis.querySelector(".pointer");
    this.rows = new Rows(root.querySelector(".rows"), { place: (at) => this.place(at), note: (item) => this.noteOf(item), grid: [], folds: [], cursor: null });
    this.listen();
    this.update(data);
    new ResizeObserver(() => this.draw()).observe(this.axis);
  }

  // Show newer data. The view stays; a view of the whole time span still shows all of it.
  update(newer) {
    const { times } = this;
    const data = merged(this.data, newer);
    if (this.data !== data) [this.data, this.at, this.ids, this.rowOf] = [data, new Map(), [], new Map()];
    for (const [id, at] of newer.events) {
      this.at.set(id, at);
      this.ids.push(id);
    }
    for (const [, row] of newer.rows) for (const id of row.begins) this.rowOf.set(id, row.event);
    if (this.clock) this.writeTimes(newer.events);
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
      const key = this.tools.groups.checked && row.group;
      if (!this.tools.lets(row)) {
        hidden += 1;
      } else if (!key) {
        this.add(items, row, 0, 0, this.data);
      } else if (groups.has(key)) {
        groups.get(key).push(row);
      } else {
        groups.set(key, [row]);
        items.push({ key, rows: groups.get(key), event: row.event, data: this.data, isOpen: this.opened.has(key) });
      }
    }
    this.items = items.flatMap((item) => (item.rows && item.isOpen
      ? [item, ...item.rows.flatMap((row) => this.add([], row, 1, 0, this.data))] : [item]));
    this.rows.show(this.items, (item) => this.label(item), (item) => this.note(item));
    this.tools.say(hidden, this.data.rows.length);
    this.minimap.draw(this.items, this.scale, this.view);
    this.mark();
    this.draw();
    this.saveSoon();
  }

  // Add a row and, if it is an open child, the rows of the child.
  add(items, row, depth, shift, data) {
    const key = row.child?.join("\n");
    items.push({ row, key, depth, shift, event: row.event, data, isOpen: this.opened.has(key) });
    const child = key && this.opened.get(key);
    if (child?.rows) {
      for (const each of child.rows) this.add(items, each, depth + 1, shift + child.start - data.start, child);
    }
    return items;
  }

  label(item) {
    const { row, key } = item;
    const words = item.rows ? `${key} ×${shown(item.rows.length)}` : row.label;
    const made = item.element = element("li");
    const onclick = () => this.toggle(item);
    if (this.opens(item)) {
      made.append(element("button", {
        type: "button", className: "toggle", textContent: item.isOpen ? "▾" : "▸", "aria-expanded": item.isOpen,
        "aria-label": `${item.isOpen ? "Close" : "Open"} ${words}`, onclick,
      }));
    }
    const name = element("bdi", { textContent: words });
    if (item.rows) {
      made.append(element("span", { className: "group-name", title: words, onclick }, name));
    } else {
      const link = element("a", { title: words, onclick: (event) => this.follow(event, item) }, name, element("i", { textContent: `, ${row.spoken}` }));
      const anchor = item.data === this.data ? this.anchor : item.data.anchor;
      if (anchor !== undefined) link.href = `#${anchor}e${row.event}`;
      made.append(link);
    }
    if (item.depth) made.style.paddingLeft = `${0.75 + item.depth * 1.5}rem`;
    return made;
  }

  noteOf({ row, data }) {
    return row.since === undefined ? row.note : `${row.note} · ${duration(data.length - row.since)}`;
  }

  note(item) {
    const { row, rows } = item;
    if (!rows) return element("li", { className: row.state, textContent: this.noteOf(item) });
    const count = (state) => rows.filter((each) => each.state === state).length;
    const found = Object.keys(NOTABLE).filter(count);
    return element("li", {
      className: found[0] ?? "done",
      textContent: found.map((state) => `${shown(count(state))} ${NOTABLE[state]}`).join(" · ") || "✓ all completed",
    });
  }

  isCurrent(item) {
    return item.data === this.data && item.event === this.row;
  }

  async toggle({ key, row, rows }) {
    if (!this.opened.delete(key)) {
      const child = rows || await this.options.child(row.child);
      if (!child) return this.tools.tell("This page does not contain the history of the child.");
      this.opened.set(key, rows ? {} : merged(null, child));
    }
    this.refresh();
    focusOn(this.items.find((each) => each.key === key));
  }

  follow(event, item) {
    if (event.ctrlKey || event.metaKey || event.shiftKey || item.data !== this.data) return;
    event.preventDefault();
    this.row = item.event;
    this.select(item.event);
  }

  listed(id) {
    return document.getElementById(`${this.anchor}e${id}`);
  }

  // Choose an event, or none.
  select(id) {
    this.listed(this.event)?.classList.remove("current");
    this.event = this.at.has(id) ? id : null;
    if (this.event !== null) {
      const listed = this.listed(id);
      listed?.classList.add("current");
      const causes = listed?.cells[3].textContent.split(" ").map(Number) ?? [];
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
    if (next) this.select(next);
  }

  moveRow(count) {
    const index = this.items.indexOf(this.focused()) + count;
    const item = this.items[Math.max(index, 0)] ?? this.items.at(-1);
    if (!item) return;
    this.row = item.event;
    this.mark();
    focusOn(item);
    if (!this.details.panel.hidden && item.data === this.data) this.select(item.event);
    this.saveSoon();
  }

  focusRow() {
    focusOn(this.focused(), { preventScroll: true });
  }

  // The row with the focus, or else the chosen one.
  focused() {
    return this.items.find((item) => item.element.contains(document.activeElement)) ?? this.items.find((item) => this.isCurrent(item));
  }

  nextFailure() {
    const { failures } = this.data;
    const next = failures.find((id) => id > (this.event ?? 0)) ?? failures[0];
    if (next) this.select(next);
    else this.tools.tell("Nothing failed.");
  }

  toggleCurrent() {
    const item = this.focused();
    if (item && this.opens(item)) this.toggle(item);
  }

  opens({ rows, row }) {
    return rows || (row.child && this.options.child);
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
    const ticks = found.map(({ at }) => [this.place(at), words(at)]).filter(([x, label]) => {
      const begin = px(x), end = begin + 12 + label.length * 6.2;
      if (begin < free || end > width || middles.some((middle) => end > px(middle) - 32 && begin < px(middle) + 32)) return false;
      free = end;
      return true;
    });
    this.ticks.replaceChildren(
      ...ticks.flatMap(([x, text]) => [
        drawn("text", { x: `${x / 10}%`, y: 16, dx: 4 }, text),
        drawn("line", { x1: `${x / 10}%`, x2: `${x / 10}%`, y1: 4, y2: 24 }),
      ]),
      ...strips.map(([x, w, length]) => drawn("text", { class: "fold", x: `${(x + w / 2) / 10}%`, y: 16 }, `≈ ${duration(length)}`)));
    this.axis.querySelector(".axis-title").textContent = isTime ? CLOCKS[this.clock] : "event";
    spanned(this.thumb, from, to);
    Object.assign(this.rows.view, {
      grid: ticks.map(([x]) => x),
      folds: folds.filter(([x, w]) => x + w > 0 && x < WIDTH),
      cursor: this.event === null ? null : this.place(this.at.get(this.event)),
    });
    this.rows.draw();
    this.minimap.look(from, to);
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
    frame.onpointerdown = (event) => {
      const within = bars(event);
      if (!within || event.button || event.pointerType === "touch") return;
      this.drag = { x: event.clientX, view: this.view, width: within.clientWidth, moved: false };
    };
    frame.onpointermove = (event) => {
      const within = bars(event);
      this.pointer.hidden = !within || this.data.axis !== "time";
      if (this.pointer.hidden) return;
      const at = Math.min(Math.max(this.scale.moment(placeAt(event, within)), 0), this.data.length);
      this.pointer.textContent = this.time(at);
      this.pointer.style.left = `${this.place(at) / 10}%`;
      this.pointer.classList.toggle("late", this.place(at) > 850);
    };
    frame.onpointerleave = () => (this.pointer.hidden = true);
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
    frame.onclick = (event) => {
      const within = bars(event);
      if (!within || this.dragged) return;
      const fold = this.scale.foldAt(this.scale.moment(placeAt(event, within)));
      if (fold) {
        this.unfolded.add(fold[0]);
        this.rescale();
        return this.refresh();
      }
      const band = this.rows.bands.find((each) => each.element.contains(within));
      const item = band?.items[Math.floor((event.clientY - within.getBoundingClientRect().top) / ROW)];
      if (item?.rows) this.toggle(item);
      else if (item?.data === this.data) this.follow(event, item);
    };
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
  writeTimes(events = this.data.events) {
    const table = document.querySelector(`.events[data-run="${this.anchor}"]`);
    for (const heading of table.querySelectorAll("th:nth-child(2)")) heading.textContent = CLOCKS[this.clock];
    table.classList.toggle("clocked", this.clock !== "");
    for (const [id, at] of events) {
      const row = this.listed(id);
      if (row) row.cells[1].textContent = this.time(at);
    }
  }
}
