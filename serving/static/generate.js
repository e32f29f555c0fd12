// The grid of samples and the way between two seeds.

import { ask, latest, note, quoted } from "/static/server.js";

const $ = (id) => document.getElementById(id);
const STEPS = 33;

let model = null;
let frames = [];
let drawn = "";
let onChoose = () => {};

export function start(choose) {
  onChoose = choose;
  $("generate-form").addEventListener("submit", (event) => {
    event.preventDefault();
    generate();
  });
  $("dice").addEventListener("click", () => {
    $("seed").value = crypto.getRandomValues(new Uint32Array(1))[0] % 1000000;
    generate();
  });
  $("position").addEventListener("input", slide);
  for (const id of ["from", "to"]) $(id).addEventListener("change", () => way());
}

export async function useGenerator(entry) {
  model = entry;
  if (!entry) return;
  await generate();
  await way();
}

function whole(id, low, high) {
  const input = $(id);
  const value = Math.round(Number(input.value));
  const kept = Number.isFinite(value) ? Math.min(high, Math.max(low, value)) : low;
  input.value = kept;
  return kept;
}

const generate = latest(async () => {
  const body = { model: model.id, n: whole("count", 1, 64), seed: whole("seed", 0, 2 ** 53 - 64) };
  const started = performance.now();
  $("grid").classList.add("waiting");
  try {
    const answer = await ask("/v1/images/generations", body);
    $("grid").replaceChildren(...answer.data.map(tile));
    const images = `${answer.data.length} image${answer.data.length > 1 ? "s" : ""}`;
    note($("generate-note"), `${answer.model}, ${images} in ${Math.round(performance.now() - started)} ms`);
    curl(body);
  } catch (error) {
    note($("generate-note"), error.message, true);
  }
  $("grid").classList.remove("waiting");
});

function tile(item) {
  const button = document.createElement("button");
  const image = new Image();
  image.src = `data:image/png;base64,${item.b64_json}`;
  image.alt = `Sample of seed ${item.seed}`;
  button.type = "button";
  button.title = `Seed ${item.seed}`;
  button.append(image);
  button.addEventListener("click", () => choose(button, item.b64_json));
  return button;
}

function choose(button, encoded) {
  for (const other of $("grid").children) other.setAttribute("aria-pressed", other === button);
  const bytes = Uint8Array.from(atob(encoded), (letter) => letter.charCodeAt(0));
  onChoose(new Blob([bytes], { type: "image/png" }));
}

export function unchoose() {
  for (const button of $("grid").children) button.removeAttribute("aria-pressed");
}

export function chooseFirst() {
  $("grid").firstElementChild?.click();
}

// The whole way is fetched once, so that the slider moves without waiting for the server.
const way = latest(async () => {
  const body = wayBody();
  try {
    const answer = await ask("/v1/images/generations", body);
    frames = answer.data.map((item) => `data:image/png;base64,${item.b64_json}`);
    drawn = JSON.stringify(body);
    showFrame();
  } catch (error) {
    note($("generate-note"), error.message, true);
  }
});

function wayBody() {
  const [seed, to_seed] = [whole("from", 0, 2 ** 53 - 1), whole("to", 0, 2 ** 53 - 1)];
  return { model: model.id, seed, interpolate: { to_seed, steps: STEPS } };
}

function slide() {
  if (!model) return;
  const body = wayBody();
  if (drawn !== JSON.stringify(body)) way();
  showFrame();
  curl(body);
}

function showFrame() {
  if (!frames.length) return;
  const index = Number($("position").value);
  $("morph-image").src = frames[index];
  $("position").setAttribute("aria-valuetext", `${Math.round((100 * index) / (STEPS - 1))} percent`);
}

function curl(body) {
  $("generate-curl").textContent =
    `curl ${location.origin}/v1/images/generations -H 'Content-Type: application/json' ` +
    `-d ${quoted(JSON.stringify(body))}`;
}
