// The page of an execution: its timeline can be zoomed and filtered as in a report, children open
// in place, and what is new is added without moving anything.

import { readAddress } from "./address.js";
import { Details } from "./details.js";
import { element } from "./drawing.js";
import { Keys } from "./keys.js";
import { Timeline } from "./timeline.js";

const page = document.body.dataset;
let timeline = null;

export async function openExecution() {
  const root = document.querySelector(".timeline");
  if (!root) return;
  const data = await fetched(location.search);
  if (!data.rows.length) return;
  const details = new Details((shown, id) => shown.data.payloads[id]);
  timeline = new Timeline(root, data, {
    details,
    child: ([workflow, run]) => fetched(`?${query({ workflow, run })}`),
  });
  const jump = () => document.querySelector("[data-do=jump]")?.click();
  new Keys(() => timeline, { ".": jump });
  timeline.restore(readAddress());
  timeline.isRestored = true;
  addEventListener("hashchange", () => timeline.restore(readAddress()));
  document.documentElement.dataset.ready = "";
}

// The last event that the page shows; 0 if that is unknown.
export function lastEvent() {
  return timeline ? timeline.ids.at(-1) : 0;
}

export function updateExecution(fresh) {
  if (!timeline) return;
  addEvents(fresh);
  const data = JSON.parse(fresh.getElementById("data").textContent);
  Object.assign(data.payloads, timeline.data.payloads);
  timeline.update(data);
  if (timeline.clock) timeline.writeTimes();
}

// The query of a URL about the place that the page shows, with more members.
export function query(more = {}) {
  const { account, region, domain } = page;
  return new URLSearchParams(Object.entries({ account, region, domain, ...more }).filter(([, value]) => value));
}

async function fetched(query) {
  const response = await fetch(`${page.here}/_console/data${query}`);
  const body = await response.json();
  if (!response.ok) throw new Error(body.error);
  return body;
}

// Adds the new rows at the end of the table, and links to them at their causes.
function addEvents(fresh) {
  const events = document.querySelector(".events");
  for (const row of fresh.querySelectorAll(".events tr[id]")) {
    if (document.getElementById(row.id)) continue;
    let chunk = events.querySelector(".chunk:last-of-type");
    if (chunk.classList.contains("full")) {
      chunk = document.importNode(row.closest(".chunk"), true);
      chunk.querySelector("tbody").replaceChildren();
      events.append(chunk);
    }
    const added = document.importNode(row, true);
    chunk.querySelector("tbody").append(added);
    chunk.classList.toggle("full", chunk.querySelectorAll("tbody tr").length === 100);
    for (const cause of added.cells[3].querySelectorAll("a")) {
      const effects = document.getElementById(cause.hash.slice(1))?.cells[4];
      if (!effects || effects.querySelectorAll("a").length >= 8) continue;
      effects.append(element("a", { href: `#${row.id}`, textContent: row.id.slice(1) }), " ");
    }
  }
}
