// Keys of a page with timelines, and the help that lists them.
import { element } from "./drawing.js";
import { setting } from "./address.js";

const HELP = [
  ["?", "this help"],
  ["/", "filter rows"],
  ["j k", "next and previous row"],
  ["← →", "previous and next event"],
  ["Shift ← →", "previous and next decision"],
  ["Home End", "first and last event"],
  ["w s + −", "zoom in and out"],
  ["a d", "earlier and later"],
  ["0", "show all of the time"],
  ["f", "next failure"],
  ["o", "open or close the child or group"],
  ["c", "copy a link to what is shown"],
  ["t", "switch between time since the start, UTC and local time"],
  ["Esc", "close the details"],
];

export class Keys {
  // `current()` gives the timeline that keys act on, or nothing; `more` are keys of the page.
  constructor(current, more = []) {
    this.current = current;
    this.more = more;
    const rows = [...HELP, ...more.map(([key, words]) => [key, words])].map(([key, words]) =>
      element("div", {}, element("dt", {}, ...key.split(" ").flatMap((each) => [element("kbd", { textContent: each }), " "])), element("dd", { textContent: words })));
    this.letters = element("input", { type: "checkbox", checked: setting("keys") !== "off" });
    this.letters.onchange = () => setting("keys", this.letters.checked ? "on" : "off");
    this.dialog = element("dialog", { className: "help", "aria-label": "Keys" },
      element("h2", { textContent: "Keys" }),
      element("dl", {}, ...rows),
      element("p", {}, "Ctrl and the wheel zoom at the pointer. Dragging pans; on the small picture it selects a time."),
      element("label", {}, this.letters, " Keys without Ctrl or Alt are on"),
      element("form", { method: "dialog" }, element("button", { textContent: "Close", autofocus: true })));
    document.body.append(this.dialog);
    addEventListener("keydown", (event) => this.press(event));
  }

  help() {
    this.dialog.showModal();
  }

  press(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented || this.dialog.open) return;
    const within = event.target instanceof Element ? event.target : document.body;
    const timeline = this.current();
    if (event.key === "Escape") {
      if (within.matches("input[type=search]")) within.blur();
      else timeline?.details?.close();
      return;
    }
    if (within.closest("input, textarea, select, [contenteditable]") || !this.letters.checked) return;
    // Text that scrolls keeps the keys that scroll it.
    if (within.closest("pre") && /^(Arrow|Home|End)/.test(event.key)) return;
    if (/^(Home|End)$/.test(event.key) && within === document.body) return;
    const act = this.action(event, timeline);
    if (!act) return;
    event.preventDefault();
    act();
  }

  action(event, timeline) {
    const own = this.more.find(([key]) => key === event.key);
    if (own) return own[2];
    if (event.key === "?") return () => this.help();
    if (!timeline) return null;
    return {
      "/": () => timeline.tools.focusFilter(),
      j: () => timeline.moveRow(1),
      k: () => timeline.moveRow(-1),
      ArrowLeft: () => timeline.step(-1, event.shiftKey),
      ArrowRight: () => timeline.step(1, event.shiftKey),
      Home: () => timeline.step(-Infinity),
      End: () => timeline.step(Infinity),
      w: () => timeline.zoom(0.7),
      s: () => timeline.zoom(1 / 0.7),
      "+": () => timeline.zoom(0.7),
      "=": () => timeline.zoom(0.7),
      "-": () => timeline.zoom(1 / 0.7),
      a: () => timeline.pan(-0.25),
      d: () => timeline.pan(0.25),
      0: () => timeline.fit(),
      f: () => timeline.nextFailure(),
      o: () => timeline.toggleCurrent(),
      c: () => timeline.copyLink(),
      t: () => timeline.nextClock(),
    }[event.key];
  }
}
