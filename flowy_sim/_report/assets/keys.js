// The keys of a page, and the help that lists them. Buttons can press keys, too.
import { setting } from "./address.js";

export class Keys {
  dialog = document.querySelector("dialog.help");
  letters = this.dialog.querySelector("input");

  // `current()` gives the timeline that keys act on, if any; `more` are other keys.
  constructor(current, more = {}) {
    this.current = current;
    this.more = more;
    this.letters.checked = setting("keys") !== "off";
    this.letters.onchange = () => setting("keys", this.letters.checked ? "on" : "off");
    addEventListener("keydown", (event) => this.press(event));
    addEventListener("click", ({ target }) => {
      const key = target.closest?.("[data-press]")?.dataset.press;
      if (key) this.action({ key })?.();
    });
  }

  press(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented || this.dialog.open) return;
    const within = event.target instanceof Element ? event.target : document.body;
    if (event.key === "Escape") {
      if (within.matches("input[type=search]")) within.blur();
      else this.action(event)?.();
      return;
    }
    if (within.closest("input, textarea, select, [contenteditable]") || !this.letters.checked) return;
    // Text that scrolls keeps the keys that scroll it.
    if (within.closest("pre") && /^(Arrow|Home|End)/.test(event.key)) return;
    if (/^(Home|End)$/.test(event.key) && within === document.body) return;
    const act = this.action(event);
    if (!act) return;
    event.preventDefault();
    act();
  }

  action({ key, shiftKey = false }) {
    const timeline = this.current();
    if (key === "?") return () => this.dialog.showModal();
    if (!timeline) return null;
    const closer = () => timeline.zoom(0.7), wider = () => timeline.zoom(1 / 0.7);
    return {
      ...this.more,
      Escape: () => (this.dialog.open ? this.dialog : timeline.details).close(),
      "/": () => timeline.tools.find.focus(),
      j: () => timeline.moveRow(1),
      k: () => timeline.moveRow(-1),
      ArrowLeft: () => timeline.step(-1, shiftKey),
      ArrowRight: () => timeline.step(1, shiftKey),
      Home: () => timeline.select(timeline.ids[0]),
      End: () => timeline.select(timeline.ids.at(-1)),
      w: closer,
      s: wider,
      "+": closer,
      "=": closer,
      "-": wider,
      a: () => timeline.pan(-0.25),
      d: () => timeline.pan(0.25),
      0: () => timeline.look(0, Infinity),
      f: () => timeline.nextFailure(),
      o: () => timeline.toggleCurrent(),
      c: () => timeline.copyLink(),
      t: () => timeline.nextClock(),
    }[key];
  }
}
