// Live updates: one stream for all pages of a browser reports changes, and each page fetches them.
// After a lost connection it always does.

import { readClock } from "./clock.js";
import { known, query, updateExecution } from "./execution.js";
import { morph } from "./morph.js";

const page = document.body.dataset;
const root = new URL(page.here, location.href).href;
const server = page.simulation ? new URL("..", root).href : root;
// The minimum real milliseconds between updates, and between polls if there is no stream.
const PAUSE = 150;
const LOOK = 5000;
const RETRY = 1000;

let channel = null;
let timer = 0;
let running = false;
let again = false;
let missed = false;
let next = 0;

export function follow() {
  if (page.live === "stream") {
    channel = new BroadcastChannel(`flowy ${server}`);
    channel.onmessage = ({ data }) => receive(data);
    lead();
    channel.postMessage({ ask: true });
    catchUp();
  }
  setInterval(() => {
    if (!document.hidden && (page.live === "poll" || document.querySelector("[data-looks]"))) changed();
  }, LOOK);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && missed) refresh();
  });
}

// Something may have changed after the page was written and before it followed changes.
async function catchUp() {
  const response = await fetch(`${root}_console/stamp?${query()}`).catch(() => null);
  if (page.stamp && response?.ok && (await response.json()) !== page.stamp) changed();
}

// The page that has the lock opens the stream, and passes on its messages.
function lead() {
  const leads = () => {
    open();
    return new Promise(() => {});
  };
  if (navigator.locks) navigator.locks.request(`flowy ${server}`, leads);
  else leads();
}

let state = null;

function open() {
  const stream = new EventSource(`${root}_console/stream?account=${page.account}`);
  // What happened between the stream of another page and this one is missed.
  let inherits = state !== null;
  const tell = (message) => {
    channel.postMessage(message);
    receive(message);
  };
  stream.addEventListener("hello", ({ data }) => {
    tell({ connected: true, missed: inherits || JSON.parse(data).missed });
    inherits = false;
  });
  stream.onmessage = ({ data }) => tell(JSON.parse(data));
  stream.onerror = () => {
    tell({ connected: false });
    // The browser connects again by itself, unless the answer was an error.
    if (stream.readyState === EventSource.CLOSED) {
      stream.close();
      setTimeout(open, RETRY);
    }
  };
}

function receive(message) {
  if (message.ask) {
    if (state) channel.postMessage({ ...state, missed: false });
  } else if ("connected" in message) {
    connected(message.connected);
    if (message.connected && (message.missed || state?.connected === false)) changed();
    state = message;
  } else if (concerns(message)) {
    changed();
  }
}

function concerns(message) {
  if (message.simulation !== page.simulation || message.account !== page.account) return false;
  // Pollers come and go even while nothing happens.
  if (!message.changed) return document.querySelector('[data-looks="polls"]');
  const shown = document.querySelector("[data-shows]")?.dataset.shows;
  const runs = message.domains[page.domain] ?? {};
  if (!shown || !Object.keys(runs).length) return true;
  // The page of an execution changes with it and with the clock.
  return shown in runs || document.getElementById("clock").dataset.rate === "0";
}

function changed() {
  again = true;
  missed = true;
  if (!running && !timer && !document.hidden) {
    // A page that takes long to fetch is fetched less often.
    timer = setTimeout(refresh, Math.max(0, next - performance.now()));
  }
}

// Fetches what has changed.
export async function refresh() {
  clearTimeout(timer);
  timer = 0;
  if (running) {
    again = true;
    return;
  }
  running = true;
  again = missed = false;
  const begun = performance.now();
  try {
    const url = new URL(location.href);
    for (const [name, value] of Object.entries(known())) url.searchParams.set(name, value);
    const { status, fresh } = await fetched(url.href);
    if (status === 401 && !document.querySelector("form.login")) {
      location.reload();
      return;
    }
    if (status < 400) {
      update(fresh);
      updateExecution(fresh);
      problem("");
    } else {
      problem(fresh?.querySelector("[role=alert]")?.textContent.trim() || `status ${status}`);
    }
    if (page.live === "poll") connected(true);
  } catch {
    connected(false);
  }
  next = performance.now() + Math.max(PAUSE, 2 * (performance.now() - begun));
  running = false;
  if (again) changed();
}

function fetched(url) {
  // This parser runs nothing that is in the document.
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("GET", url);
    request.responseType = "document";
    request.setRequestHeader("Accept", "text/html");
    request.onload = () => resolve({ status: request.status, fresh: request.response });
    request.onerror = request.ontimeout = reject;
    request.timeout = 60_000;
    request.send();
  });
}

function update(fresh) {
  for (const old of document.querySelectorAll("[data-live]:not(body)")) {
    const newer = fresh.getElementById(old.id);
    if (newer) morph(old, newer);
  }
  document.title = fresh.title;
  const token = "meta[name=action-token]";
  document.querySelector(token).content = fresh.querySelector(token).content;
  readClock();
}

function connected(is) {
  const shown = document.getElementById("connection");
  shown.hidden = false;
  shown.classList.toggle("lost", !is);
  const text = !is ? "not connected" : page.live === "poll" ? "updated every 5 s" : "live";
  if (shown.textContent !== text) shown.textContent = text;
}

export function problem(sentence) {
  const shown = document.getElementById("problem");
  shown.hidden = !sentence;
  shown.textContent = sentence && `This page could not be updated: ${sentence}`;
}
