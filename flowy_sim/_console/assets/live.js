// Live updates: one stream for all pages of a browser says what has changed, and each page fetches
// what it shows again. After a lost connection it always does.

import { readClock } from "./clock.js";
import { lastEvent, query, updateExecution } from "./execution.js";
import { morph } from "./morph.js";

const page = document.body.dataset;
const root = new URL(page.here, location.href).href;
const server = page.simulation ? new URL("..", root).href : root;
// Real milliseconds between two updates, at least; and between two looks where there is no stream.
const PAUSE = 150;
const LOOK = 5000;
const RETRY = 1000;

let channel = null;
let timer = 0;
let running = false;
let again = false;
let missed = false;
let took = 0;

export function follow() {
  if (page.live === "poll") {
    look();
  } else if (page.live === "stream") {
    channel = new BroadcastChannel(`flowy ${server}`);
    channel.onmessage = ({ data }) => receive(data);
    lead();
    channel.postMessage({ ask: true });
    catchUp();
  }
  if (polls() || (lastEvent() && document.querySelector("meta[name=open]"))) look();
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && missed) refresh();
  });
}

// Something may have changed after the server wrote the page and before the page followed changes.
async function catchUp() {
  const response = await fetch(`${root}_console/stamp?${query()}`).catch(() => null);
  if (page.stamp && response?.ok && (await response.json()) !== page.stamp) changed();
}

// Of all pages, the one that has the lock opens the stream, and passes on what it says.
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
  const stream = new EventSource(`${root}_console/stream?${new URLSearchParams({ account: page.account })}`);
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
  stream.addEventListener("message", ({ data }) => tell(JSON.parse(data)));
  stream.addEventListener("error", () => {
    tell({ connected: false });
    // The browser connects again by itself, unless the server has answered with an error.
    if (stream.readyState === EventSource.CLOSED) {
      stream.close();
      setTimeout(open, RETRY);
    }
  });
}

let wasConnected = true;

function receive(message) {
  if (message.ask) {
    if (state) channel.postMessage({ ...state, missed: false });
  } else if ("connected" in message) {
    state = message;
    connected(message.connected);
    if (message.connected && (message.missed || !wasConnected)) changed();
    wasConnected = message.connected;
  } else if (concerns(message)) {
    changed();
  }
}

function concerns(message) {
  if (message.simulation !== page.simulation || message.account !== page.account) return false;
  if (!message.changed) return polls();
  const shown = document.querySelector("[data-shows]")?.dataset.shows;
  const runs = message.domains[page.domain];
  if (!shown || !runs || Object.keys(runs).length === 0) return true;
  // The page of an execution changes with it and with the clock.
  return shown in runs || document.getElementById("clock").dataset.rate === "0";
}

// Whether the page shows who polls: that changes while nothing happens, too.
function polls() {
  return Boolean(document.querySelector('[data-live="polls"]'));
}

function changed() {
  again = true;
  missed = true;
  if (!running && !timer && !document.hidden) {
    // A page that takes long to fetch is fetched less often.
    timer = setTimeout(refresh, took > PAUSE ? took : 0);
  }
}

function look() {
  setInterval(() => {
    const runs = Number(document.getElementById("clock").dataset.rate) > 0;
    if (!document.hidden && (runs || polls() || page.live === "poll")) changed();
  }, LOOK);
}

// Fetches the page again, and brings what has changed up to date.
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
    const last = lastEvent();
    if (last) url.searchParams.set("after", last);
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
  took = performance.now() - begun;
  running = false;
  if (again && !document.hidden) timer = setTimeout(refresh, Math.max(PAUSE, 2 * took));
}

function fetched(url) {
  // The parser of XMLHttpRequest makes a document without running anything in it.
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("GET", url);
    request.responseType = "document";
    request.setRequestHeader("Accept", "text/html");
    request.onload = () => resolve({ status: request.status, fresh: request.response });
    request.onerror = request.ontimeout = reject;
    request.timeout = 60000;
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
  const text = !is ? "not connected" : page.live === "poll" ? "looks every 5 s" : "live";
  if (shown.textContent !== text) shown.textContent = text;
}

export function problem(sentence) {
  const shown = document.getElementById("problem");
  shown.hidden = !sentence;
  shown.textContent = sentence && `This page could not be brought up to date: ${sentence}`;
}
