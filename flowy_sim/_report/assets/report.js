// What a report does when it has been opened.
import { readAddress } from "./address.js";
import { Details } from "./details.js";
import { Keys } from "./keys.js";
import { Timeline } from "./timeline.js";

async function unpacked(script) {
  const bytes = Uint8Array.from(atob(script.textContent), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).json();
}

async function open() {
  const timelines = [], byExecution = new Map();
  let current = null;
  const details = new Details();
  new Keys(() => current ?? timelines[0]);
  for (const script of document.querySelectorAll("script.data")) {
    const data = await unpacked(script);
    data.anchor = script.dataset.run;
    if (data.execution[1]) byExecution.set(data.execution.join("\n"), data);
    const root = document.querySelector(`.timeline[data-run="${data.anchor}"]`);
    if (!data.count) continue;
    const timeline = new Timeline(root, data, {
      details,
      child: (execution) => byExecution.get(execution.join("\n")),
    });
    // Keys act on the timeline that was used last.
    for (const use of ["focusin", "pointerdown"]) root.addEventListener(use, () => (current = timeline));
    timelines.push(timeline);
  }
  const restore = () => {
    const state = readAddress();
    const wanted = timelines.find((each) => each.anchor === (state.run ?? "")) ?? timelines[0];
    if (!wanted || !Object.keys(state).length) return;
    current = wanted;
    if (location.hash.includes("=")) wanted.restore(state);
    else wanted.select(Number(state.at));
  };
  restore();
  for (const timeline of timelines) timeline.isRestored = true;
  addEventListener("hashchange", restore);
  document.documentElement.dataset.ready = "";
}

open();
