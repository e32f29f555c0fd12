// The ways between two seeds and between two classes: a slider each.

import { showJson } from "/static/curl.js";
import { $, fill, note, numberOf } from "/static/dom.js";
import { manner } from "/static/generate.js";
import { latest } from "/static/latest.js";
import { isStepwise } from "/static/models.js";
import { sourceOf } from "/static/pictures.js";
import { ask } from "/static/server.js";

const PATH = "/v1/images/generations";
// Images on a way; a step-by-step generator takes its time for each.
const FRAMES = 33;
const FEW = 9;

let model = null;

const seeds = way($("seeds-way"), $("seeds-image"), ({ seed, to_seed }) => ({
  seed: numberOf(seed),
  ...manner(),
  interpolate: { to_seed: numberOf(to_seed), steps: frameCount() },
}));

const labels = way($("labels-way"), $("labels-image"), ({ seed, label, to_label }) => ({
  seed: numberOf(seed),
  ...manner(),
  label: label.value,
  interpolate: { to_label: to_label.value, steps: frameCount() },
}));

const frameCount = () => (isStepwise(model) ? FEW : FRAMES);

// Shows the ways that the model has; quick ones are drawn at once, others when a slider is moved.
export async function useBetween(entry) {
  model = entry;
  const classes = model.labels.map((label) => [label, label]);
  $("labels-way").hidden = classes.length < 2;
  fill($("from-label"), classes);
  fill($("to-label"), classes);
  if ($("to-label").selectedIndex === $("from-label").selectedIndex) $("to-label").selectedIndex = 1;
  for (const one of [seeds, labels]) one.reset();
  if (isStepwise(entry)) return;
  await seeds.fetch();
  if (entry === model && classes.length > 1) await labels.fetch();
}

function way(form, image, fields) {
  const slider = form.elements.position;
  let frames = [];
  let drawn = "";

  const bodyOf = () => ({ model: model.id, ...fields(form.elements) });

  // The whole way is fetched once, so that the slider moves without waiting for the server.
  const fetchWay = latest(async () => {
    const body = bodyOf();
    image.classList.add("waiting");
    try {
      const answer = await ask(PATH, body);
      if (body.model !== model.id) return;
      frames = answer.data.map((item) => sourceOf(item.b64_json));
      drawn = JSON.stringify(body);
      note($("between-note"), "");
      show();
      showJson("between-curl", PATH, body);
    } catch (error) {
      note($("between-note"), error.message, true);
    } finally {
      image.classList.remove("waiting");
    }
  });

  function show() {
    const share = Number(slider.value) / Number(slider.max);
    slider.setAttribute("aria-valuetext", `${Math.round(100 * share)} percent`);
    if (frames.length) image.src = frames[Math.round(share * (frames.length - 1))];
  }

  function slide() {
    const body = bodyOf();
    show();
    showJson("between-curl", PATH, body);
    if (drawn !== JSON.stringify(body)) fetchWay();
  }

  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("change", (event) => {
    if (event.target !== slider) fetchWay();
  });
  slider.addEventListener("input", slide);

  return {
    fetch: fetchWay,
    reset() {
      frames = [];
      drawn = "";
      image.removeAttribute("src");
      slider.max = frameCount() - 1;
      slider.value = 0;
    },
  };
}
