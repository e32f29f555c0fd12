// Small helpers over the document.

export const $ = (id) => document.getElementById(id);

export function made(name, className = "", ...content) {
  const element = document.createElement(name);
  element.className = className;
  element.append(...content);
  return element;
}

export function note(element, text, wrong = false) {
  element.textContent = text;
  element.classList.toggle("wrong", wrong);
}

// Fills a select with pairs of value and text, and keeps what was chosen where it is still there.
export function fill(select, pairs, chosen = select.value) {
  select.replaceChildren(
    ...pairs.map(([value, text]) => new Option(text, value, false, value === chosen)),
  );
  select.disabled = pairs.length < 2;
}

// What a number field holds, put within its own bounds; the field shows what was taken.
export function numberOf(input) {
  const whole = Number(input.step || 1) === 1;
  const typed = input.value.trim() ? Number(input.value) : NaN;
  const found = Number.isFinite(typed) ? typed : Number(input.defaultValue);
  const kept = Math.min(Number(input.max), Math.max(Number(input.min), whole ? Math.round(found) : found));
  input.value = kept;
  return kept;
}

// A fresh seed, short enough to be remembered.
export function roll(input) {
  input.value = crypto.getRandomValues(new Uint32Array(1))[0] % 1000000;
}
