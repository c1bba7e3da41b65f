// The page of an execution: its timeline works as in a report; new events are added to it.

import { readAddress } from "./address.js";
import { Details } from "./details.js";
import { Keys } from "./keys.js";
import { Timeline } from "./timeline.js";

const page = document.body.dataset;
let timeline = null;

export async function openExecution() {
  const root = document.querySelector(".timeline");
  if (!root) return;
  const data = await fetched(location.search);
  if (!data.count) return;
  timeline = new Timeline(root, data, {
    details: new Details(),
    child: ([workflow, run]) => fetched(`?${query({ workflow, run })}`),
  });
  new Keys(() => timeline, { ".": () => document.querySelector("[data-do=jump]")?.click() });
  timeline.restore(readAddress());
  timeline.isRestored = true;
  addEventListener("hashchange", () => timeline.restore(readAddress()));
  document.documentElement.dataset.ready = "";
}

// What the page has of its execution.
export function known() {
  return timeline ? { after: timeline.ids.at(-1), axis: timeline.data.axis } : {};
}

export function updateExecution(fresh) {
  if (!timeline) return;
  addEvents(fresh);
  timeline.update(JSON.parse(fresh.getElementById("data").textContent));
}

// The query of a URL about the place of the page.
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

// Adds new rows to the table, and links to them to their causes.
function addEvents(fresh) {
  for (const chunk of fresh.querySelectorAll(".chunk")) {
    const old = document.getElementById(chunk.id);
    if (old) {
      old.className = chunk.className;
      old.querySelector("caption").textContent = chunk.querySelector("caption").textContent;
      old.querySelector("tbody").append(...chunk.querySelectorAll("tr[id]"));
    } else {
      document.querySelector(".events").append(chunk);
    }
  }
  for (const row of fresh.querySelectorAll("#caused tr")) {
    document.getElementById(`e${row.dataset.event}`).cells[4].replaceChildren(...row.cells[0].childNodes);
  }
}
