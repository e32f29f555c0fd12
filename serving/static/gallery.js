// All models: a tile each, with what it measured and, as soon as it comes into view, a picture.

import { $, made, note } from "/static/dom.js";
import { nameOf, valueOf, whole } from "/static/measures.js";
import { addressOf } from "/static/models.js";
import { pictureAt } from "/static/server.js";

// Which of a model's pictures says most at first sight.
const TELLING = ["samples.png", "translations.png", "reconstructions.png", "errors.png", "confusion.png"];

const seen = new IntersectionObserver(load, { rootMargin: "300px" });
const pictures = new WeakMap();

// `open` gets the entry of a tile that is clicked on.
export function startGallery(models, open) {
  const tiles = models.map((model) => [model, tile(model, open)]);
  $("gallery").replaceChildren(...tiles.map(([, item]) => item));
  if (!models.length) note($("gallery-note"), "No model is served; the command zoo train makes one.");
  $("find").addEventListener("input", () => {
    const words = $("find").value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const [model, item] of tiles) item.hidden = !words.every((word) => textOf(model).includes(word));
    const left = tiles.filter(([, item]) => !item.hidden).length;
    note($("gallery-note"), words.length ? `${left} of ${tiles.length} models` : "");
  });
}

function textOf({ id, task, family, paper }) {
  return `${id} ${task} ${family} ${paper}`.toLowerCase();
}

function tile(model, open) {
  const title = made("strong", "tile-name", model.id);
  const about = made("span", "tile-about", `${model.task} · ${whole(model.parameters)} parameters`);
  const shot = made("span", "shot");
  const button = made("button", "tile", shot, title, about);
  button.type = "button";
  button.setAttribute("aria-haspopup", "dialog");
  for (const metric of model.metrics.slice(0, 2)) {
    const value = made("b", "", valueOf(metric));
    button.append(made("span", "measure", value, ` ${nameOf(metric)} on ${metric.split}`));
  }
  button.addEventListener("click", () => open(model));
  const file = TELLING.find((name) => model.pictures.includes(name)) ?? model.pictures[0];
  if (file) {
    pictures.set(shot, `${addressOf(model)}/files/${encodeURIComponent(file)}`);
    seen.observe(shot);
  }
  return made("li", "", button);
}

async function load(entries) {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting) continue;
    seen.unobserve(target);
    show(target);
  }
}

async function show(shot) {
  const image = Object.assign(new Image(), { alt: "" });
  try {
    image.src = await pictureAt(pictures.get(shot));
    shot.append(image);
  } catch (error) {
    // A tile says enough without its picture.
    shot.title = error.message;
  }
}
