// The line for a shell that does what was just done on the page.

import { $ } from "/static/dom.js";
import { currentKey } from "/static/key.js";

export function quoted(value) {
  return `'${String(value).replaceAll("'", "'\\''")}'`;
}

export function showJson(id, path, body) {
  const flags = body.stream ? "-N " : "";
  show(id, path, `${flags}-H 'Content-Type: application/json' -d ${quoted(JSON.stringify(body))}`);
}

// `fields` are pairs, since a name may come twice; a value that begins with @ is a file to send.
export function showForm(id, path, fields) {
  const parts = fields.map(([name, value]) =>
    `-F ${/^@?[\w.-]+$/.test(value) ? `${name}=${value}` : quoted(`${name}=${value}`)}`);
  show(id, path, parts.join(" "));
}

// The key is never shown; a shell has it in a variable.
export function show(id, path, rest = "") {
  const key = currentKey() ? '-H "Authorization: Bearer $ZOO_KEY" ' : "";
  $(id).textContent = `curl ${location.origin}${path} ${key}${rest}`.trim();
}

export function startCopying() {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const source = $(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(source.textContent);
      button.textContent = "Copied";
    } catch {
      // Browsers allow the clipboard on https and localhost only; a selection works everywhere.
      getSelection().selectAllChildren(source);
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
}
