// Actions: forms in dialogs, buttons that move the clock, and copies.

import { copyText } from "./address.js";
import { query } from "./execution.js";
import { refresh } from "./live.js";

const page = document.body.dataset;

export function offerActions() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("button");
    if (!button) return;
    if (button.dataset.opens) open(button);
    else if ("close" in button.dataset) button.closest("dialog").close();
    else if (button.dataset.do) move(button);
    else if (button.dataset.copy) copyAction(button);
    else if ("copies" in button.dataset) copy(button.closest(".copied").querySelector("pre").textContent);
  });
  document.addEventListener("submit", (event) => {
    if (!event.target.dataset.action) return;
    event.preventDefault();
    submit(event.target);
  });
}

function open(button) {
  const dialog = document.getElementById(button.dataset.opens);
  say(dialog, "");
  const activity = dialog.querySelector("input[name=activity]");
  if (activity) {
    activity.dataset.json = button.dataset.activity;
    activity.value = JSON.parse(button.dataset.activity);
  }
  dialog.showModal();
}

// What a form holds. IDs are exact: a field could not hold, say, a lone surrogate.
function fields(form) {
  const found = {};
  for (const field of form.elements) {
    if (field.name) found[field.name] = "json" in field.dataset ? JSON.parse(field.dataset.json || field.value) : field.value;
  }
  return found;
}

// Acts while a button is disabled.
async function act(button, action, failed) {
  button.disabled = true;
  try {
    await action();
  } catch (error) {
    failed(error.message);
  }
  button.disabled = false;
}

function submit(form) {
  act(form.querySelector("button"), async () => {
    const done = await post("act", form.dataset.action, fields(form));
    form.closest("dialog").close();
    if (done.url) location.href = done.url;
    else tell(done.sentence);
  }, (sentence) => say(form, sentence));
}

function move(button) {
  const { do: name, seconds } = button.dataset;
  if (name === "run") tell("Running until nothing more happens …", true);
  act(button, async () => tell((await post("act", name, { seconds })).sentence), (sentence) => tell(sentence, true));
}

function copyAction(button) {
  const form = button.closest("form");
  act(button, async () => {
    await copy((await post("copy", form.dataset.action, fields(form)))[button.dataset.copy], form);
  }, (sentence) => say(form, sentence));
}

async function copy(text, form = null) {
  if (await copyText(text)) tell("Copied.");
  else if (form) say(form, text);
  else tell("The browser does not allow copying; select the text instead.", true);
}

// Sends a request; an error has the words of the server.
async function post(kind, name, body) {
  let response;
  try {
    response = await fetch(`${page.here}/_console/${kind}/${name}?${query()}`, {
      method: "POST",
      headers: {
        "Content-Type": "application/json",
        "X-Flowy-Action": document.querySelector("meta[name=action-token]").content,
      },
      body: JSON.stringify(body),
    });
  } catch {
    throw new Error("The server cannot be reached.");
  }
  const answer = await response.json().catch(() => ({ error: `The server answered with status ${response.status}.` }));
  if (!response.ok) throw new Error(answer.code ? `${answer.code}: ${answer.error}` : answer.error);
  if (kind === "act") refresh();
  if (answer.url) answer.url = new URL(answer.url, new URL(`${page.here}/_console/`, location.href)).href;
  return answer;
}

function say(within, sentence) {
  const shown = within.querySelector("[role=alert]");
  shown.hidden = !sentence;
  shown.textContent = sentence;
}

let hiding = 0;

// A sentence at the bottom of the page, for a while or until the next one.
function tell(sentence, stays = false) {
  const shown = document.getElementById("said");
  shown.textContent = sentence;
  shown.hidden = false;
  clearTimeout(hiding);
  if (!stays) hiding = setTimeout(() => (shown.hidden = true), 6000);
}
