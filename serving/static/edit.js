// Painting over the picture: image to image and, where the pen has marked something, inpainting.

import { showForm } from "/static/curl.js";
import { $, note, numberOf } from "/static/dom.js";
import { drawing } from "/static/drawing.js";
import * as easel from "/static/easel.js";
import { maskOf } from "/static/mask.js";
import { sizeOf } from "/static/models.js";
import { asked, offer } from "/static/sampling.js";

const PATH = "/v1/images/edits";
const form = $("edit-form");

let model = null;
let sheet = null;

export function startEdit(choose) {
  sheet = drawing({
    form, choose, grid: $("edit-grid"), progress: $("edit-progress"), place: $("edit-note"),
  });
  form.elements.strength.addEventListener("input", showStrength);
  showStrength();
  $("masking").addEventListener("change", () => easel.useMask($("masking").checked));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    paintOver();
  });
}

export function useEditor(entry) {
  model = entry;
  offer(form, model);
}

async function paintOver() {
  if (easel.isEmpty()) {
    note($("edit-note"), "There is no picture yet: draw one, or choose one.", true);
    return;
  }
  const { n, seed, strength } = form.elements;
  const { height, width } = sizeOf(model);
  const said = {
    model: model.id,
    n: numberOf(n),
    seed: numberOf(seed),
    strength: Number(strength.value),
    ...asked(form, model),
  };
  const marked = $("masking").checked ? maskOf(width, height) : null;
  const [image, mask] = await Promise.all([easel.pictureOf(width, height), marked]);
  const masked = mask ? { mask } : {};
  showLine(said, mask);
  await sheet.draw(PATH, { ...said, image, ...masked, stream: true, partial_images: 3 });
}

function showLine(said, mask) {
  const files = [["image", "@drawing.png"], ...(mask ? [["mask", "@mask.png"]] : [])];
  showForm("edit-curl", PATH, [...Object.entries(said), ...files]);
}

export const unchoose = () => sheet.unchoose();

function showStrength() {
  $("strength-shown").textContent = Number(form.elements.strength.value).toFixed(2);
}
