// Times on the page follow the clock of the simulation, never that of the browser.

const UNITS = [["d", 86400000], ["h", 3600000], ["min", 60000], ["s", 1000]];

// The simulated instant when the page was written, and when that was for the browser.
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

// Takes the clock from the page, which was just loaded or brought up to date.
export function readClock() {
  const clock = document.getElementById("clock");
  if (!clock) return;
  base = Number(clock.dataset.now);
  rate = Number(clock.dataset.rate);
  since = performance.now();
  tick();
  showZone(zone());
}

export function now() {
  return base + (performance.now() - since) * rate;
}

// In words, with the two greatest units, as `flowy_sim._report.layout.duration` writes it.
export function duration(milliseconds) {
  const ms = Math.round(milliseconds);
  if (ms > 0 && ms < 1000) return `${ms} ms`;
  if (ms < 59995) return `${Math.round(ms / 10) / 100} s`;
  let rest = Math.round(ms / 1000) * 1000;
  const words = [];
  for (const [unit, size] of UNITS) {
    const count = Math.floor(rest / size);
    rest %= size;
    if (words.length || count) words.push(count ? `${count} ${unit}` : "");
  }
  return words.slice(0, 2).filter(Boolean).join(" ");
}

function tick() {
  if (!rate) return;
  const instant = now();
  const whole = Math.floor(instant / 1000) * 1000;
  const shown = document.querySelector("#clock .now time");
  if (shown) {
    shown.dataset.ms = whole;
    write(shown, written(whole));
  }
  for (const each of document.querySelectorAll("[data-since]")) {
    write(each, duration(whole - Number(each.dataset.since)));
  }
  for (const each of document.querySelectorAll("[data-until]")) {
    const left = Number(each.dataset.until) - instant;
    write(each, left > 0 ? `in ${duration(left < 1000 ? left : Math.ceil(left / 1000) * 1000)}` : "now");
  }
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function zone() {
  try {
    return localStorage.getItem("flowy-zone") === "local" ? "local" : "utc";
  } catch {
    return "utc";
  }
}

function showZone(chosen) {
  try {
    localStorage.setItem("flowy-zone", chosen);
  } catch {
    // The browser keeps nothing; the choice lasts for this page.
  }
  const offset = -new Date(now()).getTimezoneOffset();
  const hours = `${offset < 0 ? "−" : "+"}${Math.floor(Math.abs(offset) / 60)}`;
  const minutes = offset % 60 ? `:${String(Math.abs(offset) % 60).padStart(2, "0")}` : "";
  for (const each of document.querySelectorAll(".zone")) {
    write(each, chosen === "utc" ? "UTC" : `UTC${hours}${minutes}`);
  }
  for (const each of document.querySelectorAll("time[data-ms]")) {
    write(each, written(Number(each.dataset.ms), chosen));
  }
}

function written(milliseconds, chosen = zone()) {
  const moment = new Date(milliseconds);
  const local = chosen === "local" ? -moment.getTimezoneOffset() * 60000 : 0;
  const text = new Date(milliseconds + local).toISOString().replace("T", " ").replace("Z", "");
  return text.endsWith(".000") ? text.slice(0, -4) : text;
}
