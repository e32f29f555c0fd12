// The page: which models there are, and who gets which.

import { useBetween } from "/static/between.js";
import { openCard } from "/static/card.js";
import * as classify from "/static/classify.js";
import { startCopying } from "/static/curl.js";
import { $, fill } from "/static/dom.js";
import * as easel from "/static/easel.js";
import * as edit from "/static/edit.js";
import { startGallery } from "/static/gallery.js";
import * as generate from "/static/generate.js";
import { currentKey, keepKey } from "/static/key.js";
import { accuracy, can, fits, isStepwise } from "/static/models.js";
import { ask } from "/static/server.js";
import { choose, startTabs } from "/static/tabs.js";
import { transform } from "/static/transform.js";

const translate = transform("translate", "/v1/translate", () => ({ direction: $("direction").value }));
const reconstruct = transform("reconstruct", "/v1/reconstruct");

// What can be done, by the ability that a model needs for it: where its models are listed, and who
// takes the chosen one. All but the last are tabs beside the picture.
const PLACES = {
  classify: { select: $("classifier"), use: classify.useClassifier, update: classify.update },
  translate: { select: $("translator"), use: useTranslator, update: translate.update },
  reconstruct: { select: $("autoencoder"), use: reconstruct.use, update: reconstruct.update },
  edit: { select: $("editor"), use: edit.useEditor, update: () => {} },
  generate: { select: $("generator"), use: useGenerator },
};
let tab = null;
let byId = new Map();

function useTranslator(entry) {
  fill($("direction"), Object.keys(entry.output.directions).map((name) => [name, name.replaceAll("_", " ")]));
  return translate.use(entry);
}

async function useGenerator(entry) {
  generate.useGenerator(entry);
  await Promise.all([generate.generate(), useBetween(entry)]);
}

// What was drawn after one data set is labelled by a classifier of it, where there is one.
function suit(generator) {
  const { select, use } = PLACES.classify;
  const classifiers = [...select.options].map((option) => byId.get(option.value));
  const suited = classifiers.find((one) => fits(generator, one));
  if (!suited || fits(generator, byId.get(select.value))) return;
  select.value = suited.id;
  use(suited);
}

function showTab(name) {
  tab = name;
  easel.useMask(name === "edit" && $("masking").checked);
  PLACES[name].update();
}

// Brings a model to where it is tried.
function tryOut(model) {
  const name = Object.keys(PLACES).findLast((one) => can(model, one));
  const place = PLACES[name];
  if (name !== "generate") choose($("tabs"), $(`tab-${name}`), showTab);
  place.select.value = model.id;
  place.use(model);
  $(name).closest(".panel").scrollIntoView();
  place.select.focus({ preventScroll: true });
}

function status(text, kind) {
  $("status").textContent = text;
  $("status").className = `status ${kind}`;
  $("status").title = text;
}

function startKey() {
  const show = () => { $("forget").hidden = !currentKey(); };
  document.addEventListener("key", show);
  $("forget").addEventListener("click", () => keepKey(""));
  show();
}

function start() {
  startKey();
  startCopying();
  easel.startEasel((whole) => {
    if (!whole) for (const one of [generate, edit]) one.unchoose();
    if (tab) PLACES[tab].update();
  });
  startTabs($("tabs"), showTab);
  edit.startEdit((picture) => {
    generate.unchoose();
    return easel.show(picture);
  });
  generate.startGenerate((picture) => {
    suit(byId.get($("generator").value));
    edit.unchoose();
    return easel.show(picture);
  });
  $("direction").addEventListener("change", translate.refresh);
}

// Fills the lists; returns the models that are chosen in them, by what they are chosen for.
function list(models) {
  const sorted = models.toSorted((a, b) => accuracy(b) - accuracy(a));
  const able = (name) => sorted.filter((model) => can(model, name));
  const quick = able("generate").toSorted((a, b) => isStepwise(a) - isStepwise(b));
  const generator = quick.find((one) => able("classify").some((c) => fits(one, c))) ?? quick[0];
  const classifier = able("classify").find((one) => generator && fits(generator, one));
  const first = { generate: generator, classify: classifier };
  byId = new Map(models.map((model) => [model.id, model]));
  for (const [name, { select, use }] of Object.entries(PLACES)) {
    first[name] ??= able(name)[0];
    fill(select, able(name).map(({ id }) => [id, id]), first[name]?.id);
    select.addEventListener("change", () => use(byId.get(select.value)));
  }
  return first;
}

async function main() {
  start();
  let models;
  try {
    models = (await ask("/v1/models")).data;
  } catch (error) {
    status(error.message, "failed");
    return;
  }
  status(`${models.length} model${models.length === 1 ? "" : "s"}`, "ready");
  startGallery(models, (model) => openCard(model, tryOut));
  const first = list(models);
  const tabs = Object.keys(PLACES).filter((name) => name !== "generate" && first[name]);
  for (const name of tabs) {
    $(`tab-${name}`).hidden = false;
    PLACES[name].use(first[name]);
  }
  $("playground").hidden = !tabs.length;
  if (tabs.length) choose($("tabs"), $(`tab-${tabs[0]}`), showTab);
  if (first.generate) await beginWith(first.generate, first.classify);
}

async function beginWith(generator, classifier) {
  $("generate").hidden = $("between").hidden = false;
  if (isStepwise(generator)) {
    // It takes its time, so it waits until it is asked.
    generate.useGenerator(generator);
    useBetween(generator);
    return;
  }
  await useGenerator(generator);
  // Something to look at from the first moment, unless the visitor was faster.
  if (classifier && fits(generator, classifier) && easel.isEmpty()) generate.chooseFirst();
}

main();
