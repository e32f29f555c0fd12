// The panel that draws: seeds, a class, and how a step-by-step generator goes.

import { showJson } from "/static/curl.js";
import { $, numberOf, roll } from "/static/dom.js";
import { drawing } from "/static/drawing.js";
import { isStepwise } from "/static/models.js";
import { asked, offer } from "/static/sampling.js";

const PATH = "/v1/images/generations";
// Images that are asked for at first; those of a step-by-step generator take their time.
const [MANY, FEW] = [16, 8];
const form = $("generate-form");

let model = null;
let sheet = null;

export function startGenerate(choose) {
  sheet = drawing({
    form, choose, grid: $("grid"), progress: $("generate-progress"), place: $("generate-note"),
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    generate();
  });
  $("dice").addEventListener("click", () => {
    roll($("seed"));
    generate();
  });
}

export function useGenerator(entry) {
  model = entry;
  form.elements.n.value = isStepwise(model) ? FEW : MANY;
  offer(form, model);
}

export function generate() {
  const { n, seed } = form.elements;
  const body = { model: model.id, n: numberOf(n), seed: numberOf(seed), ...asked(form, model) };
  if (isStepwise(model)) Object.assign(body, { stream: true, partial_images: 3 });
  showJson("generate-curl", PATH, body);
  return sheet.draw(PATH, body);
}

// How images of the same kind are drawn elsewhere on the page.
export const manner = () => asked(form, model);

export const unchoose = () => sheet.unchoose();

export function chooseFirst() {
  $("grid").firstElementChild?.click();
}
