// A model's card: all that it says of itself, in a dialog.

import { show as showCurl } from "/static/curl.js";
import { made } from "/static/dom.js";
import { nameOf, valueOf, whole } from "/static/measures.js";
import { addressOf } from "/static/models.js";
import { ask, pictureAt } from "/static/server.js";

// `use` is called with the entry when the visitor wants to try the model.
export async function openCard(model, use) {
  const close = made("button", "quiet", "Close");
  const title = made("h2", "", model.id, made("small", "", ` version ${model.version}`));
  title.id = "card-title";
  const body = made("div", "card-body", made("p", "note", "…"));
  const dialog = made("dialog", "sheet card", made("header", "panel-head", title, close), body);
  dialog.setAttribute("aria-labelledby", title.id);
  close.type = "button";
  close.addEventListener("click", () => dialog.close());
  // A click beside the sheet hits the dialog itself.
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  dialog.addEventListener("close", () => {
    for (const image of dialog.querySelectorAll("img")) URL.revokeObjectURL(image.src);
    dialog.remove();
  });
  document.body.append(dialog);
  dialog.showModal();
  try {
    const found = await ask(addressOf(model));
    body.replaceChildren(
      facts(found), ...tryIt(model, dialog, use), measures(found.card.metrics), ...shots(found), line(),
    );
    showCurl("card-curl", addressOf(model));
  } catch (error) {
    body.replaceChildren(made("p", "note wrong", error.message));
  }
}

function facts(model) {
  const { card } = model;
  const shape = (one) => one.shape.join(" × ");
  const rows = [
    ["Task", model.task],
    ["Paper", model.paper],
    ["State", model.state],
    ["Versions", model.versions.join(", ")],
    ["Parameters", whole(model.parameters)],
    ["Input", shape(model.input)],
    ["Output", shape(model.output)],
    ["Classes", model.labels.join(", ")],
    ["Directions", Object.keys(model.output.directions ?? {}).join(", ")],
    ["Trained on", [card.data.name, card.data.split].filter(Boolean).join(", ")],
    ["Licence", model.licence],
    ["Made", card.created.slice(0, 10)],
  ];
  const list = made("dl", "facts");
  for (const [name, value] of rows.filter(([, text]) => text)) {
    list.append(made("dt", "", name), made("dd", "", String(value)));
  }
  return list;
}

function tryIt(model, dialog, use) {
  if (!model.abilities.length) return [];
  const button = made("button", "primary", "Try it");
  button.type = "button";
  button.addEventListener("click", () => {
    dialog.close();
    use(model);
  });
  return [made("div", "actions", button)];
}

function measures(metrics) {
  const rows = metrics.filter(({ value }) => Number.isFinite(value)).map((metric) => {
    const name = made("td", "", nameOf(metric));
    if (metric.note) name.append(made("small", "block", metric.note));
    const where = `${metric.split}, n = ${whole(metric.n)}`;
    return made("tr", "", name, made("td", "number", valueOf(metric)), made("td", "soft", where));
  });
  const table = made("table", "", made("tbody", "", ...rows));
  table.setAttribute("aria-label", "Measured");
  const scroll = made("div", "scroll", table);
  scroll.tabIndex = 0;
  return scroll;
}

function shots(model) {
  return model.pictures.map((file) => {
    const name = file.replace(/\.png$/, "").replaceAll("_", " ");
    const image = Object.assign(new Image(), { alt: `${name} of ${model.id}` });
    const figure = made("figure", "shot-large", image, made("figcaption", "", name));
    pictureAt(`${addressOf(model)}/files/${encodeURIComponent(file)}`).then(
      (address) => { image.src = address; },
      (error) => { figure.lastChild.textContent = error.message; },
    );
    return figure;
  });
}

function line() {
  const text = made("pre");
  Object.assign(text, { id: "card-curl", tabIndex: 0 });
  const copy = made("button", "", "Copy");
  copy.type = "button";
  copy.dataset.copy = "card-curl";
  copy.setAttribute("aria-label", "Copy the curl line");
  return made("div", "code", text, copy);
}
