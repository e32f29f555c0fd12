// Which classes the picture is nearest to, while it is drawn.

import { showForm } from "/static/curl.js";
import { $, made, note } from "/static/dom.js";
import * as easel from "/static/easel.js";
import { latest } from "/static/latest.js";
import { ask } from "/static/server.js";

const SHOWN = 10;
const PATH = "/v1/classify";
const percent = (score) => `${(100 * score).toFixed(1)} %`;

let model = null;
let top_k = 0;

export function useClassifier(entry) {
  model = entry;
  top_k = Math.min(SHOWN, model.labels.length);
  const fields = [["model", model.id], ["top_k", top_k], ["file", "@drawing.png"]];
  showForm("classify-curl", PATH, fields);
  return update();
}

export const update = latest(async () => {
  if (easel.isEmpty()) {
    bars([]);
    $("classify-heard").textContent = "";
    note($("classify-note"), "");
    return;
  }
  const started = performance.now();
  try {
    const answer = await ask(PATH, { model: model.id, image: await easel.picture(), top_k });
    if (easel.isEmpty()) return;
    const labels = answer.predictions[0];
    bars(labels);
    $("classify-heard").textContent = `${labels[0].label}, ${percent(labels[0].score)}`;
    note($("classify-note"), `${answer.model}, ${Math.round(performance.now() - started)} ms`);
  } catch (error) {
    note($("classify-note"), error.message, true);
  }
});

// The bars stay and their widths glide; only the texts change.
function bars(labels) {
  const list = $("bars");
  while (list.children.length > labels.length) list.lastChild.remove();
  while (list.children.length < labels.length) {
    list.append(made("li", "", made("div", "fill"), made("span"), made("span", "share")));
  }
  labels.forEach(({ label, score }, index) => {
    const [fill, name, share] = list.children[index].children;
    fill.style.width = `${100 * score}%`;
    name.textContent = label;
    share.textContent = percent(score);
  });
}
