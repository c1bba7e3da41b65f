// The panel with one event: what the table shows of it, with its payloads in full.
import { element } from "./drawing.js";
import { duration, instant, LOCAL } from "./scale.js";

export class Details {
  panel = document.querySelector(".panel");
  title = this.panel.querySelector("h2");
  body = this.panel.querySelector(".panel-body");

  show(timeline, id) {
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
    const whole = timeline.data.payloads[id];
    if (whole && !details) {
      list.append(...Object.entries(whole).flatMap(([name, textContent]) => [element("p", { textContent: name }), element("pre", { textContent })]));
    } else if (lead) list.append(element("pre", { textContent: lead }), ...copies(details).slice(1));
    else list.append(element("p", { className: "faint", textContent: "The event has no other members." }));
    // What an earlier event shows is taken from there.
    for (const link of list.querySelectorAll("a")) link.replaceWith(document.querySelector(`${link.hash} .shared`).cloneNode(true));
    this.body.replaceChildren(facts, list);
    this.panel.hidden = false;
    document.body.classList.add("with-panel");
    for (const value of list.querySelectorAll("pre")) value.tabIndex = 0;
    for (const cut of list.querySelectorAll("pre[data-cut]")) {
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

function copies(cell) {
  return [...(cell?.childNodes ?? [])].map((node) => node.cloneNode(true));
}
