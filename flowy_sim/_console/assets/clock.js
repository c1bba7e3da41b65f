// Times on the page follow the clock of the simulation, never that of the browser.

import { setting } from "./address.js";
import { duration, instant, LOCAL } from "./scale.js";

// When the page was written, in simulated time and for the browser.
let base = 0;
let rate = 0;
let since = 0;

export function followClock() {
  readClock();
  setInterval(tick, 500);
  document.addEventListener("click", (event) => {
    if (event.target.closest?.("button.zone")) showZone(zone() === "utc" ? "local" : "utc");
  });
  showZone(zone());
}

// Takes the clock from the page.
export function readClock() {
  const clock = document.getElementById("clock").dataset;
  base = Number(clock.now);
  rate = Number(clock.rate);
  since = performance.now();
  tick();
  showZone(zone());
}

export function now() {
  return base + (performance.now() - since) * rate;
}

function tick() {
  if (!rate) return;
  const moment = now();
  const whole = Math.floor(moment / 1000) * 1000;
  const shown = document.querySelector("#clock .now time");
  shown.dataset.ms = whole;
  write(shown, written(whole));
  for (const each of document.querySelectorAll("[data-since]")) {
    write(each, duration(whole - Number(each.dataset.since)));
  }
  for (const each of document.querySelectorAll("[data-until]")) {
    const left = Number(each.dataset.until) - moment;
    write(each, left > 0 ? `in ${duration(left < 1000 ? left : Math.ceil(left / 1000) * 1000)}` : "now");
  }
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function zone() {
  return setting("zone") === "local" ? "local" : "utc";
}

function showZone(chosen) {
  setting("zone", chosen);
  for (const each of document.querySelectorAll(".zone")) write(each, chosen === "utc" ? "UTC" : LOCAL);
  for (const each of document.querySelectorAll("time[data-ms]")) {
    write(each, written(Number(each.dataset.ms), chosen));
  }
}

function written(milliseconds, chosen = zone()) {
  const text = instant(chosen, milliseconds);
  return text.endsWith(".000") ? text.slice(0, -4) : text;
}
