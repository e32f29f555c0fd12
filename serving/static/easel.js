// The easel: what is drawn on it, dropped, chosen or pasted. White on black, as the data is.

import { $, note } from "/static/dom.js";
import { isMarked, mark, unmark } from "/static/mask.js";
import { startPen } from "/static/pen.js";
import { base64, download, pngOf } from "/static/pictures.js";

const canvas = $("canvas");
const ink = canvas.getContext("2d");

let given = null; // a picture that was not drawn on yet: its base64 and size
let empty = true;
let marking = false;
let changed = () => {};

export const isEmpty = () => empty;

// From now on the pen marks what is to be painted anew, or draws again.
export function useMask(on) {
  marking = on;
  $("easel").classList.toggle("marking", on);
}

// Base64 of the picture: of its own bytes, not of the enlarged copy on the canvas, where it has some.
export async function picture() {
  return given ? given.encoded : base64(await pngOf(canvas));
}

// The same in a size, for models that take no other.
export async function pictureOf(width, height) {
  if (given?.width === width && given.height === height) return given.encoded;
  const copy = Object.assign(document.createElement("canvas"), { width, height });
  const pen = copy.getContext("2d");
  pen.imageSmoothingQuality = "high";
  pen.drawImage(canvas, 0, 0, width, height);
  return base64(await pngOf(copy));
}

export async function show(blob) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob);
  } catch {
    note($("easel-note"), "This file cannot be read as a picture.", true);
    return;
  }
  const encoded = await base64(blob);
  wipe();
  const scale = Math.min(canvas.width / bitmap.width, canvas.height / bitmap.height);
  const [width, height] = [bitmap.width * scale, bitmap.height * scale];
  ink.imageSmoothingEnabled = scale < 1;
  ink.drawImage(bitmap, (canvas.width - width) / 2, (canvas.height - height) / 2, width, height);
  given = { encoded, width: bitmap.width, height: bitmap.height };
  touched(true);
}

function draw(from, to) {
  const width = Number($("brush").value);
  if (marking) {
    if (empty) note($("easel-note"), "There is no picture to mark yet.", true);
    else mark(from, to, width);
    return;
  }
  ink.lineCap = ink.lineJoin = "round";
  ink.lineWidth = width;
  ink.strokeStyle = "#fff";
  ink.beginPath();
  ink.moveTo(...from);
  ink.lineTo(...to);
  ink.stroke();
  given = null;
  touched(false);
}

function touched(shown) {
  empty = false;
  $("hint").hidden = true;
  note($("easel-note"), "");
  changed(shown);
}

function wipe() {
  ink.fillStyle = "#000";
  ink.fillRect(0, 0, canvas.width, canvas.height);
  unmark();
}

function clear() {
  // What was marked goes first, the picture with the next click.
  if (marking && isMarked()) {
    unmark();
    return;
  }
  wipe();
  given = null;
  empty = true;
  $("hint").hidden = false;
  note($("easel-note"), "");
  changed(false);
}

function firstPicture(items) {
  return [...(items || [])].find((item) => item.type.startsWith("image/"));
}

// `onChange` is called after each change, with whether a whole picture was put on the easel.
export function startEasel(onChange) {
  changed = onChange;
  wipe();
  startPen(canvas, $("cursor"), draw);
  $("clear").addEventListener("click", clear);
  $("choose").addEventListener("click", () => $("file").click());
  $("file").addEventListener("change", () => {
    if ($("file").files[0]) show($("file").files[0]);
    $("file").value = "";
  });
  $("save").addEventListener("click", async () => download(await pngOf(canvas), "drawing.png"));
  takeDrops($("easel"));
  window.addEventListener("paste", (event) => {
    const item = firstPicture(event.clipboardData?.items);
    if (item) show(item.getAsFile());
  });
}

function takeDrops(easel) {
  // A picture dropped beside the easel must not replace the page.
  for (const name of ["dragover", "drop"]) {
    window.addEventListener(name, (event) => event.preventDefault());
  }
  easel.addEventListener("dragover", () => easel.classList.add("over"));
  easel.addEventListener("dragleave", () => easel.classList.remove("over"));
  easel.addEventListener("drop", (event) => {
    easel.classList.remove("over");
    const file = firstPicture(event.dataTransfer.files);
    if (file) show(file);
    else note($("easel-note"), "Drop a picture file.", true);
  });
}
