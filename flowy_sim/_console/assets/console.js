import { offerActions } from "./actions.js";
import { followClock } from "./clock.js";
import { openExecution } from "./execution.js";
import { follow, problem } from "./live.js";

followClock();
offerActions();
openExecution().catch((error) => problem(error.message)).then(follow);

// Menus close when something else is clicked, or with Escape.
document.addEventListener("click", (event) => closeMenus(event.target));
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") closeMenus(null);
});

function closeMenus(target) {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(target)) menu.open = false;
  }
}

// A filter that is chosen applies at once.
document.getElementById("filters")?.addEventListener("change", (event) => {
  if (event.target instanceof HTMLSelectElement) event.currentTarget.requestSubmit();
});

// Empty fields of a form do not belong in the URL.
document.addEventListener("submit", (event) => {
  if (event.target.getAttribute("method") !== "get") return;
  for (const field of event.target.elements) {
    if (field.name && !field.value) field.disabled = true;
  }
});
