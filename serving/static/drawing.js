// Asks for images and shows them in a grid: those of step-by-step generators while they appear.

import { made, note } from "/static/dom.js";
import { blobOf, sourceOf } from "/static/pictures.js";
import { rove, stopAt } from "/static/rove.js";
import { ask, stream } from "/static/server.js";

// `form` has a button to cancel; `choose` gets the blob of an image that is clicked on.
export function drawing({ form, grid, progress, place, choose }) {
  const cancel = form.querySelector("[data-cancel]");
  let running = null;

  rove(grid);
  cancel.addEventListener("click", () => running?.abort());
  form.addEventListener("keydown", (event) => {
    if (event.key === "Escape") running?.abort();
  });

  function busy(is) {
    cancel.hidden = !is;
    grid.setAttribute("aria-busy", is);
    if (!is) {
      grid.classList.remove("waiting");
      progress.hidden = true;
    }
  }

  function tile() {
    const button = made("button", "", Object.assign(new Image(), { alt: "" }));
    button.type = "button";
    button.disabled = true;
    return button;
  }

  function lay(n) {
    const tiles = Array.from({ length: n }, tile);
    grid.replaceChildren(...tiles);
    return tiles;
  }

  function put(button, encoded, seed) {
    button.firstChild.src = sourceOf(encoded);
    button.firstChild.alt = `Image of seed ${seed}`;
    button.title = `Seed ${seed}`;
  }

  function finish(button, { b64_json, seed }) {
    put(button, b64_json, seed);
    button.disabled = false;
    button.addEventListener("click", () => {
      for (const other of grid.children) other.setAttribute("aria-pressed", other === button);
      choose(blobOf(b64_json));
    });
  }

  async function atOnce(path, body, signal) {
    grid.classList.add("waiting");
    const answer = await ask(path, body, signal);
    const tiles = lay(answer.data.length);
    tiles.forEach((button, index) => finish(button, answer.data[index]));
    return answer.model;
  }

  async function asTheyCome(path, body, signal) {
    let tiles = null;
    let model = "";
    grid.classList.add("waiting");
    progress.hidden = false;
    progress.removeAttribute("value");
    for await (const event of stream(path, body, signal)) {
      tiles ??= lay(body.n);
      grid.classList.remove("waiting");
      const button = tiles[event.image_index];
      if (event.type.endsWith(".partial_image")) {
        put(button, event.b64_json, body.seed + event.image_index);
        progress.value = event.step / event.total;
      } else {
        finish(button, event);
        model = event.model;
      }
    }
    if (!tiles?.every((button) => !button.disabled)) throw new Error("The server ended before its last image.");
    return model;
  }

  // An older request that still runs is given up; resolves when this one has an end.
  async function draw(path, body) {
    running?.abort();
    const own = (running = new AbortController());
    const started = performance.now();
    busy(true);
    try {
      const model = await (body.stream ? asTheyCome : atOnce)(path, body, own.signal);
      if (own !== running) return;
      stopAt(grid, grid.firstElementChild);
      const images = `${grid.children.length} image${grid.children.length > 1 ? "s" : ""}`;
      note(place, `${model}, ${images} in ${Math.round(performance.now() - started)} ms`);
    } catch (error) {
      if (own !== running) return;
      const left = error.name === "AbortError";
      note(place, left ? "Cancelled." : error.message, !left);
    } finally {
      if (own === running) {
        running = null;
        busy(false);
      }
    }
  }

  // Says that what is on the easel is no longer an image of this grid.
  function unchoose() {
    for (const button of grid.children) button.removeAttribute("aria-pressed");
  }

  return { draw, unchoose };
}
