// Tabs as WAI-ARIA describes them: the focused one is the chosen one.

import { $ } from "/static/dom.js";
import { rove, stopAt } from "/static/rove.js";

// `chosen` is called with the id of the panel that is shown from now on.
export function startTabs(list, chosen) {
  rove(list);
  for (const name of ["click", "focusin"]) {
    list.addEventListener(name, (event) => {
      const tab = event.target.closest("[role=tab]");
      if (tab && tab.getAttribute("aria-selected") !== "true") choose(list, tab, chosen);
    });
  }
}

export function choose(list, tab, chosen) {
  for (const one of list.children) {
    const is = one === tab;
    one.setAttribute("aria-selected", is);
    $(one.getAttribute("aria-controls")).hidden = !is;
  }
  stopAt(list, tab);
  chosen(tab.getAttribute("aria-controls"));
}
