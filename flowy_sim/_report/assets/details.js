// A panel beside the page with one event: what the table shows of it, and its payloads in full.
import { element } from "./drawing.js";
import { duration, instant, LOCAL } from "./scale.js";

export class Details {
  // `payload(timeline, event)` gives by name what the table cuts, or a promise of it.
  constructor(payload) {
    this.payload = payload;
    this.panel = document.querySelector(".panel");
    this.title = this.panel.querySelector("h2");
    this.body = this.panel.querySelector(".panel-body");
  }

  async show(timeline, id) {
    const listed = timeline.listed(id);
    if (!listed) return;
    const [, time, event, causes, effects, members] = listed.cells;
    this.timeline = timeline;
    const at = timeline.at.get(id);
    this.title.replaceChildren(`${id} `, ...copies(event));
    const facts = element("dl", { className: "panel-facts" });
    const fact = (name, ...values) => facts.append(element("div", {}, element("dt", { textContent: name }), element("dd", {}, ...values)));
    if (timeline.data.axis === "time") {
      const when = timeline.data.start + at;
      const local = LOCAL === "UTC" ? [] : [element("br"), `${instant("local", when)} ${LOCAL}`];
      fact("time", duration(at), element("br"), `${instant("utc", when)} UTC`, ...local);
    } else {
      fact("time", time.textContent || "not known");
    }
    const row = timeline.data.rows.find((each) => each.event === timeline.row);
    if (row) fact("row", element("bdi", { textContent: row.label }), `, ${row.spoken}`);
    if (causes.textContent.trim()) fact("caused by", ...copies(causes));
    if (effects.textContent.trim()) fact("causes", ...copies(effects));
    const list = element("div", { className: "members" });
    const details = members.querySelector("details");
    const lead = (details?.querySelector("summary") ?? members).textContent.trim();
    if (timeline.data.payloads?.[id] && !details) list.append(...all(timeline.data.payloads[id]));
    else if (lead) list.append(element("pre", { textContent: lead }), ...copies(details).slice(1));
    else list.append(element("p", { className: "faint", textContent: "It has no other members." }));
    // What an earlier event shows is taken from there.
    for (const link of list.querySelectorAll("a")) link.replaceWith(document.querySelector(`${link.hash} .told`).cloneNode(true));
    this.body.replaceChildren(facts, list);
    this.panel.hidden = false;
    document.body.classList.add("with-panel");
    for (const value of list.querySelectorAll("pre")) value.tabIndex = 0;
    if (list.querySelector("pre[data-cut]")) await this.complete(list, timeline, id);
  }

  async complete(list, timeline, id) {
    const whole = await this.payload(timeline, id);
    if (!whole) return;
    for (const cut of list.querySelectorAll("pre[data-cut]")) {
      if (!(cut.dataset.of in whole)) continue;
      cut.textContent = whole[cut.dataset.of];
      cut.nextElementSibling?.remove();
    }
  }

  close() {
    if (this.panel.hidden) return;
    this.panel.hidden = true;
    document.body.classList.remove("with-panel");
    this.timeline.select(null);
    this.timeline.focusRow();
  }
}

function all(members) {
  return Object.entries(members).flatMap(([name, textContent]) => [element("p", { textContent: name }), element("pre", { textContent })]);
}

function copies(cell) {
  return [...(cell?.childNodes ?? [])].map((node) => node.cloneNode(true));
}
