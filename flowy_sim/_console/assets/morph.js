// Makes an element equal to a newer one, and changes only what differs: focus, selection, scroll
// positions and opened details stay.

// Attributes that belong to the viewer, not to the server.
const OWN = new Set(["open", "hidden", "aria-expanded", "tabindex"]);

export function morph(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  if (old.nodeType !== Node.ELEMENT_NODE) {
    old.nodeValue = fresh.nodeValue;
    return;
  }
  // A form is being filled in, and other scripts draw what is theirs.
  if (old.localName === "form" || "own" in old.dataset) return;
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !OWN.has(name)) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value && !OWN.has(name)) old.setAttribute(name, value);
  }
  morphChildren(old, fresh);
}

function morphChildren(old, fresh) {
  const keyed = new Map();
  for (const child of old.children) {
    const key = keyOf(child);
    if (key) keyed.set(key, child);
  }
  let next = old.firstChild;
  for (const child of fresh.childNodes) {
    const key = keyOf(child);
    let match = key ? keyed.get(key) : null;
    if (!key) {
      while (next && keyOf(next) && !stays(next, fresh)) next = removed(next);
      if (next && !keyOf(next) && next.nodeName === child.nodeName) match = next;
    }
    if (!match) {
      old.insertBefore(document.importNode(child, true), next);
      continue;
    }
    if (match === next) next = next.nextSibling;
    else old.insertBefore(match, next);
    morph(match, child);
  }
  while (next) next = removed(next);
}

function keyOf(node) {
  return node.nodeType === Node.ELEMENT_NODE ? node.dataset.key || node.id : "";
}

function stays(node, fresh) {
  return [...fresh.children].some((child) => keyOf(child) === keyOf(node));
}

function removed(node) {
  const next = node.nextSibling;
  node.remove();
  return next;
}
