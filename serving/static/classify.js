// The easel: draw, drop, choose or paste; bars follow. White on black, as the data is.

import { ask, latest, note, quoted } from "/static/server.js";

const $ = (id) => document.getElementById(id);
const canvas = $("canvas");
const pen = canvas.getContext("2d");
const LABELS = 10;

let model = null;
let given = null; // a picture as base64 that was not drawn on yet
let empty = true;
let last = null;
let onOwn = () => {};

export const isEmpty = () => empty;

export function useClassifier(entry) {
  model = entry;
  if (entry && !empty) classify();
  showCurl();
}

// Shows a picture and classifies its own bytes, not the enlarged copy on the canvas.
export async function show(blob) {
  let picture;
  try {
    picture = await createImageBitmap(blob);
  } catch {
    note($("classify-note"), "This file cannot be read as a picture.", true);
    return;
  }
  wipe();
  const scale = Math.min(canvas.width / picture.width, canvas.height / picture.height);
  const [width, height] = [picture.width * scale, picture.height * scale];
  pen.imageSmoothingEnabled = scale < 1;
  pen.drawImage(picture, (canvas.width - width) / 2, (canvas.height - height) / 2, width, height);
  given = await base64(blob);
  touched();
}

const classify = latest(async () => {
  if (!model || empty) return;
  const image = given || (await base64(await png()));
  const top_k = Math.min(LABELS, model.labels.length);
  const started = performance.now();
  try {
    const answer = await ask("/v1/classify", { model: model.id, image, top_k });
    if (empty) return;
    bars(answer.predictions[0]);
    note($("classify-note"), `${answer.model}, ${Math.round(performance.now() - started)} ms`);
  } catch (error) {
    note($("classify-note"), error.message, true);
  }
});

function bars(labels) {
  const list = $("bars");
  // The bars stay and their widths glide; only the texts change.
  while (list.children.length < labels.length) {
    const item = document.createElement("li");
    const fill = document.createElement("div");
    fill.className = "fill";
    const label = document.createElement("span");
    const share = document.createElement("span");
    share.className = "share";
    item.append(fill, label, share);
    list.append(item);
  }
  while (list.children.length > labels.length) list.lastChild.remove();
  labels.forEach(({ label, score }, index) => {
    const [fill, name, share] = list.children[index].children;
    fill.style.width = `${100 * score}%`;
    name.textContent = label;
    share.textContent = `${(100 * score).toFixed(1)} %`;
  });
}

function showCurl() {
  const name = model ? model.id : "NAME";
  $("classify-curl").textContent =
    `curl ${location.origin}/v1/classify -F model=${quoted(name)} -F top_k=3 -F file=@drawing.png`;
}

function wipe() {
  pen.fillStyle = "#000";
  pen.fillRect(0, 0, canvas.width, canvas.height);
}

function touched() {
  empty = false;
  $("hint").hidden = true;
  classify();
}

function clear() {
  wipe();
  given = null;
  empty = true;
  onOwn();
  $("hint").hidden = false;
  $("bars").replaceChildren();
  note($("classify-note"), "");
}

function at(event) {
  const box = canvas.getBoundingClientRect();
  const scale = canvas.width / box.width;
  return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
}

function stroke(event) {
  if (!last) return;
  const point = at(event);
  pen.lineCap = pen.lineJoin = "round";
  pen.lineWidth = Number($("brush").value);
  pen.strokeStyle = "#fff";
  pen.beginPath();
  pen.moveTo(...last);
  // A line without length, as a tap makes it, would leave no dot.
  pen.lineTo(point[0] + 0.01, point[1]);
  pen.stroke();
  last = point;
  given = null;
  onOwn();
  touched();
}

function png() {
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

async function base64(blob) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  let text = "";
  for (let i = 0; i < bytes.length; i += 8192) {
    text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  }
  return btoa(text);
}

function firstPicture(items) {
  return [...(items || [])].find((item) => item.type.startsWith("image/"));
}

// `own` is called when what is on the easel is no longer a picture that was shown.
export function start(own) {
  onOwn = own;
  wipe();
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    last = at(event);
    stroke(event);
  });
  canvas.addEventListener("pointermove", stroke);
  for (const name of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(name, () => { last = null; });
  }
  $("clear").addEventListener("click", clear);
  $("choose").addEventListener("click", () => $("file").click());
  $("file").addEventListener("change", () => {
    if ($("file").files[0]) show($("file").files[0]);
    $("file").value = "";
  });
  $("save").addEventListener("click", async () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await png());
    link.download = "drawing.png";
    link.click();
    URL.revokeObjectURL(link.href);
  });
  const easel = $("easel");
  easel.addEventListener("dragleave", () => easel.classList.remove("over"));
  // A picture dropped beside the easel must not replace the page.
  for (const name of ["dragover", "drop"]) {
    window.addEventListener(name, (event) => event.preventDefault());
  }
  easel.addEventListener("dragover", () => easel.classList.add("over"));
  easel.addEventListener("drop", (event) => {
    easel.classList.remove("over");
    const file = firstPicture(event.dataTransfer.files);
    if (file) show(file);
    else note($("classify-note"), "Drop a picture file.", true);
  });
  window.addEventListener("paste", (event) => {
    const item = firstPicture(event.clipboardData?.items);
    if (item) show(item.getAsFile());
  });
}
