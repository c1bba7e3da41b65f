// The view, in the address: after `#` in a file, after `?` on a server.
const NAMES = ["run", "at", "row", "zoom", "find", "show", "hide", "folds", "clock"];
const isFile = document.body.classList.contains("report");

// An anchor alone leads to its event without scripts, too.
const ANCHOR = /^#(r\d+|)e(\d+)$/;

export function readAddress() {
  const anchor = ANCHOR.exec(location.hash);
  if (anchor) return { run: anchor[1], at: anchor[2] };
  const given = new URLSearchParams(isFile ? location.hash.slice(1) : location.search);
  return Object.fromEntries([...given].filter(([name, value]) => value && NAMES.includes(name)));
}

// The address of a state; members that are empty are left out.
export function addressOf(state) {
  const made = new URL(location.href);
  const given = isFile ? new URLSearchParams() : made.searchParams;
  for (const name of NAMES) {
    if (name === "run" && !isFile) continue;
    if (state[name]) given.set(name, state[name]);
    else given.delete(name);
  }
  made.hash = isFile ? given.toString() : "";
  return made;
}

export function writeAddress(state) {
  const made = addressOf(state);
  if (made.href !== location.href) history.replaceState(history.state, "", made);
}

export async function copyText(text) {
  return navigator.clipboard?.writeText(text).then(() => true, () => false);
}

// Settings of the visitor. Some browsers keep none for files.
export function setting(name, value) {
  try {
    if (value !== undefined) localStorage.setItem(`flowy.${name}`, value);
    return localStorage.getItem(`flowy.${name}`);
  } catch {
    return null;
  }
}
