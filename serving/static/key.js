// The key of a server that asks for one: typed once, kept until the tab is closed.

import { made } from "/static/dom.js";

const NAME = "zoo-key";
let key = "";
let asking = null;

try {
  key = sessionStorage.getItem(NAME) || "";
} catch {
  // A browser that keeps nothing still has the variable, until the page is left.
}

export const currentKey = () => key;

export function authorization() {
  return key ? { Authorization: `Bearer ${key}` } : {};
}

export function keepKey(value) {
  key = value;
  try {
    if (value) sessionStorage.setItem(NAME, value);
    else sessionStorage.removeItem(NAME);
  } catch {
    // As above.
  }
  document.dispatchEvent(new Event("key"));
}

// Resolves with a key, or with "" if the visitor has none; many who ask share one question.
export function askForKey() {
  asking ||= question().finally(() => { asking = null; });
  return asking;
}

function question() {
  const field = made("input");
  Object.assign(field, { id: "key", type: "password", required: true, autocomplete: "off", spellcheck: false });
  // What a header can carry.
  field.pattern = "[!-~]+";
  const label = made("label", "field", "Key", field);
  const refused = key ? "The server does not take this key." : "This server asks for a key.";
  const title = made("h2", "", refused);
  title.id = "key-title";
  const about = made("p", "note", "It is kept in this tab, sent to this server alone, and gone when the tab is closed.");
  const later = made("button", "", "Not now");
  later.type = "button";
  const buttons = made("div", "actions", made("button", "primary", "Use it"), later);
  const form = made("form", "key-form", title, about, label, buttons);
  const dialog = made("dialog", "sheet", form);
  dialog.setAttribute("aria-labelledby", "key-title");
  document.body.append(dialog);
  return new Promise((resolve) => {
    let given = "";
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      given = field.value;
      keepKey(given);
      dialog.close();
    });
    later.addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(given);
    });
    dialog.showModal();
  });
}
