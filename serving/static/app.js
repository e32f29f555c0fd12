// The page: which models there are, and the two panels over them.

import * as classify from "/static/classify.js";
import * as generate from "/static/generate.js";
import { ask } from "/static/server.js";

const $ = (id) => document.getElementById(id);
const accuracy = (model) => model.metrics.find((m) => m.name === "accuracy")?.value ?? 0;

function fill(select, models, chosen) {
  select.replaceChildren(
    ...models.map((model) => {
      const option = new Option(model.id, model.id);
      option.selected = model === chosen;
      return option;
    }),
  );
  select.disabled = models.length < 2;
}

function short(value) {
  return Math.abs(value) < 1e6 ? Number(value.toPrecision(4)).toLocaleString("en") : value.toExponential(2);
}

// Shares are shown as percents, everything else as it is.
function measured(metric) {
  const share = /accuracy|^(precision|recall|coverage|memorised|nearer_train)_|^smooth_paths$|_pairs$/.test(metric.name);
  const value = share ? `${(100 * metric.value).toFixed(2)} %` : short(metric.value);
  return [`${metric.name.replaceAll("_", " ")} ${value}`, `${metric.split}, n = ${metric.n.toLocaleString("en")}`];
}

function cell(content, className = "") {
  const td = document.createElement("td");
  td.className = className;
  td.append(content);
  return td;
}

function row(model) {
  const tr = document.createElement("tr");
  const name = document.createDocumentFragment();
  const version = document.createElement("small");
  version.textContent = ` v${model.version}`;
  name.append(model.id, version);

  const numbers = document.createDocumentFragment();
  for (const metric of model.metrics.slice(0, 3)) {
    const line = document.createElement("div");
    const small = document.createElement("small");
    const [value, where] = measured(metric);
    line.className = "measure";
    small.textContent = `  ${where}`;
    line.append(value, small);
    numbers.append(line);
  }
  const link = document.createElement("a");
  link.href = `/v1/models/${encodeURIComponent(model.id)}`;
  link.textContent = "Card";
  link.setAttribute("aria-label", `Card of ${model.id}`);
  tr.append(
    cell(name),
    cell(model.task),
    cell(numbers),
    cell(model.parameters.toLocaleString("en"), "number"),
    cell(model.paper, "paper"),
    cell(link),
  );
  return tr;
}

function copies() {
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.addEventListener("click", async () => {
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
}

function status(text, kind) {
  $("status").textContent = text;
  $("status").className = `status ${kind}`;
  $("status").title = text;
}

async function main() {
  classify.start(generate.unchoose);
  copies();
  let models;
  try {
    models = (await ask("/v1/models")).data;
  } catch (error) {
    status(error.message, "failed");
    return;
  }
  status(`${models.length} model${models.length === 1 ? "" : "s"}`, "ready");
  $("model-rows").replaceChildren(...models.map(row));
  const byId = new Map(models.map((model) => [model.id, model]));
  const generators = models.filter((model) => model.task === "generation");
  const classifiers = models
    .filter((model) => model.task === "classification")
    .sort((a, b) => accuracy(b) - accuracy(a));
  const sameShape = (a, b) => String(a.input.shape) === String(b.output.shape);
  const generator = generators.find((g) => classifiers.some((c) => sameShape(c, g))) || generators[0];
  const classifier = classifiers.find((c) => generator && sameShape(c, generator)) || classifiers[0];
  $("classify").hidden = !classifiers.length;
  $("generate").hidden = !generators.length;
  fill($("classifier"), classifiers, classifier);
  fill($("generator"), generators, generator);
  classify.useClassifier(classifier);
  $("classifier").addEventListener("change", () => classify.useClassifier(byId.get($("classifier").value)));
  $("generator").addEventListener("change", () => generate.useGenerator(byId.get($("generator").value)));
  generate.start((picture) => classify.show(picture));
  if (generator) {
    await generate.useGenerator(generator);
    // Something to look at from the first moment, unless the visitor was faster.
    if (classifier && sameShape(classifier, generator) && classify.isEmpty()) generate.chooseFirst();
  }
}

main();
